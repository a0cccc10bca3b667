"""PyTorch's layers and Burn's: one table.

Each layer of PyTorch that has a twin in Burn has a row: Burn's fields in Burn's order,
each with PyTorch's name of it and the way from one layout to the other. Where PyTorch
packs what Burn keeps apart (the gates of an LSTM, query, key and value of an
attention), each field is a view of a part.

Fields and layouts: `crates/burn-nn/src/modules`, 0.21.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from d2lrec.errors import Unrecordable
from d2lrec.layer_fields import (
    Activation,
    Child,
    Row,
    Unstored,
    Weight,
    bias_part,
    constants,
    transposed,
    weight_part,
)

_BIAS = Weight("bias", optional=True)
_LINEAR: Row = {"weight": Weight("weight", transposed), "bias": _BIAS}
_CONV: Row = {
    "weight": Weight("weight"),
    "bias": _BIAS,
    **constants("stride kernel_size dilation groups padding"),
}
_CONV_TRANSPOSE: Row = {
    "weight": Weight("weight"),
    "bias": _BIAS,
    **constants("stride kernel_size dilation groups padding padding_out channels"),
}
_BATCH_NORM: Row = {
    "gamma": Weight("weight"),
    "beta": Weight("bias"),
    "running_mean": Weight("running_mean"),
    "running_var": Weight("running_var"),
    **constants("momentum epsilon"),
}
_AFFINE: Row = {
    "gamma": Weight("weight", optional=True),
    "beta": Weight("bias", optional=True),
}
_INSTANCE_NORM: Row = {**_AFFINE, **constants("num_channels epsilon affine")}


def _one_dimension(row: Row) -> Callable[[Any], Row]:
    """Refuse a norm over several dimensions, which Burn does not have."""

    def checked(module: nn.LayerNorm | nn.RMSNorm) -> Row:
        count = len(module.normalized_shape)
        if count != 1:
            what = f"it normalizes {count} dimensions, Burn's twin one."
            raise Unrecordable(f"{what} Flatten them before the norm.")
        return row

    return checked


_LAYER_NORM: Row = {
    "gamma": Weight("weight"),
    "beta": Weight("bias", optional=True),
    "epsilon": None,
}
_RMS_NORM: Row = {"gamma": Weight("weight"), "epsilon": None}


def _gate(index: int, gates: int, end: str) -> Row:
    """A GateController: two Linears, each a part of what PyTorch stacks."""

    def linear(side: str) -> Row:
        return {
            "weight": weight_part(f"weight_{side}_{end}", index, gates),
            "bias": bias_part(f"bias_{side}_{end}", index, gates),
        }

    return {"input_transform": linear("ih"), "hidden_transform": linear("hh")}


def _lstm(end: str, module: nn.RNNBase) -> Row:
    return {
        "input_gate": _gate(0, 4, end),  # PyTorch's order: i, f, g, o
        "forget_gate": _gate(1, 4, end),
        "output_gate": _gate(3, 4, end),
        "cell_gate": _gate(2, 4, end),
        **constants("d_hidden batch_first reverse clip input_forget"),
        "gate_activation": Activation("Sigmoid"),
        "cell_activation": Activation("Tanh"),
        "hidden_activation": Activation("Tanh"),
    }


def _gru(end: str, module: nn.RNNBase) -> Row:
    return {
        "update_gate": _gate(1, 3, end),  # PyTorch's order: r, z, n
        "reset_gate": _gate(0, 3, end),
        "new_gate": _gate(2, 3, end),
        **constants("d_hidden reset_after"),
        "gate_activation": Activation("Sigmoid"),
        "hidden_activation": Activation("Tanh"),
        "clip": None,
    }


def _rnn(end: str, module: nn.RNNBase) -> Row:
    name = "Relu" if module.mode == "RNN_RELU" else "Tanh"
    return {
        "gate": _gate(0, 1, end),
        **constants("d_hidden batch_first reverse clip"),
        "hidden_activation": Activation(name),
    }


def _recurrent(fields: Callable[[str, nn.RNNBase], Row]) -> Callable[..., Row]:
    """Make the row of a recurrent layer from that of one direction."""

    def row(module: nn.RNNBase) -> Row:
        if module.num_layers != 1 or module.proj_size:
            what = "Burn's has one layer and no projection."
            advice = "Stack modules of one layer in a ModuleList."
            raise Unrecordable(
                f"this {type(module).__name__} has more; {what} {advice}"
            )
        if not module.bidirectional:
            return fields("l0", module)
        forward, reverse = fields("l0", module), fields("l0_reverse", module)
        both: Row = {"forward": forward, "reverse": reverse}
        return {**both, **constants("d_hidden batch_first")}

    return row


def _attention(module: nn.MultiheadAttention) -> Row:
    if module.in_proj_weight is None or module.bias_k is not None:
        what = "Burn's MultiHeadAttention has one width and no bias_k."
        raise Unrecordable(
            f"{what} Leave kdim, vdim and add_bias_kv at their defaults."
        )

    def projection(index: int) -> Row:
        return {
            "weight": weight_part("in_proj_weight", index, 3),
            "bias": bias_part("in_proj_bias", index, 3),
        }

    return {
        "query": projection(0),
        "key": projection(1),
        "value": projection(2),
        "output": Child("out_proj"),
        **constants("dropout activation d_model n_heads d_k min_float quiet_softmax"),
    }


_FEED_FORWARD: Row = {
    "linear_inner": Child("linear1"),
    "linear_outer": Child("linear2"),
    **constants("dropout activation"),
}


def _encoder_layer(module: nn.TransformerEncoderLayer) -> Row:
    # With norm_first Burn takes its last norm first.
    first, second = ("norm2", "norm1") if module.norm_first else ("norm1", "norm2")
    return {
        "mha": Child("self_attn"),
        "pwff": _FEED_FORWARD,
        "norm_1": Child(first),
        "norm_2": Child(second),
        **constants("dropout norm_first"),
    }


def _decoder_layer(module: nn.TransformerDecoderLayer) -> Row:
    post, pre = ("norm1", "norm2", "norm3"), ("norm2", "norm3", "norm1")
    norms = pre if module.norm_first else post
    return {
        "cross_attn": Child("multihead_attn"),
        "self_attn": Child("self_attn"),
        "pwff": _FEED_FORWARD,
        **{f"norm_{i}": Child(name) for i, name in enumerate(norms, start=1)},
        **constants("dropout norm_first"),
    }


def _transformer(module: nn.TransformerEncoder | nn.TransformerDecoder) -> Row:
    if module.norm is not None:
        what = "Burn's has no last norm of its own."
        raise Unrecordable(f"{what} Make it a field of the module that holds this one.")
    sizes = constants("d_model d_ff n_heads n_layers dropout norm_first quiet_softmax")
    return {"layers": Child("layers"), **sizes}


# Losses that can have weights are structs in Burn; each other one is an empty record.
_CROSS_ENTROPY: Row = {
    "pad_tokens": None,
    "weights": Unstored("weight"),
    **constants("smoothing logits"),
}
_BINARY: Row = {"weights": Unstored("weight"), **constants("smoothing logits")}


# Those whose `weight` neither our files nor Burn's own keep.
WEIGHTED = (nn.CrossEntropyLoss, nn.BCELoss, nn.BCEWithLogitsLoss)


def _binary_with_logits(module: nn.BCEWithLogitsLoss) -> Row:
    if module.pos_weight is not None:
        what = "Burn's BinaryCrossEntropyLoss has no pos_weight."
        raise Unrecordable(f"{what} Keep the loss outside of the module.")
    return _BINARY


_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
LAYERS: dict[type[nn.Module], Row | Callable[[Any], Row]] = {
    nn.Linear: _LINEAR,
    nn.Embedding: {"weight": Weight("weight")},
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _CONV),
    **dict.fromkeys(
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _CONV_TRANSPOSE
    ),
    **dict.fromkeys(_NORMS, _BATCH_NORM),
    nn.LayerNorm: _one_dimension(_LAYER_NORM),
    nn.GroupNorm: {**_AFFINE, **constants("num_groups num_channels epsilon affine")},
    nn.InstanceNorm1d: _INSTANCE_NORM,
    nn.InstanceNorm2d: _INSTANCE_NORM,
    nn.InstanceNorm3d: _INSTANCE_NORM,
    nn.RMSNorm: _one_dimension(_RMS_NORM),
    nn.PReLU: {"alpha": Weight("weight"), "alpha_value": None},
    nn.LSTM: _recurrent(_lstm),
    nn.GRU: _recurrent(_gru),
    nn.RNN: _recurrent(_rnn),
    nn.MultiheadAttention: _attention,
    nn.TransformerEncoderLayer: _encoder_layer,
    nn.TransformerDecoderLayer: _decoder_layer,
    nn.TransformerEncoder: _transformer,
    nn.TransformerDecoder: _transformer,
    nn.CrossEntropyLoss: _CROSS_ENTROPY,
    nn.BCELoss: _BINARY,
    nn.BCEWithLogitsLoss: _binary_with_logits,
}

# What to do about a layer without a parameter that Burn's twin always has.
_BATCH_ADVICE = "Build it with affine=True and track_running_stats=True."
REQUIRED: dict[type[nn.Module], str] = {
    **dict.fromkeys(_NORMS, _BATCH_ADVICE),
    nn.LayerNorm: "Build it with elementwise_affine=True.",
    nn.RMSNorm: "Build it with elementwise_affine=True.",
}
