"""bincode: literal bytes in both directions, and everything that may be wrong."""

import math
import random
import struct
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import plain, stored, written

from d2lrec import structure as s
from d2lrec.codecs import bincode
from d2lrec.dialect import BURN_0_21, ITEM_SIZES
from d2lrec.errors import CorruptRecord, RecorderError, Unrecordable
from d2lrec.inferring import vec_of
from d2lrec.payload import Memory
from d2lrec.record import UNIT, Float32, Param, Record
from d2lrec.structure import Enum, Map, Option, Struct, Tuple, Vec

W = (
    "0d30343030303030303030303030"
    "180000803f0000004000004040000080400000a0400000c040"
    "02020301"
)
B = "0d76767676767676767676767675" + "0c0000003f000000bf0000803e" + "010301"
_TENSOR = "0c0000003f000000bf0000803e" + "010301"
WEIGHT = Param("0400000000000", stored(struct.pack("<6f", *range(1, 7)), [2, 3]))
_BIAS = stored(struct.pack("<3f", 0.5, -0.5, 0.25), [3])
BIAS = Param("vvvvvvvvvvvvu", _BIAS)
LINEAR = {"weight": WEIGHT, "bias": BIAS}
ADAM = Struct(
    momentum=Struct(
        time=s.U64,
        moment_1=s.TENSOR,
        moment_2=s.TENSOR,
        max_moment_2=Option(s.TENSOR),
    )
)
STATE = {"time": 300, "moment_1": _BIAS, "moment_2": _BIAS, "max_moment_2": None}


def encode(tree, kind):
    return written(bincode.encode(tree, kind))


def decode(data, kind):
    return bincode.decode(Memory(data), kind)


def integers(kind, *pairs):
    return [(kind, number, digits) for number, digits in pairs]


LITERALS = [
    *integers(
        s.U16,
        (0, "00"),
        (250, "fa"),
        (251, "fbfb00"),
        (252, "fbfc00"),
        (255, "fbff00"),
        (256, "fb0001"),
        (2**16 - 1, "fbffff"),
    ),
    *integers(
        s.U32,
        (250, "fa"),
        (251, "fbfb00"),
        (2**16 - 1, "fbffff"),
        (2**16, "fc00000100"),
        (2**32 - 1, "fcffffffff"),
    ),
    *integers(
        s.U64,
        (300, "fb2c01"),
        (2**16, "fc00000100"),
        (2**32 - 1, "fcffffffff"),
        (2**32, "fd0000000001000000"),
        (2**64 - 1, "fdffffffffffffffff"),
    ),
    *integers(
        s.I16,
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (-2, "03"),
        (125, "fa"),
        (-126, "fbfb00"),
        (126, "fbfc00"),
        (-(2**15), "fbffff"),
        (2**15 - 1, "fbfeff"),
    ),
    *integers(
        s.I32,
        (300, "fb5802"),
        (-200, "fb8f01"),
        (2**15, "fc00000100"),
        (-(2**31), "fcffffffff"),
        (2**31 - 1, "fcfeffffff"),
    ),
    *integers(
        s.I64,
        (2**31, "fd0000000001000000"),
        (-(2**63), "fdffffffffffffffff"),
        (2**63 - 1, "fdfeffffffffffffff"),
    ),
    *integers(s.U8, (0, "00"), (250, "fa"), (251, "fb"), (255, "ff")),
    *integers(s.I8, (-1, "ff"), (-128, "80"), (127, "7f"), (-5, "fb")),
    (s.F32, Float32(1.0), "0000803f"),
    (s.F32, Float32(-math.inf), "000080ff"),
    (s.F64, 0.001, "fca9f1d24d62503f"),  # the first byte is no marker here
    (s.F64, -0.0, "0000000000000080"),
    (s.BOOL, False, "00"),
    (s.BOOL, True, "01"),
    (s.UNIT, None, ""),
    (s.CONSTANT, None, "00"),
    (s.STRING, "", "00"),
    (s.STRING, "F32", "03463332"),
    (s.STRING, "é中", "05c3a9e4b8ad"),
    (s.STRING, "a" * 250, "fa" + "61" * 250),
    (s.STRING, "a" * 251, "fbfb00" + "61" * 251),
    (Option(s.U8), None, "00"),
    (Option(s.U8), 7, "0107"),
    (Option(s.CONSTANT), None, "00"),
    (Option(Option(s.U8)), 7, "010107"),
    (Vec(s.U16), [], "00"),
    (Vec(s.U16), [1, 300], "0201fb2c01"),
    (Vec(s.CONSTANT), [None, None], "020000"),
    (Vec(None), [], "00"),
    (Tuple(s.U8, s.STRING), (9, "a"), "090161"),
    (s.Array(s.U16, 3), (1, 250, 300), "01fafb2c01"),
    (Tuple(), (), ""),
    (Struct(a=s.U8, b=s.BOOL), {"a": 1, "b": True}, "0101"),
    (Struct(), {}, ""),
    (Enum(Basic=s.LINEAR, Other=s.CONSTANT), {"Other": None}, "0100"),
    (Enum({f"V{i}": s.UNIT for i in range(300)}), {"V299": None}, "fb2b01"),
    (Map(s.U8), {}, "00"),
    (Map(s.U8), {"b": 1, "a": 2}, "020162010161" + "02"),
    (s.LINEAR, LINEAR, W + "01" + B),
    (s.LINEAR, {"weight": WEIGHT, "bias": None}, W + "00"),
    (
        Struct(fc=s.LINEAR, activation=s.CONSTANT, width=s.CONSTANT, sizes=s.CONSTANT),
        {"fc": LINEAR, "activation": None, "width": None, "sizes": None},
        W + "01" + B + "000000",
    ),
    (
        Enum(V1=Enum(Rank0=ADAM, Rank1=ADAM)),
        {"V1": {"Rank1": {"momentum": STATE}}},
        "0001fb2c01" + _TENSOR * 2 + "00",
    ),
    (s.TENSOR, stored(b"\1\0", [2], "Bool(Native)"), "02010001020d00"),
    (
        s.TENSOR,
        stored(struct.pack("<2i", 1, -1), [2], "I32"),
        "0801000000ffffffff010206",
    ),
    (s.TENSOR, stored(b"\0\x3c", [1], "F16"), "02003c010103"),
    (s.TENSOR, stored(struct.pack("<f", 7), []), "040000e0400001"),
    (s.TENSOR, stored(b"", [0, 3]), "0002000301"),
    (
        s.TENSOR,
        stored(bytes(251 * 4), [251]),
        "fbec03" + "00" * 1004 + "01fbfb00" + "01",
    ),
]


@pytest.mark.parametrize(
    ("kind", "tree", "digits"), LITERALS, ids=lambda value: str(value)[:30]
)
def test_literal_bytes_both_ways(kind, tree, digits):
    assert encode(tree, kind).hex() == digits
    found = plain(decode(bytes.fromhex(digits), kind))
    assert found == plain(tree)
    assert str(found) == str(plain(tree))  # 1 and True and 1.0 are three


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *zip(ITEM_SIZES, range(13), strict=False),
        ("Bool(Native)", 0x0D00),
        ("Bool(U8)", 0x0D01),
        ("Bool(U32)", 0x0D02),
    ],
)
def test_each_dtype_has_burns_number(name, code):
    data = bytes(2 * ITEM_SIZES[name])
    index = code.to_bytes(2 if code > 255 else 1, "big")
    expected = bytes([len(data)]) + data + b"\1\2" + index
    assert encode(stored(data, [2], name), s.TENSOR) == expected
    found = decode(expected, s.TENSOR)
    assert (found.dtype, found.shape) == (name, (2,))
    assert BURN_0_21.dtypes[name] == tuple(index)


@pytest.mark.parametrize(
    ("kind", "digits", "value"),
    [
        (s.U64, "fb0100", 1),
        (s.U64, "fc01000000", 1),
        (s.U64, "fd0100000000000000", 1),
        (s.U16, "fd0100000000000000", 1),
        (s.I32, "fd0100000000000000", -1),
        (s.STRING, "fd0100000000000000" + "61", "a"),
        (Vec(s.U8), "fb0100" + "07", [7]),
        (Enum(A=s.UNIT, B=s.UNIT), "fb0100", {"B": None}),
    ],
    ids=str,
)
def test_longer_forms_of_an_integer_are_read(kind, digits, value):
    assert plain(decode(bytes.fromhex(digits), kind)) == value


# kind, bytes, what the error says
REFUSED = [
    (s.U8, "", "byte 0: 1 more byte expected, 0 left"),
    (s.U16, "fb01", "byte 1: 2 more bytes expected, 1 left"),
    (s.U16, "fe" + "00" * 16, "byte 0: the byte fe begins no integer"),
    (s.U64, "ff", "byte 0: the byte ff begins no integer"),
    (s.U16, "fc00000100", "byte 0: the integer 65536 does not fit 16 bits"),
    (s.I16, "fc00000100", "does not fit 16 bits"),
    (s.U32, "fd0000000001000000", "the integer 4294967296 does not fit 32 bits"),
    (s.BOOL, "02", "byte 0: a bool is stored as 02: 00 or 01 expected"),
    (Option(s.U8), "0201", "byte 0: an Option is stored as 02"),
    (s.CONSTANT, "01", "byte 0: a constant is stored as 01: 00 expected"),
    (s.STRING, "02c328", "byte 1: a string is not UTF-8"),
    (s.STRING, "0561", "5 more bytes expected, 1 left"),
    (s.STRING, "fd" + "ff" * 8, "18446744073709551615 more bytes expected, 0 left"),
    (Vec(s.U8), "fd0000000000000010" + "00" * 9, "more bytes expected, 9 left"),
    (Vec(s.U8), "0300", "3 more bytes expected, 1 left"),
    (Vec(None), "0100", "1 items where an empty Vec is expected"),
    (Vec(s.UNIT), "fd0000000000000010", "more bytes expected"),
    (Map(s.U8), "0201610101" + "6102", "the key 'a' stands twice in one map"),
    (Map(s.U8), "fd0000000000000010", "more bytes expected"),
    (Enum(A=s.UNIT), "01", "the enum's variant is number 1: below 1 expected"),
    (Enum(A=s.UNIT), "fd" + "ff" * 8, "variant is number 18446744073709551615"),
    (s.U8, "0101", "byte 1: the record ends here, and 1 more byte found"),
    (s.TENSOR, "0400000000" + "0102" + "01", "4 bytes for F32 [2]: 8 expected"),
    (s.TENSOR, "0400000000" + "0101" + "0e", "dtype is number 14"),
    (s.TENSOR, "0400000000" + "0101" + "ff", "dtype is number 255"),
    (s.TENSOR, "0100" + "0101" + "0d03", "dtype is number 13, 3"),
    (s.TENSOR, "00" + "02fd" + "ff" * 8 + "00" + "01", "the tensor's shape is"),
    (s.TENSOR, "00fd0000000000000010" + "01", "more bytes expected"),
    (s.PARAM, W[:20], "more bytes expected"),
    (Struct(a=Struct(b=s.BOOL)), "07", "a.b, byte 0: a bool is stored as 07"),
    (Vec(Tuple(s.U8, s.BOOL)), "020000" + "0009", "1.1, byte 4: a bool"),
]


@pytest.mark.parametrize(
    ("kind", "digits", "text"), REFUSED, ids=lambda value: str(value)[:40]
)
def test_what_cannot_be_read_says_where_and_why(kind, digits, text):
    with pytest.raises(CorruptRecord) as caught:
        decode(bytes.fromhex(digits), kind)
    assert text in str(caught.value)
    assert caught.value.offset is not None


@pytest.mark.parametrize(
    ("kind", "tree", "text"),
    [
        (s.U8, 256, "256 does not fit u8"),
        (s.U8, -1, "-1 does not fit u8"),
        (s.I8, 128, "128 does not fit i8"),
        (s.U64, 2**64, "does not fit u64"),
        (s.U64, True, "a bool found, u64 expected"),
        (s.U64, False, "a bool found, u64 expected"),
        (s.U64, 1.0, "a float found, u64 expected"),
        (s.F32, 1e39, "1e+39 does not fit f32"),
        (s.BOOL, 1, "a int found, bool expected"),
        (s.STRING, 1, "String expected"),
        (s.STRING, "\ud800", "has no UTF-8 form"),
        (s.CONSTANT, 5, "5 found where a constant"),
        (s.CONSTANT, {"a": _BIAS}, "where a constant"),
        (s.UNIT, 5, "5 found where a constant"),
        (Option(s.CONSTANT), 5, "5 found where a constant"),
        (s.PARAM, _BIAS, "a TensorData found, Param expected"),
        (s.TENSOR, BIAS, "a Param found, Tensor expected"),
        (s.TENSOR, None, "a NoneType found, Tensor expected"),
        (s.LINEAR, [1], "a list found, Struct("),
        (s.LINEAR, {"bias": BIAS}, "the field weight is missing"),
        (s.LINEAR, {**LINEAR, "scale": 1}, "scale: no such field in the structure"),
        (Tuple(s.U8), (1, 2), "2 items found, 1 expected"),
        (Vec(s.U8), {"a": 1}, "a dict found, Vec(u8) expected"),
        (Vec(s.UNIT), [None, None], "the items of this list take no bytes"),
        (Vec(Struct()), [{}], "the items of this list take no bytes"),
        (vec_of([s.U8, s.STRING]), [1, "a"], "no list of items of different types"),
        (Enum(A=s.U8), {"B": 1}, "one of the variants A expected"),
        (Enum(A=s.U8), {}, "one of the variants A expected"),
        (Enum(A=s.U8), {"A": 1, "B": 1}, "one of the variants A expected"),
        (Map(s.U8), [1], "a list found, Map(u8) expected"),
        (s.FROM_TEXT, Record(a=1), "a record from a text format expected"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_the_structure_does_not_allow_is_not_written(kind, tree, text):
    with pytest.raises(Unrecordable) as caught:
        encode({"x": tree}, Struct(x=kind))
    assert text in str(caught.value)
    assert caught.value.path[0] == "x"


def test_missing_options_and_constants_are_written_as_nothing():
    kind = Struct(a=s.U8, b=Option(s.U8), c=s.CONSTANT)
    assert encode({"a": 1}, kind) == b"\1\0\0"
    assert encode({"c": [None, UNIT], "a": 1}, kind) == b"\1\0\0"


def test_fields_are_written_in_the_order_of_the_structure():
    assert encode({"b": 2, "a": 1}, Struct(a=s.U8, b=s.U8)) == b"\1\2"


def test_what_was_read_carries_its_structure():
    kind = Struct(choice=Enum(A=s.U8), inner=Struct(), states=Map(s.U8))
    tree = decode(b"\0\7\0", kind)
    for node, expected in zip(
        [tree, *tree.values()], [kind, *dict(kind.fields).values()], strict=True
    ):
        assert node.structure == expected


def test_a_structure_deeper_than_any_record_is_refused():
    kind = s.U8
    for _ in range(130):
        kind = Struct(a=kind)
    tree = 7
    for _ in range(130):
        tree = {"a": tree}
    with pytest.raises(CorruptRecord, match="nested deeper than 124 levels"):
        decode(b"\7", kind)
    with pytest.raises(Unrecordable, match="nested deeper than 124 levels"):
        encode(tree, kind)


PREFIXED = [(kind, bytes.fromhex(digits)) for kind, _, digits in LITERALS if digits]


@pytest.mark.parametrize(("kind", "data"), PREFIXED, ids=lambda value: str(value)[:30])
def test_every_proper_prefix_is_refused(kind, data):
    for length in range(len(data)):
        with pytest.raises(CorruptRecord) as caught:
            decode(data[:length], kind)
        assert caught.value.offset <= length


def structures():
    unusable = (s.FROM_TEXT, s.MIXED)
    leaves = st.sampled_from(
        [
            kind
            for kind in vars(s).values()
            if isinstance(kind, s.Leaf) and kind not in unusable
        ]
    )
    names = st.sampled_from("abcd")
    return st.recursive(
        leaves,
        lambda below: (
            st.builds(Option, below)
            | st.builds(Vec, below)
            | st.builds(Map, below)
            | st.lists(below, max_size=3).map(lambda items: Tuple(*items))
            | st.dictionaries(names, below, min_size=1, max_size=3).map(Struct)
            | st.dictionaries(names, below, min_size=1, max_size=3).map(Enum)
        ),
        max_leaves=8,
    )


@given(structures(), st.binary(max_size=80))
def test_any_bytes_under_any_structure(kind, data):
    """One of our errors, or a tree that is written again, at most as long."""
    try:
        tree = decode(data, kind)
    except CorruptRecord as error:
        assert error.offset <= len(data)
        return
    try:
        again = encode(tree, kind)
    except Unrecordable as error:
        assert "take no bytes" in str(error)
        return
    assert len(again) <= len(data)
    assert encode(decode(again, kind), kind) == again


def test_random_damage():
    """Flipped bytes of a whole record: an error of ours, or another record."""
    generator = random.Random(0)
    kind = Struct(fc=s.LINEAR, states=Map(Enum(V1=ADAM)), name=s.STRING)
    tree = {"fc": LINEAR, "states": {"k": {"V1": {"momentum": STATE}}}, "name": "net"}
    data = encode(tree, kind)
    refused = 0
    for _ in range(4000):
        changed = bytearray(data)
        for _ in range(generator.choice((1, 1, 2, 5))):
            changed[generator.randrange(len(data))] = generator.randrange(256)
        try:
            decode(bytes(changed), kind)
        except RecorderError as error:
            assert error.offset is not None
            refused += 1
    assert refused > 500


@pytest.mark.parametrize(
    "kind",
    [Vec(s.U8), Vec(Struct()), Map(s.UNIT), s.STRING, s.TENSOR, Vec(Option(s.U8))],
    ids=str,
)
def test_a_count_that_lies_costs_nothing(kind):
    data = b"\xfd" + (2**60).to_bytes(8, "little") + bytes(100)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(CorruptRecord, match="more bytes expected"):
        decode(data, kind)
    assert time.perf_counter() - start < 60  # no hang, on any machine
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()
