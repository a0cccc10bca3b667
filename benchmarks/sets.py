"""What is saved and loaded: five sets of tensors, from 32 kB to 1 GB.

Four are bare parameters of one module, so that every contestant moves the same bytes
in the same order. The fifth is a module of PyTorch's own layers, whose Linear weights
Burn stores transposed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MLP = nn.Sequential


@dataclass(frozen=True)
class Set:
    """A set of tensors.

    Attributes:
        name: One letter.
        title: What it is.
        rounds: How often each contestant is measured.
        make: Makes the module, always with the same numbers.
    """

    name: str
    title: str
    rounds: int
    make: Callable[[], nn.Module]


class Bare(nn.Module):
    """A module of parameters only, in order."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            # About as large as weights are: gzip would notice.
            values = torch.empty(shape).normal_(std=0.05)
            self.register_parameter(name.replace(".", "_"), nn.Parameter(values))


def tensors_of(module: nn.Module) -> list[Tensor]:
    """Return the tensors of a module's state, detached, in order."""
    return list(module.state_dict().values())


def size_of(module: nn.Module) -> int:
    """Return how many bytes the tensors of a module have."""
    return sum(tensor.nbytes for tensor in tensors_of(module))


def _bottleneck(inside: int, width: int, stride: int) -> nn.ModuleDict:
    layers: dict[str, nn.Module] = {}
    steps = [(inside, width, 1), (width, width, 3), (width, 4 * width, 1)]
    for number, (before, after, kernel) in enumerate(steps, 1):
        layers[f"conv{number}"] = nn.Conv2d(before, after, kernel, bias=False)
        layers[f"bn{number}"] = nn.BatchNorm2d(after)
    if stride > 1 or inside != 4 * width:
        shortcut = nn.Conv2d(inside, 4 * width, 1, stride, bias=False)
        layers["downsample"] = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))
    return nn.ModuleDict(layers)


def _resnet50() -> nn.ModuleDict:
    """The layers of ResNet-50 (He et al. 2015); only their shapes are needed."""
    net: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 64, 7, 2, bias=False),
        "bn1": nn.BatchNorm2d(64),
    }
    inside = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        parts = []
        for block in range(blocks):
            parts.append(_bottleneck(inside, width, 2 if stage and not block else 1))
            inside = 4 * width
        net[f"layer{stage + 1}"] = nn.Sequential(*parts)
    return nn.ModuleDict(net | {"fc": nn.Linear(2048, 1000)})


def _transformer(layers: int, width: int, heads: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def _bare(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        state = make().state_dict()
    torch.manual_seed(0)
    return Bare({name: tuple(tensor.shape) for name, tensor in state.items()})


def _small() -> nn.Module:
    torch.manual_seed(0)
    return Bare({f"p{index}": (16,) for index in range(10_000)})


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))


def _real() -> nn.Module:
    torch.manual_seed(0)
    return _transformer(12, 768, 12)


SETS = {
    one.name: one
    for one in (
        Set("a", "MLP, 32 kB in 4 tensors", 101, lambda: _bare(_mlp)),
        Set("b", "ResNet-50, 102 MB in 320 tensors", 15, lambda: _bare(_resnet50)),
        Set(
            "c",
            "24 transformer layers, 1.06 GB in 288 tensors",
            7,
            lambda: _bare(lambda: _transformer(24, 960, 15)),
        ),
        Set("d", "10,000 tensors of 16 floats", 11, _small),
        Set("t", "transformer of nn layers, 340 MB, transposed", 7, _real),
    )
}
