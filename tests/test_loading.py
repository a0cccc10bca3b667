"""Loading into modules: all of it or nothing, and what else must stay as it was."""

import copy
import warnings
import weakref

import golden_cases as golden
import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing._internal.two_tensor import TwoTensor

import d2lrec
from d2lrec.errors import CorruptRecord, RecorderError, RecordMismatch, Unrecordable
from d2lrec.payload import Memory
from d2lrec.reading import FileSource
from d2lrec.record import Float32

MPK, JSON = d2lrec.NamedMpkFileRecorder(), d2lrec.PrettyJsonFileRecorder()
each_recorder = pytest.mark.parametrize("recorder", [MPK, JSON], ids=["mpk", "json"])


class MLP(nn.Module):
    """The golden case: Linear 5 -> 4, ReLU, Linear 4 -> 3 without bias."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(5, 4)
        self.activation = nn.ReLU()
        self.output = nn.Linear(4, 3, bias=False)


class Everything(nn.Module):
    """A layer of each kind, a buffer of each kind, a tie, a number."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(6, 4)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.LayerNorm(4)])
        self.convs = nn.Sequential(nn.Conv1d(2, 2, 3), nn.BatchNorm1d(2), nn.ReLU())
        self.out = nn.Linear(4, 6, bias=False)
        self.out.weight = self.embed.weight
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.register_buffer("steps", torch.tensor([1, 2]))
        self.register_buffer("mask", torch.tensor([True, False]))


def snapshot(module):
    """Everything of a module that a load may change, as bytes and text."""
    tensors = module.state_dict(keep_vars=True)
    return {
        name: (t.detach().clone(), t.requires_grad, t._version, t.device, t.dtype)
        for name, t in tensors.items()
    } | {"ids": [copy.deepcopy(m.__dict__.get("_burn_ids")) for m in module.modules()]}


def unchanged(module, before):
    after = snapshot(module)
    assert after.pop("ids") == before["ids"]
    assert after.keys() | {"ids"} == before.keys()
    for name, (tensor, *rest) in after.items():
        assert torch.equal(tensor, before[name][0]), name
        assert tuple(rest) == before[name][1:], name


@each_recorder
def test_everything_comes_back(recorder):
    net, twin = Everything(), Everything()
    with torch.no_grad():
        net.steps += 5
        net.mask.logical_not_()
        net.convs[1].running_var.fill_(3.0)
    file = d2lrec.save_file(net, "net", recorder)
    assert d2lrec.load_file(twin, file, recorder) is twin
    for (name, one), other in zip(
        net.state_dict().items(), twin.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    assert twin.out.weight is twin.embed.weight
    again = d2lrec.save_file(twin, "again", recorder)
    assert again.read_bytes() == file.read_bytes()  # ids included


@each_recorder
def test_a_record_loads_without_a_file(recorder):
    net, twin, third = Everything(), Everything(), Everything()
    d2lrec.load_record(twin, d2lrec.into_record(net))
    d2lrec.load_record(third, recorder.load(recorder.record(net, "file")))
    for one, two, three in zip(
        net.parameters(), twin.parameters(), third.parameters(), strict=True
    ):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


def corrupt(file, old, new, last=False):
    data = file.read_bytes()
    assert old in data
    place = data.rindex(old) if last else data.index(old)
    file.write_bytes(data[:place] + new + data[place + len(old) :])


def cut(file):
    file.write_bytes(file.read_bytes()[:-20])


DAMAGE = {
    "cut short": (cut, CorruptRecord),
    "a boolean at the end": (
        lambda file: corrupt(file, b"\xc4\x02\x01\x00", b"\xc4\x02\x01\x02", True),
        CorruptRecord,
    ),
    "a dtype": (lambda file: corrupt(file, b"\xa3I32", b"\xa3I64"), CorruptRecord),
    "integers for floats": (
        lambda file: corrupt(file, b"\xa3F32", b"\xa3I32", True),
        RecordMismatch,
    ),
    "a name": (lambda file: corrupt(file, b"\xa5gamma", b"\xa5Gamma"), RecordMismatch),
    "a tie": (
        lambda file: corrupt(
            file, b"\x92\x04\x06\xa5dtype\xa3F32", b"\x92\x06\x04\xa5dtype\xa3F32"
        ),
        RecordMismatch,
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_changes_nothing(name):
    act, kind = DAMAGE[name]
    file = MPK.record(Everything(), "net")
    act(file)
    net = Everything()
    d2lrec.into_record(net)
    before = snapshot(net)
    with pytest.raises(kind) as caught:
        d2lrec.load_file(net, file)
    assert type(caught.value) is kind
    assert caught.value.file == file
    unchanged(net, before)


def misfits():
    """Records that do not fit, each with one thing wrong."""
    good = d2lrec.into_record(Everything())

    def changed(path, value):
        record = copy.copy(good)
        inner = record
        for key in path[:-1]:
            inner[key] = copy.copy(inner[key])
            if isinstance(inner[key], tuple):
                inner[key] = list(inner[key])
            inner = inner[key]
        inner[path[-1]] = value
        return record

    yield changed(["scale"], None), "scale: missing in the record"
    yield (
        changed(["scale"], torch.zeros(2)),
        "scale: shape [2] in the record, [1] in the module",
    )
    yield changed(["scale"], 3.5), "scale: 3.5 in the record, a tensor in the module"
    for single in (np.float32(1.1), Float32(np.float32(1.1))):
        yield (
            changed(["scale"], single),
            "scale: 1.1 in the record, a tensor in the module",
        )
    yield changed(["scale"], {"a": 1}), "scale: missing in the record"
    yield (
        changed(["scale"], torch.zeros(1, dtype=torch.int32)),
        "scale: integers in the record, floats in the module",
    )
    yield (
        changed(["scale"], torch.zeros(1, dtype=torch.complex64)),
        "scale: complex numbers in the record, floats in the module",
    )
    yield (
        changed(["scale"], torch.empty(1, device="meta")),
        "scale: a meta tensor without values in the record, a tensor in the module",
    )
    yield (
        changed(["scale"], torch.zeros(1).to_sparse()),
        "scale: a sparse, nested or quantized tensor in the record, a tensor in the "
        "module",
    )
    yield (
        changed(["mask"], torch.zeros(2)),
        "mask: floats in the record, booleans in the module",
    )
    yield (
        changed(["steps"], torch.zeros(2)),
        "steps: floats in the record, integers in the module",
    )
    yield (
        changed(["blocks", 0, "bias"], None),
        "blocks.0.bias: missing in the record",
    )
    yield (
        changed(["convs", 2], torch.zeros(1)),
        "convs.2: the module has no such place",
    )
    yield (
        changed(["convs", 2], {"deep": [0, torch.zeros(1)]}),
        "convs.2.deep.1: the module has no such place",
    )
    yield (
        changed(["out", "bias"], d2lrec.Param("x", torch.zeros(6))),
        "out.bias: the module has no such place",
    )
    yield (
        changed(["blocks"], [*good["blocks"], d2lrec.into_record(nn.Embedding(1, 1))]),
        "blocks.2.weight: the module has no such place",
    )
    yield changed(["more"], torch.zeros(1)), "more: the module has no such place"
    other = d2lrec.Param("x", torch.zeros(4, 6))
    yield (
        changed(["out", "weight"], other),
        "out.weight: tied to embed.weight in the module, another value in the record",
    )


MISFITS = list(misfits())


@pytest.mark.parametrize("record, line", MISFITS, ids=[x for _, x in MISFITS])
def test_a_difference(record, line):
    net = Everything()
    before = snapshot(net)
    with pytest.raises(RecordMismatch) as caught:
        d2lrec.load_record(net, record)
    assert caught.value.differences == [line]
    assert str(caught.value) == (
        "the record does not fit the module (1 difference; nothing was loaded):\n"
        f"  {line}"
    )
    unchanged(net, before)
    assert d2lrec.plan_load(net, record).differences() == [line]
    unchanged(net, before)


def test_all_differences_are_in_one_error():
    record = d2lrec.into_record(MLP())
    record["hidden"]["weight"] = d2lrec.Param("x", torch.zeros(4, 5))
    record["hidden"]["bias"] = None
    record["output"]["bias"] = d2lrec.Param("y", torch.zeros(3))
    record["extra"] = [torch.zeros(1)]
    record["activation"] = 5  # a number has no place to be missed in
    lines = [
        "hidden.weight: shape [4, 5] in the record, [5, 4] in the module",
        "hidden.bias: missing in the record",
        "output.bias: the module has no such place",
        "extra.0: the module has no such place",
    ]
    net = MLP()
    with pytest.raises(RecordMismatch) as caught:
        d2lrec.load_record(net, record)
    assert caught.value.differences == lines
    assert str(caught.value) == "\n  ".join(
        [
            "the record does not fit the module (4 differences; nothing was loaded):",
            *lines,
            "(shapes are in Burn's layout: a Linear's weight is [in, out])",
        ]
    )
    plan = d2lrec.plan_load(net, record)
    assert plan.loaded == ["output.weight"]
    assert plan.missing == ["hidden.bias"]
    assert plan.unused == ["output.bias", "extra.0"]
    assert plan.mismatched == lines[:1]
    assert plan.differences(strict=False) == lines[:1]
    with pytest.raises(RecordMismatch) as caught:
        d2lrec.load_record(net, record, strict=False)
    assert caught.value.differences == lines[:1]


def test_not_strict():
    net = MLP()
    before = net.hidden.bias.detach().clone()
    record = d2lrec.into_record(MLP())
    record["hidden"]["bias"] = None
    record["output"]["bias"] = torch.zeros(3)
    del record["activation"]
    assert d2lrec.load_record(net, record, strict=False) is net
    assert torch.equal(net.hidden.bias, before)
    assert torch.equal(net.hidden.weight.t(), record["hidden"]["weight"].tensor)
    d2lrec.save_file(record, "part")
    assert d2lrec.load_file(MLP(), "part", strict=False).output.bias is None


def test_a_part_of_a_record():
    net, other = MLP(), nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3, bias=False))
    file = MPK.record(net, "net")
    record = MPK.load(file)
    d2lrec.load_record(other[0], record["hidden"])
    assert torch.equal(other[0].weight, net.hidden.weight)
    d2lrec.load_record(other, [record["hidden"], record["output"]])
    d2lrec.load_record(other, (record["hidden"], record["output"]))
    assert torch.equal(other[1].weight, net.output.weight)
    assert d2lrec.into_record(other)[1]["weight"].id == record["output"]["weight"].id


def test_tensors_without_ids():
    net = nn.Linear(2, 2)
    before = d2lrec.into_record(net)["weight"].id
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    d2lrec.load_record(net, {"weight": weight, "bias": torch.zeros(2)})
    assert net.weight.tolist() == [[1.0, 3.0], [2.0, 4.0]]  # Burn's layout
    assert d2lrec.into_record(net)["weight"].id == before


@pytest.mark.parametrize("save", [False, True], ids=["at once", "through a file"])
def test_a_state_dict_by_mistake(save):
    state = MLP().state_dict()
    record = MPK.load(MPK.record(state, "state")) if save else state
    net = MLP()
    before = snapshot(net)
    with pytest.raises(RecordMismatch) as caught:
        d2lrec.load_record(net, record)
    assert "load it with load_state_dict" in str(caught.value).splitlines()[-1]
    unchanged(net, before)


def test_a_square_state_dict_by_mistake():
    net, other = nn.Linear(3, 3), nn.Linear(3, 3)
    with pytest.raises(RecordMismatch) as caught:
        d2lrec.load_record(net, other.state_dict())  # every name and shape fits
    assert str(caught.value).splitlines()[1] == (
        "  a state_dict, whose layout is PyTorch's and not Burn's: "
        "load it with load_state_dict"
    )


def test_a_record_of_views_of_the_module_itself():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    first, second = (layer.weight.detach().clone() for layer in net)
    record = d2lrec.into_record(net)
    d2lrec.load_record(net, record)
    assert torch.equal(net[0].weight, first)
    d2lrec.load_record(net, [record[1], record[0]])  # the two change places
    assert torch.equal(net[0].weight, second)
    assert torch.equal(net[1].weight, first)
    turned = {"weight": net[0].weight, "bias": net[0].bias}  # in place, transposed
    d2lrec.load_record(net[0], turned)
    assert torch.equal(net[0].weight, second.t())


DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@each_recorder
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_module_keeps_its_dtype(dtype, recorder):
    net, twin = MLP().to(torch.bfloat16), MLP().to(dtype)
    d2lrec.load_file(twin, d2lrec.save_file(net, "net", recorder), recorder)
    for one, other in zip(net.parameters(), twin.parameters(), strict=True):
        assert other.dtype == dtype
        assert torch.equal(one.to(torch.float64), other.to(torch.float64))


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.uint8, torch.int64])
def test_integers_that_do_not_fit_the_module(dtype):
    class Counts(nn.Module):
        def __init__(self, *values, dtype=torch.int64):
            super().__init__()
            self.fc = nn.Linear(1, 1)
            for name, value in zip("ab", values, strict=True):
                self.register_buffer(name, torch.tensor([value], dtype=dtype))

    net, twin = Counts(100, 0), Counts(1, 1, dtype=dtype)
    d2lrec.load_file(twin, d2lrec.save_file(net, "net"))
    assert twin.a.item() == 100
    assert twin.a.dtype == dtype
    before = snapshot(twin)
    wide = d2lrec.into_record(Counts(2**40, -(2**40)))
    if dtype == torch.int64:
        assert d2lrec.load_record(twin, wide).a.item() == 2**40
        return
    with pytest.raises(RecordMismatch) as caught:
        d2lrec.load_record(twin, wide)
    assert caught.value.differences == [
        f"a: the integer {2**40} in the record, {dtype} in the module",
        f"b: the integer {-(2**40)} in the record, {dtype} in the module",
    ]
    unchanged(twin, before)


@each_recorder
def test_an_integer_too_wide_for_the_settings(recorder):
    net = nn.Module()
    net.register_buffer("n", torch.tensor([1, 2]))
    double = recorder.path("double")
    d2lrec.save_file(net, double, type(recorder)(d2lrec.DoublePrecisionSettings))
    old, new = {
        MPK: (b"\2\0\0\0\0\0\0\0", b"\2\0\0\0\0\1\0\0"),
        JSON: (b"2" + b",\n          0" * 7, b"2" + b",\n          1" * 7),
    }[recorder]
    corrupt(double, old, new)
    before = snapshot(net)
    with pytest.raises(Unrecordable, match=r"the integer \d+ does not fit"):
        d2lrec.load_file(net, double, recorder)
    unchanged(net, before)


def test_parameters_of_any_layout():
    net = MLP()
    with torch.no_grad():
        net.hidden.weight = nn.Parameter(torch.zeros(5, 4).t())
        net.output.weight = nn.Parameter(torch.zeros(6, 8)[::2, ::2])
    assert not net.output.weight.is_contiguous()
    twin = MLP()
    d2lrec.load_file(net, d2lrec.save_file(twin, "net"))
    assert torch.equal(net.hidden.weight, twin.hidden.weight)
    assert torch.equal(net.output.weight, twin.output.weight)
    assert net.output.weight.stride() == (16, 2)
    again = d2lrec.save_file(net, "again")
    assert torch.equal(
        MPK.load(again)["output"]["weight"].tensor, twin.output.weight.t()
    )


@pytest.mark.parametrize(
    "parameter",
    [
        nn.Parameter(torch.zeros(1).expand(4)),
        nn.Parameter(torch.zeros(4).to_sparse()),
        torch.inference_mode()(lambda: nn.Parameter(torch.zeros(4)))(),
    ],
    ids=["expanded", "sparse", "inference"],
)
def test_parameters_that_cannot_be_written_to(parameter):
    net = MLP()
    before = net.output.weight.detach().clone()
    net.hidden.bias = parameter
    record = d2lrec.into_record(MLP())
    with pytest.raises(RecordMismatch) as caught:
        d2lrec.load_record(net, record)
    assert caught.value.differences == [
        "hidden.bias: a tensor in the record, a read-only one "
        "(made in inference mode, expanded or sparse) in the module"
    ]
    assert torch.equal(net.output.weight, before)


@each_recorder
def test_a_module_of_inference_mode(recorder):
    file = d2lrec.save_file(Everything(), "net", recorder)
    with torch.inference_mode():
        net = d2lrec.load_file(Everything(), file, recorder)
        assert (
            d2lrec.save_file(net, "again", recorder).read_bytes() == file.read_bytes()
        )
    plain = Everything()
    with torch.inference_mode():
        d2lrec.load_file(plain, file, recorder)
    assert torch.equal(plain.embed.weight, net.embed.weight)
    assert plain.embed.weight.requires_grad


def test_what_loading_leaves_alone():
    net = Everything()
    net.blocks[0].weight.requires_grad_(False)
    optimizer = torch.optim.Adam(
        [p for p in net.parameters() if p.requires_grad], lr=0.1
    )
    net.blocks[0](net.embed(torch.tensor([1]))).sum().backward()
    optimizer.step()
    held = [id(p) for p in net.parameters()]
    grads = {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}
    state = copy.deepcopy(optimizer.state_dict())
    net.train()
    d2lrec.load_record(net, d2lrec.into_record(Everything()))
    assert [id(p) for p in net.parameters()] == held
    assert not net.blocks[0].weight.requires_grad
    assert net.scale.requires_grad
    assert net.training
    for name, parameter in net.named_parameters():
        assert name not in grads or torch.equal(parameter.grad, grads[name])
    assert str(optimizer.state_dict()) == str(state)


@pytest.mark.parametrize("layer", [nn.Linear(2, 2), nn.Embedding(2, 2)])
def test_autograd_sees_the_change(layer):
    x = torch.ones(1, 2, requires_grad=True) if isinstance(layer, nn.Linear) else None
    file = d2lrec.save_file(layer, "layer")
    out = layer(x) if x is not None else layer.weight * layer.weight
    d2lrec.load_file(layer, file)  # through the file's own bytes, and by copy
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_batch_norm_counts_from_zero():
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2))
    net(torch.randn(3, 2))
    assert net[0].num_batches_tracked == 1
    d2lrec.load_record(net[1], d2lrec.into_record(nn.Linear(2, 2)))
    assert net[0].num_batches_tracked == 1
    d2lrec.load_record(net, d2lrec.into_record(net))
    assert net[0].num_batches_tracked == 0


def test_a_buffer_of_ones_own_with_batch_norms_name():
    class Own(nn.Module):
        def __init__(self, count):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))
            self.register_buffer("num_batches_tracked", torch.tensor([count]))

    net = d2lrec.load_record(Own(0), d2lrec.into_record(Own(7)))
    assert net.num_batches_tracked.item() == 7


def on_meta(make=Everything):
    with torch.device("meta"):
        return make()


@each_recorder
def test_a_module_on_the_meta_device(recorder):
    net = on_meta()
    net.scale.requires_grad_(False)
    net.eval()
    held = [id(p) for p in [*net.parameters(), *net.buffers()]]
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad])
    expected = Everything()
    file = d2lrec.save_file(expected, "net", recorder)
    assert d2lrec.load_file(net, file, recorder) is net
    assert [id(p) for p in [*net.parameters(), *net.buffers()]] == held
    assert net.out.weight is net.embed.weight
    assert not net.scale.requires_grad
    assert isinstance(net.scale, nn.Parameter)
    assert net.convs[1].num_batches_tracked.item() == 0
    for name, tensor in expected.state_dict().items():
        assert torch.equal(net.state_dict()[name], tensor), name
    net.blocks[0](net.embed(torch.tensor([1]))).sum().backward()
    optimizer.step()
    assert not torch.equal(net.embed.weight, expected.embed.weight)


def test_a_meta_module_that_would_stay_without_values():
    class Scratch(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(1, 1)
            self.register_buffer("scratch", torch.zeros(2), persistent=False)

    net = on_meta(Scratch)
    record = d2lrec.into_record(Scratch())
    for strict, kept in ((True, ["scratch"]), (False, ["fc.bias", "scratch"])):
        if not strict:
            record["fc"]["bias"] = None
        with pytest.raises(RecordMismatch) as caught:
            d2lrec.load_record(net, record, strict=strict)
        lines = [
            f"{name}: on the meta device, and the record has no value for it"
            for name in kept
        ]
        assert caught.value.differences == lines
        assert str(caught.value) == "\n  ".join(
            [
                "the module would stay without values; nothing was loaded:",
                *lines,
                "(build the module on a real device, where they have values)",
            ]
        )
    assert all(tensor.is_meta for tensor in net.parameters())


def test_a_meta_module_that_is_half_real():
    net = on_meta(MLP)
    net.hidden = nn.Linear(5, 4)
    expected = MLP()
    d2lrec.load_record(net, d2lrec.into_record(expected))
    assert torch.equal(net.hidden.bias, expected.hidden.bias)
    assert torch.equal(net.output.weight, expected.output.weight)


def test_a_meta_parameter_that_someone_refers_to():
    net = on_meta(MLP)
    reference = weakref.ref(net.output.weight)
    with pytest.raises(RecorderError) as caught:
        d2lrec.load_record(net, d2lrec.into_record(MLP()))
    assert str(caught.value) == (
        "a meta tensor cannot be given memory: Cannot swap t1 because it has weakref "
        "associated with it. Nothing was loaded."
    )
    assert all(p.is_meta for p in net.parameters())
    assert reference() is net.output.weight


RECURRENT = {
    "lstm": lambda: nn.LSTM(2, 3),
    "gru": lambda: nn.GRU(2, 3),
    "rnn": lambda: nn.RNN(2, 3),
    "both ways": lambda: nn.LSTM(2, 3, bidirectional=True),
    "without biases": lambda: nn.GRU(2, 3, bias=False),
}


class Recurrent(nn.Module):
    """Two recurrent layers, of which the second has a weight of the first."""

    def __init__(self, make):
        super().__init__()
        self.blocks = nn.ModuleList([make(), make()])
        self.blocks[1].weight_hh_l0 = self.blocks[0].weight_hh_l0
        self.out = nn.Linear(3, 1)


@pytest.mark.parametrize("through", ["a record", "a file"])
@pytest.mark.parametrize("kind", RECURRENT)
def test_a_recurrent_layer_on_the_meta_device(kind, through):
    """It refers weakly to its own weights, which is what PyTorch forbids here."""
    expected = Recurrent(RECURRENT[kind])
    net = on_meta(lambda: Recurrent(RECURRENT[kind]))
    held = [id(p) for p in net.parameters()]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    if through == "a record":
        d2lrec.load_record(net, d2lrec.into_record(expected))
    else:
        d2lrec.load_file(net, d2lrec.save_file(expected, "net"))
    assert [id(p) for p in net.parameters()] == held
    assert net.blocks[1].weight_hh_l0 is net.blocks[0].weight_hh_l0
    x = torch.randn(4, 1, 2)
    for layer, twin in zip(net.blocks, expected.blocks, strict=True):
        assert torch.equal(layer(x)[0], twin(x)[0])
    net.blocks[0](x)[0].sum().backward()
    optimizer.step()
    assert not torch.equal(net.blocks[0](x)[0], expected.blocks[0](x)[0])
    d2lrec.load_record(net, d2lrec.into_record(expected))
    net.double().half().float()  # rounds, so that a layer with old weights is seen
    expected.half().float()
    for layer, twin in zip(net.blocks, expected.blocks, strict=True):
        assert torch.equal(layer(x)[0], twin(x)[0])


def test_a_recurrent_layer_alone_and_one_that_cannot_be_loaded():
    net, expected = on_meta(lambda: nn.LSTM(2, 3)), nn.LSTM(2, 3)
    record = d2lrec.into_record(expected)
    reference = weakref.ref(net.bias_hh_l0)  # the last: the others are put back
    held = [id(p) for p in net.parameters()]
    with pytest.raises(RecorderError, match="cannot be given memory"):
        d2lrec.load_record(net, record)
    assert all(parameter.is_meta for parameter in net.parameters())
    assert net(torch.ones(1, 1, 2, device="meta"))[0].is_meta  # and it still works
    del reference
    d2lrec.load_record(net, record)
    assert [id(p) for p in net.parameters()] == held
    x = torch.randn(4, 1, 2)
    assert torch.equal(net(x)[0], expected(x)[0])


def test_a_recurrent_layer_stays_meta_when_the_device_fails(failing_device):
    net = on_meta(lambda: nn.ModuleList([nn.RNN(2, 2), Large()]))
    file = d2lrec.save_file(nn.ModuleList([nn.RNN(2, 2), Large()]), "net")
    with pytest.raises(CorruptRecord):
        d2lrec.load_file(net, file)
    assert all(parameter.is_meta for parameter in net.parameters())
    assert net[0](torch.ones(1, 1, 2, device="meta"))[0].is_meta
    real = net.to_empty(device="cpu")[0]
    assert real(torch.ones(1, 1, 2))[0].device.type == "cpu"


def test_parameters_that_a_function_of_the_user_replaces_meanwhile():
    file = d2lrec.save_file(MLP(), "net")
    net = MLP()

    def only(path):
        for parameter in net.parameters():
            parameter.data = torch.full_like(parameter.data, 7.0)
        return True

    d2lrec.load_file(net, file, only=only)
    expected = MPK.load(file)
    assert torch.equal(net.hidden.bias, expected["hidden"]["bias"].tensor)


def test_a_sparse_tensor_is_not_loaded_into():
    file = d2lrec.save_file(nn.LayerNorm(4), "net")
    net = nn.LayerNorm(4)
    net.weight = nn.Parameter(torch.ones(4).to_sparse())
    with pytest.raises(RecordMismatch, match="gamma: a tensor in the record, a read"):
        d2lrec.load_file(net, file)


def test_a_tensor_that_pytorch_refuses_to_write_to(monkeypatch):
    def refuse(*_):
        raise RuntimeError("mixed with a DTensor")

    file = d2lrec.save_file(nn.Linear(2, 3), "net")
    monkeypatch.setattr(d2lrec.loading, "copy_into", refuse)
    with pytest.raises(RecorderError) as caught:
        d2lrec.load_record(nn.Linear(2, 3), MPK.load(file))
    assert str(caught.value) == (
        "PyTorch refuses to write to a tensor: mixed with a DTensor. Some of these are "
        "already changed: weight, bias."
    )


def test_two_keys_of_one_name():
    part = d2lrec.into_record(nn.Linear(2, 3))
    with pytest.raises(RecordMismatch, match=r"have one name:\n  '0', 0"):
        d2lrec.load_record(nn.ModuleList([nn.Linear(2, 3)]), {"0": part, 0: part})


class Large(nn.Module):
    """Parameters that are read by themselves, not with what stands around them."""

    def __init__(self):
        super().__init__()
        self.one = nn.Embedding(200, 200)
        self.two = nn.Embedding(200, 200)
        self.three = nn.Embedding(200, 200)


@pytest.fixture
def failing_device(monkeypatch):
    """The second payload that is read is gone."""
    real, count = FileSource.read_into, 0

    def read_into(self, offset, memory):
        nonlocal count
        count += len(memory) == 160_000
        if count == 2:
            raise CorruptRecord("the file became shorter while it was read.")
        real(self, offset, memory)

    monkeypatch.setattr(FileSource, "read_into", read_into)


def test_a_device_that_fails_in_the_middle(failing_device):
    net = Large()
    file = d2lrec.save_file(Large(), "net")
    with pytest.raises(CorruptRecord) as caught:
        d2lrec.load_file(net, file)
    assert str(caught.value) == (
        "net.mpk: the file became shorter while it was read. "
        "Some of these are already changed: one.weight, two.weight, three.weight."
    )
    assert "_burn_ids" not in net.one.__dict__


def test_a_failing_device_leaves_a_meta_module_on_meta(failing_device):
    net = on_meta(Large)
    file = d2lrec.save_file(Large(), "net")
    with pytest.raises(CorruptRecord):
        d2lrec.load_file(net, file)
    assert all(parameter.is_meta for parameter in net.parameters())
    assert isinstance(net.one.weight, nn.Parameter)


def test_a_meta_module_stays_meta_when_a_conversion_fails(monkeypatch):
    real, count = FileSource.read_into, 0

    def read_into(self, offset, memory):
        nonlocal count
        count += len(memory) > 100_000
        if count == 2:
            raise CorruptRecord("the file became shorter while it was read.")
        real(self, offset, memory)

    file = d2lrec.save_file(nn.Embedding(1000, 1000), "net")
    monkeypatch.setattr(FileSource, "read_into", read_into)
    net = on_meta(lambda: nn.Embedding(1000, 1000).double())
    with pytest.raises(CorruptRecord, match="became shorter"):
        d2lrec.load_file(net, file)
    assert net.weight.is_meta


def test_autograd_sees_a_change_that_was_not_finished(failing_device):
    class Mixed(Large):
        def __init__(self):
            super().__init__()
            self.small = nn.Parameter(torch.rand(4))

    net = Mixed()
    out = net.small * net.small
    with pytest.raises(CorruptRecord):
        d2lrec.load_file(net, d2lrec.save_file(Mixed(), "net"))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_tensors_that_wrap_others():
    """They have no memory of their own to write to."""
    file = d2lrec.save_file(nn.LayerNorm(4), "net")
    net = nn.LayerNorm(4)
    with torch.no_grad():
        net.weight = nn.Parameter(TwoTensor(torch.zeros(4), torch.zeros(4)))
    d2lrec.load_file(net, file)
    assert torch.equal(net.weight.a, torch.ones(4))
    with FakeTensorMode():
        fake = nn.LayerNorm(4)
    with pytest.raises(Exception, match=r"(?i)fake"):
        d2lrec.load_file(fake, file)


def test_to_a_device():
    net = on_meta(MLP)
    expected = MLP()
    file = d2lrec.save_file(expected, "net")
    assert d2lrec.load_file(net, file, device="cpu") is net
    assert torch.equal(net.output.weight, expected.output.weight)
    other = d2lrec.load_record(MLP(), MPK.load(file, device="cpu"), device="cpu")
    assert torch.equal(other.output.weight, expected.output.weight)


@pytest.mark.parametrize("device", ["meta", "cuda:77", "nowhere"])
def test_a_device_that_is_none_changes_nothing(device):
    file = d2lrec.save_file(MLP(), "net")
    for net in (MLP(), on_meta(MLP)):
        before = snapshot(net) if not net.output.weight.is_meta else None
        with pytest.raises(RecorderError) as caught:
            d2lrec.load_file(net, file, device=device)
        if device == "meta":
            what = "on the device meta a module has no values. Name another."
            assert str(caught.value) == f"net.mpk: {what}"
        else:
            what = f"net.mpk: the device {device} cannot be used: "
            assert str(caught.value).startswith(what)
        if before:
            unchanged(net, before)
        assert net.output.weight.is_meta is (before is None)


@pytest.mark.parametrize("settings", ["full", "half", "double"])
@each_recorder
def test_files_of_burn_at_any_precision(settings, recorder):
    file = golden.file("mlp", recorder.extension, settings)
    net = d2lrec.load_file(MLP(), file, recorder)
    expected = {p["path"]: p for p in golden.EXPECTED["mlp"]["params"]}
    for path, param in [
        ("hidden.weight", net.hidden.weight.t()),
        ("hidden.bias", net.hidden.bias),
        ("output.weight", net.output.weight.t()),
    ]:
        assert param.dtype == torch.float32
        assert torch.equal(param, golden.tensor(expected[path]))
    id_ = d2lrec.into_record(net)["hidden"]["bias"].id
    assert golden.id_number(id_) == expected["hidden.bias"]["id"]
    again = d2lrec.save_file(net, "again", recorder)
    full = golden.file("mlp", recorder.extension)
    assert again.read_bytes() == full.read_bytes()


@each_recorder
def test_a_32_bit_number_is_shown_as_one(recorder):
    file = recorder.record({"weight": np.float32(1.1), "bias": torch.ones(1)}, "x")
    with pytest.raises(RecordMismatch) as caught:
        d2lrec.load_file(nn.Linear(1, 1), file, recorder)
    assert caught.value.differences == [
        "weight: 1.1 in the record, a tensor in the module"
    ]


def test_a_warning_made_an_error_comes_after_the_loading():
    net = nn.Linear(2, 1).half()
    record = {"weight": torch.full((2, 1), 1e-9), "bias": torch.ones(1)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(d2lrec.PrecisionWarning, match="weight: of 2 numbers 2"):
            d2lrec.load_record(net, record)
    assert net.weight.tolist() == [[0.0, 0.0]]
    assert net.bias.tolist() == [1.0]


def test_a_plan_says_what_would_be_loaded():
    plan = d2lrec.plan_load(MLP(), d2lrec.into_record(MLP()))
    assert plan.loaded == ["hidden.weight", "hidden.bias", "output.weight"]
    assert plan.missing == plan.unused == plan.mismatched == plan.differences() == []
    assert repr(plan) == "3 parameters would be loaded"
    other = d2lrec.plan_load(MLP(), {"hidden": {"weight": torch.zeros(1)}})
    assert repr(other).splitlines() == [
        "0 parameters would be loaded",
        "  hidden.weight: shape [1] in the record, [5, 4] in the module",
        "  hidden.bias: missing in the record",
        "  output.weight: missing in the record",
    ]


@pytest.mark.parametrize("record", [None, [], {}, 3, "text", torch.zeros(1)])
def test_what_is_no_record_of_the_module(record):
    net = MLP()
    before = snapshot(net)
    with pytest.raises(RecordMismatch):
        d2lrec.load_record(net, record)
    unchanged(net, before)


def test_a_memory_of_any_kind_is_a_source():
    for data in (b"0123", bytearray(b"0123"), memoryview(b"0123")):
        memory = bytearray(2)
        Memory(data).read_into(1, memoryview(memory))
        assert memory == b"12"
