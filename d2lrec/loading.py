"""Loading a record into a module: all of it, or nothing.

First the record is held against the module, place by place, and every difference is
collected. Only when there is none is the first number written.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from d2lrec.errors import RecorderError, RecordMismatch
from d2lrec.matching import LoadPlan, advice, copy_into, plan_load
from d2lrec.places import IDS
from d2lrec.record import Param
from d2lrec.selection import Renaming, Selection
from d2lrec.tensors import StoredTensor, integer_misfit, usable


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
        _load(plan)
    except BaseException:
        for real, meta in swapped:
            _swap(real, meta)
        raise
    if device is not None:
        module.to(device)


def _stage(plan: LoadPlan) -> None:
    """Take aside what would fail or change while the rest is written.

    Integers and booleans may turn out to be no values, and a record made of views of
    the module itself, as `into_record` gives, changes while it is loaded.
    """
    targets = {_start(place.source) for place, _ in plan.steps}
    misfits = []
    for index, (place, record) in enumerate(plan.steps):
        tensor = record.tensor if isinstance(record, Param) else record
        if isinstance(tensor, StoredTensor) and not tensor.plain:
            tensor = tensor.load()
        if isinstance(tensor, Tensor) and _start(tensor) in targets:
            tensor = tensor.clone()
        if isinstance(tensor, Tensor):
            misfit = integer_misfit(tensor, place.view.dtype)
            if misfit is not None:
                what = f"{plan.loaded[index]}: the integer {misfit} in the record, "
                misfits.append(f"{what}{place.view.dtype} in the module")
        value = Param(record.id, tensor) if isinstance(record, Param) else tensor
        plan.steps[index] = (place, value)
    if misfits:
        raise RecordMismatch("integers do not fit; nothing was loaded:", misfits)


def _start(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _load(plan: LoadPlan) -> None:
    """Write the numbers; only a failing device can stop this."""
    with torch.no_grad():
        for index, (place, record) in enumerate(plan.steps):
            try:
                copy_into(place.view, record)
            except RecorderError as error:
                done = ", ".join(plan.loaded[: index + 1])
                error.message += f" These parameters are already changed: {done}."
                raise
            if isinstance(record, Param):
                place.owner.__dict__.setdefault(IDS, {})[place.field] = record.id
            if isinstance(place.owner, nn.modules.batchnorm._BatchNorm):
                batches = place.owner.num_batches_tracked
                if batches is not None:
                    batches.zero_()  # a record does not count them


def _materialize(
    module: nn.Module, plan: LoadPlan, device: torch.device | str | None
) -> list[tuple[Tensor, Tensor]]:
    """Give memory to tensors on the meta device; return pairs to swap back."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    meta = {name: tensor for name, tensor in tensors if tensor.is_meta}
    filled = {id(place.source) for place, _ in plan.steps}
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
    for tensor, real in pairs:
        _swap(tensor, real)
    return pairs


def _swap(one: Tensor, other: Tensor) -> None:
    """Exchange what two tensors are, so that whoever holds one sees the other."""
    torch.utils.swap_tensors(one, other)  # type: ignore[no-untyped-call]
