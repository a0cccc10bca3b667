"""What differs between Burn releases, as data: the one here is Burn 0.21.0.

Dtypes carry the names that Burn prints: `F32`, `I64`, `Bool(Native)`. Their order is
that of Burn's enum `DType` (`crates/burn-std/src/tensor/dtype.rs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Bytes per element, in the order of the enum.
ITEM_SIZES = {
    "F64": 8,
    "F32": 4,
    "Flex32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U64": 8,
    "U32": 4,
    "U16": 2,
    "U8": 1,
    "Bool(Native)": 1,
    "Bool(U8)": 1,
    "Bool(U32)": 4,
}


@dataclass(frozen=True)
class Dialect:
    """One Burn release.

    Attributes:
        version: What the files' metadata say.
        dtypes: The dtypes by Burn's names, each with its place in Burn's enum and,
            where the variant holds another enum, the place in that.
    """

    version: str
    dtypes: Mapping[str, tuple[int, ...]]


_PLAIN = [name for name in ITEM_SIZES if "(" not in name]
_BOOLS = ("Bool(Native)", "Bool(U8)", "Bool(U32)")

BURN_0_21 = Dialect(
    version="0.21.0",
    dtypes={
        **{name: (index,) for index, name in enumerate(_PLAIN)},
        **{name: (len(_PLAIN), store) for store, name in enumerate(_BOOLS)},
    },
)


def dtype_to_wire(name: str) -> str | dict[str, str]:
    """Give a dtype the form that the text formats store.

    >>> dtype_to_wire("F32"), dtype_to_wire("Bool(Native)")
    ('F32', {'Bool': 'Native'})
    """
    outer, _, inner = name.rstrip(")").partition("(")
    return {outer: inner} if inner else outer


def dtype_from_wire(stored: object) -> str | None:
    """Return the dtype's name, or None if it is not a dtype of this library.

    Burn up to 0.20 stored a plain `"Bool"`; it is read as well.

    >>> dtype_from_wire({"Bool": "Native"}), dtype_from_wire("F33")
    ('Bool(Native)', None)
    """
    name = stored
    if isinstance(stored, dict) and len(stored) == 1:
        outer, inner = next(iter(stored.items()))
        name = f"{outer}({inner})"
    elif stored == "Bool":
        name = "Bool(Native)"
    return name if isinstance(name, str) and name in ITEM_SIZES else None
