"""What a save makes of each tensor: a description of how a file will have it.

Large tensors stay where they are until they are written. Small ones are fetched, all of
one dtype at once: a call of torch takes about a microsecond, however few numbers it
moves, and ten thousand biases, fetched one by one, would cost ten thousand calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

import torch
from torch import Tensor, nn

from d2lrec.errors import Path, Unrecordable
from d2lrec.precision import Settings
from d2lrec.record import TensorData
from d2lrec.scratch import Scratch
from d2lrec.tensors import (
    BURN_DTYPES,
    TORCH_DTYPES,
    TensorPayload,
    integer_misfit,
    is_plain,
    memory_of,
)

# Tensors of up to this many bytes count as small.
SMALL = 4096
# Other types may have no memory, or have it elsewhere.
_PLAIN = {Tensor, nn.Parameter}


class Wrapper:
    """Describes tensors in the dtypes that settings store.

    Args:
        settings: Which dtypes.

    >>> from d2lrec import HalfPrecisionSettings
    >>> Wrapper(HalfPrecisionSettings).wrap(torch.ones(2, 3)).dtype
    'F16'
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.shape = torch.Size()  # the last one: the next may share the object
        self.scratch = Scratch()  # which those that have to be converted share
        # By the tensors' dtype: Burn's name and torch's dtype of what is stored.
        names = {own: settings.stored[name] for own, name in BURN_DTYPES.items()}
        self.stored = {own: (name, TORCH_DTYPES[name]) for own, name in names.items()}
        self.small = defaultdict[Hashable, list[TensorPayload]](list)

    def wrap(
        self, tensor: Tensor, path: Path = (), key: str | int | None = None
    ) -> TensorData:
        """Describe a tensor as a file will have it; nothing is copied yet.

        Args:
            tensor: Any strided tensor of floats, integers or booleans, on any device.
            path: Its place in the tree, for errors.
            key: The end of that place, if it is not in `path`.

        Returns:
            Shape, stored dtype, and a payload that converts when it is written.

        Raises:
            Unrecordable: The tensor has no values (meta), no plain layout (sparse), no
                dtype of Burn's (complex), or an integer that the settings cannot hold.
        """
        own, on_cpu = tensor.dtype, tensor.is_cpu
        stored = self.stored.get(own)
        # A quantized tensor has a dtype of its own, which is none of Burn's.
        if stored is None or tensor.layout is not torch.strided or tensor.is_nested:
            raise Unrecordable(_no_place(tensor), path=_place(path, key))
        if not on_cpu and tensor.is_meta:
            raise Unrecordable(_no_place(tensor), path=_place(path, key))
        name, dtype = stored
        if type(tensor) not in _PLAIN:
            _check_memory(tensor, _place(path, key))
        payload = TensorPayload(tensor, dtype, self.scratch)
        if own is not dtype:
            payload.path = _place(path, key)
            self._check_integers(tensor, name, payload.path)
        elif tensor.nbytes <= SMALL:
            self.small[own if on_cpu else (own, tensor.device)].append(payload)
        shape = tensor.shape
        if shape != self.shape:
            self.shape = shape
        return TensorData(payload, self.shape, name)

    def _check_integers(self, tensor: Tensor, stored: str, path: Path) -> None:
        misfit = integer_misfit(tensor, TORCH_DTYPES[stored])
        if misfit is not None:
            what = f"the integer {misfit} does not fit {stored}, which {self.settings}"
            raise Unrecordable(f"{what} store. {_remedy(misfit)}", path=path)

    def fetch(self) -> None:
        """Fetch the bytes of the small tensors described so far."""
        for payloads in self.small.values():
            tensors = [payload.tensor for payload in payloads]
            with torch.no_grad():
                numbers = torch.cat(
                    [x if x.dim() == 1 else x.reshape(-1) for x in tensors]
                )
            data, start = bytes(memory_of(numbers.cpu())), 0
            for payload, tensor in zip(payloads, tensors, strict=True):
                end = start + tensor.nbytes
                payload.known = data[start:end]
                start = end
        self.small.clear()


def _place(path: Path, key: str | int | None) -> Path:
    return path if key is None else (*path, key)


def _check_memory(tensor: Tensor, path: Path) -> None:
    """Refuse a tensor of a type whose numbers cannot be read, before anything else."""
    try:
        memory_of(tensor.detach().cpu().flatten()[:1])
    except Unrecordable as error:
        error.path = tuple(path)
        raise


def _no_place(tensor: Tensor) -> str:
    if not is_plain(tensor):
        what = "a sparse, nested or quantized tensor has no place in a record."
        return f"{what} Use .to_dense(), .to_padded_tensor() or .dequantize()."
    if tensor.is_meta:
        what = "the tensor is on the meta device and has no values yet."
        return f"{what} Materialize the model first."
    what = f"Burn has no tensor of {tensor.dtype}."
    return f"{what} Convert it to floats, integers or booleans first."


def _remedy(integer: int) -> str:
    wider = {"Full": torch.int32, "Double": torch.int64}
    for name, dtype in wider.items():
        limits = torch.iinfo(dtype)
        if limits.min <= integer <= limits.max:
            return f"Use {name}PrecisionSettings."
    return "No settings hold it: split it into two tensors."
