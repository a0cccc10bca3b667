"""Errors as a user meets them: their texts and what they carry."""

import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import d2lrec
from d2lrec.errors import (
    CorruptRecord,
    RecorderError,
    RecordMismatch,
    RecordNotFound,
    Unrecordable,
    join,
)

MPK, JSON = d2lrec.NamedMpkFileRecorder(), d2lrec.PrettyJsonFileRecorder()


def caught(act, *args, **options):
    with pytest.raises(RecorderError) as info:
        act(*args, **options)
    return info.value


def test_no_file():
    error = caught(MPK.load, "folder/net")
    assert type(error) is RecordNotFound
    assert str(error) == "folder/net.mpk: no such file."
    assert (error.file, error.path, error.offset) == (Path("folder/net.mpk"), (), None)


def test_no_file_and_one_of_another_recorder_beside_it():
    JSON.record([1], "net")
    Path("net.txt").touch()
    Path("other.mpk").touch()
    error = caught(d2lrec.load_file, nn.Linear(1, 1), "net")
    assert type(error) is RecordNotFound
    assert str(error) == (
        "net.mpk: no such file. Beside it is net.json, net.txt: "
        "is this the right recorder?"
    )


@pytest.mark.parametrize("recorder", [MPK, JSON], ids=["mpk", "json"])
def test_a_file_of_the_other_recorder(recorder):
    other = JSON if recorder is MPK else MPK
    other.record([1], "net").rename(recorder.path("net"))
    error = caught(recorder.load, "net")
    assert type(error) is CorruptRecord
    one, two = type(recorder).__name__, type(other).__name__
    assert str(error) == (
        f"net.{recorder.extension}: this looks like a file of {two}, not of {one}. "
        f"Load it with d2lrec.{two}()."
    )


@pytest.mark.parametrize(
    "recorder, data, message",
    [
        (MPK, b"", "byte 0: 1 more byte expected, 0 left. The file was cut short or "),
        (MPK, b"\x81\xa1a\1", "this is no record: a struct with metadata and item exp"),
        (MPK, b"\x93\1\2\3", "this is no record: a struct with metadata and item expe"),
        (MPK, b"PK\3\4", "byte 1: the record ends here, and 3 more bytes found. The "),
        (MPK, b"\x83\xa8metadata\x80", "byte 11: 1 more byte expected, 0 left."),
        (MPK, b"\x83\xa8metadata\x80\xa4atom\1\xa2_b\x90", "this is no record: a "),
        (JSON, b"", "byte 0: this is no JSON: line 1, column 1: "),
        (JSON, b"[1]", "this is no record: a struct with metadata and item expected."),
        (JSON, b'{"item": 1}', "this is no record: a struct with metadata and item ex"),
        (JSON, b"{'item': 1}", "byte 1: this is no JSON: line 1, column 2: "),
        (JSON, b"hello", "byte 0: this is no JSON: line 1, column 1: "),
    ],
)
def test_what_is_no_record(recorder, data, message):
    file = recorder.path("net")
    file.write_bytes(data)
    for act in (lambda: recorder.load("net"), lambda: load(recorder)):
        error = caught(act)
        assert type(error) is CorruptRecord
        assert error.file == file
        comma = "," if message.startswith("byte") else ":"
        assert str(error).startswith(f"{file}{comma} {message}")


def load(recorder):
    return d2lrec.load_file(nn.Linear(1, 1), "net", recorder)


def test_where_a_file_is_corrupt():
    file = MPK.record({"a": [1, {"mask": torch.tensor([True])}]}, "net")
    data = file.read_bytes()
    place = data.rindex(b"\xc4\1\1") + 2
    file.write_bytes(data[:place] + b"\7" + data[place + 1 :])
    error = caught(MPK.load, "net")
    assert type(error) is CorruptRecord
    assert (error.file, error.offset) == (file, place)
    assert error.path[-3:] == ("a", 1, "mask")
    assert str(error).endswith(
        f"a.1.mask, byte {place}: a boolean is stored as 7: 0 or 1 expected."
    )


def test_where_an_item_cannot_be_recorded():
    error = caught(MPK.record, {"a": [1, {"b": b"x"}]}, "net")
    assert type(error) is Unrecordable
    assert (error.file, error.path, error.offset) == (None, ("a", 1, "b"), None)
    assert str(error).startswith("a.1.b: a bytes has no place in a record")
    assert str(error) == f"a.1.b: {error.message}"


def test_how_a_file_does_not_fit():
    file = d2lrec.save_file(nn.Linear(2, 3), "net")
    error = caught(d2lrec.load_file, nn.Linear(2, 4), "net")
    assert type(error) is RecordMismatch
    assert error.file == file
    assert error.differences == [
        "weight: shape [2, 3] in the record, [2, 4] in the module",
        "bias: shape [3] in the record, [4] in the module",
    ]
    assert str(error) == (
        "net.mpk: the record does not fit the module (2 differences; nothing was "
        "loaded):\n"
        "  weight: shape [2, 3] in the record, [2, 4] in the module\n"
        "  bias: shape [3] in the record, [4] in the module\n"
        "  (shapes are in Burn's layout: a Linear's weight is [in, out])"
    )


def test_a_failing_save_names_the_file():
    os.mkdir("net.mpk")
    error = caught(d2lrec.save_file, nn.Linear(1, 1), "net")
    assert type(error) is RecorderError
    assert error.file == Path("net.mpk")


ERRORS = [
    RecorderError("what", file="f.mpk", path=["a", 1], offset=7),
    RecordNotFound("no such file.", file=Path("x")),
    CorruptRecord("bad", offset=0),
    Unrecordable("no", path=["a"]),
    RecordMismatch("no fit:", ["a: missing", "b: missing"], ["(advice)"], file="f"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_from_another_process(error):
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.__dict__ == error.__dict__
    assert isinstance(twin, RecorderError)


def test_the_text_says_where():
    texts = [
        "f.mpk, a.1, byte 7: what",
        "x: no such file.",
        "byte 0: bad",
        "a: no",
        "f: no fit:\n  a: missing\n  b: missing\n  (advice)",
    ]
    assert list(map(str, ERRORS)) == texts
    assert str(RecorderError("what")) == "what"
    assert join([]) == ""


PUBLIC = [
    *["RecorderError", "RecordNotFound", "CorruptRecord", "RecordMismatch"],
    *["Unrecordable", "Param", "Record", "Settings", "FullPrecisionSettings"],
    *["NamedMpkFileRecorder", "PrettyJsonFileRecorder", "DefaultFileRecorder"],
    *["into_record", "load_record", "plan_load", "LoadPlan", "seed_ids"],
    *["save_file", "load_file"],
]


def test_the_public_names():
    assert set(PUBLIC) <= set(dir(d2lrec))
    assert set(d2lrec.__all__) == set(dir(d2lrec)) - {"__version__"}
    assert d2lrec.DefaultFileRecorder is d2lrec.NamedMpkFileRecorder
    assert d2lrec.__version__.count(".") == 2
    with pytest.raises(AttributeError):
        d2lrec.nothing  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(dir(d2lrec)) - {"__version__"}))
def test_a_public_name_is_documented(name):
    value = getattr(d2lrec, name)
    assert inspect.getdoc(value)
    if inspect.isclass(value):
        for method, function in vars(value).items():
            if inspect.isfunction(function) and not method.startswith("_"):
                assert inspect.getdoc(function), f"{name}.{method}"
    if inspect.isfunction(value):
        described = inspect.getdoc(value)
        for parameter in inspect.signature(value).parameters:
            assert f"{parameter}: " in described, parameter


def run(code):
    environment = {**os.environ, "PYTHONPATH": str(Path(d2lrec.__path__[0]).parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_is_lazy():
    code = """
import sys, d2lrec
heavy = {"torch", "numpy", "orjson"}
print(sorted(heavy & sys.modules.keys()))
d2lrec.RecorderError, dir(d2lrec), d2lrec.__version__
print(sorted(heavy & sys.modules.keys()))
import d2lrec.codecs.mpk
print(sorted({"torch", "numpy"} & sys.modules.keys()))
"""
    assert run(code) == ["[]", "[]", "[]"]


def test_the_names_are_those_of_the_stub():
    stub = (Path(d2lrec.__path__[0]) / "__init__.pyi").read_text()
    for name in dir(d2lrec):
        assert f" as {name}\n" in stub or name == "__version__"
