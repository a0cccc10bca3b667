"""Prove an assignment: blanks get nothing, answers what they deserve."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tools.chapter import LANGUAGES
from tools.exercises.grading import Room
from tools.exercises.judging import Verdict, judge
from tools.exercises.source import Assignment, Exercise
from tools.exercises.words import blank, speak, unmarked


def claims(assignment: Assignment) -> Iterator[tuple[Exercise, str, str, str, int]]:
    """What is to be proven: exercise, language, what for, an answer, its points."""
    for exercise in assignment.exercises:
        for lang in LANGUAGES:
            answer = speak(exercise.answer.source, lang)
            yield exercise, lang, "blank", blank(answer), 0
            yield exercise, lang, "solution", unmarked(answer), exercise.points
        for other in exercise.tries:
            source = speak(other.source, "en")
            line = f"line {other.line}"
            yield exercise, "en", line, source, other.options["try"]


def prove(assignment: Assignment, workers: int = 2) -> list[str]:
    """Run every answer of the source; what got other points than it should."""

    def check(claim: tuple[Exercise, str, str, str, int]) -> str:
        exercise, lang, what, source, points = claim
        answers = {exercise.name: [source]}
        room = Room(safe=False)  # the answers are our own
        verdict = judge(room, assignment, exercise, answers, lang, set())
        if verdict.points == points:
            return ""
        label = f"{assignment.label}: {exercise.name}: {what} ({lang})"
        return f"{label}: {verdict.points} points, not {points}. {_said(verdict)}"

    with ThreadPoolExecutor(workers) as pool:
        return [fault for fault in pool.map(check, claims(assignment)) if fault]


def _said(verdict: Verdict) -> str:
    words = (
        " ".join(str(fault.get(key, "")) for key in ("kind", "text", "line")).strip()
        for fault in verdict.faults
    )
    return "; ".join(words)
