"""What was handed in: which notebooks, whose, and the answers in them.

Only the student's own cells are taken. Tests and given cells are the source's, so that
it does no harm to edit, delete, copy or move them. An answer is known by the name in
its cell's metadata, by the cell's id, or at last by what it defines.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tools.chapter import LANGUAGES, Code
from tools.exercises.source import Assignment
from tools.exercises.words import blank, bound_names, speak

MAX_BYTES = 20_000_000
UNREADABLE = (nbformat.ValidationError, ValueError, TypeError, KeyError, AttributeError)


class Unusable(Exception):
    """A file that was handed in and cannot be graded; the argument is a kind of fault.

    The kinds are those of `tools.exercises.report.FAULTS`.
    """


@dataclass(frozen=True)
class Submission:
    """A notebook that was handed in, and by whom."""

    student: str
    path: Path


def find_submissions(folder: Path, names: list[str]) -> list[Submission]:
    """All notebooks in a folder: one for each student, or a folder for each.

    `names` are those of assignments, which are taken off the names of files.
    """
    found = []
    for path in sorted(folder.rglob("*.ipynb")):
        below = path.relative_to(folder)
        if any(part.startswith(".") for part in below.parts):
            continue  # what JupyterLab keeps for itself
        student = below.parts[0]
        if len(below.parts) == 1:
            student = _without(path.stem, names) or path.stem
        found.append(Submission(student, path))
    return found


def _without(stem: str, names: list[str]) -> str:
    pattern = "|".join(re.escape(name) for name in names) or "(?!)"
    return re.sub(rf"[-_ ]*({pattern})[-_ ]*", " ", stem).strip()


def read_submission(path: Path) -> tuple[bytes, dict]:
    """The bytes of a file, and the notebook in it."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):  # a link may lead to a neighbor's file
            raise Unusable("link")
        if found.st_size > MAX_BYTES:
            raise Unusable("large")
        data = path.read_bytes()
        notebook = nbformat.from_dict(json.loads(data))
        if notebook.get("nbformat", 0) < 4:
            notebook = nbformat.convert(notebook, 4)
        list(_code_cells(notebook))
    except (*UNREADABLE, OSError, RecursionError):
        raise Unusable("unreadable") from None
    return data, notebook


def assignment_of(
    notebook: dict, path: Path, assignments: dict[str, Assignment]
) -> Assignment:
    """Which assignment a notebook answers: as it says, as it is called, as it looks."""
    said = str(_dict(_dict(notebook.get("metadata")).get("d2lrec")).get("exercises"))
    if said in assignments:
        return assignments[said]
    for name, assignment in assignments.items():
        if name in path.stem:
            return assignment
    cells = list(_code_cells(notebook))
    found = {name for name, _ in cells}.union(*(bound_names(text) for _, text in cells))

    def known(assignment: Assignment) -> int:
        return sum(bool(found & {e.name, *e.names}) for e in assignment.exercises)

    best = max(assignments.values(), key=known, default=None)
    if best is None or not known(best):
        raise Unusable("unknown")
    return best


def _code_cells(notebook: dict) -> Iterator[tuple[str, str]]:
    """The name and the text of each code cell."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = cell["source"]
            text = source if isinstance(source, str) else "".join(source)
            marks = _dict(_dict(cell.get("metadata")).get("nbgrader"))
            yield str(marks.get("grade_id") or cell.get("id", "")), text


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def read_answers(notebook: dict, assignment: Assignment) -> dict[str, list[str]]:
    """For each exercise the student's own cells up to its answer, and the answer.

    Of several copies of an answer the first counts that was changed at all.
    """
    exercises = {exercise.name: exercise for exercise in assignment.exercises}
    tests = {e.test_name(t): n for n, e in exercises.items() for t in e.tests}
    given = {name for name, part in assignment.cells() if isinstance(part, Code)}
    answers: dict[str, list[str]] = {}
    own: list[str] = []
    loose: list[str] = []
    for name, text in _code_cells(notebook):
        if name in exercises:
            kept = answers.get(name)
            if kept is None or is_untouched(assignment, name, kept):
                answers[name] = [*loose, text]
                loose = []
        elif name in tests:
            if tests[name] in answers:  # what stands between an answer and its test
                answers[tests[name]] += loose
                loose = []
        elif name not in given:
            own.append(text)
            loose.append(text)
    for name in exercises.keys() - answers.keys():
        for number, text in enumerate(own):
            if exercises[name].names & bound_names(text):
                answers[name] = own[: number + 1]
                break
    return answers


def is_untouched(assignment: Assignment, name: str, cells: list[str]) -> bool:
    """Whether all that stands there is what was handed out."""
    exercise = next(e for e in assignment.exercises if e.name == name)
    stubs = {blank(speak(exercise.answer.source, lang)).strip() for lang in LANGUAGES}
    return [text.strip() for text in cells if text.strip() not in stubs] == []
