"""A whole folder of submissions: graded, remembered, gone on with after a stop."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools.exercises.grading import CannotRun, Room
from tools.exercises.judging import Verdict, judge
from tools.exercises.source import Assignment
from tools.exercises.submission import (
    Submission,
    Unusable,
    assignment_of,
    find_submissions,
    is_untouched,
    read_answers,
    read_submission,
)
from tools.progress import Progress

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Grade:
    """What one submission got: a verdict for each exercise, or why there is none."""

    student: str
    assignment: str
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    problem: str = ""

    @property
    def points(self) -> int:
        """All points together."""
        return sum(verdict.points for verdict in self.verdicts.values())


@dataclass(frozen=True)
class Classroom:
    """The assignments, in which language tests speak, where results are kept."""

    assignments: dict[str, Assignment]
    sources: dict[str, bytes]
    lang: str
    room: Room
    results: Path

    def grade(self, folder: Path, jobs: int) -> list[Grade]:
        """Grade a folder. Whatever has been graded as it is now is not run again."""
        todo = find_submissions(folder, list(self.assignments))
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self.grade_one, submission) for submission in todo]
            try:
                for number, future in enumerate(as_completed(futures), 1):
                    grade = future.result()
                    say = Progress(f"[{number}/{len(todo)}] {grade.student}")
                    say(self._shown(grade), end=number == len(todo) or not _tty())
            except (KeyboardInterrupt, CannotRun):
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return _best([future.result() for future in futures])

    def grade_one(self, submission: Submission) -> Grade:
        """Grade one notebook, or remember how it was graded."""
        student = submission.student
        try:
            data, notebook = read_submission(submission.path)
            assignment = assignment_of(notebook, submission.path, self.assignments)
        except Unusable as problem:
            return Grade(student, "", problem=str(problem))
        name = assignment.chapter
        kept = self.results / f"{self._digest(name, data)}.json"
        verdicts = _recall(kept)
        if verdicts is None:
            answers = read_answers(notebook, assignment)
            verdicts = dict(self._judge_all(assignment, answers))
            _remember(kept, verdicts)
        return Grade(student, name, verdicts)

    def _judge_all(
        self, assignment: Assignment, answers: dict[str, list[str]]
    ) -> Iterator[tuple[str, Verdict]]:
        deadly: set[tuple[str, int]] = set()
        for exercise in assignment.exercises:
            name = exercise.name
            if name in answers and is_untouched(assignment, name, answers[name]):
                yield name, Verdict(0, ({"kind": "blank"},))
            else:
                yield (
                    name,
                    judge(self.room, assignment, exercise, answers, self.lang, deadly),
                )

    def _digest(self, name: str, data: bytes) -> str:
        """A name for the result: another one if anything that counts has changed."""
        digest = hashlib.sha256(f"{self.lang} {self.room.limits}".encode())
        for part in (data, self.sources[name], *map(_read, sorted(HERE.glob("*.py")))):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()

    def _shown(self, grade: Grade) -> str:
        if grade.problem:
            return grade.problem
        most = self.assignments[grade.assignment].points
        return f"{grade.assignment}: {grade.points}/{most}"


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _tty() -> bool:
    return sys.stdout.isatty()


def _recall(path: Path) -> dict[str, Verdict] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Verdict(verdict["points"], tuple(verdict["faults"]))
            for name, verdict in kept.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _remember(path: Path, verdicts: dict[str, Verdict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({name: asdict(verdict) for name, verdict in verdicts.items()})
    beside = path.with_suffix(f".{os.getpid()}.new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _best(grades: list[Grade]) -> list[Grade]:
    """One grade for each student and assignment: of several notebooks the best."""
    best: dict[tuple[str, str], Grade] = {}
    for grade in grades:
        key = grade.student, grade.assignment
        if key not in best or grade.points > best[key].points:
            best[key] = grade
    return sorted(best.values(), key=lambda grade: (grade.student, grade.assignment))
