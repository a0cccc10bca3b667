"""gzip: one member, as Burn reads it.

The deflated bytes are not Burn's, which no other library reproduces; what they hold
is. isal at its level 1 makes files as small as zlib's level 6 at twenty times the
speed. A save compresses a piece while the one before it is written; a load has the
whole file in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from isal import isal_zlib

from d2lrec.errors import CorruptRecord
from d2lrec.payload import CHUNK, Buffer, Memory, Payload, Source

GZIP = 16 + isal_zlib.MAX_WBITS
# Deflate makes at most 1,032 bytes of one.
RATIO = 1032
# How much goes through isal in one call. It makes room for the result anew each time,
# and copies what is left of its input, which a hundred megabytes make slow.
PIECE = 1 << 20
# How large its tables are, from 1 to 9; with those of its own choice it takes longer.
MEMORY = 9


def buffers(parts: Iterable[bytes | Payload]) -> Iterable[Buffer]:
    """Yield the bytes of parts in order, each valid until the next is asked for."""
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from part.chunks()


def compress(parts: Iterable[bytes | Payload]) -> Iterator[bytes]:
    """Compress the parts of a file; whoever takes a piece works beside the next one.

    >>> import gzip
    >>> gzip.decompress(b"".join(compress([b"abc", b"def"])))
    b'abcdef'
    """
    gzip = isal_zlib.compressobj(1, isal_zlib.DEFLATED, GZIP, MEMORY)
    done, alone = b"", False
    with ThreadPoolExecutor(1) as thread:
        for piece in _cut(buffers(parts)):
            after = None
            if not alone:
                try:
                    after = thread.submit(gzip.compress, piece)
                except RuntimeError:  # no thread is left, or Python is about to end
                    alone = True
            yield done
            done = after.result() if after else gzip.compress(piece)
    yield done
    yield gzip.flush()


def _cut(whole: Iterable[Buffer]) -> Iterator[Buffer]:
    for buffer in whole:
        for start in range(0, len(buffer), PIECE):
            yield buffer[start : start + PIECE]


def decompress(source: Source) -> Memory:
    """Decompress a whole file and check its CRC-32.

    Raises:
        CorruptRecord: This is no gzip file, it was cut short or damaged, or its length
            cannot be what it says.
    """
    data = source.read(0, source.size)
    length, limit = _length(data)
    gzip = isal_zlib.decompressobj(GZIP)
    pieces: list[bytes] = []
    end = 0
    try:
        while not gzip.eof and end < len(data):
            left = data[end : end + PIECE]
            end += len(left)
            for piece in _inflated(gzip, left):
                pieces.append(piece)
                limit -= len(piece)
                if limit < 0:
                    raise CorruptRecord(_more_than(length), offset=len(data) - 4)
    except isal_zlib.error as error:  # type: ignore[misc]
        what = f"the gzip file is damaged: {error}."
        raise CorruptRecord(what) from None
    if not gzip.eof:
        raise CorruptRecord("the gzip file was cut short.", offset=len(data))
    end -= len(gzip.unused_data)
    if end < len(data):
        what = f"the gzip member ends here, and {len(data) - end} bytes are left."
        raise CorruptRecord(what, offset=end)
    return Memory(b"".join(pieces))


def _more_than(length: int) -> str:
    what = f"more bytes come out than the {length} that the end of the file says. "
    return what + "It was damaged, or there are bytes after the gzip file."


def _length(data: bytes) -> tuple[int, int]:
    """Return how long a gzip file says that it becomes, and how long it may become."""
    if len(data) < 18 or not data.startswith(b"\x1f\x8b"):
        what = "this is no gzip file: 1f 8b, and 18 bytes at least, expected."
        raise CorruptRecord(f"{what} Is it the right recorder?", offset=0)
    if data[3] >> 5:
        raise CorruptRecord("the gzip file has flags that there are none of.", offset=3)
    # The last four bytes are the length, which bounds what is made of the rest.
    (length,) = struct.unpack("<I", data[-4:])
    most = RATIO * len(data)
    if length > most:
        what = f"{length} bytes are said to come of {len(data)}: more than gzip can."
        raise CorruptRecord(what, offset=len(data) - 4)
    # It is stored without its high bits.
    return length, length + (most - length >> 32 << 32)


def _inflated(gzip: Any, data: bytes) -> Iterator[bytes]:
    """Yield what comes of some of the file's bytes, in pieces that fit into memory."""
    piece = gzip.decompress(data, CHUNK)
    yield piece
    while not gzip.eof and (gzip.unconsumed_tail or len(piece) == CHUNK):
        piece = gzip.decompress(gzip.unconsumed_tail, CHUNK)
        yield piece
