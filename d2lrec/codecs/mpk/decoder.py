"""MessagePack to tree; the tensors' payloads are jumped over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from d2lrec.codecs.mpk.tags import CONSTANTS, LENGTHS, NUMBERS
from d2lrec.errors import CorruptRecord
from d2lrec.payload import Source, Span
from d2lrec.record import MAX_DEPTH, Float32, recognize

# How much is read at a time while walking; payloads are jumped over.
WINDOW = 1 << 16


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
    left = source.size - decoder.offset
    if left:
        raise decoder.corrupt(
            f"the value ends here, {left} bytes are left. "
            "The file was changed, or is not a record."
        )
    return tree


class _Decoder:
    """Walks a source through a window; `base` is the window's place in the source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.window = b""
        self.base = 0
        self.position = 0  # in the window
        self.path: list[str | int] = []

    @property
    def offset(self) -> int:
        return self.base + self.position

    def corrupt(self, message: str, offset: int | None = None) -> CorruptRecord:
        at = self.offset if offset is None else offset
        return CorruptRecord(message, path=self.path, offset=at)

    def take(self, count: int) -> bytes:
        """Return the next bytes, moving the window when they reach beyond it."""
        if self.position + count > len(self.window):
            self.check(count)
            self.base, self.position = self.offset, 0
            ahead = min(max(count, WINDOW), self.source.size - self.base)
            self.window = self.source.read(self.base, ahead)
        self.position += count
        return self.window[self.position - count : self.position]

    def check(self, count: int) -> None:
        """Refuse a length that the rest of the input cannot hold."""
        left = self.source.size - self.offset
        if count > left:
            raise self.corrupt(
                f"{count} bytes needed, {left} left. The file was cut short or damaged."
            )

    def value(self) -> Any:
        tag = self.take(1)[0]
        if tag < 0x80:  # 00-7f: the number itself
            return tag
        if tag >= 0xE0:  # e0-ff: -32 to -1
            return tag - 0x100
        if tag >= 0xA0 and tag < 0xC0:  # a0-bf: string
            return self.string(tag & 0x1F)
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

    def string(self, count: int) -> str:
        start = self.offset
        try:
            return self.take(count).decode()
        except UnicodeDecodeError as error:
            what = f"a string is not UTF-8: {error.reason}."
            raise self.corrupt(what, start + error.start) from None

    def payload(self, count: int) -> Span:
        """Leave a payload where it is and jump over it."""
        self.check(count)
        span = Span(self.source, self.offset, count)
        self.position += count
        if self.position > len(self.window):  # read nothing of the payload
            self.base, self.window, self.position = self.offset, b"", 0
        return span

    def array(self, count: int) -> list[Any]:
        self.check(count)  # an entry has at least one byte
        return [self.entry(index) for index in range(count)]

    def map(self, count: int) -> Any:
        start = self.offset - 1
        self.check(2 * count)
        fields: dict[str, Any] = {}
        for _ in range(count):
            at = self.offset
            key = self.value()
            if not isinstance(key, str):
                raise self.corrupt(f"a key is {key!r}: a string expected.", at)
            if key in fields:
                raise self.corrupt(f"the key {key!r} stands twice in one map.", at)
            fields[key] = self.entry(key)
        return recognize(fields, self.path, start)

    def entry(self, key: str | int) -> Any:
        self.path.append(key)
        if len(self.path) > MAX_DEPTH:
            raise self.corrupt(f"nested deeper than {MAX_DEPTH} levels.")
        value = self.value()
        self.path.pop()
        return value


_READERS: dict[str, Callable[[_Decoder, int], Any]] = {
    "bytes": _Decoder.payload,
    "string": _Decoder.string,
    "array": _Decoder.array,
    "map": _Decoder.map,
}
