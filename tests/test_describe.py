"""describe: what is said of a file is what an independent reader finds in it."""

import gzip
import json
import math
import subprocess
import sys
from html.parser import HTMLParser

import golden_cases as golden
import msgpack
import numpy as np
import pytest
import torch
from golden_structures import STRUCTURES
from hypothesis import given
from hypothesis import strategies as st
from test_golden_modules import TWINS

import d2lrec
from d2lrec import structure as s
from d2lrec.inspection.arrays import statistics
from d2lrec.inspection.view import ROLES, printable
from d2lrec.payload import Memory, Span
from d2lrec.record import TensorData

ALL_SETTINGS = ("full", "half", "double")
MODULES = [case for case in golden.CASES if case in TWINS or case in ("zoo", "typed")]


def like(case):
    return STRUCTURES[case] if case in STRUCTURES else TWINS[case]()


def tensors_of(item, path=(), id=None):
    """Yield path, id, dtype, shape and bytes of each tensor that a reader found."""
    if isinstance(item, dict) and item.keys() == {"bytes", "shape", "dtype"}:
        dtype = item["dtype"]
        if isinstance(dtype, dict):
            ((outer, inner),) = dtype.items()
            dtype = f"{outer}({inner})"
        name = ".".join(path) or "item"
        yield name, id, dtype, tuple(item["shape"]), bytes(item["bytes"])
    elif isinstance(item, dict) and item.keys() == {"id", "param"}:
        yield from tensors_of(item["param"], path, item["id"])
    elif isinstance(item, dict | list):
        pairs = item.items() if isinstance(item, dict) else enumerate(item)
        for key, below in pairs:
            yield from tensors_of(below, (*path, str(key)), id)


def facts(tensor):
    return tensor.path, tensor.id, tensor.dtype, tensor.shape


def stored(path):
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


# --- what is found


@pytest.mark.parametrize("settings", ALL_SETTINGS)
@pytest.mark.parametrize("extension", ["mpk", "mpk.gz", "bytes-mpk", "json", "json.gz"])
@pytest.mark.parametrize("case", golden.CASES)
def test_the_tensors_are_those_that_msgpack_and_json_find(case, extension, settings):
    path = golden.file(case, extension, settings)
    data = stored(path)
    read = msgpack.unpackb if "mpk" in extension else json.loads
    file = read(data)
    expected = list(tensors_of(file["item"]))
    found = d2lrec.describe(path)
    assert list(map(facts, found.tensors)) == [x[:4] for x in expected]
    assert [x.nbytes for x in found.tensors] == [len(x[4]) for x in expected]
    if "mpk" in extension:
        offsets = [x.offset for x in found.tensors]
        slices = [
            data[a : a + len(x[4])] for a, x in zip(offsets, expected, strict=True)
        ]
        assert slices == [x[4] for x in expected]
    assert found.metadata == file["metadata"]
    assert found.unknown == []
    assert (found.size, found.decompressed) == (path.stat().st_size, len(data))
    assert found.payload == sum(len(x[4]) for x in expected)
    counts = [math.prod(x[3]) for x in expected if x[1] is not None]
    assert found.parameters == sum(counts)


@pytest.mark.parametrize("case", [c for c in golden.CASES if c in MODULES])
def test_the_parameters_are_those_that_burn_visits(case):
    found = {x.path: x for x in d2lrec.describe(golden.file(case, "json")).tensors}
    expected = golden.EXPECTED[case]["params"]
    assert found.keys() == {x["path"] for x in expected}
    for param in expected if case != "linear_column_layout" else ():
        one = found[param["path"]]
        assert golden.id_number(one.id) == param["id"]
        assert (one.dtype, list(one.shape)) == (param["dtype"], param["shape"])


@pytest.mark.parametrize("extension", ["bin", "bin.gz", "bytes-bin"])
@pytest.mark.parametrize("case", golden.CASES)
def test_bincode_with_like_holds_what_messagepack_does(case, extension):
    expected = like(case)
    for settings in ALL_SETTINGS:
        path = golden.file(case, extension, settings)
        place = path.read_bytes() if extension == "bytes-bin" else path
        found = d2lrec.describe(place, like=expected)
        file = msgpack.unpackb(golden.file(case, "mpk", settings).read_bytes())
        others = {x[0]: x for x in tensors_of(file["item"])}
        # An optimizer's entries have another order in each file.
        assert sorted(x.path for x in found.tensors) == sorted(others)
        data = stored(path)
        for tensor in found.tensors:
            *known, payload = others[tensor.path]
            assert facts(tensor) == tuple(known)
            assert data[tensor.offset : tensor.offset + tensor.nbytes] == payload
        assert found.unknown == []


@pytest.mark.parametrize("case", golden.CASES)
def test_bincode_without_like_recovers_every_parameter(case):
    expected = like(case)
    for settings in ALL_SETTINGS:
        path = golden.file(case, "bin", settings)
        found = d2lrec.describe(path)
        known = d2lrec.describe(path, like=expected)
        params = [x for x in known.tensors if x.id is not None]
        assert [facts(x)[1:] for x in found.tensors] == [facts(x)[1:] for x in params]
        assert [x.offset for x in found.tensors] == [x.offset for x in params]
        assert [x.path for x in found.tensors] == [str(i) for i in range(len(params))]
        assert found.metadata == known.metadata
        assert "bincode stores no names" in found.unknown[0]


def test_what_bincode_does_not_tell_is_said():
    found = d2lrec.describe(golden.file("adam", "bin"))
    assert found.tensors == []
    assert found.unknown == [
        "bincode stores no names and no types, and no like= was given: parameters were "
        "found by their ids and are numbered in the order of the file.",
        "3 more ids without a parameter: an optimizer's record has such.",
        "371 other bytes cannot be known: constants, options, counts, numbers, "
        "strings, tensors without an id.",
    ]


def test_a_text_that_looks_like_an_id_is_no_parameter():
    texts = ["0123456789abc", "\x0d0123456789abc", "\x0a0123456789", "0" * 13 + "\x04"]
    item = (*texts, torch.ones(2))
    data = d2lrec.BinBytesRecorder().record(item)
    assert d2lrec.describe(data).tensors == []


@pytest.mark.parametrize("id", ["0123456789", "30b82c23-788d-4d63-a743-ada258d5f13c"])
def test_ids_of_older_releases_are_found(id):
    item = {"name": "x" * 5000, "a": d2lrec.Param(id, torch.ones(2, 3))}
    data = d2lrec.BinBytesRecorder().record(item)
    (found,) = d2lrec.describe(data).tensors
    assert (found.id, found.dtype, found.shape) == (id, "F32", (2, 3))


def test_a_parameter_across_the_edge_of_what_is_searched_is_found():
    param = d2lrec.Param("0123456789abc", torch.ones(1))
    for length in range(4096 - 200, 4096 + 60):
        item = ("x" * length, param, "x" * 9000, param)
        data = d2lrec.BinBytesRecorder().record(item)
        assert len(d2lrec.describe(data).tensors) == 2


# --- what is shown


def test_a_description_prints_as_a_tree():
    text = repr(d2lrec.describe(golden.file("mlp", "mpk").read_bytes()))
    assert text == (
        "NamedMpkBytesRecorder, 543 bytes\n"
        "Burn 0.21.0, FullPrecisionSettings (float f32, int i32)\n"
        "3 parameters with 36 numbers: 144 bytes\n"
        "\n"
        "hidden\n"
        "    weight  F32  [5, 4]  80 B  id 4s0g000000000\n"
        "    bias    F32  [4]     16 B  id 500g000000000\n"
        "activation  None\n"
        "output\n"
        "    weight  F32  [4, 3]  48 B  id 540g000000000\n"
        "    bias    None"
    )


def test_other_values_are_shown_in_one_line_each():
    item = {
        "epoch": 3,
        "losses": [0.5] * 20,
        "rate": np.float32(0.1),
        "empty": [],
        "pairs": [[1, 2], [3, 4]],
        "text": "x" * 200,
        "nothing": {},
        "x": torch.ones(0, 3),
    }
    text = repr(d2lrec.describe(d2lrec.NamedMpkBytesRecorder().record(item)))
    assert text.split("\n")[2:] == [
        "1 plain tensor: 0 bytes",
        "",
        "epoch    3",
        "losses   [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, ...]  (20)",
        "rate     0.1",
        "empty    []",
        "pairs",
        "    0    [1, 2]  (2)",
        "    1    [3, 4]  (2)",
        f"text     '{'x' * 27}...{'x' * 28}'",
        "nothing  {}",
        "x        F32  [0, 3]  0 B",
    ]


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (torch.ones(2), "item  F32  [2]  8 B"),
        (7, "item  7"),
        ([], "item  []"),
        ([1, 2], "item  [1, 2]  (2)"),
        (None, "item  None"),
    ],
)
def test_an_item_that_is_no_struct_has_a_line(item, line):
    found = d2lrec.describe(d2lrec.NamedMpkBytesRecorder().record(item))
    assert repr(found).split("\n")[-1] == line
    tensors = [x.path for x in found.tensors]
    assert tensors == (["item"] if isinstance(item, torch.Tensor) else [])


def test_gzip_and_the_checksum_are_said(tmp_path):
    recorder = d2lrec.NamedMpkGzFileRecorder(checksum=True)
    path = recorder.record([1], tmp_path / "x")
    found = d2lrec.describe(path)
    size = path.stat().st_size
    plain_size = len(gzip.decompress(path.read_bytes()))
    assert found.checksum
    assert repr(found).split("\n")[:2] == [
        f"{path}: NamedMpkGzFileRecorder, {size} bytes "
        f"({plain_size} decompressed, in memory)",
        "Burn 0.21.0, FullPrecisionSettings (float f32, int i32), with a checksum",
    ]


class Reader(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.styles, self.text = set(), set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert [name for name, _ in attrs] == ["style"]
        self.styles.add(attrs[0][1])

    def handle_data(self, data):
        self.text += data


def as_text(html):
    reader = Reader()
    reader.feed(html)
    assert reader.tags <= {"pre", "span"}
    assert not any(x in style for style in reader.styles for x in ("var(", "url("))
    return "\n".join(line.rstrip() for line in reader.text.split("\n"))


@pytest.mark.parametrize("case", ["mlp", "progress", "zoo"])
def test_a_notebook_shows_the_same_without_sheets_and_scripts(case):
    for extension in ("mpk", "bin"):
        found = d2lrec.describe(golden.file(case, extension), statistics=True)
        assert as_text(found._repr_html_()) == repr(found)


def test_a_notebook_does_not_show_ten_thousand_lines():
    found = d2lrec.describe(d2lrec.NamedMpkBytesRecorder().record([[]] * 10000))
    html = found._repr_html_()
    assert html.count("\n") < 2010
    assert "… 8,000 more lines: print it to see them all" in html
    assert repr(found).count("\n") > 10000


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("role", ROLES)
def test_colors_can_be_read_on_any_page(role):
    """Letters of a fixed color have a ground of a fixed color; others the page's."""
    css = dict(part.split(":") for part in ROLES[role].css.split(";") if part)
    assert ("color" in css) == ("background-color" in css)
    if "color" in css:
        dark, light = luminance(css["color"]), luminance(css["background-color"])
        assert (light + 0.05) / (dark + 0.05) > 7


def test_names_cannot_steer_a_terminal_or_a_page():
    name = "\x1b[2Jx\u202e<script>alert(1)</script>\n"
    item = {name: torch.ones(1), "text": name, "more": [name]}
    data = d2lrec.NamedMpkBytesRecorder().record(item)
    for found in (d2lrec.describe(data), d2lrec.annotate(data)):
        for text in (repr(found), as_text(found._repr_html_())):
            assert not set(text) & {"\x1b", "\u202e"}
            assert "\\x1b[2Jx\\u202e<script>alert(1)</script>\\n" in text
    assert printable("层 é") == "层 é"


def test_to_dict_is_json():
    item = {"rate": math.inf, "best": math.nan, "x": d2lrec.Param("a", torch.ones(2))}
    found = d2lrec.describe(
        d2lrec.NamedMpkBytesRecorder().record(item), statistics=True
    )
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again == found.to_dict()
    numbers = {"min": 1.0, "max": 1.0, "mean": 1.0, "std": 0.0}
    numbers |= {"zeros": 0, "nan": 0, "inf": 0}
    tensor = {"id": "a", "dtype": "F32", "shape": [2], "bytes": 8, "offset": 220}
    tensor["statistics"] = numbers
    tensor["offset"] = found.tensors[0].offset
    assert again["item"] == {"rate": "inf", "best": "nan", "x": tensor}
    assert again["tensors"] == [{"path": "x", **tensor}]
    assert (again["file"], again["recorder"]) == (None, "NamedMpkBytesRecorder")
    assert (again["parameters"], again["bytes_of_tensors"]) == (2, 8)


# --- statistics


@pytest.mark.parametrize("case", ["mlp", "typed", "hard_floats", "progress", "adam"])
@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_statistics_are_torchs(case, settings):
    path = golden.file(case, "mpk", settings)
    data = path.read_bytes()
    for tensor in d2lrec.describe(path, statistics=True).tensors:
        raw = data[tensor.offset : tensor.offset + tensor.nbytes]
        dtype = {"F": torch.float, "I": torch.int, "B": torch.bool}[tensor.dtype[0]]
        dtype = {"F16": torch.half, "F64": torch.double}.get(tensor.dtype, dtype)
        dtype = {"I16": torch.short, "I64": torch.long}.get(tensor.dtype, dtype)
        numbers = torch.empty(0)
        if raw:
            numbers = torch.frombuffer(bytearray(raw), dtype=dtype)
        compare(tensor.statistics, numbers)


def compare(found, numbers):
    wide = numbers.double()
    finite = wide[wide.isfinite()]
    known = wide[~wide.isnan()]
    assert found.nan == int(wide.isnan().sum())
    assert found.inf == int(wide.isinf().sum())
    assert found.zeros == int((wide == 0).sum())
    assert found.min == (known.min().item() if len(known) else None)
    assert found.max == (known.max().item() if len(known) else None)
    if len(finite) and float(finite.abs().max()) < 1e150:
        torch.testing.assert_close(found.mean, finite.mean().item())
        torch.testing.assert_close(found.std, finite.std(unbiased=False).item())


@given(st.lists(st.floats(width=32), max_size=60))
def test_statistics_of_any_floats(values):
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        numbers = torch.tensor(values, dtype=dtype)
        names = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
        raw = numbers.view(torch.uint8).numpy().tobytes() if values else b""
        data = TensorData(Span(Memory(raw), 0, len(raw)), (len(values),), names[dtype])
        compare(statistics(data), numbers)


def test_statistics_of_several_pieces():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        numbers = torch.randn(3_000_000) + 1000
    data = d2lrec.NamedMpkBytesRecorder().record(numbers)
    (found,) = d2lrec.describe(data, statistics=True).tensors
    compare(found.statistics, numbers)


def test_large_integers_are_exact():
    values = np.array([2**64 - 1, 1], np.uint64)
    data = TensorData(Span(Memory(values.tobytes()), 0, 16), (2,), "U64")
    assert (statistics(data).min, statistics(data).max) == (1, 2**64 - 1)


def test_statistics_compare_the_checksum():
    for kind in (d2lrec.BinBytesRecorder, d2lrec.NamedMpkBytesRecorder):
        data = bytearray(kind(checksum=True).record({"x": torch.ones(8)}))
        assert d2lrec.describe(
            data, like={"x": torch.ones(8)}, statistics=True
        ).checksum
        data[data.index(b"\x80\x3f")] ^= 1
        assert d2lrec.describe(data, like={"x": torch.ones(8)}).checksum
        with pytest.raises(d2lrec.CorruptRecord, match="checksum"):
            d2lrec.describe(data, like={"x": torch.ones(8)}, statistics=True)


# --- what is refused


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "this is no record of Burn's: there is not a single byte in it."),
        (
            b"hello, world",
            "this is no record of Burn's: it begins with the bytes "
            "68 65 6c 6c 6f 2c 20 77, as no recorder's files do.",
        ),
        (
            b"PK\x03\x04....",
            "this is no record of Burn's: it begins like a zip archive, such as "
            "torch.save writes.",
        ),
        (
            b"\x10\0\0\0\0\0\0\0{}",
            "this is no record of Burn's: it begins like a safetensors file.",
        ),
        (
            gzip.compress(gzip.compress(b"", mtime=0), mtime=0),
            "this is no record of Burn's: it begins like gzip, inside gzip.",
        ),
        (
            b"{}",
            "this is no record: a struct with metadata and item expected.",
        ),
    ],
)
def test_other_files_are_refused(data, text):
    with pytest.raises(d2lrec.CorruptRecord) as error:
        d2lrec.describe(data)
    assert str(error.value) == text


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(d2lrec.RecordNotFound, match=r"nope.mpk: no such file\.$"):
        d2lrec.describe(tmp_path / "nope.mpk")
    with pytest.raises(d2lrec.RecorderError, match="names no file"):
        d2lrec.describe("a\0b")


def test_another_structure_is_refused():
    with pytest.raises(d2lrec.CorruptRecord):
        d2lrec.describe(golden.file("mlp", "bin"), like=s.Struct(a=s.STRING))


@pytest.mark.parametrize("extension", ["mpk", "json", "bin"])
def test_every_prefix_is_described_or_refused(extension):
    data = golden.file("linear", extension).read_bytes()
    structure = STRUCTURES["linear_column_layout"]
    for end in range(len(data)):
        with pytest.raises(d2lrec.CorruptRecord):
            d2lrec.describe(data[:end], like=structure)
        if extension == "bin":  # what is there is told
            try:
                found = d2lrec.describe(data[:end])
            except d2lrec.CorruptRecord:
                continue
            assert len(found.tensors) <= 2


@given(
    st.sampled_from(["mpk", "bin", "json"]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4),
)
def test_mutations_are_described_or_refused(extension, changes):
    data = bytearray(golden.file("conv_net", extension).read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    for net in (None, TWINS["conv_net"]()):
        try:
            found = d2lrec.describe(data, like=net, statistics=True)
        except d2lrec.RecorderError:
            continue
        repr(found)
        json.dumps(found.to_dict(), allow_nan=False)
        found._repr_html_()


# --- what is imported


def run(code):
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_neither_torch_nor_numpy_is_imported():
    """Not even rich, whose drawing is for terminals."""
    files = [golden.file("mlp", x) for x in ("mpk", "bin", "json.gz", "bin.gz")]
    code = f"""
import sys, d2lrec
from d2lrec.structure import LINEAR, Struct, CONSTANT
for file in {[str(file) for file in files]}:
    like = Struct(hidden=LINEAR, activation=CONSTANT, output=LINEAR)
    print(len(d2lrec.describe(file, like=like).tensors), end=" ")
    repr(d2lrec.describe(file))
d2lrec.annotate({str(files[0])!r})
print(sorted({{"torch", "numpy", "rich"}} & set(sys.modules)))
"""
    assert run(code) == "3 3 3 3 []"


def test_statistics_import_numpy_and_not_torch():
    file = str(golden.file("mlp", "mpk"))
    code = f"""
import sys, d2lrec
d2lrec.describe({file!r}, statistics=True)
print(sorted({{"torch", "numpy"}} & set(sys.modules)))
"""
    assert run(code) == "['numpy']"


def test_the_functions_are_no_modules():
    code = """
import d2lrec, importlib
for name in ("describe", "annotate"):
    try:
        importlib.import_module("d2lrec." + name)
    except ModuleNotFoundError:
        pass
import d2lrec.inspection.description, d2lrec.inspection.byte_map
print(d2lrec.describe.__module__, d2lrec.annotate.__module__)
"""
    assert run(code) == "d2lrec.inspection.description d2lrec.inspection.byte_map"


# --- files of others


@pytest.mark.extra
def test_burns_own_model_in_two_releases(extra):
    """The same weights under two layouts of the struct, found without it."""
    files = [extra / "burn" / f"mnist-{x}.bin" for x in ("0.19", "0.21")]
    old, new = (d2lrec.describe(path) for path in files)
    assert [(x.id, x.dtype, x.shape) for x in old.tensors] == [
        (x.id, x.dtype, x.shape) for x in new.tensors
    ]
    assert (len(new.tensors), new.parameters) == (18, 482_122)
    assert [x.metadata["version"] for x in (old, new)] == ["0.19.0", "0.21.0"]
    bytes_old, bytes_new = (path.read_bytes() for path in files)
    for a, b in zip(old.tensors, new.tensors, strict=True):
        part = bytes_old[a.offset : a.offset + a.nbytes]
        assert part == bytes_new[b.offset : b.offset + b.nbytes]


@pytest.mark.extra
def test_burns_own_models_of_other_releases(extra):
    found = d2lrec.describe(extra / "burn/mnist-0.14.bin")
    assert (len(found.tensors), found.parameters) == (20, 376_952)
    assert found.tensors[0].id == "30b82c23-788d-4d63-a743-ada258d5f13c"
    path = extra / "burn/modern-lstm-0.17-half.mpk"
    expected = tensors_of(msgpack.unpackb(path.read_bytes())["item"])
    found = d2lrec.describe(path)
    assert list(map(facts, found.tensors)) == [x[:4] for x in expected]
    with pytest.raises(d2lrec.CorruptRecord, match="begins like a Burnpack"):
        d2lrec.describe(extra / "burn/mnist-0.22-dev.bpk")
