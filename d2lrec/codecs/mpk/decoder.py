"""MessagePack to tree; the tensors' payloads are jumped over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from reprlib import repr as short
from typing import Any, NamedTuple

from d2lrec.codecs.mpk.tags import CONSTANTS, LENGTHS, NUMBERS
from d2lrec.codecs.reader import Reader
from d2lrec.errors import CorruptRecord
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
    decoder = Decoder(source)
    tree = decoder.value()
    decoder.finish()
    return tree


# A parameter in the very bytes in which Burn writes it, up to its numbers: 82 map of 2,
# a0 to bf string of up to 31, 83 map of 3. Its name in a map stands before it.
_STRING = rb"([\xa0-\xbf][\x20-\x7e]*)"
_PARAM = rb"\x82\xa2id" + _STRING + rb"\xa5param\x83\xa5bytes"
# Of how many forms of parameters the bytes are remembered.
_FORMS = 8


class _Form(NamedTuple):
    """What the parameters of one shape have in common: all but name, id and numbers."""

    named: re.Pattern[bytes]
    unnamed: re.Pattern[bytes]
    nbytes: int
    shape: tuple[int, ...]
    dtype: str


class Decoder(Reader):
    """Walks MessagePack; a subclass may watch its steps."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.forms: list[_Form] = []  # of the small parameters that came by, last first

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
        while len(entries) < count:
            left = count - len(entries)
            entries += [param for _, _, param in self.params(left, named=False)]
            if len(entries) < count:
                entries.append(self.entry(len(entries)))
        return entries

    def map(self, count: int) -> Any:
        """Read a map of `count` pairs, and say what it stands for."""
        start = self.offset - 1
        self.check(2 * count)
        fields: dict[str, Any] = {}
        while len(fields) < count:
            for at, key, param in self.params(count - len(fields), named=True):
                if key in fields:
                    raise self.twice(key, at)
                fields[key] = param
            if len(fields) < count:
                at, key = self.offset, self.key()
                if key in fields:
                    raise self.twice(key, at)
                fields[key] = self.entry(key)
        value = recognize(fields, self.path, start)
        if isinstance(value, Param):
            self.learn(value.tensor)
        return value

    def twice(self, key: str, at: int) -> CorruptRecord:
        """Return the error for a key that stands twice."""
        return self.corrupt(f"the key {short(key)} stands twice in one map.", at)

    def params(self, limit: int, *, named: bool) -> Iterator[tuple[int, str, Param]]:
        """Read small parameters, and their names in a map, at the speed of `re`.

        They end at what is not exactly like one of the last ones, or not whole in the
        window: that is left to the walk.

        Yields:
            Where each began, its name, and the parameter.
        """
        more = True
        while more:
            more = False
            for form in self.forms:
                match = (form.named if named else form.unnamed).match
                while limit and (found := match(self.window, self.position)):
                    name, text, numbers = found.groups()
                    right = text[0] == 0x9F + len(text) and self.values < MAX_VALUES
                    if not right or (named and name[0] != 0x9F + len(name)):
                        return
                    start = self.base + self.position
                    offset = self.base + found.start(3)
                    span = Span(self.source, offset, form.nbytes, numbers)
                    data = TensorData(span, form.shape, form.dtype)
                    self.position = found.end()
                    self.values += 1
                    limit, more = limit - 1, True
                    yield start, name[1:].decode(), Param(text[1:].decode(), data)

    def learn(self, tensor: TensorData) -> None:
        """Remember in which bytes a small parameter stood."""
        span = tensor.bytes
        if not isinstance(span, Span) or span.known is None:
            return
        start = span.offset - self.base
        end = start + span.nbytes
        if span.nbytes < 1 << 8:  # c4: bytes, their length in one byte; c5: in two
            head = b"\xc4" + span.nbytes.to_bytes(1, "big")
        else:
            head = b"\xc5" + span.nbytes.to_bytes(2, "big")
        tail = self.window[end : self.position]
        if start > 0 and tail.startswith(b"\xa5shape"):
            numbers = b"(.{%d})" % span.nbytes
            rest = _PARAM + re.escape(head) + numbers + re.escape(tail)
            form = _Form(
                named=re.compile(_STRING + rest, re.DOTALL),
                unnamed=re.compile(b"()" + rest, re.DOTALL),
                nbytes=span.nbytes,
                shape=tensor.shape,
                dtype=tensor.dtype,
            )
            others = [x for x in self.forms if x != form]
            self.forms = [form, *others[: _FORMS - 1]]

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
