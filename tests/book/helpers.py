"""A book of one small chapter, copied to where a test may change it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools.chapter import BookError, read_chapter
from tools.checks import check_chapter

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "tests" / "book" / "small"
CHAPTER = Path("chapters", "01-small.md")


def make_book(folder: Path) -> Path:
    """A copy of the small book with the project's own constraints."""
    target = folder / "book"
    shutil.copytree(SMALL, target, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "constraints.txt", target)
    return target


def edit(path: Path, old: str, new: str) -> None:
    """Replace what occurs exactly once in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (old, text.count(old))
    path.write_text(text.replace(old, new), encoding="utf-8")


def clean_environment(**more: str) -> dict[str, str]:
    """For a pytest inside a pytest: without what the outer one left there."""
    # with CI set, pytest prints each failure a second time, whole
    mine = ("PYTEST", "COV_", "COVERAGE", "CI", "BUILD_NUMBER")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(mine)}
    return kept | more


def faults(path: Path) -> str:
    """The errors in a source, without its name."""
    try:
        check_chapter(read_chapter(path))
    except BookError as error:
        return str(error).replace(f"{CHAPTER.as_posix()}:", "")
    return ""


def contents(root: Path) -> dict[str, bytes]:
    """All files that the builder writes, or might have."""
    folders = [root / "chapters" / lang for lang in ("en", "zh")]
    paths = [path for folder in folders for path in folder.rglob("*")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
