"""Modules, optimizers and schedulers to records and back: the two public verbs."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import nn, optim
from torch.optim import lr_scheduler

from d2lrec.errors import RecorderError, Unrecordable
from d2lrec.loading import load_module
from d2lrec.optimizers import load_optimizer, optimizer_structure, record_optimizer
from d2lrec.places import places, record_module
from d2lrec.schedulers import load_scheduler, record_scheduler
from d2lrec.schedulers import twin_of as scheduler_twin
from d2lrec.selection import Renaming, Selection
from d2lrec.structure import CONSTANT, Structure


@runtime_checkable
class Recordable(Protocol):
    """A type of the user's own that says what its record is, as Burn's types do.

    >>> class Progress:
    ...     def __init__(self):
    ...         self.epoch, self.best = 0, None
    ...
    ...     def into_record(self):
    ...         return {"epoch": self.epoch, "best": self.best}
    ...
    ...     def load_record(self, record):
    ...         self.epoch, self.best = record["epoch"], record["best"]
    >>> load_record(Progress(), {"epoch": 3, "best": 0.5}).epoch
    3
    """

    def into_record(self) -> Any:
        """Return a tree of what a recorder takes."""

    def load_record(self, record: Any) -> Any:
        """Take over what such a tree says.

        Args:
            record: What `into_record` or a recorder's `load` returned.

        Returns:
            Nothing that is looked at.

        Raises:
            RecorderError: The tree does not fit; nothing was changed.
        """


Stateful = nn.Module | optim.Optimizer | lr_scheduler.LRScheduler | Recordable
Anything = TypeVar("Anything", bound=Stateful)


def into_record(item: Stateful, net: nn.Module | None = None) -> Any:
    """Return the record of a module, an optimizer, a scheduler or a `Recordable`.

    A module's tensors are views of its memory, as in PyTorch's `state_dict`: they
    change when it is trained. Parameters without an id get one.

    Args:
        item: A module of the layers in `d2lrec.layers.LAYERS`, containers and own
            classes; an Adam, AdamW, SGD, Adagrad or RMSprop; or a CosineAnnealingLR,
            LinearLR, ExponentialLR or StepLR; or what has its own `into_record` and
            `load_record`.
        net: With an optimizer, the module that it trains.

    Returns:
        For a module a `Record` (struct), a list (`ModuleList`) or a tuple
        (`Sequential`); in them `Param`s, and None for what has no parameters. For an
        optimizer a `Record` from parameter ids to states. For a scheduler a number.

    Raises:
        Unrecordable: Something that Burn has no place for.

    >>> into_record(nn.Linear(20, 256))
    weight  float32 [20, 256]
    bias    float32 [256]
    """
    if isinstance(item, nn.Module):
        return record_module(item)
    if isinstance(item, optim.Optimizer):
        return record_optimizer(item, _given(net))
    if isinstance(item, lr_scheduler.LRScheduler):
        return record_scheduler(item)
    if isinstance(item, Recordable) and not isinstance(item, type):
        return item.into_record()
    raise Unrecordable(_neither(item))


def load_record(
    item: Anything,
    record: Any,
    net: nn.Module | None = None,
    *,
    device: torch.device | str | None = None,
    only: Selection | None = None,
    rename: Renaming | None = None,
    strict: bool = True,
) -> Anything:
    """Load a record into a module, an optimizer or a scheduler: all of it, or nothing.

    Where numbers become infinity or zero in the item's dtype, a `PrecisionWarning` says
    so; made an error, it comes after the loading.

    Args:
        item: What to load into, in place. A module on the meta device gets its memory
            here.
        record: What `into_record` or a recorder's `load` returned; for a module also a
            part of it.
        net: With an optimizer, the module that it trains; load that one first.
        device: Where a module is to be afterwards; None leaves it where it is.
        only: With a module, which parameters to load: see `plan_load`.
        rename: With a module, from the record's paths to the module's: see `plan_load`.
        strict: With a module, whether a parameter that only one side has is an error.
            If not, it is passed over; `plan_load` tells which those are.

    Returns:
        The item. A module's parameters keep the record's ids.

    Raises:
        RecordMismatch: The record does not fit; all differences are listed, and the
            item is what it was.
        RecorderError: The file failed while its numbers were read; the message says
            whether the module was changed. Or an argument is not for this item.

    >>> net, twin = nn.Linear(2, 3), nn.Linear(2, 3)
    >>> bool((load_record(twin, into_record(net)).weight == net.weight).all())
    True
    """
    if isinstance(item, nn.Module):
        load_module(
            item, record, device=device, only=only, rename=rename, strict=strict
        )
        return item
    lenient = None if strict else True
    _check_options(item, device=device, only=only, rename=rename, strict=lenient)
    if isinstance(item, optim.Optimizer):
        load_optimizer(item, record, _given(net))
    elif isinstance(item, lr_scheduler.LRScheduler):
        load_scheduler(item, record)
    elif isinstance(item, Recordable) and not isinstance(item, type):
        item.load_record(record)
    else:
        raise Unrecordable(_neither(item))
    return item


def structure_like(like: Any) -> Structure | None:
    """Return the structure of a module, of `(optimizer, net)`, or of a scheduler.

    None for anything else.
    """
    if isinstance(like, nn.Module):
        tree = places(like)
        return CONSTANT if tree is None else tree.structure
    if isinstance(like, tuple) and like and isinstance(like[0], optim.Optimizer):
        return optimizer_structure(like[0])
    if isinstance(like, optim.Optimizer):
        return optimizer_structure(like)
    if isinstance(like, lr_scheduler.LRScheduler):
        return scheduler_twin(like).structure
    return None


def _given(net: nn.Module | None) -> nn.Module:
    if net is None:
        what = "an optimizer's moments need the net for their ids and layouts."
        raise Unrecordable(f"{what} Pass it as well: (optimizer, net).")
    return net


def _check_options(item: Any, **options: Any) -> None:
    """Refuse what only a module is loaded with."""
    given = [f"{name}=" for name, value in options.items() if value is not None]
    if given:
        what = f"{', '.join(given)} given for a {type(item).__name__}, which takes a"
        advice = "Leave that out: it is for modules. Nothing was loaded."
        raise RecorderError(f"{what} record as a whole. {advice}")


def no_instance(kind: type) -> str:
    """Say that a class was given, as in `load("net", like=nn.Linear)`."""
    what = f"the class {kind.__name__} found, an object expected."
    return f"{what} Pass an instance of it: {kind.__name__}(...)."


def _neither(item: Any) -> str:
    if isinstance(item, type):
        return no_instance(item)
    kind = type(item).__name__
    what = f"a {kind} found; a module, an optimizer, a scheduler, or an object"
    return f"{what} with into_record and load_record of its own expected."
