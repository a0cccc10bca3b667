"""The real nbgrader makes of our sources what we make of them, and grades as we do."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.book.helpers import clean_environment
from tests.exercises.helpers import cell, classroom, handed_in, save, small, solutions
from tools.exercises.course import make_course

pytest.importorskip("nbgrader")


def nbgrader(course: Path, *arguments: str) -> str:
    """Run one command of nbgrader's."""
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        env=clean_environment(
            HOME=str(course),
            IPYTHONDIR=str(course / "ipython"),
            PATH=os.pathsep.join(
                [str(Path(sys.executable).parent), os.environ["PATH"]]
            ),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def submissions(lang: str) -> dict[str, dict]:
    """A notebook of each kind."""
    right = solutions(small())
    half = right | {"twice": "def twice(x): return 10", "note": "def note(t): pass"}
    tampered = handed_in(small(), half, lang)
    cell(tampered, "twice-test2")["source"] = "assert True"
    cell(tampered, "note-test1")["source"] = "pass"
    helped = handed_in(small(), right, lang)
    cell(helped, "twice")["source"] = "def two(): return 2\ntwice = lambda x: two() * x"
    return {
        "blank": handed_in(small(), {}, lang),
        "half": handed_in(small(), half, lang),
        "full": handed_in(small(), right, lang),
        "tampered": tampered,
        "helped": helped,
    }


def test_release_autograde_and_feedback(tmp_path: Path, safe: bool) -> None:
    lang, course = "zh", tmp_path / "course"
    said = make_course({"01-small": small()}, course)
    assert said.startswith("2 assignments in ")
    assignment = f"01-small-{lang}"
    nbgrader(course, "generate_assignment", assignment)
    released = course / "release" / assignment / "01-small.ipynb"
    notebook = json.loads(released.read_text(encoding="utf-8"))
    ours = handed_in(small(), {}, lang)
    codes = [
        [c["source"] for c in one["cells"] if c["cell_type"] == "code"]
        for one in (notebook, ours)
    ]
    assert ["".join(source) for source in codes[0]] == codes[1]
    for student, one in submissions(lang).items():
        save(one, course / "submitted" / student / assignment / "01-small.ipynb")
        save(one, tmp_path / "in" / student / "01-small.ipynb")
    nbgrader(course, "autograde", assignment)
    nbgrader(course, "generate_feedback", assignment)
    room = classroom(tmp_path / "in", lang=lang, safe=safe)
    grades = {g.student: g.points for g in room.grade(tmp_path / "in", 2)}
    assert grades == {"blank": 0, "half": 3, "full": 9, "tampered": 3, "helped": 9}
    assert scores(course) == grades
    for student in grades:
        place = course / "feedback" / student / assignment / "01-small.html"
        assert place.stat().st_size > 10_000


def scores(course: Path) -> dict[str, float]:
    """What is in nbgrader's gradebook."""
    query = (
        "select submitted_assignment.student_id, sum(grade.auto_score) from grade "
        "join submitted_notebook on grade.notebook_id = submitted_notebook.id "
        "join submitted_assignment "
        "on submitted_notebook.assignment_id = submitted_assignment.id group by 1"
    )
    book = sqlite3.connect(course / "gradebook.db")
    try:
        return dict(book.execute(query))
    finally:
        book.close()
