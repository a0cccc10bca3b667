"""Bytes that stay where they are until someone wants them.

A tensor's numbers are large, its name and shape are small. Decoders read the small
part and leave a `Span` for the large one; encoders write the small part and pass
the payload on. So a structure can be checked before a number is read, and a save
copies nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

Buffer = bytes | bytearray | memoryview

# Copies from one place to another go through pieces of at most this size.
CHUNK = 1 << 24


class Payload(Protocol):
    """The bytes of one tensor: row-major, little-endian."""

    @property
    def nbytes(self) -> int:
        """How many bytes there are."""

    def chunks(self) -> Iterable[Buffer]:
        """Give the bytes in order; each piece is valid until the next is asked for."""

    def read_into(self, memory: memoryview) -> None:
        """Fill `memory`, which is `nbytes` long, with the bytes."""


class Source(Protocol):
    """Bytes that can be read at any offset: a file, or memory."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, offset: int, count: int) -> bytes:
        """Return exactly `count` bytes from `offset`."""

    def read_into(self, offset: int, memory: memoryview) -> None:
        """Fill `memory` with the bytes from `offset` on."""


@dataclass(slots=True)
class Memory:
    """A source over bytes that are already in memory.

    >>> Memory(b"0123456789").read(2, 3)
    b'234'
    """

    data: Buffer

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset`."""
        return bytes(self.data[offset : offset + count])

    def read_into(self, offset: int, memory: memoryview) -> None:
        """Fill `memory` with the bytes from `offset` on."""
        memory[:] = self.data[offset : offset + len(memory)]


@dataclass(slots=True)
class Part:
    """The beginning of a source.

    >>> Part(Memory(b"0123456789"), 4).size
    4
    """

    source: Source
    size: int

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset`."""
        return self.source.read(offset, count)

    def read_into(self, offset: int, memory: memoryview) -> None:
        """Fill `memory` with the bytes from `offset` on."""
        self.source.read_into(offset, memory)


def beginning(source: Source, size: int) -> Source:
    """Return the first bytes of a source, of memory a view.

    >>> beginning(Memory(b"0123456789"), 4).read(2, 2)
    b'23'
    """
    if isinstance(source, Memory):
        return Memory(memoryview(source.data)[:size])
    return Part(source, size)


@dataclass(slots=True, repr=False)
class Span:
    """`nbytes` bytes of `source`, from `offset` on: a payload not read yet.

    >>> Span(Memory(b"0123456789"), 2, 3), Span(Memory(b"0123456789"), 2, 3).tobytes()
    (<3 bytes>, b'234')
    """

    source: Source
    offset: int
    nbytes: int
    known: bytes | None = None  # a small payload that was read with its header

    def __repr__(self) -> str:
        return f"<{self.nbytes} bytes>"

    def chunks(self) -> Iterator[Buffer]:
        """Yield the bytes in pieces of at most 16 MiB."""
        if self.known is not None:
            yield self.known
            return
        for start in range(0, self.nbytes, CHUNK):
            count = min(CHUNK, self.nbytes - start)
            yield self.source.read(self.offset + start, count)

    def read_into(self, memory: memoryview) -> None:
        """Fill `memory`, which is `nbytes` long, with the bytes."""
        if self.known is None:
            self.source.read_into(self.offset, memory)
        else:
            memory[:] = self.known

    def part(self, start: int, nbytes: int) -> Span:
        """Return the span of some of the bytes."""
        known = None if self.known is None else self.known[start : start + nbytes]
        return Span(self.source, self.offset + start, nbytes, known)

    def tobytes(self) -> bytes:
        """Return all the bytes."""
        return self.source.read(self.offset, self.nbytes)
