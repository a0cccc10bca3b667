"""PyTorch's learning-rate schedulers and Burn's: where they are on their way.

Burn records one number (`burn-optim/src/lr_scheduler`, 0.21.0). Burn steps before a
rate is used and PyTorch after, so after n steps Burn is at n - 1 where PyTorch's
`last_epoch` is n. What the schedule is made of (its length, its factor) is not
recorded; it comes from the scheduler that is loaded into.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import Optimizer, lr_scheduler

from d2lrec.errors import RecordMismatch, Unrecordable
from d2lrec.record import Unsigned
from d2lrec.structure import F64, I32, U64, Structure

Rate = float | Tensor


@dataclass(frozen=True)
class Twin:
    """A scheduler that both frameworks have.

    Attributes:
        structure: The type of Burn's number.
        to_burn: From PyTorch's scheduler to the number.
        steps: From the number and a PyTorch scheduler to its `last_epoch`.
    """

    structure: Structure
    to_burn: Callable[[Any], int | float]
    steps: Callable[[Any, Any], int]


def _cosine_to_burn(scheduler: Any) -> int:
    if scheduler.last_epoch > scheduler.T_max:
        what = "after T_max steps Burn's schedule starts anew and PyTorch's turns back."
        raise Unrecordable(what)
    return int(scheduler.last_epoch - 1) % 2**64  # before the first step usize::MAX


def _cosine_steps(record: int, scheduler: Any) -> int:
    steps: int = (record + 1) % 2**64 if 0 <= record < 2**64 else -1
    if steps > scheduler.T_max:
        what = f"{record} of {scheduler.T_max} steps"
        raise RecordMismatch("from here on the two schedules differ:", [what])
    return steps


def _linear_to_burn(scheduler: Any) -> int:
    return max(int(scheduler.total_iters + 1 - scheduler.last_epoch), 0)


def _linear_steps(record: int, scheduler: Any) -> int:
    return int(scheduler.total_iters) + 1 - record


def _exponential_to_burn(scheduler: Any) -> float:
    if not scheduler.gamma:
        raise Unrecordable("with gamma=0 the rate does not say where it came from.")
    return float(scheduler.get_last_lr()[0] / scheduler.gamma)


def _exponential_steps(record: float, scheduler: Any) -> int:
    base, gamma = float(scheduler.base_lrs[0]), scheduler.gamma
    if gamma == 1:
        return 1
    steps: int = round(math.log(record / base, gamma)) + 1
    expected = base * gamma ** (steps - 1)
    if not math.isclose(record, expected, rel_tol=1e-6):
        what = f"the rate {record} is none of {base} times a power of {gamma}"
        raise RecordMismatch("the record is of another schedule:", [what])
    return steps


TWINS: dict[type[lr_scheduler.LRScheduler], Twin] = {
    lr_scheduler.CosineAnnealingLR: Twin(U64, _cosine_to_burn, _cosine_steps),
    lr_scheduler.LinearLR: Twin(U64, _linear_to_burn, _linear_steps),
    lr_scheduler.ExponentialLR: Twin(F64, _exponential_to_burn, _exponential_steps),
    lr_scheduler.StepLR: Twin(
        I32, lambda s: s.last_epoch - 1, lambda record, s: record + 1
    ),
}


def twin_of(scheduler: lr_scheduler.LRScheduler) -> Twin:
    """Return what Burn has for a scheduler.

    Raises:
        Unrecordable: Burn has no such scheduler.
    """
    twin = TWINS.get(type(scheduler))
    if twin is None:
        known = ", ".join(kind.__name__ for kind in TWINS)
        what = f"Burn's schedulers have no {type(scheduler).__name__}."
        raise Unrecordable(f"{what} Known: {known}.")
    return twin


def record_scheduler(scheduler: lr_scheduler.LRScheduler) -> int | float:
    """Return the number by which Burn goes on where a scheduler is.

    Args:
        scheduler: CosineAnnealingLR, LinearLR, ExponentialLR or StepLR.

    Raises:
        Unrecordable: Another scheduler, or a place that Burn's does not have.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> scheduler = lr_scheduler.StepLR(optimizer, step_size=2)
    >>> for _ in range(5):
    ...     _ = optimizer.step(), scheduler.step()
    >>> record_scheduler(scheduler)
    4
    """
    twin = twin_of(scheduler)
    number = twin.to_burn(scheduler)
    return Unsigned(number) if twin.structure == U64 else number


def load_scheduler(
    scheduler: lr_scheduler.LRScheduler, record: Any
) -> lr_scheduler.LRScheduler:
    """Set a scheduler, and its optimizer's rates, to where a record is.

    Args:
        scheduler: A scheduler of the recorded kind, made with the same settings.
        record: A number, as `into_record` or a recorder's `load` returned it.

    Returns:
        The scheduler.

    Raises:
        RecordMismatch: The number is no place of this schedule.
    """
    twin = twin_of(scheduler)
    kind = (int, float) if twin.structure == F64 else int
    name = type(scheduler).__name__
    if not isinstance(record, kind) or isinstance(record, bool):
        what = f"{record!r} found, a number ({twin.structure!r}) expected"
        raise RecordMismatch(f"the record is no place of a {name}:", [what])
    try:
        steps = twin.steps(record, scheduler)
        rates = _rates_after(steps, scheduler)
    except (ValueError, ArithmeticError):  # the logarithm or the power of what is none
        what = f"{record!r} is no place of this schedule"
        raise RecordMismatch(f"the record is no place of a {name}:", [what]) from None
    scheduler.last_epoch, scheduler._step_count = steps, steps + 1
    set_rates(scheduler.optimizer, rates)
    scheduler._last_lr = rates_of(scheduler.optimizer)
    return scheduler


def _rates_after(steps: int, scheduler: Any) -> list[Rate]:
    if not 0 <= steps < 2**31:
        raise ValueError(steps)
    now, scheduler.last_epoch = scheduler.last_epoch, steps
    try:
        rates: list[Rate] = scheduler._get_closed_form_lr()
        return rates
    finally:
        scheduler.last_epoch = now


def rates_of(optimizer: Optimizer) -> list[Rate]:
    """Return the learning rate of each parameter group; of a tensor a copy.

    >>> import torch
    >>> rates_of(torch.optim.SGD([torch.zeros(1)], lr=0.5))
    [0.5]
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    return [rate.clone() if isinstance(rate, Tensor) else rate for rate in rates]


def set_rates(optimizer: Optimizer, rates: Sequence[Rate]) -> None:
    """Set the learning rates as a step of a scheduler does: a tensor is filled.

    >>> import torch
    >>> rate = torch.tensor(0.1)
    >>> set_rates(torch.optim.SGD([torch.zeros(1)], lr=rate), [0.5])
    >>> rate
    tensor(0.5000)
    """
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(float(rate))
        else:
            group["lr"] = rate
