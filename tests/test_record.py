"""Records as objects: how they print, and that they are plain dicts, lists, tuples."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import d2lrec
from d2lrec.record import Float32, RecordList, RecordTuple, children, summary

RECORD = d2lrec.Record(
    epoch=3,
    loss=0.5,
    best=np.float32(0.1),
    name="mlp",
    nothing=None,
    done=True,
    history=[1, [2.5, "x"]],
    empty=[],
    fields=d2lrec.Record(),
    weight=d2lrec.Param("0400000000000", torch.zeros(2, 3)),
    counts=torch.tensor([1, 2]),
    number=torch.tensor(7.0),
)
PRINTED = """\
epoch    3
loss     0.5
best     0.1
name     'mlp'
nothing  None
done     True
history
    0  1
    1
        0  2.5
        1  'x'
empty    []
fields   Record()
weight   float32 [2, 3]
counts   int64 [2]
number   float32 []"""


def test_a_record_prints_as_a_tree():
    assert repr(RECORD) == str(RECORD) == PRINTED


@pytest.mark.parametrize(
    "tree, text",
    [
        (d2lrec.Record(), "Record()"),
        (RecordList(), "RecordList()"),
        (RecordTuple(), "RecordTuple()"),
        (RecordList([d2lrec.Record(a=1), None]), "0\n    a  1\n1  None"),
        (RecordTuple([None]), "0  None"),
        (d2lrec.Param("x", torch.ones(4)), "Param(id='x', float32 [4])"),
        (d2lrec.Record({"a": 1, "long name": 2}), "a          1\nlong name  2"),
    ],
)
def test_other_trees(tree, text):
    assert repr(tree) == text


def test_a_loaded_file_prints_as_a_tree():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.ModuleList([nn.Linear(1, 1)]))
    record = d2lrec.NamedMpkFileRecorder().load(d2lrec.save_file(net, "net"))
    assert repr(record) == repr(d2lrec.into_record(net))
    assert repr(record).splitlines() == [
        "0",
        "    weight  float32 [2, 3]",
        "    bias    float32 [3]",
        "1  None",
        "2",
        "    0",
        "        weight  float32 [1, 1]",
        "        bias    float32 [1]",
    ]


def test_a_list_of_tensors_is_a_plain_list():
    recorder = d2lrec.NamedMpkFileRecorder()
    recorder.record([torch.zeros(1), torch.ones(1)], "file")
    assert type(recorder.load("file")) is list


@pytest.mark.parametrize("tree", [RECORD, RecordList([1]), RecordTuple([1])])
def test_a_record_is_what_it_derives_from(tree):
    for twin in (copy.deepcopy(tree), pickle.loads(pickle.dumps(tree))):
        assert type(twin) is type(tree)
        assert repr(twin) == repr(tree)
    base = type(tree).__mro__[2]
    assert isinstance(tree, dict | list | tuple)
    assert base(tree) == tree


def test_a_param_equals_itself_only():
    param = d2lrec.Param("x", torch.ones(2))
    twin = d2lrec.Param("x", param.tensor)  # whose ids and tensors can be compared
    assert param == param != twin


@pytest.mark.parametrize(
    "value, text",
    [
        (torch.zeros(0, 2, dtype=torch.bool), "bool [0, 2]"),
        (np.float64(1.5), "1.5"),
        (np.int8(-3), "-3"),
        (Float32(0.5), "0.5"),
        ("text", "'text'"),
    ],
)
def test_a_summary(value, text):
    assert summary(value) == text


def test_children_of_any_tree():
    assert list(children((5, 6))) == [(0, 5), (1, 6)]
    assert list(children("ab")) == list(children(None)) == []
