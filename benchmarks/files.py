"""Saving, loading and opening a whole set, against everyone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from torch import nn

from benchmarks.burn import Burn
from benchmarks.measuring import Contestant, medians
from benchmarks.peers import flush, loaders, openers, save_raw, savers
from benchmarks.rows import Row, Target, compare
from benchmarks.sets import Set

SAVE = (
    Target("bc", ("raw",), 1.1),
    Target("bc", ("torch", "safetensors"), 1.05),
    Target("d", ("torch",), 0.2),
    Target("t", ("raw",), 1.8),
)
SAVE_FAST = (
    Target("c", ("torch",), 0.5),
    Target("bc", ("Burn",), 1.0),
)
LOAD = (
    Target("b", ("memcpy",), 1.8),
    Target("c", ("memcpy",), 1.3),
    Target("bc", ("safetensors",), 1.2),
    Target("d", ("torch",), 0.12),
    Target("bc", ("Burn",), 1.0),
)
OPEN = (Target("c", ("torch",), 0.01),)


def measure(
    one: Set,
    module: nn.Module,
    twin: nn.Module,
    folder: Path,
    rounds: int,
    burn: Burn | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Row]:
    """Measure a set and leave its files in the folder.

    Args:
        one: The set.
        module: What to save.
        twin: What to load into: as `module`, with other numbers.
        folder: Where the files go.
        rounds: How often each contestant is measured.
        burn: Burn, if it is there.
        clock: What tells the time in seconds.
    """

    def figure(
        what: str, contestants: list[Contestant], targets: tuple[Target, ...]
    ) -> list[Row]:
        print(f"  {what}", flush=True)
        found = medians(contestants, rounds, clock)
        return compare(what, one.name, found, targets)

    warm_up(module, folder)
    rows = figure("save, flushed", savers(module, folder, True, None), SAVE)
    rows += figure(
        "save, durable=False", savers(module, folder, False, burn), SAVE_FAST
    )
    rows += figure("load into a module", loaders(module, twin, folder, burn), LOAD)
    rows += figure("open with mmap", openers(folder), OPEN)
    check(module, twin)
    return rows


def warm_up(module: nn.Module, folder: Path) -> None:
    """Write to the blocks of the disk that files will get.

    A virtual disk may take several times as long for a block that was never written,
    and who replaces a file by a new one, as d2lrec does, needs more of them than who
    writes over the old one.
    """
    print("  the disk warms up", flush=True)
    for _ in range(2):
        files = [folder / f"warm{index}" for index in range(5)]
        for file in files:
            save_raw(module, file)
            flush(file)
        for file in files:
            file.unlink()


def check(module: nn.Module, twin: nn.Module) -> None:
    """Make sure that what was loaded is what was saved."""
    pairs = zip(module.parameters(), twin.parameters(), strict=True)
    if not all(bool((one == other).all()) for one, other in pairs):
        raise AssertionError("what was loaded is not what was saved")
