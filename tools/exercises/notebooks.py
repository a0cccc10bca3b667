"""From an assignment to its notebooks: to work in, with the answers, for nbgrader."""

from __future__ import annotations

from enum import Enum

import nbformat

from tools.chapter import LANGUAGES, Code, Pair
from tools.exercises.source import Assignment
from tools.exercises.words import blank, speak, unmarked, visible
from tools.notebooks import KERNEL, NAMES, dump
from tools.prose import join_lines


class Version(Enum):
    """Whom a notebook is for; the first two are folders of the book."""

    STUDENT = "exercises"
    SOLUTION = "solutions"
    SOURCE = "source"


FOLDERS = (Version.STUDENT.value, Version.SOLUTION.value)

HOW = {
    "en": (
        "Put your own code in the place of each `raise NotImplementedError`, run the "
        "cell, then the test below it. `✓` says that the test has passed; otherwise "
        "its last line says what is wrong. Each exercise can be done without the "
        "others."
    ),
    "zh": (
        "把每一处`raise NotImplementedError`换成你自己的代码，运行这个单元格，再运行它"
        "下面的测试。出现`✓`就是通过了；没通过时，报错的最后一行会说明哪里不对。"
        "各题互不依赖，可以任选一题来做。"
    ),
}
CHAPTER = {
    "en": " They belong to the chapter [{title}](../{chapter}.ipynb).",
    "zh": "对应的章节是[{title}](../{chapter}.ipynb)。",
}
SUMMARIES = {"en": {"hint": "Hint", "answer": "Answer"}}
SUMMARIES["zh"] = {"hint": "提示", "answer": "答案"}
ELSEWHERE = {
    "en": "In the [notebook with the answers](../solutions/{chapter}.ipynb).",
    "zh": "见[附答案的笔记本](../solutions/{chapter}.ipynb)。",
}
POINTS = {"en": "Points: {points}.", "zh": "分值：{points}分。"}


def exercise_files(
    assignment: Assignment, titles: dict[str, str], outputs: list[list[dict]]
) -> dict[str, str]:
    """The texts of an assignment's files in the book, by paths below ``chapters/``."""
    files = {}
    for version in (Version.STUDENT, Version.SOLUTION):
        for lang in LANGUAGES:
            found = outputs if version is Version.SOLUTION else None
            notebook = exercise_notebook(assignment, lang, version, titles, found)
            path = f"{lang}/{version.value}/{assignment.chapter}.ipynb"
            files[path] = dump(notebook)
    return files


def exercise_notebook(
    assignment: Assignment,
    lang: str,
    version: Version,
    titles: dict[str, str] | None = None,
    outputs: list[list[dict]] | None = None,
) -> dict:
    """One notebook; `titles`, if it is one of the book's, are the chapter's."""
    results = iter(outputs or ())
    cells = []
    if version is not Version.SOURCE:
        cells.append(_markdown(_switch(assignment, lang, version), "switch"))
    for number, (name, part) in enumerate(assignment.cells()):
        if isinstance(part, Pair):
            if part.en.fold == "answer" and version is Version.SOURCE:
                continue
            cells.append(_markdown(_prose(assignment, part, lang, version), name))
            if number == 0 and version is not Version.SOLUTION:
                cells.append(_markdown(_how(assignment, lang, titles), "how"))
        else:
            cells.append(_code(assignment, part, name, lang, version))
            if outputs is not None:
                count = sum(c["cell_type"] == "code" for c in cells)
                cells[-1] |= {"execution_count": count, "outputs": next(results)}
    metadata = {
        "d2lrec": {"lang": lang, "exercises": assignment.chapter},
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
    }
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4}
    notebook = nbformat.from_dict(notebook | {"nbformat_minor": 5})
    nbformat.validate(notebook)
    return notebook


def _how(assignment: Assignment, lang: str, titles: dict[str, str] | None) -> str:
    """What one does with such a notebook; in the book, where its chapter is."""
    if titles is None:
        return HOW[lang]
    chapter = CHAPTER[lang].format(title=titles[lang], chapter=assignment.chapter)
    return HOW[lang] + chapter


def _switch(assignment: Assignment, lang: str, version: Version) -> str:
    path = f"{version.value}/{assignment.chapter}.ipynb"
    return " · ".join(
        f"**{NAMES[other]}**"
        if other == lang
        else f"[{NAMES[other]}](../../{other}/{path})"
        for other in LANGUAGES
    )


def _prose(assignment: Assignment, pair: Pair, lang: str, version: Version) -> str:
    """A block of prose; folded ones as HTML, which JupyterLab and the site show."""
    text = join_lines(pair[lang].source, lang)
    fold = pair.en.fold
    if fold == "answer" and version is Version.STUDENT:
        text = ELSEWHERE[lang].format(chapter=assignment.chapter)
    if fold and not (fold == "answer" and version is Version.SOLUTION):
        summary = SUMMARIES[lang][fold]
        head = f"<details>\n<summary>{summary}</summary>"
        return f"{head}\n\n{text.strip()}\n\n</details>"
    for exercise in assignment.exercises:
        if exercise.parts[0] is pair:
            return f"{text.rstrip()}\n\n{POINTS[lang].format(points=exercise.points)}"
    return text


def _markdown(source: str, name: str) -> dict:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def _code(
    assignment: Assignment, part: Code, name: str, lang: str, version: Version
) -> dict:
    source = cell_text(part, lang, version)
    metadata = {} if version is Version.SOLUTION else {"nbgrader": _marks(part, name)}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": metadata,
        "outputs": [],
        "source": source,
    }


def cell_text(part: Code, lang: str, version: Version) -> str:
    """The code of a cell as it stands in one notebook."""
    source = speak(part.source, lang)
    if version is Version.SOURCE:
        return source
    if version is Version.SOLUTION:
        return unmarked(source)
    return visible(blank(source))


def _marks(part: Code, name: str) -> dict:
    """What nbgrader knows a cell by (its schema 3)."""
    marks = {
        "grade": "test" in part.options,
        "grade_id": name,
        "locked": "answer" not in part.options,
        "schema_version": 3,
        "solution": "answer" in part.options,
        "task": False,
    }
    return marks | ({"points": part.options["test"]} if marks["grade"] else {})
