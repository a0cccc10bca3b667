"""Recording plain trees: every kind of item, and what is refused."""

import collections
import dataclasses
import datetime
import enum
import itertools
import math
import pathlib
import types
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra import numpy as arrays
from strategies import has_reserved, plain, same, trees, written
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing._internal.two_tensor import TwoTensor

import d2lrec
from d2lrec import structure, tensors
from d2lrec.codecs import mpk
from d2lrec.errors import CorruptRecord, PrecisionWarning, Unrecordable
from d2lrec.items import into_tree, loaded
from d2lrec.payload import Memory
from d2lrec.record import TensorData

FULL = d2lrec.FullPrecisionSettings
MPK, JSON = d2lrec.NamedMpkFileRecorder(), d2lrec.PrettyJsonFileRecorder()
each_recorder = pytest.mark.parametrize("recorder", [MPK, JSON], ids=["mpk", "json"])


def through(item, recorder=MPK):
    return recorder.load(recorder.record(item, "file"))


@dataclasses.dataclass
class Point:
    x: float
    y: list


class Color(enum.IntEnum):
    RED = 7


Pair = collections.namedtuple("Pair", "a b")

ITEMS = [
    (None, None),
    (True, True),
    (np.True_, True),
    (0, 0),
    (-(2**63), -(2**63)),
    (2**64 - 1, 2**64 - 1),
    (np.int8(-1), -1),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (Color.RED, 7),
    (1.5, 1.5),
    (np.float64(1.5), 1.5),
    ("", ""),
    ("日本 \0\n", "日本 \0\n"),
    (np.str_("a"), "a"),
    ([], []),
    ((), []),
    ((1, (2,)), [1, [2]]),
    (torch.Size([2, 3]), [2, 3]),
    (Pair(1, 2), [1, 2]),
    ({}, {}),
    ({"a": {"": []}}, {"a": {"": []}}),
    ({"id": "x"}, {"id": "x"}),
    ({"bytes": 1, "shape": 2}, {"bytes": 1, "shape": 2}),
    ({"id": 1, "param": 2, "more": 3}, {"id": 1, "param": 2, "more": 3}),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (types.MappingProxyType({"a": 1}), {"a": 1}),
    (collections.UserDict(a=1), {"a": 1}),
    (d2lrec.Record(a=1), {"a": 1}),
    (Point(0.5, [Point(1.5, [])]), {"x": 0.5, "y": [{"x": 1.5, "y": []}]}),
    (nn.ReLU(), None),
]


@each_recorder
@pytest.mark.parametrize("item, expected", ITEMS, ids=[repr(x)[:30] for x, _ in ITEMS])
def test_what_comes_back(item, expected, recorder):
    found = through(item, recorder)
    assert same(plain(found), expected)
    if isinstance(expected, dict):
        assert isinstance(found, d2lrec.Record)
        assert list(found) == list(expected)


def test_a_single_float_stays_one_in_messagepack():
    found = through({"best": np.float32(0.1)})["best"]
    assert type(found) is np.float32
    assert found == np.float32(0.1)
    assert found.tobytes() == np.float32(0.1).tobytes()
    assert through(found) == found  # and it can be recorded again
    assert through(np.float32(0.1), JSON) == 0.1  # JSON cannot tell


def test_not_a_number():
    assert math.isnan(through(math.nan))
    assert through([math.inf, -math.inf]) == [math.inf, -math.inf]
    with pytest.warns(PrecisionWarning) as caught:  # as Burn writes it
        found = through({"a": [1.5, math.nan, math.inf], "b": math.nan}, JSON)
    assert found == {"a": [1.5, None, None], "b": None}
    what = "a.1 and 2 more: JSON has no NaN and no infinity. As in Burn they are null"
    assert [str(one.message)[: len(what)] for one in caught] == [what]
    assert caught[0].filename == __file__
    with pytest.warns(PrecisionWarning, match="^the item: JSON has no NaN"):
        assert through(np.float32("nan"), JSON) is None


@given(trees().filter(lambda tree: not has_reserved(tree)))
def test_any_tree_comes_back(tree):
    stored = written(mpk.encode(into_tree(tree, FULL)))
    found = loaded(mpk.decode(Memory(stored)), FULL, None)
    assert same(plain(found), tree)


@given(
    arrays.arrays(
        st_dtype := arrays.floating_dtypes(endianness="=") | arrays.boolean_dtypes(),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
def test_any_array_of_numpy_comes_back_through_torch(array):
    assert st_dtype is not None
    tensor = torch.from_numpy(array.copy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both warn where a number overflows
        expected = array.astype(bool if array.dtype == bool else np.float32)
        stored = written(mpk.encode(into_tree(tensor, FULL)))
    found = loaded(mpk.decode(Memory(stored)), FULL, None)
    np.testing.assert_array_equal(found.numpy(), expected)


BASE = torch.arange(24.0).reshape(2, 3, 4)
LAYOUTS = {
    "contiguous": BASE,
    "transposed": BASE.transpose(0, 2),
    "permuted": BASE.permute(1, 2, 0),
    "sliced": BASE[:, 1:, ::2],
    "one row": BASE[1],
    "offset": BASE[1:, :, 3],
    "expanded": torch.arange(3.0).expand(4, 3),
    "expanded number": torch.tensor(2.5).expand(3, 2),
    "flipped": BASE.flip(0),
    "0-dim": torch.tensor(3.5),
    "0-dim of a larger": BASE[1, 2, 3],
    "empty": torch.empty(0),
    "empty, 3 dimensions": torch.empty(2, 0, 3).transpose(0, 2),
    "64 dimensions": torch.ones([1] * 63 + [2]),
    "channels last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "negative bit": torch.tensor([1 + 2j, 3 - 4j]).conj().imag,
    "real of complex": torch.tensor([1 + 2j, 3 - 4j]).real,
    "requires grad": torch.ones(3, requires_grad=True),
    "not a leaf": torch.ones(3, requires_grad=True) * 2,
    "parameter": nn.Parameter(torch.ones(2)),
    "inference": torch.inference_mode()(lambda: torch.ones(2).t())(),
    "not a number": torch.tensor([math.nan, math.inf, -0.0]),
}


@each_recorder
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tensor_of_any_layout(name, recorder):
    tensor = LAYOUTS[name]
    found = through({"t": tensor}, recorder)["t"]
    expected = tensor.detach().resolve_neg().contiguous().clone()
    assert found.dtype == torch.float32
    assert found.shape == tensor.shape
    assert not found.requires_grad
    assert found.is_contiguous()
    assert found.view(-1).view(torch.int32).equal(expected.view(-1).view(torch.int32))


def test_a_slice_saves_its_own_numbers_only():
    large = torch.zeros(1000, 1000)
    assert MPK.record(large[0], "file").stat().st_size < 5000


F32, I32, BOOL = torch.float32, torch.int32, torch.bool
DTYPES = [
    (torch.float64, [0.1, -2.5], F32),
    (torch.float32, [0.1], F32),
    (torch.float16, [0.1, 65504.0, 6e-8], F32),
    (torch.bfloat16, [0.1, 3e38], F32),
    (torch.int64, [2**31 - 1, -(2**31)], I32),
    (torch.int32, [2**31 - 1, -(2**31)], I32),
    (torch.int16, [-32768], I32),
    (torch.int8, [-128], I32),
    (torch.uint8, [255], I32),
    (torch.uint16, [65535], I32),
    (torch.uint32, [2**31 - 1], I32),
    (torch.uint64, [2**31 - 1], I32),
    (torch.bool, [True, False], BOOL),
]


@each_recorder
@pytest.mark.parametrize(
    "dtype, values, expected", DTYPES, ids=[str(d[0]) for d in DTYPES]
)
def test_the_dtype_that_is_stored(dtype, values, expected, recorder):
    for tensor in (torch.tensor(values, dtype=dtype), torch.empty(0, dtype=dtype)):
        found = through(tensor, recorder)
        assert found.dtype == expected
        assert torch.equal(found, tensor.to(expected))


@each_recorder
def test_numbers_beyond_the_stored_dtype(recorder):
    wide = torch.tensor([0.1, 1e300, -1e-300], dtype=torch.float64)
    what = r"^a: of 3 numbers 1 became infinity and 1 became zero in torch.float32\.$"
    with pytest.warns(d2lrec.PrecisionWarning, match=what):
        recorder.record({"a": wide}, "file")
    assert torch.equal(recorder.load("file")["a"], wide.float())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(d2lrec.PrecisionWarning, match=what):
            recorder.record({"a": wide}, "other")
    assert [path.stem for path in pathlib.Path.cwd().iterdir()] == ["file"]


@pytest.mark.parametrize(
    "dtype, values, misfit",
    [
        (torch.int64, [1, 2**31], 2**31),
        (torch.int64, [-(2**31) - 1, 2**40], -(2**31) - 1),
        (torch.int64, [-(2**63), 2**63 - 1], -(2**63)),
        (torch.uint32, [2**32 - 1], 2**32 - 1),
        (torch.uint64, [2**31], 2**31),
        (torch.uint64, [2**64 - 1], 2**64 - 1),
        (torch.uint64, [2**63], 2**63),
    ],
)
def test_an_integer_that_does_not_fit(dtype, values, misfit):
    with pytest.raises(Unrecordable) as caught:
        MPK.record({"a": [torch.tensor(values, dtype=dtype)]}, "file")
    wide = -(2**63) <= misfit < 2**63
    remedy = "No settings hold it: split it into two tensors."
    assert str(caught.value) == (
        f"a.0: the integer {misfit} does not fit I32, which FullPrecisionSettings "
        f"store. {'Use DoublePrecisionSettings.' if wide else remedy}"
    )
    assert not pathlib.Path("file.mpk").exists()


@pytest.mark.parametrize("limit", [1, 5, 24, 100])
@pytest.mark.parametrize("name", LAYOUTS)
def test_chunks_of_any_size_give_the_same_bytes(name, limit, monkeypatch):
    monkeypatch.setattr(tensors, "PIECE", 8 * limit)
    tensor = LAYOUTS[name]
    plain = tensor.detach().resolve_neg().contiguous()
    for dtype in (torch.float32, torch.float64):
        payload = tensors.TensorPayload(tensor.detach(), dtype)
        expected = bytes(tensors.memory_of(plain.to(dtype)))
        assert b"".join(map(bytes, payload.chunks())) == expected
        assert payload.nbytes == len(expected)
        memory = bytearray(payload.nbytes)
        payload.read_into(memoryview(memory))
        assert memory == expected


@pytest.mark.parametrize("shape", [(2100, 2100), (1, 4_400_000), (4_400_000, 1)])
def test_a_large_tensor_passes_through_pieces_of_1_mib(shape):
    tensor = torch.arange(math.prod(shape)).float().reshape(shape).t()
    if tensor.is_contiguous():
        tensor = tensor.double()
    payload = into_tree(tensor, FULL).bytes
    expected = memoryview(bytes(tensors.memory_of(tensor.float().contiguous())))
    start = pieces = 0
    for chunk in payload.chunks():
        assert len(chunk) <= 1 << 20
        assert expected[start : start + len(chunk)] == chunk
        start, pieces = start + len(chunk), pieces + 1
    assert start == len(expected) == payload.nbytes
    assert pieces > 1


HOLDS = (
    "has no place in a record, which holds tensors, lists, dicts, dataclasses, "
    "numbers, strings, booleans and None."
)
VALUES = "Record the values that it is made of."
BUFFER = "Use torch.frombuffer(..., dtype=torch.uint8), or a string."
LAYOUT = (
    "a sparse, nested or quantized tensor has no place in a record. "
    "Use .to_dense(), .to_padded_tensor() or .dequantize()."
)
KINDS = "Convert it to floats, integers or booleans first."


def nested_tensor():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is a prototype
        return torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])


def quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        return torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8)


def itself():
    value = [1]
    value.append({"again": value})
    return value


REFUSED = {
    "array": (np.zeros(2), f"a ndarray {HOLDS} Use torch.from_numpy."),
    "half": (np.float16(1), f"a float16 {HOLDS} Use float(...)."),
    "longdouble": (np.longdouble(1), f"a longdouble {HOLDS} Use float(...)."),
    "bytes": (b"ab", f"a bytes {HOLDS} {BUFFER}"),
    "bytearray": (bytearray(2), f"a bytearray {HOLDS} {BUFFER}"),
    "set": ({1}, f"a set {HOLDS} Use a sorted list."),
    "frozenset": (frozenset("a"), f"a frozenset {HOLDS} Use a sorted list."),
    "range": (range(3), f"a range {HOLDS} Use a list."),
    "complex": (1j, f"a complex {HOLDS} Use a pair of numbers."),
    "numpy complex": (
        np.complex64(1j),
        f"a complex64 {HOLDS} Use a pair of numbers.",
    ),
    "path": (pathlib.PurePosixPath("a"), f"a PurePosixPath {HOLDS} Use str(path)."),
    "date": (datetime.date(2026, 1, 1), f"a date {HOLDS} {VALUES}"),
    "function": (len, f"a builtin_function_or_method {HOLDS} {VALUES}"),
    "class": (Point, "the class Point found, an object expected. Pass an instance"),
    "iterator": (iter([1]), f"a list_iterator {HOLDS} {VALUES}"),
    "dtype": (torch.float32, f"a dtype {HOLDS} {VALUES}"),
    "large": (2**64, f"the integer {2**64} needs more than 64 bits. Record it as a st"),
    "small": (-(2**63) - 1, f"the integer {-(2**63) - 1} needs more than 64 bits."),
    "surrogate": (
        "\ud800",
        "the string '\\ud800' is no Unicode text, which a record's strings are. "
        'Use .encode(errors="replace").decode().',
    ),
    "surrogate in a key": ({"\udfff": 1}, "the string '\\udfff' is no Unicode text"),
    "number as key": (
        {1: 2},
        "the key 1 is no string; a record's keys are field names. Use '1', or a list.",
    ),
    "None as key": ({None: 2}, "the key None is no string; a record's keys are field"),
    "param's names": (
        {"id": "x", "param": 1},
        "a dict with the keys id, param would be read as a tensor. Rename one of them.",
    ),
    "tensor's names": (
        {"shape": 1, "bytes": 2, "dtype": 3},
        "a dict with the keys bytes, shape, dtype would be read as a tensor. Rename on",
    ),
    "empty Param": (
        d2lrec.Param("x", None),
        "this Param holds a str and a NoneType: its id, a string, and a tensor expecte",
    ),
    "Param with a number": (
        d2lrec.Param(5, torch.zeros(1)),
        "this Param holds a int and a Tensor: its id, a string, and a tensor expected.",
    ),
    "sparse": (torch.eye(2).to_sparse(), LAYOUT),
    "sparse rows": (torch.zeros(2, 2).to_mkldnn(), LAYOUT),
    "nested": (nested_tensor(), LAYOUT),
    "quantized": (quantized(), LAYOUT),
    "meta": (
        torch.empty(2, device="meta"),
        "the tensor is on the meta device and has no values yet. Materialize the model",
    ),
    "complex tensor": (
        torch.zeros(1, dtype=torch.complex64),
        f"Burn has no tensor of torch.complex64. {KINDS}",
    ),
    "8-bit floats": (
        torch.zeros(1, dtype=torch.float8_e4m3fn),
        f"Burn has no tensor of torch.float8_e4m3fn. {KINDS}",
    ),
    "fake": (
        FakeTensorMode().from_tensor(torch.ones(3)),
        "this FakeTensor has no memory to read: .numpy() is not supported for tensor s",
    ),
    "pair of tensors": (
        TwoTensor(torch.ones(2000), torch.ones(2000)),
        "this TwoTensor has no memory to read: .numpy() is not supported for tensor su",
    ),
    "module": (
        nn.Sequential(nn.ReLU(), nn.Bilinear(1, 1, 1)),
        "Burn has no twin of Bilinear. Write it as a module of your own, of layers tha",
    ),
}


@each_recorder
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded(name, recorder):
    item, message = REFUSED[name]
    below = "1" if name == "module" else ""
    for wrapped, path in [(item, []), ({"a": [0, (item,)]}, ["a", "1", "0"])]:
        where = ".".join(path + ([below] if below else []))
        with pytest.raises(Unrecordable) as caught:
            recorder.record(wrapped, "file")
        prefix = f"{where}: " if where else ""
        assert str(caught.value).startswith(prefix + message)
        assert ".".join(map(str, caught.value.path)) == where
    assert list(pathlib.Path.cwd().iterdir()) == []


def test_inside_a_transform_a_tensor_has_no_memory():
    def refused(x):
        with pytest.raises(Unrecordable, match="this Tensor has no memory to read: "):
            MPK.record(x, "file")
        return x.sum()

    torch.func.vmap(refused)(torch.ones(2, 3))
    torch.func.grad(refused)(torch.ones(3))
    assert list(pathlib.Path.cwd().iterdir()) == []


def test_a_module_with_fields_that_a_parameter_has():
    class Named(nn.Module):
        __record_fields__ = ("id", "param")

        def __init__(self):
            super().__init__()
            self.id, self.param = nn.Linear(2, 3), nn.Linear(2, 3)

    for item, where in (Named(), ""), ({"net": Named()}, "net: "):
        with pytest.raises(Unrecordable) as caught:
            MPK.record(item, "file")
        what = f"{where}a dict with the keys id, param would be read as a tensor."
        assert str(caught.value).startswith(what)


def deep(depth, leaf):
    item = leaf
    for turn in range(depth):
        item = [item] if turn % 2 else {"a": item}
    return item


LEAVES = {
    "number": 1,
    "empty list": [],
    "tensor": torch.zeros(2),
    "booleans": torch.zeros(2, dtype=torch.bool),
    "parameter": d2lrec.Param("x", torch.zeros(1)),
}


@each_recorder
@pytest.mark.parametrize("leaf", LEAVES)
def test_what_is_recorded_can_be_loaded_however_deep(leaf, recorder):
    for depth in (1, 119, 120):
        found = through(deep(depth, LEAVES[leaf]), recorder)
        for turn in reversed(range(depth)):
            found = found[0] if turn % 2 else found["a"]
        assert type(found) is type(LEAVES[leaf])
    for depth in (121, 122, 10_000):
        with pytest.raises(Unrecordable) as caught:
            recorder.record(deep(depth, LEAVES[leaf]), "file")
        assert str(caught.value).endswith(
            ": nested deeper than 120 levels, or a list that holds itself."
        )


@each_recorder
def test_a_list_that_holds_itself(recorder):
    with pytest.raises(Unrecordable) as caught:
        recorder.record(itself(), "file")
    assert str(caught.value) == (
        "1.again.1: nested deeper than 120 levels, or a list that holds itself."
    )


@each_recorder
def test_a_file_that_is_nested_deeper_than_an_item(recorder):
    file = recorder.record(deep(120, "leaf"), "file")
    more = {MPK: (b"\xa4leaf", b"\x91\xa4leaf"), JSON: (b'"leaf"', b'["leaf"]')}
    file.write_bytes(file.read_bytes().replace(*more[recorder]))
    with pytest.raises(CorruptRecord, match="nested deeper than 120 levels"):
        recorder.load(file)


@each_recorder
def test_modules_in_a_tree(recorder):
    net = nn.Linear(2, 3)
    item = {"epoch": 3, "net": net, "more": [nn.Embedding(2, 2), nn.ReLU()]}
    found = through(item, recorder)
    assert list(found) == ["epoch", "net", "more"]
    assert torch.equal(found["net"]["weight"].tensor, net.weight.t())
    assert found["more"][1] is None
    assert found["net"]["weight"].id == d2lrec.into_record(net)["weight"].id
    twin = d2lrec.load_record(nn.Linear(2, 3), found["net"])
    assert torch.equal(twin.bias, net.bias)


@each_recorder
def test_what_was_loaded_gives_the_same_bytes(recorder):
    item = {"net": nn.Linear(2, 3), "x": LAYOUTS["sliced"], "n": [1, None, "a"]}
    before = recorder.record(item, "file").read_bytes()
    for _ in range(2):
        assert recorder.record(recorder.load("file"), "file").read_bytes() == before


def test_every_dtype_of_a_file_is_read():
    """Burn's other dtypes, and other settings' files, through full precision."""
    for name, dtype in tensors.TORCH_DTYPES.items():
        values = torch.tensor([0, 1, 1], dtype=dtype)
        data = TensorData(tensors.TensorPayload(values, dtype), (3,), name)
        found = loaded(mpk.decode(Memory(written(mpk.encode(data)))), FULL, None)
        kind = BOOL if "Bool" in name else F32 if dtype.is_floating_point else I32
        assert found.dtype == kind, name
        assert found.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ["I64", "U64", "U32"])
def test_a_file_with_an_integer_that_does_not_fit(name):
    dtype = tensors.TORCH_DTYPES[name]
    payload = tensors.TensorPayload(torch.tensor([1, 2**31], dtype=dtype), dtype)
    tree = {"a": [TensorData(payload, (2,), name)]}
    stored = mpk.decode(Memory(written(mpk.encode(tree))))
    with pytest.raises(Unrecordable) as caught:
        loaded(stored, FULL, None)
    assert str(caught.value) == (
        "a.0: the integer 2147483648 does not fit torch.int32, in which "
        "FullPrecisionSettings load integers."
    )


@pytest.mark.parametrize("name, size", [("Bool(Native)", 1), ("Bool(U8)", 1)])
@pytest.mark.parametrize("wrong", [2, 255])
def test_a_boolean_that_is_none(name, size, wrong):
    payload = tensors.TensorPayload(
        torch.tensor([1, wrong, 0]).to(torch.uint8), torch.uint8
    )
    data = TensorData(payload, (3,), name)
    stored = mpk.decode(Memory(written(mpk.encode({"m": data}))))
    with pytest.raises(CorruptRecord) as caught:
        loaded(stored, FULL, None)
    what = f"m, byte 12: a boolean is stored as {wrong}: 0 or 1 expected."
    assert str(caught.value) == what


def test_bytes_outside_a_tensor_are_read():
    assert loaded(mpk.decode(Memory(b"\x81\xa1a\xc4\2ab")), FULL, None) == {"a": b"ab"}


def test_a_tensor_of_4_gib_is_refused_before_anything_is_written():
    with pytest.raises(Unrecordable, match="the tensor has 4 GiB or more"):
        MPK.record({"w": torch.zeros(1).expand(2**30)}, "file")
    assert list(pathlib.Path.cwd().iterdir()) == []


class Mine(d2lrec.NamedMpkFileRecorder):
    """A subclass of a user's, who added a method perhaps."""


def test_a_recorder_of_ones_own_writes_and_reads_its_bases_files():
    data = Mine().record([1, 2], "file").read_bytes()
    assert Mine().load("file") == MPK.load("file") == [1, 2]
    assert MPK.record([1, 2], "file").read_bytes() == data


@pytest.mark.parametrize(
    "value, kind, message",
    [
        (1e39, structure.F32, "1e+39 does not fit f32. Use a wider type."),
        (-1, structure.U64, "-1 does not fit u64. Use a wider type."),
        (256, structure.U8, "256 does not fit u8. Use a wider type."),
        (False, structure.I64, "a bool found, i64 expected. Check the structure."),
        (0.5, structure.I64, "a float found, i64 expected. Check the structure."),
    ],
)
def test_a_number_that_its_structure_cannot_hold(value, kind, message):
    with pytest.raises(Unrecordable) as caught:
        d2lrec.BinBytesRecorder().record({"a": value}, like=structure.Struct(a=kind))
    assert str(caught.value) == f"item.a: {message}"


def test_rows_of_a_transposed_tensor_stay_together():
    tensor = torch.arange(70 * 5).reshape(5, 70).t()
    pieces = list(tensors.pieces(tensor, 10))
    assert [len(piece) for piece in pieces] == [32, 32, 6]
    assert torch.equal(torch.cat(pieces), tensor)


def test_pieces_are_cut_along_any_dimension():
    tensor = torch.arange(60).reshape(3, 4, 5)
    for limit in itertools.chain(range(1, 25), [60, 61]):
        pieces = list(tensors.pieces(tensor, limit))
        assert all(piece.numel() <= limit for piece in pieces)
        assert torch.equal(torch.cat([x.flatten() for x in pieces]), tensor.flatten())


def test_a_module_at_the_end_of_what_can_be_nested():
    recorder = d2lrec.NamedMpkBytesRecorder()
    for depth, fits in ((119, True), (120, False)):
        item = nn.Linear(2, 3)
        for _ in range(depth):
            item = {"k": item}
        if fits:
            recorder.load(recorder.record(item))
        else:
            with pytest.raises(Unrecordable, match="nested deeper than 120 levels"):
                recorder.record(item)
