"""Choosing and renaming parameters by their paths, as burn-store does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from d2lrec.errors import RecorderError, RecordMismatch, join
from d2lrec.record import Param, TensorData
from d2lrec.stored import StoredTensor

# The leaves of a record that a module's parameters may be loaded from.
TENSORS = (Param, TensorData, StoredTensor, Tensor)

Pattern = str | re.Pattern[str]
Selection = Pattern | Iterable[Pattern] | Callable[[str], bool]
Renaming = Mapping[str, str] | Callable[[str], str]


def selection(only: Selection | None) -> Callable[[str], bool]:
    """Return a function that says whether a path is chosen.

    >>> chosen = selection([r"^hidden", r"bias$"])
    >>> chosen("hidden.weight"), chosen("output.weight"), chosen("output.bias")
    (True, False, True)
    """
    if only is None:
        return lambda path: True
    if callable(only):
        return only
    texts = [only] if isinstance(only, str | re.Pattern) else only
    if not isinstance(texts, Iterable):
        what = f"only={only!r}: a regular expression, several, or a function expected."
        raise RecorderError(what)
    patterns = [_compiled(text) for text in texts]
    return lambda path: any(pattern.search(path) for pattern in patterns)


def renamed(
    leaves: dict[tuple[str, ...], Any], rename: Renaming | None
) -> dict[tuple[str, ...], Any]:
    """Return the leaves of a record under other paths.

    Args:
        leaves: The leaves by their paths.
        rename: Regular expressions and their replacements, or a function.

    Raises:
        RecordMismatch: Two paths would become one.

    >>> renamed({("fc1", "weight"): 1}, {r"^fc1": "hidden"})
    {('hidden', 'weight'): 1}
    """
    if rename is None:
        return leaves
    if not callable(rename) and not isinstance(rename, Mapping):
        what = f"rename={rename!r}: a mapping or a function expected."
        raise RecorderError(what)
    result: dict[tuple[str, ...], Any] = {}
    origin: dict[str, str] = {}
    for path, leaf in leaves.items():
        old = join(path)
        new = rename(old) if callable(rename) else _replaced(old, rename)
        if not isinstance(new, str):
            raise RecorderError(f"rename= makes {new!r} of {old}: a path expected.")
        if new in origin:
            what = f"{origin[new]} and {old} would both become {new}"
            raise RecordMismatch("rename= makes two paths one:", [what])
        origin[new] = old
        result[tuple(new.split("."))] = leaf
    return result


def nested(leaves: dict[tuple[str, ...], Any]) -> Any:
    """Return a tree of dicts with these leaves.

    Args:
        leaves: The leaves by their paths, as `renamed` returns them.

    A number or None gives way to what is below it: layers move to where others were.

    Raises:
        RecordMismatch: Below one tensor there would be another.

    >>> nested({("hidden", "weight"): 1, ("hidden", "bias"): 2})
    {'hidden': {'weight': 1, 'bias': 2}}
    """
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        node = tree
        for depth, name in enumerate(path[:-1], 1):
            if isinstance(leaves.get(path[:depth]), TENSORS):
                what = f"{join(path[:depth])} and {join(path)}, which would be below it"
                raise RecordMismatch("rename= makes a struct of a tensor:", [what])
            if not isinstance(node.get(name), dict):
                node[name] = {}
            node = node[name]
        if not isinstance(node.get(path[-1]), dict):
            node[path[-1]] = leaf
    return tree


def _replaced(path: str, rename: Mapping[str, str]) -> str:
    for pattern, replacement in rename.items():
        try:
            path = _compiled(pattern).sub(replacement, path)
        except (re.error, IndexError, TypeError) as error:
            what = f"the replacement {replacement!r} for {pattern!r} is none: {error}."
            raise RecorderError(what) from None
    return path


def _compiled(pattern: Pattern) -> re.Pattern[str]:
    try:
        re.compile(pattern).search("")  # which one of bytes refuses
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        what = f"{pattern!r} is no regular expression: {error}."
        raise RecorderError(what) from None
