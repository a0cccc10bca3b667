"""What is built: notebooks to work in, and those with the answers."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.book.helpers import ROOT
from tests.exercises.helpers import NAMES, SMALL, book_assignment, small
from tools.chapter import LANGUAGES, BookError
from tools.exercises.checks import check_assignment
from tools.exercises.source import read_assignment
from tools.exercises.words import HIDDEN, SOLUTION, blank, speak, visible
from tools.lint import compare_languages, lint_notebook


def secrets(source: str, shown: str) -> set[str]:
    """The lines of a cell that are not in what is shown of it."""
    lines = {line.strip() for line in source.split("\n")}
    return {line for line in lines if len(line) > 3} - {
        line.strip() for line in shown.split("\n")
    }


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_students_get_no_solution_and_no_hidden_test(name: str, lang: str) -> None:
    path = ROOT / "chapters" / lang / "exercises" / f"{name}.ipynb"
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    assert not any(mark in text for mark in (*SOLUTION, *HIDDEN))
    cells = {c.id: c.source for c in notebook.cells if c.cell_type == "code"}
    shown = "\n".join(cells.values())
    hidden = set()
    for exercise in book_assignment(name).exercises:
        answer = speak(exercise.answer.source, lang)
        assert cells[exercise.name] == blank(answer)
        assert "raise NotImplementedError" in cells[exercise.name]
        hidden |= secrets(answer, shown)
        for test in exercise.tests:
            assert cells[exercise.test_name(test)] == visible(speak(test.source, lang))
            hidden |= secrets(speak(test.source, lang), shown)
        for other in exercise.tries:
            hidden |= secrets(speak(other.source, lang), shown)
        for pair in exercise.folds("answer"):
            hidden |= secrets(pair[lang].source, "")
    assert hidden
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type != "code")
    lines = {line.strip() for line in (shown + "\n" + prose).split("\n")}
    assert not hidden & lines
    assert not {line for line in hidden if len(line) > 20 and line in prose}
    assert not any(c.get("outputs") or c.get("attachments") for c in notebook.cells)


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_and_both_notebooks_are_in_order(name: str) -> None:
    for folder in ("exercises", "solutions"):
        paths = [ROOT / "chapters" / x / folder / f"{name}.ipynb" for x in LANGUAGES]
        notebooks = [nbformat.read(path, as_version=4) for path in paths]
        ids = [[cell.id for cell in notebook.cells] for notebook in notebooks]
        assert ids[0] == ids[1]
        assert len(set(ids[0])) == len(ids[0])
        for path, notebook in zip(paths, notebooks, strict=True):
            if folder == "solutions":
                assert not lint_notebook(path)
                assert not any("nbgrader" in cell.metadata for cell in notebook.cells)
            else:
                assert not any(cell.get("outputs") for cell in notebook.cells)
    outputs = [fault for fault in compare_languages(*paths) if "source" not in fault]
    assert not outputs


def test_the_marks_are_nbgraders() -> None:
    from nbgrader.nbgraderformat import MetadataValidator

    from tools.exercises.notebooks import Version, exercise_notebook

    notebook = exercise_notebook(small(), "en", Version.STUDENT, {"en": "A"})
    MetadataValidator().validate_nb(notebook)
    points = [c.metadata.get("nbgrader", {}).get("points", 0) for c in notebook.cells]
    assert sum(points) == small().points == 9


FAULTS = {
    "a solution in a cell without :answer:.": (":answer: seven", ":try: 2"),
    "an exercise has exactly one cell with :answer: name.": (
        ":try: 0\n\nseven = 8",
        ":answer: eight\n\nseven = 8",
    ),
    "the name of an answer is as 'keep-best', not 'Seven'.": ("seven", "Seven"),
    "nothing to do: no ### BEGIN SOLUTION in the answer.": (
        "### BEGIN SOLUTION\nseven = 7\n### END SOLUTION",
        "",
    ),
    "### BEGIN SOLUTION and ### END SOLUTION have to come in pairs.": (
        "seven = 7\n### END SOLUTION",
        "seven = 7",
    ),
    "no cell with :test: points behind the answer.": (
        ':test: 2\n\nassert seven == 7, either(f"',
        ':try: 2\n\nassert seven == 7, either(f"',
    ),
    "another right answer is wanted, with :try: and all the points.": (
        ":try: 2\n\nseven = 3 + 4",
        ":try: 0\n\nseven = 3 + 4",
    ),
    "a :try: with more points than there are (2).": (
        ":try: 0\n\nseven",
        ":try: 3\n\nseven",
    ),
    "test: points are whole numbers, not 'two'.": (
        ":test: 2\n\nassert seven",
        ":test: two\n\nassert seven",
    ),
    "unknown cell option or tag: tests. Known: "
    "['answer', 'raises-exception', 'test', 'try'].": (
        ":test: 2\n\nassert seven",
        ":tests: 2\n\nassert seven",
    ),
    "either: both texts have to show the same values.": (
        "seven是{seven}",
        "seven是{found}",
    ),
    "folded in one language only. Write fold in both heads.": (
        '+++ {"lang": "zh", "fold": "hint"}\n\n等号',
        '+++ {"lang": "zh"}\n\n等号',
    ),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_faults_of_a_source_are_named(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "chapters" / "exercises" / "01-small.md"
    path.parent.mkdir(parents=True)
    old, new = FAULTS[fault]
    text = SMALL.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    with pytest.raises(BookError) as error:
        check_assignment(read_assignment(path))
    assert fault in str(error.value)
    assert str(error.value).startswith("chapters/exercises/01-small.md:")


def test_the_small_source_has_no_fault() -> None:
    check_assignment(small())
