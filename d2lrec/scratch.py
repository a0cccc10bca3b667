"""Memory that conversions share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class Scratch:
    """Room for one tensor at a time, used again and again.

    The system hands out new memory page by page, which takes longer than a conversion.

    >>> scratch = Scratch()
    >>> scratch.tensor([2, 3], torch.float32).shape
    torch.Size([2, 3])
    """

    def __init__(self) -> None:
        self._memory = torch.empty(0, dtype=torch.uint8)

    def tensor(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return a tensor of any numbers, valid until the next one is asked for."""
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes > len(self._memory):
            self._memory = torch.empty(0, dtype=torch.uint8)  # first let go of the old
            self._memory = torch.empty(nbytes, dtype=torch.uint8)
        return self._memory[:nbytes].view(dtype).view(shape)
