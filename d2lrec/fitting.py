"""Whether a parameter of a record fits a place of a module, and how it gets there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from d2lrec.places import Place
from d2lrec.record import Float32, Param, TensorData
from d2lrec.scratch import Scratch
from d2lrec.stored import StoredTensor
from d2lrec.tensors import convert, is_plain, memory_of

# A path, the place in the module, what the record has for it, and whether its bytes go
# there as they are; if not, they have to be converted.
Step = tuple[str, Place, Any, bool]

# A path, how many numbers, in which dtype, and how many became infinity and zero.
Loss = tuple[str, int, torch.dtype, tuple[int, int]]


def is_exact(
    data: TensorData, target: Tensor, exact: Mapping[str, torch.dtype]
) -> bool:
    """Whether the bytes of a file can go to a tensor's memory as they are.

    Not if the numbers have to be converted, checked or put in another order.

    Args:
        data: What the file says of the tensor.
        target: Where its numbers are to go.
        exact: The dtypes whose bytes need neither, by Burn's names.
    """
    if target.dtype is not exact.get(data.dtype) or target.is_nested:
        return False
    if target.layout is not torch.strided or not target.is_contiguous():
        return False
    if data.shape != target.shape or not target.is_cpu:
        return False
    if target.is_inference() and _is_frozen(target):
        return False
    # A negated view's memory has the opposite numbers; a tensor that wraps another
    # has none.
    return not target.is_neg() and target.data_ptr() != 0


def difference(tensor: Any, target: Tensor) -> tuple[str, str] | None:
    """Return what the record has and what the module has, if that differs."""
    if isinstance(tensor, Tensor):
        if not is_plain(tensor):
            return "a sparse, nested or quantized tensor", "a tensor"
    elif not isinstance(tensor, StoredTensor):
        is_single = isinstance(tensor, Float32 | np.float32)
        return f"{tensor:.8g}" if is_single else repr(tensor), "a tensor"
    if not _is_writable(target):
        return "a tensor", _READ_ONLY
    if tensor.shape != target.shape:
        return f"shape {list(tensor.shape)}", f"{list(target.shape)}"
    kinds = _number_kind(tensor.dtype), _number_kind(target.dtype)
    if kinds[0] != kinds[1]:
        return kinds
    if tensor.is_meta:
        return "a meta tensor without values", "a tensor"
    return None


_READ_ONLY = "a read-only one (made in inference mode, expanded or sparse)"


def _is_frozen(tensor: Tensor) -> bool:
    return tensor.is_inference() and not torch.is_inference_mode_enabled()


def _is_writable(tensor: Tensor) -> bool:
    if _is_frozen(tensor) or not is_plain(tensor):
        return False
    if tensor.is_contiguous():
        return True
    # An expanded tensor has several indices for one number.
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return all(step or size < 2 for size, step in sizes)


def _number_kind(dtype: torch.dtype) -> str:
    if dtype == torch.bool or dtype.is_complex:
        return "booleans" if dtype == torch.bool else "complex numbers"
    return "floats" if dtype.is_floating_point else "integers"


def untied(steps: Sequence[Step]) -> list[str]:
    """Return a line for each second value of a parameter that has several places."""
    if len({id(place.source) for _, place, _, _ in steps}) == len(steps):
        return []
    lines = []
    seen: dict[tuple[int, int], Step] = {}
    for step in steps:
        first = seen.setdefault(step[1].key, step)
        if first is not step and _bits(first) != _bits(step):
            what = f"{step[0]}: tied to {first[0]} in the module, another value in the"
            lines.append(f"{what} record")
    return lines


def _bits(step: Step) -> bytes:
    """Return the bytes that the whole source of a place would hold."""
    _, place, record, exact = step
    source = torch.zeros_like(place.source, device="cpu")
    target = place.of(source)
    if exact:
        tensor = record.tensor if isinstance(record, Param) else record
        tensor.bytes.read_into(memory_of(target))
    else:
        copy_into(target, record, Scratch())
    return bytes(memory_of(source.contiguous()))


def copy_into(target: Tensor, record: Any, scratch: Scratch) -> tuple[int, int]:
    """Write a record's parameter through a place's view.

    Args:
        target: The view.
        record: The parameter.
        scratch: Memory for what has to be converted on the way.

    Returns:
        How many numbers became infinity and how many zero in the target's dtype.
    """
    tensor = record.tensor if isinstance(record, Param) else record
    with torch.no_grad():
        if isinstance(tensor, StoredTensor):
            return tensor.copy_into(target, scratch)
        return convert(tensor, target)
