"""PyTorch's layers and Burn's: one table.

Each layer of PyTorch that has a twin in Burn is a row: Burn's fields in Burn's order,
each with PyTorch's name of it and the way from one layout to the other. A way is a
view of the same memory, so the table serves recording, which reads through the view,
and loading, which writes through it.

Fields and layouts: `crates/burn-nn/src/modules`, 0.21.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class Field(NamedTuple):
    """A field of a Burn struct.

    Attributes:
        name: Burn's name.
        attribute: PyTorch's name, or None for a constant, which a record leaves out.
        view: From PyTorch's layout to Burn's.
        optional: Whether the field may be None.
    """

    name: str
    attribute: str | None
    view: Callable[[Tensor], Tensor] = Tensor.detach
    optional: bool = False


def _constants(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, None) for name in names)


def _transposed(weight: Tensor) -> Tensor:
    return weight.detach().t()  # [out, in] in PyTorch, [in, out] in Burn


_BIAS = Field("bias", "bias", optional=True)
_CONV = (
    Field("weight", "weight"),
    _BIAS,
    *_constants("stride", "kernel_size", "dilation", "groups", "padding"),
)
_BATCH_NORM = (
    Field("gamma", "weight"),
    Field("beta", "bias"),
    Field("running_mean", "running_mean"),
    Field("running_var", "running_var"),
    *_constants("momentum", "epsilon"),
)

LAYERS: dict[type[nn.Module], tuple[Field, ...]] = {
    nn.Linear: (Field("weight", "weight", _transposed), _BIAS),
    nn.Embedding: (Field("weight", "weight"),),
    nn.Conv1d: _CONV,
    nn.Conv2d: _CONV,
    nn.BatchNorm1d: _BATCH_NORM,
    nn.BatchNorm2d: _BATCH_NORM,
    nn.BatchNorm3d: _BATCH_NORM,
    nn.LayerNorm: (
        Field("gamma", "weight"),
        Field("beta", "bias", optional=True),
        *_constants("epsilon"),
    ),
}

# What to do about a layer without a field that Burn's twin always has.
_AFFINE = "Build it with affine=True and track_running_stats=True."
REQUIRED = {
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"), _AFFINE),
    "LayerNorm": "Build it with elementwise_affine=True.",
}
