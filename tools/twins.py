"""Tables of PyTorch's layers and Burn's, for the book's reference.

They are made of the table by which the library itself goes, `d2lrec.layers.LAYERS`, so
that what is printed is what happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from d2lrec.layer_fields import Activation, Child, Unstored, Weight
from d2lrec.layers import LAYERS

WORDS = {
    "en": {
        "layers": ("PyTorch", "Burn", "parameters, in Burn's order", "constants"),
        "fields": ("Burn's field", "PyTorch"),
        "transposed": "{}, transposed",
        "part": "{}, part {} of {}",
        "optional": "{}, or none",
        "none": "none",
        "child": "{}, {}",
        "enum": "the variant {}",
        "norm_first": "{}; with {} {}",
        "constants": "Constants: {}.",
        "list": ", ",
    },
    "zh": {
        "layers": ("PyTorch", "Burn", "参数（按Burn的顺序）", "常量"),
        "fields": ("Burn的字段", "PyTorch"),
        "transposed": "{}，转置",
        "part": "{0}，{2}份中的第{1}份",
        "optional": "{}，可以没有",
        "none": "无",
        "child": "{}，即{}",
        "enum": "变体{}",
        "norm_first": "{}；设了{}时是{}",
        "constants": "常量：{}。",
        "list": "、",
    },
}


@dataclass(frozen=True)
class Sample:
    """A layer to look at, and what Burn calls it."""

    burn: str
    sizes: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


_DIMENSIONS = (1, 2, 3)
SAMPLES: dict[type[nn.Module], Sample] = {
    nn.Linear: Sample("Linear", (2, 3)),
    nn.Embedding: Sample("Embedding", (2, 3)),
    **{
        getattr(nn, f"{name}{d}d"): Sample(f"{name}{d}d", (2, 3, 2))
        for name in ("Conv", "ConvTranspose")
        for d in _DIMENSIONS
    },
    **{getattr(nn, f"BatchNorm{d}d"): Sample("BatchNorm", (2,)) for d in _DIMENSIONS},
    nn.SyncBatchNorm: Sample("BatchNorm", (2,)),
    nn.LayerNorm: Sample("LayerNorm", (2,)),
    nn.GroupNorm: Sample("GroupNorm", (2, 4)),
    **{
        getattr(nn, f"InstanceNorm{d}d"): Sample("InstanceNorm", (2,), {"affine": True})
        for d in _DIMENSIONS
    },
    nn.RMSNorm: Sample("RmsNorm", (2,)),
    nn.PReLU: Sample("PRelu", (2,)),
    nn.LSTM: Sample("Lstm", (2, 3)),
    nn.GRU: Sample("Gru", (2, 3)),
    nn.RNN: Sample("Rnn", (2, 3)),
    nn.MultiheadAttention: Sample("MultiHeadAttention", (4, 2)),
    nn.TransformerEncoderLayer: Sample("TransformerEncoderLayer", (4, 2)),
    nn.TransformerDecoderLayer: Sample("TransformerDecoderLayer", (4, 2)),
    nn.TransformerEncoder: Sample("TransformerEncoder", (2,)),
    nn.TransformerDecoder: Sample("TransformerDecoder", (2,)),
    nn.CrossEntropyLoss: Sample("CrossEntropyLoss", ()),
    nn.BCELoss: Sample("BinaryCrossEntropyLoss", ()),
    nn.BCEWithLogitsLoss: Sample("BinaryCrossEntropyLoss", ()),
}
_INNER = {
    nn.TransformerEncoder: nn.TransformerEncoderLayer,
    nn.TransformerDecoder: nn.TransformerDecoderLayer,
}


def make(kind: type[nn.Module], **more: Any) -> nn.Module:
    """A small layer without numbers."""
    sample = SAMPLES[kind]
    with torch.device("meta"):
        if kind in _INNER:
            layer = make(_INNER[kind], batch_first=True, **more)
            return kind(layer, *sample.sizes)
        return kind(*sample.sizes, **sample.options, **more)


def row_of(module: nn.Module) -> Mapping[str, Any]:
    """What the library's table says of a layer."""
    row = LAYERS[type(module)]
    return row(module) if callable(row) else row


def flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a row with those of the structs in it, by their paths."""
    for name, what in row.items():
        if isinstance(what, Mapping):
            yield from flat(what, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", what


def is_simple(kind: type[nn.Module]) -> bool:
    """Whether a layer has tensors of its own only, each of them whole."""
    fields = list(flat(row_of(make(kind))))
    plain = all(isinstance(what, Weight | Unstored | None) for _, what in fields)
    return plain and all("." not in name for name, _ in fields)


def layers(lang: str) -> str:
    """The table of the layers whose fields are parameters."""
    words = WORDS[lang]
    rows: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for kind in filter(is_simple, LAYERS):
        module = make(kind)
        fields = dict(flat(row_of(module)))
        weights = [(n, x) for n, x in fields.items() if isinstance(x, Weight)]
        cell = "<br>".join(
            _renamed(name, _weight(module, what, words)) for name, what in weights
        )
        others = [n for n, x in fields.items() if not isinstance(x, Weight)]
        key = cell or words["none"], codes(others, " ")
        names, twins = rows.setdefault(key, ([], []))
        names.append(kind.__name__)
        twins += [SAMPLES[kind].burn] * (SAMPLES[kind].burn not in twins)
    lines = [
        (codes(names, "<br>"), codes(twins, "<br>"), *key)
        for key, (names, twins) in rows.items()
    ]
    return table(words["layers"], lines)


def _renamed(name: str, cell: str) -> str:
    return cell if cell.startswith(f"`{name}`") else f"`{name}` ← {cell}"


def fields(name: str, lang: str) -> str:
    """The table of one layer, a line for each of Burn's fields."""
    words, kind = WORDS[lang], getattr(nn, name)
    module = make(kind)
    other: dict[str, Any] = {}
    if hasattr(module, "norm_first"):
        other = dict(flat(row_of(make(kind, norm_first=True))))
    rows, constants = [], []
    for path, what in flat(row_of(module)):
        if what is None:
            constants.append(path)
            continue
        cell = _cell(module, what, words)
        if isinstance(what, Child) and other.get(path, what) != what:
            second = f"`{other[path].attribute}`"
            first = f"`{what.attribute}`"
            cell = words["norm_first"].format(first, "`norm_first`", second)
        rows.append((f"`{path}`", cell))
    text = table(words["fields"], rows)
    if constants:
        text += "\n\n" + words["constants"].format(codes(constants, words["list"]))
    return text


def _cell(module: nn.Module, what: Any, words: Mapping[str, Any]) -> str:
    if isinstance(what, Weight):
        return _weight(module, what, words)
    if isinstance(what, Activation):
        return words["enum"].format(f"`{what.name}`")
    child = type(getattr(module, what.attribute)).__name__
    # The one in an attention is a Linear to everybody.
    child = child.removeprefix("NonDynamicallyQuantizable")
    return words["child"].format(f"`{what.attribute}`", f"`{child}`")


def _weight(module: nn.Module, what: Weight, words: Mapping[str, Any]) -> str:
    """What becomes of PyTorch's tensor on its way to Burn, read off a sample."""
    tensor = getattr(module, what.attribute)
    view = what.view(tensor)
    text = f"`{what.attribute}`"
    if (parts := tensor.numel() // view.numel()) > 1:
        text = words["part"].format(text, what.part + 1, parts)
    if view.stride(-1) != 1:
        text = words["transposed"].format(text)
    return words["optional"].format(text) if what.optional else text


def codes(names: list[str], between: str) -> str:
    """Names as inline code."""
    return between.join(f"`{name}`" for name in names)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
