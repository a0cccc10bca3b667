"""Comparing two files tensor by tensor: which differ, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from d2lrec.cli.flat import Flat, flatten
from d2lrec.cli.names import is_tensor_file
from d2lrec.cli.progress import Bar
from d2lrec.errors import RecorderError
from d2lrec.inspection.arrays import Array, pieces
from d2lrec.inspection.opening import opened, structure_from
from d2lrec.inspection.tensor_info import plain
from d2lrec.inspection.view import printable
from d2lrec.paths import about
from d2lrec.record import Float32

_NEEDS_LIKE = (
    "bincode stores no names: --like package.module:Class, or --like with a structure "
    "file, says what is in it. See d2lrec diff --help"
)


@dataclass
class Difference:
    """What is not the same under one name.

    Attributes:
        name: The name, dots between its parts.
        kind: `values`, `shape`, `only in A`, `only in B`, or `value` if one of them is
            no tensor.
        a: What A has: dtype and shape, or the value; None if nothing.
        b: What B has.
        count: How many numbers differ.
        total: Of how many.
        largest: The largest difference of two numbers.
        mean: The mean of all differences, those of equal numbers too.
    """

    name: str
    kind: str
    a: str | None
    b: str | None
    count: int = 0
    total: int = 0
    largest: float = 0.0
    mean: float = 0.0

    def __str__(self) -> str:
        if self.kind.startswith("only"):
            return f"{self.kind}: {self.a or self.b}"
        if self.kind == "values":
            number = f"{self.largest:.6g}, {self.mean:.6g} on average"
            dtypes = self.a if self.a == self.b else f"{self.a} and {self.b}"
            of = f"{self.count:,} of {self.total:,} numbers differ"
            return f"{of}, by up to {number} ({dtypes})"
        return f"{self.a} in A, {self.b} in B"

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict for JSON."""
        found: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "a": self.a,
            "b": self.b,
        }
        if self.kind == "values":
            found |= {"count": self.count, "total": self.total}
            found |= plain({"largest": self.largest, "mean": self.mean})
        return found


@dataclass
class Comparison:
    """What two files have in common and what not.

    Attributes:
        same: How many tensors and other values are the same.
        differences: Those that are not, in the order of the files.
    """

    same: int = 0
    differences: list[Difference] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict for JSON."""
        found = [difference.to_dict() for difference in self.differences]
        return {"same": self.same, "different": len(found), "differences": found}


def compare(
    a: Path,
    b: Path,
    like: Any = None,
    tolerance: float = 0.0,
    bar: Bar | None = None,
) -> Comparison:
    """Compare the tensors and values of two files.

    Ids and metadata do not count, nor do constants, which are None in one release of
    Burn and missing in another. Empty lists and dicts count, and an enum's variant.
    (Rust's unit struct is an empty list in MessagePack and None in JSON.)

    Args:
        a: One file: a record, safetensors or torch's.
        b: The other.
        like: What bincode needs: see `describe`.
        tolerance: Up to which difference two numbers are the same.
        bar: Shows how far it is.

    Raises:
        RecorderError: One of them cannot be read, or its checksum is wrong.
    """
    result, bar = Comparison(), bar or Bar()
    with ExitStack() as stack:
        bar.read(a, b)
        one, other = (_read(path, like, stack) for path in (a, b))
        followed = bar.follow([one.tensors, other.tensors], "comparing")
        one, other = (
            flat._replace(tensors=tensors)
            for flat, tensors in zip((one, other), followed, strict=True)
        )
        names = dict.fromkeys((*one.tensors, *other.tensors))
        for name in names:
            _add(result, _tensor(name, one, other, tolerance))
        for name in dict.fromkeys((*one.values, *other.values)):
            if name not in names:
                _add(result, _value(name, one.values, other.values, tolerance))
    return result


def _add(result: Comparison, found: Difference | None) -> None:
    if found is None:
        result.same += 1
    else:
        result.differences.append(found)


def _read(path: Path, like: Any, stack: ExitStack) -> Flat:
    if is_tensor_file(path):
        from d2lrec.cli.tensor_files import described, read_tensors  # imports torch

        with about(path):
            return Flat(described(read_tensors(path).tensors), {}, {})
    structure = structure_from(like)
    file = stack.enter_context(opened(path, typed=structure is not None))
    if file.codec.typed and structure is None:
        raise RecorderError(_NEEDS_LIKE, file=path)
    tree = file.decode(structure)
    if file.has_checksum(tree):
        file.codec.check(file.source)
    return flatten(tree["item"])


def _tensor(name: str, a: Flat, b: Flat, tolerance: float) -> Difference | None:
    one, other = a.tensors.get(name), b.tensors.get(name)
    texts = _text(name, a), _text(name, b)
    if None in texts:
        return Difference(name, f"only in {'B' if texts[0] is None else 'A'}", *texts)
    if one is None or other is None:
        return Difference(name, "value", *texts)
    if one.shape != other.shape:
        return Difference(name, "shape", *texts)
    found = Difference(name, "values", *texts, total=math.prod(one.shape))
    total = 0.0
    for x, y in zip(pieces(one), pieces(other), strict=True):
        apart = _apart(x, y)
        found.count += int((apart > tolerance).sum())
        found.largest = max(found.largest, float(apart.max(initial=0.0)))
        total += float(apart.sum())
    found.mean = total / max(found.total, 1)
    return found if found.count else None


def _apart(x: Array, y: Array) -> Array:
    """Return how far numbers are apart: NaN is 0 from NaN, and infinitely from others.

    >>> _apart(np.array([1.0, np.nan, np.inf]), np.array([3.0, np.nan, 1.0]))
    array([ 2.,  0., inf])
    """
    with np.errstate(all="ignore"):
        apart: Array = np.abs(x.astype(np.float64) - y.astype(np.float64))
    apart[np.isnan(apart)] = np.inf
    apart[(x == y) | (np.isnan(x) & np.isnan(y))] = 0.0
    # Integers beyond 2**53 that differ by less than floats can tell.
    return np.where((x != y) & (apart == 0) & ~np.isnan(x), 1.0, apart)


def _value(
    name: str, a: dict[str, Any], b: dict[str, Any], tolerance: float
) -> Difference | None:
    one, other = (_shown(x[name]) if name in x else None for x in (a, b))
    if one is None or other is None:
        return Difference(name, f"only in {'B' if one is None else 'A'}", one, other)
    if one == other or _is_close(a[name], b[name], tolerance):
        return None
    if _have_a_constant_in_common(a[name], b[name]):
        return None
    return Difference(name, "value", one, other)


def _is_close(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two numbers are the same; JSON cannot tell 32-bit floats from others."""
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return False
    if Float32 in (type(one), type(other)):
        one, other = float(np.float32(one)), float(np.float32(other))
    return bool(one == other or abs(one - other) <= tolerance)


def _have_a_constant_in_common(one: Any, other: Any) -> bool:
    """Whether these are one struct of constants, in two releases, and no variants."""
    both = isinstance(one, Mapping) and isinstance(other, Mapping)
    return both and bool(one.keys() & other.keys())


def _text(name: str, flat: Flat) -> str | None:
    tensor = flat.tensors.get(name)
    if tensor is not None:
        return f"{tensor.dtype} {list(tensor.shape)}"
    return _shown(flat.values[name]) if name in flat.values else None


def _shown(value: Any) -> str:
    return repr(dict(value) if isinstance(value, Mapping) else value)


def report(found: Comparison, a: Path, b: Path) -> Iterator[str]:
    """Yield the lines that say what differs."""
    if found.differences:
        yield f"A: {printable(str(a))}"
        yield f"B: {printable(str(b))}"
        names = [printable(x.name) for x in found.differences]
        width = max(map(len, names))
        for name, difference in zip(names, found.differences, strict=True):
            yield f"{name:{width}}  {printable(str(difference))}"
    yield f"{found.same:,} the same, {len(found.differences):,} different"
