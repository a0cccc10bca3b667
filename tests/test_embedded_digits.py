"""The Rust program of chapter 10, which has the digit model inside.

`tests/burn/examples/embedded_digits` embeds `model.bin`, the bytes that the chapter
puts into its own program. The chapter compares that one with PyTorch.
"""

import re
import subprocess

import live_burn
import nbformat
import pytest
import torch
from test_digits import LANGUAGES, ROOT, Digits, answers

import d2lrec
from d2lrec import data

EXAMPLE = live_burn.PROJECT / "examples" / "embedded_digits"
CLASSES = 8


@pytest.fixture(scope="module")
def net():
    """The model that Burn trained."""
    return d2lrec.load_file(Digits(CLASSES), data.path("digits.mpk"))


def shown(language):
    """The Rust that a reader of the chapter sees."""
    path = ROOT / "chapters" / language / "10-no-storage.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    (block,) = re.findall(r"^```rust\n(.*?)^```$", prose, re.M | re.S)
    return block


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_chapter_shows_a_part_of_the_program(language):
    assert shown(language) in (EXAMPLE / "main.rs").read_text("utf-8")


def test_the_program_embeds_the_bytes_of_the_chapter(net):
    assert (EXAMPLE / "model.bin").read_bytes() == d2lrec.BinBytesRecorder().record(net)


@pytest.mark.slow
def test_the_program_answers_as_pytorch_does(net, tmp_path):
    """In an empty folder, so that it can open nothing."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    pixels = pixels[labels < CLASSES]
    text = "".join(" ".join(map(str, row)) + "\n" for row in pixels.tolist())
    program = live_burn.built("--examples")["embedded_digits"]
    done = subprocess.run(
        [program], cwd=tmp_path, input=text, capture_output=True, text=True
    )
    assert done.stderr == ""
    pictures = torch.tensor(pixels / 16, dtype=torch.float32)
    assert [int(n) for n in done.stdout.split()] == answers(net, pictures).tolist()
