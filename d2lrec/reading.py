"""Reading a file at any place, straight to where the bytes belong."""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from d2lrec.errors import CorruptRecord, RecorderError, RecordNotFound
from d2lrec.payload import Memory, Payload, Span

# Payloads of this size and more are read by several threads, in pieces.
SHARED = 1 << 16
PIECE = 1 << 23
THREADS = 4


class FileSource:
    """A file to read from at any offset; use it as a context manager.

    Args:
        path: The file.

    Raises:
        RecordNotFound: There is no such file.
        RecorderError: It cannot be opened, or is no regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.exists() and not path.is_file():
                raise RecorderError("this is no regular file: a file expected.")
            self._file: BinaryIO = open(path, "rb", buffering=0)
        except FileNotFoundError:
            raise RecordNotFound("no such file.") from None
        except OSError as error:
            raise RecorderError(f"cannot be opened: {error.strerror}.") from None
        self._lock = threading.Lock()
        self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> FileSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def map(self) -> Memory:
        """Return the file as memory: read when it is touched, never written to."""
        if not self.size:
            return Memory(b"")
        fileno = self._file.fileno()
        return Memory(memoryview(mmap.mmap(fileno, 0, access=mmap.ACCESS_COPY)))

    def read(self, offset: int, count: int) -> bytes:
        """Return exactly `count` bytes from `offset`."""
        if hasattr(os, "pread"):  # mostly one call, and no copy
            with contextlib.suppress(OSError):
                found = os.pread(self._file.fileno(), count, offset)
                if len(found) == count:
                    return found
        data = bytearray(count)
        self.read_into(offset, memoryview(data))
        return bytes(data)

    def read_into(self, offset: int, memory: memoryview) -> None:
        """Fill `memory` with the bytes from `offset` on; several threads may at once.

        Raises:
            CorruptRecord: The file became shorter since it was opened.
        """
        done = 0
        try:
            while done < len(memory):
                count = self._read_some(offset + done, memory[done:])
                if not count:
                    break
                done += count
        except OSError as error:
            raise RecorderError(f"cannot be read: {error.strerror}.") from None
        if done < len(memory):
            what = "the file became shorter while it was read."
            raise CorruptRecord(what, offset=offset + done)

    def _read_some(self, offset: int, memory: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [memory], offset)
        with self._lock:  # Windows cannot read at an offset without moving there
            self._file.seek(offset)
            return self._file.readinto(memory)  # type: ignore[attr-defined,no-any-return]


def read_all(reads: Sequence[tuple[Payload, memoryview]]) -> None:
    """Read payloads to where they belong; large ones in pieces, by several threads.

    One thread reads at half the speed at which two can copy memory.

    Args:
        reads: Each payload with the memory that it fills.
    """
    pieces: deque[tuple[Span, memoryview]] = deque()
    for payload, memory in reads:
        if not isinstance(payload, Span) or len(memory) < SHARED:
            payload.read_into(memory)
            continue
        if len(memory) <= PIECE:
            pieces.append((payload, memory))
            continue
        for start in range(0, len(memory), PIECE):
            part = memory[start : start + PIECE]
            pieces.append((payload.part(start, len(part)), part))
    helpers = min(THREADS, os.cpu_count() or 1, len(pieces)) - 1
    if helpers < 1:
        _read_pieces(pieces)
        return
    with ThreadPoolExecutor(helpers) as threads:
        futures = []
        with contextlib.suppress(RuntimeError):  # no thread is left, or Python ends
            for _ in range(helpers):
                futures.append(threads.submit(_read_pieces, pieces))
        _read_pieces(pieces)
    for future in futures:
        future.result()


def _read_pieces(pieces: deque[tuple[Span, memoryview]]) -> None:
    """Read pieces until there is none; who fails leaves none for the others."""
    try:
        while pieces:
            try:
                span, memory = pieces.popleft()
            except IndexError:  # another thread took the last
                return
            span.read_into(memory)
    except BaseException:
        pieces.clear()
        raise
