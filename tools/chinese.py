"""How Chinese and English prose is written: checks that look at one language.

Chinese, as in the Chinese edition of *Dive into Deep Learning*:

* full-width punctuation (，；：？！（）。) beside Chinese characters and beside
  inline code in a Chinese paragraph; shapes such as (10, 20) belong in code;
* “ ” around Chinese, never straight quotes; …… and not three dots;
* no space between Chinese and Latin letters, digits or inline code:
  用`load`读回16个字节. A line may break anywhere: the builder joins Chinese lines;
* no full-width letters or digits;
* every paragraph, heading, item and table cell with words in it is translated.

English has no Chinese characters outside links and code. In both, marks of
emphasis have to render: ``**重点（key）**是`` does not, as CommonMark wants a space
or punctuation after a closing mark that follows punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.chapter import Chapter, Pair, Problem
from tools.prose import CJK, CODE, WIDE, Facts, read_prose

HAS_CHINESE = re.compile(f"[{CJK}]")
WORDS = re.compile(r"[A-Za-z]{2,}")
FULL = dict(zip(",;:?!().", "，；：？！（）。", strict=True))
RULES = {
    "half-width {found} beside Chinese: write {full}": re.compile(
        rf"(?<=[{WIDE}{CODE}])[,;:?!()]|[,;:?!()](?=[{WIDE}{CODE}])"
    ),
    "half-width {found} at the end of a Chinese sentence: write {full}": re.compile(
        rf"(?<=[{CJK}”）])\.(?![\w.])|(?<=[\w{CODE}])\.(?=\s*$)"
    ),
    "straight quote {found} beside Chinese: write “ ”": re.compile(
        rf"(?<=[{WIDE}])[\"']|[\"'](?=[{WIDE}])"
    ),
    "three dots: write ……": re.compile(r"(?<!\.)\.{3}(?!\.)"),
    "a space beside Chinese: write none": re.compile(
        rf"(?<=[{WIDE}])[ \t\u3000]+(?=[\w{CODE}{WIDE}])"
        rf"|(?<=[\w{CODE}{WIDE}])[ \t\u3000]+(?=[{WIDE}])"
    ),
    "a full-width letter or digit {found}: write it half-width": re.compile(
        "[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]"
    ),
}
BOTH = {
    "marks of emphasis that do not render": re.compile(
        r"\*\*|(?<!\s)\*(?!\s)|(?<![\s\w])\*\w"
    ),
    "math between dollar signs, which the site does not show": re.compile(
        r"\$[^$\n]+\$"
    ),
}


def check_pair_style(chapter: Chapter, pair: Pair) -> Iterator[Problem]:
    """What is wrong with either block of a pair, seen by itself."""
    english, chinese = read_prose(pair.en), read_prose(pair.zh)
    if pair.en.source == pair.zh.source and WORDS.search(english.text):
        text = "the Chinese block is the English one. Translate it."
        yield chapter.problem(pair.zh.line, text)
        return
    for line in english.lines:
        if found := HAS_CHINESE.search(line.unlinked):
            text = f"Chinese in an English block: {_around(line.text, found[0])}"
            yield chapter.problem(line.line, text)
    yield from _check_chinese(chapter, chinese)
    for line in english.lines + chinese.lines:
        for what, pattern in BOTH.items():
            if found := pattern.search(line.text):
                at = line.line + line.text[: found.start()].count("\n")
                shown = _around(line.text, found[0], found.start())
                yield chapter.problem(at, f"{what}: {shown}")


def _check_chinese(chapter: Chapter, facts: Facts) -> Iterator[Problem]:
    for line in facts.lines:
        chinese = HAS_CHINESE.search(line.text)
        if not chinese:
            words = len(WORDS.findall(line.unlinked))
            if words > 2 or (words and line.unlinked.strip()[-1] in ".!?"):
                text = f"no Chinese in a Chinese block: {line.text[:40]!r}"
                yield chapter.problem(line.line, text)
            continue
        for rule, pattern in RULES.items():
            for found in pattern.finditer(line.text):
                at = line.line + line.text[: found.start()].count("\n")
                what = rule.format(found=found[0], full=FULL.get(found[0], ""))
                shown = _around(line.text, found[0], found.start())
                yield chapter.problem(at, f"{what}: {shown}")


def _around(text: str, found: str, start: int | None = None) -> str:
    """A few characters on either side, as the reader of an error will find them."""
    start = text.index(found) if start is None else start
    part = text[max(0, start - 8) : start + len(found) + 8]
    return f"…{part}…".replace(CODE, "`code`").replace("\n", " ")
