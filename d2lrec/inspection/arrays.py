"""The numbers of a stored tensor as numpy arrays, in pieces; and statistics of them.

For those who look at a file and have no use for torch, which takes ten times as long
to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d2lrec.payload import Buffer
from d2lrec.record import TensorData

Array = NDArray[Any]

# Burn's name -> numpy's. Booleans are read as the integers that the file has.
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "Flex32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # of which numpy knows nothing
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "Bool(Native)": "|u1",
    "Bool(U8)": "|u1",
    "Bool(U32)": "<u4",
}
# Elements per piece: whatever the dtype, a chunk of a payload has a whole number.
_PIECE = 1 << 20


def array(data: Buffer, dtype: str) -> Array:
    """Return the numbers that bytes stand for; BF16 as 32-bit floats.

    >>> array(bytes([0, 0, 128, 63]), "F32"), array(bytes([128, 63]), "BF16")
    (array([1.], dtype=float32), array([1.], dtype=float32))
    """
    numbers = np.frombuffer(data, _DTYPES[dtype])
    if dtype == "BF16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers


def pieces(tensor: TensorData) -> Iterator[Array]:
    """Yield the numbers of a tensor in order, a million at a time."""
    for chunk in tensor.bytes.chunks():
        numbers = array(chunk, tensor.dtype)
        for start in range(0, len(numbers), _PIECE):
            yield numbers[start : start + _PIECE]


@dataclass
class Statistics:
    """What a tensor's numbers are like.

    Attributes:
        min: The smallest number, NaN aside; None if there is none.
        max: The largest.
        mean: The mean of the finite numbers.
        std: Their standard deviation, divided by their count and not by one less.
        zeros: How many are zero.
        nan: How many are no number.
        inf: How many are infinite.
    """

    min: float | int | None = None
    max: float | int | None = None
    mean: float | None = None
    std: float | None = None
    zeros: int = 0
    nan: int = 0
    inf: int = 0

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the numbers by their names."""
        return asdict(self)


def statistics(tensor: TensorData) -> Statistics:
    """Read a tensor, in pieces, and return what its numbers are like.

    >>> from d2lrec.payload import Memory, Span
    >>> source = Memory(np.array([3.0, 1.0, np.nan, 2.0], "<f4").tobytes())
    >>> found = statistics(TensorData(Span(source, 0, 16), (4,), "F32"))
    >>> found.min, found.max, found.mean, found.nan
    (1.0, 3.0, 2.0, 1)
    """
    found = Statistics()
    count, mean, squares = 0, 0.0, 0.0
    with np.errstate(all="ignore"):  # an overflow shows in the result
        for piece in pieces(tensor):
            _extremes(found, piece)
            finite = piece[np.isfinite(piece)].astype(np.float64)
            if not len(finite):
                continue
            # Two parts' means and squared deviations, joined (Chan et al. 1979).
            own = float(finite.mean())
            total = count + len(finite)
            squares += float(((finite - own) ** 2).sum())
            squares += (own - mean) ** 2 * count * len(finite) / total
            mean += (own - mean) * len(finite) / total
            count = total
    if count:
        found.mean, found.std = mean, float(np.sqrt(squares / count))
    return found


def _extremes(found: Statistics, piece: Array) -> None:
    """Add a piece's counts, its smallest and its largest number."""
    is_nan = np.isnan(piece)
    found.nan += int(is_nan.sum())
    found.inf += int(np.isinf(piece).sum())
    found.zeros += int((piece == 0).sum())
    known = piece[~is_nan]
    if len(known):
        low, high = known.min().item(), known.max().item()
        found.min = low if found.min is None else min(found.min, low)
        found.max = high if found.max is None else max(found.max, high)
