"""Saving, loading and opening a whole set, against everyone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from torch import nn

from benchmarks.burn import Burn
from benchmarks.measuring import Contestant, medians
from benchmarks.peers import loaders, openers, savers
from benchmarks.rows import Row, Target, compare
from benchmarks.sets import Set, size_of

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
        what: str,
        contestants: list[Contestant],
        targets: tuple[Target, ...],
        memory: int = 0,
    ) -> list[Row]:
        print(f"  {what}", flush=True)
        found = medians(contestants, rounds, clock, memory)
        return compare(what, one.name, found, targets)

    flushed = savers(module, folder, True, None)
    fast = savers(module, folder, False, burn)
    for contestant in fast:  # what is loaded, before memory is made ready for saves
        contestant.run()
        contestant.settle()
    loads = figure("load into a module", loaders(module, twin, folder, burn), LOAD)
    loads += figure("open with mmap", openers(folder), OPEN)
    memory = memory_for(size_of(module))
    saves = figure("save, flushed", flushed, SAVE, memory)
    saves += figure("save, durable=False", fast, SAVE_FAST, memory)
    check(module, twin)
    return saves + loads


def memory_for(size: int) -> int:
    """Return how much memory has to be ready for saves of so many bytes.

    Files of a few megabytes need none. For larger ones four times their size is enough
    if that is 2 GiB or more: the system does not give out what was freed last.
    """
    return max(4 * size, 1 << 31) if size > 1 << 25 else 0


def check(module: nn.Module, twin: nn.Module) -> None:
    """Make sure that what was loaded is what was saved."""
    pairs = zip(module.parameters(), twin.parameters(), strict=True)
    if not all(bool((one == other).all()) for one, other in pairs):
        raise AssertionError("what was loaded is not what was saved")
