"""PyTorch's optimizers and Burn's: one table of what each keeps for a parameter.

States are those of `burn-optim/src/optim`, 0.21.0. Learning rates, betas and the like
are settings and no state: they are not recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, optim

from d2lrec.errors import RecordMismatch, Unrecordable
from d2lrec.structure import TENSOR, U64, Option, Struct, Structure

State = dict[str, Any]


@dataclass(frozen=True)
class Twin:
    """An optimizer that both frameworks have.

    Attributes:
        structure: Burn's state of one parameter.
        to_burn: From PyTorch's state and group to Burn's; tensors are laid out later.
        to_torch: From Burn's state and PyTorch's group to PyTorch's.
        always: Whether a parameter without a state is recorded too.
        started: Whether a state is one of a parameter that had a gradient.
        fresh: PyTorch's state of a parameter before its first step.
    """

    structure: Structure
    to_burn: Callable[[State, State], State]
    to_torch: Callable[[Any, State], State]
    always: Callable[[State], bool] = lambda group: False
    started: Callable[[State], bool] = bool
    fresh: Callable[[Tensor, State], State] = lambda parameter, group: {}


def _adam_to_burn(state: State, group: State) -> State:
    return {
        "momentum": {
            "time": int(state["step"]),
            "moment_1": state["exp_avg"],
            "moment_2": state["exp_avg_sq"],
            "max_moment_2": state.get("max_exp_avg_sq"),
        }
    }


def _adam_to_torch(record: Any, group: State) -> State:
    momentum = record["momentum"]
    state = {
        "step": momentum["time"],
        "exp_avg": momentum["moment_1"],
        "exp_avg_sq": momentum["moment_2"],
    }
    maximum = momentum.get("max_moment_2")  # up to Burn 0.20 there is none
    _agree(maximum, group["amsgrad"], "max_moment_2", "amsgrad")
    return state | ({} if maximum is None else {"max_exp_avg_sq": maximum})


def _sgd_to_burn(state: State, group: State) -> State:
    velocity = state.get("momentum_buffer")
    return {"momentum": None if velocity is None else {"velocity": velocity}}


def _sgd_to_torch(record: Any, group: State) -> State:
    momentum = record["momentum"]
    _agree(momentum, group["momentum"], "velocity", "momentum")
    return {} if momentum is None else {"momentum_buffer": momentum["velocity"]}


def _adagrad_to_burn(state: State, group: State) -> State:
    return {"lr_decay": {"time": int(state["step"]), "sum": state["sum"]}}


def _adagrad_to_torch(record: Any, group: State) -> State:
    return {"step": record["lr_decay"]["time"], "sum": record["lr_decay"]["sum"]}


def _adagrad_fresh(parameter: Tensor, group: State) -> State:
    start = group["initial_accumulator_value"]
    step = step_tensor(0, parameter, group)
    return {"step": step, "sum": torch.full_like(parameter, start)}


def step_tensor(count: int, parameter: Tensor, group: State) -> Tensor:
    """Return a count of steps as PyTorch's `load_state_dict` makes it.

    >>> step_tensor(3, torch.zeros(1, dtype=torch.float16), {"fused": True})
    tensor(3.)
    """
    steps = float(count)
    if group.get("capturable") or group.get("fused"):  # the device itself counts
        return torch.tensor(steps, dtype=torch.float32, device=parameter.device)
    is_double = torch.get_default_dtype() == torch.float64
    return torch.tensor(steps, dtype=torch.float64 if is_double else torch.float32)


def _rmsprop_to_burn(state: State, group: State) -> State:
    square, mean = state["square_avg"], state.get("grad_avg")
    buffer = state.get("momentum_buffer")
    # Burn stores what follows from the other two as well.
    variance = square if mean is None else square - mean * mean
    return {
        "square_avg": {"square_avg": square},
        "centered": {"grad_avg": mean, "avg": variance},
        "momentum": None if buffer is None else {"buf": buffer},
    }


def _rmsprop_to_torch(record: Any, group: State) -> State:
    mean, momentum = record["centered"]["grad_avg"], record["momentum"]
    _agree(mean, group["centered"], "grad_avg", "centered")
    _agree(momentum, group["momentum"], "momentum", "momentum")
    # PyTorch counts steps that it does not use; Burn does not record them.
    state = {"step": 0, "square_avg": record["square_avg"]["square_avg"]}
    state |= {} if mean is None else {"grad_avg": mean}
    return state | ({} if momentum is None else {"momentum_buffer": momentum["buf"]})


def _agree(found: Any, expected: Any, field: str, option: str) -> None:
    if (found is None) == bool(expected):
        has = "has no" if found is None else "has a"
        what = f"the record {has} {field}, the optimizer has {option}={expected}"
        raise RecordMismatch("the record is of another optimizer:", [what])


_ADAM = Twin(
    Struct(
        momentum=Struct(
            time=U64, moment_1=TENSOR, moment_2=TENSOR, max_moment_2=Option(TENSOR)
        )
    ),
    _adam_to_burn,
    _adam_to_torch,
)
TWINS: dict[type[optim.Optimizer], Twin] = {
    optim.Adam: _ADAM,
    optim.AdamW: _ADAM,
    optim.SGD: Twin(
        Struct(momentum=Option(Struct(velocity=TENSOR))),
        _sgd_to_burn,
        _sgd_to_torch,
        always=lambda group: not group["momentum"],
    ),
    optim.Adagrad: Twin(
        Struct(lr_decay=Struct(time=U64, sum=TENSOR)),
        _adagrad_to_burn,
        _adagrad_to_torch,
        started=lambda state: bool(state["step"]),
        fresh=_adagrad_fresh,
    ),
    optim.RMSprop: Twin(
        Struct(
            square_avg=Struct(square_avg=TENSOR),
            centered=Struct(grad_avg=Option(TENSOR), avg=TENSOR),
            momentum=Option(Struct(buf=TENSOR)),
        ),
        _rmsprop_to_burn,
        _rmsprop_to_torch,
    ),
}


def twin_of(optimizer: optim.Optimizer) -> Twin:
    """Return what Burn has for an optimizer.

    Raises:
        Unrecordable: Burn has no such optimizer.
    """
    twin = TWINS.get(type(optimizer))
    if twin is None:
        known = ", ".join(kind.__name__ for kind in TWINS)
        what = f"Burn's {type(optimizer).__name__} is none that PyTorch continues."
        raise Unrecordable(f"{what} Known: {known}.")
    return twin
