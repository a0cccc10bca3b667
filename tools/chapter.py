"""One chapter's source: prose in pairs of languages, code shared by both.

A source is Jupytext's MyST text. Prose stands in blocks, first
``+++ {"lang": "en"}``, then ``+++ {"lang": "zh"}``; a code cell stands once.
Reading a source says where each block and cell begins, so that whatever is wrong
with it later can name the file and the line.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jupytext.myst import MystMetadataParsingError, myst_to_notebook

LANGUAGES = ("en", "zh")
INDEX = "index"
# Pages without code cells, in their order behind the chapters.
REFERENCE = ("teaching", "layers", "api")
NAME = re.compile(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*")
TAGS = {"raises-exception"}


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, and where: printed as ``file:line: text``."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


class BookError(Exception):
    """Everything that keeps a chapter from being built, in the order of its lines."""

    def __init__(self, problems: list[Problem] | str) -> None:
        self.problems = problems
        lines = [problems] if isinstance(problems, str) else map(str, sorted(problems))
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Prose:
    """A block of text in one language; ``line`` is that of its first line."""

    lang: str
    source: str
    line: int
    fold: str = ""


@dataclass(frozen=True)
class Code:
    """A code cell; ``line`` is that of its first line of code."""

    source: str
    tags: tuple[str, ...]
    line: int
    options: dict = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Pair:
    """The same prose in both languages."""

    en: Prose
    zh: Prose

    def __getitem__(self, lang: str) -> Prose:
        return self.en if lang == "en" else self.zh


@dataclass(frozen=True)
class Chapter:
    """A source that was read: pairs of prose and code cells, in their order."""

    name: str
    label: str
    parts: tuple[Pair | Code, ...]
    has_exercises: bool = False

    @property
    def slug(self) -> str:
        """The name without its number: what the ids of the cells begin with."""
        return self.name.split("-", 1)[-1]

    @property
    def is_page(self) -> bool:
        """Whether it is a page of prose, and no notebook."""
        return is_page(self.name)

    @property
    def pairs(self) -> list[Pair]:
        """The prose."""
        return [part for part in self.parts if isinstance(part, Pair)]

    @property
    def code(self) -> list[Code]:
        """The code cells."""
        return [part for part in self.parts if isinstance(part, Code)]

    def title(self, lang: str) -> str:
        """The text of the first heading, without the marks of inline code."""
        first = self.pairs[0][lang].source.splitlines()[0]
        return first.removeprefix("# ").strip().replace("`", "")

    def problem(self, line: int, text: str) -> Problem:
        """A problem in this source."""
        return Problem(self.label, line, text)


def is_page(name: str) -> bool:
    """Whether a source of this name is a page of prose: the front page, a reference."""
    return name == INDEX or name in REFERENCE


def _order(path: Path) -> tuple[int, str]:
    """The front page first, the chapters, the reference last."""
    if path.stem in REFERENCE:
        return 2 + REFERENCE.index(path.stem), ""
    return int(path.stem != INDEX), path.stem


def find_sources(folder: Path) -> list[Path]:
    """All sources of a book in their order: front page, chapters, reference."""
    wrong, found = [], []
    for path in sorted(folder.glob("*.md"), key=_order):
        ok = is_page(path.stem) or NAME.fullmatch(path.stem)
        (found if ok else wrong).append(path)
    if wrong:
        text = "not a chapter's name: expected NN-name.md (or index.md). Rename it."
        raise BookError([Problem(f"{folder.name}/{p.name}", 1, text) for p in wrong])
    numbers = [path.stem[:2] for path in found if not is_page(path.stem)]
    for first, second in itertools.pairwise(numbers):
        if first == second:
            raise BookError(f"{folder.name}: two chapters are numbered {first}.")
    return found


def read_chapter(path: Path) -> Chapter:
    """Read a source; raises `BookError` with all faults of its structure."""
    label = f"{path.parent.name}/{path.name}"
    parts = read_parts(path, label)
    exercises = path.with_name("exercises") / path.name
    return Chapter(path.stem, label, parts, exercises.exists())


def read_parts(
    path: Path, label: str, options: Collection[str] = (), folds: Collection[str] = ()
) -> tuple[Pair | Code, ...]:
    """What a source holds; its cells may have these options, its prose be folded."""
    try:
        text = path.read_text(encoding="utf-8")
        notebook = myst_to_notebook(text, add_source_map=True)
    except UnicodeDecodeError as error:
        raise BookError([Problem(label, 1, f"not UTF-8 ({error.reason})")]) from None
    except MystMetadataParsingError as error:
        line = re.search(r"line (\d+)", str(error))
        at = int(line[1]) if line else 1
        what = str(error).splitlines()[0]
        raise BookError([Problem(label, at, f"cannot be read: {what}")]) from None
    lines = text.splitlines()
    starts = notebook.metadata["source_map"]
    blocks, problems = [], []
    for cell, start in zip(notebook.cells, starts, strict=True):
        line = _first_line(cell.source, lines, start)
        block, fault = _block(cell, line, options, folds)
        if fault:
            problems.append(Problem(label, line, fault))
        else:
            blocks.append(block)
    parts = [] if problems else list(_pair(blocks, label, problems))
    if not problems and not any(isinstance(part, Pair) for part in parts):
        problems.append(Problem(label, 1, "no prose: expected pairs of blocks."))
    if problems:
        raise BookError(problems)
    return tuple(parts)


def _first_line(source: str, lines: list[str], start: int) -> int:
    """The 1-based number of a cell's first line; jupytext gives that of its head."""
    first = source.split("\n", 1)[0]
    for number in range(start, len(lines)):
        if lines[number].rstrip() == first.rstrip():
            return number + 1
    return start + 1


def _block(
    cell: dict, line: int, options: Collection[str], folds: Collection[str]
) -> tuple[Prose | Code, str]:
    """A cell of jupytext's as a block of ours, and what is wrong with it."""
    metadata, source = cell["metadata"], cell["source"]
    if cell["cell_type"] == "code":
        more = {key: metadata[key] for key in options if key in metadata}
        code = Code(source, tuple(metadata.get("tags", ())), line, more)
        odd = (set(metadata) - {"tags", *options}) | (set(code.tags) - TAGS)
        if odd:
            names, known = ", ".join(sorted(odd)), sorted([*TAGS, *options])
            return code, f"unknown cell option or tag: {names}. Known: {known}."
        if re.search(r"^(\+\+\+ \{|```)", source, re.MULTILINE):
            return code, "the code cell is not closed: expected a line ``` at its end."
        return code, "" if source.strip() else "an empty code cell. Remove it."
    prose = Prose(metadata.get("lang", ""), source, line, metadata.get("fold", ""))
    if cell["cell_type"] != "markdown" or prose.lang not in LANGUAGES:
        found = f"lang {prose.lang!r}" if prose.lang else "no language"
        return prose, (
            f"a block of prose with {found}: expected a line "
            '+++ {"lang": "en"} or +++ {"lang": "zh"} before it.'
        )
    if prose.fold and prose.fold not in folds:
        return prose, f"unknown fold: {prose.fold}. Known: {sorted(folds)}."
    if "{code-cell}" in source:
        return prose, "a code cell inside prose: begin ```{code-cell} in column one."
    return prose, ""


def _pair(
    blocks: list[Prose | Code], label: str, problems: list[Problem]
) -> Iterator[Pair | Code]:
    """Join each English block with the Chinese one after it; say which stand alone."""
    position = 0
    while position < len(blocks):
        block = blocks[position]
        after = blocks[position + 1] if position + 1 < len(blocks) else None
        position += 1
        if isinstance(block, Code):
            yield block
        elif block.lang == "en" and isinstance(after, Prose) and after.lang == "zh":
            position += 1
            yield Pair(block, after)
            if block.fold != after.fold:
                text = "folded in one language only. Write fold in both heads."
                problems.append(Problem(label, after.line, text))
        else:
            missing = (
                "no Chinese block follows this English one"
                if block.lang == "en"
                else "no English block stands before this Chinese one"
            )
            text = f"unpaired block: {missing}. Write both, English first."
            problems.append(Problem(label, block.line, text))
