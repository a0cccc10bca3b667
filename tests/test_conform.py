"""`like=`: what text does not keep, a structure gives back."""

import math

import numpy as np
import pytest
import torch
from torch import nn, optim
from torch.optim import lr_scheduler

import d2lrec
from d2lrec import structure as s
from d2lrec.conform import conform
from d2lrec.errors import CorruptRecord, Unrecordable
from d2lrec.record import SOME, UNIT, Float32
from d2lrec.structure import CONSTANT, F32, F64, I64, Enum, Map, Option, Struct, Tuple
from d2lrec.structure import Vec as VecOf

MPK = d2lrec.NamedMpkBytesRecorder()
BINARY = d2lrec.BinBytesRecorder()


@pytest.mark.parametrize(
    ("tree", "kind", "expected"),
    [
        ({"b": 2, "a": 1}, Struct(a=I64, b=I64), {"a": 1, "b": 2}),
        ({"a": 1}, Struct(z=CONSTANT, a=I64), {"z": None, "a": 1}),
        ({}, Struct(a=Option(I64), b=CONSTANT), {"a": None, "b": None}),
        ({"x": 1, "a": 2}, Struct(a=I64), {"a": 2, "x": 1}),  # Burn passes over x
        ({"a": [None, None]}, Struct(a=CONSTANT), {"a": None}),
        ({"a": []}, Struct(a=CONSTANT), {"a": None}),
        ({"a": UNIT}, Struct(a=CONSTANT), {"a": None}),
        ({"a": 5}, Struct(a=CONSTANT), {"a": 5}),  # rather kept than lost
        ({"a": 5}, Struct(a=Option(CONSTANT)), {"a": 5}),
        ({"a": SOME}, Struct(a=Option(CONSTANT)), {"a": SOME}),
        ({"a": SOME}, Struct(a=CONSTANT), {"a": None}),
        ([1, 2], Tuple(I64, I64), (1, 2)),
        ((1, 2), VecOf(I64), [1, 2]),
        ([1, None], VecOf(Option(I64)), [1, None]),
        ({"b": {"y": 1}}, Map(Struct(x=CONSTANT, y=I64)), {"b": {"x": None, "y": 1}}),
        ({"B": 1}, Enum(A=I64, B=I64), {"B": 1}),
        (1, F64, 1.0),
        (math.inf, F32, math.inf),
        (None, s.UNIT, None),
    ],
    ids=str,
)
def test_conform(tree, kind, expected):
    found = conform(tree, kind)
    assert found == expected
    assert str(found) == str(expected) or isinstance(found, dict | list | tuple)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        assert found.structure == kind
    assert isinstance(found, tuple) == isinstance(expected, tuple)


def test_floats_get_their_size():
    found = conform({"a": 0.1, "b": 1, "c": 1}, Struct(a=F32, b=F64, c=I64))
    assert [type(value) for value in found.values()] == [Float32, float, int]


@pytest.mark.parametrize(
    ("tree", "kind", "text"),
    [
        ({"a": 1}, Struct(a=I64, b=I64, c=Option(I64)), "no b found, a, b, c expected"),
        ({}, Struct(a=s.PARAM, b=s.TENSOR), "no a, b found"),
        (5, Struct(a=I64), "a int found, Struct(a=i64) expected"),
        ({"a": {"b": "x"}}, Struct(a=Struct(b=I64)), "a.b: a str found, i64 expected"),
        ([[1, "x"]], VecOf(Tuple(I64, I64)), "0.1: a str found"),
        ([1], Tuple(I64, I64), "1 items found, 2 expected"),
        ({"a": 1}, VecOf(I64), "a dict found, Vec(i64) expected"),
        ({"C": 1}, Enum(A=I64, B=I64), "C found, one of the variants A, B expected"),
        ({"A": 1, "B": 1}, Enum(A=I64, B=I64), "A, B found, one of the variants"),
        ({}, Enum(A=I64), "nothing found, one of the variants A expected"),
        ("A", Enum(A=CONSTANT), "a str found, Enum(A=Constant) expected"),
        (True, I64, "a bool found, i64 expected"),
        (1, s.BOOL, "a int found, bool expected"),
        (1.5, s.U8, "a float found, u8 expected"),
        (256, s.U8, "256 does not fit u8"),
        (-1, s.U64, "-1 does not fit u64"),
        (2**31, s.I32, "2147483648 does not fit i32"),
        (1e39, F32, "1e+39 does not fit f32"),
        (3.4028235677973366e38, F32, "does not fit f32"),  # halfway to 2**128
        (None, F64, "a NoneType found, f64 expected"),  # JSON's NaN
        (1, s.PARAM, "a int found, Param expected"),
        (None, s.TENSOR, "a NoneType found, Tensor expected"),
    ],
    ids=str,
)
def test_what_does_not_conform(tree, kind, text):
    with pytest.raises(CorruptRecord) as caught:
        conform(tree, kind)
    assert text in str(caught.value)
    # The other way round there is no file that could be corrupt.
    if not isinstance(kind, s.Leaf) or kind.bits:
        with pytest.raises(Unrecordable):
            MPK.record(tree, like=kind)
        with pytest.raises(Unrecordable):
            BINARY.record(tree, like=kind)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 1, bias=False)])
        self.drop = nn.Dropout()
        self.tail = nn.Sequential(nn.LayerNorm(1), nn.ReLU())
        self.register_buffer("count", torch.tensor([3]))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.tail(self.drop(x))


def trained():
    torch.manual_seed(0)
    net = Net()
    optimizer = optim.Adam(net.parameters())
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    for _ in range(3):
        net(torch.randn(4, 2)).square().sum().backward()
        optimizer.step()
        scheduler.step()
    return net, optimizer, scheduler


def items():
    net, optimizer, scheduler = trained()
    plain = {
        "epoch": 3,
        "best": np.float32(0.1),
        "history": [0.5, 0.25],
        "pair": (1, "a"),
        "mask": torch.tensor([True, False]),
        "none": None,
        "empty": [],
    }
    checkpoint = {"net": net, "optim": (optimizer, net), "rate": scheduler, **plain}
    return {
        "module": (net, Net()),
        "meta module": (net, meta()),
        "record": (net, d2lrec.into_record(Net())),
        "record on meta": (net, d2lrec.into_record(meta())),
        "structure": (net, d2lrec.into_record(net).structure),
        "optimizer": ((optimizer, net), (optimizer, net)),
        "optimizer, fresh": ((optimizer, net), (optim.Adam(Net().parameters()), Net())),
        "scheduler": (scheduler, scheduler),
        "tree": (plain, {**plain, "epoch": 0, "pair": (0, "")}),
        "all in one": (checkpoint, checkpoint),
    }


def meta():
    with torch.device("meta"):
        return Net()


@pytest.mark.parametrize("name", items())
def test_text_to_bincode_to_text(name, tmp_path):
    """Through like= nothing is lost on the way: values, ids, types, order."""
    item, like = items()[name]
    direct = BINARY.record(item)
    for text in (
        d2lrec.PrettyJsonFileRecorder(),
        d2lrec.NamedMpkFileRecorder(),
        d2lrec.JsonGzFileRecorder(),
    ):
        path = text.record(item, tmp_path / "one")
        first = text.load(path, like=like)
        binary = BINARY.record(first)
        assert binary == direct
        back = BINARY.load(binary, like=like)
        again = text.record(back, tmp_path / "two")
        assert again.read_bytes() == path.read_bytes() or text.gzip
        assert BINARY.record(text.load(again, like=like)) == direct


def test_text_without_like_is_refused_by_bincode_with_the_advice():
    data = MPK.record({"a": {"b": 1}})
    expected = (
        "this record was loaded from MessagePack or JSON without the types "
        "that bincode goes by. Pass like=: a module, a record of one, "
        "or a d2lrec.structure."
    )
    for record in (MPK.load(data), MPK.load(data)["a"]):
        with pytest.raises(Unrecordable) as caught:
            BINARY.record(record)
        assert str(caught.value) == expected
    with pytest.raises(Unrecordable) as caught:
        BINARY.record({"outer": [MPK.load(data)]})
    assert str(caught.value) == f"outer.0: {expected}"
    with pytest.raises(Unrecordable):
        BINARY.load(BINARY.record({"a": 1}), like=MPK.load(data))
    loaded = MPK.load(data, like={"a": {"b": 0}})
    assert BINARY.load(BINARY.record(loaded), like=loaded) == {"a": {"b": 1}}
    assert BINARY.record(MPK.load(data), like=loaded) == BINARY.record(loaded)


def test_a_template_with_none_loses_nothing():
    """The state before the first epoch as like=: what is None there may be a number."""
    template = {"epoch": 0, "best": None}
    data = MPK.record({"epoch": 7, "best": 0.5})
    assert MPK.load(data, like=template) == {"epoch": 7, "best": 0.5}
    assert MPK.record({"epoch": 7, "best": 0.5}, like=template) == data
    with pytest.raises(Unrecordable, match=r"item\.best: 0\.5 found where a constant"):
        BINARY.record({"epoch": 7, "best": 0.5}, like=template)


def test_a_tensor_where_the_module_has_none_is_not_dropped():
    net = nn.Module()
    net.pool, net.fc = nn.MaxPool2d(2), nn.Linear(1, 1)
    data = MPK.record({"pool": {"weight": torch.ones(1)}, "fc": nn.Linear(1, 1)})
    record = MPK.load(data, like=net)
    with pytest.raises(d2lrec.RecordMismatch, match=r"pool\.weight: the module has no"):
        d2lrec.load_record(net, record)


def test_like_orders_and_fills_as_burn_does():
    """Another order, a field more, an option and a constant fewer."""
    net = nn.Linear(2, 1)
    record = d2lrec.into_record(net)
    data = MPK.record({"new": 1, "bias": record["bias"], "weight": record["weight"]})
    found = MPK.load(data, like=net)
    assert list(found) == ["weight", "bias", "new"]
    with pytest.raises(Unrecordable, match="new: no such field in the structure"):
        BINARY.record(found)
    without = MPK.load(MPK.record({"weight": record["weight"]}), like=net)
    assert without["bias"] is None
    with pytest.raises(
        CorruptRecord, match=r"no weight found, weight, bias expected\."
    ):
        MPK.load(MPK.record({"bias": record["bias"]}), like=net)


def test_a_file_says_which_one_does_not_conform(tmp_path):
    path = d2lrec.PrettyJsonFileRecorder().record({"a": "x"}, tmp_path / "f")
    with pytest.raises(CorruptRecord) as caught:
        d2lrec.PrettyJsonFileRecorder().load(path, like={"a": 0})
    assert str(caught.value) == (
        f"{path}, a: a str found, i64 expected. Is this the right like=?"
    )


def test_json_knows_no_32_bit_floats_but_like_does(tmp_path):
    recorder = d2lrec.PrettyJsonFileRecorder()
    path = recorder.record({"x": np.float32(0.1), "i": 1.0}, tmp_path / "f")
    assert type(recorder.load(path)["x"]) is float
    found = recorder.load(path, like={"x": np.float32(0), "i": 0.0})
    assert (type(found["x"]), found["x"]) == (np.float32, np.float32(0.1))
    assert (type(found["i"]), found["i"]) == (float, 1.0)
