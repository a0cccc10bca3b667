"""The digit model that Burn trained, and the chapter that opens it and hands one back.

`tests/burn/examples` has two programs: `train_digits` made `d2lrec/data/digits.mpk`,
and `open_digits`, which chapter 09 shows, opens what that chapter saves.
"""

import ast
import json
import re
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import live_burn
import pytest
import torch
from torch import nn

import d2lrec
from d2lrec import data

ROOT = Path(__file__).resolve().parent.parent
SHOWN = live_burn.PROJECT / "examples" / "open_digits"
LANGUAGES = ("en", "zh")
FIRST_UNSEEN = 1200  # pictures before this one were trained on
CLASSES = 8


class Digits(nn.Module):
    """The twin of `examples/open_digits/model.rs`."""

    def __init__(self, classes=CLASSES):
        super().__init__()
        self.first = nn.Linear(64, 48)
        self.second = nn.Linear(48, 32)
        self.head = nn.Linear(32, classes)

    def forward(self, pictures):
        x = torch.relu(self.first(pictures))
        return self.head(torch.relu(self.second(x)))


@pytest.fixture(scope="module")
def unseen():
    """Pictures and labels that no training has seen."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    pictures = torch.tensor(pixels[FIRST_UNSEEN:] / 16, dtype=torch.float32)
    return pictures, torch.tensor(labels[FIRST_UNSEEN:])


@pytest.fixture(scope="module")
def programs():
    """The two examples, built; or a skip where that cannot be."""
    return live_burn.built("--example", "open_digits", "--example", "train_digits")


def answers(net, pictures):
    with torch.no_grad():
        return net(pictures).argmax(dim=1)


def cells(language):
    """The cells of chapter 09 in a language."""
    path = ROOT / "chapters" / language / "09-loading-records.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def shown(language, info):
    """The blocks of this kind of text that a reader of the chapter sees."""
    prose = ["".join(c["source"]) for c in cells(language) if c["cell_type"] != "code"]
    return re.findall(rf"^```{info}\n(.*?)^```$", "\n".join(prose), re.M | re.S)


# The model that comes with the library


def test_the_model_is_small_and_from_burn():
    path = data.path("digits.mpk")
    assert path.stat().st_size < 30_000
    metadata = d2lrec.describe(path).metadata
    assert metadata["version"] == "0.21.0"
    assert metadata["format"].startswith("burn_core::record::file::NamedMpk")


def test_the_model_reads_digits_that_it_has_not_seen(unseen):
    pictures, labels = unseen
    known = labels < CLASSES
    net = d2lrec.load_file(Digits(), data.path("digits.mpk"))
    correct = answers(net, pictures[known]) == labels[known]
    assert correct.double().mean() > 0.92


@pytest.mark.slow
def test_burn_trains_the_model_anew(programs, tmp_path, unseen):
    """Not bit for bit: another processor adds in another order."""
    export = live_burn.PROJECT / "export_digits.py"
    subprocess.run([sys.executable, export, tmp_path], check=True)
    subprocess.run([programs["train_digits"], tmp_path], check=True)
    nets = [
        d2lrec.load_file(Digits(), path)
        for path in (data.path("digits.mpk"), tmp_path / "digits.mpk")
    ]
    pictures, labels = unseen
    one, other = (answers(net, pictures[labels < CLASSES]) for net in nets)
    assert (one == other).double().mean() > 0.9


# What the chapter shows


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_chapter_shows_the_programs_as_they_are(language):
    files = [(SHOWN / name).read_text("utf-8") for name in ("model.rs", "main.rs")]
    assert shown(language, "rust") == files


def run(cell, variables):
    """Run one cell of code; it fails if it is to fail, on purpose, and only then."""
    raises = "raises-exception" in cell["metadata"].get("tags", [])
    fails = pytest.raises(d2lrec.RecordMismatch) if raises else nullcontext()
    with fails:
        exec("".join(cell["source"]), variables)


@contextmanager
def chapter():
    """Run the chapter; give its variables, and be in the folder of its files."""
    import matplotlib.pyplot as plt

    variables = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plt, "show", lambda: plt.close("all"))
        try:
            for cell in cells("en"):
                if cell["cell_type"] == "code":
                    run(cell, variables)
            yield variables
        finally:
            variables["folder"].cleanup()


@pytest.mark.slow
def test_burn_opens_what_the_chapter_saves(programs):
    with chapter() as variables:
        ten, pictures = variables["ten"], variables["x"][-12:]
        done = subprocess.run([programs["open_digits"]], capture_output=True, text=True)
    assert done.stderr == ""
    assert ast.literal_eval(done.stdout) == answers(ten, pictures).tolist()
    for language in LANGUAGES:
        assert shown(language, "text") == [done.stdout]


# What the chapter says that Burn forgives: `open_digits` expects ten classes.


def without_a_weight(record):
    del record["head"]["weight"]


def with_another_field(record):
    record["extra"] = {"weight": d2lrec.Param("0400000000000", torch.ones(2))}


def with_an_empty_bias(record):
    record["head"]["bias"] = None


def without_a_bias(record):
    del record["head"]["bias"]


def of_another_shape(record):
    net = d2lrec.load_file(Digits(), data.path("digits.mpk"))
    record.update(d2lrec.into_record(net))


def without_bias(net):
    net.head.bias = None
    return net


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "in_burn", "strict", "loose"),
    [
        (without_a_weight, None, "head.weight: missing", True),
        (with_another_field, lambda net: net, "extra.weight: the module has no", True),
        (with_an_empty_bias, without_bias, "head.bias", True),
        (without_a_bias, without_bias, "head.bias: missing", True),
        (
            of_another_shape,
            lambda net: d2lrec.load_file(Digits(), data.path("digits.mpk")),
            "head.weight: shape",
            False,
        ),
    ],
)
def test_what_burn_forgives(change, in_burn, strict, loose, programs, unseen):
    torch.manual_seed(0)
    net = Digits(10)
    record = d2lrec.into_record(net)
    change(record)
    recorder = d2lrec.DefaultFileRecorder()
    recorder.record(dict(record), "ten")
    recorder.record(unseen[0][:50], "pictures")
    done = subprocess.run([programs["open_digits"]], capture_output=True, text=True)
    if in_burn is None:
        assert done.returncode != 0
        assert "missing field" in done.stderr
    else:
        expected = answers(in_burn(net), unseen[0][:50]).tolist()
        assert ast.literal_eval(done.stdout) == expected
    with pytest.raises(d2lrec.RecordMismatch, match=re.escape(strict)):
        d2lrec.load_file(Digits(10), "ten")
    if loose:
        d2lrec.load_file(Digits(10), "ten", strict=False)
    else:
        with pytest.raises(d2lrec.RecordMismatch):
            d2lrec.load_file(Digits(10), "ten", strict=False)
