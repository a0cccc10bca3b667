"""A description as lines: what the file is, a tree of names, and what is unknown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from reprlib import Repr
from typing import TYPE_CHECKING, Any, NamedTuple

from d2lrec.inspection.tensor_info import TensorInfo
from d2lrec.inspection.view import Line, Piece, printable
from d2lrec.record import Float32, children

if TYPE_CHECKING:
    from d2lrec.inspection.description import Description

_INDENT = 4
# Values in one line, for a list of plain ones.
_SHORT = Repr()
_SHORT.maxlist, _SHORT.maxstring, _SHORT.maxother = 8, 60, 60


class _Row(NamedTuple):
    """A line of the tree: a name, and behind it a value or a tensor's cells."""

    depth: int
    name: str
    value: str = ""
    tensor: TensorInfo | None = None


def lines(found: Description, limit: int | None = None) -> list[Line]:
    """Return a description as lines, the tree cut after `limit` of them."""
    result = _head(found)
    rows = list(_rows(found.item)) if found.item != [] or not found.unknown else []
    shown = rows if limit is None else rows[:limit]
    result += [[], *_table(shown)] if shown else []
    if len(shown) < len(rows):
        left = f"… {len(rows) - len(shown):,} more lines: print it to see them all"
        result.append([Piece(left, "muted")])
    if found.unknown:
        result += [[], *([Piece(text, "note")] for text in found.unknown)]
    return result


def _head(found: Description) -> list[Line]:
    name = f"{printable(found.file)}: " if found.file is not None else ""
    size = f"{found.recorder}, {found.size:,} bytes"
    if found.recorder.endswith("GzFileRecorder"):
        size += f" ({found.decompressed:,} decompressed, in memory)"
    known = {key: printable(str(value)) for key, value in found.metadata.items()}
    types = ", ".join(f"{key} {known[key]}" for key in ("float", "int") if key in known)
    written = f"Burn {known.get('version', '?')}, {known.get('settings', '?')}"
    with_checksum = ", with a checksum" if found.checksum else ""
    return [
        [Piece(name + size, "title")],
        [Piece(f"{written} ({types}){with_checksum}")],
        [Piece(_totals(found))],
    ]


def _totals(found: Description) -> str:
    params = sum(tensor.id is not None for tensor in found.tensors)
    others = len(found.tensors) - params
    counts = []
    if params:
        what = f"{params:,} parameter{'s' * (params != 1)}"
        counts.append(f"{what} with {found.parameters:,} numbers")
    if others:
        counts.append(f"{others:,} plain tensor{'s' * (others != 1)}")
    if not counts:
        return "no tensors"
    return f"{', '.join(counts)}: {found.payload:,} bytes"


def _rows(item: Any, depth: int = 0) -> Iterator[_Row]:
    if depth == 0 and not _has_below(item):
        pairs: Any = [("item", item)]
    else:
        pairs = children(item)
    for key, value in pairs:
        name = printable(str(key))
        if isinstance(value, TensorInfo):
            yield _Row(depth, name, tensor=value)
        elif _has_below(value):
            yield _Row(depth, name)
            yield from _rows(value, depth + 1)
        else:
            count = f"  ({len(value):,})" if isinstance(value, list) and value else ""
            yield _Row(depth, name, printable(_SHORT.repr(_rounded(value))) + count)


def _has_below(value: Any) -> bool:
    """Whether a value takes lines of its own: a list of plain values does not."""
    if isinstance(value, list):
        return any(not isinstance(x, bool | int | float | str | None) for x in value)
    return isinstance(value, dict) and bool(value)


def _rounded(value: Any) -> Any:
    """Give 32-bit floats their few digits."""
    if isinstance(value, list):
        return [_rounded(x) for x in value[: _SHORT.maxlist + 1]]
    return float(f"{value:.8g}") if isinstance(value, Float32) else value


def _table(rows: list[_Row]) -> list[Line]:
    cells = [_cells(row.tensor) if row.tensor else [] for row in rows]
    widths = [0] * max(map(len, cells), default=0)
    for line in cells:
        for index, cell in enumerate(line):
            widths[index] = max(widths[index], len(cell))
    names = [" " * _INDENT * row.depth + row.name for row in rows]
    width = max(map(len, names))
    table: list[Line] = []
    for row, name, line in zip(rows, names, cells, strict=True):
        is_leaf = bool(row.value or line)
        role = "" if is_leaf else "name"
        pieces = [Piece(name.ljust(width + 2) if is_leaf else name, role)]
        pieces += [Piece(row.value)] if row.value else []
        for index, cell in enumerate(line):
            right = index == _BYTES  # a number: its digits under one another
            text = cell.rjust(widths[index]) if right else cell.ljust(widths[index])
            pieces.append(Piece(f"{text}  ", "muted" if index > _BYTES else ""))
        table.append(pieces)
    return table


_BYTES = 2  # the column with the size


def _cells(tensor: TensorInfo) -> list[str]:
    found = tensor.statistics
    cells = [tensor.dtype, str(list(tensor.shape)), f"{tensor.nbytes:,} B"]
    cells.append(f"id {printable(tensor.id)}" if tensor.id is not None else "")
    if found is None:
        return cells
    numbers = {
        name: getattr(found, name)
        for name in ("min", "max", "mean", "std")
        if getattr(found, name) is not None
    }
    counts = {name: getattr(found, name) for name in ("zeros", "nan", "inf")}
    cells += [f"{name} {_number(number)}" for name, number in numbers.items()]
    cells += [""] * (4 - len(numbers))
    cells.append(", ".join(f"{name} {n:,}" for name, n in counts.items() if n))
    return cells


def _number(value: float) -> str:
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.4g}"
