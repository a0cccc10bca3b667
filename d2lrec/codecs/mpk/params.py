"""Parameters of Burn's, read at the speed of `re`.

    a4 bias 82 a2 id ad 0vuiasi888s98 a5 param 83 a5 bytes c4 40 | 64 bytes |
    a5 shape 91 10 a5 dtype a3 F32

A walk takes some twenty steps for these bytes; here they are two patterns, around the
numbers. What is written otherwise, though it may be as good, is left to the walk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from d2lrec.codecs.reader import SMALL, Reader
from d2lrec.payload import Source, Span
from d2lrec.record import FILE_DEPTH, MAX_VALUES, Param, TensorData

# a0 to bf: string of up to 31 bytes; d9: string, its length in one byte.
_NAME = rb"([\xa0-\xbf]|\xd9.)([ -~]{0,255})"
# 82, 83: map of 2, of 3; ad: string of 13; c4, c5, c6: bytes, their length in 1, 2, 4.
_PARAM = rb"\x82\xa2id\xad([ -~]{13})\xa5param\x83\xa5bytes(\xc4.|\xc5..|\xc6.{4})"
NAMED = re.compile(_NAME + _PARAM, re.DOTALL)
UNNAMED = re.compile(b"()()" + _PARAM, re.DOTALL)
# 90 to 9f: array of up to 15; cc, cd, ce: number in 1, 2 or 4 bytes.
_TAIL = re.compile(
    rb"\xa5shape[\x90-\x9f](?:[\0-\x7f]|\xcc.|\xcd..|\xce.{4})*?"
    rb"\xa5dtype(?:\xa2[IU]8|\xa3[A-Z]\d\d|\xa4BF16|\xa6Flex32)",
    re.DOTALL,
)
# What stands before a text, by its length: printable bytes may also go on behind it.
# Before none there is nothing, as in an array, where parameters have no names.
_MARKS = [b"", *(b"%c" % (0xA0 + size) for size in range(1, 32))]
_MARKS += [b"\xd9%c" % size for size in range(32, 256)]
# A parameter has `param`, `shape` and its sizes below its name.
_LEVELS = 4
# Neither a head nor a tail is longer, but for names that are.
_LONGEST = 128


class ParamReader(Reader):
    """Reads parameters, and learns from its subclass, which reads everything."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        # The bytes after the numbers, and which tensors they stood behind.
        self.tails: dict[bytes, TensorData] = {}
        self.tail = b"no tail yet"  # the last one

    def params(self, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, str, Param]]:
        """Yield the parameters that stand here in Burn's very bytes, one by one.

        Args:
            pattern: `NAMED` in a map, `UNNAMED` in an array.

        Yields:
            Its offset, its name in a map, and the parameter. What follows the last one
            takes a walk to read.
        """
        while len(self.path) + _LEVELS <= FILE_DEPTH:
            yield from self.alike(pattern)
            self.look_ahead(_LONGEST)
            found, start = pattern.match(self.window, self.position), self.offset
            if found is None or self.values >= MAX_VALUES:
                return
            mark, name, id, size = found.groups()
            if mark != _MARKS[len(name)]:
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
        tail, like = self.tail, self.tails.get(self.tail)
        if like is None or like.bytes.nbytes > SMALL:
            return
        match, window, base, source = pattern.match, self.window, self.base, self.source
        count, shape, dtype = like.bytes.nbytes, like.shape, like.dtype
        high, low = divmod(count, 256)
        expected = b"\xc5%c%c" % (high, low) if high else b"\xc4%c" % low
        end = self.position
        while self.values < MAX_VALUES:
            start, found = end, match(window, end)
            if found is None:
                return
            mark, name, id, size = found.groups()
            begin = found.end()
            end = begin + count
            if size != expected or mark != _MARKS[len(name)]:
                return
            if not window.startswith(tail, end):
                return
            span = Span(source, base + begin, count, window[begin:end])
            data = TensorData(span, shape, dtype)
            self.position = end = end + len(tail)
            self.values += 1
            yield base + start, name.decode(), Param(id.decode(), data)

    def tensor(self, begin: int, count: int) -> TensorData | None:
        """Read a tensor whose numbers begin there, if its tail is known."""
        start, self.position = self.offset, begin
        if count <= self.source.size - self.offset:
            span = self.payload(count)
            self.look_ahead(_LONGEST)
            tail = _TAIL.match(self.window, self.position)
            like = self.tails.get(tail.group()) if tail else None
            if tail and like and like.bytes.nbytes == count:
                self.position, self.tail = tail.end(), tail.group()
                return TensorData(span, like.shape, like.dtype)
        self.base, self.window, self.position = start, b"", 0  # back
        return None

    def learn(self, tensor: TensorData) -> None:
        """Remember what stands behind the numbers of a parameter that ends here."""
        span = tensor.bytes
        if isinstance(span, Span) and span.source is self.source:
            end = span.offset + span.nbytes - self.base
            if end >= 0:
                self.tails[self.window[end : self.position]] = tensor
