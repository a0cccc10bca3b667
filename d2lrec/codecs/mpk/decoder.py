"""MessagePack to tree; the tensors' payloads are jumped over."""

from __future__ import annotations

import re
from collections.abc import Callable
from reprlib import repr as short
from typing import Any

from d2lrec.codecs.mpk.tags import CONSTANTS, LENGTHS, NUMBERS
from d2lrec.codecs.reader import Reader
from d2lrec.payload import Source, Span
from d2lrec.record import MAX_VALUES, Float32, Param, TensorData, recognize


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
    decoder = _Decoder(source)
    tree = decoder.value()
    decoder.finish()
    return tree


# A parameter in the very bytes in which Burn writes it, up to its numbers: 82 map of 2,
# a0 to bf string of up to 31, 83 map of 3, c4 to c6 bytes, of which the length follows.
_STRING = rb"([\xa0-\xbf][\x20-\x7e]*)"
_BYTES = rb"(\xc4.|\xc5..|\xc6....)"
_PARAM = rb"\x82\xa2id" + _STRING + rb"\xa5param\x83\xa5bytes" + _BYTES
_IN_MAP = re.compile(_STRING + _PARAM, re.DOTALL)  # its name stands before it
_IN_ARRAY = re.compile(rb"()" + _PARAM, re.DOTALL)
# How far to look for what stands after the numbers.
_TAIL = 64


class _Decoder(Reader):
    def __init__(self, source: Source) -> None:
        super().__init__(source)
        # By a payload's length what stood after it: bytes, and their shape and dtype.
        self.tails: dict[int, list[tuple[bytes, tuple[int, ...], str]]] = {}

    def value(self) -> Any:
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
        number: float | int = NUMBERS[tag].unpack(self.take(NUMBERS[tag].size))[0]
        return Float32(number) if tag == 0xCA else number

    def array(self, count: int) -> list[Any]:
        self.check(count)  # an entry has at least one byte
        entries: list[Any] = []
        for index in range(count):
            found = self.param(_IN_ARRAY)
            entries.append(found[1] if found else self.entry(index))
        return entries

    def map(self, count: int) -> Any:
        start = self.offset - 1
        self.check(2 * count)
        fields: dict[str, Any] = {}
        for _ in range(count):
            at = self.offset
            found = self.param(_IN_MAP)
            key = found[0] if found else self.key()
            if key in fields:
                what = f"the key {short(key)} stands twice in one map."
                raise self.corrupt(what, at)
            fields[key] = found[1] if found else self.entry(key)
        value = recognize(fields, self.path, start)
        if isinstance(value, Param):
            self.learn(value.tensor)
        return value

    def param(self, pattern: re.Pattern[bytes]) -> tuple[str, Param] | None:
        """Read a parameter, and its name in a map, at the speed of `re`.

        Parameters of one shape differ in name, id and numbers only. Whatever is not
        exactly like the last ones is left to the walk: then this returns None.
        """
        found = pattern.match(self.window, self.position)
        if found is None or self.values >= MAX_VALUES:
            return None
        name, text, length = found.groups()
        for string in (name, text):
            if string and string[0] != 0xA0 + len(string) - 1:
                return None
        count = int.from_bytes(length[1:], "big")
        if count not in self.tails or count > self.source.size - self.offset:
            return None
        here = self.base, self.window, self.position
        self.position = found.end()
        span = self.payload(count)
        if self.position + _TAIL > len(self.window):
            self.fill(_TAIL)
        for tail, shape, dtype in self.tails[count]:
            if self.window.startswith(tail, self.position):
                self.position += len(tail)
                self.values += 1
                param = Param(text[1:].decode(), TensorData(span, shape, dtype))
                return name[1:].decode(), param
        self.base, self.window, self.position = here
        return None

    def learn(self, tensor: TensorData) -> None:
        """Remember what stood after a payload."""
        span = tensor.bytes
        if isinstance(span, Span):
            start = span.offset + span.nbytes - self.base
            tail = self.window[start : self.position] if start >= 0 else b""
            if tail.startswith(b"\xa5shape") and len(tail) <= _TAIL:
                others = self.tails.get(span.nbytes, [])[:7]
                known = (tail, tensor.shape, tensor.dtype)
                self.tails[span.nbytes] = [known, *others]

    def key(self) -> str:
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
        self.enter(key)
        value = self.value()
        self.path.pop()
        return value


_READERS: dict[str, Callable[[_Decoder, int], Any]] = {
    "bytes": _Decoder.payload,
    "string": _Decoder.text,
    "array": _Decoder.array,
    "map": _Decoder.map,
}
