"""Python's garbage collector, asked to wait.

A record of ten thousand tensors makes hundreds of thousands of small objects at once,
none of them garbage; looking for some takes longer than the save itself.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Keep the collector from running meanwhile, unless it is off already.

    >>> with paused_collector():
    ...     gc.isenabled()
    False
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
