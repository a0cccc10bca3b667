"""gzip and JSON against the standard library's modules, and `d2lrec describe`."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

import d2lrec
from benchmarks.burn import Burn
from benchmarks.files import memory_for
from benchmarks.measuring import Contestant, medians
from benchmarks.rows import Row, Target, compare
from benchmarks.sets import Bare, tensors_of
from d2lrec.items import into_tree

STDLIB = "gzip level 6"
JSON_SIZE = 61_000_000  # of the pretty text
Clock = Callable[[], float]


def measure_gzip(
    module: nn.Module,
    folder: Path,
    rounds: int,
    burn: Burn | None = None,
    clock: Clock = time.perf_counter,
) -> list[Row]:
    """Compress a module's record as d2lrec and as the standard library does."""
    print("  gzip", flush=True)
    plain, packed = folder / "plain.mpk", folder / "stdlib.gz"
    d2lrec.save_file(module, plain, d2lrec.NamedMpkFileRecorder())
    data = plain.read_bytes()
    recorder = d2lrec.NamedMpkGzFileRecorder(durable=False)
    ours = folder / "ours.mpk.gz"
    contestants = [
        Contestant("d2lrec", partial(d2lrec.save_file, module, ours, recorder)),
        Contestant(STDLIB, lambda: packed.write_bytes(gzip.compress(data, 6))),
    ]
    if burn:
        contestants.append(Contestant("Burn", partial(burn.save, folder / "b.mpk.gz")))
    found = medians(contestants, rounds, clock)
    targets = Target("b", (STDLIB,), 20, inverse=True), Target("b", ("Burn",), 0.1)
    rows = compare("save with gzip", "b", found, targets)
    sizes = [file.stat().st_size for file in (ours, packed)]
    what = "size with gzip"
    rows.append(Row(what, "b", sizes[0], STDLIB, sizes[1], unit="B", limit=1.05))
    contestants = [
        Contestant("d2lrec", partial(recorder.load, ours)),
        Contestant(STDLIB, lambda: gzip.decompress(packed.read_bytes())),
    ]
    return rows + compare("load with gzip", "b", medians(contestants, rounds, clock))


def measure_json(
    folder: Path, rounds: int, clock: Clock = time.perf_counter
) -> list[Row]:
    """Write and read 4 MB of weights as JSON."""
    print("  JSON", flush=True)
    torch.manual_seed(0)
    module = Bare({f"p{index}": (512, 256) for index in range(8)})
    tree = d2lrec.into_record(module)
    fast = {"durable": False}
    pretty = d2lrec.PrettyJsonFileRecorder(**fast)
    ours, theirs = folder / "ours.json", folder / "theirs.json"
    codec = d2lrec.JsonGzFileRecorder.codec
    item = into_tree(tree, d2lrec.FullPrecisionSettings)
    ready = _lists(module)
    figures = [
        (
            "write pretty JSON",
            12,
            lambda: d2lrec.save_file(module, ours, pretty),
            lambda: theirs.write_text(json.dumps(_lists(module), indent=2)),
        ),
        (
            "write compact JSON",
            2.5,
            lambda: codec.encode(item, None),
            # Without making the lists, which are ready.
            lambda: json.dumps(ready, separators=(",", ":")).encode(),
        ),
        (
            "read JSON",
            1.5,
            lambda: pretty.load(ours),
            lambda: _tensors(json.loads(ours.read_bytes())["item"]),
        ),
    ]
    rows = []
    for what, limit, run, other in figures:
        contestants = [Contestant("d2lrec", run), Contestant("json", other)]
        memory = memory_for(JSON_SIZE) if what == "write pretty JSON" else 0
        found = medians(contestants, rounds, clock, memory)
        target = Target("j", ("json",), limit, inverse=True)
        rows += compare(what, "j", found, [target])
    return rows


def _lists(module: nn.Module) -> dict[str, Any]:
    """Return the record of a bare module as json can write it."""
    fields = {}
    for name, tensor in zip(module.state_dict(), tensors_of(module), strict=True):
        numbers = list(tensor.numpy().tobytes())
        fields[name] = {"bytes": numbers, "shape": list(tensor.shape), "dtype": "F32"}
    return fields


def _tensors(fields: dict[str, Any]) -> list[torch.Tensor]:
    found = []
    for field in fields.values():
        param = field["param"]
        flat = torch.frombuffer(bytearray(param["bytes"]), dtype=torch.float32)
        found.append(flat.view(param["shape"]))
    return found


def measure_describe(
    file: Path, letter: str, rounds: int, clock: Clock = time.perf_counter
) -> list[Row]:
    """Describe a file in a process of its own, from its start to its end."""
    program = Path(sys.executable).with_name("d2lrec")
    if not program.exists():
        print(f"  describe: skipped, there is no {program}")
        return []
    print("  describe", flush=True)
    command = [str(program), "describe", str(file)]
    bare = [sys.executable, "-c", "pass"]
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL)
    contestants = [
        Contestant("d2lrec", partial(run, command)),
        Contestant("python -c pass", partial(run, bare)),
    ]
    found = medians(contestants, rounds, clock)
    what = "d2lrec describe, whole process"
    limit = Row(what, letter, found["d2lrec"], "0.3 s", 0.3, limit=1)
    return [limit, *compare(what, letter, found)]
