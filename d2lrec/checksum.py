"""A CRC-32 on request, where Burn reads past it.

MessagePack and JSON get one more field after `_b`, `crc32`; bincode gets the letters
`CRC4` and four bytes after its end. The checksum is that of all bytes before it, the
same as gzip's and zip's, and finds every damage of up to 32 bits in a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from isal.isal_zlib import crc32

from d2lrec.compression import buffers
from d2lrec.errors import CorruptRecord
from d2lrec.payload import CHUNK, Buffer, Payload, Source

FIELD = "crc32"
# The value that is written first, in the form that the checksum will have.
PLACEHOLDER = 0xFFFFFFFF
MPK_KEY = b"\xa5crc32\xce"  # a5: string of 5, ce: four bytes, big-endian
BINCODE_MARK = b"CRC4"
# Pretty, with a space and a newline, or compact; and not a byte after the brace.
JSON_END = re.compile(rb'"crc32":( )?(\d{1,10})(?(1)\n)}\Z')


@dataclass
class Checked:
    """Parts of a file with their checksum behind them."""

    parts: list[bytes | Payload]
    pack: Callable[[int], bytes]
    after: int  # the bytes of the packed checksum

    @property
    def nbytes(self) -> int:
        """How many bytes there are."""
        sizes = (len(p) if isinstance(p, bytes) else p.nbytes for p in self.parts)
        return sum(sizes) + self.after

    def chunks(self) -> Iterator[Buffer]:
        """Yield the bytes in order; the checksum is counted on the way."""
        checksum = 0
        for buffer in buffers(self.parts):
            checksum = crc32(buffer, checksum)
            yield buffer
        yield self.pack(checksum)

    def read_into(self, memory: memoryview) -> None:
        """Fill `memory` with the bytes."""
        start = 0
        for chunk in self.chunks():
            memory[start : start + len(chunk)] = chunk
            start += len(chunk)


def seal_mpk(parts: list[bytes | Payload]) -> list[bytes | Payload]:
    """Put the checksum in the place of the last four bytes."""
    *rest, last = parts
    assert isinstance(last, bytes) and last.endswith(MPK_KEY + b"\xff" * 4)
    return [Checked([*rest, last[:-4]], lambda crc: crc.to_bytes(4, "big"), 4)]


def seal_json(parts: list[bytes | Payload]) -> list[bytes | Payload]:
    """Put the checksum in the place of the last number."""
    (text,) = parts
    assert isinstance(text, bytes)
    digits = str(PLACEHOLDER).encode()
    head, _, end = text.rpartition(digits)
    return [head + str(crc32(head)).encode() + end]


def seal_bincode(parts: list[bytes | Payload]) -> list[bytes | Payload]:
    """Put the checksum after the last byte."""
    marked = [*parts, BINCODE_MARK]
    return [Checked(marked, lambda crc: crc.to_bytes(4, "little"), 4)]


def check_mpk(source: Source) -> None:
    """Compare the last four bytes with the checksum of those before."""
    end = source.size - 4
    tail = source.read(max(end - len(MPK_KEY), 0), min(source.size, 4 + len(MPK_KEY)))
    if not tail.startswith(MPK_KEY):
        what = "the field crc32 is not the last one, or not of 32 bits."
        raise CorruptRecord(what, offset=end)
    _compare(source, end, int.from_bytes(tail[-4:], "big"))


def check_json(source: Source) -> None:
    """Compare the last number with the checksum of the text before it."""
    start = max(source.size - 32, 0)
    found = JSON_END.search(source.read(start, source.size - start))
    if found is None:
        what = "the field crc32 is not the last one, or more is behind it."
        raise CorruptRecord(what, offset=start)
    _compare(source, start + found.start(2), int(found[2]))


def check_bincode(source: Source) -> int | None:
    """Compare the last four bytes, if the mark is before them.

    Returns:
        Where the record ends; None if there is no checksum.
    """
    end = source.size - 8
    if end < 0 or source.read(end, 4) != BINCODE_MARK:
        return None
    _compare(source, end + 4, int.from_bytes(source.read(end + 4, 4), "little"))
    return end


def _compare(source: Source, end: int, expected: int) -> None:
    checksum = 0
    for start in range(0, end, CHUNK):
        checksum = crc32(source.read(start, min(CHUNK, end - start)), checksum)
    if checksum != expected:
        what = f"the bytes before have the checksum {checksum:08x},"
        what += f" {expected:08x} is stored. The file was damaged."
        raise CorruptRecord(what, offset=end)
