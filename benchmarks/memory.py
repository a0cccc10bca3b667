"""Peak extra memory of one save or load, in a process of its own.

    python -m benchmarks.memory SET FOLDER save|load NAME

The process makes the module and does the same once with a small one, so that what is
counted is neither the tensors themselves nor the imports. Then it asks the system for
the highest resident set while it saves or loads. Pages of a mapped file count.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

from torch import nn

import d2lrec
from benchmarks.peers import FAST, SAVERS, load_safetensors, load_torch
from benchmarks.rows import Row
from benchmarks.sets import SETS, tensors_of

STATUS = Path("/proc/self/status")
LOADERS = {
    "d2lrec": ("set.mpk", d2lrec.load_file),
    "safetensors": ("set.safetensors", load_safetensors),
    "torch": ("set.pt", load_torch),
}
NAMES = {"save": ("d2lrec", "safetensors", "torch"), "load": tuple(LOADERS)}


def highest() -> int:
    """Return the largest resident set so far, in bytes."""
    if STATUS.exists():
        lines = dict(line.split(":") for line in STATUS.read_text().splitlines())
        return 1024 * int(lines["VmHWM"].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def forget() -> None:
    """Make the present resident set the highest, where the system can (Linux)."""
    if STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def run(module: nn.Module, folder: Path, verb: str, name: str) -> None:
    """Save a module to a folder, or load it from there."""
    if verb == "load":
        file, load = LOADERS[name]
        load(module, folder / file)
    elif name == "d2lrec":
        d2lrec.save_file(module, folder / "extra.mpk", FAST)
    else:
        SAVERS[name][1](module, folder / "extra")


def main(letter: str, folder: str, verb: str, name: str) -> None:
    """Print the extra bytes."""
    small, module = SETS["a"].make(), SETS[letter].make()
    warm_up = Path(folder) / "small"
    run(small, warm_up, verb, name)
    forget()
    before = highest()
    run(module, Path(folder), verb, name)
    print(json.dumps(highest() - before))


def measure(letter: str, module: nn.Module, folder: Path) -> list[Row]:
    """Compare the extra memory with the largest tensor's.

    Args:
        letter: The set.
        module: Its module.
        folder: Where the set's files are.
    """
    print("  memory", flush=True)
    small = folder / "small"
    small.mkdir(exist_ok=True)
    _leave_files(SETS["a"].make(), small)
    largest = max(tensor.nbytes for tensor in tensors_of(module))
    rows = []
    for verb, names in NAMES.items():
        extra = {name: _ask(letter, folder, verb, name) for name in names}
        row = partial(Row, f"extra memory of a {verb}", letter, extra["d2lrec"])
        rows.append(row("the largest tensor", largest, unit="B", limit=1))
        rows += [row(x, extra[x], unit="B") for x in names if x != "d2lrec"]
    return rows


def _leave_files(module: nn.Module, folder: Path) -> None:
    d2lrec.save_file(module, folder / "set.mpk", FAST)
    for file, save in SAVERS.values():
        save(module, folder / file)


def _ask(letter: str, folder: Path, verb: str, name: str) -> int:
    command = [sys.executable, "-m", "benchmarks.memory"]
    command += [letter, str(folder), verb, name]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE)
    return int(json.loads(done.stdout))


if __name__ == "__main__":
    main(*sys.argv[1:])
