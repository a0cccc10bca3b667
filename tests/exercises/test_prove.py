"""Every exercise of the book: blanks get nothing, answers what they deserve."""

from __future__ import annotations

import pytest

from tests.exercises.helpers import NAMES, book_assignment, small
from tools.exercises.prove import claims, prove


@pytest.mark.parametrize("name", NAMES)
def test_answers_of_the_book_get_their_points(name: str) -> None:
    assert prove(book_assignment(name)) == []


def test_a_wrong_claim_is_found() -> None:
    assignment = small()
    assert len(list(claims(assignment))) == 3 * (4 + 2)
    exercise = assignment.exercises[1]
    exercise.tries[1].options["try"] = 1
    (fault,) = prove(assignment)
    assert "exercises/01-small.md: seven: line " in fault
    assert "0 points, not 1. AssertionError seven is 8, not 7" in fault
