"""The same exercises as a course of nbgrader's: sources, and its configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.chapter import LANGUAGES
from tools.exercises.notebooks import Version, exercise_notebook
from tools.exercises.runner import Limits
from tools.exercises.source import Assignment
from tools.exercises.words import HIDDEN, SOLUTION, STUB
from tools.notebooks import dump

CONFIG = f'''"""nbgrader's settings; made from the book by `make nbgrader`."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "d2lrec"
c.ClearSolutions.code_stub = {{"python": "{STUB}"}}
c.ClearSolutions.begin_solution_delimeter = "### {SOLUTION[0]}"
c.ClearSolutions.end_solution_delimeter = "### {SOLUTION[1]}"
c.ClearHiddenTests.begin_test_delimeter = "### {HIDDEN[0]}"
c.ClearHiddenTests.end_test_delimeter = "### {HIDDEN[1]}"
# Otherwise one endless loop would stop the grading of everybody.
c.ExecutePreprocessor.timeout = {Limits().seconds}
c.ExecutePreprocessor.interrupt_on_timeout = True
'''


def make_course(assignments: dict[str, Assignment], out: Path) -> str:
    """Write the course below `out`; say what was made.

    Only its sources and its settings are written anew: what students handed in, what
    was graded, and the gradebook stay.
    """
    source = out / "source"
    shutil.rmtree(source, ignore_errors=True)
    for name, assignment in assignments.items():
        for lang in LANGUAGES:
            # two notebooks in one assignment would double its points
            folder = source / f"{name}-{lang}"
            folder.mkdir(parents=True)
            notebook = exercise_notebook(assignment, lang, Version.SOURCE)
            (folder / f"{name}.ipynb").write_text(dump(notebook), encoding="utf-8")
    (out / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    count = len(assignments) * len(LANGUAGES)
    return f"{count} assignments in {source}: cd there, then nbgrader --help"
