"""PyTorch's optimizers and Burn's: their moments, keyed by parameter id.

Burn records an optimizer as a map from a parameter's id to its state (`burn-optim`,
0.21.0): `{id: {"V1": {"Rank2": {"momentum": {"time": 3, ...}}}}}`. A moment has the
layout of its parameter, so an optimizer is recorded together with its net: a Linear's
moments are transposed as its weight is. Learning rates and betas are not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim

from d2lrec.errors import RecorderError, RecordMismatch, Unrecordable, join
from d2lrec.fitting import Loss, copy_into
from d2lrec.matching import flat
from d2lrec.optimizer_twins import State, step_tensor, twin_of
from d2lrec.places import Place, module_places
from d2lrec.record import Record, short
from d2lrec.scratch import Scratch
from d2lrec.stored import StoredTensor
from d2lrec.structure import Enum, Map, Structure
from d2lrec.tensors import warn_of_loss

RANKS = 9  # Rank0 to Rank8


def optimizer_structure(optimizer: optim.Optimizer) -> Structure:
    """Return the structure of an optimizer's record.

    >>> optimizer_structure(optim.SGD([torch.zeros(1)])).value.variants[0][0]
    'V1'
    """
    state = twin_of(optimizer).structure
    ranks = {f"Rank{rank}": state for rank in range(RANKS)}
    return Map(Enum(V1=Enum(ranks)))


def record_optimizer(optimizer: optim.Optimizer, net: nn.Module) -> Record:
    """Return an optimizer's record in Burn's form.

    Args:
        optimizer: Adam, AdamW, SGD, Adagrad or RMSprop.
        net: The module whose parameters it trains.

    Returns:
        A `Record` from parameter ids to states. A parameter that never had a gradient
        has none, except with SGD without momentum, as in Burn.

    Raises:
        Unrecordable: Another optimizer, or a parameter that is not the net's.
    """
    twin = twin_of(optimizer)
    record = Record()
    groups = _groups(optimizer)
    _, found = module_places(net)
    _check_owned(groups, found)
    keys: dict[str, tuple[int, int]] = {}
    for place in found:
        group = groups.get(id(place.source))
        if keys.setdefault(place.id, place.key) != place.key:
            what = f"{place.field}: another parameter has the same id, {place.id}."
            advice = "Copy layers before the first into_record, not after it."
            raise Unrecordable(f"{what} {advice}")
        # Of a tied parameter the first place gives the layout.
        if group is None or place.id in record:
            continue
        state = optimizer.state.get(place.source)
        always = place.source.requires_grad and twin.always(group)
        if not (twin.started(state) if state else always):
            continue
        burn = _laid_out(twin.to_burn(state or {}, group), place)
        rank = f"Rank{place.tensor.dim()}"
        record[place.id] = Record(V1=Record({rank: burn}))
    record.structure = optimizer_structure(optimizer)
    return record


def load_optimizer(
    optimizer: optim.Optimizer, record: Any, net: nn.Module
) -> optim.Optimizer:
    """Load an optimizer's record, in place: all of it, or nothing.

    Args:
        optimizer: An optimizer of the recorded kind, over the net's parameters.
        record: What `into_record` or a recorder's `load` returned.
        net: The module, which has the ids that the record names: load it first.

    Returns:
        The optimizer.

    Raises:
        RecordMismatch: The record is of another optimizer or of another net; all
            differences are listed, and nothing was loaded.
        RecorderError: The optimizer's parameters are on the device meta.

    Warns:
        PrecisionWarning: Numbers became infinity or zero in the net's dtype.
    """
    if not isinstance(record, Mapping):
        what = "an optimizer's record is a map:"
        raise RecordMismatch(what, [f"found {short(record)}"])
    _check_memory(optimizer)
    left = dict(record)
    states, differences, losses = _states(optimizer, left, net)
    if left:
        differences += [f"{key}: the net has no parameter of this id" for key in left]
        differences += ["(load the net's own record first: it has the ids)"]
    if differences:
        what = "the record does not fit the optimizer; nothing was loaded:"
        raise RecordMismatch(what, differences)
    fresh = twin_of(optimizer).fresh
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = states.get(parameter) or fresh(parameter, group)
            optimizer.state.pop(parameter, None)
            if state:
                optimizer.state[parameter] = state
    for path, count, dtype, lost in losses:  # last: a warning may be an error
        warn_of_loss(*lost, count, dtype, [path])
    return optimizer


def _check_memory(optimizer: optim.Optimizer) -> None:
    """Refuse a net on the meta device: its moments would be lost in silence."""
    groups = optimizer.param_groups
    if any(parameter.is_meta for group in groups for parameter in group["params"]):
        what = "the optimizer's parameters are on the device meta, where it has no"
        advice = "Load the net's own record first, which gives them memory."
        raise RecorderError(f"{what} moments. {advice} Nothing was loaded.")


def _states(
    optimizer: optim.Optimizer, left: dict[str, Any], net: nn.Module
) -> tuple[dict[Tensor, State], list[str], list[Loss]]:
    """Take the states of the net's parameters out of a record.

    Returns:
        PyTorch's states, a line for each that is none, and what was lost on the way.
    """
    twin, groups = twin_of(optimizer), _groups(optimizer)
    states: dict[Tensor, State] = {}
    differences: list[str] = []
    losses: list[Loss] = []
    tree, _ = module_places(net)
    leaves_of = flat(tree).items()
    found = {join(path): x for path, x in leaves_of if isinstance(x, Place)}
    done = set()
    for path, place in found.items():
        if id(place.source) not in groups or place.id not in left:
            continue
        done.add(place.key)
        try:
            entry = _state_of(left.pop(place.id), place)
            group = groups[id(place.source)]
            part = twin.to_torch(entry, group)
            state = states.setdefault(place.source, {})
            losses += _merge(state, part, place, group, path)
        except (KeyError, TypeError, ValueError, AttributeError):
            differences.append(f"{path}: no state of {type(optimizer).__name__}")
        except RecordMismatch as error:
            differences += [f"{path}: {text}" for text in error.differences]
    for path, place in found.items():
        if place.source in states and place.key not in done:
            what = "no state, which other parts of this weight have"
            differences.append(f"{path}: {what}")
        if place.id in left:
            del left[place.id]
            differences.append(f"{path}: the optimizer does not hold this parameter")
    return states, differences, losses


def _groups(optimizer: optim.Optimizer) -> dict[int, State]:
    return {id(p): group for group in optimizer.param_groups for p in group["params"]}


def _check_owned(groups: Mapping[int, State], found: list[Place]) -> None:
    owned = {id(place.source) for place in found}
    strangers = sum(1 for key in groups if key not in owned)
    if strangers:
        what = f"{strangers} of the optimizer's parameters are not the net's."
        raise Unrecordable(f"{what} Give into_record the net that it trains.")


def _laid_out(tree: Any, place: Place) -> Any:
    """Give the moments the layout that their parameter has in Burn."""
    if isinstance(tree, Tensor):
        return place.of(tree.detach())
    if isinstance(tree, dict):
        return Record((key, _laid_out(below, place)) for key, below in tree.items())
    return tree


def _state_of(entry: Any, place: Place) -> Any:
    """Unpack Burn's two enums around a state."""
    ((rank, state),) = entry["V1"].items()
    if rank != f"Rank{place.tensor.dim()}":
        what = f"{rank} in the record, {place.tensor.dim()} dimensions in the net"
        raise RecordMismatch("another rank:", [what])
    return state


def _merge(
    state: State, part: State, place: Place, group: State, path: str
) -> list[Loss]:
    """Put what Burn has for one field into PyTorch's state of the whole parameter.

    Returns:
        For each moment how many of its numbers the net's dtype could not hold.
    """
    losses: list[Loss] = []
    for name, value in part.items():
        if name == "step":
            if type(value) is not int or value < 0:
                raise TypeError(name)
            step = step_tensor(value, place.source, group)
            first = state.setdefault("step", step)
            if first is not step and first != step:
                what = f"{value} steps, another part of the parameter {first:g}"
                raise RecordMismatch("the parts differ:", [what])
        elif not isinstance(value, Tensor | StoredTensor):
            raise TypeError(name)
        elif not value.dtype.is_floating_point:
            raise TypeError(name)
        elif value.shape != place.tensor.shape:
            shapes = list(value.shape), list(place.tensor.shape)
            what = f"{name} has shape {shapes[0]} in the record, {shapes[1]} in the net"
            raise RecordMismatch("another shape:", [what])
        else:
            whole = state.setdefault(name, torch.zeros_like(place.source).detach())
            lost = copy_into(place.of(whole), value, Scratch())
            narrow = min(value.dtype, whole.dtype, key=lambda dtype: dtype.itemsize)
            losses.append((f"{path}.{name}", place.tensor.numel(), narrow, lost))
    return losses
