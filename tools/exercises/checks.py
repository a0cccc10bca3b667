"""What every assignment has to have, so that it can teach and be graded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.chapter import BookError, Code, Problem
from tools.checks import check_title
from tools.chinese import check_pair_style
from tools.exercises.source import Assignment, Exercise
from tools.exercises.words import (
    HIDDEN,
    SOLUTION,
    check_marks,
    check_words,
    visible,
)
from tools.prose import compare_pair
from tools.terms import check_pair_terms

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
EXERCISES = range(3, 7)
MAX_LINES = 40


def check_assignment(assignment: Assignment) -> None:
    """Raise `BookError` with everything that is wrong with an assignment's text."""
    problems = []
    for pair in assignment.pairs:
        for check in (compare_pair, check_pair_style, check_pair_terms):
            problems += check(assignment, pair)
    problems += check_title(assignment)
    for part in assignment.parts:
        if isinstance(part, Code):
            problems += _check_code(assignment, part)
    if problems:
        raise BookError(sorted(set(problems)))
    count = len(assignment.exercises)
    if count not in EXERCISES:
        text = f"{count} exercises ('## ' headings): expected three to six."
        problems.append(assignment.problem(1, text))
    for exercise in assignment.exercises:
        line = exercise.parts[0].en.line
        for fault in _check_exercise(exercise):
            problems.append(assignment.problem(line, fault))
    names = [e.name for e in assignment.exercises if e.answers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(assignment.problem(1, f"two exercises are named {name}."))
    if problems:
        raise BookError(sorted(set(problems)))


def _check_code(assignment: Assignment, code: Code) -> Iterator[Problem]:
    for line, text in check_words(code.source):
        yield assignment.problem(code.line + line - 1, text)
    for marks in (SOLUTION, HIDDEN):
        if not check_marks(code.source, marks):
            text = f"### {marks[0]} and ### {marks[1]} have to come in pairs."
            yield assignment.problem(code.line, text)
    if len(code.options) > 1 or code.tags:
        text = "a cell is one of answer, test and try; tags have no place here."
        yield assignment.problem(code.line, text)
    if SOLUTION[0] in code.source and "answer" not in code.options:
        yield assignment.problem(code.line, "a solution in a cell without :answer:.")
    if HIDDEN[0] in code.source and "test" not in code.options:
        yield assignment.problem(code.line, "a hidden test in a cell without :test:.")
    if len(code.source.splitlines()) > MAX_LINES:
        text = f"a code cell of more than {MAX_LINES} lines. Split it."
        yield assignment.problem(code.line, text)
    for option, least in (("test", 1), ("try", 0)):
        points = code.options.get(option, least)
        if type(points) is not int or points < least:
            text = f"{option}: points are whole numbers, not {points!r}."
            yield assignment.problem(code.line, text)


def _check_exercise(exercise: Exercise) -> Iterator[str]:
    """What an exercise lacks."""
    kinds = [
        next(iter(part.options), "given") if isinstance(part, Code) else part.en.fold
        for part in exercise.parts
    ]
    if len(exercise.answers) != 1:
        yield "an exercise has exactly one cell with :answer: name."
        return
    if not NAME.fullmatch(exercise.name) or re.search(r"-test\d*$", exercise.name):
        yield f"the name of an answer is as 'keep-best', not {exercise.name!r}."
    if SOLUTION[0] not in exercise.answer.source:
        yield f"nothing to do: no ### {SOLUTION[0]} in the answer."
    if not exercise.names:
        yield "the answer defines no function, class or variable to test."
    if not exercise.tests or kinds.index("answer") > kinds.index("test"):
        yield "no cell with :test: points behind the answer."
        return
    if not any(_asks(test) for test in exercise.tests):
        yield "no visible assert in its tests: the student has to see what is wrong."
    for fold in ("hint", "answer"):
        if len(exercise.folds(fold)) != 1:
            yield f'exactly one pair of blocks with "fold": "{fold}" is wanted.'
    given = [code.options["try"] for code in exercise.tries]
    if exercise.points not in given:
        yield "another right answer is wanted, with :try: and all the points."
    if not any(points < exercise.points for points in given):
        yield "a wrong or half-right answer is wanted, with :try: and its points."
    if any(points > exercise.points for points in given):
        yield f"a :try: with more points than there are ({exercise.points})."


def _asks(test: Code) -> bool:
    return "assert" in visible(test.source) or "raise" in visible(test.source)
