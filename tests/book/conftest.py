"""Copies of the small book, as it is or built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.book.helpers import CHAPTER, make_book
from tools.builder import Book


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The source of a small chapter, to be changed."""
    return make_book(tmp_path) / CHAPTER


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book that was built once. Tests copy it before they change anything."""
    root = make_book(tmp_path_factory.mktemp("built"))
    assert Book(root).build([]) == 0
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """A copy of the built book."""
    shutil.copytree(built, tmp_path / "book")
    return tmp_path / "book"
