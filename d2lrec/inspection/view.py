"""Lines of styled text, shown as plain text, in a terminal, or in a notebook.

A line is made of pieces, each with a role, such as "name" or "muted". A notebook that
is not trusted drops style sheets and scripts, so every piece carries its own style,
with colors written out: dark letters on a light ground, readable on a page of either
kind. What has no ground of its own takes the page's color.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """Some text of a line.

    Attributes:
        text: What it says.
        role: What it is: a key of `ROLES`.
    """

    text: str
    role: str = ""


Line = Sequence[Piece]


class Style(NamedTuple):
    """How a role looks: the CSS of a notebook, and rich's words for a terminal."""

    css: str
    terminal: str


def _ground(color: str, terminal: str) -> Style:
    return Style(f"background-color:{color};color:#1f2933", terminal)


ROLES = {
    "": Style("", ""),
    "title": Style("font-weight:bold", "bold"),
    "name": Style("font-weight:bold", "bold"),
    "muted": Style("opacity:0.65", "dim"),
    "note": Style("font-style:italic", "italic"),
    "error": _ground("#fecaca", "bold red"),
    "structure": _ground("#dbe4ee", "blue"),
    "key": _ground("#cfe3ff", "cyan"),
    "text": _ground("#d3f2d9", "green"),
    "number": _ground("#fbe8b4", "yellow"),
    "payload": _ground("#f6d5e8", "magenta"),
    "unknown": _ground("#e2e2e2", "dim"),
}

_PRE = "line-height:1.4;overflow-x:auto;white-space:pre;margin:0"


def printable(text: str) -> str:
    r"""Write what would steer a terminal, or turn the text around, as an escape.

    >>> print(printable("a\x1b[31mb"), printable("层"))
    a\x1b[31mb 层
    """
    if text.isprintable():
        return text
    return "".join(
        x if x.isprintable() else x.encode("unicode_escape").decode() for x in text
    )


def as_text(lines: Iterable[Line]) -> str:
    """Return lines as plain text, without spaces at their ends.

    >>> as_text([[Piece("weight", "name"), Piece("  F32", "muted")]])
    'weight  F32'
    """
    return "\n".join("".join(x.text for x in line).rstrip() for line in lines)


def as_html(lines: Iterable[Line]) -> str:
    """Return lines as HTML for a notebook.

    >>> as_html([[Piece("<a>", "muted")]]).partition(">")[2]
    '<span style="opacity:0.65">&lt;a&gt;</span></pre>'
    """
    rows = "\n".join("".join(map(_span, line)) for line in lines)
    return f'<pre style="{_PRE}">{rows}</pre>'


def _span(piece: Piece) -> str:
    text, css = html.escape(piece.text), ROLES[piece.role].css
    return f'<span style="{css}">{text}</span>' if css else text


def show(lines: Iterable[Line]) -> None:
    """Print lines, with colors if this is a terminal that has them."""
    import sys

    if not sys.stdout.isatty():
        print(as_text(lines))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in lines:
        styled = ((piece.text, ROLES[piece.role].terminal) for piece in line)
        console.print(Text.assemble(*styled), soft_wrap=True)
