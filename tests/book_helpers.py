"""A book of one small chapter, copied to where a test may change it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SMALL = ROOT / "tests" / "small_book"
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
    mine = ("PYTEST", "COV_", "COVERAGE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(mine)}
    return kept | more
