"""MessagePack to tree; the tensors' payloads are jumped over."""

from __future__ import annotations

from collections.abc import Callable
from reprlib import repr as short
from typing import Any

from d2lrec.codecs.mpk.params import NAMED, TRIES, UNNAMED, ParamReader
from d2lrec.codecs.mpk.tags import CONSTANTS, LENGTHS, NUMBERS
from d2lrec.errors import CorruptRecord
from d2lrec.payload import Source
from d2lrec.record import Float32, recognize


def decode(source: Source) -> Any:
    """Read one MessagePack value, without the tensors' payloads.

    Args:
        source: Where the bytes are; all of them must belong to the value.

    Returns:
        The tree: `Record` for maps, lists, scalars, `Param`, and `TensorData` whose
        bytes are a `Span` of the source.

    Raises:
        CorruptRecord: With the path and the offset of what is wrong.

    >>> from d2lrec.payload import Memory
    >>> decode(Memory(b"\\x92\\x01\\xcb\\x3f\\xe0\\0\\0\\0\\0\\0\\0"))
    [1, 0.5]
    """
    decoder = Decoder(source)
    tree = decoder.value()
    decoder.finish()
    return tree


class Decoder(ParamReader):
    """Walks MessagePack; a subclass may watch its steps."""

    def value(self) -> Any:
        """Read one value."""
        tag = self.take(1)[0]
        if tag < 0x80:  # 00-7f: the number itself
            return tag
        if tag >= 0xE0:  # e0-ff: -32 to -1
            return tag - 0x100
        if tag >= 0xA0 and tag < 0xC0:  # a0-bf: string
            return self.text(tag & 0x1F)
        if tag < 0x90:  # 80-8f: map
            return self.map(tag & 0x0F)
        if tag < 0xA0:  # 90-9f: array
            return self.array(tag & 0x0F)
        if tag in CONSTANTS:
            return CONSTANTS[tag]
        if tag in NUMBERS:
            return self.number(tag)
        if tag in LENGTHS:
            kind, size = LENGTHS[tag]
            return _READERS[kind](self, int.from_bytes(self.take(size), "big"))
        what = f"the byte {tag:02x} begins no value of a record (an extension type?)."
        raise self.corrupt(what, self.offset - 1)

    def number(self, tag: int) -> float | int:
        """Read a number after its first byte."""
        number: float | int = NUMBERS[tag].unpack(self.take(NUMBERS[tag].size))[0]
        return Float32(number) if tag == 0xCA else number

    def array(self, count: int) -> list[Any]:
        """Read an array of `count` entries."""
        self.check(count)  # an entry has at least one byte
        entries: list[Any] = []
        walked = 0
        while len(entries) < count:
            for _, _, param in self.params(UNNAMED) if walked < TRIES else ():
                entries.append(param)
                if len(entries) == count:
                    break
            else:
                entries.append(self.entry(len(entries)))
                walked += 1
        return entries

    def map(self, count: int) -> Any:
        """Read a map of `count` pairs, and say what it stands for."""
        start = self.offset - 1
        self.check(2 * count)
        fields: dict[str, Any] = {}
        walked = 0
        while len(fields) < count:
            for at, key, param in self.params(NAMED) if walked < TRIES else ():
                if key in fields:
                    raise self.twice(key, at)
                fields[key] = param
                if len(fields) == count:
                    break
            else:
                at, key = self.offset, self.key()
                if key in fields:
                    raise self.twice(key, at)
                fields[key] = self.entry(key)
                walked += 1
        return recognize(fields, self.path, start)

    def twice(self, key: str, offset: int) -> CorruptRecord:
        """Return the error for a key that a map has already."""
        return self.corrupt(f"the key {short(key)} stands twice in one map.", offset)

    def key(self) -> str:
        """Read a key, which is a string."""
        # Not by value(), which a map in a map's key in a map's key would never leave.
        tag = self.take(1)[0]
        kind, size = LENGTHS.get(tag, ("", 0))
        if 0xA0 <= tag < 0xC0:
            return self.text(tag & 0x1F)
        if kind == "string":
            return self.text(int.from_bytes(self.take(size), "big"))
        what = f"a key begins with the byte {tag:02x}: a string expected."
        raise self.corrupt(what, self.offset - 1)

    def entry(self, key: str | int) -> Any:
        """Read the value of a key, or at an index."""
        self.enter(key)
        value = self.value()
        self.path.pop()
        return value


_READERS: dict[str, Callable[[Decoder, int], Any]] = {
    "bytes": Decoder.payload,
    "string": Decoder.text,
    "array": Decoder.array,
    "map": Decoder.map,
}
