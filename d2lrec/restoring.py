"""Putting a checkpoint's records back, all of them or none.

What may fail comes first and leaves what it changed to be put back; the net's own
numbers, too many to keep a copy of, come last, and are checked before one is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn, optim
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import LRScheduler

from d2lrec.conversion import load_record
from d2lrec.errors import RecorderError, RecordMismatch
from d2lrec.matching import plan_load
from d2lrec.paths import about
from d2lrec.places import IDS
from d2lrec.record import Param
from d2lrec.schedulers import rates_of, set_rates

Optimizer = optim.Optimizer | None
Scheduler = LRScheduler | None


@dataclass(frozen=True)
class Restored:
    """What `Checkpointer.restore` found.

    Attributes:
        epoch: Which one it restored.
        metric: What was saved as its metric.
        extra: What was saved as its extra.
        random: Whether the random generators go on where they were: not if Burn wrote
            the checkpoint, with other CUDA devices than there were, or if not asked.
        skipped: A line for each newer checkpoint that was not whole, and why.

    >>> net, checkpointer = nn.Linear(2, 3), d2lrec.Checkpointer("run/checkpoint")
    >>> checkpointer.save(7, net, extra={"order": [2, 0, 1], "batch": 2})
    >>> restored = checkpointer.restore(net)
    >>> restored.epoch + 1, restored.extra["order"][restored.extra["batch"] :]
    (8, [1])
    """

    epoch: int
    metric: float | None = None
    extra: Any = None
    random: bool = False
    skipped: list[str] = field(default_factory=list)


def parts_of(
    net: nn.Module, optimizer: Optimizer, scheduler: Scheduler
) -> dict[str, Any]:
    """Return what is recorded in which of Burn's files, or `like=` what it is read.

    Raises:
        RecorderError: One of them is of another kind.

    >>> list(parts_of(nn.Linear(2, 3), None, None))
    ['model']
    """
    for item, kind, name in (
        (net, nn.Module, "net"),
        (optimizer, optim.Optimizer | None, "optimizer"),
        (scheduler, LRScheduler | None, "scheduler"),
    ):
        if not isinstance(item, kind):
            what = f"{name}= has the type {type(item).__name__}: a {name} expected."
            raise RecorderError(f"{what} The order is net, optimizer, scheduler.")
    pair = None if optimizer is None else (optimizer, net)
    parts = {"model": net, "optim": pair, "scheduler": scheduler}
    return {kind: item for kind, item in parts.items() if item is not None}


def rest_of(net: nn.Module, optimizer: Optimizer, scheduler: Scheduler) -> Any:
    """Return what Burn's records leave out and exact resumption needs.

    >>> net = nn.Linear(2, 3)
    >>> rest_of(net, optim.Adam(net.parameters(), lr=0.5), None)
    {'rates': [0.5], 'batches': {}}
    """
    counted = _counted(net).items()
    batches = {name: int(count) for name, count in counted}
    return {"rates": _rates(_owner(optimizer, scheduler)), "batches": batches}


def restore_all(
    net: nn.Module,
    optimizer: Optimizer,
    scheduler: Scheduler,
    records: dict[str, tuple[Any, Any]],
    rest: Any,
) -> None:
    """Load a checkpoint's records: all of them, or none.

    Args:
        net: What to load into, in place.
        optimizer: The same, or None.
        scheduler: The same, or None.
        records: For each kind its path and its record.
        rest: What `rest_of` returned; None if Burn wrote the checkpoint.

    Raises:
        RecordMismatch: Something does not fit, and nothing was changed.
    """
    path, record = records["model"]
    with _put_back_on_failure(net, optimizer, scheduler):
        if optimizer is not None:
            _lend_ids(net, path, record)
            with about(records["optim"][0]):
                load_record(optimizer, records["optim"][1], net)
        if scheduler is not None:
            with about(records["scheduler"][0]):
                load_record(scheduler, records["scheduler"][1])
        if rest is not None:
            _set_rates(_owner(optimizer, scheduler), scheduler, rest["rates"])
        with about(path):
            load_record(net, record)
    for name, count in _counted(net).items() if rest else ():
        count.fill_(rest["batches"].get(name, 0))


def _lend_ids(net: nn.Module, path: Any, record: Any) -> None:
    """Give the net the record's ids, by which the moments find their parameters."""
    plan = plan_load(net, record)
    with about(path):
        if plan.differences():
            load_record(net, record)  # says so
        if any(place.source.is_meta for _, place, _, _ in plan.steps):
            what = "the net is on the device meta, where an optimizer has no moments."
            raise RecorderError(f"{what} Give it memory first: net.to_empty(...).")
    for _, place, value, _ in plan.steps:
        if isinstance(value, Param):
            place.owner.__dict__.setdefault(IDS, {})[place.field] = value.id


@contextmanager
def _put_back_on_failure(
    net: nn.Module, optimizer: Optimizer, scheduler: Scheduler
) -> Iterator[None]:
    owner = _owner(optimizer, scheduler)
    ids = [(x.__dict__, dict(x.__dict__.get(IDS, {}))) for x in net.modules()]
    schedule = dict(vars(scheduler)) if scheduler else {}
    moments = dict(owner.state) if owner else {}
    rates = rates_of(owner) if owner else []
    try:
        yield
    except BaseException:
        for attributes, old in ids:
            if IDS in attributes:
                attributes[IDS] = old
        if scheduler:
            vars(scheduler).update(schedule)
        if owner:
            owner.state.clear()
            owner.state.update(moments)
            set_rates(owner, rates)
        raise


def _owner(optimizer: Optimizer, scheduler: Scheduler) -> Optimizer:
    """Return whose rates they are."""
    return scheduler.optimizer if optimizer is None and scheduler else optimizer


def _rates(owner: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in owner.param_groups] if owner else []


def _set_rates(owner: Optimizer, scheduler: Scheduler, rates: list[float]) -> None:
    """Set the rates to the last bit: a schedule's closed form may differ there."""
    if owner is None:
        return
    groups = owner.param_groups
    if len(groups) != len(rates):
        what = f"{len(rates)} in the checkpoint, {len(groups)} in the optimizer"
        raise RecordMismatch("other parameter groups:", [what])
    set_rates(owner, rates)
    if scheduler is not None:
        scheduler._last_lr = rates_of(owner)


def _counted(net: nn.Module) -> dict[str, torch.Tensor]:
    """Return the counts of batches, which records do not have."""
    return {
        name: module.num_batches_tracked
        for name, module in net.named_modules()
        if isinstance(module, _BatchNorm) and module.num_batches_tracked is not None
    }
