"""How much memory a save or a load takes beside the model: a tensor at most.

The system is asked for the highest resident set, in a process of its own.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path("/proc/self/status")
MB = 1 << 20
TENSOR, COUNT = 32, 4  # MB, and how many of them
PROGRAM = f"""
import gc, json, sys
from pathlib import Path
import torch
from torch import nn
import d2lrec as d

SHAPE = 4096, {TENSOR} * 64  # floats: {TENSOR} MB

def bare():
    one = lambda: nn.Parameter(torch.randn(SHAPE))
    return nn.ParameterList([one() for _ in range({COUNT})])

def linear():  # whose weights are transposed in a file
    return nn.ModuleList([nn.Linear(*SHAPE, bias=False) for _ in range({COUNT})])

def highest():
    lines = Path("{STATUS}").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return 1024 * int(found)

def extra(run, *args, **options):
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = highest()
    kept = run(*args, **options)
    return (highest() - before) / {MB}

full, half = d.NamedMpkFileRecorder(), d.NamedMpkFileRecorder(d.HalfPrecisionSettings)
for net in (nn.Linear(2, 3), nn.LSTM(2, 3)):  # what is made once, is made
    d.load_file(net, d.save_file(net, "small", half), half)
net, layers = bare(), linear()
with torch.device("meta"):
    meta = bare()
found = dict(
    save=extra(d.save_file, net, "net"),
    save_transposed=extra(d.save_file, layers, "layers"),
    save_half=extra(d.save_file, net, "half", half),
    save_bincode=extra(d.save_file, net, "net", d.BinFileRecorder()),
    save_checksum=extra(d.save_file, net, "sum", d.NamedMpkFileRecorder(checksum=True)),
    bytes=extra(d.NamedMpkBytesRecorder().record, net),
    load=extra(d.load_file, net, "net"),
    load_transposed=extra(d.load_file, layers, "layers"),
    load_half=extra(d.load_file, net, "half", half),
    load_bincode=extra(d.load_file, net, "net", d.BinFileRecorder()),
    open=extra(full.load, "net"),
    open_mapped=extra(full.load, "net", mmap=True),
    meta=extra(d.load_file, meta, "net"),
)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def extra(tmp_path_factory) -> dict[str, float]:
    """Megabytes beside what was there before, by what was done."""
    if not STATUS.exists():
        pytest.skip("the highest resident set can be begun anew on Linux only")
    command = [sys.executable, "-c", PROGRAM]
    folder = tmp_path_factory.mktemp("memory")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("how", ["", "_transposed", "_half", "_bincode"])
@pytest.mark.parametrize("what", ["save", "load"])
def test_at_most_a_tensor(extra, what, how):
    assert extra[what + how] < TENSOR


def test_a_checksum_takes_none(extra):
    assert extra["save_checksum"] < TENSOR


@pytest.mark.parametrize("what", ["bytes", "open", "meta"])
def test_what_is_new_is_there_once(extra, what):
    assert TENSOR * COUNT - 1 < extra[what] < TENSOR * (COUNT + 1)


def test_what_is_mapped_is_not_there(extra):
    assert extra["open_mapped"] < 4
