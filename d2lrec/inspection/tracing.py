"""The decoders, watched: which bytes they took for what.

A tracer is a decoder that notes where each of its own steps began and ended. It reads
nothing by itself, so what it tells cannot differ from what a load does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from d2lrec.codecs.bincode.decoder import Decoder as BincodeDecoder
from d2lrec.codecs.mpk.decoder import Decoder as MpkDecoder
from d2lrec.codecs.reader import Reader
from d2lrec.errors import RecorderError
from d2lrec.payload import Source, Span
from d2lrec.record import Param
from d2lrec.structure import PARAM, STRING, TENSOR, Leaf, Structure

MAX_NODES = 1_000_000


class Unread:
    """The value of a node whose reading was not finished."""


UNREAD = Unread()


@dataclass(slots=True)
class Node:
    """A step of a decoder.

    Attributes:
        kind: The step: `value`, `key`, `count`, `integer`, `flag`, `text`, `payload`
            or `tensor`.
        start: Its first byte.
        path: The place in the tree.
        expected: In bincode, what the structure says is there.
        end: The byte after its last.
        value: What was read.
        parts: The steps that it is made of; bytes between them are its own.
    """

    kind: str
    start: int
    path: tuple[str | int, ...]
    expected: Any = None
    end: int = 0
    value: Any = UNREAD
    parts: list[Node] = field(default_factory=list)


class Tracer(Reader):
    """Notes steps; the decoders' tracers say which."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.root = Node("value", 0, ())
        self._open = [self.root]
        self._count = 0
        self._whole = False

    def step(
        self,
        kind: str,
        read: Callable[[], Any],
        expected: Any = None,
        *,
        whole: bool = True,
    ) -> Any:
        """Read with a note of it; of a `whole` step no parts are noted."""
        if self._whole:
            return read()
        self._count += 1
        if self._count > MAX_NODES:
            what = f"more than {MAX_NODES:,} values: too many for a byte map."
            raise RecorderError(f"{what} d2lrec.describe shows what is in there.")
        node = Node(kind, self.offset, tuple(self.path), expected)
        self._open[-1].parts.append(node)
        self._open.append(node)
        self._whole = whole
        try:
            node.value = read()
        finally:
            self._whole = False
            self._open.pop()
            node.end = self.offset
        return node.value


class MpkTracer(Tracer, MpkDecoder):
    """Notes values and keys."""

    def value(self) -> Any:
        """Read one value."""
        return self.step("value", super().value, whole=False)

    def key(self) -> str:
        """Read a key."""
        key: str = self.step("key", super().key)
        return key

    def params(self, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, str, Param]]:
        """Take no short cut past a parameter's fields."""
        return iter(())


class BincodeTracer(Tracer, BincodeDecoder):
    """Notes values, and the counts, flags, texts and payloads that they are made of."""

    def value(self, kind: Structure) -> Any:
        """Read one value."""
        whole = isinstance(kind, Leaf) and kind not in (PARAM, STRING, TENSOR)
        return self.step("value", partial(super().value, kind), kind, whole=whole)

    def count(self) -> int:
        """Read how many items or bytes follow."""
        count: int = self.step("count", super().count)
        return count

    def unsigned(self, bits: int) -> int:
        """Read an integer that is no value by itself."""
        number: int = self.step("integer", partial(super().unsigned, bits))
        return number

    def flag(self, what: str) -> bool:
        """Read whether an Option has a value."""
        flag: bool = self.step("flag", partial(super().flag, what), what)
        return flag

    def text(self, count: int) -> str:
        """Read a string."""
        text: str = self.step("text", partial(super().text, count))
        return text

    def payload(self, count: int) -> Span:
        """Leave a payload where it is."""
        span: Span = self.step("payload", partial(super().payload, count))
        return span

    def tensor(self) -> Any:
        """Read a tensor without its numbers."""
        return self.step("tensor", super().tensor, whole=False)
