"""The lint: every planted fault is found, and the book has none."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from tests.book.helpers import ROOT
from tools.lint import compare_languages, lint_notebook, main
from tools.pictures import keep_pictures, picture_difference

CHAPTERS = ROOT / "chapters"
NAMES = sorted(path.name for path in (CHAPTERS / "en").glob("*.ipynb"))


def stream(text: str, name: str = "stdout") -> dict:
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(**data: str) -> dict:
    kinds = {"png": "image/png", "svg": "image/svg+xml", "text": "text/plain"}
    kinds |= {"html": "text/html", "widget": "application/vnd.jupyter.widget-view+json"}
    bundle = {kinds[kind]: value for kind, value in data.items()}
    return nbformat.v4.new_output("display_data", data=bundle)


def png(size: tuple[int, int] = (4, 4), seed: int = 0, level: int = 6) -> str:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=level)
    return base64.b64encode(file.getvalue()).decode()


def notebook(source: str = "1", *outputs: dict, tags: tuple[str, ...] = ()) -> dict:
    cell = nbformat.v4.new_code_cell(source, id="small-01", execution_count=1)
    cell.outputs = list(outputs)
    cell.metadata.tags = list(tags)
    return nbformat.v4.new_notebook(cells=[cell])


def write(path: Path, content: dict) -> Path:
    path.write_text(nbformat.writes(content), encoding="utf-8")
    return path


ERROR = nbformat.v4.new_output("error", ename="KeyError", evalue="'a'", traceback=[])
FAULTS = {
    "; at the end": (
        notebook("plot();\n"),
        "a trailing ';' (nbval prints what it hides): write `_ =` or plt.show()",
    ),
    "tag": (
        notebook(tags=("nbval-ignore-output",)),
        "an nbval mark: every cell runs and every output is compared",
    ),
    "comment": (
        notebook("# NBVAL_SKIP\n1"),
        "an nbval mark: every cell runs and every output is compared",
    ),
    "stderr": (
        notebook("1", stream("careful\nvery", "stderr")),
        "output on stderr: careful",
    ),
    "error": (
        notebook("1", ERROR),
        "an error (KeyError) without the tag raises-exception",
    ),
    "svg": (
        notebook("1", shown(svg="<svg/>", text="x")),
        "an SVG picture without a PNG: JupyterLab hides it until one trusts it",
    ),
    "widget": (
        notebook("1", shown(widget="{}")),
        "a widget: it shows nothing until it runs",
    ),
    "address": (
        notebook("1", stream("<object at 0x7f3c81d0>")),
        "an address in memory in an output: '0x7f3c81d0'",
    ),
    "path": (
        notebook("1", shown(html="<b>in /home/me/x.py</b>")),
        "a path of this machine in an output: '/home/me/x.py'",
    ),
    "temporary path": (
        notebook("1", stream("Path('/tmp/tmpab12/x')")),
        "a path of this machine in an output: '/tmp/tmpab12/x'",
    ),
    "date": (
        notebook("1", stream("on 2026-02-03")),
        "a date in an output: '2026-02-03'",
    ),
    "time": (
        notebook("1", stream("12:30:59")),
        "a time of day in an output: '12:30:59'",
    ),
    "duration": (notebook("1", stream("1.5 ms")), "a duration in an output: '1.5 ms'"),
    "color": (notebook("1", stream("\x1b[1mx")), "codes that color a terminal"),
    "long": (notebook("1", stream("x\n" * 41)), "an output of 41 lines: at most 40"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_planted_fault_is_found(tmp_path: Path, case: str) -> None:
    content, fault = FAULTS[case]
    path = write(tmp_path / "x.ipynb", content)
    assert lint_notebook(path) == [f"x.ipynb: cell small-01: {fault}"]


def test_what_is_allowed_is_passed_over(tmp_path: Path) -> None:
    outputs = [
        stream("0x93 a/b/c archive/data/0 3:1 10 200 lines\n" * 40),
        shown(png=png(), svg="<svg/>", text="<Figure size 640x480 with 1 Axes>"),
        shown(html=f'<img src="data:image/png;base64,{png()}">'),
    ]
    assert lint_notebook(write(tmp_path / "x.ipynb", notebook("1", *outputs))) == []
    failing = notebook("1", ERROR, tags=("raises-exception",))
    assert lint_notebook(write(tmp_path / "y.ipynb", failing)) == []


def test_counts_widgets_and_large_pictures(tmp_path: Path) -> None:
    content = notebook("1", shown(png=png((300, 300))))
    content.cells[0].execution_count = None
    content.metadata.widgets = {}
    faults = lint_notebook(write(tmp_path / "x.ipynb", content))
    where = "x.ipynb: cell small-01"
    assert faults[:2] == [
        "x.ipynb: the state of widgets is stored",
        f"{where}: execution count None, expected 1",
    ]
    assert faults[2].startswith(f"{where}: a picture of 27")
    assert faults[2].endswith("bytes: at most 200000")


def test_a_file_that_is_no_notebook(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    for text in ("{", '{"nbformat": 4, "nbformat_minor": 5, "cells": 3}', "[]"):
        path.write_text(text, encoding="utf-8")
        (fault,) = lint_notebook(path)
        assert fault.startswith("x.ipynb: not a valid notebook: ")


def test_code_and_outputs_are_compared_between_languages(tmp_path: Path) -> None:
    def compare(english: dict, chinese: dict) -> list[str]:
        names = [write(tmp_path / "x.ipynb", english), write(tmp_path / "z", chinese)]
        return compare_languages(*names)

    one = notebook("1", stream("1"))
    assert compare(one, notebook("1", stream("1"))) == []
    head = "x.ipynb: cell small-01:"
    differ = "differ in English and Chinese"
    assert compare(one, notebook("2", stream("1"))) == [f"{head} source {differ}"]
    assert compare(one, notebook("1", stream("2"))) == [f"{head} outputs {differ}"]
    counts = "x.ipynb: 1 code cells in English, 0 in Chinese"
    assert compare(one, nbformat.v4.new_notebook()) == [counts]


def test_pictures_are_compared_as_they_look() -> None:
    first = png()
    assert first != png(level=0)
    assert picture_difference(first, png(level=0)) == ""
    assert picture_difference(first, first + "\n") == ""
    assert picture_difference(first, png(seed=1)) == "16 of 16 pixels differ"
    assert (
        picture_difference(first, png((4, 5))) == "pictures of 4 x 4 and 5 x 4 pixels"
    )
    assert "cannot be decoded" in picture_difference(first, "AAAA")


def test_a_kept_picture_is_taken_over_only_if_it_looks_the_same() -> None:
    def text(picture: str) -> str:
        return nbformat.writes(notebook("1", shown(png=picture))) + "\n"

    assert keep_pictures(text(png()), text(png(level=0))) == text(png(level=0))
    assert keep_pictures(text(png()), text(png(seed=1))) == text(png())
    assert keep_pictures(text(png()), "{") == text(png())


def test_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.ipynb", notebook())
    monkeypatch.setattr("sys.argv", ["lint.py", str(path)])
    assert main() == 0
    write(path, notebook("x;"))
    assert main() == 1
    assert "trailing ';'" in capsys.readouterr().out


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", NAMES)
def test_the_notebooks_of_the_book(name: str, lang: str) -> None:
    assert lint_notebook(CHAPTERS / lang / name) == []


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_code_and_outputs(name: str) -> None:
    pair = [CHAPTERS / lang / name for lang in ("en", "zh")]
    assert compare_languages(*pair) == []
