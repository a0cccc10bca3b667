"""The program of `tests/burn`: how to build it, ask it, and check what it says."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import golden_cases as golden
import pytest
import torch
from test_golden_optimizers import OPTIMIZERS
from test_golden_recorders import RECORDERS, SETTINGS

import d2lrec

PROJECT = Path(__file__).parent / "burn"
FORMS = [(settings, recorder) for settings in SETTINGS for recorder in RECORDERS]
FLOATS = {"full": torch.float32, "half": torch.float16, "double": torch.float64}
# From JSON, Burn reads a 64-bit float up to one unit in the last place off, in its own
# files too (serde_json without its feature `float_roundtrip`). This case is one.
INEXACT = "scheduler_exponential"
# What cargo says where it cannot reach a registry, and where it is too old.
NO_CRATES = r"failed to (download|get|fetch|query)|[Cc]ould ?n.t resolve|--offline"
TOO_OLD = r"edition2024|requires rustc|not supported by the following package"
INPUTS = ("input", "memory")


class Burn:
    """The program of `tests/burn`."""

    def __init__(self, executable):
        self.executable = executable

    def __call__(self, *arguments):
        command = [self.executable, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def read(self, folder, jobs):
        """Let Burn load files of a folder; return what it found in each."""
        (folder / "jobs.json").write_text(json.dumps(jobs))
        lines = self("read", folder).split("\n")  # U+2028 would end a line as well
        answers = [json.loads(line) for line in lines if line]
        assert len(answers) == len(jobs)
        return answers


def build():
    """Build the program, or skip where that cannot be."""
    (executable,) = built().values()
    return Burn(executable)


def built(*options):
    """Build what cargo is asked for; return the executables by their names."""
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("no cargo here: Burn cannot be built")
    command = [cargo, "build", "--locked", "--message-format=json", *options]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode and re.search(NO_CRATES, done.stderr):
        pytest.skip("cargo cannot fetch Burn's crates here")
    if done.returncode and re.search(TOO_OLD, done.stderr):
        pytest.skip("this Rust is too old for Burn 0.21: 1.92 or later expected")
    assert done.returncode == 0, done.stderr
    messages = map(json.loads, done.stdout.splitlines())
    return {
        m["target"]["name"]: m["executable"] for m in messages if m.get("executable")
    }


def unpacked(path):
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def save(form, item, base, structure=None, **options):
    """Record an item as `<base>.<recorder>`."""
    settings, name = form
    path = base.with_name(f"{base.name}.{name}")
    if issubclass(RECORDERS[name], d2lrec.sinks.BytesRecorder):
        recorder = RECORDERS[name](SETTINGS[settings], **options)
        path.write_bytes(recorder.record(item, like=structure))
    else:
        recorder = RECORDERS[name](SETTINGS[settings], durable=False, **options)
        assert recorder.record(item, path, like=structure) == path
    return path


def job(case, form, **more):
    """Ask Burn for `<case>-<settings>.<recorder>`, and for a copy of its own."""
    settings, recorder = form
    names = {"file": f"{case}-{settings}", "copy": f"copy-{settings}"}
    return {"case": case, "recorder": recorder, "settings": settings, **names, **more}


def assert_copied(folder, asked):
    """What Burn made of our file is our file, byte for byte."""
    ours, its = (
        unpacked(folder / f"{asked[key]}.{asked['recorder']}")
        for key in ("file", "copy")
    )
    if asked["case"] in OPTIMIZERS:  # a map, whose order changes from file to file
        ours, its = sorted(ours), sorted(its)
    elif asked["case"] == INEXACT and asked["recorder"].startswith("json"):
        ours, its = json.loads(ours)["item"], json.loads(its)["item"]
        assert its == pytest.approx(ours, rel=2**-52)
        return
    assert its == ours, asked


def assert_stored(found, expected, settings):
    """Compare parameters with what Burn or we had, as the settings store it."""
    found = {
        path: (golden.id_number(param.id), list(param.tensor.shape), param.tensor)
        for path, param in found.items()
    }
    assert found.keys() == {stored["path"] for stored in expected}
    for stored in expected:
        number, shape, tensor = found[stored["path"]]
        assert (number, shape) == (stored["id"], stored["shape"])
        values = torch.tensor([float(value) for value in stored["values"]])
        if stored["dtype"] == "F32":
            values = values.to(FLOATS[settings])
            tensor = tensor.to(FLOATS[settings])
        same(tensor.flatten().double(), values.double())


def same(one, other, atol=0.0, rtol=0.0):
    torch.testing.assert_close(one, other, rtol=rtol, atol=atol, equal_nan=True)


def forward(case, net, stored):
    """Run a twin on `input`, and on `memory` if there is one."""
    inputs = [golden.tensor(stored[name]) for name in stored if name in INPUTS]
    if case == "embedding":
        inputs = [inputs[0].long()]
    elif case == "multi_head_attention":
        inputs *= 3
    with torch.no_grad():
        output = net(*inputs)
    return output[0] if isinstance(output, tuple) else output


def assert_told(found, told, settings):
    """Compare a plain record with what Burn tells of it."""
    if isinstance(found, torch.Tensor) and isinstance(told, dict):
        assert list(found.shape) == told["shape"]
        expected = golden.tensor(told).to(FLOATS[settings])
        same(found.to(FLOATS[settings]), expected)
    elif isinstance(found, torch.Tensor):
        assert found.tolist() == told
    elif isinstance(found, dict):
        assert list(found) == list(told)
        for key in told:
            assert_told(found[key], told[key], settings)
    elif isinstance(found, list | tuple):
        for one, other in zip(found, told, strict=True):
            assert_told(one, other, settings)
    else:
        assert found == told
