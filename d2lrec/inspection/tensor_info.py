"""What is known of a tensor without its numbers, and a tree of such as JSON has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d2lrec.record import Unit

if TYPE_CHECKING:
    from d2lrec.inspection.arrays import Statistics


@dataclass
class TensorInfo:
    """One tensor of a file.

    Attributes:
        path: Its names and indices joined by dots; its number where bincode has none.
        id: A parameter's id; None for a plain tensor.
        dtype: Burn's name of what is stored, such as `F32`.
        shape: Its sizes, in Burn's layout.
        nbytes: How many bytes its numbers have.
        offset: Where they begin, after decompression; None in JSON.
        statistics: What the numbers are like, if that was asked for.
    """

    path: str
    id: str | None
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    offset: int | None
    statistics: Statistics | None = None

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict for JSON, without the path."""
        known: dict[str, Any] = {"id": self.id} if self.id is not None else {}
        known |= {"dtype": self.dtype, "shape": list(self.shape)}
        known |= {"bytes": self.nbytes, "offset": self.offset}
        if self.statistics is not None:
            known["statistics"] = plain(self.statistics.to_dict())
        return known


def plain(value: Any) -> Any:
    """Return a tree as what JSON has; NaN and infinities as strings.

    >>> plain({"rates": [0.5, math.inf]})
    {'rates': [0.5, 'inf']}
    """
    if isinstance(value, TensorInfo):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {key: plain(x) for key, x in value.items()}
    if isinstance(value, list):
        return [plain(x) for x in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return None if isinstance(value, Unit) else value
