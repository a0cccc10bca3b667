"""Burn's own tests of its record system, 0.21.0, one for one, under Burn's names.

Where Burn is silently wrong, what is tested here is better, and says so.
"""

import gzip
from typing import ClassVar

import golden_cases as golden
import pytest
import torch
from torch import nn, optim

import d2lrec
from d2lrec import structure as s
from d2lrec.ids import encode_id
from d2lrec.structure import CONSTANT

FILES = [
    d2lrec.JsonGzFileRecorder,
    d2lrec.BinFileRecorder,
    d2lrec.BinGzFileRecorder,
    d2lrec.PrettyJsonFileRecorder,
    d2lrec.NamedMpkGzFileRecorder,
    d2lrec.NamedMpkFileRecorder,
]
MEMORY = [d2lrec.BinBytesRecorder, d2lrec.NamedMpkBytesRecorder]
each_file_recorder = pytest.mark.parametrize(
    "recorder", FILES, ids=lambda kind: kind.__name__
)
each_memory_recorder = pytest.mark.parametrize(
    "recorder", MEMORY, ids=lambda kind: kind.__name__
)


class Model(nn.Module):
    """A struct with constants: `fields` names them in the order of the Rust struct."""

    def __init__(self, fields, **modules):
        super().__init__()
        self.__record_fields__ = {
            name: (name if name in modules else None, kind) for name, kind in fields
        }
        for name, module in modules.items():
            self.add_module(name, module)


LINEARS = ("linear1", "linear2", "array_lin")


def model(*fields):
    known = {
        "linear1": lambda: nn.Linear(20, 20),
        "linear2": lambda: nn.Linear(20, 20),
        # [Linear; 2] is a tuple in a record, as nn.Sequential
        "array_lin": lambda: nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 20)),
    }
    pairs = [f if isinstance(f, tuple) else (f, _default(f)) for f in fields]
    return Model(pairs, **{name: known[name]() for name, _ in pairs if name in known})


def _default(name):
    return None if name in LINEARS else CONSTANT


OLD = ("single_const", "linear1", "array_const", "linear2", "array_lin")
EDITS = {
    "new_optional_field": (OLD, (*OLD, ("new_field", s.Option(s.U64)))),
    "removed_optional_field": ((*OLD, ("new_field", s.Option(s.U64))), OLD),
    "new_constant_field": (OLD, (*OLD, "new_field")),
    "removed_constant_field": ((*OLD, "new_field"), OLD),
    "new_field_order": (OLD, ("array_lin", "linear2", "linear1", *OLD[::2][:2])),
}
RECORDERS = {
    "default": d2lrec.DefaultFileRecorder,
    "pretty_json": d2lrec.PrettyJsonFileRecorder,
    "bin": d2lrec.BinFileRecorder,
}
# In bincode Burn ignores what is left at the end, and at the end of the file fills
# in the options that are not there; both may be a wrong structure, and are refused.
REFUSED = {
    ("new_optional_field", "bin"),
    ("removed_optional_field", "bin"),
    ("new_constant_field", "bin"),
    ("removed_constant_field", "bin"),
}


@pytest.mark.parametrize("kind", RECORDERS)
@pytest.mark.parametrize("edit", EDITS)
def test_record_resilience(edit, kind):
    """deserialize_with_{edit}_works_with_{recorder}."""
    old, new = (model(*fields) for fields in EDITS[edit])
    recorder = RECORDERS[kind]()
    path = d2lrec.save_file(old, "model", recorder)
    before = new.linear1.weight.detach().clone()
    if (edit, kind) in REFUSED:
        with pytest.raises(d2lrec.CorruptRecord) as caught:
            d2lrec.load_file(new, path, recorder)
        where = {"new": "left", "rem": "the record ends here, and 1 more byte found"}
        assert where[edit[:3]] in str(caught.value)
        assert torch.equal(new.linear1.weight, before)
        return
    if (edit, kind) == ("new_field_order", "bin"):
        # The bytes fit by chance: what is loaded is another layer's. Nobody can see
        # it, Burn neither: bincode has no names. Text formats, or another shape of
        # one of the layers, would tell.
        with pytest.raises(d2lrec.CorruptRecord):
            d2lrec.load_file(new, path, recorder)
        return
    d2lrec.load_file(new, path, recorder)
    assert torch.equal(new.linear1.weight, old.linear1.weight)
    assert torch.equal(new.array_lin[1].bias, old.array_lin[1].bias)


def test_new_field_order_of_equal_shapes_is_seen_by_nobody_in_bincode():
    """Where Burn's own test "passes", the two layers have changed places."""
    old, new = model("linear1", "linear2"), model("linear2", "linear1")
    recorder = d2lrec.BinFileRecorder()
    d2lrec.load_file(new, d2lrec.save_file(old, "model", recorder), recorder)
    assert torch.equal(new.linear1.weight, old.linear2.weight)
    assert torch.equal(new.linear2.weight, old.linear1.weight)
    other = Model([("linear2", None), ("linear1", None)], linear2=nn.Linear(20, 20))
    other.add_module("linear1", nn.Linear(20, 5))
    other.__record_fields__ = {
        "linear2": ("linear2", None),
        "linear1": ("linear1", None),
    }
    with pytest.raises(
        d2lrec.RecordMismatch, match=r"linear1\.weight: shape \[20, 20\]"
    ):
        d2lrec.load_file(other, "model", recorder)


def test_tensor_serde():
    tensor = torch.tensor([[1.0, 2.5], [-3.0, 0.1]])
    recorder = d2lrec.PrettyJsonFileRecorder()
    path = recorder.record(tensor, "tensor")
    assert torch.equal(recorder.load(path), tensor)
    assert '"dtype": "F32"' in path.read_text()


# burn-core/src/record/file.rs


class Conv(nn.Module):
    """What file.rs and memory.rs record: two layers, a constant tensor, constants."""

    def __init__(self, phantom):
        super().__init__()
        self.conv2d1 = nn.Conv2d(1, 8, 3)
        self.conv2d2 = nn.Conv2d(8, 8, 3, bias=False)
        self.register_buffer("tensor", torch.full((2,), phantom), persistent=False)
        self.usize, self.array, self.ignored = int(phantom), [2, 2], "kept"

    __record_fields__: ClassVar = {
        "conv2d1": ("conv2d1", None),
        "conv2d2": ("conv2d2", None),
        "phantom": (None, CONSTANT),
        "tensor": (None, CONSTANT),
        "arr": (None, CONSTANT),
        "int": (None, CONSTANT),
        "ignore": (None, CONSTANT),
    }


@each_file_recorder
def test_can_save_and_load(recorder):
    """test_can_save_and_load_{jsongz,bin,bingz,pretty_json,mpkgz,mpk}_format."""
    first, second = Conv(1.0), Conv(2.0)
    d2lrec.save_file(first, "file", recorder())
    d2lrec.load_file(second, "file", recorder())
    one, two = (d2lrec.BinBytesRecorder().record(net) for net in (first, second))
    assert one == two
    # constants are the loading module's own
    assert second.tensor.tolist() == [2.0, 2.0]
    assert (second.usize, second.array, second.ignored) == (2, [2, 2], "kept")
    again = recorder().record(second, "again").read_bytes()
    stored = recorder().path("file").read_bytes()
    pairs = (gzip.decompress(x) if recorder.gzip else x for x in (again, stored))
    assert len(set(pairs)) == 1


@each_file_recorder
def test_an_existing_file_is_replaced(recorder):
    """set_extension, "File exists, replacing": but whole or not at all."""
    recorder().record([1.0] * 100, "file.old")
    path = recorder().record([2.0], "file.new")
    assert str(path) == f"file.{recorder.extension}"
    assert recorder().load("file.any", like=[0.0]) == [2.0]


# burn-core/src/record/memory.rs


@each_memory_recorder
def test_can_save_and_load_bytes(recorder):
    """test_can_save_and_load_{bin,named_mpk}_format."""
    first, second = Conv(1.0), Conv(2.0)
    one, two = recorder().record(first), recorder().record(second)
    assert one != two
    d2lrec.load_record(second, recorder().load(one, like=second))
    assert recorder().record(second) == one


@each_memory_recorder
def test_corrupt_bytes_do_not_panic(recorder):
    """Burn's BinBytesRecorder unwraps."""
    data = recorder().record(Conv(1.0))
    for length in range(0, len(data), 7):
        with pytest.raises(d2lrec.CorruptRecord):
            recorder().load(data[:length], like=Conv(1.0))


# burn-core/src/record/recorder.rs


@pytest.mark.parametrize("recorder", [*FILES, *MEMORY], ids=lambda kind: kind.__name__)
def test_err_when_invalid_item(recorder):
    """An item of one struct is no item of another."""
    small = recorder(d2lrec.HalfPrecisionSettings)
    item, like = {"value": 0.5}, {"another": "text"}
    stored = small.record(item) if recorder in MEMORY else small.record(item, "x")
    with pytest.raises(d2lrec.CorruptRecord) as caught:
        recorder().load(stored, like=like)
    expected = "7 more bytes found" if recorder().codec.typed else "no another found"
    assert expected in str(caught.value)


@each_file_recorder
def test_the_metadata_are_not_compared(recorder):
    """Another precision loads, and so does what another release has labelled."""
    net, twin = nn.Linear(3, 2), nn.Linear(3, 2)
    path = d2lrec.save_file(net, "net", recorder(d2lrec.DoublePrecisionSettings))
    d2lrec.load_file(twin, path, recorder())
    assert torch.equal(twin.weight, net.weight)
    stored = path.read_bytes()
    plain = gzip.decompress(stored) if recorder.gzip else stored
    assert plain.count(b"0.21.0") == 1
    plain = plain.replace(b"0.21.0", b"9.99.9")
    path.write_bytes(gzip.compress(plain) if recorder.gzip else plain)
    d2lrec.load_file(twin, path, recorder())


# burn-core/src/record/primitive.rs


@each_file_recorder
def test_constants_are_not_overridden(recorder):
    """A constant keeps its value, whatever the record says, and if it is None."""
    net = Conv(7.0)
    text = {"conv2d1": net.conv2d1, "conv2d2": net.conv2d2, "tensor": None, "int": 99}
    recorder().record(net if recorder().codec.typed else text, "file")
    other = d2lrec.load_file(Conv(3.0), "file", recorder())
    assert (other.usize, other.tensor.tolist()) == (3, [3.0, 3.0])
    assert torch.equal(other.conv2d2.weight, net.conv2d2.weight)


# burn-core/src/module/param/id.rs


def test_param_id_round_trip():
    """param_serde_deserialize: 123456 there and back."""
    assert encode_id(123456) == "83h0200000000"
    assert golden.id_number("83h0200000000") == "123456"


@pytest.mark.parametrize(
    "ident",
    [
        "83h0200000000",
        "0123456789",  # 0.14's: 10 characters
        "30b82c23-788d-4d63-a743-ada258d5f13c",  # up to 0.13: a UUID
        "no id at all",  # where Burn panics
        "",
    ],
)
@each_file_recorder
def test_param_id_is_opaque_text(recorder, ident):
    """Burn makes a number of it, and loses the text of old ones: it is kept here."""
    net = nn.PReLU()
    record = {"alpha": d2lrec.Param(ident, torch.ones(1)), "alpha_value": None}
    d2lrec.load_record(net, record)
    path = d2lrec.save_file(net, "net", recorder())
    twin = d2lrec.load_file(nn.PReLU(), path, recorder())
    expected = ident or d2lrec.into_record(twin)["alpha"].id
    assert d2lrec.into_record(twin)["alpha"].id == expected


# burn-core/src/module/param/{constant,tensor}.rs


def test_param_require_grad_stays():
    """test_load_record_setting: it is the module's, not the record's."""
    net = nn.Linear(2, 2)
    for bias in (True, False):
        twin = nn.Linear(2, 2)
        twin.bias.requires_grad_(bias)
        d2lrec.load_record(twin, d2lrec.into_record(net))
        assert (twin.weight.requires_grad, twin.bias.requires_grad) == (True, bias)


# burn-core/tests/test_derive_module.rs


def test_state_composed_and_const_generic():
    net, twin = (nn.ModuleDict({"a": nn.Linear(2, 2), "b": Conv(1.0)}) for _ in "12")
    d2lrec.load_record(twin, d2lrec.into_record(net))
    assert torch.equal(twin["b"].conv2d1.weight, net["b"].conv2d1.weight)


def test_wrong_variant_of_an_enum():
    """should_panic_when_load_from_a_different_variant."""
    choice = s.Enum(Basic=s.LINEAR, Other=CONSTANT)
    kind = s.Struct(choice=choice)
    record = d2lrec.into_record(nn.Linear(2, 2))
    data = d2lrec.BinBytesRecorder().record({"choice": {"Basic": record}}, like=kind)
    found = d2lrec.BinBytesRecorder().load(data, like=kind)
    assert list(found["choice"]) == ["Basic"]
    net = nn.ModuleDict({"choice": nn.ModuleDict({"Dense": nn.Linear(2, 2)})})
    with pytest.raises(d2lrec.RecordMismatch, match=r"choice\.Dense\.weight: missing"):
        d2lrec.load_record(net, found)


@each_file_recorder
def test_wrong_variant_of_an_activation(recorder):
    """Where Burn panics: "Can't parse record from a different variant"."""
    tanh, relu = nn.RNN(3, 2), nn.RNN(3, 2, nonlinearity="relu")
    path = golden.file("rnn", recorder().extension)  # which Burn wrote, with tanh
    before = relu.weight_ih_l0.detach().clone()
    found = recorder().load(path, like=relu)
    line = "hidden_activation: Tanh in the record, Relu in the module"
    for strict in (True, False):
        with pytest.raises(d2lrec.RecordMismatch) as caught:
            d2lrec.load_file(relu, path, recorder(), strict=strict)
        assert caught.value.differences == [line]
        with pytest.raises(d2lrec.RecordMismatch) as caught:
            d2lrec.load_record(relu, found, strict=strict)
        assert caught.value.differences == [line]
    assert torch.equal(relu.weight_ih_l0, before)
    d2lrec.load_file(tanh, path, recorder())
    twin = nn.RNN(3, 2, nonlinearity="relu")
    d2lrec.load_file(twin, recorder().record(relu, "relu"), recorder())
    assert torch.equal(twin.weight_ih_l0, relu.weight_ih_l0)


GATES = ("gate_activation", "cell_activation", "hidden_activation")


@pytest.mark.parametrize("field", GATES)
@pytest.mark.parametrize(
    "other", [{"HardSigmoid": None}, {"PRelu": {"alpha": torch.ones(1)}}], ids=str
)
def test_an_lstm_with_another_activation(field, other):
    """Which Burn can be built with and PyTorch cannot."""
    net = nn.ModuleDict({"lstm": nn.LSTM(2, 3, bidirectional=True)})
    record = d2lrec.into_record(nn.ModuleDict({"lstm": nn.LSTM(2, 3, bidirectional=1)}))
    record["lstm"]["reverse"][field] = other
    expected = "Sigmoid" if field == "gate_activation" else "Tanh"
    plan = d2lrec.plan_load(net, record)
    assert (
        plan.mismatched
        == plan.differences()
        == [
            f"lstm.reverse.{field}: {next(iter(other))} in the record, "
            f"{expected} in the module"
        ]
    )


@pytest.mark.parametrize("nothing", ["left out", None, {}])
def test_activations_from_before_burn_had_them(nothing):
    net, record = nn.LSTM(2, 3), d2lrec.into_record(nn.LSTM(2, 3))
    for field in GATES:
        if nothing == "left out":
            del record[field]
        else:
            record[field] = nothing
    assert d2lrec.plan_load(net, record).differences() == []
    record["cell_activation"] = {"Tanh": {"more": torch.ones(1)}}
    record["gate_activation"] = torch.ones(1)
    assert d2lrec.plan_load(net, record).unused == [
        "gate_activation",
        "cell_activation.Tanh.more",
    ]


def test_load_into_an_uninitialized_parameter():
    with torch.device("meta"):
        twin = nn.Linear(3, 2)
    net = nn.Linear(3, 2)
    d2lrec.load_record(twin, d2lrec.into_record(net))
    assert torch.equal(twin.weight, net.weight)
    assert twin.weight.requires_grad  # gradients on by default


def test_vec_of_another_length():
    """Where Burn panics: "[Load Record Error] The vec record does not the same ..."."""
    two, three = (nn.ModuleList([nn.Linear(1, 1)] * n) for n in (2, 3))
    three = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
    with pytest.raises(d2lrec.RecordMismatch, match=r"2\.weight: missing"):
        d2lrec.load_record(three, d2lrec.into_record(two))
    with pytest.raises(d2lrec.RecordMismatch, match=r"2\.weight: the module has no"):
        d2lrec.load_record(
            nn.ModuleList([nn.Linear(1, 1) for _ in range(2)]),
            d2lrec.into_record(three),
        )


def test_none_on_one_side_is_not_passed_over_in_silence():
    """Burn drops the weights of a module that is None, and removes it for a None."""
    with_bias, without = nn.Linear(2, 2), nn.Linear(2, 2, bias=False)
    for net, other, text in [
        (with_bias, without, "bias: missing in the record"),
        (without, with_bias, "bias: the module has no such place"),
    ]:
        before = net.weight.detach().clone()
        with pytest.raises(d2lrec.RecordMismatch, match=text):
            d2lrec.load_record(net, d2lrec.into_record(other))
        assert torch.equal(net.weight, before)
        d2lrec.load_record(net, d2lrec.into_record(other), strict=False)
        assert torch.equal(net.weight, other.weight)


# burn-nn/src/modules/linear.rs: layout


def test_linear_layouts():
    """Nothing in a file says which layout it is; a column layout is as the default."""
    path = golden.file("linear_column_layout", "mpk")
    record = d2lrec.DefaultFileRecorder().load(path)
    stored = record["weight"].tensor  # [out, in], as in PyTorch
    net = nn.Linear(*reversed(stored.shape))
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.load_record(net, record)
    assert "a Linear's weight is [in, out]" in str(caught.value)
    record["weight"] = d2lrec.Param(record["weight"].id, stored.t())
    d2lrec.load_record(net, record)
    assert torch.equal(net.weight, stored)


# burn-optim: each optimizer saves and loads its state


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (optim.Adam, {}),
        (optim.Adam, {"amsgrad": True}),
        (optim.AdamW, {}),
        (optim.SGD, {"momentum": 0.9}),
        (optim.Adagrad, {}),
        (optim.RMSprop, {"centered": True}),
    ],
    ids=str,
)
def test_optimizer_save_load_state(kind, options):
    """test_{adam,adamw,sgd,adagrad,rmsprop}_optimizer_save_load_state."""
    net = nn.Linear(6, 6)
    optimizer = kind(net.parameters(), lr=0.01, **options)
    net(torch.ones(2, 6)).sum().backward()
    optimizer.step()
    recorder = d2lrec.BinFileRecorder()
    path = recorder.record((optimizer, net), "optimizer")
    before = kind(net.parameters(), lr=0.01, **options)
    assert len(d2lrec.into_record(before, net)) == 0
    d2lrec.load_record(before, recorder.load(path, like=(before, net)), net)
    after = recorder.record((before, net), "again")
    assert after.read_bytes() == path.read_bytes()
