"""Tensors of a file that have not been read yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from d2lrec.errors import CorruptRecord, Path, Unrecordable
from d2lrec.payload import Memory, Span
from d2lrec.precision import Settings
from d2lrec.record import TensorData
from d2lrec.scratch import Scratch
from d2lrec.tensors import (
    PIECE,
    TORCH_DTYPES,
    convert,
    integer_misfit,
    memory_of,
    pieces,
    warn_of_loss,
)


@dataclass(frozen=True, eq=False)
class Unread:
    """The record of a file none of whose tensors has been read.

    Attributes:
        tree: What a decoder returned.
        settings: The recorder's settings; they give the dtypes to load in.
    """

    tree: Any
    settings: Settings


def exact_dtypes(settings: Settings) -> dict[str, torch.dtype]:
    """Return the dtypes whose bytes in a file are the tensor's, by Burn's names.

    Not those that settings convert, nor booleans and integers, which are checked.

    >>> from d2lrec import FullPrecisionSettings
    >>> exact_dtypes(FullPrecisionSettings)
    {'F32': torch.float32, 'Flex32': torch.float32}
    """
    loaded = {name: TORCH_DTYPES[own] for name, own in settings.stored.items()}
    return {
        name: dtype
        for name, dtype in loaded.items()
        if dtype.is_floating_point and dtype is TORCH_DTYPES[name]
    }


class StoredTensor:
    """A tensor of a file that has not been read: its shape, its dtype, its place.

    Attributes:
        data: What the file says of it.
        settings: The recorder's settings; they give the dtype it is loaded in.
        path: Its place in the tree, for errors.
        shape: Its sizes.
        dtype: The dtype that loading gives.
    """

    __slots__ = ("data", "dtype", "path", "settings", "shape")
    is_meta = False

    def __init__(self, data: TensorData, settings: Settings, path: Path) -> None:
        self.data = data
        self.settings = settings
        self.path = path
        self.shape = data.shape
        self.dtype = TORCH_DTYPES[settings.stored[data.dtype]]

    def load(
        self, device: torch.device | str | None = None, *, mapped: bool = False
    ) -> Tensor:
        """Read it into a new tensor, in the settings' dtype.

        Args:
            device: Where it is to be; for the meta device nothing is read.
            mapped: Share the memory that its bytes lie in, if they are in memory and
                need no conversion.

        Raises:
            CorruptRecord: A boolean that is neither 0 nor 1, or a file that was cut
                short meanwhile.
            Unrecordable: An integer that the settings cannot hold.

        Warns:
            PrecisionWarning: Numbers became infinity or zero in the settings' dtype.
        """
        if device is not None and torch.device(device).type == "meta":
            return torch.empty(self.shape, dtype=self.dtype, device=device)
        view = self._mapped() if mapped else None
        if view is not None:
            return view if device is None else view.to(device)
        stored = torch.empty(self.shape, dtype=TORCH_DTYPES[self.data.dtype])
        self.data.bytes.read_into(memory_of(stored))
        tensor, lost = self._checked(stored)
        warn_of_loss(*lost, tensor.numel(), self.dtype, self.path)
        return tensor.to(device=device)

    def copy_into(self, target: Tensor, scratch: Scratch) -> tuple[int, int]:
        """Read it into an existing tensor of the same shape, piece by piece.

        Args:
            target: In any layout and of any dtype.
            scratch: Memory for the pieces on their way.

        Returns:
            How many numbers became infinity and how many zero.
        """
        dtype = TORCH_DTYPES[self.data.dtype]
        span = cast(Span, self.data.bytes)  # as it comes from a decoder
        start = overflows = underflows = 0
        for part in pieces(target.detach(), PIECE // dtype.itemsize):
            stored = scratch.tensor(part.shape, dtype)
            memory = memory_of(stored)
            span.part(start, len(memory)).read_into(memory)
            start += len(memory)
            tensor, lost = self._checked(stored)
            more = convert(tensor, part)
            overflows += lost[0] + more[0]
            underflows += lost[1] + more[1]
        return overflows, underflows

    def _checked(self, stored: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return numbers in the settings' dtype, and how many became inf and zero."""
        if self.data.dtype.startswith("Bool"):
            self._check_booleans(stored)
        misfit = integer_misfit(stored, self.dtype)
        if misfit is not None:
            what = f"the integer {misfit} does not fit {self.dtype},"
            what += f" in which {self.settings} load integers."
            raise Unrecordable(what, path=self.path)
        if not stored.is_floating_point() or stored.dtype == self.dtype:
            return stored.to(self.dtype), (0, 0)
        tensor = torch.empty(stored.shape, dtype=self.dtype)
        return tensor, convert(stored, tensor)

    def _mapped(self) -> Tensor | None:
        """Return a view of the bytes where they lie; None if that cannot be.

        What is to be converted or checked cannot.
        """
        span = self.data.bytes
        dtype = TORCH_DTYPES[self.data.dtype]
        if not isinstance(span, Span) or not isinstance(span.source, Memory):
            return None
        if dtype != self.dtype or dtype == torch.bool or not span.nbytes:
            return None
        count = span.nbytes // dtype.itemsize
        memory = memoryview(span.source.data)
        flat = torch.frombuffer(memory, dtype=dtype, count=count, offset=span.offset)
        return flat if len(self.shape) == 1 else flat.view(self.shape)

    @property
    def plain(self) -> bool:
        """Whether every pattern of bits is a value: so for floats, not for booleans."""
        return self.dtype.is_floating_point

    def _check_booleans(self, stored: Tensor) -> None:
        codes = stored.view(torch.uint8) if stored.dtype == torch.bool else stored
        wrong = codes[(codes != 0) & (codes != 1)]
        if wrong.numel():
            what = f"a boolean is stored as {int(wrong[0])}: 0 or 1 expected."
            offset = getattr(self.data.bytes, "offset", None)
            raise CorruptRecord(what, path=self.path, offset=offset)
