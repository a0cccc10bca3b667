"""What an exercise is worth: its cells put together, run, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.chapter import Code
from tools.exercises.grading import Room, Run
from tools.exercises.notebooks import Version, cell_text
from tools.exercises.source import Assignment, Exercise
from tools.exercises.words import speak, unmarked


@dataclass(frozen=True)
class Verdict:
    """The points for one exercise, and what failed: kinds, texts and places."""

    points: int
    faults: tuple[dict, ...] = ()


def judge(
    room: Room,
    assignment: Assignment,
    exercise: Exercise,
    answers: dict[str, Sequence[str]],
    lang: str,
    deadly: set[tuple[str, int]],
) -> Verdict:
    """The verdict on one exercise.

    `answers` has, for the name of each exercise, the student's cells up to its answer.
    A cell of another exercise that ends the process is noted in `deadly`, and the
    exercise is judged without it.
    """
    if exercise.name not in answers:
        return Verdict(0, ({"kind": "missing"},))
    tests = [
        [exercise.test_name(test), unmarked(speak(test.source, lang))]
        for test in exercise.tests
    ]
    while True:
        places, cells = _program(assignment, exercise, answers, lang, deadly)
        run = room.run(cells, tests)
        place = places[run.at] if run.end and not run.ready and run.at >= 0 else None
        if place is None or place[0] == exercise.name or place in deadly:
            return _verdict(exercise, places, run)
        deadly.add(place)


def _program(
    assignment: Assignment,
    exercise: Exercise,
    answers: dict[str, Sequence[str]],
    lang: str,
    deadly: set[tuple[str, int]],
) -> tuple[list[tuple[str, int]], list[list[str]]]:
    """The cells up to an answer: those given from the source, the others as they are.

    With each goes the exercise it belongs to and its number there.
    """
    places, cells = [], []
    for name, part in assignment.cells():
        if not isinstance(part, Code) or "test" in part.options:
            continue
        if "answer" not in part.options:
            places.append(("", len(cells)))
            cells.append([name, cell_text(part, lang, Version.STUDENT)])
        for number, source in enumerate(answers.get(name, ())):
            if (name, number) not in deadly or name == exercise.name:
                places.append((name, number))
                cells.append([name, source])
        if name == exercise.name:
            break
    return places, cells


def _verdict(exercise: Exercise, places: list[tuple[str, int]], run: Run) -> Verdict:
    points, faults = 0, []
    for number, error in run.cells.items():
        if places[number][0] == exercise.name and error:
            faults.append(error)
    for number, test in enumerate(exercise.tests):
        if number in run.tests and run.tests[number] is None:
            points += test.options["test"]
        elif number in run.tests:
            faults.append(run.tests[number])
    if run.end:
        faults.append(run.end)
    return Verdict(points, () if points == exercise.points else tuple(faults))
