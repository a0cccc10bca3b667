"""Measuring fairly: contestants take turns in another order each round; medians count.

What else the machine does falls on all of them alike, which it would not if one ran
all its rounds and then the next.

Memory is made ready for saves. A virtual machine gives back to its host what is free
for some seconds, and may take three seconds for a gigabyte to have it again. Who writes
over a file has the memory of the old one at hand; who replaces it needs other.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Contestant:
    """One way to do what is measured.

    Attributes:
        name: Who it is.
        run: What is timed. A float that it returns counts as the time instead: that of
            another process, which knows its own best.
        settle: What has to be over before the next one's turn, such as writing to the
            disk what is still in memory. It is not timed.
    """

    name: str
    run: Callable[[], Any]
    settle: Callable[[], Any] = nothing


def medians(
    contestants: Sequence[Contestant],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    memory: int = 0,
) -> dict[str, float]:
    """Let contestants take turns and return the median time of each.

    Args:
        contestants: Who takes part.
        rounds: How many rounds count; one more, the first, warms up and does not.
        clock: What tells the time in seconds.
        memory: How many bytes of memory each may need beside its own.
    """
    times: dict[str, list[float]] = {one.name: [] for one in contestants}
    dice = random.Random(0)  # so that none always comes after the same other one
    for _ in range(rounds + 1):
        for one in dice.sample(contestants, len(contestants)):
            make_ready(memory)
            gc.collect()
            times[one.name].append(_time(one, clock))
            one.settle()
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def make_ready(memory: int) -> None:
    """Take so many bytes of memory, write to them, and free them."""
    _ = b"\x01" * memory


def _time(one: Contestant, clock: Callable[[], float]) -> float:
    start = clock()
    result = one.run()
    seconds = clock() - start
    return result if isinstance(result, float) else seconds
