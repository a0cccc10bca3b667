"""A progress bar for long work, on a terminal only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from d2lrec.cli.flat import flatten, over_tensors
from d2lrec.errors import Path
from d2lrec.inspection.view import printable
from d2lrec.payload import Buffer, Payload
from d2lrec.record import TensorData

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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


class Bar:
    """What long work shows of itself: a bar on a terminal, elsewhere nothing.

    It shows one thing at a time: what begins ends what was before.

    Args:
        terminal: Whether there is a terminal to show it on.
    """

    def __init__(self, terminal: bool = False) -> None:
        self._terminal = terminal
        self._progress: Progress | None = None

    def read(self, *files: File) -> None:
        """Show that files are being read, without knowing how far that is."""
        sizes = [os.path.getsize(file) for file in files if os.path.isfile(file)]
        names = " and ".join(printable(file.name) for file in files)
        self.wait(f"reading {names}", sum(sizes))

    def wait(self, what: str, nbytes: int) -> None:
        """Show what goes on, without knowing how far it is."""
        self._begin(what, nbytes, None)

    def follow(self, tree: Any, what: str) -> Any:
        """Return a tree whose tensors move the bar when they are read."""
        if not self._terminal:
            return tree
        sizes = [x.bytes.nbytes for x in flatten(tree).tensors.values()]
        task = self._begin(what, sum(sizes), sum(sizes))
        if task is None or self._progress is None:
            return tree
        progress = self._progress

        def counted(tensor: TensorData, _: Path) -> TensorData:
            """Have the bar follow one tensor."""
            payload = _Counted(tensor.bytes, lambda n: progress.advance(task, n))
            return TensorData(payload, tensor.shape, tensor.dtype)

        return over_tensors(tree, counted)

    def close(self) -> None:
        """Take away what is shown."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _begin(self, what: str, nbytes: int, total: int | None) -> TaskID | None:
        self.close()
        if not self._terminal or nbytes < _LONG:
            return None
        from rich.console import Console
        from rich.progress import Progress

        self._progress = Progress(console=Console(stderr=True), transient=True)
        self._progress.start()
        return self._progress.add_task(what, total=total)


@contextmanager
def bar() -> Iterator[Bar]:
    """Show a bar while something takes long."""
    shown = Bar(sys.stderr.isatty())
    try:
        yield shown
    finally:
        shown.close()
