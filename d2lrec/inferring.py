"""The structure that a tree has by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from d2lrec.errors import Path, Unrecordable
from d2lrec.record import Float32, Param, TensorData, Unit, Unsigned
from d2lrec.structure import (
    BOOL,
    CONSTANT,
    F32,
    F64,
    FROM_TEXT,
    I64,
    MIXED,
    PARAM,
    STRING,
    TENSOR,
    U64,
    UNIT,
    Option,
    Struct,
    Structure,
    Tuple,
    Vec,
)


def structure_of(tree: Any, path: Path = ()) -> Structure:
    """Return the structure that a tree has by itself.

    Args:
        tree: A record that carries its structure, or plain values: a dict is a struct,
            a list a `Vec`, a tuple a tuple, an int an i64, a float an f64, and None an
            `Option` that holds nothing.
        path: The tree's place, for errors.

    Raises:
        Unrecordable: A record that was loaded from MessagePack or JSON without `like`.

    >>> structure_of({"rates": [0.5], "pair": (1, "a"), "best": None})
    Struct(rates=Vec(f64), pair=Tuple(i64, String), best=Option(Constant))
    """
    known: Structure | None = getattr(tree, "structure", None)
    if known == FROM_TEXT:
        what = "this record was loaded from MessagePack or JSON without the types"
        advice = "Pass like=: a module, a record of one, or a d2lrec.structure."
        raise Unrecordable(f"{what} that bincode goes by. {advice}", path=path)
    if known is not None:
        return known
    if isinstance(tree, Mapping):
        fields = {key: structure_of(x, (*path, key)) for key, x in tree.items()}
        return Struct.of(fields)
    if isinstance(tree, tuple):
        return Tuple(*[structure_of(x, (*path, i)) for i, x in enumerate(tree)])
    if isinstance(tree, list):
        return vec_of([structure_of(x, (*path, i)) for i, x in enumerate(tree)])
    for kind, structure in _KINDS:
        if isinstance(tree, kind):
            return structure
    return TENSOR  # whatever else is recordable is a tensor of some library


_KINDS: list[tuple[type, Structure]] = [
    (Param, PARAM),
    (TensorData, TENSOR),
    (Unit, UNIT),
    (type(None), Option(CONSTANT)),
    (bool, BOOL),
    (Unsigned, U64),
    (int, I64),
    (Float32, F32),
    (float, F64),
    (str, STRING),
]


def vec_of(items: Sequence[Structure]) -> Structure:
    """Return the type of a list: that of its items, if they have one in common.

    >>> vec_of([I64, Option(CONSTANT)]), vec_of([I64, STRING])
    (Vec(Option(i64)), a list of different types)
    """
    common: Structure | None = items[0] if items else None
    for item in items[1:]:
        common = common and _unite(common, item)
        if common is None:
            return MIXED
    return Vec(common)


def _unite(one: Structure, other: Structure) -> Structure | None:
    """Return the type that both values may have; None if there is none."""
    if one == other:
        return one
    orders = (one, other), (other, one)
    for empty, some in orders:
        if empty in (CONSTANT, Option(CONSTANT)):  # the value None
            return some if isinstance(some, Option) else Option(some)
    for empty, some in orders:
        if isinstance(empty, Option):
            below = _unite(empty.some, some.some if isinstance(some, Option) else some)
            return below and Option(below)
        if empty == Vec(None) and isinstance(some, Vec):
            return some
    if isinstance(one, Vec) and isinstance(other, Vec) and one.item and other.item:
        item = _unite(one.item, other.item)
        return item and Vec(item)
    if isinstance(one, Struct) and isinstance(other, Struct):
        return _unite_fields(one, other)
    if isinstance(one, Tuple) and isinstance(other, Tuple):
        if len(one.items) == len(other.items):
            pairs = zip(one.items, other.items, strict=True)
            items = [both for a, b in pairs if (both := _unite(a, b)) is not None]
            return Tuple(*items) if len(items) == len(one.items) else None
    return None


def _unite_fields(one: Struct, other: Struct) -> Structure | None:
    if [name for name, _ in one.fields] != [name for name, _ in other.fields]:
        return None
    fields = {
        name: _unite(below, dict(other.fields)[name]) for name, below in one.fields
    }
    known = {name: below for name, below in fields.items() if below is not None}
    return Struct.of(known) if len(known) == len(fields) else None
