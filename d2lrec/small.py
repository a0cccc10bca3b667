"""Small tensors, moved by the thousand.

A call of torch takes about a microsecond, however few numbers it moves. Ten thousand
biases, saved or loaded one by one, cost ten thousand calls; here they cost one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from d2lrec.record import Param, TensorData, children
from d2lrec.scratch import Scratch
from d2lrec.tensors import TensorPayload, memory_of

# Tensors of up to this many bytes count as small.
SMALL = 4096


def prepare(tree: Any) -> None:
    """Get a tree's tensors ready to be written.

    The bytes of small ones are fetched, all of one dtype and device at once. Those
    that have to be converted share the memory for it.

    Args:
        tree: What `into_tree` returned.
    """
    scratch = Scratch()
    kinds: dict[tuple[torch.dtype, torch.device], list[TensorPayload]] = {}
    for payload in _payloads(tree):
        payload.scratch = scratch
        tensor = payload.tensor
        if tensor.nbytes <= SMALL and tensor.dtype == payload.dtype:
            kinds.setdefault((tensor.dtype, tensor.device), []).append(payload)
    for payloads in kinds.values():
        numbers = torch.cat([_flat(payload.tensor) for payload in payloads])
        data, start = bytes(memory_of(numbers.cpu())), 0
        for payload in payloads:
            end = start + payload.tensor.nbytes
            payload.known = data[start:end]
            start = end


def fill(pairs: Sequence[tuple[bytes, Tensor]]) -> None:
    """Write bytes to contiguous tensors of a file's dtype, all of one dtype at once."""
    kinds: dict[torch.dtype, list[tuple[bytes, Tensor]]] = {}
    for pair in pairs:
        kinds.setdefault(pair[1].dtype, []).append(pair)
    for dtype, same in kinds.items():
        data = bytearray().join(known for known, _ in same)
        if not data:  # all of them have a size of 0
            continue
        targets = [_flat(target) for _, target in same]
        sizes = [target.numel() for target in targets]
        numbers = torch.frombuffer(data, dtype=dtype)
        torch.split_with_sizes_copy(numbers, sizes, out=targets)


def _flat(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() == 1 else tensor.reshape(-1)


def _payloads(tree: Any) -> Iterator[TensorPayload]:
    for _, below in children(tree):
        data = below.tensor if isinstance(below, Param) else below
        if not isinstance(data, TensorData):
            yield from _payloads(data)
        elif isinstance(data.bytes, TensorPayload):
            yield data.bytes
