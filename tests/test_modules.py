"""Modules to records: layers, containers, own classes, ids, and what is refused."""

import copy
import json
import pickle
import random
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from unstored_modules import Losses

import d2lrec
from d2lrec.errors import Unrecordable
from d2lrec.ids import encode_id
from d2lrec.record import RecordList, RecordTuple

BINARY = d2lrec.BinBytesRecorder
CONV = ["stride", "kernel_size", "dilation", "groups", "padding"]
NORM = ["gamma", "beta", "running_mean", "running_var", "momentum", "epsilon"]
STATS = {"running_mean": [4], "running_var": [4]}

# A layer, Burn's fields in order, and the shapes of those that are parameters.
LAYERS = [
    (nn.Linear(2, 3), ["weight", "bias"], {"weight": [2, 3], "bias": [3]}),
    (nn.Linear(2, 3, bias=False), ["weight", "bias"], {"weight": [2, 3]}),
    (nn.Linear(2, 3, dtype=torch.half), ["weight", "bias"], None),
    (nn.Embedding(5, 3, padding_idx=0), ["weight"], {"weight": [5, 3]}),
    (
        nn.Conv1d(4, 2, 3, groups=2),
        ["weight", "bias", *CONV],
        {"weight": [2, 2, 3], "bias": [2]},
    ),
    (
        nn.Conv2d(1, 2, (3, 2), bias=False, padding="same"),
        ["weight", "bias", *CONV],
        {"weight": [2, 1, 3, 2]},
    ),
    (nn.BatchNorm1d(4), NORM, {"gamma": [4], "beta": [4], **STATS}),
    (nn.BatchNorm2d(4), NORM, {"gamma": [4], "beta": [4], **STATS}),
    (nn.BatchNorm3d(4), NORM, {"gamma": [4], "beta": [4], **STATS}),
    (nn.SyncBatchNorm(4), NORM, {"gamma": [4], "beta": [4], **STATS}),
    (nn.LayerNorm(4), ["gamma", "beta", "epsilon"], {"gamma": [4], "beta": [4]}),
    (nn.LayerNorm(4, bias=False), ["gamma", "beta", "epsilon"], {"gamma": [4]}),
]
ATTRIBUTES = {"gamma": "weight", "beta": "bias"}


@pytest.mark.parametrize("layer, fields, shapes", LAYERS, ids=lambda x: str(x)[:20])
def test_a_layer_has_burns_fields(layer, fields, shapes):
    record = d2lrec.into_record(layer)
    assert isinstance(record, d2lrec.Record)
    assert list(record) == fields
    found = {name: x for name, x in record.items() if x is not None}
    for name, param in found.items():
        assert isinstance(param, d2lrec.Param)
        source = getattr(layer, ATTRIBUTES.get(name, name))
        expected = source.t() if isinstance(layer, nn.Linear) else source
        assert torch.equal(param.tensor, expected)
        assert param.tensor.data_ptr() == source.data_ptr()
        assert not param.tensor.requires_grad
    if shapes:
        assert {name: list(x.tensor.shape) for name, x in found.items()} == shapes


def test_a_record_is_a_view_of_the_module():
    net = nn.Linear(2, 3)
    weight = d2lrec.into_record(net)["weight"].tensor
    with torch.no_grad():
        net.weight[0, 1] = 7.0
    assert weight[1, 0] == 7.0


class Plain(nn.Module):
    """No parameter anywhere below."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()
        self.pool = nn.Sequential(nn.MaxPool2d(2), nn.Flatten())
        self.register_module("none", None)
        self.rate = 0.5


EMPTIES = [
    *[nn.ReLU(), nn.GELU(), nn.Tanh(), nn.Sigmoid(), nn.Softmax(-1), nn.LeakyReLU()],
    *[nn.Dropout(), nn.MaxPool2d(2), nn.AdaptiveAvgPool1d(1), nn.Flatten()],
    *[nn.Identity(), nn.Upsample(scale_factor=2), nn.LocalResponseNorm(2)],
    *[nn.NLLLoss(), nn.MSELoss(), nn.PixelShuffle(2), nn.Unfold(2)],
    *[nn.Sequential(), nn.Sequential(nn.ReLU()), nn.ModuleDict(), nn.ParameterDict()],
    *[nn.ModuleList([nn.ReLU()]), Plain(), nn.Module()],
]


@pytest.mark.parametrize("module", EMPTIES, ids=lambda x: type(x).__name__)
def test_what_has_no_parameters_is_empty(module):
    assert d2lrec.into_record(module) is None
    record = d2lrec.into_record(nn.Sequential(module, nn.Linear(1, 1)))
    assert record[0] is None
    assert d2lrec.load_record(module, None) is module


# Written by Burn 0.21.0: what follows the parameters of `fc`. Weights are `01 00`.
LOSSES = {
    d2lrec.BinBytesRecorder: bytes.fromhex(
        "030100000000 0001000000 000000 01000000 0000000000000000"
    ),
    d2lrec.NamedMpkBytesRecorder: b"\xadcross_entropy\x84\xaapad_tokens\xc0\xa7weights"
    b"\xc0\xa9smoothing\xc0\xa6logits\xc0\xa8weighted\x84\xaapad_tokens\xc0\xa7weights"
    b"\xc0\xa9smoothing\xc0\xa6logits\xc0\xa6binary\x83\xa7weights\xc0\xa9smoothing\xc0"
    b"\xa6logits\xc0\xafweighted_binary\x83\xa7weights\xc0\xa9smoothing\xc0\xa6logits\xc0"
    b"\xa3mse\xc0\xa2lp\xc0\xa5huber\xc0\xa9smooth_l1\xc0\xa6kl_div\xc0\xa7poisson\xc0"
    b"\xa6cosine\xc0\xa3ctc\xc0\xa2_b\x90",
}


@pytest.mark.parametrize("kind", LOSSES)
def test_losses_are_written_as_burn_writes_them(kind):
    net = Losses()
    data = kind().record(net)
    assert data.endswith(LOSSES[kind])
    record = kind().load(data, like=Losses())
    assert kind().record(record) == data
    assert kind().record(copy.deepcopy(record)) == data
    assert kind().record(pickle.loads(pickle.dumps(d2lrec.into_record(net)))) == data
    twin = Losses()
    twin.weighted.weight.fill_(3)
    d2lrec.load_record(twin, record)
    assert twin.weighted.weight.tolist() == [3, 3, 3]  # the module's own
    assert kind().record(twin) == data


def test_a_file_does_not_care_whether_a_loss_has_weights(tmp_path):
    data = BINARY().record(nn.Sequential(nn.CrossEntropyLoss(torch.ones(2))))
    assert data.endswith(bytes.fromhex("0001000000"))
    plain = nn.Sequential(nn.CrossEntropyLoss())
    record = BINARY().load(data, like=plain)
    assert str(record[0]["weights"]) == "Some(Constant)"
    found = d2lrec.describe(data, like=plain)
    assert "weights     Some(Constant)" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["item"][0]["weights"] is None
    assert d2lrec.load_record(plain, record) is plain
    assert BINARY().record(plain)[-4:] == bytes(4)
    assert BINARY().load(BINARY().record(plain), like=record)[0]["weights"] is None
    # The text formats cannot tell the two.
    for recorder in (d2lrec.PrettyJsonFileRecorder(), d2lrec.NamedMpkFileRecorder()):
        file = recorder.record(record, tmp_path / "loss")
        assert recorder.load(file)[0]["weights"] is None


@pytest.mark.parametrize("module", [nn.ModuleList(), nn.ParameterList()])
def test_an_empty_list_is_a_list(module):
    record = d2lrec.into_record(module)
    assert type(record) is RecordList
    assert record == []
    assert d2lrec.load_record(module, record) is module


def test_what_is_a_struct_or_a_list_in_burn_is_no_empty_record():
    norm = nn.GroupNorm(2, 4, affine=False)
    fields = ["gamma", "beta", "num_groups", "num_channels", "epsilon", "affine"]
    inside = nn.Sequential(norm)
    for module in (norm, inside, nn.ModuleDict({"a": inside})):
        record = d2lrec.into_record(module)
        while not (isinstance(record, dict) and "gamma" in record):
            (record,) = record.values() if isinstance(record, dict) else record
        assert record == dict.fromkeys(fields)
    holder = nn.ModuleDict({"layers": nn.ModuleList()})
    assert d2lrec.into_record(holder) == {"layers": []}


def test_containers():
    one = nn.Linear(1, 1)
    more = nn.Parameter(torch.zeros(2))
    module = nn.ModuleDict(
        {
            "sequential": nn.Sequential(one, nn.ReLU(), nn.Sequential(one)),
            "list": nn.ModuleList([one, None, nn.ReLU()]),
            "weights": nn.ParameterList([more, 3, torch.ones(1)]),
            "named": nn.ParameterDict({"b": more, "a": more, "n": 5}),
        }
    )
    record = d2lrec.into_record(module)
    assert list(record) == ["sequential", "list", "weights", "named"]
    assert type(record["sequential"]) is RecordTuple
    assert record["sequential"][1] is None
    assert type(record["sequential"][2]) is RecordTuple
    assert type(record["list"]) is RecordList
    assert record["list"][1:] == [None, None]
    assert type(record["weights"]) is RecordList
    kinds = [type(entry) for entry in record["weights"]]
    assert kinds == [d2lrec.Param, type(None), d2lrec.Param]
    assert list(record["named"]) == ["a", "b"]  # torch sorts them
    assert type(record["named"]) is d2lrec.Record


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.child = nn.Linear(1, 2)
        self.register_buffer("scratch", torch.zeros(5), persistent=False)
        self.register_buffer("table", torch.arange(3))
        self.register_buffer("nothing", None)
        self.scale = nn.Parameter(torch.tensor(2.5))
        self.register_parameter("shift", None)
        self.register_module("pool", None)
        self.act = nn.ReLU()
        self.tensor = torch.ones(1)  # an attribute, not registered
        self.size = 4


def test_a_class_of_ones_own():
    net = Own()
    record = d2lrec.into_record(net)
    # parameters, persistent buffers, children: each in their order
    fields = ["scale", "shift", "table", "nothing", "child", "pool", "act"]
    assert list(record) == fields
    empty = [name for name in fields if record[name] is None]
    assert empty == ["shift", "nothing", "pool", "act"]
    assert record["table"].tensor.dtype == torch.int64
    # Burn's tensors have at least one dimension
    assert record["scale"].tensor.tolist() == [2.5]
    assert record["scale"].tensor.data_ptr() == net.scale.data_ptr()


class Named(Own):
    __record_fields__ = ("size", "child", "scale", "pool", "table", "double")

    @property
    def double(self):
        return 2 * self.size


def test_a_class_that_names_its_fields():
    record = d2lrec.into_record(Named())
    assert list(record) == list(Named.__record_fields__)
    assert record["size"] is record["double"] is record["pool"] is None
    assert isinstance(record["child"], d2lrec.Record)


def refused(module):
    with pytest.raises(Unrecordable) as caught:
        d2lrec.into_record(module)
    with pytest.raises(Unrecordable):
        d2lrec.load_record(module, {})
    return str(caught.value)


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            ("child", "scale", "table", "sice"),
            "__record_fields__ names 'sice', which the module lacks.",
        ),
        (
            ("child", "scale"),
            "table: __record_fields__ leaves it out, and its numbers would be lost. "
            "Name it there, or make it a buffer with persistent=False.",
        ),
        (
            ("scale", "table"),
            "child.weight: __record_fields__ leaves it out, and its numbers would be "
            "lost. Name it there, or make it a buffer with persistent=False.",
        ),
    ],
)
def test_fields_that_are_wrong(fields, message):
    assert refused(type("Wrong", (Own,), {"__record_fields__": fields})()) == message


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.embed.weight


def test_a_tied_parameter_has_one_id():
    net = Tied()
    record = d2lrec.into_record(net)
    one, other = record["embed"]["weight"], record["out"]["weight"]
    assert one.id == other.id
    assert torch.equal(one.tensor, other.tensor.t())
    shared = nn.Linear(2, 2)
    record = d2lrec.into_record(nn.Sequential(shared, nn.ReLU(), shared))
    assert record[0]["weight"].id == record[2]["weight"].id
    assert record[0]["weight"].id != record[0]["bias"].id


TWIN = "Write it as a module of your own, of layers that Burn has."
REPLACED = "If a weight norm or pruning replaced it, remove that first."
AFFINE = "Build it with affine=True and track_running_stats=True."
BESIDE = "Hold the layer in a module of your own, beside what you add."


class Norm(nn.BatchNorm1d):
    pass


class More(nn.Linear):
    def __init__(self):
        super().__init__(1, 1)
        self.gain = nn.Parameter(torch.ones(1))


class Adapter(nn.Linear):
    def __init__(self):
        super().__init__(1, 1)
        self.low = nn.Linear(1, 1)


class Scaled(nn.ModuleList):
    def __init__(self):
        super().__init__([nn.ReLU()])
        self.p = nn.Parameter(torch.ones(1))


class Extra(nn.Module):
    def get_extra_state(self):
        return {"step": 3}


def quiet(make):
    def made():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch calls deprecated
            return make()

    return made


class Quantizable(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)


REFUSED = {
    "no twin": (
        lambda: nn.Bilinear(1, 1, 1),
        f"Burn has no twin of Bilinear. {TWIN}",
    ),
    "a subclass of one": (
        lambda: type("Mine", (nn.LSTMCell,), {})(1, 1),
        f"Burn has no twin of LSTMCell. {TWIN}",
    ),
    "numbers in a buffer": (
        lambda: nn.NLLLoss(weight=torch.ones(2)),
        f"Burn has no twin of NLLLoss. {TWIN}",
    ),
    "a weight that Burn's loss lacks": (
        lambda: nn.BCEWithLogitsLoss(pos_weight=torch.ones(2)),
        "Burn's BinaryCrossEntropyLoss has no pos_weight. "
        "Keep the loss outside of the module.",
    ),
    "two dimensions": (
        lambda: nn.LayerNorm((2, 3)),
        "it normalizes 2 dimensions, Burn's twin one. Flatten them before the norm.",
    ),
    "no affine": (
        lambda: nn.BatchNorm2d(2, affine=False),
        f"this BatchNorm2d has no weight; Burn's twin always has one (gamma). {AFFINE}",
    ),
    "no statistics": (
        lambda: Norm(2, track_running_stats=False),
        "this Norm has no running_mean; Burn's twin always has one (running_mean). "
        f"{AFFINE}",
    ),
    "no weight": (
        lambda: nn.LayerNorm(2, elementwise_affine=False),
        "this LayerNorm has no weight; Burn's twin always has one (gamma). "
        "Build it with elementwise_affine=True.",
    ),
    "parametrized": (
        lambda: parametrizations.weight_norm(nn.Linear(2, 2)),
        "this ParametrizedLinear is parametrized. "
        "Call torch.nn.utils.parametrize.remove_parametrizations first.",
    ),
    "old weight norm": (
        quiet(lambda: nn.utils.weight_norm(nn.Linear(2, 2))),
        f"this Linear has no weight; Burn's twin always has one (weight). {REPLACED}",
    ),
    "pruned": (
        lambda: prune.l1_unstructured(nn.Linear(2, 2), "weight", 1),
        f"this Linear has no weight; Burn's twin always has one (weight). {REPLACED}",
    ),
    "lazy": (
        quiet(lambda: nn.LazyLinear(2)),
        "this LazyLinear has no shape yet. Run the model once.",
    ),
    "scripted": (
        quiet(lambda: torch.jit.script(nn.Linear(2, 2))),
        "a ScriptModule is a program. Record the module that it was made from.",
    ),
    "quantized": (
        quiet(
            lambda: torch.ao.quantization.quantize_dynamic(Quantizable(), {nn.Linear})
        ),
        "fc: this Linear is quantized. Record the model from before.",
    ),
    "extra state": (
        Extra,
        "this Extra has an extra state, which is no tensor. "
        "Record it beside the module, in a dict.",
    ),
    "one parameter more": (
        More,
        f"gain: Burn's twin of this layer has no field for it. {BESIDE}",
    ),
    "one child more": (
        Adapter,
        f"low.weight: Burn's twin of this layer has no field for it. {BESIDE}",
    ),
    "a list with a parameter": (
        Scaled,
        f"p: Burn's twin of this layer has no field for it. {BESIDE}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_place_in_burn(name):
    make, message = REFUSED[name]
    module = make()
    assert refused(module) == message
    with pytest.raises(Unrecordable) as caught:
        d2lrec.into_record(nn.Sequential(nn.ReLU(), nn.ModuleDict({"net": module})))
    path = caught.value.path
    assert ".".join(map(str, path)).startswith("1.net")
    assert str(caught.value).startswith("1.net")


def test_modules_nested_too_deeply():
    module = nn.Linear(1, 1)
    for _ in range(200):
        module = nn.Sequential(module)
    with pytest.raises(Unrecordable, match="modules nested deeper than 120 levels"):
        d2lrec.into_record(module)


def test_a_compiled_module_is_looked_through():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, on its first import
        compiled = torch.compile(net)  # when it is called, not now
    assert repr(d2lrec.into_record(compiled)) == repr(d2lrec.into_record(net))
    inside = nn.ModuleDict({"net": compiled})
    assert list(d2lrec.into_record(inside)["net"][0]) == ["weight", "bias"]
    new = d2lrec.into_record(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    assert d2lrec.load_record(compiled, new) is compiled
    assert torch.equal(net[0].bias, new[0]["bias"].tensor)


def ids(module):
    record = d2lrec.into_record(module)
    return [param.id for layer in record if layer for param in layer.values()]


def make():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


def test_ids_stay_with_the_module():
    net = make()
    before = ids(net)
    assert len(set(before)) == 4
    assert {len(id_) for id_ in before} == {13}
    assert ids(net) == before
    assert ids(copy.deepcopy(net)) == before
    assert ids(pickle.loads(pickle.dumps(net))) == before
    assert ids(net.double().half().to("cpu").float()) == before
    net.load_state_dict(make().state_dict(), assign=True)
    assert ids(net) == before
    net[0].weight = nn.Parameter(torch.zeros(3, 2))
    assert ids(net) == before
    assert not [key for key in net.state_dict() if "burn" in key]
    assert ids(make()) != before


def test_a_module_with_ids_can_still_be_scripted_and_exported():
    net = make().eval()
    d2lrec.into_record(net)
    x = torch.ones(1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting is deprecated
        assert torch.equal(torch.jit.script(net)(x), net(x))


def test_ids_are_unique():
    found = [id_ for _ in range(500) for id_ in ids(make())]
    assert len(set(found)) == len(found)


def test_seeded_ids():
    d2lrec.seed_ids(3)
    first = ids(make())
    assert ids(make()) != first
    d2lrec.seed_ids(3)
    assert ids(make()) == first
    d2lrec.seed_ids(4)
    assert ids(make()) != first


def test_ids_take_no_number_from_other_generators():
    states = torch.get_rng_state(), random.getstate()
    net = make()
    after = torch.get_rng_state()
    d2lrec.seed_ids(0)
    ids(net)
    assert torch.equal(torch.get_rng_state(), after)
    assert random.getstate() == states[1]


@pytest.mark.parametrize(
    "number, text",
    [
        (0, "0000000000000"),
        (1, "0400000000000"),
        (42, "5800000000000"),
        (123456, "83h0200000000"),
        (2**64 - 1, "vvvvvvvvvvvvu"),
    ],
)
def test_an_id_is_written_as_burn_does(number, text):
    assert encode_id(number) == text


def test_a_synchronized_norm_is_a_batch_norm():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    data = BINARY().record(net)
    twin = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert type(twin[1]) is nn.SyncBatchNorm
    assert d2lrec.load_record(twin, BINARY().load(data, like=twin)) is twin
    assert BINARY().record(twin) == data
    twin[1].num_batches_tracked += 1
    d2lrec.load_record(twin, d2lrec.into_record(net))
    assert twin[1].num_batches_tracked == 0
    bare = nn.SyncBatchNorm(2, affine=False)
    assert refused(bare).endswith(f"always has one (gamma). {AFFINE}")


class Progress:
    def into_record(self):
        return {"epoch": 3}

    def load_record(self, record):
        pass


def test_a_module_is_not_asked_for_a_record_of_its_own():
    net = type("Net", (nn.Module, Progress), {})()
    net.fc = nn.Linear(1, 1)
    assert list(d2lrec.into_record(net)) == ["fc"]
    with pytest.raises(d2lrec.RecordMismatch):
        d2lrec.load_record(net, {"epoch": 3})


@pytest.mark.parametrize("setting", [{"padding_mode": "reflect"}, {}])
def test_a_setting_that_burn_lacks_shows_in_no_file(setting):
    net = nn.Conv2d(1, 1, 3, padding=1, **setting)
    record = d2lrec.into_record(nn.Conv2d(1, 1, 3))
    assert d2lrec.plan_load(net, record).differences() == []
    attention = nn.MultiheadAttention(2, 1, add_zero_attn=bool(setting))
    record = d2lrec.into_record(nn.MultiheadAttention(2, 1))
    assert d2lrec.plan_load(attention, record).differences() == []


@pytest.mark.parametrize("kind", [nn.Linear, torch.optim.SGD, Progress, int])
def test_a_class_is_no_object(kind):
    what = f"the class {kind.__name__} found, an object expected. Pass an instance of "
    what += f"it: {kind.__name__}(...)."
    data = BINARY().record({"a": 1})
    calls = {
        "a": lambda: BINARY().record({"a": kind}),
        "": lambda: BINARY().load(data, like=kind),
        "b": lambda: BINARY().load(data, like={"b": kind}),
    }
    for path, call in calls.items():
        with pytest.raises(Unrecordable) as caught:
            call()
        assert str(caught.value) == (f"{path}: {what}" if path else what)
    for call in (d2lrec.into_record, lambda kind: d2lrec.load_record(kind, {})):
        with pytest.raises(Unrecordable) as caught:
            call(kind)
        assert str(caught.value) == what
