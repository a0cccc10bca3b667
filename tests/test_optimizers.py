"""Optimizers and schedulers beyond the golden cases: groups, ties, parts, refusals."""

import copy
import math
import warnings

import pytest
import torch
from torch import nn, optim
from torch.optim import lr_scheduler

import d2lrec
from d2lrec import Param
from d2lrec.optimizer_twins import step_tensor

KINDS = {
    "adam": (optim.Adam, {}),
    "amsgrad": (optim.Adam, {"amsgrad": True}),
    "adamw": (optim.AdamW, {}),
    "sgd": (optim.SGD, {"lr": 0.1}),
    "momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "adagrad": (optim.Adagrad, {"initial_accumulator_value": 0.5}),
    "rmsprop": (optim.RMSprop, {}),
    "rmsprop centered": (optim.RMSprop, {"centered": True, "momentum": 0.9}),
}


class Tied(nn.Module):
    """An embedding whose weight is that of the output, as in language models."""

    def __init__(self, count=5, width=4):
        super().__init__()
        self.table = nn.Embedding(count, width)
        self.output = nn.Linear(width, count, bias=False)
        self.output.weight = self.table.weight

    def forward(self, x):
        return self.output(self.table(x[..., 0].long().abs()))


class First(nn.Module):
    """A recurrent layer's or an attention's output, without the state."""

    def __init__(self, layer, inputs):
        super().__init__()
        self.layer, self.inputs = layer, inputs

    def forward(self, x):
        return self.layer(*[x] * self.inputs)[0]


NETS = {
    "mlp": lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)),
    "lstm": lambda: First(nn.LSTM(4, 3, bidirectional=True), 1),
    "gru": lambda: First(nn.GRU(4, 3), 1),
    "attention": lambda: First(nn.MultiheadAttention(4, 2), 3),
    "transformer": lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0),
    "conv": lambda: nn.Sequential(nn.Conv1d(5, 3, 2), nn.BatchNorm1d(3)),
    "tied": Tied,
    "tied, square": lambda: Tied(4, 4),
}


def make(net, kind):
    torch.manual_seed(0)
    made = NETS[net]()
    return made, optimizer_of(made, kind)


def optimizer_of(net, kind):
    cls, options = KINDS[kind]
    return cls(net.parameters(), **options)


def train(net, optimizer, steps=2):
    torch.manual_seed(1)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(2, 5, 4)).square().mean().backward()
        optimizer.step()


def same_state(one, other):
    first, second = one.state_dict()["state"], other.state_dict()["state"]
    assert first.keys() == second.keys()
    for key, state in first.items():
        state = {k: v for k, v in state.items() if v is not None}
        assert state.keys() == second[key].keys()
        for name, value in state.items():
            if name == "step" and isinstance(one, optim.RMSprop):
                continue  # which PyTorch counts and does not use
            assert torch.equal(torch.as_tensor(value), second[key][name]), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETS)
def test_training_goes_on_as_if_it_had_not_stopped(name, kind):
    """Packed weights and tied ones: through bytes and into new objects."""
    net, optimizer = make(name, kind)
    train(net, optimizer)
    recorder = d2lrec.BinBytesRecorder()
    item = {"net": net, "optim": (optimizer, net)}
    found = recorder.load(recorder.record(item), like=item)
    twin = NETS[name]()
    other = optimizer_of(twin, kind)
    d2lrec.load_record(twin, found["net"])
    d2lrec.load_record(other, found["optim"], twin)
    same_state(optimizer, other)
    train(net, optimizer)
    train(twin, other)
    for one, two in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, two)
    for one, two in zip(net.buffers(), twin.buffers(), strict=True):
        assert one.dtype == torch.int64 or torch.equal(one, two)


def test_a_tied_weight_has_one_state_in_the_layout_of_its_first_place():
    net, optimizer = make("tied", "adam")
    train(net, optimizer)
    record = d2lrec.into_record(optimizer, net)
    assert len(record) == 1
    ((ident, entry),) = record.items()
    assert ident == d2lrec.into_record(net)["table"]["weight"].id
    assert entry["V1"]["Rank2"]["momentum"]["moment_1"].shape == (5, 4)


def test_packed_weights_have_a_state_for_each_of_burns_parameters():
    net, optimizer = make("lstm", "adam")
    train(net, optimizer)
    record = d2lrec.into_record(optimizer, net)
    weights = d2lrec.into_record(net)["layer"]
    assert len(record) == 2 * 4 * 2 * 2
    gate = weights["reverse"]["cell_gate"]["input_transform"]["weight"]
    moment = record[gate.id]["V1"]["Rank2"]["momentum"]["moment_1"]
    packed = optimizer.state[net.layer.weight_ih_l0_reverse]["exp_avg"]
    assert torch.equal(moment, packed[6:9].t())


def test_groups_with_options_of_their_own():
    net, _ = make("mlp", "adam")

    def grouped(model):
        first, last = model[0], model[2]
        return optim.Adam(
            [
                {"params": last.parameters(), "amsgrad": True, "lr": 0.5},
                {"params": first.parameters(), "weight_decay": 0.1},
            ]
        )

    optimizer = grouped(net)
    train(net, optimizer)
    record = d2lrec.into_record(optimizer, net)
    maxima = [
        entry["V1"][f"Rank{rank}"]["momentum"]["max_moment_2"] is not None
        for entry, rank in zip(record.values(), (2, 1, 2, 1), strict=True)
    ]
    assert maxima == [False, False, True, True]
    other = grouped(net)
    d2lrec.load_record(other, record, net)
    same_state(optimizer, other)
    assert other.param_groups[0]["lr"] == 0.5  # settings are not recorded


def test_only_some_parameters_are_the_optimizers():
    net, _ = make("mlp", "adam")
    optimizer = optim.Adam(net[2].parameters())
    train(net, optimizer)
    record = d2lrec.into_record(optimizer, net)
    assert len(record) == 2
    other = optim.Adam(net[2].parameters())
    d2lrec.load_record(other, record, net)
    same_state(optimizer, other)
    other = optim.Adam(net[0].parameters())
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.load_record(other, {**record, "strange": {}}, net)
    assert caught.value.differences == [
        "2.weight: the optimizer does not hold this parameter",
        "2.bias: the optimizer does not hold this parameter",
        "strange: the net has no parameter of this id",
        "(load the net's own record first: it has the ids)",
    ]
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.load_record(other, record, net)
    assert len(caught.value.differences) == 2  # and nothing of ids
    assert not other.state


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_parameters_and_those_without_a_gradient(kind):
    net = nn.ModuleDict({k: nn.Linear(2, 2, bias=False) for k in ("on", "off", "idle")})
    net["off"].weight.requires_grad_(False)
    optimizer = optimizer_of(net, kind)
    net["on"](torch.ones(1, 2)).sum().backward()
    optimizer.step()
    record = d2lrec.into_record(optimizer, net)
    ids = {net_id: name for name, net_id in parameter_ids(net).items()}
    expected = ["on", "idle"] if kind == "sgd" else ["on"]  # as Burn's does
    assert [ids[key] for key in record] == expected
    other = optimizer_of(net, kind)
    d2lrec.load_record(other, record, net)
    again = d2lrec.into_record(other, net)
    assert list(again) == list(record)
    for parameter in net.parameters():
        parameter.grad = torch.ones(2, 2) if parameter.requires_grad else None
    other.step()


def parameter_ids(net):
    return {name: layer["weight"].id for name, layer in d2lrec.into_record(net).items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_replaces_all_that_there_was(kind):
    """From before the first step: the moments of later steps are gone."""
    net, optimizer = make("mlp", kind)
    start = copy.deepcopy(optimizer.state_dict())
    record = d2lrec.into_record(optimizer, net)
    train(net, optimizer)
    d2lrec.load_record(optimizer, record, net)
    fresh = optimizer_of(net, kind)
    fresh.load_state_dict(start)
    same_state(fresh, optimizer)
    train(net, optimizer, 1)


def mlp_record():
    net, optimizer = make("mlp", "adam")
    train(net, optimizer)
    return net, optimizer, d2lrec.into_record(optimizer, net)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("amsgrad", "0.weight: the record has no max_moment_2, the optimizer has amsg"),
        ("sgd", "0.weight: the record has a velocity, the optimizer has momentum=0"),
        ("momentum", "0.weight: no state of SGD"),
        ("adagrad", "0.weight: no state of Adagrad"),
        ("rmsprop", "0.weight: no state of RMSprop"),
    ],
)
def test_a_record_of_another_optimizer(asked, text):
    net, _, record = mlp_record()
    other = optimizer_of(net, asked)
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.load_record(other, record, net)
    assert text in str(caught.value)
    assert len(caught.value.differences) == 4
    assert str(other.state_dict()) == str(before)


def test_adam_and_adamw_keep_the_same():
    net, optimizer, record = mlp_record()
    other = d2lrec.load_record(optim.AdamW(net.parameters()), record, net)
    same_state(optimizer, other)


def test_a_record_of_another_net():
    _, _, record = mlp_record()
    net, other = make("mlp", "adam")
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.load_record(other, record, net)
    assert len(caught.value.differences) == 5
    assert caught.value.differences[-1] == (
        "(load the net's own record first: it has the ids)"
    )
    assert not other.state


def changed(record, path, value):
    """Return a copy of a record with one entry replaced; None takes it out."""
    record = copy.deepcopy({**record})
    at = record
    *above, last = path
    for key in above:
        at = at[key]
    at[last] = value
    return record


MOMENTUM = ("V1", "Rank2", "momentum")
BROKEN = {
    "nothing": ((), None, "no state of Adam"),
    "a number": ((), 5, "no state of Adam"),
    "no V1": ((), {}, "no state of Adam"),
    "an empty enum": (("V1",), {}, "no state of Adam"),
    "two variants": (("V1",), {"Rank1": {}, "Rank2": {}}, "no state of Adam"),
    "a list": (("V1",), [1], "no state of Adam"),
    "another rank": (("V1",), {"Rank3": {}}, "Rank3 in the record, 2 dimensions"),
    "no momentum": (("V1", "Rank2"), {}, "no state of Adam"),
    "None": (MOMENTUM, None, "no state of Adam"),
    "time is text": ((*MOMENTUM, "time"), "abc", "no state of Adam"),
    "time is negative": ((*MOMENTUM, "time"), -5, "no state of Adam"),
    "time is a float": ((*MOMENTUM, "time"), 1.5, "no state of Adam"),
    "time is a bool": ((*MOMENTUM, "time"), True, "no state of Adam"),
    "time is tensors": ((*MOMENTUM, "time"), torch.ones(3), "no state of Adam"),
    "a moment is None": ((*MOMENTUM, "moment_1"), None, "no state of Adam"),
    "a moment is a Param": (
        (*MOMENTUM, "moment_1"),
        Param("a", torch.ones(4, 3)),
        "no state of Adam",
    ),
    "a moment of integers": (
        (*MOMENTUM, "moment_1"),
        torch.ones(4, 3, dtype=torch.int32),
        "no state of Adam",
    ),
    "another shape": (
        (*MOMENTUM, "moment_2"),
        torch.ones(3, 4),
        "exp_avg_sq has shape [3, 4] in the record, [4, 3] in the net",
    ),
    "a maximum": (
        (*MOMENTUM, "max_moment_2"),
        torch.ones(4, 3),
        "the record has a max_moment_2, the optimizer has amsgrad=False",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_state(name):
    net, optimizer, record = mlp_record()
    path, value, text = BROKEN[name]
    broken = changed(record, (next(iter(record)), *path), value)
    other = optimizer_of(net, "adam")
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.load_record(other, broken, net)
    assert caught.value.differences == [f"0.weight: {text}"] or (
        caught.value.differences[0].startswith(f"0.weight: {text}")
    )
    assert not other.state
    d2lrec.load_record(other, record, net)
    same_state(optimizer, other)


@pytest.mark.parametrize("record", [None, 5, [], "abc"], ids=str)
def test_what_is_no_record(record):
    net, other = make("mlp", "adam")
    with pytest.raises(d2lrec.RecordMismatch, match="an optimizer's record is a map"):
        d2lrec.load_record(other, record, net)


def test_a_part_of_a_packed_weight_without_its_state():
    net, optimizer = make("gru", "adam")
    train(net, optimizer)
    record = dict(d2lrec.into_record(optimizer, net))
    key = d2lrec.into_record(net)["layer"]["new_gate"]["input_transform"]["weight"].id
    del record[key]
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.load_record(optimizer_of(net, "adam"), record, net)
    assert caught.value.differences == [
        "layer.new_gate.input_transform.weight: "
        "no state, which other parts of this weight have"
    ]


def test_the_parts_of_a_packed_weight_must_be_equally_old():
    net, optimizer = make("gru", "adam")
    train(net, optimizer)
    record = d2lrec.into_record(optimizer, net)
    key = d2lrec.into_record(net)["layer"]["new_gate"]["input_transform"]["weight"].id
    broken = changed(record, (key, *MOMENTUM, "time"), 7)
    with pytest.raises(d2lrec.RecordMismatch, match="7 steps, another part of the"):
        d2lrec.load_record(optimizer_of(net, "adam"), broken, net)


def test_what_is_refused():
    net, optimizer = make("mlp", "adam")
    with pytest.raises(d2lrec.Unrecordable, match=r"need the net.*\(optimizer, net\)"):
        d2lrec.into_record(optimizer)
    with pytest.raises(d2lrec.Unrecordable, match="need the net"):
        d2lrec.load_record(optimizer, {})
    with pytest.raises(d2lrec.Unrecordable, match="4 of the optimizer's parameters"):
        d2lrec.into_record(optimizer, nn.Linear(1, 1))
    with pytest.raises(d2lrec.Unrecordable, match="NAdam is none that PyTorch contin"):
        d2lrec.into_record(optim.NAdam(net.parameters()), net)
    with pytest.raises(d2lrec.Unrecordable, match="need the net"):
        d2lrec.NamedMpkBytesRecorder().record({"optimizer": optimizer})


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_moments_have_the_nets_precision(dtype):
    torch.manual_seed(0)
    net = NETS["mlp"]().to(dtype)
    optimizer = optimizer_of(net, "amsgrad")
    for _ in range(2):
        net(torch.randn(3, 4, dtype=dtype)).sum().backward()
        optimizer.step()
    double = d2lrec.NamedMpkBytesRecorder(d2lrec.DoublePrecisionSettings)
    found = double.load(double.record((optimizer, net)))
    other = d2lrec.load_record(optimizer_of(net, "amsgrad"), found, net)
    same_state(optimizer, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_on_the_meta_device_has_no_moments(kind):
    net, optimizer = make("mlp", kind)
    train(net, optimizer)
    record, own = d2lrec.into_record(optimizer, net), d2lrec.into_record(net)
    with torch.device("meta"):
        twin = NETS["mlp"]()
    other = optimizer_of(twin, kind)
    before = str(other.state_dict())
    with pytest.raises(d2lrec.RecorderError, match="Load the net's own record first"):
        d2lrec.load_record(other, record, twin)
    assert str(other.state_dict()) == before
    d2lrec.load_record(twin, own)  # gives the optimizer's parameters memory
    d2lrec.load_record(other, record, twin)
    same_state(optimizer, other)


# torch.optim's options that decide what `step` is, and whether they go with a kind
STEPS = [
    *[(kind, {}) for kind in ("adam", "adagrad", "rmsprop")],
    *[(kind, {"fused": True}) for kind in ("adam", "adamw", "adagrad", "momentum")],
    *[(kind, {"capturable": True}) for kind in ("adam", "rmsprop")],
]


@pytest.mark.parametrize("default", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("kind", "more"), STEPS, ids=str)
def test_steps_are_what_pytorch_makes_them(kind, more, default):
    """Beside `load_state_dict`: fused and capturable kernels count in float32."""
    net, optimizer = make("mlp", kind)
    train(net, optimizer)
    record = d2lrec.into_record(optimizer, net)
    cls, options = KINDS[kind]
    mine, theirs, new = (
        cls(net.parameters(), **options | more, foreach=False) for _ in range(3)
    )
    torch.set_default_dtype(default)
    try:
        saved = copy.deepcopy(optimizer.state_dict())
        for state in saved["state"].values():
            if "step" in state:  # as PyTorch itself counts with this default
                state["step"] = state["step"].to(default)
        saved["param_groups"] = theirs.state_dict()["param_groups"]
        theirs.load_state_dict(saved)
        d2lrec.load_record(mine, record, net)
        d2lrec.load_record(new, {}, net)
    finally:
        torch.set_default_dtype(torch.float32)
    same_state(theirs, mine)
    for loaded in (mine, new):  # of which Adagrad has steps before the first
        for parameter, state in loaded.state.items():
            assert parameter.dtype == torch.float32
            if "step" in state:
                expected = theirs.state[parameter]["step"]
                assert state["step"].dtype == expected.dtype
                assert state["step"].device == expected.device
    if "capturable" not in more:  # which steps on CUDA only
        train(net, mine, 1)


@pytest.mark.parametrize("option", ["fused", "capturable"])
def test_steps_are_on_the_parameters_device(option):
    """Seen on the device meta, as PyTorch's own function for it says it."""
    parameter = torch.empty(2, device="meta")
    value = torch.tensor(3.0, dtype=torch.float64)
    for group in ({option: True}, {option: False}, {option: None}, {}):
        groups = [{**group, "params": [7]}]
        expected = optim.Optimizer._process_value_according_to_param_policy(
            parameter, value, 7, groups, "step"
        )
        found = step_tensor(3, parameter, group)
        assert found.device == expected.device
        assert found.dtype == torch.float32


def test_moments_that_the_net_cannot_hold_are_told():
    net, optimizer = make("lstm", "adam")
    train(net, optimizer)
    state = optimizer.state[net.layer.weight_ih_l0]
    state["exp_avg_sq"][:] = 1.0
    state["exp_avg_sq"][:2] = 1e-13  # of the first gate, which is the input's
    state["exp_avg"][:] = 0.0
    state["exp_avg"][9, 0] = 1e6  # of the last, which is the output's
    recorder = d2lrec.NamedMpkBytesRecorder()
    for record in (
        d2lrec.into_record(optimizer, net),
        recorder.load(recorder.record((optimizer, net))),
    ):
        twin = copy.deepcopy(net).half()
        other = optim.Adam(twin.parameters())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            d2lrec.load_record(other, record, twin)
        told = [str(warning.message) for warning in caught]
        assert [
            line for line in told if ".forward.input_gate.input_transform.w" in line
        ] == [
            "layer.forward.input_gate.input_transform.weight.exp_avg_sq: "
            "of 12 numbers 8 became zero in torch.float16."
        ]
        assert [
            line for line in told if ".forward.output_gate.input_transform.w" in line
        ] == [
            "layer.forward.output_gate.input_transform.weight.exp_avg: "
            "of 12 numbers 1 became infinity in torch.float16."
        ]
        assert {warning.category for warning in caught} == {d2lrec.PrecisionWarning}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(d2lrec.PrecisionWarning):
                d2lrec.load_record(other, record, twin)
        assert len(other.state) == len(optimizer.state)  # after all is in place


@pytest.mark.parametrize(
    "options",
    [{"only": "weight"}, {"rename": {"a": "b"}}, {"device": "cpu"}, {"strict": False}],
    ids=str,
)
def test_what_only_modules_are_loaded_with(options):
    """Nothing was chosen, renamed, moved or passed over."""
    net, _, record = mlp_record()
    other, schedule = optimizer_of(net, "adam"), scheduler(*STEP[:1], step_size=2)
    for item, found, more in ((other, record, (net,)), (schedule, 3, ())):
        with pytest.raises(d2lrec.RecorderError) as caught:
            d2lrec.load_record(item, found, *more, **options)
        (name,) = options
        assert str(caught.value) == (
            f"{name}= given for a {type(item).__name__}, which takes a record as a "
            "whole. Leave that out: it is for modules. Nothing was loaded."
        )
    assert not other.state
    assert schedule.last_epoch == 0


# Schedulers


def scheduler(kind, steps=0, rate=0.1, **options):
    optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    made = kind(optimizer, **options)
    for _ in range(steps):
        optimizer.step()
        made.step()
    return made


COSINE = (lr_scheduler.CosineAnnealingLR, {"T_max": 10})
LINEAR = (lr_scheduler.LinearLR, {"total_iters": 5})
EXPONENTIAL = (lr_scheduler.ExponentialLR, {"gamma": 0.9})
STEP = (lr_scheduler.StepLR, {"step_size": 2})


def test_a_scheduler_is_loaded_from_a_file_in_one_call():
    def scheduler():
        optimizer = torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2)

    optimizer, first = scheduler()
    for _ in range(3):
        optimizer.step()
        first.step()
    twin = scheduler()[1]
    d2lrec.load_file(twin, d2lrec.save_file(first, "schedule"))
    assert (twin.last_epoch, twin.get_last_lr()) == (3, [0.1])


@pytest.mark.parametrize(
    ("kind", "steps", "number"),
    [
        (COSINE, 0, 2**64 - 1),  # usize::MAX: the first step makes it 0
        (COSINE, 1, 0),
        (COSINE, 10, 9),
        (LINEAR, 0, 6),
        (LINEAR, 5, 1),
        (LINEAR, 6, 0),
        (LINEAR, 99, 0),
        (EXPONENTIAL, 0, 0.1 / 0.9),
        (EXPONENTIAL, 2, 0.1 * 0.9),
        (STEP, 0, -1),
        (STEP, 7, 6),
    ],
    ids=str,
)
def test_where_a_scheduler_is(kind, steps, number):
    cls, options = kind
    made = scheduler(cls, steps, **options)
    found = d2lrec.into_record(made)
    assert found == pytest.approx(number, rel=1e-12)
    other = d2lrec.load_record(scheduler(cls, 3, **options), found)
    for _ in range(4):
        for one in (made, other):
            one.optimizer.step()
            one.step()
        assert other.get_last_lr() == pytest.approx(made.get_last_lr(), rel=1e-9)
        if cls is lr_scheduler.CosineAnnealingLR and made.last_epoch >= 10:
            break


@pytest.mark.parametrize(
    ("kind", "record", "text"),
    [
        (COSINE, 10, "10 of 10 steps"),
        (COSINE, 2**64, "is no place of this schedule"),
        (COSINE, -1, "is no place of this schedule"),
        (COSINE, 0.5, "0.5 found, a number (u64) expected"),
        (COSINE, True, "True found, a number (u64) expected"),
        (LINEAR, 7, "7 is no place of this schedule"),
        (LINEAR, 2**64 - 1, "is no place of this schedule"),
        (STEP, -2, "is no place of this schedule"),
        (STEP, 2**40, "is no place of this schedule"),
        (STEP, None, "None found, a number (i32) expected"),
        (STEP, {"a": 1}, "found, a number (i32) expected"),
        (EXPONENTIAL, 0.0, "0.0 is no place of this schedule"),
        (EXPONENTIAL, -0.1, "is no place of this schedule"),
        (EXPONENTIAL, math.inf, "inf is no place of this schedule"),
        (EXPONENTIAL, math.nan, "nan is no place of this schedule"),
        (EXPONENTIAL, 0.05, "0.05 is none of 0.1 times a power of 0.9"),
        (EXPONENTIAL, "0.1", "'0.1' found, a number (f64) expected"),
        (EXPONENTIAL, 1e300, "is none of 0.1 times a power"),
    ],
    ids=str,
)
def test_what_is_no_place_of_a_schedule(kind, record, text):
    cls, options = kind
    made = scheduler(cls, 3, **options)
    before = (made.last_epoch, made.get_last_lr())
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.load_record(made, record)
    assert text in str(caught.value)
    assert (made.last_epoch, made.get_last_lr()) == before


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: scheduler(*COSINE[:1], 11, T_max=10), "after T_max steps"),
        (lambda: scheduler(*EXPONENTIAL[:1], gamma=0.0), "with gamma=0"),
        (
            lambda: scheduler(lr_scheduler.ConstantLR),
            "Burn's schedulers have no ConstantLR",
        ),
    ],
)
def test_schedules_that_burn_does_not_have(made, text):
    with pytest.raises(d2lrec.Unrecordable, match=text):
        d2lrec.into_record(made())


def test_a_rate_of_zero_says_nothing():
    made = scheduler(lr_scheduler.ExponentialLR, rate=0.0, gamma=0.9)
    with pytest.raises(d2lrec.RecordMismatch, match=r"0\.0 is no place"):
        d2lrec.load_record(made, d2lrec.into_record(made))


def test_a_gamma_of_one_is_always_at_its_beginning():
    made = scheduler(lr_scheduler.ExponentialLR, 5, gamma=1.0)
    other = scheduler(lr_scheduler.ExponentialLR, gamma=1.0)
    d2lrec.load_record(other, d2lrec.into_record(made))
    assert other.get_last_lr() == made.get_last_lr()


def test_all_groups_get_their_rates():
    parameters = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    groups = [
        {"params": [p], "lr": lr} for p, lr in zip(parameters, (0.1, 1.0), strict=True)
    ]
    made = lr_scheduler.StepLR(optim.SGD(groups), 2)
    d2lrec.load_record(made, 4)
    assert made.get_last_lr() == pytest.approx([0.001, 0.01])
    assert [group["lr"] for group in made.optimizer.param_groups] == made.get_last_lr()


@pytest.mark.parametrize("kind", [COSINE, LINEAR, EXPONENTIAL, STEP], ids=str)
def test_a_rate_that_is_a_tensor_is_filled(kind):
    """As a step of PyTorch's own does: who holds the tensor sees the new rate."""
    cls, options = kind
    rate = torch.tensor(0.1)
    made = scheduler(cls, 4, rate=torch.tensor(0.1), **options)
    other = scheduler(cls, rate=rate, **options)
    d2lrec.load_record(other, d2lrec.into_record(made))
    (group,) = other.optimizer.param_groups
    assert group["lr"] is rate
    expected = made.optimizer.param_groups[0]["lr"]
    assert torch.allclose(rate, expected, rtol=1e-6, atol=0)
    assert [type(x) for x in other.get_last_lr()] == [torch.Tensor]
    assert other.get_last_lr()[0] is not rate
    assert torch.equal(other.get_last_lr()[0], rate)
    for one in (made, other):
        one.optimizer.step()
        one.step()
    assert torch.allclose(rate, expected, rtol=1e-6, atol=0)


def test_a_rate_that_is_a_tensor_is_put_back():
    """A checkpoint of other groups is found out when the rates are already set."""
    net, _ = make("mlp", "sgd")

    def stepped(groups, steps):
        made = lr_scheduler.StepLR(optim.SGD(groups, lr=torch.tensor(0.1)), 1)
        for _ in range(steps):
            made.optimizer.step()
            made.step()
        return made

    saved = stepped(net.parameters(), 2)
    checkpointer = d2lrec.Checkpointer("run")
    checkpointer.save(1, net, saved.optimizer, saved)
    same = stepped(net.parameters(), 1)
    rate = same.optimizer.param_groups[0]["lr"]
    checkpointer.restore(net, same.optimizer, same)
    assert same.optimizer.param_groups[0]["lr"] is rate
    assert torch.equal(rate, saved.get_last_lr()[0])
    other = stepped([{"params": layer.parameters()} for layer in (net[0], net[2])], 1)
    rates = [group["lr"] for group in other.optimizer.param_groups]
    before = [float(rate) for rate in rates]
    with pytest.raises(d2lrec.RecordMismatch, match="1 in the checkpoint, 2 in the op"):
        checkpointer.restore(net, other.optimizer, other)
    assert [float(rate) for rate in rates] == other.get_last_lr() == before
    for group, rate in zip(other.optimizer.param_groups, rates, strict=True):
        assert group["lr"] is rate


def test_a_place_where_the_rate_is_beyond_all_floats():
    made = scheduler(lr_scheduler.StepLR, 3, step_size=1, gamma=10.0)
    before = (made.last_epoch, made.get_last_lr())
    with pytest.raises(d2lrec.RecordMismatch, match="400 is no place of this sched"):
        d2lrec.load_record(made, 400)
    assert (made.last_epoch, made.get_last_lr()) == before
