"""Where the parameters of a module live, in Burn's layout.

A module's *places* are a tree: structs as dicts, `Vec`s as lists, tuples as tuples,
None for what has no parameters, and a `Place` for each parameter: a view of its
memory, in Burn's order of axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from d2lrec.errors import Path, Unrecordable
from d2lrec.ids import new_id
from d2lrec.layers import LAYERS, REQUIRED, Field
from d2lrec.record import MAX_DEPTH, Param, Record, RecordList, RecordTuple, children

# The entry of a module's __dict__ that holds its parameters' ids, by Burn's names.
IDS = "_burn_ids"

# PyTorch's own classes that hold modules or parameters and compute nothing.
_CONTAINERS = {
    nn.Module,
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.ParameterList,
    nn.ParameterDict,
}


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a parameter of Burn's lives in a PyTorch module.

    Attributes:
        owner: The layer; its `__dict__` keeps the id.
        field: Burn's name of the parameter in the layer.
        source: The PyTorch parameter or buffer.
        view: Its memory in Burn's layout.
    """

    owner: nn.Module
    field: str
    source: Tensor
    view: Tensor


def places(module: nn.Module) -> Any:
    """Return where the parameters of a module live, as a tree in Burn's layout.

    Args:
        module: Any module of the layers in `LAYERS`, containers, and own classes.

    Returns:
        Dicts, lists, tuples, None, and `Place`s.

    Raises:
        Unrecordable: A layer or parameter that Burn has no place for.

    >>> list(places(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))[0])
    ['weight', 'bias']
    """
    tree = _places(module, ())
    _check_complete(module, tree)
    return tree


def into_record(module: nn.Module) -> Any:
    """Return a module's record: its parameters in Burn's layout, and their ids.

    The tensors are views of the module's memory, as in PyTorch's `state_dict`: they
    change when it is trained. Parameters without an id get one.

    Args:
        module: Any module of the layers in `LAYERS`, containers, and own classes.

    Returns:
        A `Record` for a struct, a list for a `ModuleList`, a tuple for a
        `Sequential`; in them `Param`s, and None for what has no parameters.

    Raises:
        Unrecordable: A layer or parameter that Burn has no place for.

    >>> into_record(nn.Linear(20, 256))
    weight  float32 [20, 256]
    bias    float32 [256]
    """
    tied: dict[int, str] = {}
    return _record(places(module), tied)


def _record(place: Any, tied: dict[int, str]) -> Any:
    if isinstance(place, Place):
        ids = place.owner.__dict__.setdefault(IDS, {})
        id_ = ids.get(place.field) or tied.get(id(place.source)) or new_id()
        # One parameter at several places has one id: the first place's.
        ids[place.field] = tied.setdefault(id(place.source), id_)
        return Param(ids[place.field], place.view)
    if isinstance(place, dict):
        return Record((name, _record(below, tied)) for name, below in place.items())
    if isinstance(place, list | tuple):
        kind = RecordList if isinstance(place, list) else RecordTuple
        return kind(_record(below, tied) for below in place)
    return None


def _places(module: nn.Module, path: Path) -> Any:
    if len(path) > MAX_DEPTH:
        raise Unrecordable(f"modules nested deeper than {MAX_DEPTH} levels.")
    # torch.compile wraps the module and changes none of its parameters.
    module = getattr(module, "_orig_mod", module)
    _refuse(module, path)
    fields = next((LAYERS[t] for t in type(module).__mro__ if t in LAYERS), None)
    if fields is not None:
        return _layer(module, fields, path)
    if isinstance(module, nn.ModuleList) and not len(module):
        return []
    if not any(True for _ in stored(module)):
        return None  # Burn's empty record
    if isinstance(module, nn.ModuleList):
        return [_places(child, (*path, i)) for i, child in enumerate(module)]
    if isinstance(module, nn.Sequential):
        return tuple(_places(child, (*path, i)) for i, child in enumerate(module))
    if isinstance(module, nn.ParameterList):
        return [_place(module, str(i), t, Tensor.detach) for i, t in enumerate(module)]
    return _struct(module, path)


def _layer(module: nn.Module, fields: tuple[Field, ...], path: Path) -> dict[str, Any]:
    """Give a layer of PyTorch's own the fields of its Burn twin."""
    tensors = {**module._parameters, **module._buffers}
    tree: dict[str, Any] = {}
    for name, attribute, view, optional in fields:
        tensor = tensors.get(attribute) if attribute else None
        if attribute and tensor is None and not optional:
            kind = type(module).__name__
            what = f"this {kind} has no {attribute}; Burn's has one always ({name})."
            raise Unrecordable(f"{what} {REQUIRED[kind]}", path=path)
        tree[name] = None if tensor is None else _place(module, name, tensor, view)
    return tree


def _struct(module: nn.Module, path: Path) -> dict[str, Any]:
    """Give a module of the user's own the fields that its class names, or all."""
    skipped = module._non_persistent_buffers_set
    buffers = {name: t for name, t in module._buffers.items() if name not in skipped}
    tensors = {**module._parameters, **buffers}
    names = getattr(module, "__record_fields__", (*tensors, *module._modules))
    tree: dict[str, Any] = {}
    for name in names:
        child, tensor = module._modules.get(name), tensors.get(name)
        if tensor is not None:
            tree[name] = _place(module, name, tensor, Tensor.detach)
        elif child is not None:
            tree[name] = _places(child, (*path, name))
        elif hasattr(module, name):
            tree[name] = None  # a constant: its value is the module's, not the record's
        else:
            what = f"__record_fields__ names {name!r}, which the module does not have."
            raise Unrecordable(what, path=path)
    return tree


def _place(
    owner: nn.Module, field: str, tensor: Tensor, view: Callable[[Tensor], Tensor]
) -> Place:
    # Burn's tensors have at least one dimension.
    shown = view(tensor) if tensor.dim() else tensor.detach().view(1)
    return Place(owner, field, tensor, shown)


def stored(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and persistent buffers that a record must have, by name."""
    for prefix, part in module.named_modules():
        tensors = {**part._parameters, **part._buffers}
        skipped = set(part._non_persistent_buffers_set)
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            skipped.add("num_batches_tracked")  # Burn does not count batches
        for name, tensor in tensors.items():
            if tensor is not None and name not in skipped:
                yield f"{prefix}.{name}".lstrip("."), tensor


def leaves(tree: Any) -> Iterator[Place]:
    """Yield the places of a tree in order."""
    if isinstance(tree, Place):
        yield tree
    for _, below in children(tree):
        yield from leaves(below)


def _check_complete(module: nn.Module, tree: Any) -> None:
    """Refuse a module some of whose numbers would be left out."""
    recorded = {id(place.source) for place in leaves(tree)}
    for name, tensor in stored(module):
        if id(tensor) not in recorded:
            what = "Burn's twin of this layer has no field for it."
            advice = "Hold the layer in a module of your own, beside what you add."
            raise Unrecordable(f"{what} {advice}", path=name.split("."))


def _refuse(module: nn.Module, path: Path) -> None:
    """Name what has no place in Burn, with the remedy."""
    kind = type(module).__name__
    base = next(t for t in type(module).__mro__ if t.__module__.startswith("torch."))
    own = [t for t in module._parameters.values() if t is not None]
    what = None
    if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) != 1:
        what = f"it normalizes {len(module.normalized_shape)} dimensions; Burn's one."
    elif isinstance(module, torch.jit.ScriptModule):
        what = "a ScriptModule is a program. Record the module that it was made from."
    elif parametrize.is_parametrized(module):
        what = f"this {kind} is parametrized."
        what += " Call torch.nn.utils.parametrize.remove_parametrizations first."
    elif any(nn.parameter.is_lazy(tensor) for tensor in own):
        what = f"this {kind} has no shape yet. Run the model once, or load into it."
    elif own and base not in LAYERS and base not in _CONTAINERS:
        what = f"no Burn layer is known for {base.__name__}."
        what += f" Known: {', '.join(layer.__name__ for layer in LAYERS)}."
    if what is not None:
        raise Unrecordable(what, path=path)
