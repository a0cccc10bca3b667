"""The table of PyTorch's optimizers and Burn's, for the book's reference.

It is made of the table by which the library itself goes,
`d2lrec.optimizer_twins.TWINS`, and of what each optimizer keeps after a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn, optim

from d2lrec.optimizer_twins import TWINS
from d2lrec.structure import Option, Struct, Structure
from tools.twins import codes, flat, table

WORDS = {
    "en": {
        "head": ("PyTorch", "Burn", "Burn's field", "PyTorch's state"),
        "optional": "{}, or none",
        "computed": "computed from the others",
    },
    "zh": {
        "head": ("PyTorch", "Burn", "Burn的字段", "PyTorch的状态"),
        "optional": "{}，可以没有",
        "computed": "由另外几项算出",
    },
}
# An optimizer with everything that it may keep.
OPTIMIZERS: dict[type[optim.Optimizer], tuple[str, dict[str, Any]]] = {
    optim.Adam: ("Adam", {"amsgrad": True}),
    optim.AdamW: ("AdamW", {"amsgrad": True}),
    optim.SGD: ("Sgd", {"momentum": 0.5}),
    optim.Adagrad: ("AdaGrad", {}),
    optim.RMSprop: ("RmsProp", {"momentum": 0.5, "centered": True}),
}


def optimizers(lang: str) -> str:
    """The table of the optimizers and what each keeps for a parameter."""
    words = WORDS[lang]
    groups: dict[tuple[tuple[str, str], ...], list[type[optim.Optimizer]]] = {}
    for kind in TWINS:
        groups.setdefault(tuple(_states(kind, words)), []).append(kind)
    rows = []
    for states, kinds in groups.items():
        names = codes([kind.__name__ for kind in kinds], "<br>")
        twins = codes([OPTIMIZERS[kind][0] for kind in kinds], "<br>")
        for state in states:
            rows.append((names, twins, *state))
            names = twins = ""
    return table(words["head"], rows)


def _states(
    kind: type[optim.Optimizer], words: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Burn's fields of an optimizer's state with PyTorch's names, after one step."""
    parameter = nn.Parameter(torch.ones(2))
    optimizer = kind([parameter], **OPTIMIZERS[kind][1])
    parameter.grad = torch.ones(2)
    optimizer.step()
    state = optimizer.state[parameter]
    twin = TWINS[kind]
    burn = dict(flat(twin.to_burn(state, optimizer.param_groups[0])))
    optional = _options(twin.structure)
    for path, value in burn.items():
        same = [n for n, x in state.items() if x is value]
        if isinstance(value, int):
            same = ["step"]
        text = f"`{same[0]}`" if same else words["computed"]
        if any(path.startswith(option) for option in optional):
            text = words["optional"].format(text)
        yield f"`{path}`", text


def _options(structure: Structure, prefix: str = "") -> list[str]:
    """The paths below which a state may hold nothing."""
    if not isinstance(structure, Struct):
        return []
    found = []
    for name, below in structure.fields:
        if isinstance(below, Option):
            found.append(f"{prefix}{name}")
        found += _options(below, f"{prefix}{name}.")
    return found
