"""Parameters of Burn's, read at the speed of `re`.

    a4 bias 82 a2 id ad 0vuiasi888s98 a5 param 83 a5 bytes c4 40 | 64 bytes |
    a5 shape 91 10 a5 dtype a3 F32

A walk takes some twenty steps for these bytes; here they are two patterns, around the
numbers. What is written otherwise, though it may be as good, is left to the walk.
"""

from __future__ import annotations

import re

from d2lrec.codecs.reader import SMALL, Reader
from d2lrec.payload import Source, Span
from d2lrec.record import FILE_DEPTH, MAX_VALUES, Param, TensorData

# a0 to bf: string of up to 31 bytes; d9: string, its length in one byte.
_NAME = rb"([\xa0-\xbf]|\xd9.)([ -~]{0,255})"
# 82, 83: map of 2, of 3; c4, c5, c6: bytes, their length in 1, 2 or 4 bytes.
_PARAM = (
    rb"\x82\xa2id([\xa0-\xbf])([ -~]*)\xa5param\x83\xa5bytes(\xc4.|\xc5..|\xc6.{4})"
)
NAMED = re.compile(_NAME + _PARAM, re.DOTALL)
UNNAMED = re.compile(b"()()" + _PARAM, re.DOTALL)
# 90 to 9f: array of up to 15; cc, cd, ce: number in 1, 2 or 4 bytes.
_TAIL = re.compile(
    rb"\xa5shape[\x90-\x9f](?:[\0-\x7f]|\xcc.|\xcd..|\xce.{4})*?"
    rb"\xa5dtype(?:\xa2[IU]8|\xa3[A-Z]\d\d|\xa4BF16|\xa6Flex32)",
    re.DOTALL,
)
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

    def param(self, pattern: re.Pattern[bytes]) -> tuple[str, Param] | None:
        """Read a parameter, and its name in a map, if Burn's very bytes stand here.

        Args:
            pattern: `NAMED` or `UNNAMED`.

        Returns:
            The name and the parameter; None if it takes a walk to read what is here.
        """
        self.look_ahead(_LONGEST)
        found = pattern.match(self.window, self.position)
        if found is None or self.values >= MAX_VALUES:
            return None
        if len(self.path) + _LEVELS > FILE_DEPTH:
            return None
        mark, name, id_mark, id, length = found.groups()
        # Printable bytes may go on behind the text.
        expected = mark[-1] & (0xFF if len(mark) > 1 else 0x1F) if mark else 0
        if len(name) != expected or len(id) != id_mark[0] & 0x1F:
            return None
        count, begin = int.from_bytes(length[1:], "big"), found.end()
        data = self.like_last(begin, count) or self.tensor(begin, count)
        if data is None:
            return None
        self.values += 1
        return name.decode(), Param(id.decode(), data)

    def like_last(self, begin: int, count: int) -> TensorData | None:
        """Read a small tensor if it is like the last one, and whole in the window."""
        end = begin + count
        if count > SMALL or not self.window.startswith(self.tail, end):
            return None
        like = self.tails[self.tail]
        if like.bytes.nbytes != count:
            return None
        self.position = end + len(self.tail)
        known = self.window[begin:end]
        span = Span(self.source, self.base + begin, count, known)
        return TensorData(span, like.shape, like.dtype)

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
