"""annotate: every byte once, and each meaning what an independent reader says."""

import gzip
import json
import struct
from pathlib import Path

import golden_cases as golden
import pytest
import torch
from golden_structures import STRUCTURES
from hypothesis import given
from hypothesis import strategies as st
from test_describe import ALL_SETTINGS, as_text, like, stored

import d2lrec
from d2lrec import structure as s
from d2lrec.inspection import tracing

BINARY = ("mpk", "mpk.gz", "bytes-mpk", "bin", "bin.gz", "bytes-bin")


def check_coverage(fields, data):
    """Each byte is in one field, in order, and shown as it is."""
    at = 0
    for field in fields:
        assert field.offset == at
        first, _, last = field.hex.partition(" … ")
        raw = data[at : at + field.size]
        assert len(raw) == field.size
        assert raw.startswith(bytes.fromhex(first))
        assert raw.endswith(bytes.fromhex(last))
        assert bool(last) == (field.size > 16)
        if not last:
            assert bytes.fromhex(first) == raw
        at += field.size
    assert at == len(data)


def texts(found):
    return [f"{x.hex}: {x.meaning}" if x.hex else x.meaning for x in found.fields]


# --- every byte of Burn's files


@pytest.mark.parametrize("extension", BINARY)
@pytest.mark.parametrize("case", golden.CASES)
def test_every_byte_is_covered_once(case, extension):
    expected = like(case)
    for settings in ALL_SETTINGS:
        path = golden.file(case, extension, settings)
        found = d2lrec.annotate(path, like=expected)
        assert found.error is None
        check_coverage(found.fields, stored(path))
        assert not {"error", "unknown"} & {field.role for field in found.fields}
        if extension.endswith(".gz"):
            check_coverage(found.gzip, path.read_bytes())
        else:
            assert found.gzip == []
        payloads = [(x.offset, x.size) for x in found.fields if x.role == "payload"]
        tensors = d2lrec.describe(path, like=expected).tensors
        assert payloads == [(x.offset, x.nbytes) for x in tensors if x.nbytes]


@pytest.mark.parametrize("case", golden.CASES)
def test_every_byte_is_covered_without_like(case):
    for settings in ALL_SETTINGS:
        path = golden.file(case, "bin", settings)
        found = d2lrec.annotate(path)
        check_coverage(found.fields, path.read_bytes())
        payloads = [(x.offset, x.size) for x in found.fields if x.role == "payload"]
        tensors = d2lrec.describe(path).tensors
        assert payloads == [(x.offset, x.nbytes) for x in tensors if x.nbytes]


@pytest.mark.parametrize("case", ["mlp", "progress", "zoo"])
def test_the_strings_of_messagepack_are_those_of_json(case):
    """The keys and texts, in order, are what the json module finds."""

    def strings(item):
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            is_tensor = item.keys() == {"bytes", "shape", "dtype"}
            for key, below in item.items():
                yield key
                yield from strings([] if is_tensor and key == "bytes" else below)
        elif isinstance(item, list):
            for below in item:
                yield from strings(below)

    file = json.loads(golden.file(case, "json").read_text())
    file["metadata"]["format"] = d2lrec.describe(golden.file(case, "mpk")).metadata[
        "format"
    ]
    found = d2lrec.annotate(golden.file(case, "mpk")).fields
    roles = [x.meaning for x in found if x.role in ("key", "text")]
    expected = []
    for text in strings(file):
        shown = text.replace("\n", "\\n")
        expected.append(shown if len(text) <= 120 else None)
    quoted = [text.partition(": ")[2] or text for text in roles]
    for text, shown in zip(roles, expected, strict=True):
        assert shown is None or text.endswith(f'"{shown}"')
    assert quoted


# --- literal bytes


def record(item, kind=d2lrec.NamedMpkBytesRecorder):
    return kind().record(item)


def test_messagepack_in_words():
    param = d2lrec.Param("0123456789abc", torch.tensor([[1.0, -2.0]]))
    item = {
        "w": param,
        "n": [7, -1, 300, -70000, 2**40],
        "f": [0.5, True, None, False, "é"],
    }
    found = d2lrec.annotate(record(item))
    start = texts(found).index('a4 69 74 65 6d: "item"')
    assert texts(found)[start + 1 :] == [
        "83: map of 3",
        'a1 77: "w"',
        "82: map of 2: a parameter",
        'a2 69 64: "id"',
        'ad 30 31 32 33 34 35 36 37 38 39 61 62 63: "0123456789abc"',
        'a5 70 61 72 61 6d: "param"',
        "83: map of 3: a tensor",
        'a5 62 79 74 65 73: "bytes"',
        "c4 08: 8 bytes of F32",
        "00 00 80 3f 00 00 00 c0: 1, -2",
        'a5 73 68 61 70 65: "shape"',
        "92: array of 2",
        "01: 0: 1",
        "02: 1: 2",
        'a5 64 74 79 70 65: "dtype"',
        'a3 46 33 32: "F32"',
        'a1 6e: "n"',
        "95: array of 5",
        "07: 0: 7",
        "ff: 1: -1",
        "cd 01 2c: 2: 300",
        "d2 ff fe ee 90: 3: -70000",
        "cf 00 00 01 00 00 00 00 00: 4: 1099511627776",
        'a1 66: "f"',
        "95: array of 5",
        "cb 3f e0 00 00 00 00 00 00: 0: 0.5, a 64-bit float",
        "c3: 1: true",
        "c0: 2: nil",
        "c2: 3: false",
        'a2 c3 a9: 4: "é"',
        'a2 5f 62: "_b"',
        "90: array of 0",
    ]
    paths = [x.path for x in found.fields]
    assert "item.w.param.bytes" in paths
    assert "item.n.2" in paths


def test_bincode_in_words():
    structure = s.Struct(
        w=s.PARAM,
        epoch=s.U64,
        delta=s.I32,
        rate=s.F32,
        done=s.BOOL,
        name=s.STRING,
        best=s.Option(s.F64),
        none=s.Option(s.F64),
        pool=s.CONSTANT,
        parts=s.Vec(s.TENSOR),
        pair=s.Tuple(s.U8, s.UNIT),
        act=s.Enum(Relu=s.CONSTANT, Gelu=s.CONSTANT),
        map=s.Map(s.U8),
    )
    item = {
        "w": d2lrec.Param("0123456789abc", torch.tensor([[1.0, -2.0]])),
        "epoch": 300,
        "delta": -1,
        "rate": 0.1,
        "done": True,
        "name": "",
        "best": 0.25,
        "none": None,
        "parts": [torch.tensor([True])],
        "pair": (5, None),
        "act": {"Gelu": None},
        "map": {"k": 9},
    }
    data = d2lrec.BinBytesRecorder().record(item, like=structure)
    found = d2lrec.annotate(data, like=structure)
    start = texts(found).index("item: a struct")
    assert texts(found)[start + 1 :] == [
        "w: a parameter",
        "0d: id: 13 bytes of text",
        '30 31 32 33 34 35 36 37 38 39 61 62 63: "0123456789abc"',
        "08: 8 bytes of F32",
        "00 00 80 3f 00 00 00 c0: 1, -2",
        "02: 2 sizes",
        "01: 1",
        "02: 2",
        "01: F32",
        "fb 2c 01: epoch: 300, u64",
        "01: delta: -1, i32",
        "cd cc cc 3d: rate: 0.1, f32",
        "01: done: true",
        "00: name: 0 bytes of text",
        "01: best: Some",
        "00 00 00 00 00 00 d0 3f: 0.25, f64",
        "00: none: None",
        "00: pool: a constant, of which nothing is stored",
        "01: parts: 1 item",
        "0: a tensor",
        "01: 1 byte of Bool(Native)",
        "01: 1",
        "01: 1 size",
        "01: 1",
        "0d 00: Bool(Native)",
        "pair: a tuple",
        "05: 0: 5, u8",
        "1: nothing, a ()",
        "01: act: variant 1, Gelu",
        "00: Gelu: a constant, of which nothing is stored",
        "01: map: 1 entry",
        "01: 1 byte of text",
        '6b: "k"',
        "09: 9, u8",
        "_b: nothing, a ()",
    ]


def test_bincode_without_like_in_words():
    item = (1, d2lrec.Param("0123456789abc", torch.tensor([1.0])), "end")
    found = d2lrec.annotate(record(item, d2lrec.BinBytesRecorder))
    lines = texts(found)
    start = lines.index("0: a parameter")
    unknown = "not known without like=: constants, options, counts, other values"
    assert lines[start - 1 :] == [
        f"02: 1 byte: {unknown}",
        "0: a parameter",
        "0d: id: 13 bytes of text",
        '30 31 32 33 34 35 36 37 38 39 61 62 63: "0123456789abc"',
        "04: 4 bytes of F32",
        "00 00 80 3f: 1",
        "01: 1 size",
        "01: 1",
        "01: F32",
        f"03 65 6e 64: 4 bytes: {unknown}",
    ]


def test_a_payload_is_shown_by_its_ends_and_first_numbers():
    for dtype, numbers in {
        torch.float32: "0, 1, 2, 3, … (100 numbers)",
        torch.int32: "0, 1, 2, 3, … (100 numbers)",
    }.items():
        data = record(torch.arange(100, dtype=dtype))
        (field,) = [x for x in d2lrec.annotate(data).fields if x.role == "payload"]
        assert (field.size, field.meaning) == (400, numbers)
        raw = torch.arange(100, dtype=dtype).numpy().tobytes()
        assert field.hex == f"{raw[:12].hex(' ')} … {raw[-4:].hex(' ')}"


@pytest.mark.parametrize(
    ("dtype", "raw", "text"),
    [
        ("F64", struct.pack("<d", 0.1), "0.1"),
        ("F16", struct.pack("<e", -2.5), "-2.5"),
        ("BF16", bytes([0x80, 0x3F, 0, 0xC0]), "1, -2"),
        ("U64", b"\xff" * 8, "18446744073709551615"),
        ("I8", b"\xff", "-1"),
        ({"Bool": "U32"}, b"\1\0\0\0", "1"),
    ],
)
def test_numbers_of_every_kind(dtype, raw, text):
    from d2lrec.codecs import mpk
    from d2lrec.payload import Memory, Span
    from d2lrec.record import Record, TensorData

    name = dtype if isinstance(dtype, str) else "Bool(U32)"
    size = {"F64": 8, "F16": 2, "BF16": 2, "U64": 8, "I8": 1, "Bool(U32)": 4}[name]
    tensor = TensorData(Span(Memory(raw), 0, len(raw)), (len(raw) // size,), name)
    tree = Record(metadata=Record(float="f32"), item=tensor, _b=None)
    parts = mpk.encode(tree)
    data = b"".join(x if isinstance(x, bytes) else x.tobytes() for x in parts)
    (field,) = [x for x in d2lrec.annotate(data).fields if x.role == "payload"]
    assert field.meaning == text


def test_checksums_have_fields():
    data = d2lrec.BinBytesRecorder(checksum=True).record((1, 2))
    for expected in (None, (1, 2)):
        found = d2lrec.annotate(data, like=expected)
        check_coverage(found.fields, data)
        assert [x.meaning for x in found.fields[-2:]] == [
            "a checksum follows",
            "CRC-32 of all bytes before it",
        ]
    data = d2lrec.NamedMpkBytesRecorder(checksum=True).record([1])
    found = d2lrec.annotate(data)
    check_coverage(found.fields, data)
    assert found.fields[-2].meaning == '"crc32"'


def test_gzip_has_fields():
    plain = record([1])
    for data, words in (
        (gzip.compress(plain, mtime=0), "deflated"),
        (named(plain), "optional header fields and deflated"),
    ):
        found = d2lrec.annotate(data)
        check_coverage(found.gzip, data)
        check_coverage(found.fields, plain)
        meanings = [x.meaning for x in found.gzip]
        assert meanings[6] == f"{words} bytes: {len(plain)} when inflated"
        assert "decompressed:" in repr(found)


def named(plain):
    """Return a gzip file with a name in its header, as the gzip command writes."""
    import io

    out = io.BytesIO()
    with gzip.GzipFile("name", "wb", fileobj=out, mtime=0) as file:
        file.write(plain)
    return out.getvalue()


# --- how it is shown


def test_it_prints_offsets_bytes_and_meanings():
    lines = repr(d2lrec.annotate(golden.file("mlp", "mpk"))).split("\n")
    width = 16 * 3 + 2  # 12 bytes, an ellipsis, 4 bytes
    assert lines[:4] == [
        f"  0  {'83':{width}} map of 3",
        f'  1  {"a8 6d 65 74 61 64 61 74 61":{width}} "metadata"',
        f" 10  {'85':{width}}   map of 5",
        f' 11  {"a5 66 6c 6f 61 74":{width}}   "float"',
    ]


@pytest.mark.parametrize("extension", ["mpk", "bin", "bin.gz"])
def test_a_notebook_shows_the_same(extension):
    found = d2lrec.annotate(golden.file("zoo", extension), like=like("zoo"))
    assert as_text(found._repr_html_()) == repr(found)


def test_only_so_many_fields_are_printed():
    data = record(list(range(100)))
    found = d2lrec.annotate(data, limit=50)
    lines = repr(found).split("\n")
    assert len(lines) == 51
    left = len(found.fields) - 50
    assert lines[-1] == f"… {left} more: limit=None shows them all"
    assert repr(d2lrec.annotate(data, limit=None)).count("\n") == len(found.fields) - 1
    assert repr(d2lrec.annotate(data, limit=0)).startswith("… ")


def test_to_dict_is_json():
    found = d2lrec.annotate(record([1])).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["fields"][0] == {
        "offset": 0,
        "size": 1,
        "hex": "83",
        "meaning": "map of 3",
        "role": "structure",
        "path": "",
    }


# --- damaged files


@pytest.mark.parametrize("extension", ["mpk", "bin"])
def test_every_prefix_is_shown_up_to_its_end(extension):
    data = golden.file("linear", extension).read_bytes()
    structure = STRUCTURES["linear_column_layout"]
    whole = [x for x in d2lrec.annotate(data, like=structure).fields if x.size]
    for end in range(10, len(data)):
        found = d2lrec.annotate(data[:end], like=structure)
        check_coverage(found.fields, data[:end])
        assert isinstance(found.error, d2lrec.CorruptRecord)
        assert found.fields[-1].role == "error"
        assert str(found.error) in found.fields[-1].meaning
        # What is wholly before the end is where it was.
        places = {(x.offset, x.size) for x in found.fields}
        complete = [x for x in whole if x.offset + x.size <= end and x.size <= 16]
        kept = [x for x in complete if (x.offset, x.size) in places]
        assert len(kept) >= len(complete) - 2


@given(
    st.sampled_from(["mpk", "bin"]),
    st.booleans(),
    st.lists(st.tuples(st.integers(12, 10**6), st.integers(0, 255)), max_size=4),
)
def test_mutations_are_covered_too(extension, with_like, changes):
    data = bytearray(golden.file("conv_net", extension).read_bytes())
    for place, value in changes:
        data[max(place % len(data), 12)] = value
    net = like("conv_net") if with_like else None
    try:
        found = d2lrec.annotate(data, like=net)
    except d2lrec.CorruptRecord:
        assert not with_like  # no metadata to begin with
        return
    check_coverage(found.fields, data)
    assert as_text(found._repr_html_()) == repr(found)


def test_damage_is_shown_where_it_is():
    data = bytearray(golden.file("mlp", "mpk").read_bytes())
    place = data.index(b"\xa4bias")
    data[place] = 0xC1
    found = d2lrec.annotate(data)
    last = found.fields[-1]
    assert (last.offset, last.size) == (
        place,
        len(data) - place,
    ) or last.role == "error"
    assert f"byte {place}" in str(found.error)
    extra = d2lrec.annotate(golden.file("mlp", "mpk").read_bytes() + b"xx")
    assert extra.fields[-1].meaning.startswith("2 bytes: not read: byte 543:")


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ("91 a2 ff 61", "a2 ff 61: 0: string of 2"),
        ("91 d9 02 ff 61", "d9 02 ff 61: 0: string of 2"),
        ("91 cd 01", "cd: 0: number"),
        ("91 c1", "c1: 0: no value begins so"),
        ("92 01", "92: array of 2"),
        ("dc 00 02 01", "dc 00 02: array of 2"),
        ("82 a1 61 01", "82: map of 2"),
        ("c4 05 01", "c4 05: bytes of 5"),
    ],
)
def test_what_messagepack_did_not_finish_is_marked(item, line):
    head = bytes.fromhex("82 a8") + b"metadata" + bytes.fromhex("80 a4") + b"item"
    data = head + bytes.fromhex(item)
    found = d2lrec.annotate(data)
    check_coverage(found.fields, data)
    marked = [f"{x.hex}: {x.meaning}" for x in found.fields if x.role == "error"]
    assert line in marked
    assert found.error is not None


CUT = "cut short, or not what was expected"


@pytest.mark.parametrize(
    ("kind", "item", "line"),
    [
        (s.STRING, "05 61", f"05: item: {CUT}"),
        (s.STRING, "02 ff 61", "02: item: 2 bytes of text"),
        (s.U64, "fb 01", f"fb: item: {CUT}"),
        (s.U64, "fe", f"fe: item: {CUT}"),
        (s.BOOL, "02", f"02: item: {CUT}"),
        (s.Option(s.U8), "07", f"07: item: {CUT}"),
        (s.Enum(A=s.U8), "05", "05: item: variant 5, none of the enum's"),
        (s.Vec(s.U8), "02 01", f"02: item: {CUT}"),
        (s.Map(s.U8), "02 01 61 01 01 61 01", "02: item: 2 entries"),
        (s.TENSOR, "04 00 00 80 3f 01 01 20", "04: 4 bytes"),
        (s.TENSOR, "04 00 00 80 3f 01 01 20", "00 00 80 3f: bytes"),
        (
            s.TENSOR,
            "04 00 00 80 3f 01 01 20",
            f"20: {CUT}",
        ),
        (s.TENSOR, "04 00 00 80 3f fb 01", f"fb: {CUT}"),
    ],
)
def test_what_bincode_did_not_finish_is_marked(kind, item, line):
    head = b"\x03f32\x03i32" + b"\x01x" * 3
    data = head + bytes.fromhex(item)
    found = d2lrec.annotate(data, like=kind)
    check_coverage(found.fields, data)
    assert line in texts(found)
    assert found.error is not None


def test_json_has_no_byte_map():
    for extension in ("json", "json.gz"):
        with pytest.raises(d2lrec.RecorderError) as error:
            d2lrec.annotate(golden.file("mlp", extension))
        assert error.value.message == (
            "JSON is text and has no byte map. "
            "Open it in an editor, or d2lrec.describe it."
        )


def test_a_file_of_very_many_values_is_refused(monkeypatch):
    monkeypatch.setattr(tracing, "MAX_NODES", 1000)
    with pytest.raises(d2lrec.RecorderError) as error:
        d2lrec.annotate(record(list(range(2000))))
    assert error.value.message == (
        "more than 1,000 values: too many for a byte map. "
        "d2lrec.describe shows what is in there."
    )


# --- files of others


@pytest.mark.extra
def test_every_byte_of_other_peoples_files(extra):
    for name in ("mnist-0.14.bin", "mnist-0.21.bin", "modern-lstm-0.17-half.mpk"):
        path = Path(extra) / "burn" / name
        found = d2lrec.annotate(path)
        assert found.error is None
        check_coverage(found.fields, path.read_bytes())
