"""bincode to tree, as a structure says; the tensors' payloads are jumped over."""

from __future__ import annotations

import struct
from typing import Any

from d2lrec.codecs.reader import Reader
from d2lrec.dialect import BURN_0_21
from d2lrec.payload import Source
from d2lrec.record import SOME, Float32, Param, Record, recognize
from d2lrec.structure import (
    BOOL,
    CONSTANT,
    PARAM,
    STRING,
    TENSOR,
    UNIT,
    Leaf,
    Map,
    Option,
    Struct,
    Structure,
    Tuple,
    Vec,
)

# Marker -> bytes of the integer after it.
SIZES = {0xFB: 2, 0xFC: 4, 0xFD: 8}


def decode(source: Source, structure: Structure) -> Any:
    """Read what a structure says, without the tensors' payloads.

    Args:
        source: Where the bytes are; all of them must belong to the value.
        structure: What they are.

    Returns:
        The tree: `Record` for structs, lists, scalars, `Param` and `TensorData`.

    Raises:
        CorruptRecord: With the path and the offset of what does not fit.

    >>> from d2lrec.payload import Memory
    >>> from d2lrec.structure import I64, U64
    >>> decode(Memory(b"\\xfb\\x2c\\x01\\x01"), Struct(step=U64, delta=I64))
    step   300
    delta  -1
    """
    decoder = Decoder(source)
    tree = decoder.value(structure)
    decoder.finish()
    return tree


class Decoder(Reader):
    """Walks bincode by a structure; a subclass may watch its steps."""

    hint = "The file was cut short or damaged, or the structure is another one."

    def value(self, kind: Structure) -> Any:
        """Read what `kind` says."""
        if isinstance(kind, Leaf):
            return self.leaf(kind)
        if isinstance(kind, Option):
            if not self.flag("an Option"):
                return None
            value = self.value(kind.some)
            return SOME if kind.some == CONSTANT else value
        if isinstance(kind, Struct):
            record = Record((name, self.entry(name, x)) for name, x in kind.fields)
            record.structure = kind
            return record
        if isinstance(kind, Tuple):
            return tuple(self.entry(i, item) for i, item in enumerate(kind.items))
        if isinstance(kind, Vec):
            count = self.count()
            if count and kind.item is None:
                raise self.corrupt(f"{count} items where an empty Vec is expected.")
            return [self.entry(i, kind.item or UNIT) for i in range(count)]
        if isinstance(kind, Map):
            return self.map(kind)
        index = self.unsigned(64)
        if index >= len(kind.variants):
            what = f"the enum's variant is number {index}: below"
            raise self.corrupt(f"{what} {len(kind.variants)} expected.")
        name, below = kind.variants[index]
        record = Record({name: self.entry(name, below)})
        record.structure = kind
        return record

    def leaf(self, kind: Leaf) -> Any:
        """Read a number, a string, a tensor, a parameter, or nothing."""
        if kind.bits:
            return self.number(kind)
        if kind == UNIT:
            return None
        if kind == BOOL:
            return self.flag("a bool")
        if kind == STRING:
            return self.text(self.count())
        if kind == TENSOR:
            return self.tensor()
        if kind == PARAM:
            return Param(self.text(self.count()), self.tensor())
        code = self.take(1)[0]
        if code:
            what = f"a constant is stored as {code:02x}: 00 expected. The structure"
            raise self.corrupt(f"{what} may be another one.", self.offset - 1)
        return None

    def flag(self, what: str) -> bool:
        """Read whether an Option has a value."""
        code = self.take(1)[0]
        if code > 1:
            what = f"{what} is stored as {code:02x}: 00 or 01 expected. The structure"
            raise self.corrupt(f"{what} may be another one.", self.offset - 1)
        return code == 1

    def number(self, kind: Leaf) -> Any:
        """Read a number of the width that `kind` has."""
        if kind.name[0] == "f":
            code = "<f" if kind.bits == 32 else "<d"
            number = struct.unpack(code, self.take(kind.bits // 8))[0]
            return Float32(number) if kind.bits == 32 else number
        signed = kind.name[0] == "i"
        if kind.bits == 8:
            return int.from_bytes(self.take(1), "little", signed=signed)
        value = self.unsigned(kind.bits)
        return (value >> 1) ^ -(value & 1) if signed else value

    def unsigned(self, bits: int) -> int:
        """Read an integer in as many bytes as its marker says."""
        start = self.offset
        value = self.take(1)[0]
        if value >= 0xFB:
            if value not in SIZES:
                what = f"the byte {value:02x} begins no integer. The structure"
                raise self.corrupt(f"{what} may be another one.", start)
            value = int.from_bytes(self.take(SIZES[value]), "little")
        if value >> bits:
            raise self.corrupt(f"the integer {value} does not fit {bits} bits.", start)
        return value

    def count(self) -> int:
        """Read the number of items that follow, each of at least one byte."""
        count = self.unsigned(64)
        self.check(count)
        return count

    def tensor(self) -> Any:
        """Read a tensor without its numbers."""
        start = self.offset
        payload = self.payload(self.count())
        shape = [self.unsigned(64) for _ in range(self.count())]
        code = [self.take(1)[0]]
        known = {index: name for name, index in BURN_0_21.dtypes.items()}
        if (code[0], 0) in known:  # a boolean: which store?
            code.append(self.take(1)[0])
        dtype = known.get(tuple(code))
        if dtype is None:
            number = ", ".join(map(str, code))
            what = f"the tensor's dtype is number {number}: none of this library's."
            raise self.corrupt(what, self.offset - 1)
        fields = {"bytes": payload, "shape": shape, "dtype": dtype}
        return recognize(fields, self.path, start)

    def map(self, kind: Map) -> Record:
        """Read a map whose keys are strings."""
        record = Record()
        for _ in range(self.count()):
            at = self.offset
            key = self.text(self.count())
            if key in record:
                raise self.corrupt(f"the key {key!r} stands twice in one map.", at)
            record[key] = self.entry(key, kind.value)
        record.structure = kind
        return record

    def entry(self, key: str | int, kind: Structure) -> Any:
        """Read the value of a field, or at an index."""
        self.enter(key)
        value = self.value(kind)
        self.path.pop()
        return value
