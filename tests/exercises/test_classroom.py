"""A folder of submissions: found, graded, reported; stopped and gone on with."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.book.helpers import ROOT, clean_environment
from tests.exercises.helpers import (
    book_assignment,
    classroom,
    handed_in,
    save,
    small,
    solutions,
)
from tools.exercises import command, grading
from tools.exercises.report import page, table
from tools.exercises.submission import find_submissions

BOOK = "02-parameters"


def test_one_notebook_or_one_folder_for_each(tmp_path: Path) -> None:
    for name in (
        "ann.ipynb",
        "bob-01-small.ipynb",
        "01-small_cy.ipynb",
        "01-small.ipynb",
        "dee/01-small.ipynb",
        "dee/.ipynb_checkpoints/01-small-checkpoint.ipynb",
        "eve/hw/work.ipynb",
        "李雷/01-small.ipynb",
    ):
        save({}, tmp_path / name)
    found = {one.student for one in find_submissions(tmp_path, ["01-small"])}
    assert found == {"ann", "bob", "cy", "01-small", "dee", "eve", "李雷"}


@pytest.fixture
def graded(tmp_path: Path, safe: bool):
    """Five students, one of each kind, in both languages."""
    folder, right = tmp_path / "in", solutions(small())
    save(handed_in(small(), right, "zh"), folder / "ann.ipynb")
    half = right | {"twice": "def twice(x): return x + 5", "note": "note = <script>"}
    save(handed_in(small(), half), folder / "bob" / "01-small.ipynb")
    save(handed_in(small(), {}), folder / "cy" / "first.ipynb")
    save(handed_in(small(), half), folder / "cy" / "second.ipynb")
    (folder / "=dee.ipynb").write_text("{", encoding="utf-8")
    (folder / "eve.ipynb").symlink_to(folder / "ann.ipynb")

    def run(lang: str):
        room = classroom(folder, lang=lang, safe=safe)
        return room.grade(folder, 2), room.assignments

    return run


def test_the_table_and_the_page(graded) -> None:
    grades, assignments = graded("zh")
    text = table(grades, assignments, "zh")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == [
        "学生",
        "01-small:twice (3)",
        "01-small:seven (2)",
        "01-small:note (4)",
        "总分 (9)",
        "哪里不对",
    ]
    assert rows[1] == ["'=dee", "", "", "", "0", "不是能读的笔记本"]
    assert rows[2] == ["ann", "3", "2", "4", "9", ""]
    assert rows[3][:5] == ["bob", "1", "2", "0", "3"]
    assert rows[3][5].startswith("01-small:twice：1算错了；01-small:note：SyntaxError")
    assert rows[4][:5] == ["cy", "1", "2", "0", "3"]  # the better one of two
    assert rows[5] == ["eve", "", "", "", "0", "是链接而不是文件：没有读取"]
    html = page(grades, assignments, "zh")
    assert "<title>成绩</title>" in html
    assert "<th>01 · 1. 两倍 (3)</th>" in html
    assert "<script>" not in html
    assert "note = &lt;script&gt;" in html
    english = table(graded("en")[0], assignments, "en")
    assert "01-small:twice: 1 goes wrong; 01-small:note: SyntaxError" in english


def test_an_empty_folder_gives_an_empty_table(tmp_path: Path, safe: bool) -> None:
    room = classroom(tmp_path, safe=safe)
    grades = room.grade(tmp_path, 2)
    assert table(grades, room.assignments, "en") == "student,total (0),what failed\n"
    assert "0 students" in page(grades, room.assignments, "en")


def test_what_was_graded_is_not_run_again(
    graded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = graded("en")[0]
    files = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "results").iterdir()}
    assert len(files) == 3  # bob's and cy's are the same
    with monkeypatch.context() as patch:
        patch.setattr(grading.Room, "run", None)
        assert graded("en")[0] == before
    (tmp_path / "results" / next(iter(files))).write_text("{", encoding="utf-8")
    assert graded("en")[0] == before
    assert graded("zh")[0] != before


def run_grade(folder: Path, *more: str) -> subprocess.Popen:
    """Start the command that teachers use."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools.exercises", "grade", str(folder), *more],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path, safe: bool) -> None:
    assignment, folder = book_assignment(BOOK), tmp_path / "in"
    right = solutions(assignment)
    for number in range(8):
        answers = {
            name: f"{answer}\n# {number}"
            for place, (name, answer) in enumerate(right.items())
            if number >> place & 1
        }
        lang = "en" if number % 2 else "zh"
        save(handed_in(assignment, answers, lang), folder / f"s{number}.ipynb")
    options = ["--jobs", "1"] + ([] if safe else ["--unsafe"])
    results, started = tmp_path / "in-grades" / "results", time.monotonic()
    first = run_grade(folder, *options)
    while len(list(results.glob("*.json"))) < 3:
        assert first.poll() is None and time.monotonic() < started + 120
        time.sleep(0.01)
    first.kill()
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    assert not (tmp_path / "in-grades" / "grades.csv").exists()
    kept = {path: path.stat().st_mtime_ns for path in results.glob("*.json")}
    assert 3 <= len(kept) < 8
    second = run_grade(folder, *options)
    said, error = second.communicate()
    assert second.returncode == 0, error
    assert kept.items() <= {p: p.stat().st_mtime_ns for p in results.iterdir()}.items()
    text = (tmp_path / "in-grades" / "grades.csv").read_text(encoding="utf-8-sig")
    points = [exercise.points for exercise in assignment.exercises]
    for number, row in enumerate(list(csv.reader(io.StringIO(text)))[1:]):
        expected = [n * (number >> place & 1) for place, n in enumerate(points)]
        assert [int(cell) for cell in row[1 : len(points) + 1]] == expected
    assert said.count(f"{BOOK}: ") == 8


def test_elsewhere_than_on_linux_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert command.main(["grade", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "submissions cannot be isolated here: this is darwin, not Linux." in error
    assert "With --unsafe they run as you" in error
    assert command.main(["grade", str(tmp_path / "none")]) == 1
    assert "none: no such folder." in capsys.readouterr().err


def test_a_refusal_of_the_system_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(self, cells, tests):
        raise grading.CannotRun("unshare: Operation not permitted")

    monkeypatch.setattr(grading.Room, "run", refuse)
    assert command.main(["grade", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "submissions cannot be isolated here: unshare: Operation not permitted. On"
    )


def test_notebooks_of_any_make_are_read(tmp_path: Path, safe: bool) -> None:
    odd = {
        "list": [],
        "number": 7,
        "no-cells": {"nbformat": 4},
        "cells-odd": {"nbformat": 4, "cells": [1, "a", None]},
        "source-odd": {"nbformat": 4, "cells": [{"cell_type": "code", "source": 1}]},
        "empty": {"nbformat": 4, "nbformat_minor": 5, "cells": [], "metadata": {}},
        "metadata-odd": {"nbformat": 4, "cells": [], "metadata": 3},
    }
    for name, content in odd.items():
        path = tmp_path / "in" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "in" / "binary.ipynb").write_bytes(bytes(range(256)))
    deep = "[" * 100_000 + "]" * 100_000
    (tmp_path / "in" / "deep.ipynb").write_text(deep)
    room = classroom(tmp_path / "in", safe=safe)
    grades = room.grade(tmp_path / "in", 1)
    assert {grade.problem for grade in grades} == {"unreadable", "unknown"}
    assert len(grades) == len(odd) + 2
