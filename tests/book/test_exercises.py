"""The exercises of a chapter are built with it, linked from it, and removed."""

from __future__ import annotations

from pathlib import Path

from tests.book.helpers import edit
from tests.exercises.helpers import SMALL
from tools.builder import Book


def test_the_book_builds_links_and_removes_them(root: Path) -> None:
    book = Book(root)
    source = root / "chapters" / "exercises" / "01-small.md"
    source.parent.mkdir()
    source.write_text(SMALL.read_text(encoding="utf-8"), encoding="utf-8")
    assert book.build([]) == 0
    chapter = (root / "chapters/zh/01-small.ipynb").read_text(encoding="utf-8")
    assert "[这份笔记本](exercises/01-small.ipynb)" in chapter
    summary = (root / "chapters/en/SUMMARY.md").read_text(encoding="utf-8")
    assert "  - [Answers](solutions/01-small.ipynb)\n" in summary
    solved = root / "chapters/en/solutions/01-small.ipynb"
    assert '"✓\\n"' in solved.read_text(encoding="utf-8")
    assert book.compare([]) == 0
    edit(solved, "return 2 * x", "return x * 2")
    assert book.compare([]) == 1
    source.unlink()
    assert book.build([]) == 0
    assert not list((root / "chapters").glob("*/*/*.ipynb"))
    chapter = (root / "chapters/zh/01-small.ipynb").read_text(encoding="utf-8")
    assert "exercises/01-small" not in chapter
