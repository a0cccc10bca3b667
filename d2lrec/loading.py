"""Loading a record into a module: all of it, or nothing.

First the record is held against the module, place by place, and every difference is
collected. Only when there is none is the first number written.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from d2lrec.errors import RecorderError, RecordMismatch
from d2lrec.fitting import Loss, copy_into
from d2lrec.matching import LoadPlan, advice, plan_load
from d2lrec.payload import Payload
from d2lrec.places import IDS, leaves, places
from d2lrec.reading import read_all
from d2lrec.record import Param
from d2lrec.scratch import Scratch
from d2lrec.selection import Renaming, Selection, selection
from d2lrec.stored import StoredTensor
from d2lrec.tensors import integer_misfit, memory_of, usable, warn_of_loss


def load_module(
    module: nn.Module,
    record: Any,
    *,
    device: torch.device | str | None = None,
    only: Selection | None = None,
    rename: Renaming | None = None,
    strict: bool = True,
) -> None:
    """Load a record into a module: see `d2lrec.load_record`."""
    if only is not None:
        only = selection(only)  # an iterator, if it is one, goes round once
    plan = plan_load(module, record, only=only, rename=rename)
    differences = plan.differences(strict)
    if differences:
        count = len(differences)
        what = f"the record does not fit the module ({count} difference"
        what += f"{'s' if count > 1 else ''}; nothing was loaded):"
        raise RecordMismatch(what, differences, advice(record, plan))
    device = usable(device)
    if device is not None and device.type == "meta":
        raise RecorderError("on the device meta a module has no values. Name another.")
    _stage(plan)
    swapped = _materialize(module, plan, device)
    try:
        if swapped:
            plan = plan_load(module, record, only=only, rename=rename)
            _stage(plan)
        losses = _load(plan)
    except BaseException:
        if swapped:
            _swap(module, swapped)
        raise
    if device is not None:
        module.to(device)
    for path, count, dtype, lost in losses:  # last: a warning may be an error
        warn_of_loss(*lost, count, dtype, [path])


def _stage(plan: LoadPlan) -> None:
    """Take aside what would fail or change while the rest is written.

    Integers and booleans may turn out to be no values, and a record made of views of
    the module itself, as `into_record` gives, changes while it is loaded.
    """
    steps = enumerate(plan.steps)
    aside = [index for index, step in steps if not (step[3] or _waits(step[2]))]
    targets = {_start(step[1].source) for step in plan.steps} if aside else set()
    misfits = []
    for index in aside:
        path, place, record, _ = plan.steps[index]
        tensor = record.tensor if isinstance(record, Param) else record
        if isinstance(tensor, StoredTensor):
            tensor = tensor.load()
        elif _start(tensor) in targets:
            tensor = tensor.clone()
        misfit = integer_misfit(tensor, place.tensor.dtype)
        if misfit is not None:
            what = f"{path}: the integer {misfit} in the record, "
            misfits.append(f"{what}{place.tensor.dtype} in the module")
        value = Param(record.id, tensor) if isinstance(record, Param) else tensor
        plan.steps[index] = (path, place, value, False)
    if misfits:
        raise RecordMismatch("integers do not fit; nothing was loaded:", misfits)


def _waits(record: Any) -> bool:
    """Whether numbers can stay in the file until they are written to their place."""
    tensor = record.tensor if isinstance(record, Param) else record
    return isinstance(tensor, StoredTensor) and tensor.plain


def _start(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _load(plan: LoadPlan) -> list[Loss]:
    """Write the numbers; only a failing device can stop this."""
    reads: list[tuple[Payload, memoryview]] = []
    filled: list[Tensor] = []
    losses: list[Loss] = []
    scratch = Scratch()
    with torch.no_grad():
        try:
            for path, place, record, exact in plan.steps:
                tensor = record.tensor if isinstance(record, Param) else record
                target = place.tensor
                if not exact:
                    lost = copy_into(target, record, scratch)
                    dtypes = tensor.dtype, target.dtype
                    narrow = min(dtypes, key=lambda dtype: dtype.itemsize)
                    losses.append((path, target.numel(), narrow, lost))
                    continue
                filled.append(target)
                known = tensor.bytes.known
                if known is None:
                    reads.append((tensor.bytes, memory_of(target)))
                else:  # in less than half the time of a view and a copy
                    ctypes.memmove(target.data_ptr(), known, len(known))
            read_all(reads)
        except (RecorderError, RuntimeError) as error:
            places = ", ".join(plan.loaded)
            changed = f" Some of these are already changed: {places}."
            if isinstance(error, RuntimeError):  # a tensor that is not written so
                what = f"PyTorch refuses to write to a tensor: {error}."
                raise RecorderError(what + changed) from error
            error.message += changed
            raise
        finally:
            torch.autograd.graph.increment_version(filled)
    _finish(plan)
    return losses


def _finish(plan: LoadPlan) -> None:
    """Give the parameters their ids, and norms a count of 0 batches."""
    owner, ids = None, dict[str, str]()
    for _, place, record, _ in plan.steps:
        if place.owner is not owner:
            owner = place.owner
            ids = owner.__dict__.setdefault(IDS, {})
            if isinstance(owner, _BatchNorm) and owner.num_batches_tracked is not None:
                owner.num_batches_tracked.zero_()  # a record does not count them
        if isinstance(record, Param):
            ids[place.field] = record.id


def _materialize(
    module: nn.Module, plan: LoadPlan, device: torch.device | str | None
) -> list[tuple[Tensor, Tensor]]:
    """Give memory to tensors on the meta device; return pairs to swap back."""
    if not any(
        tensor is not None and tensor.is_meta
        for part in module.modules()
        for own in (part._parameters, part._buffers)
        for tensor in own.values()
    ):
        return []
    named = [*module.named_parameters(), *module.named_buffers()]
    meta = {name: tensor for name, tensor in named if tensor.is_meta}
    done = {place.key for _, place, _, _ in plan.steps}
    empty = {id(x.source) for x in leaves(places(module)) if x.key not in done}
    filled = {id(place.source) for _, place, _, _ in plan.steps} - empty
    lost = [
        f"{name}: on the meta device, and the record has no value for it"
        for name, tensor in meta.items()
        if id(tensor) not in filled and not name.endswith("num_batches_tracked")
    ]
    if lost:
        advice = ["(build the module on a real device, where they have values)"]
        what = "the module would stay without values; nothing was loaded:"
        raise RecordMismatch(what, lost, advice)
    pairs = []  # first all the memory, which may not suffice
    for tensor in meta.values():
        real = torch.zeros_like(tensor, device=device or "cpu")
        if isinstance(tensor, nn.Parameter):
            real = nn.Parameter(real, requires_grad=tensor.requires_grad)
        pairs.append((tensor, real))
    _swap(module, pairs)
    return pairs


def _swap(module: nn.Module, pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Exchange what two tensors are, so that whoever holds one sees the other."""
    recurrent = [part for part in module.modules() if isinstance(part, nn.RNNBase)]
    for part in recurrent:  # as their own _apply does: weak references forbid it
        part._flat_weight_refs = []
    done = 0
    try:
        for one, other in pairs:
            torch.utils.swap_tensors(one, other)  # type: ignore[no-untyped-call]
            done += 1
    except RuntimeError as error:  # autograd or a weak reference holds it
        for one, other in pairs[:done]:
            torch.utils.swap_tensors(one, other)  # type: ignore[no-untyped-call]
        what = f"a meta tensor cannot be given memory: {error}."
        raise RecorderError(f"{what} Nothing was loaded.") from None
    finally:
        for part in recurrent:
            part._init_flat_weights()
