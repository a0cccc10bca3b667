"""MessagePack against literal bytes, Rust's own output, and the msgpack package."""

import math
import struct
import tracemalloc
from unittest import mock

import golden_cases as golden
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import float32s, plain, same, stored, tensors, trees, written
from vectors import VECTORS

from d2lrec.codecs import mpk, reader
from d2lrec.codecs.mpk.tags import LENGTHS, NUMBERS
from d2lrec.errors import CorruptRecord, RecorderError, Unrecordable
from d2lrec.payload import Memory
from d2lrec.record import UNIT, Float32, Param, Record, TensorData


def encode(tree):
    return written(mpk.encode(tree))


def decode(data):
    return mpk.decode(Memory(data))


# A value and the shortest bytes for it, at each change of width.
BYTES = [
    (None, "c0"),
    (False, "c2"),
    (True, "c3"),
    (0, "00"),
    (127, "7f"),
    (128, "cc 80"),
    (255, "cc ff"),
    (256, "cd 0100"),
    (65535, "cd ffff"),
    (65536, "ce 00010000"),
    (2**32 - 1, "ce ffffffff"),
    (2**32, "cf 0000000100000000"),
    (2**63, "cf 8000000000000000"),
    (2**64 - 1, "cf ffffffffffffffff"),
    (-1, "ff"),
    (-32, "e0"),
    (-33, "d0 df"),
    (-128, "d0 80"),
    (-129, "d1 ff7f"),
    (-32768, "d1 8000"),
    (-32769, "d2 ffff7fff"),
    (-(2**31), "d2 80000000"),
    (-(2**31) - 1, "d3 ffffffff7fffffff"),
    (-(2**63), "d3 8000000000000000"),
    (1.0, "cb 3ff0000000000000"),
    (-0.0, "cb 8000000000000000"),
    (math.inf, "cb 7ff0000000000000"),
    (5e-324, "cb 0000000000000001"),
    (Float32(1.0), "ca 3f800000"),
    (Float32(0.5), "ca 3f000000"),
    (Float32(-math.inf), "ca ff800000"),
    ("", "a0"),
    ("a" * 31, "bf" + "61" * 31),
    ("a" * 32, "d9 20" + "61" * 32),
    ("é" * 16, "d9 20" + "c3a9" * 16),  # bytes count, not characters
    ("a" * 255, "d9 ff" + "61" * 255),
    ("a" * 256, "da 0100" + "61" * 256),
    ("a" * 65535, "da ffff" + "61" * 65535),
    ("a" * 65536, "db 00010000" + "61" * 65536),
    ([], "90"),
    ([None] * 15, "9f" + "c0" * 15),
    ([None] * 16, "dc 0010" + "c0" * 16),
    ([None] * 65535, "dc ffff" + "c0" * 65535),
    ([None] * 65536, "dd 00010000" + "c0" * 65536),
    ({}, "80"),
    ({"a": {"b": [1, {}]}}, "81 a161 81 a162 92 01 80"),
    ({f"{i:x}": None for i in range(15)}, "8f" + "a1%02xc0" * 15),
    ({f"{i:x}": None for i in range(16)}, "de 0010" + "a1%02xc0" * 16),
]


@pytest.mark.parametrize(
    "value, digits", BYTES, ids=[f"{d[:8]} {i}" for i, (_, d) in enumerate(BYTES)]
)
def test_the_bytes_of_a_value(value, digits):
    if "%" in digits:
        digits %= tuple(map(ord, value))
    data = bytes.fromhex(digits)
    assert encode(value) == data
    assert same(plain(decode(data)), plain(value))
    assert type(decode(data)) in (type(value), Record)


def test_a_map_of_65536_entries():
    tree = {str(i): None for i in range(65536)}
    data = encode(tree)
    assert data[:5] == bytes.fromhex("df 00010000")
    assert decode(data) == tree


@pytest.mark.parametrize(
    "count, header",
    [
        (0, "c4 00"),
        (255, "c4 ff"),
        (256, "c5 0100"),
        (65535, "c5 ffff"),
        (65536, "c6 00010000"),
    ],
)
def test_the_bytes_of_a_tensor(count, header):
    data = encode(stored(b"\7" * count, [count], "U8"))
    assert data[:7] == b"\x83\xa5bytes"
    start = 7 + len(bytes.fromhex(header))
    assert data[7:start] == bytes.fromhex(header)
    assert data[start : start + count] == b"\7" * count
    assert data[start + count :][:7] == b"\xa5shape\x91"
    assert data[-9:] == b"\xa5dtype\xa2U8"
    assert plain(decode(data)) == ("U8", (count,), b"\7" * count)


@pytest.mark.parametrize("value", [float("nan"), Float32("nan")])
def test_nan(value):
    data = encode(value)
    assert data[1:3].hex() == ("7fc0" if isinstance(value, Float32) else "7ff8")
    assert math.isnan(decode(data))
    assert type(decode(data)) is type(value)


def test_a_unit_is_an_empty_array():
    assert encode({"_b": UNIT}) == b"\x81\xa2_b\x90"


@pytest.mark.parametrize("name", VECTORS)
def test_what_rust_writes(name):
    tree, digits, _ = VECTORS[name]
    assert encode(tree).hex() == digits
    found = decode(bytes.fromhex(digits))
    if name == "wrapper":
        assert found.pop("_b") == []
        tree = {key: tree[key] for key in found}
    assert same(plain(found), plain(tree))


def test_burn_020_wrote_booleans_by_a_bare_name():
    data = "83a56279746573c4020100a573686170659102a56474797065a4426f6f6c"
    assert plain(decode(bytes.fromhex(data))) == ("Bool(Native)", (2,), b"\1\0")


@given(st.integers(-(2**63), 2**64 - 1))
def test_an_integer_of_any_width_is_read(value):
    for tag, packer in NUMBERS.items():
        if tag in (0xCA, 0xCB):
            continue
        try:
            data = bytes([tag]) + packer.pack(value)
        except struct.error:
            continue
        assert decode(data) == value


@pytest.mark.parametrize("tag", LENGTHS)
def test_a_length_of_any_width_is_read(tag):
    kind, size = LENGTHS[tag]
    header = bytes([tag]) + (2).to_bytes(size, "big")
    body, value = {
        "bytes": (b"\1\2", b"\1\2"),
        "string": (b"ab", "ab"),
        "array": (b"\1\2", [1, 2]),
        "map": (b"\xa1a\1\xd9\1b\2", {"a": 1, "b": 2}),  # a long key as well
    }[kind]
    assert plain(decode(header + body)) == value


def test_a_tensor_in_any_order_and_as_an_array_of_integers():
    data = b"\x83\xa5dtype\xa3F32\xa5shape\x90\xa5bytes\x94\0\0\xcc\x80\x3f"
    assert plain(decode(data)) == ("F32", (), b"\0\0\x80\x3f")


@given(trees())
def test_msgpack_writes_the_same_bytes_and_reads_ours(tree):
    data = encode(tree)
    assert data == msgpack.packb(tree)
    assert same(plain(decode(data)), tree)


@given(st.dictionaries(st.text(min_size=1), tensors(), max_size=4))
def test_msgpack_reads_our_tensors(tree):
    data = encode(tree)
    assert same(plain(decode(data)), plain(tree))
    for name, found in msgpack.unpackb(data).items():
        assert found["bytes"] == tree[name].bytes.tobytes()
        assert tuple(found["shape"]) == tree[name].shape
        assert found["dtype"] in (tree[name].dtype, {"Bool": tree[name].dtype[5:-1]})


@given(float32s)
def test_msgpack_writes_the_same_single_floats(value):
    data = encode(Float32(value))
    assert data == msgpack.packb(value, use_single_float=True)
    assert same(decode(data), Float32(value))


@pytest.mark.parametrize(
    "digits, message",
    [
        ("", "byte 0: 1 more byte expected, 0 left."),
        ("cd 01", "byte 1: 2 more bytes expected, 1 left."),
        ("a3 6161", "byte 1: 3 more bytes expected, 2 left."),
        ("92 01", "byte 1: 2 more bytes expected, 1 left."),
        ("dd ffffffff 00", "byte 5: 4294967295 more bytes expected, 1 left."),
        ("df ffffffff 00", "byte 5: 8589934590 more bytes expected, 1 left."),
        ("c6 ffffffff 00", "byte 5: 4294967295 more bytes expected, 1 left."),
    ],
)
def test_a_length_beyond_the_input(digits, message):
    with pytest.raises(CorruptRecord) as caught:
        decode(bytes.fromhex(digits))
    assert str(caught.value) == f"{message} The file was cut short or damaged."


EXT = "begins no value of a record (an extension type?)."
SHAPE = "up to 64 sizes, none negative, and fewer than 2**59 elements expected."
DAMAGED = "The file is damaged, or was not written by Burn or d2lrec."


def tensor(data="c4 04 00000000", shape="91 01", dtype="a3 463332"):
    return f"83 a56279746573 {data} a57368617065 {shape} a56474797065 {dtype}"


@pytest.mark.parametrize(
    "digits, message",
    [
        ("c1", f"byte 0: the byte c1 {EXT}"),
        ("91 d4 01 00", f"0, byte 1: the byte d4 {EXT}"),
        ("81 a161 c7 00 05", f"a, byte 3: the byte c7 {EXT}"),
        ("a2 c328", "byte 1: a string is not UTF-8: invalid continuation byte."),
        ("81 a2 61ff 01", "byte 3: a string is not UTF-8: invalid start byte."),
        ("a3 eda080", "byte 1: a string is not UTF-8: invalid continuation byte."),
        ("81 01 02", "byte 1: a key begins with the byte 01: a string expected."),
        ("81 81 a161 01 02", "byte 1: a key begins with the byte 81: a string expec"),
        ("81 c4 0161 02", "byte 1: a key begins with the byte c4: a string expected."),
        ("82 a161 01 a161 02", "byte 4: the key 'a' stands twice in one map."),
        ("01 02 03", "byte 1: the record ends here, and 2 more bytes found. The file "),
        ("c0 00", "byte 1: the record ends here, and 1 more byte found. The file was "),
        (tensor(shape="90", data="c4 03 000000"), "byte 0: 3 bytes for F32 []: 4 exp"),
        (tensor(shape="92 02 03"), "byte 0: 4 bytes for F32 [2, 3]: 24 expected. "),
        (tensor(shape="91 ff"), f"byte 0: the tensor's shape is [-1]: {SHAPE}"),
        (tensor(shape="91 c3"), f"byte 0: the tensor's shape is [True]: {SHAPE}"),
        (tensor(shape="91 cb 3ff0000000000000"), "byte 0: the tensor's shape is [1.0]"),
        (tensor(shape="a0"), f"byte 0: the tensor's shape is '': {SHAPE}"),
        (tensor(shape="c0"), f"byte 0: the tensor's shape is None: {SHAPE}"),
        (
            tensor(data="c4 00", shape="92 00 cf 4000000000000000"),
            f"byte 0: the tensor's shape is [0, 4611686018427387904]: {SHAPE}",
        ),
        (
            tensor(shape="dc 0041" + "01" * 65),
            f"byte 0: the tensor's shape is [1, 1, 1, 1, 1, 1, ...]: {SHAPE}",
        ),
        (tensor(dtype="a2 4638"), "byte 0: the tensor's dtype is 'F8'; this library r"),
        (tensor(dtype="c0"), "byte 0: the tensor's dtype is None; this library reads "),
        (
            tensor(dtype="81 a6 51466c6f6174 80"),
            "byte 0: the tensor's dtype is {'QFloat': {}}; this library reads F64,",
        ),
        (tensor(data="c0"), "byte 0: the tensor's bytes are None: bytes expected."),
        (tensor(data="91 cd0100"), "byte 0: a byte is not an integer from 0 to 255."),
        (tensor(data="91 ff"), "byte 0: a byte is not an integer from 0 to 255."),
        (tensor(data="91 c3"), "byte 0: a byte is not an integer from 0 to 255."),
        (tensor(data="91 a0"), "byte 0: a byte is not an integer from 0 to 255."),
        (
            "81 a170 82 a26964 01 a5706172616d 02",
            "p, byte 3: an id and a tensor expected, found 1 and 2. This is no paramet",
        ),
    ],
)
def test_what_is_no_record(digits, message):
    with pytest.raises(CorruptRecord) as caught:
        decode(bytes.fromhex(digits))
    assert str(caught.value).startswith(message)


def test_the_remedies():
    for digits, remedy in [
        ("c0 00", "The file was changed, or is not what was expected."),
        (
            tensor(shape="90", data="c4 00"),
            f"0 bytes for F32 []: 4 expected. {DAMAGED}",
        ),
        (tensor(dtype="c0"), "U32, U16, U8, Bool(Native), Bool(U8), Bool(U32)."),
    ]:
        with pytest.raises(CorruptRecord) as caught:
            decode(bytes.fromhex(digits))
        assert str(caught.value).endswith(remedy)


def nested(header, count, inside=b"\xc0"):
    return header * count + inside


@pytest.mark.parametrize(
    "header", [b"\x91", b"\x81\xa0", b"\xdc\0\1", b"\xdf\0\0\0\1\xa0"]
)
def test_nesting_has_a_limit(header):
    assert decode(nested(header, 124))
    for count in (125, 1_000, 100_000):
        with pytest.raises(CorruptRecord, match="nested deeper than 124 levels"):
            decode(nested(header, count))


@pytest.mark.parametrize(
    "data",
    [
        b"\x81" * 100_000,  # a map whose key is a map whose key is a map
        b"\xdd\xff\xff\xff\xff" * 100,
        b"\xdf\x00\x00\x00\xff" * 100,
        b"\xdb\xff\xff\xff\xff" + b"a" * 100,
        bytes.fromhex(tensor(data="c6 ffffffff")),
        bytes.fromhex(tensor(data="c4 00", shape="92 00 cf ffffffffffffffff")),
    ],
)
def test_a_few_bytes_take_little_memory(data):
    tracemalloc.start()
    try:
        with pytest.raises(CorruptRecord) as caught:
            decode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("field", ["shape", "dtype", "bytes"])
def test_a_message_is_short_whatever_was_found(field):
    long = encode(["x" * 100_000] * 10).hex()
    with pytest.raises(CorruptRecord) as caught:
        decode(bytes.fromhex(tensor(**{"data" if field == "bytes" else field: long})))
    assert len(str(caught.value)) < 500


class Watched(Memory):
    """A source that remembers what was read."""

    def __init__(self, data):
        super().__init__(data)
        object.__setattr__(self, "seen", bytearray(len(data)))

    __slots__ = ("seen",)

    def read(self, offset, count):
        self.seen[offset : offset + count] = b"\1" * count
        return super().read(offset, count)


def test_payloads_are_not_read_while_walking():
    size = 1 << 20
    names = "abc"
    data = encode({name: stored(bytes(size), [size], "U8") for name in names})
    source = Watched(data)
    tree = mpk.decode(source)
    assert sum(source.seen) <= 4 * (1 << 16)  # the windows before, between and after
    for name in names:
        span = tree[name].bytes
        assert span.nbytes == size
        assert not any(source.seen[span.offset + (1 << 16) : span.offset + size])


SMALL = [bytes.fromhex(digits) for _, digits, _ in VECTORS.values()]
FILES = [golden.file(case, "mpk").read_bytes() for case in ("typed", "progress", "mlp")]


@pytest.mark.parametrize("data", [*SMALL, *FILES[:2]], ids=len)
def test_every_prefix_is_refused(data):
    for end in range(len(data)):
        with pytest.raises(CorruptRecord) as caught:
            decode(data[:end])
        assert 0 <= caught.value.offset <= end


@given(st.binary(max_size=200))
def test_any_bytes(data):
    try:
        decode(data)
    except CorruptRecord as error:
        assert 0 <= error.offset <= len(data)


@given(st.data())
def test_damaged_files(data):
    content = bytearray(data.draw(st.sampled_from(FILES)))
    places = st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(content))
    except CorruptRecord as error:
        assert 0 <= error.offset <= len(content)
        assert len(str(error)) < 1000


class Walking(mpk.decoder.Decoder):
    """The decoder without its short cut for parameters."""

    def params(self, pattern):
        return iter(())


def outcome(data, decoder=mpk.decoder.Decoder, window=1 << 16, small=4096):
    """What decoding gives, be it an error."""
    sizes = {"FIRST": window, "WINDOW": window, "SMALL": small}
    try:
        with (
            mock.patch.multiple(reader, **sizes),
            mock.patch.object(mpk.params, "SMALL", small),
        ):
            walk = decoder(Memory(data))
            tree = walk.value()
            walk.finish()
    except CorruptRecord as error:
        return error.message, error.offset, error.path
    return plain(tree)


shapes = st.lists(st.lists(st.integers(0, 3), max_size=2), min_size=2, max_size=8)


@given(shapes, st.data())
def test_parameters_are_read_alike_by_the_short_and_the_long_way(sizes, data):
    params = []
    for index, shape in enumerate(sizes):
        payload = bytes([index]) * 4 * math.prod(shape)
        ids = ["0400000000000", "é", "x" * 20, "x" * 31, "x" * 32, ""]
        id_ = data.draw(st.sampled_from(ids))
        params.append(Param(id_, stored(payload, shape)))
    names = st.sampled_from(["w", "é", "x" * 32, "x" * 300, "", *map(str, range(9))])
    count = len(params)
    chosen = data.draw(st.lists(names, min_size=count, max_size=count, unique=True))
    named = dict(zip(chosen, params, strict=True))
    content = bytearray(encode([named, params, 32, params[0], 33]))
    changes = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, byte in data.draw(st.lists(changes, max_size=3)):
        content[place] = byte
    expected = outcome(content, Walking)
    assert outcome(content) == expected
    for window in (1, 40, 90):  # so that it ends within parameters
        assert outcome(content, window=window) == expected
        assert outcome(content, window=window, small=8) == expected


@pytest.mark.parametrize("small", [4096, 0])
def test_a_parameter_like_the_last_one_with_fewer_numbers(small):
    numbers = b"\xc4\x0c" + bytes(12)
    params = [Param("0400000000000", stored(bytes(12), [3]))] * 3
    head, first, last, end = encode(params).split(numbers)
    short = b"\xc4\x08" + bytes(8)
    data = head + numbers + first + numbers + last + short + end
    expected = outcome(data, Walking)
    assert expected[0].startswith("8 bytes for F32 [3]: 12 expected.")
    assert outcome(data, small=small) == expected


@pytest.mark.parametrize("depth", range(118, 126))
def test_a_parameter_that_is_nested_too_deeply(depth):
    param = encode(Param("0400000000000", stored(bytes(4), [1])))
    data = b"\x92" + param + b"\x91" * depth + param
    assert outcome(data) == outcome(data, Walking)


ALIKE = [Param("0400000000000", stored(bytes([n]) * 12, [3])) for n in range(4)]


@pytest.mark.parametrize(
    "place, old, new",
    [
        (2, b"\xa1c", b"\xa2c"),  # a name one longer than it is
        (2, b"\xad0400000000000", b"\xae0400000000000"),  # an id
        (2, b"\xc4\x0c", b"\xc5\x00\x0c"),  # the length in two bytes: as good
        (2, b"\xc4\x0c", b"\xc4\x08"),  # a length smaller than it is
        (2, b"\x91\x03", b"\x92\x03"),  # a size too few
        (2, b"\x91\x03", b"\x91\xcd\x00\x03"),
        (2, b"\xa1c", b"\xa1b"),  # a key that stands twice
        (0, b"\x91\x03", b"\x91\xce\xff\xff\xff\xff"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_parameter_that_is_not_quite_like_the_others(place, old, new, named):
    large = Param("0400000000000", stored(bytes(20_000), [5000]))  # jumped over
    data = encode([large, dict(zip("abcd", ALIKE, strict=True)) if named else ALIKE])
    start = data.index(b"F32")
    for _ in range(place + 1 if b"\xa1" not in old else 1):
        start = data.find(old, start + 1)
    if start < 0:  # a name, where there are none
        return
    data = data[:start] + new + data[start + len(old) :]
    expected = outcome(data, Walking)
    assert outcome(data) == outcome(data, window=600) == expected
    assert outcome(data, small=0) == expected


def test_a_shape_that_no_tensor_has_because_of_its_product():
    data = encode(Param("0400000000000", stored(b"", [0])))
    large = b"\x94\0" + b"\xce\xff\xff\xff\xff" * 3
    data = data.replace(b"\xa5shape\x91\0", b"\xa5shape" + large)
    assert large in data
    assert outcome(b"\x91" + data) == outcome(b"\x91" + data, Walking)


@pytest.mark.parametrize("limit, is_read", [(4, True), (3, False)])
@pytest.mark.parametrize("small", [4096, 0])
def test_there_are_not_more_parameters_than_values(limit, is_read, small):
    with mock.patch.object(mpk.params, "MAX_VALUES", limit):
        with mock.patch.object(reader, "MAX_VALUES", limit):
            found = outcome(encode(ALIKE), small=small)
    assert (found == plain(ALIKE)) == is_read
    if not is_read:
        assert found[0].startswith("more than")


@pytest.mark.parametrize("id_", ["0400000000000", "x" * 20, "x" * 31])
def test_parameters_take_no_walk(id_):
    tensors_ = [stored(bytes(4 * size), [size]) for size in (3, 3, 3, 5000, 5000, 3, 3)]
    params = {f"p{index}": Param(id_, data) for index, data in enumerate(tensors_)}
    steps = []

    class Watched(mpk.decoder.Decoder):
        def entry(self, key):
            steps.append(key)
            return super().entry(key)

        def tensor(self, begin, count):
            steps.append(count)
            return super().tensor(begin, count)

    for tree in (params, list(params.values())):
        steps.clear()
        found = Watched(Memory(encode(tree))).value()
        assert plain(found) == plain(tree)
        assert steps == [12, 20000, 20000, 12]  # a small one like the last: not even so


def test_entries_that_are_no_parameters_are_not_held_against_them_for_long():
    asked = []

    class Watched(mpk.decoder.Decoder):
        def params(self, pattern):
            asked.append(pattern)
            return super().params(pattern)

    numbers = list(range(100))
    for tree in (numbers, {str(number): number for number in numbers}):
        asked.clear()
        assert Watched(Memory(encode(tree))).value() == tree
        assert len(asked) == mpk.params.TRIES


@pytest.mark.parametrize(
    "value, message",
    [
        (
            {"a": [2**64]},
            "a.0: the integer 18446744073709551616 needs more than 64 bits.",
        ),
        (-(2**63) - 1, "the integer -9223372036854775809 needs more than 64 bits."),
        ({"a": {1: 2}}, "a: the key 1 is not a string."),
        ([b"ab"], "0: a bytes has no place in a record."),
        ({"x": Float32(1e39)}, "x: 1e+39 does not fit a 32-bit float."),
        (["\ud800"], "0: '\\ud800' has no UTF-8 form."),
    ],
)
def test_what_cannot_be_written(value, message):
    with pytest.raises(Unrecordable) as caught:
        mpk.encode(value)
    assert str(caught.value) == message


def test_what_is_nested_too_deeply_is_not_written():
    value = []
    value.append(value)
    with pytest.raises(Unrecordable, match=r"^0\.0\.0: nested deeper than 124"):
        mpk.encode(value)


class Huge:
    """A payload of which only the size is asked."""

    def __init__(self, nbytes):
        self.nbytes = nbytes


def test_a_tensor_of_4_gib_is_refused():
    header = mpk.encode(TensorData(Huge(2**32 - 1), (2**32 - 1,), "U8"))[0]
    assert header == b"\x83\xa5bytes\xc6\xff\xff\xff\xff"
    with pytest.raises(Unrecordable) as caught:
        mpk.encode({"w": Param("x", TensorData(Huge(2**32), (2**32,), "U8"))})
    assert str(caught.value) == (
        "w: the tensor has 4 GiB or more; MessagePack's length has 32 bits. Split it."
    )


def test_a_string_of_4_gib_is_refused():
    encoder = mpk.encoder._Encoder()
    with pytest.raises(RecorderError, match="4294967296 entries: 32 bits expected"):
        encoder.length(2**32, 0xA0, 32, (0xD9, 0xDA, 0xDB))
