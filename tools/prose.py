"""What a block of prose is made of, and whether two languages say it alike.

Compared: levels of headings, inline code, links, images, numbers written in
digits, sizes of lists and tables, blocks of code and HTML tags. Number words are
free (*four megabytes* may be 四兆字节); digits have to be digits in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools.chapter import Chapter, Pair, Problem, Prose

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WIDE = CJK + "\u3000-\u303f\uff00-\uffef\u2018\u2019\u201c\u201d\u2014\u2026"
CODE = "\ue000"  # stands for a span of inline code in a line of text
NUMBER = re.compile(r"(?<![A-Za-z_\d.])\d+(?:[,_\u202f]\d{3}(?!\d))*(?:\.\d+)*")
TAG = re.compile(r"<([a-zA-Z][\w-]*)")
NAMES = {"en": "English", "zh": "Chinese"}
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@dataclass(frozen=True)
class Line:
    """A paragraph, heading or table cell: text, with `CODE` for inline code."""

    text: str
    line: int
    linked: tuple[str, ...] = ()

    @property
    def unlinked(self) -> str:
        """The text without what stands in links (titles of other people's pages)."""
        text = self.text
        for link in self.linked:
            text = text.replace(link, " ", 1)
        return text


@dataclass
class Facts:
    """What is compared: for each kind, what was found and in which line."""

    lines: list[Line] = field(default_factory=list)
    found: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def add(self, kind: str, what: str, line: int) -> None:
        """Note one thing."""
        self.found.setdefault(kind, []).append((what, line))

    @property
    def text(self) -> str:
        """All prose, one paragraph a line."""
        return "\n".join(line.text for line in self.lines)


def read_prose(prose: Prose) -> Facts:
    """Parse a block of Markdown and note what can be compared."""
    facts, stack = Facts(), []
    line = prose.line
    for token in MARKDOWN.parse(prose.source):
        line = prose.line + token.map[0] if token.map else line
        if token.type == "heading_open":
            facts.add("heading", f"level {token.tag[1]}", line)
        elif token.type.endswith("_list_open"):
            stack.append([line, 0])
        elif token.type == "list_item_open":
            stack[-1][1] += 1
        elif token.type.endswith("_list_close"):
            start, count = stack.pop()
            facts.add("list", _many(count, "item"), start)
        elif token.type == "table_open":
            stack.append([line, 0, 0])
        elif token.type == "tr_open":
            stack[-1][1] += 1
        elif token.type in ("td_open", "th_open"):
            stack[-1][2] += 1
        elif token.type == "table_close":
            start, rows, cells = stack.pop()
            size = f"{_many(rows, 'row')} of {_many(cells // rows, 'column')}"
            facts.add("table", size, start)
        elif token.type == "fence":
            facts.add("code block", token.info.strip() or "(no language)", line)
        elif token.type == "html_block":
            _tags(facts, token.content, line)
        elif token.type == "inline":
            _inline(facts, token, line)
    return facts


def _inline(facts: Facts, token: Token, line: int) -> None:
    text, linked, start = "", [], 0
    for child in token.children or ():
        at = line + text.count("\n")
        if child.type == "code_inline":
            facts.add("inline code", f"`{child.content}`", at)
            text += CODE
        elif child.type == "link_open":
            facts.add("link", _target(child.attrGet("href")), at)
            start = len(text)
        elif child.type == "link_close":
            linked.append(text[start:])
        elif child.type == "image":
            facts.add("image", _target(child.attrGet("src")), at)
            text += child.content
        elif child.type == "html_inline":
            _tags(facts, child.content, at)
        elif child.type in ("softbreak", "hardbreak"):
            text += "\n"
        else:
            text += child.content
    facts.lines.append(Line(text, line, tuple(linked)))
    for found in NUMBER.finditer(text):
        number = re.sub(r"[,_\u202f]", "", found[0])
        facts.add("number", number, line + text[: found.start()].count("\n"))


def _tags(facts: Facts, html: str, line: int) -> None:
    for tag in TAG.findall(html):
        facts.add("HTML tag", tag.lower(), line)


def _target(target: object) -> str:
    """A link's target; the same page in either language counts as one."""
    return re.sub(r"^\.\./(en|zh)/", "", str(target))


def compare_pair(chapter: Chapter, pair: Pair) -> Iterator[Problem]:
    """What one language has and the other lacks."""
    english, chinese = read_prose(pair.en), read_prose(pair.zh)
    for kind in sorted(english.found.keys() | chinese.found.keys()):
        left, right = english.found.get(kind, []), chinese.found.get(kind, [])
        if kind in ("heading", "list", "table"):
            yield from _compare_order(chapter, pair, kind, left, right)
            continue
        for what in sorted({what for what, _ in left + right}):
            counts = [[w for w, _ in side].count(what) for side in (left, right)]
            if counts[0] != counts[1]:
                more = left if counts[0] > counts[1] else right
                line = [at for w, at in more if w == what][-1]
                yield chapter.problem(
                    line,
                    f"{kind} {what}: {_times(counts[0])} in English, "
                    f"{_times(counts[1])} in Chinese (lines {pair.en.line} and "
                    f"{pair.zh.line}). Make them equal.",
                )


def _compare_order(
    chapter: Chapter,
    pair: Pair,
    kind: str,
    left: list[tuple[str, int]],
    right: list[tuple[str, int]],
) -> Iterator[Problem]:
    """Headings, lists and tables have to be the same in their order."""
    for number in range(max(len(left), len(right))):
        sides = [s[number] if number < len(s) else None for s in (left, right)]
        shown = [side[0] if side else f"no {kind}" for side in sides]
        if shown[0] != shown[1]:
            line = sides[1][1] if sides[1] else sides[0][1] if sides[0] else 0
            yield chapter.problem(
                line,
                f"{kind} {number + 1} of the block: {shown[0]} in English, "
                f"{shown[1]} in Chinese (lines {pair.en.line} and {pair.zh.line}). "
                "Make them equal.",
            )
            return


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count != 1 else "")


def _times(count: int) -> str:
    return {0: "none", 1: "once", 2: "twice"}.get(count, f"{count} times")


def join_lines(source: str, lang: str) -> str:
    """Chinese text without the line breaks that a browser would show as spaces."""
    if lang != "zh":
        return source
    lines = source.split("\n")
    breaks = [
        number
        for token in MARKDOWN.parse(source)
        if token.type == "inline" and token.map
        for number in range(token.map[0], token.map[1] - 1)
    ]
    for number in reversed(breaks):
        head, tail = lines[number], lines[number + 1].lstrip(" \t>")
        if head.endswith(("  ", "\\")):
            continue
        if _is_wide(head[-1:]) or _is_wide(tail[:1]) or _marks(head, tail):
            lines[number : number + 2] = [head.rstrip() + tail]
    return "\n".join(lines)


def _is_wide(char: str) -> bool:
    return bool(re.fullmatch(f"[{WIDE}]", char))


def _marks(head: str, tail: str) -> bool:
    """Whether Chinese stands behind the marks of code or emphasis at the break."""
    return _is_wide(head.rstrip("`*_)")[-1:]) or _is_wide(tail.lstrip("`*_[(")[:1])
