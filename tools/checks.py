"""What every chapter has to have, beyond each pair of blocks being alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from tools.chapter import BookError, Chapter, Code, Problem
from tools.chinese import check_pair_style
from tools.prose import CJK, compare_pair
from tools.reference import check_fills
from tools.terms import check_pair_terms

MEDIAN_LINES = 6
MAX_LINES = 40
SECTIONS = (
    ("What you will be able to do", "你将学会"),
    ("Summary", "小结"),
    ("Exercises", "练习"),
    ("Further reading", "延伸阅读"),
)


@dataclass(frozen=True)
class Stats:
    """Figures of a chapter."""

    cells: int
    median_lines: float
    longest: int
    code_lines: int
    english_words: int
    chinese_characters: int


def count(chapter: Chapter) -> Stats:
    """Count cells, lines and words."""
    sizes = [len(part.source.splitlines()) for part in chapter.code] or [0]
    english = "\n".join(pair.en.source for pair in chapter.pairs)
    chinese = "\n".join(pair.zh.source for pair in chapter.pairs)
    return Stats(
        cells=len(chapter.code),
        median_lines=median(sizes),
        longest=max(sizes),
        code_lines=sum(sizes),
        english_words=len(re.findall(r"\w+", english)),
        chinese_characters=len(re.findall(f"[{CJK}]", chinese)),
    )


def shown_stats(stats: Stats) -> str:
    """The figures as one line."""
    return (
        f"{stats.cells} code cells, median {stats.median_lines:g} lines, longest "
        f"{stats.longest}; {stats.code_lines} lines of code, {stats.english_words} "
        f"words, {stats.chinese_characters} characters"
    )


def check_chapter(chapter: Chapter) -> None:
    """Raise `BookError` with everything that is wrong with a chapter's text."""
    problems = []
    for pair in chapter.pairs:
        for check in (compare_pair, check_pair_style, check_pair_terms):
            problems += check(chapter, pair)
    problems += check_title(chapter)
    if chapter.is_page:
        text = "a page without a number has no code cells. Move it to a chapter."
        problems += [chapter.problem(code.line, text) for code in chapter.code]
        problems += check_fills(chapter)
    else:
        problems += _check_sections(chapter)
        problems += _check_code(chapter)
    if problems:
        raise BookError(sorted(set(problems)))


def _headings(chapter: Chapter, lang: str) -> list[tuple[str, int]]:
    """Headings as written, with their lines; fenced code is prose's and has none."""
    found = []
    for pair in chapter.pairs:
        fenced = False
        for number, line in enumerate(pair[lang].source.splitlines()):
            fenced ^= line.startswith(("```", "~~~"))
            if not fenced and re.match("#+ ", line):
                found.append((line.rstrip(), pair[lang].line + number))
    return found


def check_title(chapter: Chapter) -> Iterator[Problem]:
    """Whether it begins with its title, and has no second one."""
    for lang in ("en", "zh"):
        headings = _headings(chapter, lang)
        first = chapter.parts[0]
        start = 1 if isinstance(first, Code) else first[lang].line
        if not headings or headings[0][1] != start or headings[0][0][:2] != "# ":
            text = "a chapter begins with its title, '# …', in both languages."
            yield chapter.problem(start, text)
        for heading, line in headings[1:]:
            if heading.startswith("# "):
                text = f"a second title ({heading}). Sections begin with '## '."
                yield chapter.problem(line, text)


def _check_sections(chapter: Chapter) -> Iterator[Problem]:
    for column, lang in enumerate(("en", "zh")):
        found = [heading for heading, _ in _headings(chapter, lang)]
        wanted = [f"## {names[column]}" for names in SECTIONS]
        for section in wanted:
            if section not in found:
                last = chapter.pairs[-1][lang].line
                yield chapter.problem(last, f"no section '{section}' ({lang}).")
        places = [found.index(section) for section in wanted if section in found]
        if places != sorted(places):
            order = ", ".join(wanted)
            yield chapter.problem(1, f"sections out of order; expected {order}.")
    opening = "\n".join(pair.en.source for pair in chapter.pairs[:4])
    if not re.search(r"\d+ minutes", opening):
        line = chapter.pairs[0].en.line
        yield chapter.problem(line, "says nowhere at the start how many 'minutes'.")


def _check_code(chapter: Chapter) -> Iterator[Problem]:
    if not chapter.code:
        yield chapter.problem(1, "a chapter without a code cell.")
        return
    for code in chapter.code:
        lines = len(code.source.splitlines())
        if lines > MAX_LINES:
            text = f"a code cell of {lines} lines: at most {MAX_LINES}. Split it."
            yield chapter.problem(code.line, text)
    stats = count(chapter)
    if stats.median_lines > MEDIAN_LINES:
        text = f"code cells have a median of {stats.median_lines:g} lines: at most 6."
        yield chapter.problem(1, text)
    prose = sum(len(pair.en.source) for pair in chapter.pairs)
    code = sum(len(part.source) for part in chapter.code)
    if prose < code:
        text = f"{code} characters of code, {prose} of English prose: expected more."
        yield chapter.problem(1, text)
    last = chapter.code[-1]
    if "assert" not in last.source:
        text = "the last code cell asserts nothing: end with what the reader built."
        yield chapter.problem(last.line, text)
