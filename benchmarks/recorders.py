"""Measure every recorder on one model: `python -m benchmarks.recorders`.

What is found is kept in `d2lrec/data/recorders.json`, which chapter 07 draws. It holds
ratios only, to `torch.save` and `torch.load`, so that it means the same on a machine
that is twice as fast. It takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

import d2lrec
from benchmarks import peers
from benchmarks.measuring import Contestant, medians, nothing
from benchmarks.sets import size_of, tensors_of
from d2lrec.sinks import BytesRecorder, FileRecorder

SHARED_MEMORY = Path("/dev/shm")
KEPT = Path(d2lrec.__file__).parent / "data" / "recorders.json"
PEER = "torch"
FILES = (
    d2lrec.NamedMpkFileRecorder,
    d2lrec.NamedMpkGzFileRecorder,
    d2lrec.BinFileRecorder,
    d2lrec.BinGzFileRecorder,
    d2lrec.PrettyJsonFileRecorder,
    d2lrec.JsonGzFileRecorder,
)
MEMORY = (d2lrec.NamedMpkBytesRecorder, d2lrec.BinBytesRecorder)
# At half precision, these two have names of their own.
ALIASES = {
    "CompactRecorder": d2lrec.CompactRecorder,
    "SensitiveCompactRecorder": d2lrec.SensitiveCompactRecorder,
}
MEANING = {
    "size": "bytes, for each byte of the tensors in memory",
    "save": "time of a save into a file, for each unit of time of torch.save",
    "load": "time of a load into a module, for each unit of time of torch.load",
    "how": "medians of rounds in which all take turns, of processor time, torch with"
    " one thread; the files lie in memory where the system has such a folder, and"
    " nobody waits for a disk (durable=False)",
}


@dataclass(frozen=True)
class Way:
    """One way to save a module and to load it again.

    Attributes:
        name: The recorder, or whose it is.
        extension: The file's; empty in memory.
        save: What is timed as a save.
        load: What is timed as a load.
        size: How many bytes a save has written.
        settle: What has to be over before the next one's turn.
    """

    name: str
    extension: str
    save: Callable[[], Any]
    load: Callable[[], Any]
    size: Callable[[], int]
    settle: Callable[[], Any] = nothing


def small() -> nn.Module:
    """A multilayer perceptron: 32 kB in 4 tensors."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))


def large() -> nn.Module:
    """Four transformer layers: 7 MB in 48 tensors."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(192, 6, 768, batch_first=True)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)


MODELS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "small": (small, 31),
    "large": (large, 11),
}


def ways(module: nn.Module, twin: nn.Module, folder: Path) -> list[Way]:
    """Return every way to save `module` and to load it into `twin`."""
    found = [
        _peer("torch", "pt", peers.save_torch, peers.load_torch, module, twin, folder),
        _peer(
            "safetensors",
            "safetensors",
            peers.save_safetensors,
            peers.load_safetensors,
            module,
            twin,
            folder,
        ),
    ]
    files = {kind.__name__: kind for kind in FILES} | ALIASES
    for name, kind in files.items():
        found.append(_file(name, kind(durable=False), module, twin, folder))
    found += [_memory(kind.__name__, kind(), module, twin) for kind in MEMORY]
    return found


def _peer(
    name: str,
    extension: str,
    save: peers.Save,
    load: peers.Save,
    module: nn.Module,
    twin: nn.Module,
    folder: Path,
) -> Way:
    path = folder / f"{name}.{extension}"
    runs = partial(save, module, path), partial(load, twin, path)
    return Way(name, extension, *runs, *_after(path))


def _file(
    name: str, recorder: FileRecorder, module: nn.Module, twin: nn.Module, folder: Path
) -> Way:
    path = recorder.path(folder / name)
    save = partial(d2lrec.save_file, module, path, recorder)
    load = partial(d2lrec.load_file, twin, path, recorder)
    return Way(name, recorder.extension, save, load, *_after(path))


def _after(path: Path) -> tuple[Callable[[], int], Callable[[], None]]:
    return lambda: path.stat().st_size, partial(peers.flush, path)


def _memory(
    name: str, recorder: BytesRecorder, module: nn.Module, twin: nn.Module
) -> Way:
    data = recorder.record(module)

    def load() -> None:
        d2lrec.load_record(twin, recorder.load(data, like=twin))

    return Way(name, "", lambda: _discard(recorder.record(module)), load, data.__len__)


def _discard(_: object) -> None:
    """Take something and keep nothing of it."""


def measure(
    name: str, make: Callable[[], nn.Module], rounds: int, folder: Path
) -> dict[str, Any]:
    """Let all ways take turns with one model and return their ratios."""
    module, twin = make(), make()
    found = ways(module, twin, folder)
    times = {}
    for what in ("save", "load"):
        runs = [Contestant(w.name, getattr(w, what), w.settle) for w in found]
        times[what] = medians(runs, rounds, time.process_time)
    memory = size_of(module)
    rows = []
    for way in found:
        row: dict[str, Any] = {"name": way.name, "extension": way.extension}
        row["size"] = _rounded(way.size() / memory, 3)
        for what, seconds in times.items():
            row[what] = _rounded(seconds[way.name] / seconds[PEER], 2)
        rows.append(row)
    numbers = sum(tensor.numel() for tensor in tensors_of(module))
    about = {"model": name, "title": make.__doc__, "numbers": numbers}
    return {**about, "tensors": len(tensors_of(module)), "rounds": rounds, "rows": rows}


def _rounded(ratio: float, digits: int) -> float:
    """What a second run would give again, about."""
    return float(f"{ratio:.{digits}g}")


def text(models: Sequence[dict[str, Any]]) -> str:
    """Return the content of the file."""
    packages = ("torch", "numpy", "safetensors", "isal", "orjson")
    whole = {
        "made by": "python -m benchmarks.recorders",
        "meaning": MEANING,
        "versions": {name: version(name).split("+")[0] for name in packages},
        "models": list(models),
    }
    return json.dumps(whole, indent=1) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.recorders", description="Measure every recorder on one model."
    )
    add = parser.add_argument
    add("--models", default=",".join(MODELS), help="which (default: all)")
    add("--rounds", type=int, default=0, help="how many (default: by the model)")
    memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    add("--folder", type=Path, default=memory, help="where the measured files go")
    add("--output", type=Path, default=KEPT, help="the file to write")
    options = parser.parse_args(arguments)
    names = options.models.split(",")
    if unknown := set(names) - MODELS.keys():
        parser.error(f"no model {', '.join(sorted(unknown))}: {', '.join(MODELS)}")
    torch.set_num_threads(1)
    models = []
    for name in names:
        make, rounds = MODELS[name]
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            found = measure(name, make, options.rounds or rounds, Path(folder))
        models.append(found)
        print(f"{name}: {found['title']}")
        for row in found["rows"]:
            figures = (f"{row[what]:8g}" for what in ("size", "save", "load"))
            print(f"  {row['name']:26}", *figures)
    options.output.write_text(text(models))
    print(f"written: {options.output.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
