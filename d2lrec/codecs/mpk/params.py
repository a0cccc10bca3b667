"""Parameters of Burn's, read at the speed of `re`.

    a4 bias 82 a2 id ad 0vuiasi888s98 a5 param 83 a5 bytes c4 40 | 64 bytes |
    a5 shape 91 10 a5 dtype a3 F32

A walk takes some twenty steps for these bytes; here they are two patterns, around the
numbers. What is written otherwise, though it may be as good, is left to the walk.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from d2lrec.codecs.reader import SMALL, Reader
from d2lrec.dialect import ITEM_SIZES, dtype_from_wire
from d2lrec.payload import Source, Span
from d2lrec.record import FILE_DEPTH, MAX_VALUES, Param, TensorData, is_shape

# a0 to bf: string of up to 31 bytes; d9: string, its length in one byte.
_NAME = rb"([\xa0-\xbf]|\xd9.)([ -~]{0,255})"
# 82, 83: map of 2, of 3; c4, c5, c6: bytes, their length in 1, 2 or 4 bytes. Burn's
# ids have 13 characters, others' may have another number.
_ID = rb"\xa2id([\xa0-\xbf])([ -~]{0,31})"
_BYTES = rb"\xa5bytes(\xc4.|\xc5..|\xc6.{4})"
_PARAM = rb"\x82" + _ID + rb"\xa5param\x83" + _BYTES
NAMED = re.compile(_NAME + _PARAM, re.DOTALL)
UNNAMED = re.compile(b"()()" + _PARAM, re.DOTALL)
# 00 to 7f: the number itself; cc, cd, ce: number in 1, 2 or 4 bytes.
_SIZE = rb"[\0-\x7f]|\xcc.|\xcd..|\xce.{4}"
_SIZES = re.compile(_SIZE, re.DOTALL)
# 90 to 9f: array of up to 15; a2, a3, a4, a6: string of 2, 3, 4, 6.
_TAIL = re.compile(
    rb"\xa5shape([\x90-\x9f])((?:%b)*?)"
    rb"\xa5dtype(\xa2[IU]8|\xa3[A-Z]\d\d|\xa4BF16|\xa6Flex32)" % _SIZE,
    re.DOTALL,
)
# What stands before a text, by its length: printable bytes may also go on behind it.
# Before none there is nothing, as in an array, where parameters have no names.
_MARKS = [b"", *(b"%c" % (0xA0 + size) for size in range(1, 32))]
_MARKS += [b"\xd9%c" % size for size in range(32, 256)]
# A parameter has `param`, `shape` and its sizes below its name.
_LEVELS = 4
# Neither a head with names of up to 31 characters nor a tail is longer.
_LONGEST = 128
# A list or struct of which so many entries took a walk is none of parameters.
TRIES = 8


class _Tail(NamedTuple):
    """What stands behind a tensor's numbers, and what it says."""

    text: bytes
    shape: tuple[int, ...]
    dtype: str
    nbytes: int


@lru_cache(1024)  # a model has a few kinds of tensors, and is loaded more than once
def _tail(text: bytes) -> _Tail | None:
    """Read what `_TAIL` found; None if that is no tensor's."""
    found = _TAIL.fullmatch(text)
    assert found is not None
    count, sizes, name = found.groups()
    shape = [int.from_bytes(x[1:] or x, "big") for x in _SIZES.findall(sizes)]
    dtype = dtype_from_wire(name[1:].decode())
    if dtype is None or len(shape) != count[0] & 0x0F or not is_shape(shape):
        return None
    return _Tail(text, tuple(shape), dtype, math.prod(shape) * ITEM_SIZES[dtype])


class ParamReader(Reader):
    """Reads parameters as Burn and this library write them."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.tail = _Tail(b"", (), "", SMALL + 1)  # the last one; this is none

    def params(self, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, str, Param]]:
        """Yield the parameters that stand here in Burn's very bytes, one by one.

        Args:
            pattern: `NAMED` in a map, `UNNAMED` in an array.

        Yields:
            Its offset, its name in a map, and the parameter. What follows the last one
            takes a walk to read.
        """
        while len(self.path) + _LEVELS <= FILE_DEPTH:
            if self.tail.nbytes <= SMALL:
                yield from self.alike(pattern)
            self.look_ahead(_LONGEST)
            found, start = pattern.match(self.window, self.position), self.offset
            if found is None or self.values >= MAX_VALUES:
                return
            mark, name, id_mark, id, size = found.groups()
            if mark != _MARKS[len(name)] or id_mark != _MARKS[len(id)]:
                return
            data = self.tensor(found.end(), int.from_bytes(size[1:], "big"))
            if data is None:
                return
            self.values += 1
            yield start, name.decode(), Param(id.decode(), data)

    def alike(self, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, str, Param]]:
        """Yield the next ones while they are small, like the last, and in the window.

        Ten thousand small tensors come along here: every step is one too many.
        """
        tail, shape, dtype, count = self.tail
        match, window, base, source = pattern.match, self.window, self.base, self.source
        high, low = divmod(count, 256)
        expected = b"\xc5%c%c" % (high, low) if high else b"\xc4%c" % low
        end = self.position
        while self.values < MAX_VALUES:
            start, found = end, match(window, end)
            if found is None:
                return
            mark, name, id_mark, id, size = found.groups()
            begin = found.end()
            end = begin + count
            if size != expected or not window.startswith(tail, end):
                return
            if mark != _MARKS[len(name)] or id_mark != _MARKS[len(id)]:
                return
            span = Span(source, base + begin, count, window[begin:end])
            data = TensorData(span, shape, dtype)
            self.position = end = end + len(tail)
            self.values += 1
            yield base + start, name.decode(), Param(id.decode(), data)

    def tensor(self, begin: int, count: int) -> TensorData | None:
        """Read a tensor whose numbers begin there, if its tail is Burn's."""
        start, self.position = self.offset, begin
        if count <= self.source.size - self.offset:
            span = self.payload(count)
            self.look_ahead(_LONGEST)
            found = _TAIL.match(self.window, self.position)
            tail = _tail(found.group()) if found else None
            if found and tail and tail.nbytes == count:
                self.position, self.tail = found.end(), tail
                return TensorData(span, tail.shape, tail.dtype)
        self.base, self.window, self.position = start, b"", 0  # back
        return None
