"""`__record_fields__`: what a class of the user's own says that its record has.

    __record_fields__ = ("hidden", "classes", "output")
    __record_fields__ = {"fc": ("linear", None), "pool": ("pool", Option(CONSTANT))}

The names in the order of the Rust struct; or a mapping from each to a pair: PyTorch's
name, or None for what PyTorch lacks, and the type, or None for that of what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from d2lrec.errors import Path, Unrecordable
from d2lrec.structure import Structure, check_structure

FIELDS = "__record_fields__"

# Burn's name -> PyTorch's (or None), and the type.
Written = dict[str, tuple[Any, Structure | None]]


def written_fields(module: nn.Module, path: Path) -> Written | None:
    """Return what a module's `__record_fields__` says; None if it has none.

    Args:
        module: A module of the user's own.
        path: Its place, for errors.

    Raises:
        Unrecordable: What is written there is no list of fields.

    >>> class Net(nn.Module):
    ...     __record_fields__ = ("classes",)
    >>> written_fields(Net(), ())
    {'classes': ('classes', None)}
    """
    named = getattr(module, FIELDS, None)
    if named is None:
        return None
    if isinstance(named, str) or not isinstance(named, Iterable):
        what = f"{FIELDS} is {named!r}, names in the order of Burn's struct expected."
        raise Unrecordable(f'{what} Write it as a tuple: ("fc", "classes").', path=path)
    written = {}
    for name in named:
        value = named[name] if isinstance(named, Mapping) else None
        written[name] = _field(name, value, path)
    return written


def _field(name: Any, value: Any, path: Path) -> tuple[Any, Structure | None]:
    if not isinstance(name, str):
        what = f"{FIELDS} names {name!r}, a string expected."
        raise Unrecordable(f"{what} Use the field's name in Rust.", path=path)
    if value is None:
        return name, None
    is_pair = isinstance(value, tuple) and len(value) == 2
    if not is_pair or not isinstance(value[0], str | None):
        what = f"{FIELDS} has {value!r} for {name}, PyTorch's name and a type expected,"
        advice = f'either of which may be None. Write ("{name}", None).'
        raise Unrecordable(f"{what} {advice}", path=path)
    attribute, kind = value
    if kind is not None:
        check_structure(kind, (*path, name))
    return attribute, kind
