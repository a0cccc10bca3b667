"""Whether submissions can be isolated on this machine."""

from __future__ import annotations

import pytest

from tools.exercises.grading import CannotRun, Room


@pytest.fixture(scope="session")
def refused() -> str:
    """Why not, or nothing."""
    try:
        Room().run([], [])
        Room().run([["check", ""]], [["check", ""]])
    except CannotRun as error:
        return str(error)
    return ""


@pytest.fixture(scope="session")
def safe(refused: str) -> bool:
    """Whether a test runs submissions in the sandbox or, where there is none, bare."""
    return not refused


@pytest.fixture
def isolated(refused: str) -> None:
    """For tests of the sandbox itself."""
    if refused:
        pytest.skip(f"submissions cannot be isolated here: {refused}")
