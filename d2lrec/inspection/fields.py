"""Fields: byte ranges with their meanings, made of the steps of a decoder."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from d2lrec.dialect import ITEM_SIZES
from d2lrec.errors import join
from d2lrec.inspection.tracing import Node
from d2lrec.inspection.view import printable
from d2lrec.payload import Source, Span
from d2lrec.record import Float32, short

# Bytes of a field that are shown; of a longer one the first and the last.
SHOWN, LAST = 16, 4
# Numbers of a payload that are shown.
_NUMBERS = 4
# Burn's dtypes -> the struct module's codes.
_CODES = {
    "F64": "d",
    "F32": "f",
    "Flex32": "f",
    "F16": "e",
    "BF16": "H",
    "I64": "q",
    "I32": "i",
    "I16": "h",
    "I8": "b",
    "U64": "Q",
    "U32": "I",
    "U16": "H",
    "U8": "B",
    "Bool(Native)": "B",
    "Bool(U8)": "B",
    "Bool(U32)": "I",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A range of bytes and what it means.

    Attributes:
        offset: Its first byte.
        size: How many bytes it has; 0 where bincode stores nothing.
        hex: Its bytes; of many the first and the last.
        meaning: What they say.
        role: What kind of thing that is, for its color: `structure`, `key`, `text`,
            `number`, `payload`, `unknown` or `error`.
        path: The place in the tree, names and indices joined by dots.
        depth: How deep in the tree it is.
    """

    offset: int
    size: int
    hex: str
    meaning: str
    role: str
    path: str
    depth: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict for JSON."""
        names = ("offset", "size", "hex", "meaning", "role", "path")
        return {name: getattr(self, name) for name in names}


def show_bytes(source: Source, offset: int, size: int) -> str:
    """Write bytes in hexadecimal; of many the first and the last.

    >>> from d2lrec.payload import Memory
    >>> show_bytes(Memory(bytes(range(50))), 0, 50)
    '00 01 02 03 04 05 06 07 08 09 0a 0b … 2e 2f 30 31'
    """
    if size <= SHOWN:
        return source.read(offset, size).hex(" ")
    first = source.read(offset, SHOWN - LAST).hex(" ")
    return f"{first} … {source.read(offset + size - LAST, LAST).hex(' ')}"


def quoted(text: str) -> str:
    """Write a string in quotes, a long one without its middle."""
    return f'"{text if len(text) <= 120 else short(text)[1:-1]}"'


def counted(count: int, what: str) -> str:
    """Write a count of things.

    >>> counted(1, "byte"), counted(1200, "byte"), counted(2, "entry")
    ('1 byte', '1,200 bytes', '2 entries')
    """
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def number(value: float) -> str:
    """Write a number, and of a float which kind it is.

    >>> number(3), number(0.5), number(Float32(0.5))
    ('3', '0.5, a 64-bit float', '0.5, a 32-bit float')
    """
    if isinstance(value, Float32):
        return f"{value:.8g}, a 32-bit float"
    return f"{value!r}, a 64-bit float" if isinstance(value, float) else str(value)


class Fields:
    """Makes fields of nodes: what is common to the codecs."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def field(
        self, start: int, end: int, what: tuple[str, str], node: Node, depth: int
    ) -> Field:
        """Return the field of a byte range; `what` is its meaning and its role."""
        size = end - start
        hex = show_bytes(self.source, start, size)
        meaning, role = what
        return Field(start, size, hex, printable(meaning), role, join(node.path), depth)

    def payload(self, span: Span, dtype: str | None, node: Node, depth: int) -> Field:
        """Return the field of a tensor's numbers."""
        end = span.offset + span.nbytes
        what = self._numbers(span, dtype), "payload"
        return self.field(span.offset, end, what, node, depth)

    def _numbers(self, span: Span, dtype: str | None) -> str:
        """Write the first numbers of a payload."""
        if dtype is None:
            return "bytes"
        size = ITEM_SIZES[dtype]
        count = span.nbytes // size
        first = self.source.read(span.offset, min(count, _NUMBERS) * size)
        code = f"<{len(first) // size}{_CODES[dtype]}"
        values: tuple[Any, ...] = struct.unpack(code, first)
        if dtype == "BF16":  # the upper half of a 32-bit float
            halves = struct.pack(f"<{len(values)}I", *(x << 16 for x in values))
            values = struct.unpack(f"<{len(values)}f", halves)
        texts = [f"{x:.6g}" if isinstance(x, float) else str(x) for x in values]
        more = f", … ({count:,} numbers)" if count > _NUMBERS else ""
        return ", ".join(texts) + more
