"""Trees of stored tensors in other precisions, one tensor in memory at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from d2lrec.cli.flat import over_tensors
from d2lrec.dialect import ITEM_SIZES
from d2lrec.errors import Path
from d2lrec.payload import Buffer, Payload
from d2lrec.precision import (
    DoublePrecisionSettings,
    FullPrecisionSettings,
    HalfPrecisionSettings,
    Settings,
)
from d2lrec.record import TensorData
from d2lrec.stored import StoredTensor
from d2lrec.tensors import TORCH_DTYPES, memory_of
from d2lrec.wrapping import Wrapper

SETTINGS = {
    "half": HalfPrecisionSettings,
    "full": FullPrecisionSettings,
    "double": DoublePrecisionSettings,
}
# How fine a float is; a coarser one cannot hold all of its numbers.
_FINENESS = {"F64": 3, "F32": 2, "Flex32": 2, "BF16": 1, "F16": 0}


def settings_of(metadata: Any) -> Settings:
    """Return the settings that a file's metadata name; full ones if none."""
    name = metadata.get("settings") if isinstance(metadata, Mapping) else None
    known = {settings.name: settings for settings in SETTINGS.values()}
    return known.get(str(name), FullPrecisionSettings)


def to_tensor(data: TensorData) -> Tensor:
    """Read a stored tensor in its own dtype."""
    if data.dtype.startswith("Bool"):  # any byte but 0 and 1 is refused
        return StoredTensor(data, FullPrecisionSettings, ()).load()
    tensor = torch.empty(data.shape, dtype=TORCH_DTYPES[data.dtype])
    data.bytes.read_into(memory_of(tensor))
    return tensor


@dataclass(slots=True, eq=False)
class _Cast:
    """The bytes of a stored tensor in another dtype."""

    data: TensorData
    settings: Settings
    path: Path
    nbytes: int

    def chunks(self) -> Iterator[Buffer]:
        """Yield the converted bytes."""
        yield from self._converted().chunks()

    def read_into(self, memory: memoryview) -> None:
        """Fill `memory` with the converted bytes."""
        self._converted().read_into(memory)

    def _converted(self) -> Payload:
        return Wrapper(self.settings).wrap(to_tensor(self.data), self.path).bytes


def cast(tree: Any, settings: Settings) -> Any:
    """Give the tensors of a tree the dtypes that settings store.

    A tensor that has its dtype already keeps its bytes where they are.
    """

    def change(tensor: TensorData, path: Path) -> TensorData:
        """Give one tensor its dtype."""
        dtype = settings.stored[tensor.dtype]
        if dtype == tensor.dtype:
            return tensor
        count = math.prod(tensor.shape) * ITEM_SIZES[dtype]
        return TensorData(_Cast(tensor, settings, path, count), tensor.shape, dtype)

    return over_tensors(tree, change)


def roundings(tensors: Mapping[str, TensorData], settings: Settings) -> list[str]:
    """Say which precisions would be lost, a line for each pair of dtypes."""
    counts: dict[tuple[str, str], int] = {}
    for tensor in tensors.values():
        old, new = tensor.dtype, settings.stored[tensor.dtype]
        if _FINENESS.get(old, 0) > _FINENESS.get(new, 0):
            counts[old, new] = counts.get((old, new), 0) + 1
    return [
        f"{count:,} tensor{'s' * (count > 1)} rounded from {old} to {new} ({settings})"
        for (old, new), count in counts.items()
    ]
