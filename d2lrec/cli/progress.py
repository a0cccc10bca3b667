"""A progress bar for long work, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from d2lrec.cli.flat import flatten, over_tensors
from d2lrec.errors import Path
from d2lrec.payload import Buffer, Payload
from d2lrec.record import TensorData

# Less than this is done before a bar could be read.
_LONG = 64 << 20


@dataclass(slots=True, eq=False)
class _Counted:
    """A payload that tells how many of its bytes were asked for."""

    payload: Payload
    advance: Callable[[int], None]

    @property
    def nbytes(self) -> int:
        """How many bytes there are."""
        return self.payload.nbytes

    def chunks(self) -> Iterator[Buffer]:
        """Yield the bytes, counted."""
        for chunk in self.payload.chunks():
            yield chunk
            self.advance(len(chunk))

    def read_into(self, memory: memoryview) -> None:
        """Fill `memory` with the bytes, counted."""
        self.payload.read_into(memory)
        self.advance(len(memory))


@contextmanager
def bar(what: str) -> Iterator[Callable[[Any], Any]]:
    """Show a bar while the tensors of a tree are written.

    Yields:
        A function that takes the tree and returns the one to be written.
    """
    if not sys.stderr.isatty():
        yield lambda tree: tree
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:

        def watched(tree: Any) -> Any:
            """Have the bar follow a tree, if it is a large one."""
            total = sum(x.bytes.nbytes for x in flatten(tree).tensors.values())
            if total < _LONG:
                return tree
            task = progress.add_task(what, total=total)

            def counted(tensor: TensorData, _: Path) -> TensorData:
                """Have the bar follow one tensor."""
                payload = _Counted(tensor.bytes, lambda n: progress.advance(task, n))
                return TensorData(payload, tensor.shape, tensor.dtype)

            return over_tensors(tree, counted)

        yield watched
