"""The command line: what it says, what it writes, and how it ends."""

import gzip
import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import golden_cases as golden
import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from golden_structures import STRUCTURES
from hypothesis import given
from hypothesis import strategies as st
from test_describe import stored
from test_golden_modules import TWINS
from torch import nn

import d2lrec
from d2lrec import structure as s
from d2lrec.cli import main
from d2lrec.cli.names import RECORDS as RECORDERS
from d2lrec.structure_text import parse_structure

EXTENSIONS = tuple(RECORDERS)
MODELS = """
import torch
from torch import nn

class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(5, 4)
        self.activation = nn.ReLU()
        self.output = nn.Linear(4, 3, bias=False)

def conv():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))

def trained():
    net = MLP()
    return torch.optim.Adam(net.parameters()), net

def broken():
    raise ValueError("no\\nway")

def leaving():
    raise SystemExit(3)

def lstm():
    return nn.LSTM(3, 2, batch_first=True)

def rect():
    return nn.Linear(3, 2, bias=False)

NUMBER = 7
record = {"a": [1], "b": torch.ones(2)}
"""


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """A module beside the files, as a user has it; fresh for each test."""
    (tmp_path / "models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    sys.modules.pop("models", None)


def run(*arguments, code=0):
    """Run a command; return what it said on stdout and on stderr."""
    result = CliRunner().invoke(main, [str(x) for x in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout, result.stderr


def failing(*arguments):
    """Run a command that fails; return the one line that it says."""
    out, error = run(*arguments, code=1)
    assert out == ""
    (line,) = error.splitlines()
    return line


LAYOUT = (
    "note: names and layouts are Burn's, as with --layout burn; for a PyTorch "
    "state_dict: --layout pytorch --like package.module:Class\n"
)
IDS = "note: left out, being ids, for which .pt and .pth have no place: "
NEEDS_LIKE = (
    "bincode stores no names: --like package.module:Class, or --like with a structure "
    "file, says what is in it. See d2lrec"
)


# --- describe


def test_describe_says_what_the_function_says():
    for extension in ("mpk", "bin", "json.gz"):
        path = golden.file("mlp", extension)
        out, error = run("describe", path)
        assert (out, error) == (f"{d2lrec.describe(path)!r}\n", "")
        out, _ = run("describe", path, "--statistics")
        assert out == f"{d2lrec.describe(path, statistics=True)!r}\n"
        out, _ = run("describe", path, "--json")
        assert json.loads(out) == d2lrec.describe(path).to_dict()


def test_describe_takes_a_module_and_a_structure_file(tmp_path):
    path = golden.file("mlp", "bin")
    out, _ = run("describe", path, "--like", "models:MLP")
    assert "    weight  F32  [5, 4]  80 B  id 4s0g000000000\n" in out
    file = tmp_path / "mlp.structure"
    file.write_text("Struct(hidden=LINEAR, activation=Constant, output=LINEAR)")
    assert run("describe", path, "--like", file) == (out, "")


def test_describe_shows_bytes():
    path = golden.file("zoo", "mpk")
    out, _ = run("describe", path, "--bytes")
    assert out == f"{d2lrec.annotate(path, limit=None)!r}\n"
    out, _ = run("describe", path, "--bytes", "--json")
    assert json.loads(out) == d2lrec.annotate(path).to_dict()


def test_describe_shows_a_damaged_file_up_to_the_damage(tmp_path):
    path = tmp_path / "cut.mpk"
    path.write_bytes(golden.file("mlp", "mpk").read_bytes()[:-9])
    out, error = run("describe", path, "--bytes", code=1)
    assert out.count("\n") > 50
    assert error.startswith(f"error: {path}, item.output, byte 534: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nope.mpk"], "error: nope.mpk: no such file."),
        (
            ["models.py"],
            "error: models.py: this is no record of Burn's: it begins with the bytes "
            "0a 69 6d 70 6f 72 74 20, as no recorder's files do.",
        ),
        (["."], "error: .: this is no regular file: a file expected."),
        (
            ["mlp.bin", "--like", "models:Nope"],
            "error: --like models:Nope: AttributeError: module 'models' has no "
            "attribute 'Nope'.",
        ),
        (
            ["mlp.bin", "--like", "nope.models:MLP"],
            "error: --like nope.models:MLP: ModuleNotFoundError: No module named "
            "'nope'.",
        ),
        (
            ["mlp.bin", "--like", "models:broken"],
            "error: --like models:broken: ValueError: no way.",
        ),
        (
            ["mlp.bin", "--like", "models:leaving"],
            "error: --like models:leaving: SystemExit: 3.",
        ),
        (
            ["mlp.bin", "--like", "nope"],
            "error: --like nope: package.module:Class or the path of a structure file "
            "expected.",
        ),
        (
            ["mlp.bin", "--like", "models.py"],
            "error: models.py: line 5: only lines name = structure are read.",
        ),
        (
            ["mlp.json", "--bytes"],
            "error: JSON is text and has no byte map. Open it in an editor, or "
            "d2lrec.describe it.",
        ),
    ],
)
def test_describe_fails_in_one_line(arguments, line, tmp_path):
    for extension in ("bin", "json"):
        data = golden.file("mlp", extension).read_bytes()
        (tmp_path / f"mlp.{extension}").write_bytes(data)
    assert failing("describe", *arguments) == line.replace(
        "error: JSON", "error: mlp.json: JSON"
    )


def test_like_that_fits_not_is_one_line(tmp_path):
    line = failing("describe", golden.file("mlp", "bin"), "--like", "models:conv")
    assert line.startswith(f"error: {golden.file('mlp', 'bin')}, item.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["describe"],
        ["describe", "x", "--nope"],
        ["describe", "x", "--bytes", "--statistics"],
        ["convert", "x.mpk"],
        ["convert", "x.mpk", "y.txt"],
        ["convert", "x.mpk", "y.bin", "--settings", "quarter"],
        ["convert", "x.mpk", "y.pt", "--layout", "pytorch"],
        ["convert", "x.mpk", "y.mpk", "--layout", "pytorch", "--like", "models:MLP"],
        ["diff", "x.mpk", "y.mpk", "--tolerance", "-1"],
        ["diff", "x.mpk", "y.mpk", "--tolerance", "nan"],
        ["completion", "cmd"],
        ["nope"],
    ],
)
def test_wrong_usage_is_two(arguments):
    _, error = run(*arguments, code=2)
    assert "Usage: main" in error


# --- convert: records


def golden_structure(case, folder):
    """Write the structure of a golden case to a file."""
    structure = STRUCTURES.get(case)
    if structure is None:
        structure = d2lrec.into_record(TWINS[case]()).structure
    file = folder / "structure"
    file.write_text(f"structure = {structure!r}")
    return file


@pytest.mark.parametrize("source", EXTENSIONS)
@pytest.mark.parametrize("case", ["mlp", "zoo", "progress", "typed"])
def test_between_all_recorders_the_bytes_are_burns(case, source, tmp_path):
    like = golden_structure(case, tmp_path)
    for target in EXTENSIONS:
        copy = tmp_path / f"copy.{target}"
        run("convert", golden.file(case, source), copy, "--like", like)
        assert stored(copy) == stored(golden.file(case, target))


@pytest.mark.parametrize("case", ["adam", "adagrad", "adan"])
def test_optimizers_go_through_all_recorders_and_come_back(case, tmp_path):
    """The order of their entries differs in each of Burn's files, and stays."""
    like = golden_structure(case, tmp_path)
    for source in EXTENSIONS:
        path = golden.file(case, source)
        for target in EXTENSIONS:
            run("convert", path, f"copy.{target}", "--like", like)
            path = Path(f"copy.{target}")
        run("convert", path, f"back.{source}", "--like", like)
        assert stored(Path(f"back.{source}")) == stored(golden.file(case, source))


@pytest.mark.parametrize("target", ["mpk", "mpk.gz", "json", "json.gz"])
@pytest.mark.parametrize("source", ["mpk", "mpk.gz", "json", "json.gz"])
def test_text_formats_need_no_like(source, target, tmp_path):
    for case in ("conv_net", "typed", "list", "tensor"):
        copy = tmp_path / f"{case}.{target}"
        assert run("convert", golden.file(case, source), copy) == ("", "")
        assert stored(copy) == stored(golden.file(case, target))


@pytest.mark.parametrize("settings", ["full", "half", "double"])
@pytest.mark.parametrize("case", ["mlp", "hard_floats", "progress"])
def test_settings_are_burns(case, settings, tmp_path):
    copy = tmp_path / "copy.mpk"
    _, notes = run("convert", golden.file(case, "mpk"), copy, "--settings", settings)
    assert copy.read_bytes() == golden.file(case, "mpk", settings).read_bytes()
    said = "rounded from F32 to F16 (HalfPrecisionSettings)\n" in notes
    assert said == (settings == "half")


def test_what_half_precision_loses_is_said(tmp_path):
    path = golden.file("hard_floats", "mpk")
    like = golden_structure("hard_floats", tmp_path)
    arguments = ["--settings", "half", "--like", like]
    _, notes = run("convert", path, "half.bin.gz", *arguments)
    first, second = notes.splitlines()
    assert first == "note: 1 tensor rounded from F32 to F16 (HalfPrecisionSettings)"
    full = golden.tensor(golden.EXPECTED["hard_floats"]["params"][0])
    half = full.half()
    infinite = int((half.isinf() & ~full.isinf()).sum())
    zero = int(((half == 0) & (full != 0)).sum())
    assert second == (
        f"note: values: of {len(full)} numbers {infinite} became infinity and {zero} "
        "became zero in torch.float16."
    )


def test_settings_stay_those_of_the_source(tmp_path):
    for settings in ("half", "double"):
        copy = tmp_path / "copy.json"
        assert run("convert", golden.file("mlp", "mpk", settings), copy) == ("", "")
        assert copy.read_bytes() == golden.file("mlp", "json", settings).read_bytes()


def test_integers_that_do_not_fit_are_refused(tmp_path):
    copy = tmp_path / "copy.mpk"
    copy.write_bytes(b"before")
    path = d2lrec.NamedMpkFileRecorder(d2lrec.DoublePrecisionSettings).record(
        {"n": torch.tensor([2**40])}, tmp_path / "double"
    )
    line = failing("convert", path, copy, "--settings", "full")
    assert line == (
        f"error: {copy}, n: the integer 1099511627776 does not fit I32, which "
        "FullPrecisionSettings store. Use DoublePrecisionSettings."
    )
    assert copy.read_bytes() == b"before"


def test_bincode_is_refused_without_like(tmp_path):
    source, target = golden.file("mlp", "bin"), tmp_path / "copy.mpk"
    line = failing("convert", source, target)
    assert line == f"error: {source}: {NEEDS_LIKE} convert --help"
    source, target = golden.file("mlp", "mpk"), tmp_path / "copy.bin.gz"
    line = failing("convert", source, target)
    assert line == f"error: {target}: {NEEDS_LIKE} convert --help"
    assert not target.exists()
    line = failing("diff", source, golden.file("mlp", "bin"))
    assert line == f"error: {golden.file('mlp', 'bin')}: {NEEDS_LIKE} diff --help"


def test_like_is_a_module_an_optimizer_or_a_record(tmp_path):
    run("convert", golden.file("mlp", "mpk"), "mlp.bin", "--like", "models:MLP")
    assert Path("mlp.bin").read_bytes() == golden.file("mlp", "bin").read_bytes()
    adam = golden.file("adam", "mpk")
    run("convert", adam, "adam.bin", "--like", "models:trained")
    run("convert", "adam.bin", "adam.mpk", "--like", "models:trained")
    assert Path("adam.mpk").read_bytes() == adam.read_bytes()
    import models

    d2lrec.NamedMpkFileRecorder().record(models.record, "record")
    run("convert", "record.mpk", "record.bin", "--like", "models:record")
    expected = d2lrec.BinFileRecorder().record(models.record, "expected").read_bytes()
    assert Path("record.bin").read_bytes() == expected
    line = failing("convert", "record.mpk", "x.bin", "--like", "models:MLP")
    assert line.startswith("error: x.bin, item: a, b: no such field in the structure.")


def test_a_checksum_stays_and_is_checked(tmp_path):
    recorder = d2lrec.NamedMpkFileRecorder(checksum=True)
    path = recorder.record({"x": torch.ones(4)}, tmp_path / "a")
    run("convert", path, "b.json.gz")
    assert d2lrec.JsonGzFileRecorder(checksum=True).load("b")["x"].sum() == 4
    data = bytearray(path.read_bytes())
    data[data.index(b"\x80\x3f")] ^= 1
    path.write_bytes(data)
    assert "The file was damaged." in failing("convert", path, "c.mpk")
    assert not Path("c.mpk").exists()


def test_a_file_may_be_converted_onto_itself(tmp_path):
    path = tmp_path / "mlp.mpk"
    path.write_bytes(golden.file("mlp", "mpk").read_bytes())
    run("convert", path, path, "--settings", "half")
    assert path.read_bytes() == golden.file("mlp", "mpk", "half").read_bytes()


def test_the_contents_say_what_the_source_is(tmp_path):
    path = tmp_path / "anything.dat"
    path.write_bytes(golden.file("mlp", "json.gz").read_bytes())
    run("convert", path, "copy.mpk")
    assert Path("copy.mpk").read_bytes() == golden.file("mlp", "mpk").read_bytes()


# --- convert: safetensors and torch


def test_to_safetensors_and_back_gives_the_record(tmp_path):
    for case in ("typed", "list", "transformer_encoder"):
        source = golden.file(case, "mpk")
        out, notes = run("convert", source, "x.safetensors", "--layout", "burn")
        found = safetensors.torch.load_file("x.safetensors")
        expected = d2lrec.describe(source).tensors
        assert {k: list(x.shape) for k, x in found.items()} == {
            x.path: list(x.shape) for x in expected
        }
        run("convert", "x.safetensors", "back.mpk")
        back = d2lrec.describe("back.mpk").tensors
        assert [(x.path, x.id, x.dtype, x.shape) for x in back] == [
            (x.path, x.id, x.dtype, x.shape) for x in expected
        ]
        same = f"{len(expected)} the same, 0 different\n"
        assert run("diff", source, "back.mpk") == (same, "")
        assert (out, notes) == ("", "")


def test_what_has_no_tensor_is_said_and_comes_back_with_a_structure(tmp_path):
    """Without it Burn refuses: missing field `empty`, and `gate_activation`."""
    source, like = golden.file("zoo", "mpk"), golden_structure("zoo", tmp_path)
    _, notes = run("convert", source, "zoo.safetensors", "--layout", "burn")
    assert notes == "note: left out, being no tensors: empty\n"
    run("convert", "zoo.safetensors", "zoo.mpk")
    out, _ = run("diff", "zoo.mpk", source, code=1)
    assert out.splitlines()[2:] == ["empty  only in B: []", "22 the same, 1 different"]
    for extension in ("mpk", "bin"):
        run("convert", "zoo.safetensors", f"zoo.{extension}", "--like", like)
        expected = golden.file("zoo", extension).read_bytes()
        assert Path(f"zoo.{extension}").read_bytes() == expected
    source = golden.file("lstm", "mpk")
    _, notes = run("convert", source, "lstm.pth", "--layout", "burn")
    assert notes.splitlines()[0] == (
        "note: left out, being no tensors: gate_activation, cell_activation, "
        "hidden_activation"
    )
    assert notes.splitlines()[1].endswith(
        "forget_gate.input_transform.weight and 11 more"
    )
    run("convert", "lstm.pth", "lstm.mpk", "--layout", "burn")
    out, _ = run("diff", source, "lstm.mpk", code=1)
    assert "gate_activation    only in A: {'Sigmoid': None}\n" in out
    # A module knows by itself what its activations are.
    module = ["--layout", "pytorch", "--like", "models:lstm"]
    assert run("convert", source, "torch.safetensors", *module) == ("", "")
    run("convert", "torch.safetensors", "again.mpk", *module)
    assert Path("again.mpk").read_bytes() == source.read_bytes()


def test_a_none_that_has_a_place_in_a_list_is_said():
    one = torch.ones(1)
    save("a", rest=[None, None], mixed=[one, None], losses=[0.5, None], none=None)
    _, notes = run("convert", "a.mpk", "a.safetensors", "--layout", "burn")
    assert notes == "note: left out, being no tensors: mixed.1, losses.0, losses.1\n"
    run("convert", "a.safetensors", "b.mpk")
    out, _ = run("diff", "a.mpk", "b.mpk", code=1)
    assert "mixed.1   only in A: None\n" in out
    assert out.endswith("1 the same, 3 different\n")


def test_a_structure_puts_back_what_holds_no_tensor(tmp_path):
    file = tmp_path / "structure"
    file.write_text(
        "Rest = Struct(layers=Vec(PARAM), by_name=Map(PARAM), n=Array(Constant, 2))\n"
        "structure = Struct(rest=Rest, o=Option(Rest), pair=Tuple(PARAM, Vec(PARAM)),"
        " last=Tuple(Option(PARAM), PARAM), act=Enum(A=Rest, B=PARAM),"
        " blocks=Vec(Struct(w=PARAM, parts=Vec(PARAM))), more=Vec(None), plain=PARAM)"
    )
    names = ("pair.0", "last.1", "act.B", "blocks.0.w", "blocks.1.w", "plain")
    tensors = {name: torch.ones(2) for name in names}
    safetensors.torch.save_file(tensors, "x.safetensors")
    run("convert", "x.safetensors", "x.bin", "--like", file, "--layout", "burn")
    item = d2lrec.BinFileRecorder().load("x", like=parse_structure(file.read_text()))
    assert item["rest"] == {"layers": [], "by_name": {}, "n": (None, None)}
    assert item["o"] is None
    assert item["pair"][1] == []
    assert item["last"][0] is None
    assert [block["parts"] for block in item["blocks"]] == [[], []]
    assert item["more"] == []
    for name, line in (
        ("plain", "no plain found"),
        ("act.B", "no act found"),
        ("pair.0", "pair.0: a NoneType found, Param expected"),
    ):
        rest = {key: x for key, x in tensors.items() if key != name}
        safetensors.torch.save_file(rest, "y.safetensors")
        arguments = ["--like", file, "--layout", "burn"]
        assert line in failing("convert", "y.safetensors", "y.mpk", *arguments)
    tensors = {f"pair.{index}": torch.ones(1) for index in (0, 1, 5)}
    safetensors.torch.save_file(tensors, "z.safetensors")
    file.write_text("Struct(pair=Tuple(PARAM, PARAM))")
    line = failing("convert", "z.safetensors", "z.mpk", "--like", file, *arguments[2:])
    assert "a Record found, Tuple(Param, Param) expected." in line
    safetensors.torch.save_file({}, "none.safetensors")
    file.write_text("Vec(PARAM)")
    run("convert", "none.safetensors", "none.mpk", "--like", file, *arguments[2:])
    assert d2lrec.NamedMpkFileRecorder().load("none") == []


def test_other_things_left_out_are_said():
    recorder = d2lrec.NamedMpkFileRecorder(checksum=True)
    recorder.record({"x": torch.ones(4)}, "a")
    _, notes = run("convert", "a.mpk", "a.safetensors", "--layout", "burn")
    assert notes == "note: left out: the checksum, which only records have\n"
    tensors = {"w": torch.ones(1)}
    safetensors.torch.save_file(tensors, "b.safetensors", {"format": "pt", "by": "me"})
    _, notes = run("convert", "b.safetensors", "b.mpk", "--layout", "burn")
    assert notes == "note: left out, being no tensors: __metadata__.by\n"
    run("convert", golden.file("mlp", "mpk"), "c.safetensors", "--layout", "burn")
    _, notes = run("convert", "c.safetensors", "c.pt")
    assert notes == f"{IDS}hidden.weight, hidden.bias, output.weight\n"


def test_the_layout_is_not_guessed_where_a_module_is_named():
    """A rectangular weight would be refused later; a square one would be wrong."""
    import models

    net = models.rect()
    torch.save(net.state_dict(), "rect.pt")
    like = ["--like", "models:rect"]
    advice = (
        "whose names and layouts do its tensors have? --layout pytorch for a "
        "state_dict of what --like names, --layout burn for Burn's own, in which "
        "weights of linear layers are transposed."
    )
    assert (
        failing("convert", "rect.pt", "rect.bin", *like) == f"error: rect.pt: {advice}"
    )
    run("convert", "rect.pt", "rect.bin", *like, "--layout", "pytorch")
    twin = d2lrec.load_file(models.rect(), "rect.bin", d2lrec.BinFileRecorder())
    assert torch.equal(twin.weight, net.weight)
    for name in ("x.safetensors", "x.pt"):
        assert failing("convert", "rect.bin", name, *like) == f"error: {name}: {advice}"
    run("convert", "rect.bin", "x.safetensors", *like, "--layout", "burn")
    assert torch.equal(
        safetensors.torch.load_file("x.safetensors")["weight"], net.weight.T
    )
    run("convert", "x.safetensors", "again.bin", *like)  # which says what it is
    assert Path("again.bin").read_bytes() == Path("rect.bin").read_bytes()


def test_json_says_what_was_written():
    source = golden.file("mlp", "mpk")
    out, error = run("convert", source, "x.pt", "--settings", "half", "--json")
    assert error == ""
    assert json.loads(out) == {
        "source": str(source),
        "target": "x.pt",
        "format": "torch",
        "bytes": Path("x.pt").stat().st_size,
        "notes": [
            LAYOUT.removeprefix("note: ").rstrip(),
            "3 tensors rounded from F32 to F16 (HalfPrecisionSettings)",
            f"{IDS.removeprefix('note: ')}hidden.weight, hidden.bias, output.weight",
        ],
    }
    out, _ = run("convert", source, "x.json.gz", "--json")
    found = json.loads(out)
    assert (found["format"], found["notes"]) == ("JsonGzFileRecorder", [])
    out, _ = run("convert", source, "x.safetensors", "--layout", "burn", "--json")
    assert json.loads(out)["format"] == "safetensors"
    assert failing("convert", "nope.mpk", "x.pt", "--json").startswith("error: nope")


@pytest.mark.parametrize("extension", ["safetensors", "pt", "pth"])
def test_tensors_have_the_values_of_the_record(extension):
    source = golden.file("mlp", "mpk")
    _, notes = run("convert", source, f"x.{extension}")
    names = "hidden.weight, hidden.bias, output.weight\n"
    assert notes == LAYOUT + (IDS + names) * (extension != "safetensors")
    load = safetensors.torch.load_file if extension == "safetensors" else torch.load
    found = load(f"x.{extension}")
    for param in golden.EXPECTED["mlp"]["params"]:
        torch.testing.assert_close(found[param["path"]], golden.tensor(param))
    assert oct(Path(f"x.{extension}").stat().st_mode) == oct(
        Path("models.py").stat().st_mode
    )


@pytest.mark.parametrize("extension", ["safetensors", "pt"])
def test_pytorchs_layout_is_a_state_dict(extension):
    """What comes out gives Burn's output in the net; back come Burn's bytes."""
    file, like = f"x.{extension}", ["--layout", "pytorch", "--like", "models:MLP"]
    source = golden.file("mlp", "mpk")
    names = "hidden.weight, hidden.bias, output.weight\n"
    notes = (IDS + names) * (extension == "pt")
    assert run("convert", source, file, *like) == ("", notes)
    import models

    net = models.MLP()
    load = safetensors.torch.load_file if extension == "safetensors" else torch.load
    net.load_state_dict(load(file))
    case = golden.EXPECTED["mlp"]
    output = net.output(net.activation(net.hidden(golden.tensor(case["input"]))))
    torch.testing.assert_close(output, golden.tensor(case["output"]))
    run("convert", file, "back.mpk", *like)
    assert run("diff", source, "back.mpk")[0] == "3 the same, 0 different\n"
    if extension == "safetensors":  # which keeps the ids, and says whose layout it is
        assert Path("back.mpk").read_bytes() == source.read_bytes()
        run("convert", file, "again.bin", "--like", "models:MLP")
        assert Path("again.bin").read_bytes() == golden.file("mlp", "bin").read_bytes()
        assert failing("convert", file, "x.mpk", "--layout", "burn") == (
            "error: x.safetensors: the file says that its layout is pytorch's: leave "
            "out --layout burn."
        )
        assert failing("convert", file, "x.mpk") == (
            "error: x.safetensors: --layout pytorch needs a module, whose names and "
            "layouts it takes: --like package.module:Class"
        )


def test_batch_norm_and_precisions_in_pytorchs_layout(tmp_path):
    import models

    net = models.conv()
    torch.save(net.double().state_dict(), "net.pt")
    like = ["--layout", "pytorch", "--like", "models:conv"]
    run("convert", "net.pt", "net.mpk", "--settings", "double", *like)
    recorder = d2lrec.NamedMpkFileRecorder(d2lrec.DoublePrecisionSettings)
    twin = d2lrec.load_file(models.conv().double(), "net.mpk", recorder)
    assert torch.equal(twin[0].weight, net[0].weight)
    run("convert", "net.mpk", "again.pt", *like)
    again = torch.load("again.pt")
    assert again.keys() == net.state_dict().keys()
    assert all(torch.equal(again[k], x) for k, x in net.state_dict().items())
    _, notes = run("convert", "net.mpk", "half.pt", "--settings", "half", *like)
    assert notes.startswith("note: 6 tensors rounded from F64 to F16")
    half = torch.load("half.pt")
    assert half["0.weight"].dtype == torch.float16
    assert half["1.num_batches_tracked"].dtype == torch.int64
    _, notes = run("convert", "net.pt", "full.mpk", *like)
    assert notes == (
        "note: 6 tensors rounded from F64 to F32 (FullPrecisionSettings)\n"
        "note: left out, being counts of batches, for which records have no place: "
        "1.num_batches_tracked\n"
    )


def test_a_state_dict_that_does_not_fit_says_all():
    torch.save({"hidden.weight": torch.ones(2, 2)}, "net.pt")
    like = ["--layout", "pytorch", "--like", "models:MLP"]
    _, error = run("convert", "net.pt", "net.mpk", *like, code=1)
    lines = error.splitlines()
    assert lines[0] == "error: net.pt: Error(s) in loading state_dict for MLP:"
    assert "Missing key(s)" in lines[1]
    assert "size mismatch for hidden.weight" in lines[2]
    _, error = run("convert", golden.file("conv_net", "mpk"), "net.pt", *like, code=1)
    assert "the record does not fit the module" in error


def test_between_tensor_files():
    half = {"a": torch.ones(2, dtype=torch.bfloat16), "n": torch.arange(3)}
    more = {"epoch": 3, "name": "x", "list": [1, torch.ones(1)]}
    torch.save({"model": half, **more}, "x.pt")
    _, notes = run("convert", "x.pt", "x.safetensors")
    assert notes == "note: left out, being no tensors: epoch, name, list.0\n"
    found = safetensors.torch.load_file("x.safetensors")
    assert found.keys() == {"model.a", "model.n", "list.1"}
    assert torch.equal(found["model.a"], half["a"])
    run("convert", "x.safetensors", "y.pth", "--settings", "full")
    assert torch.load("y.pth")["model.a"].dtype == torch.float32
    tied = torch.ones(3)
    torch.save({"a": tied, "b": tied}, "tied.pt")
    run("convert", "tied.pt", "tied.safetensors")
    assert safetensors.torch.load_file("tied.safetensors")["b"].sum() == 3


def test_settings_of_tensor_files():
    source = golden.file("typed", "mpk")
    _, notes = run(
        "convert", source, "x.pt", "--settings", "double", "--layout", "burn"
    )
    found = torch.load("x.pt")
    assert notes == f"{IDS}ints, bools, floats, empty\n"
    assert {name: x.dtype for name, x in found.items()} == {
        "ints": torch.int64,
        "bools": torch.bool,
        "floats": torch.float64,
        "empty": torch.float64,
    }
    for param in golden.EXPECTED["typed"]["params"]:
        assert found[param["path"]].flatten().tolist() == param["values"]
    _, notes = run("convert", "x.pt", "x.mpk", "--layout", "burn")
    assert notes == "note: 2 tensors rounded from F64 to F32 (FullPrecisionSettings)\n"
    assert run("diff", "x.mpk", source)[0] == "4 the same, 0 different\n"


def test_structure_says_what_is_a_parameter(tmp_path):
    file = tmp_path / "structure"
    file.write_text(
        "Struct(w=PARAM, m=TENSOR, parts=Vec(TENSOR), o=Option(PARAM),"
        " pair=Tuple(PARAM, TENSOR), map=Map(TENSOR), act=Enum(A=TENSOR, B=PARAM))"
    )
    names = ("w", "m", "parts.0", "pair.0", "pair.1", "map.k", "act.B")
    tensors = {name: torch.ones(2) for name in names}
    safetensors.torch.save_file(tensors, "x.safetensors")
    run("convert", "x.safetensors", "x.bin", "--like", file, "--layout", "burn")
    found = d2lrec.describe("x.bin", like=parse_structure(file.read_text()))
    assert [(x.path, x.id is None) for x in found.tensors] == [
        ("w", False),
        ("m", True),
        ("parts.0", True),
        ("pair.0", False),
        ("pair.1", True),
        ("map.k", True),
        ("act.B", False),
    ]
    assert found.item["o"] is None


@pytest.mark.parametrize(
    ("tensors", "line"),
    [
        ({"a": 1, "a.b": 1}, "error: x.pt: a.b: a is a tensor and no group of them."),
        (
            {"a.b": 1, "a": 1},
            "error: x.pt: a is a tensor, and the name of a group of them.",
        ),
    ],
)
def test_names_that_clash_are_refused(tensors, line):
    torch.save({name: torch.ones(1) for name in tensors}, "x.pt")
    assert failing("convert", "x.pt", "x.mpk", "--layout", "burn") == line


def test_names_with_dots_may_clash():
    item = {"a": {"b": torch.ones(1)}, "a.b": torch.ones(1)}
    d2lrec.NamedMpkFileRecorder().record(item, "x")
    assert failing("convert", "x.mpk", "x.pt") == (
        "error: x.mpk: two values would have the name a.b, a dot being in one of their "
        "names. Rename one of them."
    )


def test_what_burn_has_not_is_refused():
    torch.save({"z": torch.ones(1, dtype=torch.complex64)}, "x.pt")
    assert failing("convert", "x.pt", "x.mpk", "--layout", "burn") == (
        "error: x.pt: z: Burn has no tensor of torch.complex64, torch.strided."
    )


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"\xff" * 100, b"PK\x03\x04" + b"a" * 50]
)
@pytest.mark.parametrize("extension", ["pt", "safetensors"])
def test_damaged_tensor_files_are_one_line(data, extension):
    Path(f"x.{extension}").write_bytes(data)
    line = failing("convert", f"x.{extension}", "x.mpk")
    assert line.startswith(f"error: x.{extension}: ")


def test_nothing_is_unpickled():
    torch.save(nn.Linear(1, 1), "net.pt")
    assert failing("convert", "net.pt", "net.mpk") == (
        "error: net.pt: torch.load refuses it: it holds more than tensors and plain "
        "values, which would have to be executed. Save net.state_dict() instead."
    )


@pytest.mark.parametrize("ids", ["no json", "[1]", '{"a": 1}', "[" * 5000])
def test_ids_that_are_none_are_refused(ids):
    safetensors.torch.save_file(
        {"a": torch.ones(1)}, "x.safetensors", {"burn_ids": ids}
    )
    assert failing("convert", "x.safetensors", "x.mpk") == (
        "error: x.safetensors: the metadata's burn_ids are no ids by names."
    )


def test_without_safetensors_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    source, target = golden.file("mlp", "mpk"), "x.safetensors"
    assert failing("convert", source, target, "--layout", "burn") == (
        "error: x.safetensors: .safetensors files need a package that is not "
        "installed. pip install safetensors"
    )
    assert not list(Path().glob("*.safetensors"))


def test_a_failed_save_leaves_what_was_there(monkeypatch):
    def full(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file")

    Path("x.pt").write_bytes(b"before")
    monkeypatch.setattr(torch, "save", full)
    line = failing("convert", golden.file("mlp", "mpk"), "x.pt", "--layout", "burn")
    assert line.startswith("error: x.pt: cannot be saved: PytorchStreamWriter")
    assert Path("x.pt").read_bytes() == b"before"
    assert sorted(x.name for x in Path().iterdir()) == ["models.py", "x.pt"]


def test_a_folder_that_cannot_be_is_one_line():
    source = golden.file("mlp", "mpk")
    Path("file").write_text("")
    for name in ("file/x.pt", "file/x.mpk"):
        line = failing("convert", source, name, "--layout", "burn")
        assert line.startswith(f"error: {name}: cannot be saved: ")


# --- diff


def save(path, **item):
    return d2lrec.NamedMpkFileRecorder(durable=False).record(item, path)


def test_equal_files_are_the_same_in_any_format():
    """Also in another precision, if it holds the numbers."""
    source = golden.file("mlp", "mpk")
    for extension, settings in (("json.gz", "full"), ("mpk.gz", "half")):
        other = golden.file("mlp", extension, settings)
        assert run("diff", source, other) == ("3 the same, 0 different\n", "")
    other = golden.file("mlp", "bin")
    assert run("diff", source, other, "--like", "models:MLP")[0].startswith(
        "3 the same"
    )
    assert run("diff", golden.file("progress", "mpk"), golden.file("progress", "json"))


def test_diff_says_what_and_by_how_much():
    a = torch.tensor([1.0, 2.0, 3.0, 4.0])
    save("a", same=a, w=a, shape=a, gone=a, step=3, name="x", left=1, n=torch.arange(2))
    b = torch.tensor([1.0, 2.5, 3.0, 3.0])
    more = {"name": "y", "right": 1, "n": torch.tensor([0.0, 1.5])}
    save("b", same=a, w=b, shape=a[:2], come=b, step=4, **more)
    out, error = run("diff", "a.mpk", "b.mpk", code=1)
    assert error == ""
    assert out.splitlines() == [
        "A: a.mpk",
        "B: b.mpk",
        "w      2 of 4 numbers differ, by up to 1, 0.375 on average (F32 [4])",
        "shape  F32 [4] in A, F32 [2] in B",
        "gone   only in A: F32 [4]",
        "n      1 of 2 numbers differ, by up to 0.5, 0.25 on average "
        "(I32 [2] and F32 [2])",
        "come   only in B: F32 [4]",
        "step   3 in A, 4 in B",
        "name   'x' in A, 'y' in B",
        "left   only in A: 1",
        "right  only in B: 1",
        "1 the same, 9 different",
    ]
    out, _ = run("diff", "a.mpk", "b.mpk", "--json", code=1)
    found = json.loads(out)
    assert (found["same"], found["different"]) == (1, 9)
    assert found["differences"][0] == {
        "name": "w",
        "kind": "values",
        "a": "F32 [4]",
        "b": "F32 [4]",
        "count": 2,
        "total": 4,
        "largest": 1.0,
        "mean": 0.375,
    }


def test_tolerance_is_the_largest_difference_of_equal_numbers():
    save("a", x=torch.tensor([0.0, 1.0]), rate=0.5)
    save("b", x=torch.tensor([0.25, 1.0]), rate=0.75)
    assert "2 the same" in run("diff", "a.mpk", "b.mpk", "--tolerance", "0.25")[0]
    assert (
        "0 the same" in run("diff", "a.mpk", "b.mpk", "--tolerance", "0.2", code=1)[0]
    )


def test_diff_knows_nan_and_infinity():
    inf, nan = float("inf"), float("nan")
    save("a", x=torch.tensor([nan, inf, -inf, nan, inf]), y=nan, z=0.1)
    save("b", x=torch.tensor([nan, inf, -inf, 1.0, -inf]), y=nan, z=0.1)
    out, _ = run("diff", "a.mpk", "b.mpk", "--json", code=1)
    (found,) = json.loads(out)["differences"]
    assert (found["count"], found["largest"], found["mean"]) == (2, "inf", "inf")


def test_diff_counts_what_has_no_numbers():
    save("a", list=[], map={}, unit={"Tanh": None}, was=torch.ones(2), none=None)
    more = {"unit": {"Sigmoid": None}, "was": 3, "sizes": [None, None]}
    save("b", list=[], map=[], **more)
    out, _ = run("diff", "a.mpk", "b.mpk", code=1)
    assert out.splitlines()[2:] == [
        "was   F32 [2] in A, 3 in B",
        "map   {} in A, [] in B",
        "unit  {'Tanh': None} in A, {'Sigmoid': None} in B",
        "1 the same, 3 different",
    ]
    # A struct of constants that has one more in the next release.
    save("c", pool={"size": None})
    save("d", pool={"size": None, "stride": None})
    assert run("diff", "c.mpk", "d.mpk")[0] == "1 the same, 0 different\n"


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_diff_checks_checksums(extension):
    recorder = getattr(d2lrec, RECORDERS[extension])(checksum=True)
    structure = parse_structure("Struct(x=TENSOR)")
    path = recorder.record({"x": torch.ones(1)}, "a", like=structure)
    packed = extension.endswith(".gz")
    data = bytearray(
        gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    )
    text = b"63" if "json" in extension else b"\x80\x3f"
    data[data.rindex(text)] ^= 1
    Path("structure").write_text("Struct(x=TENSOR)")
    Path(f"b.{extension}").write_bytes(gzip.compress(data) if packed else data)
    like = ["--like", "structure"]
    assert run("diff", path, path, *like)[0] == "1 the same, 0 different\n"
    for a, b in ((path, f"b.{extension}"), (f"b.{extension}", path)):
        line = failing("diff", a, b, *like)
        assert line.startswith(f"error: b.{extension}, byte ")
        assert line.endswith("The file was damaged.")


def test_a_missing_file_is_told_its_own_neighbors(tmp_path):
    mlp = golden.file("mlp", "mpk")
    assert failing("diff", mlp, "nope.mpk") == "error: nope.mpk: no such file."
    assert failing("diff", "nope.mpk", mlp) == "error: nope.mpk: no such file."
    Path("yes.bin").touch()
    hint = "Beside it is yes.bin: is this the right recorder?"
    for name in ("yes.mpk", "yes.pt"):
        expected = f"error: {name}: no such file. {hint}"
        assert failing("diff", mlp, name) == expected


def test_diff_of_32_bit_values_in_json():
    item = {"rate": np.float32(0.1)}
    d2lrec.NamedMpkFileRecorder().record(item, "a")
    d2lrec.PrettyJsonFileRecorder().record(item, "b")
    assert run("diff", "a.mpk", "b.json") == ("1 the same, 0 different\n", "")


def test_diff_of_large_integers():
    for name, value in (("a", 2**60), ("b", 2**60 + 1)):
        recorder = d2lrec.NamedMpkFileRecorder(d2lrec.DoublePrecisionSettings)
        recorder.record({"n": torch.tensor([value])}, name)
    out, _ = run("diff", "a.mpk", "b.mpk", code=1)
    assert "1 of 1 numbers differ, by up to 1, 1 on average" in out


def test_diff_reads_tensor_files():
    run("convert", golden.file("mlp", "mpk"), "x.safetensors", "--layout", "burn")
    run("convert", golden.file("mlp", "mpk"), "x.pt", "--layout", "burn")
    assert run("diff", "x.safetensors", "x.pt")[0] == "3 the same, 0 different\n"
    torch.save({"z": torch.ones(1, dtype=torch.complex64)}, "z.pt")
    assert failing("diff", "x.pt", "z.pt").startswith("error: z.pt: z: Burn has no")


@given(
    st.lists(st.floats(width=32), min_size=1, max_size=20),
    st.lists(st.floats(width=32), min_size=1, max_size=20),
)
def test_diff_counts_as_torch_does(one, other):
    from d2lrec.cli.differing import compare

    count = min(len(one), len(other))
    a, b = (torch.tensor(x[:count]) for x in (one, other))
    paths = [save(name, x=x) for name, x in (("a", a), ("b", b))]
    found = compare(*paths).differences
    close = torch.isclose(a, b, rtol=0, atol=0, equal_nan=True)
    assert [x.count for x in found] == [int((~close).sum())] * bool((~close).any())


# --- structure files


def test_every_structure_is_read_from_what_it_prints():
    for structure in STRUCTURES.values():
        assert parse_structure(repr(structure)) == structure
    for twin in TWINS.values():
        structure = getattr(d2lrec.into_record(twin()), "structure", None)
        if structure is not None:
            assert parse_structure(repr(structure)) == structure


def test_a_structure_is_written_as_in_python():
    text = '''
"""What is in zoo.bin."""
import d2lrec.structure as s
from d2lrec.structure import LINEAR, Struct

Block = s.Struct({"in": PARAM, "type": s.Array(f32, 2)}, out=Option(LINEAR))  # twice
blocks = Vec(Block)
structure = Struct(blocks=blocks, empty=Vec(None), unit=(), act=ACTIVATION, m=Map(U8))
unused = bool
'''
    block = s.Struct(
        {"in": s.PARAM, "type": s.Tuple(s.F32, s.F32)}, out=s.Option(s.LINEAR)
    )
    assert parse_structure(text) == s.Struct(
        blocks=s.Vec(block),
        empty=s.Vec(None),
        unit=s.UNIT,
        act=s.ACTIVATION,
        m=s.Map(s.U8),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no structure found: a line such as structure = Struct(fc=LINEAR) "
         "expected."),
        ("\n(", "line 2: this is no structure: '(' was never closed."),
        ("Struct(a=Param, a=Param)", "line 1: the field a stands twice in one "
         "struct."),
        ("\nprint('x')", "line 2: print('x') is no structure."),
        ("Option(a=Param)", "line 1: Option takes no names."),
        ("Option(Param, Param)", "line 1: Option(Param, Param) is no structure."),
        ("Array(Param, -1)", "line 1: Array(Param, -1) is no structure."),
        ("Array(Param, 10**9)", "line 1: Array(Param, 10 ** 9) is no structure."),
        ("Array(Param, 1000000)", "line 1: Array(Param, 1000000) is no structure."),
        ("Struct(**x)", "line 1: a field's name is a string, written down."),
        ("Struct(Param)", "line 1: fields are written name=type, or {'name': type}."),
        ("Struct({1: Param})", "line 1: a field's name is a string, written down."),
        ("Struct({**x})", "line 1: a field's name is a string, written down."),
        ("for x in y: pass", "line 1: only lines name = structure are read."),
        ("a.b = Param", "line 1: only lines name = structure are read."),
        ("\0", "line 1: this is no structure: source code string cannot contain null "
         "bytes."),
    ],
)  # fmt: skip
def test_what_is_no_structure_is_refused(text, message):
    with pytest.raises(d2lrec.RecorderError) as error:
        parse_structure(text)
    assert str(error.value) == message


def test_an_unknown_type_is_answered_with_the_known_ones():
    with pytest.raises(d2lrec.RecorderError) as error:
        parse_structure("Struct(a=f16)")
    assert str(error.value) == (
        "line 1: f16 is no type: Param, Tensor, Constant, bool, String, u8 to u64, i8 "
        "to i64, f32, f64, (), Struct(...), Option(...), Vec(...), Tuple(...), "
        "Array(..., n), Enum, Map expected."
    )


def test_a_deep_structure_is_no_crash():
    for text in ("Option(" * 5000 + "Param" + ")" * 5000, "-" * 100_000 + "1"):
        with pytest.raises(d2lrec.RecorderError):
            parse_structure(text)


@given(st.text(alphabet="StructOpionVecPam(){}=,.'u8 \n:*[]", max_size=60))
def test_any_text_is_a_structure_or_refused(text):
    try:
        structure = parse_structure(text)
    except d2lrec.RecorderError:
        return
    assert parse_structure(repr(structure)) == structure


def test_a_structure_file_that_is_no_text(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    line = failing("describe", golden.file("mlp", "bin"), "--like", tmp_path / "x")
    assert line.startswith(f"error: {tmp_path / 'x'}: cannot be read as text: ")


# --- help, completion, terminals


@pytest.mark.parametrize("command", ["describe", "convert", "diff", "completion"])
def test_help_teaches_by_examples(command):
    out, _ = run(command, "--help")
    assert "d2lrec " + command in out
    assert run(command, "-h")[0] == out


def test_without_a_command_there_is_help():
    result = CliRunner().invoke(main, [])
    assert result.exit_code in (0, 2)  # click's habits differ
    assert "describe" in result.output


def test_main_help_names_commands_and_exit_codes():
    out, _ = run("--help")
    for word in ("describe", "convert", "diff", "completion", "Exit codes: 0: fine."):
        assert word in out
    assert d2lrec.__version__ in run("--version")[0]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    assert "_D2LREC_COMPLETE" in run("completion", shell)[0]


def in_a_process(*arguments, **environment):
    # -P: without the current folder, as an installed command runs
    code = "from d2lrec.cli import main; main(prog_name='d2lrec')"
    command = [sys.executable, "-P", "-W", "error", "-c", code]
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_the_shell_completes():
    words = {"COMP_WORDS": "d2lrec con", "COMP_CWORD": "1"}
    done = in_a_process(_D2LREC_COMPLETE="bash_complete", **words)
    assert done.stdout == "plain,convert\n"


def test_describe_imports_little():
    code = """
import sys
from d2lrec.cli import main
try:
    main(sys.argv[1:], prog_name="d2lrec")
finally:
    print(sorted({"torch", "numpy", "rich", "pydantic"} & set(sys.modules)))
"""
    for arguments in (["--bytes"], ["--json"], []):
        path = golden.file("mlp", "mpk")
        command = [sys.executable, "-W", "error", "-c", code, "describe", path]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("[]\n")


def test_the_current_folder_can_be_imported():
    path = golden.file("mlp", "mpk")
    done = in_a_process("convert", path, "mlp.bin", "--like", "models:MLP")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert Path("mlp.bin").read_bytes() == golden.file("mlp", "bin").read_bytes()


def test_the_command_is_installed():
    """As pyproject.toml says, under the name that the help uses."""
    (found,) = (x for x in entry_points(group="console_scripts") if x.name == "d2lrec")
    assert found.load() is main


def test_a_process_ends_with_the_code():
    path = golden.file("mlp", "mpk")
    assert in_a_process("describe", path).returncode == 0
    other = golden.file("conv_net", "mpk")
    assert in_a_process("diff", path, other).returncode == 1
    assert in_a_process("diff", path).returncode == 2
    done = in_a_process("describe", "nope\udcff.mpk")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: nope\\udcff.mpk: no such file.\n"


def test_a_terminal_that_has_few_letters():
    path = golden.file("progress", "mpk")
    done = in_a_process("describe", path, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    assert "name     '\\u7b2c\\u4e00 \\u2713" in done.stdout


def test_a_closed_pipe_is_no_traceback():
    code = "from d2lrec.cli import main; main()"
    arguments = ["describe", golden.file("zoo", "mpk"), "--bytes"]
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "arguments",
    [["describe"], ["describe", "--bytes"], ["diff", "--json"], ["--help"]],
    ids=" ".join,
)
def test_output_that_cannot_be_written_is_one_line(arguments, monkeypatch, capsys):
    files = [golden.file("mlp", "mpk")] * {"describe": 1, "diff": 2}.get(
        arguments[0], 0
    )
    code = "from d2lrec.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments, *files]
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    line = "error: the output cannot be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, line)
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit, match="1"):
            main([*arguments, *map(str, files)])
    assert capsys.readouterr().err == line


def test_a_reader_that_left_is_no_error(monkeypatch, capsys):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        with pytest.raises(SystemExit, match="1"):
            main(["describe", str(golden.file("mlp", "mpk"))])
    monkeypatch.setattr(sys, "stdout", None)  # closed from the start
    with pytest.raises(SystemExit, match="0"):
        main(["completion", "bash"])
    assert capsys.readouterr().err == ""


def test_long_work_shows_a_bar(monkeypatch, capsys):
    """Only on a terminal: the other tests have none, and see none."""
    from d2lrec.cli import progress

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(progress, "_LONG", 0)
    mlp, pytorch = str(golden.file("mlp", "mpk")), ["--layout", "pytorch"]
    pytorch += ["--like", "models:MLP"]
    burn = ["--layout", "burn"]
    for arguments, texts in (
        (["describe", mlp, "--statistics"], ["reading full.mpk"]),
        (["describe", mlp], []),
        (["convert", mlp, "a.mpk"], ["reading full.mpk", "writing a.mpk"]),
        (["convert", mlp, "a.pt", *burn], ["reading full.mpk", "writing a.pt"]),
        (["convert", mlp, "a.pt", *pytorch], ["reading full.mpk", "writing a.pt"]),
        (["convert", "a.pt", "b.pt"], ["reading a.pt", "writing b.pt"]),
        (["convert", "a.pt", "c.mpk", *pytorch], ["reading a.pt", "writing c.mpk"]),
        (["diff", "a.mpk", "c.mpk"], ["reading a.mpk and c.mpk", "comparing"]),
    ):
        main(arguments, standalone_mode=False)
        shown = capsys.readouterr().err
        found = re.findall(r"reading [\w. ]+\w|writing [\w.]+|comparing", shown)
        assert list(dict.fromkeys(found)) == texts
        is_known = arguments[0] != "describe" and not texts[1].endswith(".pt")
        assert ("100%" in shown) == (is_known or burn[1] in arguments), arguments
    assert Path("c.mpk").exists()


def test_a_terminal_gets_colors_and_a_bar(monkeypatch, capsys):
    """Without a terminal neither; a bar only where there is something to wait for."""
    from d2lrec.cli import progress
    from d2lrec.inspection.view import Piece, show

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    show([[Piece("weight", "name"), Piece("[red] F32", "muted")]])
    out = capsys.readouterr().out
    assert "\x1b[1mweight\x1b[0m" in out
    assert "[red] F32" in out
    source, bars = golden.file("mlp", "mpk"), []
    for size in (1 << 60, 0):
        monkeypatch.setattr(progress, "_LONG", size)
        arguments = ["convert", str(source), "copy.mpk", "--settings", "half"]
        main(arguments, standalone_mode=False)
        assert stored(Path("copy.mpk")) == stored(golden.file("mlp", "mpk", "half"))
        bars.append("writing copy.mpk" in capsys.readouterr().err)
    assert bars == [False, True]


def test_a_counted_payload_is_the_payload():
    from d2lrec.cli.progress import _Counted
    from d2lrec.payload import Memory, Span

    counts = []
    payload = _Counted(Span(Memory(b"abcdef"), 1, 4), counts.append)
    memory = memoryview(bytearray(payload.nbytes))
    payload.read_into(memory)
    assert bytes(memory) == b"".join(payload.chunks()) == b"bcde"
    assert counts == [4, 4]


def test_memory_that_does_not_suffice_is_one_line(monkeypatch):
    def none(*_, **__):
        raise MemoryError

    monkeypatch.setattr("d2lrec.cli.actions.show_description", none)
    line = failing("describe", golden.file("mlp", "mpk"))
    assert line == "error: there is not enough memory for this file."


# --- files of others


@pytest.mark.extra
def test_burns_own_model_in_two_releases(extra, tmp_path):
    """Two layouts of one struct, written down; the same weights and names."""
    layouts = {"0.19": ("Array(Constant, 8)", "Option(Constant)")}
    layouts["0.21"] = ("Array(Constant, 5)", "Constant")
    for release, (rest, pool) in layouts.items():
        file = tmp_path / release
        file.write_text(
            f"Conv = Struct(weight=Param, bias=Option(Param), rest={rest})\n"
            "Norm = Struct(gamma=Param, beta=Param, running_mean=Param,"
            " running_var=Param, momentum=Constant, epsilon=Constant)\n"
            f"Block = Struct(conv=Conv, norm=Norm, pool={pool}, activation=Constant)\n"
            "structure = Struct(conv1=Block, conv2=Block, dropout=Constant, fc1=LINEAR,"
            " fc2=LINEAR, fc3=LINEAR, activation=Constant)\n"
        )
        model = extra / "burn" / f"mnist-{release}.bin"
        run("convert", model, f"{release}.mpk", "--like", file)
    run("convert", "0.21.mpk", "back.bin", "--like", "0.21")
    assert Path("back.bin").read_bytes() == model.read_bytes()
    assert run("diff", "0.19.mpk", "0.21.mpk")[0] == "18 the same, 0 different\n"


@pytest.mark.extra
def test_an_older_record_converts(extra):
    model = extra / "burn" / "modern-lstm-0.17-half.mpk"
    run("convert", model, "copy.json.gz")
    run("convert", "copy.json.gz", "back.mpk")
    before = model.read_bytes().replace(b"0.17.0", b"0.21.0")
    assert Path("back.mpk").read_bytes() == before
