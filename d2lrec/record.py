"""The tree that every recorder stores: dicts, lists, scalars, parameters, tensors.

A *record* holds values and no code. Its leaves are numbers, strings, booleans, None,
tensors, and `Param`: a tensor with the id by which Burn knows a parameter. Codecs
see the same tree with a `TensorData` in the place of each tensor: what the bytes say
of it, and where its numbers are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Number
from reprlib import Repr
from typing import Any, ClassVar

from d2lrec.dialect import ITEM_SIZES, dtype_from_wire
from d2lrec.errors import CorruptRecord, Path
from d2lrec.payload import Memory, Payload, Span
from d2lrec.structure import CONSTANT, Option, Structure

# Rust's serde_json reads 128 levels; Python's own recursion ends near 1,000. A file
# has four more than its item: `item` above it, a parameter's `param`, `shape` and
# sizes below.
MAX_DEPTH = 120
# Numbers by the million stand in tensors. Without a limit a small gzip file could hold
# a list that fills the memory.
MAX_VALUES = 5_000_000
TOO_MANY = f"more than {MAX_VALUES:,} values outside of tensors."
FILE_DEPTH = MAX_DEPTH + 4


class _Repr(Repr):
    repr_Record = Repr.repr_dict


short = _Repr().repr  # for messages: of a long value the beginning


# The names of Burn's two own structs, which no other struct of a record may have.
PARAM_FIELDS = ("id", "param")
TENSOR_FIELDS = ("bytes", "shape", "dtype")


class Float32(float):
    """A 32-bit float: as a number a `float`, in a file four bytes instead of eight."""

    __slots__ = ()


class Unsigned(int):
    """A `usize`: as a number an `int`, in bincode without a sign."""

    __slots__ = ()


class Unit:
    """A Rust unit struct: `90` in MessagePack, `null` in JSON, nothing in bincode."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNIT"


UNIT = Unit()


class SomeConstant(Unit):
    """`Some` of a value that no record keeps, such as the weights of a loss.

    Nil in MessagePack, `null` in JSON, both like None; `01 00` in bincode.
    """

    __slots__ = ()
    structure: ClassVar[Structure] = Option(CONSTANT)

    def __repr__(self) -> str:
        return "Some(Constant)"

    def __reduce__(self) -> str:  # a copy is the same one
        return "SOME"


SOME = SomeConstant()


@dataclass(slots=True, eq=False)
class TensorData:
    """A tensor as a file has it (Burn's `TensorData`, 0.14 and later).

    Attributes:
        bytes: Its numbers: row-major, little-endian.
        shape: Its sizes; `()` for a single number.
        dtype: Burn's name, such as `F32`.
    """

    bytes: Payload
    shape: tuple[int, ...]
    dtype: str


@dataclass(slots=True, eq=False, repr=False)
class Param:
    """A parameter: a tensor and the id by which optimizers know it.

    Attributes:
        id: Opaque text; Burn 0.15 and later write 13 characters.
        tensor: The tensor, in Burn's layout.

    >>> from torch import nn
    >>> from d2lrec import into_record, seed_ids
    >>> seed_ids(0)
    >>> into_record(nn.Linear(2, 3))["weight"]
    Param(id='pk3ipm5udufm4', float32 [2, 3])
    """

    id: str
    tensor: Any

    def __repr__(self) -> str:
        return f"Param(id={self.id!r}, {summary(self.tensor)})"


class _Tree:
    """What prints as a tree of names, dtypes and shapes, not as pages of numbers.

    Attributes:
        structure: The types of what is in it (`d2lrec.structure`), where they are
            known: bincode goes by them.
    """

    structure: Any = None

    def __repr__(self) -> str:
        return "\n".join(_lines(self)) or f"{type(self).__name__}()"


class Record(_Tree, dict[str, Any]):
    """A dict that prints as a tree of names, dtypes and shapes.

    Changing it in place keeps its structure; `dict(record)` and `{**record}` are plain
    dicts without one, which bincode then infers from their values.

    >>> Record(epoch=3, best=None, history=[0.5, 0.25])
    epoch    3
    best     None
    history
        0  0.5
        1  0.25
    """


class RecordList(_Tree, list[Any]):
    """A list of structs that prints as a tree; as a record Burn's `Vec`."""


class RecordTuple(_Tree, tuple[Any, ...]):
    """A tuple of structs that prints as a tree; as a record Burn's tuple."""


def children(tree: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield what is directly below a node as pairs of key or index and value.

    >>> list(children({"a": 1})), list(children([7, 8])), list(children(3))
    ([('a', 1)], [(0, 7), (1, 8)], [])
    """
    if isinstance(tree, Mapping):
        yield from tree.items()
    elif isinstance(tree, list | tuple):
        yield from enumerate(tree)


def is_nothing(tree: Any) -> bool:
    """Whether there is no value in a tree: what Burn's constants are recorded as.

    >>> is_nothing([None, None]), is_nothing({"rate": 0.5})
    (True, False)
    """
    if isinstance(tree, Mapping | list | tuple):
        return all(is_nothing(below) for _, below in children(tree))
    return tree is None or isinstance(tree, Unit)


def summary(value: Any) -> str:
    """Say in a few words what a leaf is: `float32 [2, 3]`, or the value itself."""
    if isinstance(value, Param):
        value = value.tensor
    if hasattr(value, "dtype") and hasattr(value, "shape") and value.shape is not None:
        if isinstance(value, Number):  # a numpy scalar
            return str(value)
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return repr(value)


def _lines(tree: Any) -> list[str]:
    pairs = list(children(tree))
    width = max((len(str(key)) for key, _ in pairs), default=0)
    lines: list[str] = []
    for key, value in pairs:
        below = _lines(value)
        if below:
            lines += [str(key), *("    " + line for line in below)]
        else:
            lines.append(f"{key!s:{width}}  {summary(value)}")
    return lines


def recognize(fields: dict[str, Any], path: Path, offset: int | None) -> Any:
    """Turn a decoded map into what it stands for: tensor, parameter, or struct.

    Args:
        fields: The map, its values already recognized.
        path: Its place in the tree, for errors.
        offset: Its first byte, for errors.

    Returns:
        `TensorData` for `{bytes, shape, dtype}`, `Param` for `{id, param}`, a `Record`
        for everything else.

    Raises:
        CorruptRecord: The map has a tensor's names and not a tensor's values.
    """
    if len(fields) == 3 and fields.keys() == set(TENSOR_FIELDS):
        return _tensor_data(fields, path, offset)
    if len(fields) == 2 and fields.keys() == set(PARAM_FIELDS):
        if isinstance(fields["id"], str) and isinstance(fields["param"], TensorData):
            return Param(fields["id"], fields["param"])
        found = f"an id and a tensor expected, found {short(fields['id'])} and "
        found += f"{short(fields['param'])}. This is no parameter of Burn's."
        raise CorruptRecord(found, path=path, offset=offset)
    return Record(fields)


def _tensor_data(fields: dict[str, Any], path: Path, offset: int | None) -> TensorData:
    def corrupt(message: str) -> CorruptRecord:
        return CorruptRecord(message, path=path, offset=offset)

    dtype = dtype_from_wire(fields["dtype"])
    if dtype is None:
        known = ", ".join(ITEM_SIZES)
        found = f"the tensor's dtype is {short(fields['dtype'])}"
        raise corrupt(f"{found}; this library reads {known}.")
    shape = fields["shape"]
    if not is_shape(shape):
        raise corrupt(
            f"the tensor's shape is {short(shape)}: up to 64 sizes, none negative, "
            "and fewer than 2**59 elements expected."
        )
    data = fields["bytes"]
    if isinstance(data, list):  # JSON, or bytes written as an array of integers
        try:
            data = Span(Memory(_packed(data)), 0, len(data))
        except ValueError:
            raise corrupt("a byte is not an integer from 0 to 255.") from None
    if not isinstance(data, Span):
        raise corrupt(f"the tensor's bytes are {short(data)}: bytes expected.")
    needed = math.prod(shape) * ITEM_SIZES[dtype]
    if data.nbytes != needed:
        raise corrupt(
            f"{data.nbytes} bytes for {dtype} {shape}: {needed} expected. "
            "The file is damaged, or was not written by Burn or d2lrec."
        )
    return TensorData(data, tuple(shape), dtype)


def _packed(values: list[Any]) -> bytes:
    if not {int}.issuperset(map(type, values)):  # a bool is an int to bytes()
        raise ValueError
    return bytes(values)


def is_shape(shape: Any) -> bool:
    """Whether these are sizes that a tensor can have."""
    # torch counts elements in 64 bits even where a size is 0, and has 64 dimensions.
    return (
        isinstance(shape, list)
        and len(shape) <= 64
        and all(type(size) is int and size >= 0 for size in shape)
        and math.prod(max(size, 1) for size in shape) < 2**59
    )
