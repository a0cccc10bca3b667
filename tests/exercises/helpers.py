"""A small assignment, and notebooks as students might hand them in."""

from __future__ import annotations

import json
from pathlib import Path

from tests.book.helpers import ROOT
from tools.exercises.classroom import Classroom
from tools.exercises.grading import Room
from tools.exercises.notebooks import Version, exercise_notebook
from tools.exercises.runner import Limits
from tools.exercises.source import Assignment, find_assignments, read_assignment
from tools.exercises.words import speak, unmarked

SMALL = ROOT / "tests/exercises/small/chapters/exercises/01-small.md"
NAMES = [path.stem for path in find_assignments(ROOT / "chapters")]
TITLES = {"en": "Small", "zh": "小"}


def book_assignment(name: str) -> Assignment:
    """One of the book's."""
    return read_assignment(ROOT / "chapters" / "exercises" / f"{name}.md")


def small() -> Assignment:
    """Three exercises of 3, 2 and 4 points, which need nothing but Python."""
    return read_assignment(SMALL)


def solutions(assignment: Assignment) -> dict[str, str]:
    """The right answers."""
    return {
        exercise.name: unmarked(speak(exercise.answer.source, "en"))
        for exercise in assignment.exercises
    }


def handed_in(
    assignment: Assignment, answers: dict[str, str], lang: str = "en"
) -> dict:
    """The student's notebook with these answers filled in."""
    titles = {"en": "A", "zh": "一"}
    notebook = exercise_notebook(assignment, lang, Version.STUDENT, titles)
    for cell in notebook.cells:
        if cell.id in answers:
            cell.source = answers[cell.id]
    return notebook


def cell(notebook: dict, name: str) -> dict:
    """The cell of this name."""
    return next(cell for cell in notebook["cells"] if cell["id"] == name)


def save(notebook: dict, path: Path) -> Path:
    """Hand it in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def classroom(
    folder: Path, *, lang: str = "en", safe: bool, **limits: int
) -> Classroom:
    """One that grades the small assignment."""
    room = Room(Limits(**limits), (folder,), safe)
    sources = {"01-small": SMALL.read_bytes()}
    results = folder.parent / "results"
    return Classroom({"01-small": small()}, sources, lang, room, results)
