"""What differs between Burn releases, as data: the one here is Burn 0.21.0.

Dtypes carry the names that Burn prints: `F32`, `I64`, `Bool(Native)`. The order of
`dtypes` is that of Burn's enum `DType` (`crates/burn-std/src/tensor/dtype.rs`).
"""

from __future__ import annotations

from dataclasses import dataclass

# Bytes per element.
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
        dtypes: Names in the order of Burn's enum; a name with parentheses is a
            variant that holds another enum.
    """

    version: str
    dtypes: tuple[str, ...]


BURN_0_21 = Dialect("0.21.0", tuple(ITEM_SIZES))


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
