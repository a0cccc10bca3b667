"""The regime under which the notebooks are tested is tested itself.

One change in a copy of the small book, in its library or in one notebook, has to
turn the run red; the copy as it is has to be green.
"""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.book.helpers import ROOT, clean_environment, edit
from tools.builder import Book

OPTIONS = (
    *("-c", "/dev/null", "-p", "tools.strict_nbval", "-p", "no:cacheprovider"),
    *("--nbval", "-q", "-rf", "--color=no", "-W", "error"),
)


def run(root: Path, *arguments: str) -> tuple[int, str]:
    """Run strict nbval in a copy of the book; the status, and what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, "--rootdir", root, *arguments],
        cwd=root,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def failed(output: str) -> dict[str, list[int]]:
    """For each notebook, which of its cells failed."""
    found: dict[str, list[int]] = {}
    lines = re.findall(r"^FAILED (?:\S*/)?(\S+)\.ipynb::Cell (\d+)", output, re.M)
    for name, number in lines:
        found.setdefault(name, []).append(int(number))
    return found


def cell(notebook: dict, number: int) -> dict:
    """The code cell of that number."""
    return [c for c in notebook["cells"] if c["cell_type"] == "code"][number]


def text(notebook: dict) -> None:
    cell(notebook, 1)["outputs"][0]["text"] = ["the limit was\n"]


def value(notebook: dict) -> None:
    cell(notebook, 1)["outputs"][1]["data"]["text/plain"] = ["8"]


def order(notebook: dict) -> None:
    cell(notebook, 1)["outputs"].reverse()


def pixel(notebook: dict) -> None:
    data = cell(notebook, 2)["outputs"][0]["data"]
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    red, green, blue = picture.getpixel((3, 4))
    picture.putpixel((3, 4), (red, green, blue - 1))
    file = io.BytesIO()
    picture.save(file, "png")
    data["image/png"] = base64.b64encode(file.getvalue()).decode()


def recompressed(notebook: dict) -> None:
    data = cell(notebook, 2)["outputs"][0]["data"]
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    file = io.BytesIO()
    picture.save(file, "png", compress_level=1)
    data["image/png"] = base64.b64encode(file.getvalue()).decode()


def stderr(notebook: dict) -> None:
    cell(notebook, 1)["outputs"][0]["name"] = "stderr"


def unrun(notebook: dict) -> None:
    cell(notebook, 2).update(execution_count=None, outputs=[])


def ignored(notebook: dict) -> None:
    cell(notebook, 1)["metadata"] = {"tags": ["nbval-ignore-output"]}


def skipped(notebook: dict) -> None:
    cell(notebook, 2)["metadata"] = {"tags": ["nbval-skip"]}


def other_error(notebook: dict) -> None:
    cell(notebook, 3)["outputs"][0]["evalue"] = "no such file"


def code(notebook: dict) -> None:
    cell(notebook, 1)["source"] = 'print("the limit is")\n6'


# What is changed in each copy, and which of its cells have to fail.
CHANGES: dict[str, tuple[list[Callable[[dict], None]], list[int]]] = {
    "unchanged": ([], []),
    "one": ([text, pixel, other_error], [1, 2, 3]),
    "two": ([value, unrun], [1, 2]),
    "three": ([order, skipped], [1, 2]),
    "four": ([ignored, recompressed], [1]),
    "five": ([stderr], [1]),
    "six": ([code], [1, 4]),
}


def test_each_change_turns_its_cell_red_and_no_other(root: Path) -> None:
    kept = (root / "chapters" / "en" / "01-small.ipynb").read_text(encoding="utf-8")
    folder = root / "changed"
    folder.mkdir()
    for name, (changes, _) in CHANGES.items():
        notebook = json.loads(kept)
        for change in changes:
            change(notebook)
        path = folder / f"{name}.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")
    status, output = run(root, "-n", "2", "changed")
    assert status == 1, output
    expected = {name: cells for name, (_, cells) in CHANGES.items() if cells}
    assert failed(output) == expected, output
    assert "1 of 24720 pixels differ" in output
    assert "this cell was never run: its outputs say nothing" in output
    assert output.count("this cell asks not to be compared: it has to be") == 2
    assert "the outputs are in another order" in output


def test_both_languages_are_green_and_nothing_is_left(root: Path) -> None:
    before = sorted(root.rglob("*"))
    status, output = run(root, "chapters")
    assert status == 0, output
    assert "10 passed" in output
    left = set(root.rglob("*")) - set(before)
    assert {path.name for path in left if "__pycache__" not in path.parts} == set()


def test_a_changed_library_turns_the_run_red(root: Path) -> None:
    library = root / "d2lrec" / "__init__.py"
    edit(library, "LIMIT = 7", "LIMIT = 8")
    status, output = run(root, "chapters/zh")
    assert status == 1
    assert failed(output) == {"01-small": [1, 4]}
    assert Book(root).compare(["01-small"]) == 1


def test_files_that_are_left_turn_the_run_red(root: Path) -> None:
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook["cells"].append(
        {
            "cell_type": "code",
            "execution_count": 1,
            "id": "litter-01",
            "metadata": {},
            "outputs": [],
            "source": 'file = open("x.pt", "w")\nfile.close()',
        }
    )
    folder = root / "litter"
    folder.mkdir()
    path = folder / "litter.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    status, output = run(root, "litter/litter.ipynb")
    assert status == 1
    assert "1 passed" in output
    assert f"left behind by a notebook: {Path('litter', 'x.pt')}" in output
