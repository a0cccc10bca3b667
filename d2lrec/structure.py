"""What is expected in a record: the types of Burn's structs, without their values.

bincode stores no names and no types, so both its encoder and its decoder go by a
structure. It comes from a module, from a record, or is written down here:

    from d2lrec import structure as s
    s.Struct(fc=s.LINEAR, pool=s.Option(s.CONSTANT), sizes=s.Array(s.U64, 2))

Names are Rust's. The rules are in `crates/burn-derive` and `burn-core/src/record`,
0.21.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from d2lrec.errors import Path, Unrecordable


@dataclass(frozen=True)
class Leaf:
    """A type without parts.

    Attributes:
        name: Rust's name, or Burn's.
        bits: The size of a number in bits; 0 for what is no number.
    """

    name: str
    bits: int = 0

    def __repr__(self) -> str:
        return self.name


PARAM = Leaf("Param")
TENSOR = Leaf("Tensor")
# A record loaded from a text format: what was an Option or a number's size is lost.
FROM_TEXT = Leaf("a record from a text format")
# Which MessagePack and JSON have, and bincode has not.
MIXED = Leaf("a list of different types")
# Burn's empty record: constants, and modules without parameters.
CONSTANT = Leaf("Constant")
UNIT = Leaf("()")
BOOL = Leaf("bool")
STRING = Leaf("String")
F32, F64 = Leaf("f32", 32), Leaf("f64", 64)
U8, U16, U32, U64 = (Leaf(f"u{bits}", bits) for bits in (8, 16, 32, 64))
I8, I16, I32, I64 = (Leaf(f"i{bits}", bits) for bits in (8, 16, 32, 64))


@dataclass(frozen=True, init=False)
class Struct:
    """A struct: named fields, in the order of the Rust struct.

    Attributes:
        fields: The names and types, as a mapping or by keywords.

    >>> Struct(weight=PARAM, bias=Option(PARAM))
    Struct(weight=Param, bias=Option(Param))
    """

    fields: tuple[tuple[str, Structure], ...]

    def __init__(
        self, fields: Mapping[str, Structure] | None = None, /, **more: Structure
    ) -> None:
        object.__setattr__(self, "fields", _named(fields, more))

    @classmethod
    def of(cls, fields: Mapping[str, Structure]) -> Struct:
        """Make one of what is known to be structures, without looking at each.

        Args:
            fields: The names and types.

        >>> Struct.of({"step": U64})
        Struct(step=u64)
        """
        struct = cls.__new__(cls)
        object.__setattr__(struct, "fields", tuple(fields.items()))
        return struct

    def __repr__(self) -> str:
        return f"Struct({', '.join(f'{name}={type!r}' for name, type in self.fields)})"


@dataclass(frozen=True)
class Option:
    """A value or None.

    Attributes:
        some: The type of the value.

    >>> Option(PARAM)
    Option(Param)
    """

    some: Structure

    def __post_init__(self) -> None:
        check_structure(self.some)

    def __repr__(self) -> str:
        return f"Option({self.some!r})"


@dataclass(frozen=True)
class Vec:
    """A list of any length.

    Attributes:
        item: The type of each item; None where no item is known.

    >>> Vec(Struct(step=U64, loss=F32))
    Vec(Struct(step=u64, loss=f32))
    """

    item: Structure | None

    def __post_init__(self) -> None:
        if self.item is not None:
            check_structure(self.item)

    def __repr__(self) -> str:
        return f"Vec({self.item!r})"


@dataclass(frozen=True, init=False)
class Tuple:
    """A tuple: items of a fixed number, each of its own type.

    Attributes:
        items: The type of each.

    >>> Tuple(LINEAR, STRING).items[1]
    String
    """

    items: tuple[Structure, ...]

    def __init__(self, *items: Structure) -> None:
        for index, item in enumerate(items):
            check_structure(item, (index,))
        object.__setattr__(self, "items", items)

    def __repr__(self) -> str:
        return f"Tuple({', '.join(map(repr, self.items))})"


def Array(item: Structure, count: int) -> Tuple:
    """A Rust array `[item; count]`, which is stored as a tuple.

    Args:
        item: The type of its items.
        count: How many there are.

    Raises:
        Unrecordable: The item is no type, or the count is no number of items.

    >>> Array(U16, 2)
    Tuple(u16, u16)
    """
    check_structure(item)
    if type(count) is not int or count < 0:
        what = f"{count!r} found, the number of an array's items expected."
        raise Unrecordable(f"{what} Write Array(U64, 2) for [usize; 2].")
    return Tuple(*[item] * count)


@dataclass(frozen=True, init=False)
class Enum:
    """An enum: one of several named variants, in the order of the Rust enum.

    A record has it as a dict of one entry, `{"Dense": ...}`.

    Attributes:
        variants: The names and types, as a mapping or by keywords.

    >>> Enum(Dense=PARAM, Norm=CONSTANT)
    Enum(Dense=Param, Norm=Constant)
    """

    variants: tuple[tuple[str, Structure], ...]

    def __init__(
        self, variants: Mapping[str, Structure] | None = None, /, **more: Structure
    ) -> None:
        object.__setattr__(self, "variants", _named(variants, more))

    def __repr__(self) -> str:
        return f"Enum({', '.join(f'{name}={type!r}' for name, type in self.variants)})"


@dataclass(frozen=True)
class Map:
    """A map from strings to values of one type, such as an optimizer's record.

    Attributes:
        value: The type of the values.

    >>> Map(Struct(velocity=TENSOR))
    Map(Struct(velocity=Tensor))
    """

    value: Structure

    def __post_init__(self) -> None:
        check_structure(self.value)

    def __repr__(self) -> str:
        return f"Map({self.value!r})"


Structure = Leaf | Struct | Option | Vec | Tuple | Enum | Map


def check_structure(kind: object, path: Path = ()) -> None:
    """Refuse what is no structure, such as Python's `int`.

    Args:
        kind: What was given.
        path: The field or the index for which it was.

    Raises:
        Unrecordable: It is none; the text says what would be one.
    """
    if not isinstance(kind, Structure):
        found = f"the class {kind.__name__}" if isinstance(kind, type) else repr(kind)
        what = f"{found} found, a type of d2lrec.structure expected."
        advice = "Use U64, I64, F32, STRING, TENSOR, PARAM, Struct(...) or another."
        raise Unrecordable(f"{what} {advice}", path=path)


def _named(
    fields: Mapping[str, Structure] | None, more: Mapping[str, Structure]
) -> tuple[tuple[str, Structure], ...]:
    """Return the fields of a struct, or the variants of an enum, as pairs."""
    if not isinstance(fields, Mapping | None):
        what = f"a {type(fields).__name__} found, names and their types expected."
        raise Unrecordable(f"{what} Write it as Struct(step=U64, loss=F32).")
    pairs = tuple({**(fields or {}), **more}.items())
    for name, kind in pairs:
        if not isinstance(name, str):
            what = f"the name {name!r} is no string."
            raise Unrecordable(f"{what} Use the field's name in Rust.")
        check_structure(kind, (name,))
    return pairs


LINEAR = Struct(weight=PARAM, bias=Option(PARAM))

# What the activation of a recurrent layer is recorded as (`burn-nn/src/activation`).
ACTIVATION = Enum(
    Gelu=CONSTANT,
    PRelu=Struct(alpha=PARAM, alpha_value=CONSTANT),
    Relu=CONSTANT,
    LeakyRelu=CONSTANT,
    SwiGlu=Struct(linear_inner=LINEAR, linear_outer=LINEAR),
    **dict.fromkeys(
        "Selu Sigmoid Tanh HardSigmoid HardSwish Softplus Softsign Elu Celu "
        "ThresholdedRelu HardShrink SoftShrink Shrink".split(),
        CONSTANT,
    ),
)
