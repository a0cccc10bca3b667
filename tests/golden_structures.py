"""The Rust structs behind Burn's files, written down: what bincode needs to know."""

from torch import nn, optim

from d2lrec import structure as s
from d2lrec.optimizers import RANKS, optimizer_structure
from d2lrec.structure import CONSTANT, LINEAR, PARAM, TENSOR, Enum, Option, Struct, Vec

NORM = Struct(gamma=PARAM, beta=Option(PARAM), epsilon=CONSTANT)
CHOICE = Enum(Dense=LINEAR, Norm=NORM)
ATTENTION = {name: LINEAR for name in ("query", "key", "value", "output")}
ADAN = Struct(
    momentum=Struct(
        time=s.U64,
        exp_avg=TENSOR,
        exp_avg_sq=TENSOR,
        exp_avg_diff=TENSOR,
        neg_pre_grad=TENSOR,
    )
)
GATE = Struct(input_transform=LINEAR, hidden_transform=LINEAR)

STRUCTURES = {
    "linear_column_layout": LINEAR,
    "zoo": Struct(
        vec=Vec(LINEAR),
        array=s.Array(LINEAR, 2),
        pair=s.Tuple(LINEAR, NORM),
        some=Option(LINEAR),
        none=Option(LINEAR),
        choice=CHOICE,
        other=CHOICE,
        bare=PARAM,
        scalar_like=PARAM,
        **dict.fromkeys(
            "n rate name flag sizes maybe pair_of_constants ignored drop pool "
            "buffer phantom".split(),
            CONSTANT,
        ),
        empty=Vec(LINEAR),
    ),
    "typed": Struct(ints=PARAM, bools=PARAM, floats=PARAM, empty=PARAM),
    "hard_floats": Struct(values=PARAM),
    "tensor": TENSOR,
    "list": Vec(TENSOR),
    "pair": s.Tuple(TENSOR, TENSOR),
    "progress": Struct(
        epoch=s.U64,
        loss=s.F64,
        best=Option(s.F32),
        seen=s.I64,
        delta=s.I32,
        small=s.I8,
        byte=s.U8,
        done=s.BOOL,
        name=s.STRING,
        history=Vec(s.F64),
        window=s.Array(s.U16, 3),
        pair=s.Tuple(s.I64, s.STRING),
        weights=TENSOR,
        mask=TENSOR,
        counts=TENSOR,
        extra=Option(TENSOR),
        nothing=Option(TENSOR),
        parts=Vec(TENSOR),
    ),
    "cross_attention": Struct(
        **ATTENTION,
        **dict.fromkeys(
            "dropout n_heads n_heads_kv d_head scale min_float quiet_softmax".split(),
            CONSTANT,
        ),
    ),
    "gru_reset_before": Struct(
        update_gate=GATE,
        reset_gate=GATE,
        new_gate=GATE,
        d_hidden=CONSTANT,
        reset_after=CONSTANT,
        gate_activation=s.ACTIVATION,
        hidden_activation=s.ACTIVATION,
        clip=CONSTANT,
    ),
    "adan": s.Map(Enum(V1=Enum({f"Rank{rank}": ADAN for rank in range(RANKS)}))),
    "scheduler_constant": s.UNIT,
    "scheduler_cosine": s.U64,
    "scheduler_linear": s.U64,
    "scheduler_noam": s.U64,
    "scheduler_exponential": s.F64,
    "scheduler_step": s.I32,
    "scheduler_composed": Struct(
        schedulers=Vec(Enum(Linear=s.U64, Cosine=s.U64, Exponential=s.F64, Noam=s.U64))
    ),
}
_OPTIMIZERS = {
    "adam": optim.Adam,
    "adam_amsgrad": optim.Adam,
    "adamw": optim.AdamW,
    "sgd": optim.SGD,
    "sgd_momentum": optim.SGD,
    "adagrad": optim.Adagrad,
    "rmsprop": optim.RMSprop,
    "rmsprop_centered": optim.RMSprop,
}
STRUCTURES |= {
    case: optimizer_structure(kind(nn.Linear(1, 1).parameters()))
    for case, kind in _OPTIMIZERS.items()
}
