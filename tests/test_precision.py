"""Full, half and double: what is stored, what is lost, and what is said about it."""

import itertools
import math
import warnings

import golden_cases as golden
import numpy as np
import pytest
import torch
from golden_structures import STRUCTURES
from torch import nn

import d2lrec
from d2lrec.payload import CHUNK

SETTINGS = {
    "full": d2lrec.FullPrecisionSettings,
    "half": d2lrec.HalfPrecisionSettings,
    "double": d2lrec.DoublePrecisionSettings,
}
FLOATS = {"full": torch.float32, "half": torch.float16, "double": torch.float64}
INTS = {"full": torch.int32, "half": torch.int16, "double": torch.int64}
each_settings = pytest.mark.parametrize("name", SETTINGS)


def through(item, save, load=None, recorder=d2lrec.NamedMpkBytesRecorder):
    """Record under one setting and load under the same, or another."""
    data = recorder(SETTINGS[save]).record(item)
    return recorder(SETTINGS[load or save]).load(data, like=item)


@each_settings
@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16],
    ids=str,
)
def test_every_float_is_stored_as_the_settings_say(dtype, name):
    numbers = torch.tensor([0.0, -0.0, 1.5, -2.25, math.inf, -math.inf], dtype=dtype)
    found = through(numbers, name)
    assert found.dtype == FLOATS[name]
    assert torch.equal(found, numbers.to(found.dtype))
    assert torch.equal(torch.signbit(found), torch.signbit(numbers))
    assert through(torch.tensor([math.nan], dtype=dtype), name).isnan().all()


@each_settings
@pytest.mark.parametrize(
    "dtype",
    "int64 int32 int16 int8 uint64 uint32 uint16 uint8".split(),
)
def test_every_integer_is_stored_as_the_settings_say(dtype, name):
    dtype = getattr(torch, dtype)
    own, limits = torch.iinfo(dtype), torch.iinfo(INTS[name])
    for value in (0, 1, 100, -1, own.min, own.max, limits.min, limits.max):
        if not own.min <= value <= own.max:
            continue
        tensor = torch.tensor([0, value], dtype=dtype)
        if limits.min <= value <= limits.max:
            found = through(tensor, name)
            assert (found.dtype, found.tolist()) == (INTS[name], [0, value])
            continue
        with pytest.raises(d2lrec.Unrecordable) as caught:
            through({"layers": [{"step": tensor}]}, name)
        stored = {"full": "I32", "half": "I16", "double": "I64"}[name]
        assert str(caught.value).startswith(
            f"layers.0.step: the integer {value} does not fit {stored}, "
            f"which {SETTINGS[name].name} store. "
        )


@each_settings
def test_booleans_and_numbers_that_are_no_tensors_stay(name):
    item = {"mask": torch.tensor([True, False]), "pi": math.pi, "n": 2**40}
    found = through(item, name)
    assert found["mask"].dtype == torch.bool
    assert (found["pi"], found["n"]) == (math.pi, 2**40)


@each_settings
def test_no_precision_of_training_is_asked_for(name):
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        net = nn.Linear(3, 2).to(dtype)
        twin = nn.Linear(3, 2)
        d2lrec.load_record(twin, through(net, name))
        expected = net.weight.to(FLOATS[name]).to(torch.float32)
        assert torch.equal(twin.weight, expected)
        back = d2lrec.load_record(nn.Linear(3, 2).to(dtype), through(net, name))
        assert back.weight.dtype == dtype


# Halfway between two 16-bit floats, and a little more: to 32 bits and then to 16 it
# is rounded down, at once up.
TRICKY = [1 + 2**-11 + 2**-40, -(1 + 2**-11 + 2**-40), 65520 - 2**-20, 2**-25 + 2**-60]


def test_64_bits_to_16_are_rounded_once():
    generator = np.random.default_rng(0)
    numbers = np.concatenate([TRICKY, generator.standard_normal(10_000)])
    with np.errstate(all="ignore"):
        expected = numbers.astype(np.float16)
        twice = numbers.astype(np.float32).astype(np.float16)
    assert (expected != twice)[: len(TRICKY)].all()
    tensor = torch.from_numpy(numbers)
    for found in (
        through(tensor, "half"),
        through(tensor, "double", "half"),
        through(tensor.reshape(-1, 2).t().contiguous().t(), "half").reshape(-1),
    ):
        assert np.array_equal(found.numpy(), expected)
    net = nn.PReLU(len(numbers), dtype=torch.float16)
    record = through({"alpha": d2lrec.Param("a", tensor)}, "double")
    d2lrec.load_record(net, record)
    assert np.array_equal(net.weight.detach().numpy(), expected)
    d2lrec.DefaultFileRecorder(SETTINGS["double"]).record(
        {"alpha": d2lrec.Param("a", tensor)}, "net"
    )
    net = nn.PReLU(len(numbers), dtype=torch.float16)
    double = d2lrec.DefaultFileRecorder(SETTINGS["double"])
    d2lrec.load_file(net, "net", double)
    assert np.array_equal(net.weight.detach().numpy(), expected)


def test_32_bits_to_16_are_rounded_to_even():
    """Every 16-bit float, the middle to the next, and its two neighbors."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (halves[:-1] + halves[1:]) / 2
    around = [np.nextafter(middles, np.float32(x)) for x in (0, np.inf)]
    numbers = np.concatenate([halves, middles, *around])
    numbers = np.concatenate([numbers, -numbers])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", d2lrec.PrecisionWarning)
        found = through(torch.from_numpy(numbers), "half").numpy()
    assert np.array_equal(found, numbers.astype(np.float16))


def test_16_bits_of_the_other_kind():
    """bf16 has the range of 32 bits and 8 bits of precision: a part of it fits."""
    patterns = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    numbers = patterns.view(torch.bfloat16)
    numbers = numbers[numbers.isfinite()]
    assert torch.equal(through(numbers, "full"), numbers.float())
    with pytest.warns(d2lrec.PrecisionWarning) as caught:
        found = through(numbers, "half")
    with np.errstate(over="ignore"):
        expected = numbers.float().numpy().astype(np.float16)
    assert np.array_equal(found.numpy(), expected)
    over = int(np.isinf(expected).sum())
    under = int((expected == 0).sum()) - 2  # but 0.0 and -0.0
    assert str(caught[0].message) == (
        f"of {len(numbers)} numbers {over} became infinity and {under} became zero "
        "in torch.float16."
    )


# numbers, their dtype, the settings, and what the warning says
LOSSES = [
    ([65519.0, 1.0], torch.float32, "half", None),
    ([65520.0, 1.0], torch.float32, "half", "of 2 numbers 1 became infinity"),
    ([-1e9, 1e9, 5e4], torch.float32, "half", "of 3 numbers 2 became infinity"),
    ([6e-8, 0.0, -0.0], torch.float32, "half", None),
    ([2e-8, -2e-8], torch.float32, "half", "of 2 numbers 2 became zero"),
    ([1e9, 1e-9], torch.float64, "half", "1 became infinity and 1 became zero"),
    ([math.inf, -math.inf, math.nan], torch.float32, "half", None),
    ([1e39, 1e-50], torch.float64, "full", "1 became infinity and 1 became zero"),
    ([3.4e38, 1e-45], torch.float64, "full", None),
    ([1e300, 1e-300], torch.float64, "double", None),
    ([1e38], torch.float32, "double", None),
]


@pytest.mark.parametrize(("numbers", "dtype", "name", "text"), LOSSES, ids=str)
def test_what_is_lost_is_counted(numbers, dtype, name, text):
    net = {"fc": [{"weight": torch.tensor(numbers, dtype=dtype)}]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        through(net, name)
    if text is None:
        assert not caught
        return
    (warning,) = caught
    assert warning.category is d2lrec.PrecisionWarning
    message = str(warning.message)
    assert message.startswith("fc.0.weight: of ")
    assert text in message
    assert message.endswith(f" in {FLOATS[name]}.")


@pytest.mark.parametrize(
    "kind",
    [
        d2lrec.NamedMpkFileRecorder,
        d2lrec.NamedMpkGzFileRecorder,
        d2lrec.BinFileRecorder,
        d2lrec.BinGzFileRecorder,
        d2lrec.JsonGzFileRecorder,
        d2lrec.PrettyJsonFileRecorder,
    ],
    ids=lambda kind: kind.extension,
)
@pytest.mark.parametrize("count", [3, 5000])
def test_every_recorder_warns_once_for_each_tensor(kind, count):
    net = nn.Linear(count, 1)
    with torch.no_grad():
        net.weight[0, 0] = 1e9
        net.bias[0] = 1e-9
    recorder = kind(SETTINGS["half"])
    with pytest.warns(d2lrec.PrecisionWarning) as caught:
        path = recorder.record(net, "net")
    assert sorted(str(warning.message) for warning in caught) == [
        "bias: of 1 numbers 1 became zero in torch.float16.",
        f"weight: of {count} numbers 1 became infinity in torch.float16.",
    ]
    before = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(d2lrec.PrecisionWarning):
            recorder.record(net, "net")
    assert path.read_bytes() == before  # and nothing is left beside it
    assert [p.name for p in path.parent.resolve().iterdir()] == [path.name]


def test_loading_warns_as_well():
    net = nn.Linear(2, 1)
    with torch.no_grad():
        net.weight[0, 0] = 1e9
    d2lrec.save_file(net, "net")
    half = d2lrec.DefaultFileRecorder(SETTINGS["half"])
    text = r"^weight: of 2 numbers 1 became infinity in torch\.float16\.$"
    with pytest.warns(d2lrec.PrecisionWarning, match=text):
        half.load("net")
    with pytest.warns(d2lrec.PrecisionWarning, match=text):
        d2lrec.load_file(nn.Linear(2, 1), "net", half)
    for record in (d2lrec.into_record(net), d2lrec.DefaultFileRecorder().load("net")):
        with pytest.warns(d2lrec.PrecisionWarning, match=text):
            d2lrec.load_record(nn.Linear(2, 1).half(), record)
    with pytest.warns(d2lrec.PrecisionWarning, match=text):
        twin = d2lrec.load_file(nn.Linear(2, 1).half(), "net")
    assert twin.weight[0, 0] == math.inf


def test_where_a_warning_is_an_error_the_load_is_whole():
    """It comes last: after all parameters, and not after some of them."""
    net = nn.Linear(2, 1)
    with torch.no_grad():
        net.weight[0, 0] = 1e9
    d2lrec.save_file(net, "net")
    twin = nn.Linear(2, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(d2lrec.PrecisionWarning):
            half = d2lrec.DefaultFileRecorder(SETTINGS["half"])
            d2lrec.load_file(twin, "net", half)
    assert torch.equal(twin.bias, net.bias.half().float())


def views():
    base = torch.arange(24, dtype=torch.float64).reshape(4, 6) + 1 / 3
    complex_ = torch.complex(base, -base)
    yield "transposed", base.t()
    yield "strided", base[::2, 1::3]
    yield "expanded", base[:1].expand(5, 6)
    yield "negated", complex_.conj().imag
    yield "real", complex_.real
    yield "flipped", base.flip(0)
    yield "no dimension", base[0, 0]
    yield "empty", base[:, :0]
    yield "requires grad", base.clone().requires_grad_()
    yield (
        "seven dimensions",
        base.reshape(2, 2, 1, 3, 1, 2, 1).permute(6, 5, 4, 3, 2, 1, 0),
    )


@each_settings
@pytest.mark.parametrize("view", dict(views()))
def test_any_view_in_any_precision(view, name):
    tensor = dict(views())[view]
    for dtype in (torch.float64, torch.float32):
        source = tensor.to(dtype) if dtype != tensor.dtype else tensor
        found = through(source, name)
        expected = torch.from_numpy(
            source.detach().resolve_neg().numpy().astype(str(FLOATS[name])[6:])
        )
        assert torch.equal(found, expected)


@pytest.mark.parametrize("piece", [4, 8, 64, 1 << 20])
def test_loading_converts_in_pieces(piece, monkeypatch, tmp_path):
    """Transposed, of other dtypes and of any layout; the counts are those of all."""
    monkeypatch.setattr("d2lrec.stored.PIECE", piece)
    torch.manual_seed(0)
    net = nn.ModuleDict({"fc": nn.Linear(5, 7), "conv": nn.Conv2d(2, 3, 3)})
    with torch.no_grad():
        net["fc"].weight[0, 0] = net["fc"].weight[6, 4] = 1e9
    file = d2lrec.save_file(net, tmp_path / "net")
    twin = nn.ModuleDict({"fc": nn.Linear(5, 7), "conv": nn.Conv2d(2, 3, 3)}).half()
    twin["conv"].to(memory_format=torch.channels_last)
    with pytest.warns(d2lrec.PrecisionWarning) as caught:
        d2lrec.load_file(twin, file)
    expected = "fc.weight: of 35 numbers 2 became infinity in torch.float16."
    assert [str(one.message) for one in caught] == [expected]
    for name, tensor in net.state_dict().items():
        assert torch.equal(twin.state_dict()[name], tensor.half()), name


def test_a_large_tensor_is_converted_in_pieces():
    """The count of what was lost is that of all pieces."""
    tensor = torch.ones(3 * CHUNK // 4, dtype=torch.float32).reshape(3, -1)
    tensor[0, 0] = tensor[2, -1] = 1e9
    with pytest.warns(d2lrec.PrecisionWarning) as caught:
        found = through(tensor, "half")
    assert str(caught[0].message) == (
        f"of {tensor.numel()} numbers 2 became infinity in torch.float16."
    )
    assert torch.equal(found, tensor.half())


PAIRS = [*itertools.product(SETTINGS, SETTINGS)]


@pytest.mark.parametrize(("stored", "asked"), PAIRS, ids="-".join)
@pytest.mark.parametrize("extension", ["mpk", "bin", "json.gz"])
def test_burns_files_of_any_precision_load_through_any(extension, stored, asked):
    kind = {
        "mpk": d2lrec.NamedMpkFileRecorder,
        "bin": d2lrec.BinFileRecorder,
        "json.gz": d2lrec.JsonGzFileRecorder,
    }[extension]
    like = STRUCTURES["typed"]
    path = golden.file("typed", extension, stored)
    own = kind(SETTINGS[stored]).load(path, like=like)
    found = kind(SETTINGS[asked]).load(path, like=like)
    for field, expected in own.items():
        tensor = found[field].tensor
        kinds = INTS if field == "ints" else FLOATS
        assert tensor.dtype == (torch.bool if field == "bools" else kinds[asked])
        assert torch.equal(tensor, expected.tensor.to(tensor.dtype)), field


def test_burns_hard_floats_through_half():
    like = STRUCTURES["hard_floats"]
    half = d2lrec.DefaultFileRecorder(SETTINGS["half"])
    burns = half.load(golden.file("hard_floats", "mpk", "half"), like=like)
    with pytest.warns(
        d2lrec.PrecisionWarning, match=r"^values: of \d+ numbers 3 became"
    ):
        ours = half.load(golden.file("hard_floats", "mpk", "full"), like=like)
    one, two = (record["values"].tensor for record in (burns, ours))
    assert torch.equal(one.view(torch.int16), two.view(torch.int16))


def test_integers_that_do_not_fit_the_loader_are_refused():
    tensor = torch.tensor([2**40])
    with pytest.raises(d2lrec.Unrecordable) as caught:
        through({"step": tensor}, "double", "full")
    assert str(caught.value) == (
        "step: the integer 1099511627776 does not fit torch.int32, "
        "in which FullPrecisionSettings load integers."
    )


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        (torch.complex64, "Convert it to floats, integers or booleans first."),
        (torch.float8_e4m3fn, "Convert it to floats, integers or booleans first."),
    ],
    ids=str,
)
def test_what_burn_has_no_dtype_for(dtype, remedy):
    with pytest.raises(d2lrec.Unrecordable) as caught:
        through({"x": torch.zeros(2, dtype=dtype)}, "full")
    assert str(caught.value) == f"x: Burn has no tensor of {dtype}. {remedy}"
