"""Sources: what is wrong with one is said with its line, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book_helpers import CHAPTER, SMALL, edit, make_book
from tools.chapter import BookError, Chapter, find_sources, read_chapter
from tools.checks import check_chapter, count, shown_stats
from tools.prose import join_lines

PARTS = [  # (what is replaced, by what, the whole error without the file's name)
]


def check(path: Path) -> str:
    """The errors in a source, without its name."""
    try:
        check_chapter(read_chapter(path))
    except BookError as error:
        return str(error).replace(f"{CHAPTER}:", "")
    return ""
