"""Structures: of modules, records and plain trees, and written down."""

import pytest
import torch
from golden_structures import STRUCTURES
from torch import nn, optim
from torch.optim import lr_scheduler

import d2lrec
from d2lrec import structure as s
from d2lrec.conversion import structure_like
from d2lrec.errors import Unrecordable
from d2lrec.inferring import structure_of
from d2lrec.items import into_tree
from d2lrec.record import Float32, Unsigned
from d2lrec.structure import (
    BOOL,
    CONSTANT,
    F32,
    F64,
    I64,
    LINEAR,
    MIXED,
    PARAM,
    STRING,
    TENSOR,
    U64,
    Enum,
    Map,
    Option,
    Struct,
    Tuple,
    Vec,
)

BINARY = d2lrec.BinBytesRecorder()
A_TYPE = (
    "a type of d2lrec.structure expected. "
    "Use U64, I64, F32, STRING, TENSOR, PARAM, Struct(...) or another."
)


class Holder(nn.Module):
    """A module with the given attributes, modules or not."""

    def __init__(self, fields=None, **attributes):
        super().__init__()
        if fields is not None:
            self.__record_fields__ = fields
        for name, value in attributes.items():
            setattr(self, name, value)


MODULES = {
    "linear": (lambda: nn.Linear(2, 3), LINEAR),
    "no bias": (lambda: nn.Linear(2, 3, bias=False), LINEAR),
    "relu": (nn.ReLU, CONSTANT),
    "sequential": (
        lambda: nn.Sequential(nn.Linear(1, 1), nn.ReLU()),
        Tuple(LINEAR, CONSTANT),
    ),
    "list": (lambda: nn.ModuleList([nn.Linear(1, 1)] * 2), Vec(LINEAR)),
    "list with None": (
        lambda: nn.ModuleList([nn.Linear(1, 1), nn.ReLU()]),
        Vec(Option(LINEAR)),
    ),
    "empty list": (lambda: nn.ModuleList([]), Vec(None)),
    "list of two kinds": (
        lambda: nn.ModuleList([nn.Linear(1, 1), nn.Embedding(2, 2)]),
        MIXED,
    ),
    "dict": (lambda: nn.ModuleDict({"a": nn.Linear(1, 1)}), Struct(a=LINEAR)),
    "parameters": (lambda: nn.ParameterList([torch.ones(2)] * 2), Vec(PARAM)),
    "parameter dict": (lambda: nn.ParameterDict({"a": torch.ones(2)}), Struct(a=PARAM)),
    "own": (
        lambda: Holder(scale=nn.Parameter(torch.ones(1)), fc=nn.Linear(1, 1)),
        Struct(scale=PARAM, fc=LINEAR),
    ),
    "norm": (
        lambda: nn.GroupNorm(1, 2, affine=False),
        Struct(
            gamma=Option(PARAM),
            beta=Option(PARAM),
            **dict.fromkeys("num_groups num_channels epsilon affine".split(), CONSTANT),
        ),
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_of_modules(name):
    make, expected = MODULES[name]
    net = make()
    assert structure_like(net) == expected
    record = d2lrec.into_record(net)
    if record is not None:
        assert structure_of(record) == expected
        tree = into_tree(record, d2lrec.FullPrecisionSettings)
        assert structure_of(tree) == expected
    if expected != MIXED:
        like = nn.Sequential(make())
        data = BINARY.record(like)
        assert d2lrec.NamedMpkBytesRecorder().record(like)
        assert BINARY.record(BINARY.load(data, like=like)) == data


def test_a_list_of_two_kinds_is_no_vec_in_bincode():
    net = Holder(parts=MODULES["list of two kinds"][0]())
    with pytest.raises(Unrecordable) as caught:
        BINARY.record(net)
    assert str(caught.value) == (
        "item.parts: bincode has no list of items of different types. "
        "Use a tuple, or items of one type."
    )


TREES = {
    "numbers": (
        {"i": 1, "f": 0.5, "b": True, "s": "x", "n": None},
        Struct(i=I64, f=F64, b=BOOL, s=STRING, n=Option(CONSTANT)),
    ),
    "32 bits": ([Float32(1)], Vec(F32)),
    "usize": (Unsigned(3), U64),
    "tensors": ({"x": torch.ones(2)}, Struct(x=TENSOR)),
    "param": ([d2lrec.Param("a", torch.ones(2))], Vec(PARAM)),
    "None and tensors": ([None, torch.ones(1), None], Vec(Option(TENSOR))),
    "only None": ([None, None], Vec(Option(CONSTANT))),
    "empty": ([], Vec(None)),
    "lists, one empty": ([[], [1]], Vec(Vec(I64))),
    "lists with None": ([[None], [1], []], Vec(Vec(Option(I64)))),
    "tuple": ((1, "a", None), Tuple(I64, STRING, Option(CONSTANT))),
    "tuples": ([(1, None), (2, "a")], Vec(Tuple(I64, Option(STRING)))),
    "structs": (
        [{"a": None, "b": []}, {"a": 1, "b": [0.5]}],
        Vec(Struct(a=Option(I64), b=Vec(F64))),
    ),
    "None and a struct": ([None, {"a": 1}], Vec(Option(Struct(a=I64)))),
    "numbers and words": ([1, "a"], MIXED),
    "int and float": ([1, 0.5], MIXED),
    "int and bool": ([1, True], MIXED),
    "tuples of two lengths": ([(1,), (1, 2)], MIXED),
    "tuples of two kinds": ([(1,), ("a",)], MIXED),
    "structs of two kinds": ([{"a": 1}, {"b": 1}], MIXED),
    "structs of two types": ([{"a": 1}, {"a": "b"}], MIXED),
    "lists of two kinds": ([[1], ["a"]], MIXED),
    "struct and tuple": ([{"a": 1}, (1,)], MIXED),
}


@pytest.mark.parametrize("name", TREES)
def test_of_plain_trees(name):
    tree, expected = TREES[name]
    inner = into_tree(tree, d2lrec.FullPrecisionSettings)
    assert structure_of(inner) == expected
    if expected == MIXED:
        with pytest.raises(Unrecordable, match=r"^item\.x: bincode has no list"):
            BINARY.record({"x": tree})
    else:
        data = BINARY.record({"x": tree})
        assert BINARY.record(BINARY.load(data, like={"x": tree})) == data


def test_a_dataclass_is_a_struct():
    import dataclasses

    @dataclasses.dataclass
    class Progress:
        epoch: int
        best: float | None = None

    data = BINARY.record(Progress(3))
    assert data[-2:] == b"\6\0"
    assert BINARY.load(data, like=Progress(0)) == {"epoch": 3, "best": None}


def test_fields_named_by_a_mapping():
    """Constants, another name, an option, an enum: what a Rust struct may have."""
    activation = Enum(Relu=CONSTANT, Prelu=s.Struct(alpha=PARAM, alpha_value=CONSTANT))
    fields = {
        "rate": (None, CONSTANT),
        "fc": ("linear", None),
        "spare": ("extra", Option(LINEAR)),
        "pool": ("pool", Option(CONSTANT)),
        "scale": ("scale", None),
    }
    net = Holder(
        fields,
        linear=nn.Linear(1, 2),
        extra=nn.Linear(1, 1),
        pool=nn.MaxPool2d(2),
        scale=nn.Parameter(torch.ones(1)),
    )
    record = d2lrec.into_record(net)
    assert list(record) == list(fields)
    assert record.structure == Struct(
        rate=CONSTANT,
        fc=LINEAR,
        spare=Option(LINEAR),
        pool=Option(CONSTANT),
        scale=PARAM,
    )
    data = BINARY.record(net)
    twin = Holder(
        fields,
        linear=nn.Linear(1, 2),
        extra=nn.Linear(1, 1),
        pool=nn.MaxPool2d(2),
        scale=nn.Parameter(torch.zeros(1)),
    )
    d2lrec.load_record(twin, BINARY.load(data, like=twin))
    assert torch.equal(twin.linear.weight, net.linear.weight)
    assert torch.equal(twin.scale, net.scale)
    assert BINARY.record(twin) == data
    assert activation.variants[0] == ("Relu", CONSTANT)


def test_an_option_of_what_no_record_keeps():
    """A field of type Option<Tensor>: Burn 0.21.0 wrote `01 00`, and `00` for None."""
    fields = {"table": ("table", Option(CONSTANT))}
    full, empty = Holder(fields, table=torch.ones(3)), Holder(fields, table=None)
    assert BINARY.record(full)[-2:] == b"\1\0"
    data = BINARY.record(empty)
    assert data == BINARY.record(full)[:-2] + b"\0"
    for net in (full, empty):
        for like in (full, empty):
            record = BINARY.load(BINARY.record(net), like=like)
            assert BINARY.record(record) == BINARY.record(net)
            assert d2lrec.load_record(like, record) is like


PAIR = "PyTorch's name and a type expected, either of which may be None."


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            "fc",
            "net: __record_fields__ is 'fc', names in the order of Burn's struct "
            'expected. Write it as a tuple: ("fc", "classes").',
        ),
        (
            3,
            "net: __record_fields__ is 3, names in the order of Burn's struct "
            'expected. Write it as a tuple: ("fc", "classes").',
        ),
        (
            (7,),
            "net: __record_fields__ names 7, a string expected. "
            "Use the field's name in Rust.",
        ),
        (
            {"fc": "fc"},
            f"net: __record_fields__ has 'fc' for fc, {PAIR} Write (\"fc\", None).",
        ),
        (
            {"fc": ("fc", None, 3)},
            "net: __record_fields__ has ('fc', None, 3) for fc, "
            f'{PAIR} Write ("fc", None).',
        ),
        (
            {"fc": (3, None)},
            f'net: __record_fields__ has (3, None) for fc, {PAIR} Write ("fc", None).',
        ),
        ({"fc": ("fc", 3)}, f"net.fc: 3 found, {A_TYPE}"),
        ({"fc": ("fc", int)}, f"net.fc: the class int found, {A_TYPE}"),
    ],
    ids=str,
)
def test_fields_that_are_none(fields, message):
    net = nn.ModuleDict({"net": Holder(fields, fc=nn.Linear(1, 1))})
    for call in (BINARY.record, lambda net: BINARY.load(b"", like=net)):
        with pytest.raises(Unrecordable) as caught:
            call(net)
        assert str(caught.value) == message


@pytest.mark.parametrize("empty", [None, {"fc": None}])
def test_fields_of_which_nothing_is_said(empty):
    net = Holder(empty, fc=nn.Linear(1, 1))
    assert structure_like(net) == Struct(fc=LINEAR)


def test_an_option_that_holds_nothing_today():
    fields = {"spare": ("spare", Option(LINEAR)), "fc": ("fc", None)}
    net = Holder(fields, spare=None, fc=nn.Linear(1, 1))
    data = BINARY.record(net)
    full = Holder(fields, spare=nn.Linear(1, 1), fc=nn.Linear(1, 1))
    record = BINARY.load(data, like=full)
    assert record["spare"] is None
    with pytest.raises(d2lrec.RecordMismatch, match=r"spare\.weight: missing"):
        d2lrec.load_record(full, record)


def test_a_name_that_the_module_lacks():
    with pytest.raises(Unrecordable, match="names 'nope', which the module lacks"):
        d2lrec.into_record(Holder({"a": ("nope", None)}))
    net = Holder(("fc",), fc=nn.Linear(1, 1), other=nn.Linear(1, 1))
    with pytest.raises(Unrecordable, match="__record_fields__ leaves it out"):
        d2lrec.into_record(net)


def net_and_optimizer():
    net = nn.Linear(2, 1)
    optimizer = optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return net, optimizer


def test_of_optimizers_and_schedulers():
    net, optimizer = net_and_optimizer()
    kind = STRUCTURES["adam"]
    assert structure_like((optimizer, net)) == structure_like(optimizer) == kind
    assert structure_of(d2lrec.into_record(optimizer, net)) == kind
    for scheduler, expected in [
        (lr_scheduler.CosineAnnealingLR(optimizer, 10), U64),
        (lr_scheduler.LinearLR(optimizer), U64),
        (lr_scheduler.ExponentialLR(optimizer, 0.5), F64),
        (lr_scheduler.StepLR(optimizer, 2), s.I32),
    ]:
        assert structure_like(scheduler) == expected
    assert structure_like([net]) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
        lambda o: lr_scheduler.LinearLR(o, total_iters=7),
        lambda o: lr_scheduler.ExponentialLR(o, 0.5),
        lambda o: lr_scheduler.StepLR(o, 2),
    ],
)
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_checkpoint_of_all_in_bincode(make, steps):
    """Net, optimizer and scheduler in one dict: the types are Burn's inside, too."""
    net, optimizer = net_and_optimizer()
    scheduler = make(optimizer)
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
    checkpoint = {"net": net, "optim": (optimizer, net), "rate": scheduler, "epoch": 3}
    records = {
        "net": d2lrec.into_record(net),
        "optim": d2lrec.into_record(optimizer, net),
        "rate": d2lrec.into_record(scheduler),
        "epoch": 3,
    }
    data = BINARY.record(checkpoint)
    assert BINARY.record(records) == data
    alone = BINARY.record(scheduler)
    assert BINARY.load(alone, like=scheduler) == d2lrec.into_record(scheduler)
    assert BINARY.record(d2lrec.into_record(scheduler)) == alone
    found = BINARY.load(data, like=checkpoint)
    assert found["rate"] == d2lrec.into_record(scheduler)
    assert found["epoch"] == 3
    assert BINARY.record(found) == data


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            Struct({"a b": U64}, vec=Vec(LINEAR)),
            "Struct(a b=u64, vec=Vec(Struct(weight=Param, bias=Option(Param))))",
        ),
        (s.Array(s.U16, 2), "Tuple(u16, u16)"),
        (Enum(A=CONSTANT, B=Map(F32)), "Enum(A=Constant, B=Map(f32))"),
        (s.UNIT, "()"),
    ],
    ids=str,
)
def test_a_structure_prints_as_it_is_written(kind, text):
    assert repr(kind) == text
    assert hash(kind) == hash(kind)


def test_structures_are_equal_by_what_they_say():
    assert Struct(a=U64, b=F32) == Struct({"a": U64}, b=F32)
    assert Struct(a=U64, b=F32) != Struct(b=F32, a=U64)
    assert Struct(a=U64) != Enum(a=U64)
    assert s.Array(U64, 2) == Tuple(U64, U64)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Struct(a=int), f"a: the class int found, {A_TYPE}"),
        (lambda: Struct({"b": "u64"}), f"b: 'u64' found, {A_TYPE}"),
        (lambda: Struct(a=None), f"a: None found, {A_TYPE}"),
        (lambda: Enum(A=nn.Linear), f"A: the class Linear found, {A_TYPE}"),
        (lambda: Option(Struct), f"the class Struct found, {A_TYPE}"),
        (lambda: Vec(3), f"3 found, {A_TYPE}"),
        (lambda: Map(str), f"the class str found, {A_TYPE}"),
        (lambda: Tuple(U64, float), f"1: the class float found, {A_TYPE}"),
        (lambda: s.Array(2, U64), f"2 found, {A_TYPE}"),
        (
            lambda: s.Array(U64, -1),
            "-1 found, the number of an array's items expected. "
            "Write Array(U64, 2) for [usize; 2].",
        ),
        (
            lambda: s.Array(U64, "2"),
            "'2' found, the number of an array's items expected. "
            "Write Array(U64, 2) for [usize; 2].",
        ),
        (
            lambda: Struct(U64),
            "a Leaf found, names and their types expected. "
            "Write it as Struct(step=U64, loss=F32).",
        ),
        (
            lambda: Enum({1: U64}),
            "the name 1 is no string. Use the field's name in Rust.",
        ),
    ],
)
def test_what_is_no_structure_is_refused_where_it_is_written(make, message):
    with pytest.raises(Unrecordable) as caught:
        make()
    assert str(caught.value) == message
