"""The table of terms, English to Chinese, and whether the prose keeps to it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.chapter import Chapter, Pair, Problem
from tools.prose import Facts, read_prose

TABLE = Path(__file__).with_name("terms.toml")


@dataclass(frozen=True)
class Term:
    """English forms, the Chinese forms that readers know, and how English is found."""

    en: tuple[str, ...]
    zh: tuple[str, ...]
    pattern: re.Pattern[str]


def _plural(word: str) -> str:
    """A pattern for a word and its plural."""
    stem = re.escape(word).replace(r"\ ", r"[\s-]+").replace(r"\-", r"[\s-]+")
    if re.search(r"[^aeiou]y$", word):
        return f"{stem[:-1]}(?:y|ies)"
    return f"{stem}(?:es)?" if word.endswith(("s", "x", "ch", "sh")) else f"{stem}s?"


@cache
def read_terms(path: Path = TABLE) -> tuple[Term, ...]:
    """The terms that are enforced (``enforce = false`` marks the others)."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["term"]
    return tuple(
        Term(
            tuple(entry["en"]),
            tuple(entry["zh"]),
            re.compile(
                rf"(?<![\w-])(?:{'|'.join(map(_plural, entry['en']))})(?![\w])",
                re.IGNORECASE,
            ),
        )
        for entry in entries
        if entry.get("enforce", True)
    )


def _unlinked(facts: Facts) -> str:
    return "\n".join(line.unlinked for line in facts.lines)


def check_pair_terms(chapter: Chapter, pair: Pair) -> Iterator[Problem]:
    """Terms of an English block whose Chinese form is missing in the Chinese one."""
    english, chinese = read_prose(pair.en), read_prose(pair.zh)
    text = _unlinked(english)
    for term in read_terms():
        found = term.pattern.search(text)
        if found and not any(form in chinese.text for form in term.zh):
            place = next(
                line.line + line.text[: match.start()].count("\n")
                for line in english.lines
                if (match := term.pattern.search(line.unlinked))
            )
            forms = " or ".join(term.zh)
            yield chapter.problem(
                place,
                f"{found[0]!r} is {forms} in the table of terms; the Chinese block "
                f"(line {pair.zh.line}) has none of them.",
            )
