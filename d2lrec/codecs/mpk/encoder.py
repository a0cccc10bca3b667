"""Tree to MessagePack, in the shortest form of every value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from d2lrec.codecs.mpk.tags import NUMBERS
from d2lrec.dialect import dtype_to_wire
from d2lrec.errors import Unrecordable
from d2lrec.payload import Payload
from d2lrec.record import (
    FILE_DEPTH,
    Float32,
    Param,
    Record,
    RecordList,
    RecordTuple,
    SomeConstant,
    TensorData,
    Unit,
)

# Payloads of up to this many bytes are copied into the head: one write, not three.
SMALL = 4096
# A byte string's length has 32 bits. Burn writes a wrong one from here on.
MAX_BYTES = (1 << 32) - 1


def encode(tree: Any) -> list[bytes | Payload]:
    """Write a tree as MessagePack.

    Args:
        tree: Dicts, lists, scalars, `Param` and `TensorData`.

    Returns:
        The file's parts in order: headers, and between them the tensors' payloads.

    Raises:
        Unrecordable: A value that MessagePack or a record has no place for.

    >>> encode({"step": 300, "done": True})
    [b'\\x82\\xa4step\\xcd\\x01,\\xa4done\\xc3']
    """
    encoder = _Encoder()
    encoder.value(tree)
    encoder.parts.append(bytes(encoder.head))
    return encoder.parts


@dataclass(slots=True)
class _Frame:
    """What stands around a tensor's payload: the same for all of one shape."""

    shape: tuple[int, ...]
    dtype: str
    before: bytes
    after: bytes
    small: bool


class _Encoder:
    """Collects headers in `head`; a payload closes the head and stands by itself."""

    def __init__(self) -> None:
        self.parts: list[bytes | Payload] = []
        self.head = bytearray()
        self.path: list[str | int] = []
        # What stands around the payload, for each shape and dtype that came by.
        self.frames: dict[tuple[tuple[int, ...], str], _Frame] = {}
        self.last = _Frame((), "", b"", b"", False)

    def value(self, value: Any) -> None:
        """Write any value."""
        write = _WRITERS.get(type(value))
        if write is None:
            write = next((w for t, w in _WRITERS.items() if isinstance(value, t)), None)
        if write is None:
            what = f"a {type(value).__name__} has no place in a record."
            raise Unrecordable(what, path=self.path)
        if len(self.path) > FILE_DEPTH:
            what = f"nested deeper than {FILE_DEPTH} levels."
            raise Unrecordable(what, path=self.path[:3])
        write(self, value)

    def constant(self, value: bool | None) -> None:
        """Write None, False or True: `c0`, `c2`, `c3`."""
        self.head.append({None: 0xC0, False: 0xC2, True: 0xC3}[value])

    def some(self, _: SomeConstant) -> None:
        """Write a value that no record keeps: `c0`, like None."""
        self.head.append(0xC0)

    def unit(self, _: Unit) -> None:
        """Write a unit struct: `90`."""
        self.head.append(0x90)

    def integer(self, value: int) -> None:
        """Write an integer in its shortest form: `07`, `cc ff`, `d0 80`."""
        if -32 <= value < 128:  # the byte is the number: 07, ff
            self.head.append(value & 0xFF)
            return
        # unsigned first, as rmp does: 200 is cc c8 and not d1 00 c8
        tags = range(0xCC, 0xD0) if value >= 0 else range(0xD0, 0xD4)
        for tag in tags:
            bits = 8 * NUMBERS[tag].size
            if -(1 << bits - 1) <= value < 1 << bits:
                self.head.append(tag)
                self.head += NUMBERS[tag].pack(value)
                return
        raise Unrecordable(
            f"the integer {value} needs more than 64 bits.", path=self.path
        )

    def float64(self, value: float) -> None:
        """Write `cb` and eight bytes, big-endian."""
        self.head.append(0xCB)
        self.head += NUMBERS[0xCB].pack(value)

    def float32(self, value: Float32) -> None:
        """Write `ca` and four bytes, big-endian."""
        try:
            packed = NUMBERS[0xCA].pack(value)
        except OverflowError:
            what = f"{value!r} does not fit a 32-bit float."
            raise Unrecordable(what, path=self.path) from None
        self.head.append(0xCA)
        self.head += packed

    def string(self, value: str) -> None:
        """Write UTF-8 behind its length: `a3 46 33 32`."""
        try:
            utf8 = value.encode()
        except UnicodeEncodeError:
            what = f"{value!r} has no UTF-8 form."
            raise Unrecordable(what, path=self.path) from None
        if len(utf8) < 32:  # as names and ids are
            self.head.append(0xA0 + len(utf8))
        else:
            self.length(len(utf8), 0, 0, (0xD9, 0xDA, 0xDB))
        self.head += utf8

    def array(self, values: list[Any] | tuple[Any, ...]) -> None:
        """Write the values behind their number: `92 01 02`."""
        self.length(len(values), 0x90, 16, (0, 0xDC, 0xDD))
        for index, value in enumerate(values):
            self.entry(index, value)

    def map(self, fields: dict[str, Any]) -> None:
        """Write names and values behind their number: `81 a1 61 01`."""
        self.length(len(fields), 0x80, 16, (0, 0xDE, 0xDF))
        for key, value in fields.items():
            if not isinstance(key, str):
                what = f"the key {key!r} is not a string."
                raise Unrecordable(what, path=self.path)
            self.string(key)
            if isinstance(value, Param):  # without two more calls for each of thousands
                try:
                    self.param(value)
                except Unrecordable as error:
                    error.path = (*self.path, key)
                    raise
            else:
                self.entry(key, value)

    def param(self, param: Param) -> None:
        """Write a parameter: a map of `id` and `param`."""
        self.head += b"\x82\xa2id"  # 82: map of 2; a2: string of 2
        self.string(param.id)
        self.head += b"\xa5param"
        self.tensor(param.tensor)

    def tensor(self, tensor: TensorData) -> None:
        """Write a tensor: a map of `bytes`, `shape` and `dtype`."""
        frame = self.last
        if frame.shape is not tensor.shape or frame.dtype is not tensor.dtype:
            key = tensor.shape, tensor.dtype
            frame = self.last = self.frames.get(key) or self.frame(tensor)
            self.frames[key] = frame
        head = self.head
        head += frame.before
        if frame.small:
            for chunk in tensor.bytes.chunks():
                head += chunk
        else:
            self.parts += [bytes(head), tensor.bytes]
            head = self.head = bytearray()
        head += frame.after

    def frame(self, tensor: TensorData) -> _Frame:
        """Return what stands around the numbers of such a tensor."""
        count = tensor.bytes.nbytes
        if count > MAX_BYTES:
            what = "the tensor has 4 GiB or more; MessagePack's length has 32 bits. "
            raise Unrecordable(what + "Split it.", path=self.path)
        before, after = _Encoder(), _Encoder()
        before.head += b"\x83\xa5bytes"  # 83: map of 3; a5: string of 5
        before.length(count, 0, 0, (0xC4, 0xC5, 0xC6))
        after.head += b"\xa5shape"
        after.array(tensor.shape)
        after.head += b"\xa5dtype"
        after.value(dtype_to_wire(tensor.dtype))
        around = bytes(before.head), bytes(after.head)
        return _Frame(tensor.shape, tensor.dtype, *around, count <= SMALL)

    def entry(self, key: str | int, value: Any) -> None:
        """Write the value of a key, or at an index."""
        self.path.append(key)
        self.value(value)
        self.path.pop()

    def length(self, count: int, fix: int, below: int, tags: tuple[int, ...]) -> None:
        """Write how many follow: in the first byte, or in 1, 2 or 4 more."""
        if count < below:  # 82: map of 2; a3: string of 3
            self.head.append(fix + count)
            return
        for tag, size in zip(tags, (1, 2, 4), strict=True):
            if tag and count < 1 << 8 * size:
                self.head.append(tag)
                self.head += count.to_bytes(size, "big")
                return
        raise Unrecordable(f"{count} entries: 32 bits expected.", path=self.path)


_WRITERS: dict[type, Callable[[_Encoder, Any], None]] = {
    bool: _Encoder.constant,  # before int: a bool is an int
    type(None): _Encoder.constant,
    int: _Encoder.integer,
    Float32: _Encoder.float32,  # before float
    float: _Encoder.float64,
    str: _Encoder.string,
    list: _Encoder.array,
    tuple: _Encoder.array,
    dict: _Encoder.map,
    Record: _Encoder.map,
    RecordList: _Encoder.array,
    RecordTuple: _Encoder.array,
    Param: _Encoder.param,
    TensorData: _Encoder.tensor,
    Unit: _Encoder.unit,
    SomeConstant: _Encoder.some,
}
