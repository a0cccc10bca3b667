"""PyTorch tensors and the bytes that stand for them in a file.

A file has every tensor row-major, little-endian and in the dtype that the settings
name. A tensor that is so already is written from its own memory; any other passes
through one buffer of 1 MiB, or of 32 rows. Loading reads into the tensor's memory.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from d2lrec.errors import Path, PrecisionWarning, RecorderError, Unrecordable, join
from d2lrec.payload import Buffer
from d2lrec.scratch import Scratch

# A tensor is converted in pieces of at most this many bytes, or of 32 rows.
PIECE = 1 << 20

# Burn's name -> torch's dtype. Flex32 is stored as 32-bit floats.
TORCH_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "Flex32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "Bool(Native)": torch.bool,
    "Bool(U8)": torch.uint8,
    "Bool(U32)": torch.int32,
}
BURN_DTYPES = {
    dtype: name
    for name, dtype in TORCH_DTYPES.items()
    if name != "Flex32" and name not in ("Bool(U8)", "Bool(U32)")
}


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is what a file has: one value for each of its indices."""
    if tensor.layout is not torch.strided or tensor.is_nested:
        return False
    return not tensor.is_quantized


def usable(device: torch.device | str | None) -> torch.device | None:
    """Return a device, or None for None.

    Raises:
        RecorderError: There is no such device here.
    """
    if device is None:
        return None
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, RuntimeError) as error:
        reason, _, _ = str(error).partition("\n")
        what = f"the device {device} cannot be used: {reason}"
        raise RecorderError(f"{what} Nothing was loaded.") from None


def integer_misfit(tensor: Tensor, dtype: torch.dtype) -> int | None:
    """Return an integer of `tensor` that `dtype` cannot hold, or None.

    >>> integer_misfit(torch.tensor([1, 2**31]), torch.int32)
    2147483648
    """
    if tensor.dtype.is_floating_point or tensor.dtype == dtype or not tensor.numel():
        return None
    if torch.bool in (tensor.dtype, dtype) or dtype.is_floating_point:
        return None
    limits, own = torch.iinfo(dtype), torch.iinfo(tensor.dtype)
    if limits.min <= own.min and own.max <= limits.max:
        return None
    wide = tensor.to(torch.int64)
    lowest, highest = (int(value) for value in torch.aminmax(wide))
    if tensor.dtype == torch.uint64 and lowest < 0:  # beyond 2**63: wrapped around
        return lowest + 2**64
    if lowest < limits.min:
        return lowest
    return highest if highest > limits.max else None


def memory_of(tensor: Tensor) -> memoryview:
    """Return the bytes of a contiguous CPU tensor, shared with it.

    Raises:
        Unrecordable: It has no memory of its own: it stands for another, as inside
            `torch.func.vmap`, or is none but in name.
    """
    if not tensor.numel():  # its strides may be anything
        return memoryview(bytearray())
    if tensor.dtype == torch.bfloat16:  # of which numpy knows nothing
        tensor = tensor.view(torch.int16)
    try:
        return tensor.detach().numpy().data.cast("B")
    except RuntimeError as error:
        reason = str(error).rstrip(".")
        what = f"this {type(tensor).__name__} has no memory to read: {reason}."
        raise Unrecordable(f"{what} Take a plain tensor of its numbers.") from None


@dataclass(slots=True, eq=False)
class TensorPayload:
    """The bytes of a tensor in the dtype of the file."""

    tensor: Tensor
    dtype: torch.dtype
    scratch: Scratch | None = None  # what it shares with others
    path: Path = ()  # its place in the tree, for warnings
    known: bytes | None = None  # those of a small one, once they were fetched

    @property
    def nbytes(self) -> int:
        """How many bytes there are in the file."""
        return self.tensor.numel() * self.dtype.itemsize

    def chunks(self) -> Iterable[Buffer]:
        """Return the tensor's own memory, or converted pieces in shared memory.

        Warns:
            PrecisionWarning: Numbers became infinity or zero on the way.
        """
        if self.known is not None:
            return (self.known,)
        tensor = self.tensor.detach()
        plain = tensor.is_contiguous() and tensor.dtype == self.dtype
        if plain and tensor.is_cpu and not tensor.is_neg():
            return (memory_of(tensor),)
        return self._converted(tensor)

    def _converted(self, tensor: Tensor) -> Iterator[Buffer]:
        scratch = self.scratch or Scratch()
        lost = (0, 0)
        for piece in pieces(tensor, PIECE // self.dtype.itemsize):
            part = scratch.tensor(piece.shape, self.dtype)
            new = convert(piece, part)
            lost = (lost[0] + new[0], lost[1] + new[1])
            yield memory_of(part)
        warn_of_loss(*lost, self.tensor.numel(), self.dtype, self.path)

    def read_into(self, memory: memoryview) -> None:
        """Fill `memory` with the bytes."""
        start = 0
        for chunk in self.chunks():
            memory[start : start + len(chunk)] = chunk
            start += len(chunk)


def warn_of_loss(
    overflows: int, underflows: int, count: int, dtype: torch.dtype, path: Path
) -> None:
    """Warn that numbers of a tensor became infinity or zero, if some did."""
    counts = []
    if overflows:
        counts.append(f"{overflows} became infinity")
    if underflows:
        counts.append(f"{underflows} became zero")
    if counts:
        where = f"{join(path)}: " if path else ""
        what = f"{where}of {count} numbers {' and '.join(counts)} in {dtype}."
        warnings.warn(what, PrecisionWarning, stacklevel=3)


def convert(source: Tensor, target: Tensor) -> tuple[int, int]:
    """Copy numbers into a tensor of another dtype, rounding once, to nearest even.

    Returns:
        How many finite numbers became infinity, and how many others zero.

    >>> convert(torch.tensor([1e6, 0.1, 1e-9]), torch.empty(3, dtype=torch.float16))
    (1, 1)
    """
    if (
        source.dtype == torch.float64
        and target.dtype == torch.float16
        and source.is_cpu
        and target.is_cpu
    ):
        with np.errstate(over="ignore"):  # torch would round to 32 bits in between
            numbers = source.detach().resolve_neg().numpy()
            np.copyto(target.detach().numpy(), numbers, casting="same_kind")
    elif target.dim() == 2 and target.stride(0) == 1:
        # torch transposes well where it writes in order, not where it reads in order.
        target.t().copy_(source.t())
    else:
        target.copy_(source)
    if not (source.dtype.is_floating_point and target.dtype.is_floating_point):
        return 0, 0
    if torch.finfo(source.dtype).max <= torch.finfo(target.dtype).max:
        return 0, 0
    source = source.to(target.device)
    overflows = torch.count_nonzero(target.isinf() & ~source.isinf())
    underflows = torch.count_nonzero((target == 0) & (source != 0))
    return int(overflows), int(underflows)


def pieces(tensor: Tensor, limit: int) -> Iterator[Tensor]:
    """Cut a tensor along its first dimensions into pieces of at most `limit`.

    Of one that lies transposed 32 rows are always together: fewer would use a small
    part of each stretch of memory that the processor fetches, and fetch it again.
    """
    if tensor.dim() == 2 and tensor.stride(0) == 1 < tensor.stride(1):
        limit = max(limit, 32 * tensor.shape[1])
    if tensor.numel() <= limit:
        yield tensor
        return
    row = math.prod(tensor.shape[1:])
    if row > limit:
        for part in tensor:
            yield from pieces(part, limit)
    else:
        yield from torch.split(tensor, limit // row)
