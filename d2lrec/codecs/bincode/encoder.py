"""Tree to bincode, as a structure says."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from d2lrec.dialect import BURN_0_21
from d2lrec.errors import Unrecordable
from d2lrec.payload import Payload
from d2lrec.record import FILE_DEPTH, Param, TensorData, is_nothing, short
from d2lrec.structure import (
    BOOL,
    CONSTANT,
    MIXED,
    PARAM,
    STRING,
    TENSOR,
    UNIT,
    Enum,
    Leaf,
    Option,
    Struct,
    Structure,
    Tuple,
    Vec,
)

# Bytes of an integer -> the marker before it.
MARKERS = {2: 0xFB, 4: 0xFC, 8: 0xFD}


def encode(tree: Any, structure: Structure) -> list[bytes | Payload]:
    """Write a tree as bincode.

    Args:
        tree: Dicts, lists, scalars, `Param` and `TensorData`.
        structure: What the bytes are to be read as.

    Returns:
        The file's parts in order: headers, and between them the tensors' payloads.

    Raises:
        Unrecordable: The tree is not what the structure says.

    >>> from d2lrec.structure import I64, U64
    >>> encode({"step": 300, "delta": -1}, Struct(step=U64, delta=I64))
    [b'\\xfb,\\x01\\x01']
    """
    encoder = _Encoder()
    encoder.value(tree, structure)
    return [*encoder.parts, bytes(encoder.head)]


class _Encoder:
    """Collects headers in `head`; a payload closes the head and stands by itself."""

    def __init__(self) -> None:
        self.parts: list[bytes | Payload] = []
        self.head = bytearray()
        self.path: list[str | int] = []

    def refuse(self, value: Any, expected: object) -> Unrecordable:
        """Return the error for a value of another type."""
        what = f"a {type(value).__name__} found, {expected} expected."
        return Unrecordable(f"{what} Check the structure.", path=self.path)

    def too_wide(self, value: float, kind: Leaf) -> Unrecordable:
        """Return the error for a number that its type cannot hold."""
        what = f"{value} does not fit {kind}."
        return Unrecordable(f"{what} Use a wider type.", path=self.path)

    def value(self, value: Any, kind: Structure) -> None:
        """Write a value as its type says."""
        if isinstance(kind, Leaf):
            self.leaf(value, kind)
        elif isinstance(kind, Option):
            self.head.append(value is not None)
            if value is not None:
                self.value(value, kind.some)
        elif isinstance(kind, Struct):
            self.struct(value, kind)
        elif isinstance(kind, Vec | Tuple):
            self.items(value, kind)
        elif not isinstance(value, Mapping):
            raise self.refuse(value, kind)
        elif isinstance(kind, Enum):
            self.variant(value, kind)
        else:
            self.unsigned(len(value))
            for key, item in value.items():
                self.text(key)
                self.entry(key, item, kind.value)

    def leaf(self, value: Any, kind: Leaf) -> None:
        """Write a value of a type without parts."""
        if kind in (CONSTANT, UNIT):
            self.constant(value, kind)
        elif kind == PARAM and isinstance(value, Param):
            self.text(value.id)
            self.tensor(value.tensor)
        elif kind == TENSOR and isinstance(value, TensorData):
            self.tensor(value)
        elif kind == STRING and isinstance(value, str):
            self.text(value)
        elif kind == BOOL and isinstance(value, bool):
            self.head.append(value)
        elif kind.bits and isinstance(value, int | float) and type(value) is not bool:
            self.number(value, kind)
        elif kind == MIXED:
            what = "bincode has no list of items of different types."
            advice = "Use a tuple, or items of one type."
            raise Unrecordable(f"{what} {advice}", path=self.path)
        else:
            raise self.refuse(value, kind)

    def constant(self, value: Any, kind: Leaf) -> None:
        """Write a constant, `00`, or a unit, nothing."""
        if not is_nothing(value):
            what = f"{short(value)} found where a constant, whose value no record has,"
            advice = "is expected. Check the structure, or like=."
            raise Unrecordable(f"{what} {advice}", path=self.path)
        if kind == CONSTANT:
            self.head.append(0)

    def number(self, value: float, kind: Leaf) -> None:
        """Write a float in 4 or 8 bytes, a byte as it is, an integer by its size."""
        if kind.name[0] == "f":
            try:
                self.head += struct.pack("<f" if kind.bits == 32 else "<d", value)
            except OverflowError:
                raise self.too_wide(value, kind) from None
            return
        lowest = -(1 << kind.bits - 1) if kind.name[0] == "i" else 0
        if not isinstance(value, int):
            raise self.refuse(value, kind)
        if not 0 <= value - lowest < 1 << kind.bits:
            raise self.too_wide(value, kind)
        if kind.bits == 8:
            self.head.append(value & 0xFF)
        else:  # zigzag: 0, -1, 1, -2 become 0, 1, 2, 3
            self.unsigned(value if lowest == 0 else (value << 1) ^ (value >> 63))

    def unsigned(self, value: int) -> None:
        """Write a varint: up to 250 a byte, else `fb`, `fc` or `fd` and 2, 4 or 8."""
        if value < 0xFB:
            self.head.append(value)
            return
        size = next(size for size in MARKERS if value < 1 << 8 * size)
        self.head.append(MARKERS[size])
        self.head += value.to_bytes(size, "little")

    def text(self, value: str) -> None:
        """Write UTF-8 behind its length: `03 46 33 32`."""
        try:
            utf8 = value.encode()
        except UnicodeEncodeError:
            what = f"{value!r} has no UTF-8 form."
            raise Unrecordable(what, path=self.path) from None
        self.unsigned(len(utf8))
        self.head += utf8

    def tensor(self, tensor: TensorData) -> None:
        """Write a tensor: length and bytes, rank and sizes, place of its dtype."""
        self.unsigned(tensor.bytes.nbytes)
        self.parts += [bytes(self.head), tensor.bytes]
        self.head = bytearray()
        for number in (len(tensor.shape), *tensor.shape):
            self.unsigned(number)
        self.head += bytes(BURN_0_21.dtypes[tensor.dtype])

    def struct(self, value: Any, kind: Struct) -> None:
        """Write the fields in order, without names."""
        if not isinstance(value, Mapping):
            raise self.refuse(value, kind)
        names = [name for name, _ in kind.fields]
        extra = [key for key in value if key not in names]
        if extra:
            what = f"{', '.join(extra)}: no such field in the structure."
            raise Unrecordable(f"{what} It has {', '.join(names)}.", path=self.path)
        for name, field in kind.fields:
            if (
                name not in value
                and not isinstance(field, Option)
                and field != CONSTANT
            ):
                what = f"the field {name} is missing."
                raise Unrecordable(what, path=self.path)
            self.entry(name, value.get(name), field)

    def items(self, value: Any, kind: Vec | Tuple) -> None:
        """Write a list behind its length; a tuple has none."""
        if not isinstance(value, list | tuple):
            raise self.refuse(value, kind)
        if isinstance(kind, Tuple):
            if len(value) != len(kind.items):
                what = f"{len(value)} items found, {len(kind.items)} expected."
                raise Unrecordable(what, path=self.path)
            kinds = kind.items
        else:
            self.unsigned(len(value))
            kinds = (kind.item or UNIT,) * len(value)
        before = len(self.parts), len(self.head)
        for index, (item, below) in enumerate(zip(value, kinds, strict=True)):
            self.entry(index, item, below)
        empty = before == (len(self.parts), len(self.head))
        if isinstance(kind, Vec) and value and empty:
            what = "the items of this list take no bytes in bincode; their number"
            advice = "could not be trusted. Record it instead."
            raise Unrecordable(f"{what} {advice}", path=self.path)

    def variant(self, value: Mapping[str, Any], kind: Enum) -> None:
        """Write the variant's place, and its value."""
        names = [name for name, _ in kind.variants]
        name = next(iter(value), "")
        if len(value) != 1 or name not in names:
            raise self.refuse(value, f"one of the variants {', '.join(names)}")
        index = names.index(name)
        self.unsigned(index)
        self.entry(name, value[name], kind.variants[index][1])

    def entry(self, key: str | int, value: Any, kind: Structure) -> None:
        """Write the value of a key, or at an index."""
        self.path.append(key)
        if len(self.path) > FILE_DEPTH:
            what = f"nested deeper than {FILE_DEPTH} levels."
            raise Unrecordable(what, path=self.path[:3])
        self.value(value, kind)
        self.path.pop()
