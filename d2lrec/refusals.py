"""What cannot be recorded, and why: the refusals for modules."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from d2lrec.errors import Path, Unrecordable
from d2lrec.layers import LAYERS, WEIGHTED
from d2lrec.record_fields import FIELDS

# PyTorch's own classes that hold modules or parameters and compute nothing.
_CONTAINERS = {
    nn.Module,
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.ParameterList,
    nn.ParameterDict,
}


def stored(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and persistent buffers that a record must have, by name."""
    for prefix, part in module.named_modules():
        for name, tensor in _own(part):
            yield f"{prefix}.{name}" if prefix else name, tensor


def _own(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    tensors = {**module._parameters, **module._buffers}
    skipped = set(module._non_persistent_buffers_set)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        skipped.add("num_batches_tracked")  # Burn does not count batches
    elif isinstance(module, WEIGHTED):
        skipped.add("weight")  # Burn has it and does not store it
    for name, tensor in tensors.items():
        if tensor is not None and name not in skipped:
            yield name, tensor


def check_complete(module: nn.Module, recorded: set[int]) -> None:
    """Refuse a module some of whose numbers would be left out.

    Args:
        module: The module.
        recorded: The `id`s of the tensors that its record has.

    Raises:
        Unrecordable: With the path of the first parameter that is not among them.
    """
    own = {id(None)}  # of what is registered without a value
    for part in module.modules():
        own.update(map(id, part._parameters.values()), map(id, part._buffers.values()))
    if own - recorded == {id(None)}:
        return
    for name, tensor in stored(module):
        if id(tensor) not in recorded:
            what = "Burn's twin of this layer has no field for it."
            advice = "Hold the layer in a module of your own, beside what you add."
            path = name.split(".")
            owners = [".".join(path[:depth]) for depth in range(len(path))]
            if any(hasattr(module.get_submodule(x), FIELDS) for x in owners):
                what = f"{FIELDS} leaves it out, and its numbers would be lost."
                advice = "Name it there, or make it a buffer with persistent=False."
            raise Unrecordable(f"{what} {advice}", path=path)


def refuse(module: nn.Module, path: Path) -> None:
    """Refuse what has no place in Burn, by its name and with the remedy.

    Raises:
        Unrecordable: A ScriptModule, a parametrized or lazy module, or a layer of
            PyTorch's that has no twin.
    """
    kind = type(module).__name__
    base = next(t for t in type(module).__mro__ if t.__module__.startswith("torch."))
    own = [tensor for _, tensor in _own(module)]
    what = None
    if isinstance(module, torch.jit.ScriptModule):
        what = "a ScriptModule is a program. Record the module that it was made from."
    elif parametrize.is_parametrized(module):
        what = f"this {kind} is parametrized."
        what += " Call torch.nn.utils.parametrize.remove_parametrizations first."
    elif any(map(nn.parameter.is_lazy, {type(x): x for x in own}.values())):
        what = f"this {kind} has no shape yet. Run the model once."
    elif type(module).get_extra_state is not nn.Module.get_extra_state:
        what = f"this {kind} has an extra state, which is no tensor."
        what += " Record it beside the module, in a dict."
    elif base.__module__.startswith("torch.ao."):
        what = f"this {kind} is quantized. Record the model from before."
    elif (
        own
        and base not in _CONTAINERS
        and not LAYERS.keys() & set(type(module).__mro__)
    ):
        what = f"Burn has no twin of {base.__name__}."
        what += " Write it as a module of your own, of layers that Burn has."
    if what is not None:
        raise Unrecordable(what, path=path)
