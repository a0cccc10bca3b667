"""JSON against Rust's texts, Python's json, and numpy's shortest floats."""

import json
import math
import struct

import golden_cases as golden
import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import finite, float32s, plain, same, stored, tensors, trees, written
from vectors import METADATA, VECTORS

from d2lrec.codecs import json as codec
from d2lrec.errors import CorruptRecord, Unrecordable
from d2lrec.payload import Memory
from d2lrec.record import UNIT, Float32, Param


def encode(tree):
    return written(codec.encode(tree)).decode()


def decode(text):
    data = text.encode() if isinstance(text, str) else text
    return codec.decode(Memory(data))


@pytest.mark.parametrize("name", VECTORS)
def test_what_rust_writes(name):
    tree, _, compact = VECTORS[name]
    assert encode(tree) == json.dumps(json.loads(compact), indent=2)
    found = decode(compact)
    if name == "wrapper":
        assert found.pop("_b") is None
        tree = {key: tree[key] for key in found}
    assert same(plain(found), plain(tree))


PRETTY = """\
{
  "metadata": {
    "float": "f32",
    "int": "i32",
    "format": "burn_core::record::file::NamedMpkFileRecorder\
<burn_core::record::settings::FullPrecisionSettings>",
    "version": "0.21.0",
    "settings": "FullPrecisionSettings"
  },
  "item": {
    "bias": {
      "id": "vvvvvvvvvvvvu",
      "param": {
        "bytes": [
          0,
          0,
          0,
          191
        ],
        "shape": [
          1
        ],
        "dtype": "F32"
      }
    },
    "mask": {
      "bytes": [],
      "shape": [
        0
      ],
      "dtype": {
        "Bool": "Native"
      }
    },
    "sizes": null,
    "empty": {}
  },
  "_b": null
}"""


def test_the_pretty_form():
    bias = Param("vvvvvvvvvvvvu", stored(struct.pack("<f", -0.5), [1]))
    mask = stored(b"", [0], "Bool(Native)")
    item = {"bias": bias, "mask": mask, "sizes": None, "empty": {}}
    assert encode({"metadata": METADATA, "item": item, "_b": UNIT}) == PRETTY


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (-0.5, "-0.5"),
        (1e21, "1e+21"),
        (1e-300, "1e-300"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (123456789.125, "123456789.125"),
        (2.0**53, "9007199254740992.0"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (math.nan, "null"),
        (math.inf, "null"),
        (-math.inf, "null"),
        (Float32(0.5), "0.5"),
        (Float32(-0.0), "-0.0"),
        (Float32(0.10000000149011612), "0.1"),
        (Float32(2.0**-96), "1.2621775e-29"),
        (Float32(3.4028234663852886e38), "3.4028235e+38"),
        (Float32(2.0**-149), "1e-45"),
        (Float32(math.nan), "null"),
        (Float32(-math.inf), "null"),
        (2**63, "9223372036854775808"),
        (2**64 - 1, "18446744073709551615"),
        (-(2**63), "-9223372036854775808"),
        ('"\\\n\x01é中😀/', '"\\"\\\\\\n\\u0001é中😀/"'),
        ([], "[]"),
        ({}, "{}"),
    ],
)
def test_the_text_of_a_value(value, text):
    assert encode(value) == text
    if text != "null" and not isinstance(value, Float32):
        assert same(plain(decode(text)), value)


@given(float32s)
@example(3.4028235e38)
@example(1e-6)
@example(1e16)
def test_single_floats_are_rusts(value):
    expected = orjson.dumps(np.float32(value), option=orjson.OPT_SERIALIZE_NUMPY)
    assert encode(Float32(value)) == expected.decode()


@pytest.mark.parametrize("exponent", range(-149, 128))
def test_powers_of_two(exponent):
    # where the neighbors lie unevenly, and the shortest text is not the nearest
    for value in (
        2.0**exponent,
        np.nextafter(np.float32(2.0**exponent), np.float32(9)),
    ):
        expected = orjson.dumps(np.float32(value), option=orjson.OPT_SERIALIZE_NUMPY)
        assert encode(Float32(value)) == expected.decode()


@given(trees(finite))
def test_json_reads_ours_and_we_read_json(tree):
    text = encode(tree)
    assert same(json.loads(text), tree)
    assert same(plain(decode(text)), tree)
    for foreign in (json.dumps(tree), json.dumps(tree, ensure_ascii=False, indent=1)):
        assert same(plain(decode(foreign)), tree)


@given(st.dictionaries(st.text(min_size=1), tensors(), max_size=4))
def test_tensors(tree):
    text = encode(tree)
    assert same(plain(decode(text)), plain(tree))
    for name, found in json.loads(text).items():
        assert bytes(found["bytes"]) == tree[name].bytes.tobytes()


@pytest.mark.parametrize(
    "text, value",
    [
        (' {"a" : 1}\n\t', {"a": 1}),
        ('{"a": 1, "a": 2}', {"a": 2}),  # the last one counts
        ('{"a": 1, "b": 0, "\\u0061": 2}', {"a": 2, "b": 0}),
        ("1E2", 100.0),
        ("-0", 0),
        ("1e-400", 0.0),
        ("18446744073709551616", 2.0**64),  # too large for 64 bits: a float
        ('"\\ud83d\\ude00"', "😀"),
    ],
)
def test_what_is_read(text, value):
    assert same(plain(decode(text)), value)


def test_a_repeated_key_of_a_tensor():
    text = '{"bytes": [1], "shape": [9], "dtype": "U8", "shape": [1]}'
    assert plain(decode(text)) == ("U8", (1,), b"\1")


@pytest.mark.parametrize(
    "text, offset, message",
    [
        ("", 0, "line 1, column 1: "),
        ("{", 1, "line 1, column 2: "),
        ('{"a": 1,}', 7, "line 1, column 8: "),
        ('{\n"é": nul}', 8, "line 2, column 6: "),
        ("[1] [2]", 4, "line 1, column 5: "),
        ("NaN", 0, "line 1, column 1: "),
        ("[Infinity]", 1, "line 1, column 2: "),
        ("[1e999]", 1, "line 1, column 2: "),
        ("[01]", 1, "line 1, column 2: "),
        ('["\x00"]', 2, "line 1, column 3: "),
        ('"\\ud800"', 1, "line 1, column 2: "),
        ("'a'", 0, "line 1, column 1: "),
        ("\ufeff{}", 0, "line 1, column 1: "),
    ],
)
def test_what_is_no_json(text, offset, message):
    with pytest.raises(CorruptRecord) as caught:
        decode(text)
    assert str(caught.value).startswith(f"byte {offset}: this is no JSON: {message}")
    assert caught.value.offset == offset


@pytest.mark.parametrize("data", [b'["\xff"]', b'"\xed\xa0\x80"', b"\xff\xfe[\0]\0"])
def test_what_is_no_utf8(data):
    with pytest.raises(CorruptRecord, match="this is no JSON"):
        decode(data)


@pytest.mark.parametrize(
    "text, message",
    [
        (
            '{"item": {"bytes": [256], "shape": [1], "dtype": "U8"}}',
            "item: a byte is not an integer from 0 to 255.",
        ),
        (
            '{"bytes": [true], "shape": [1], "dtype": "U8"}',
            "a byte is not an integer from 0 to 255.",
        ),
        (
            '{"bytes": [1.0], "shape": [1], "dtype": "U8"}',
            "a byte is not an integer from 0 to 255.",
        ),
        (
            '{"bytes": "AA==", "shape": [1], "dtype": "U8"}',
            "the tensor's bytes are 'AA==': bytes expected.",
        ),
        (
            '[{"id": "x", "param": {"a": 1}}]',
            "0: an id and a tensor expected, found 'x' and {'a': 1}. "
            "This is no parameter of Burn's.",
        ),
        (
            '{"bytes": [1], "shape": [1e0], "dtype": "U8"}',
            "the tensor's shape is [1.0]: up to 64 sizes, none negative, and fewer "
            "than 2**59 elements expected.",
        ),
    ],
)
def test_what_is_no_record(text, message):
    with pytest.raises(CorruptRecord) as caught:
        decode(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("opened, closed", ["[]", ('{"":', "}")])
def test_nesting_has_a_limit(opened, closed):
    for count in (10, 123):
        assert decode(opened * count + "[0]" + closed * count)
    for count in (124, 125, 900, 1_025, 100_000):
        with pytest.raises(CorruptRecord) as caught:
            decode(opened * count + "[0]" + closed * count)
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", VECTORS)
def test_every_prefix_is_refused(name):
    text = VECTORS[name][2]
    for end in range(len(text)):
        if text[:end].strip().isdigit() or text[:end] in ("0.0", "0.00"):
            continue  # a shorter number is a number
        with pytest.raises(CorruptRecord) as caught:
            decode(text[:end])
        assert 0 <= caught.value.offset <= end


FILES = [golden.file(case, "json").read_bytes() for case in ("typed", "progress")]


@given(st.data())
def test_damaged_files(data):
    content = bytearray(data.draw(st.sampled_from(FILES)))
    places = st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(
            st.integers(0, 255) | st.sampled_from(b'{}[],:"1e\\')
        )
    try:
        decode(bytes(content))
    except CorruptRecord as error:
        assert error.offset is None or 0 <= error.offset <= len(content)


@given(st.binary(max_size=100) | st.text(alphabet='{}[]",:0123\\u-+eE.tfn '))
def test_any_bytes(data):
    try:
        decode(data)
    except CorruptRecord as error:
        assert error.offset is None or 0 <= error.offset <= len(data)


@pytest.mark.parametrize(
    "value, reason",
    [
        (2**64, "Integer exceeds 64-bit range"),
        ({1: 2}, "Dict key must be str"),
        ("\ud800", "str is not valid UTF-8: surrogates not allowed"),
        ({"a": b"bytes"}, "a bytes has no place in a record"),
        ({"a": 1 + 2j}, "a complex has no place in a record"),
    ],
)
def test_what_cannot_be_written(value, reason):
    with pytest.raises(Unrecordable) as caught:
        codec.encode(value)
    assert str(caught.value) == f"no JSON for this value: {reason}."


def test_what_is_nested_too_deeply_is_not_written():
    value = []
    value.append(value)
    with pytest.raises(Unrecordable, match="no JSON for this value: Recursion limit"):
        codec.encode(value)


@pytest.mark.parametrize("name", ["w", "tf", "true", "false", "t" * 10_001])
@pytest.mark.parametrize("wrong", ["true", "false", "1.0", "256", "-1", "null", '"1"'])
def test_bytes_are_integers_and_no_booleans(name, wrong):
    text = '{"%s": {"bytes": [1, 0, %s, 1], "shape": [4], "dtype": "U8"}}'
    tensor = decode(text % (name, "7"))[name]
    assert tensor.bytes.tobytes() == b"\x01\x00\x07\x01"
    with pytest.raises(CorruptRecord, match="a byte is not an integer from 0 to 255"):
        decode(text % (name, wrong))
