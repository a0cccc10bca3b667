"""Giving a tree from a text format what its structure knows and the text does not.

MessagePack and JSON store names and no types: a field may stand elsewhere or be
missing, a constant has no value, and JSON has one kind of float. A structure says
which fields there are, in which order, and what their numbers are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from d2lrec.errors import CorruptRecord, Path
from d2lrec.record import (
    SOME,
    Float32,
    Param,
    Record,
    RecordList,
    RecordTuple,
    TensorData,
    is_nothing,
)
from d2lrec.structure import (
    BOOL,
    CONSTANT,
    F32,
    PARAM,
    STRING,
    TENSOR,
    Enum,
    Leaf,
    Map,
    Option,
    Struct,
    Structure,
    Tuple,
    Vec,
)

# From here on a 64-bit float is rounded to no 32-bit one.
F32_MAX = 3.4028235677973366e38


def conform(tree: Any, structure: Structure, path: Path = ()) -> Any:
    """Return a tree in the form that a structure says.

    Args:
        tree: What a codec decoded, or is to encode.
        structure: What is expected.
        path: The tree's place, for errors.

    Returns:
        The tree with the structure's fields first, in its order; fields that it does
        not have stay behind them, as Burn passes over them.

    Raises:
        CorruptRecord: Something else is there, or a field is missing.

    >>> from d2lrec.structure import U64
    >>> conform({"b": 2, "a": 1}, Struct(a=U64, b=U64, c=CONSTANT))
    a  1
    b  2
    c  None
    """
    if isinstance(structure, Leaf):
        return _leaf(tree, structure, path)
    if isinstance(structure, Option):
        is_done = tree is None or tree is SOME
        return tree if is_done else conform(tree, structure.some, path)
    if isinstance(structure, Vec | Tuple):
        return _items(tree, structure, path)
    if not isinstance(tree, Mapping):
        raise _other(tree, structure, path)
    if isinstance(structure, Struct):
        types = dict(structure.fields)
        _check_fields(tree, types, path)
        keys = [*types, *(key for key in tree if key not in types)]
    else:
        types = dict(structure.variants) if isinstance(structure, Enum) else {}
        keys = list(tree)
        if isinstance(structure, Enum) and (len(keys) != 1 or keys[0] not in types):
            what = f"{', '.join(keys) or 'nothing'} found, one of the variants"
            raise CorruptRecord(f"{what} {', '.join(types)} expected.", path=path)
    record = Record()
    for key in keys:
        expected = structure.value if isinstance(structure, Map) else types.get(key)
        value = tree.get(key)
        if expected is not None:
            value = conform(value, expected, (*path, key))
        record[key] = value
    record.structure = structure
    return record


def _leaf(tree: Any, kind: Leaf, path: Path) -> Any:
    if kind == CONSTANT:  # a value that nobody expects is better kept than lost
        return None if is_nothing(tree) else tree
    fits = {
        PARAM: isinstance(tree, Param),
        TENSOR: isinstance(tree, TensorData),
        BOOL: isinstance(tree, bool),
        STRING: isinstance(tree, str),
    }
    if not fits.get(kind, True):
        raise _other(tree, kind, path)
    if kind.bits and (isinstance(tree, bool) or not isinstance(tree, int | float)):
        raise _other(tree, kind, path)
    return _number(tree, kind, path) if kind.bits else tree


def _number(number: Any, kind: Leaf, path: Path) -> Any:
    if kind.name[0] == "f":
        if kind == F32 and F32_MAX <= abs(number) < math.inf:
            raise CorruptRecord(f"{number} does not fit {kind}.", path=path)
        return Float32(number) if kind == F32 else float(number)
    if not isinstance(number, int):
        raise _other(number, kind, path)
    lowest = -(1 << kind.bits - 1) if kind.name[0] == "i" else 0
    if not 0 <= number - lowest < 1 << kind.bits:
        raise CorruptRecord(f"{number} does not fit {kind}.", path=path)
    return number


def _items(tree: Any, structure: Vec | Tuple, path: Path) -> Any:
    if not isinstance(tree, list | tuple):
        raise _other(tree, structure, path)
    types: tuple[Structure | None, ...] = (None,) * len(tree)
    if isinstance(structure, Tuple):
        types = structure.items
        if len(types) != len(tree):
            what = f"{len(tree)} items found, {len(types)} expected."
            raise CorruptRecord(what, path=path)
    elif structure.item is not None:
        types = (structure.item,) * len(tree)
    kind = RecordTuple if isinstance(structure, Tuple) else RecordList
    items = kind(
        item if below is None else conform(item, below, (*path, index))
        for index, (item, below) in enumerate(zip(tree, types, strict=True))
    )
    items.structure = structure
    return items


def _check_fields(
    tree: Mapping[str, Any], types: Mapping[str, Any], path: Path
) -> None:
    missing = [
        name
        for name, kind in types.items()
        if name not in tree and kind != CONSTANT and not isinstance(kind, Option)
    ]
    if missing:
        what = f"no {', '.join(missing)} found, {', '.join(types)} expected."
        raise CorruptRecord(f"{what} Is this the right like=?", path=path)


def _other(tree: Any, structure: Structure, path: Path) -> CorruptRecord:
    what = f"a {type(tree).__name__} found, {structure!r} expected."
    return CorruptRecord(f"{what} Is this the right like=?", path=path)
