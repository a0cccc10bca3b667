"""One assignment's source: the exercises of a chapter, in both languages.

It is written as a chapter is. In addition a code cell may be an answer
(``:answer: name``), a test of the answer before it (``:test: points``) or another
answer with the points that it deserves (``:try: points``), which is shown to nobody
and proves the tests; prose may be folded (``"fold": "hint"`` or ``"answer"``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tools.chapter import NAME, BookError, Chapter, Code, Pair, read_parts
from tools.exercises.words import bound_names, speak, unmarked

FOLDER = "exercises"
OPTIONS = ("answer", "test", "try")
FOLDS = ("hint", "answer")


@dataclass(frozen=True)
class Exercise:
    """What stands below one heading."""

    parts: tuple[Pair | Code, ...]

    def title(self, lang: str) -> str:
        """The heading's text, without the marks of inline code."""
        first = self.parts[0][lang].source.lstrip().splitlines()[0]
        return first.removeprefix("## ").strip().replace("`", "")

    def _cells(self, option: str) -> list[Code]:
        codes = [part for part in self.parts if isinstance(part, Code)]
        return [code for code in codes if option in code.options]

    @property
    def answers(self) -> list[Code]:
        """The cells to be filled in: exactly one, once the source is in order."""
        return self._cells("answer")

    @property
    def answer(self) -> Code:
        """The cell to be filled in."""
        return self.answers[0]

    @property
    def name(self) -> str:
        """What the answer is found by, in the source and in what is handed in."""
        return str(self.answer.options["answer"])

    @property
    def tests(self) -> list[Code]:
        """The cells that decide."""
        return self._cells("test")

    @property
    def tries(self) -> list[Code]:
        """Other answers, each with the points that it deserves."""
        return self._cells("try")

    @property
    def points(self) -> int:
        """The most that one can get."""
        return sum(code.options["test"] for code in self.tests)

    @property
    def names(self) -> frozenset[str]:
        """What the answer defines."""
        return bound_names(self.answer.source)

    def test_name(self, test: Code) -> str:
        """What a test is found by."""
        return f"{self.name}-test{self.tests.index(test) + 1}"

    def folds(self, fold: str) -> list[Pair]:
        """The prose that is folded so."""
        pairs = [part for part in self.parts if isinstance(part, Pair)]
        return [pair for pair in pairs if pair.en.fold == fold]


@dataclass(frozen=True)
class Assignment(Chapter):
    """The exercises of one chapter; its `name` is ``exercises/NN-name``."""

    @property
    def chapter(self) -> str:
        """The name of the chapter."""
        return self.name.split("/")[-1]

    @property
    def code(self) -> list[Code]:
        """The code that runs when it is built: with the answers, in English."""
        return [
            replace(part, source=unmarked(speak(part.source, "en")))
            for part in self.parts
            if isinstance(part, Code) and "try" not in part.options
        ]

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        """The parts below each heading of level 2."""
        groups: list[list[Pair | Code]] = []
        for part in self.parts:
            if isinstance(part, Pair) and part.en.source.lstrip().startswith("## "):
                groups.append([])
            if groups:
                groups[-1].append(part)
        return tuple(Exercise(tuple(group)) for group in groups)

    @property
    def points(self) -> int:
        """The most that one can get."""
        return sum(exercise.points for exercise in self.exercises)

    def exercise_of(self, part: Code) -> Exercise:
        """The exercise that a cell belongs to."""
        return next(e for e in self.exercises if any(p is part for p in e.parts))

    def cells(self) -> Iterator[tuple[str, Pair | Code]]:
        """Every part that readers see, with the name of its cell in notebooks."""
        slug = f"{self.slug}-exercises"
        seen = [p for p in self.parts if isinstance(p, Pair) or "try" not in p.options]
        for number, part in enumerate(seen, 1):
            name = f"{slug}-{number:02d}"
            if isinstance(part, Code) and "answer" in part.options:
                name = self.exercise_of(part).name
            elif isinstance(part, Code) and "test" in part.options:
                name = self.exercise_of(part).test_name(part)
            yield name, part


def find_assignments(folder: Path) -> list[Path]:
    """The sources of the exercises of the book in `folder`, in their order."""
    found = sorted((folder / FOLDER).glob("*.md"))
    for path in found:
        if not NAME.fullmatch(path.stem):
            text = f"{FOLDER}/{path.name}: expected NN-name.md, as the chapter. Rename."
            raise BookError(text)
    return found


def read_assignment(path: Path) -> Assignment:
    """Read a source; raises `BookError` with all faults of its structure."""
    label = f"{path.parents[1].name}/{FOLDER}/{path.name}"
    parts = read_parts(path, label, OPTIONS, FOLDS)
    return Assignment(f"{FOLDER}/{path.stem}", label, _tests_that_say_so(parts))


def _tests_that_say_so(parts: tuple[Pair | Code, ...]) -> tuple[Pair | Code, ...]:
    """Let each test that has passed show a sign: silence would leave doubts."""
    return tuple(
        replace(part, source=part.source.rstrip() + '\nprint("✓")')
        if isinstance(part, Code) and "test" in part.options
        else part
        for part in parts
    )
