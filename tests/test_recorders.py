"""The recorders as such: names, extensions, aliases, metadata, like=, mmap, bytes."""

import gzip
import io
import json
import os
import pickle

import golden_cases as golden
import pytest
import torch
from torch import nn

import d2lrec
from d2lrec import (
    BinBytesRecorder,
    BinFileRecorder,
    BinGzFileRecorder,
    JsonGzFileRecorder,
    NamedMpkBytesRecorder,
    NamedMpkFileRecorder,
    NamedMpkGzFileRecorder,
    PrettyJsonFileRecorder,
)
from d2lrec.payload import Memory

FULL, HALF, DOUBLE = (
    d2lrec.FullPrecisionSettings,
    d2lrec.HalfPrecisionSettings,
    d2lrec.DoublePrecisionSettings,
)
SETTINGS = {"full": FULL, "half": HALF, "double": DOUBLE}
FILES = {
    NamedMpkFileRecorder: "mpk",
    NamedMpkGzFileRecorder: "mpk.gz",
    BinFileRecorder: "bin",
    BinGzFileRecorder: "bin.gz",
    JsonGzFileRecorder: "json.gz",
    PrettyJsonFileRecorder: "json",
}
MEMORY = {NamedMpkBytesRecorder: "bytes-mpk", BinBytesRecorder: "bytes-bin"}
TYPED = (BinFileRecorder, BinGzFileRecorder, BinBytesRecorder)
each_file_recorder = pytest.mark.parametrize("kind", FILES, ids=FILES.get)
each_memory_recorder = pytest.mark.parametrize("kind", MEMORY, ids=MEMORY.get)


@each_file_recorder
@pytest.mark.parametrize(
    ("path", "plain", "packed"),
    [
        ("m", "m.{x}", "m.{x}"),
        ("m.{x}", "m.{x}", "m.{x}"),
        ("m.v1", "m.{x}", "m.{x}"),
        ("m.v1.2", "m.v1.{x}", "m.v1.{x}"),
        ("m.", "m.{x}", "m.{x}"),
        (".m", ".m.{x}", ".m.{x}"),
        (".m.v1", ".m.{x}", ".m.{x}"),
        ("a.b/m", "a.b/m.{x}", "a.b/m.{x}"),
        ("m.gz", "m.{x}", "m.{x}"),
        ("模型.v1", "模型.{x}", "模型.{x}"),
        # Rust would make m.mpk.mpk.gz of m.mpk.gz; a full extension stays here.
        ("m.mpk.gz", "m.mpk.{x}", "m.mpk.{x}"),
    ],
)
def test_extensions_are_rusts(kind, path, plain, packed):
    extension = FILES[kind]
    assert kind.extension == extension
    expected = (packed if kind.gzip else plain).format(x=extension)
    if path.format(x=extension).endswith(f".{extension}"):
        expected = path.format(x=extension)
    assert str(kind().path(path.format(x=extension))) == expected


def test_a_dot_in_front_begins_no_extension():
    assert str(d2lrec.NamedMpkFileRecorder().path(".mpk")) == ".mpk.mpk"
    assert str(d2lrec.NamedMpkGzFileRecorder().path("a/.mpk.gz")) == "a/.mpk.mpk.gz"


def test_what_the_classes_say():
    for kind, extension in FILES.items():
        assert issubclass(kind, d2lrec.sinks.FileRecorder)
        assert kind.gzip == extension.endswith(".gz")
        assert kind.codec.text == extension.startswith("json")
        assert kind.module == "file"
    for kind in MEMORY:
        assert (kind.gzip, kind.codec.text, kind.module) == (False, False, "memory")
    for kind in (*FILES, *MEMORY):
        assert kind.codec.typed == (kind in TYPED)
        assert kind() == kind(FULL) == kind(settings=FULL, checksum=False)
        assert kind(HALF) != kind()
        assert hash(kind()) == hash(kind(FULL))
        assert pickle.loads(pickle.dumps(kind(HALF))) == kind(HALF)
        with pytest.raises(AttributeError):
            kind().settings = HALF
        with pytest.raises(TypeError):
            kind(FULL, True)  # checksum= and durable= go by name
    assert "settings=HalfPrecisionSettings" in repr(NamedMpkFileRecorder(HALF))
    with pytest.raises(TypeError):
        BinBytesRecorder(durable=False)


@pytest.mark.parametrize(
    ("alias", "kind", "settings"),
    [
        ("DefaultFileRecorder", NamedMpkFileRecorder, FULL),
        ("DefaultRecorder", NamedMpkFileRecorder, FULL),
        ("CompactRecorder", NamedMpkFileRecorder, HALF),
        ("SensitiveCompactRecorder", BinGzFileRecorder, HALF),
        ("NoStdTrainingRecorder", BinFileRecorder, FULL),
        ("NoStdInferenceRecorder", BinBytesRecorder, FULL),
        ("DebugRecordSettings", PrettyJsonFileRecorder, FULL),
    ],
)
def test_burns_aliases(alias, kind, settings):
    made = getattr(d2lrec, alias)()
    assert type(made) is kind
    assert made.settings is settings
    assert getattr(d2lrec, alias)(checksum=True).checksum


ITEM = {"x": torch.arange(3.0), "n": 1}


def recorded(kind, settings=FULL, item=ITEM):
    """Return the bytes that a recorder makes, without their compression."""
    recorder = kind(settings)
    if kind in MEMORY:
        return recorder.record(item)
    data = recorder.record(item, "x").read_bytes()
    return gzip.decompress(data) if kind.gzip else data


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kind", [*FILES, *MEMORY], ids=lambda kind: kind.__name__)
def test_metadata_are_burns(kind, settings):
    extension = (FILES | MEMORY)[kind]
    burns = golden.file("tensor", extension, settings).read_bytes()
    if kind.gzip:
        burns = gzip.decompress(burns)
    ours = recorded(kind, SETTINGS[settings])
    if kind.codec.text:
        assert json.loads(ours)["metadata"] == json.loads(burns)["metadata"]
        names = json.loads(ours)["metadata"]["format"]
    else:
        name = kind.__name__.encode()
        end = burns.rindex(b"PrecisionSettings") + len(b"PrecisionSettings")
        assert ours[:end] == burns[:end]
        assert burns.count(name) == 1
        names = burns[:end].decode("latin1")
    assert f"::{kind.module}::{kind.__name__}<burn_core::record::settings::" in names


def test_a_subclass_records_under_burns_name():
    class Mine(NamedMpkFileRecorder):
        extension = "mine"

    path = Mine().record(ITEM, "x")
    assert path.name == "x.mine"
    assert path.read_bytes() == recorded(NamedMpkFileRecorder)
    assert Mine().load("x")["n"] == 1


@pytest.mark.parametrize("kind", FILES, ids=FILES.get)
@pytest.mark.parametrize("wrong", FILES, ids=FILES.get)
def test_the_wrong_recorder_is_told_the_right_one(kind, wrong):
    path = kind().record(ITEM, "x")
    os.replace(path, f"y.{wrong.extension}")
    if kind is wrong:
        assert wrong().load("y", like=ITEM)["n"] == 1
        return
    with pytest.raises(d2lrec.CorruptRecord) as caught:
        wrong().load("y", like=ITEM)
    assert str(caught.value) == (
        f"y.{wrong.extension}: this looks like a file of {kind.__name__}, "
        f"not of {wrong.__name__}. Load it with d2lrec.{kind.__name__}()."
    )


@each_file_recorder
@pytest.mark.parametrize("wrong", MEMORY, ids=MEMORY.get)
def test_bytes_of_another_recorder(kind, wrong):
    data = kind().record(ITEM, "x").read_bytes()
    if kind.__name__ == wrong.__name__.replace("Bytes", "File"):
        assert wrong().load(data, like=ITEM)["n"] == 1  # the same format
        return
    with pytest.raises(d2lrec.CorruptRecord) as caught:
        wrong().load(data, like=ITEM)
    right = kind.__name__
    if kind in (NamedMpkFileRecorder, BinFileRecorder):
        right = right.replace("File", "Bytes")
    assert f"Load it with d2lrec.{right}()." in str(caught.value)


@pytest.mark.parametrize("kind", TYPED, ids=lambda kind: kind.__name__)
def test_bincode_asks_for_like(kind):
    recorder = kind()
    data = recorder.record(ITEM) if kind in MEMORY else recorder.record(ITEM, "x")
    with pytest.raises(d2lrec.RecorderError) as caught:
        recorder.load(data)
    where = "" if kind in MEMORY else f"x.{kind.extension}: "
    assert str(caught.value) == (
        f"{where}{kind.__name__}.load needs like=: bincode stores no names. "
        "Pass the module, a record of one, or a d2lrec.structure."
    )


@each_file_recorder
def test_a_missing_file(kind):
    with pytest.raises(d2lrec.RecordNotFound, match="no such file"):
        kind().load("nowhere", like=ITEM)


MAPPED = [NamedMpkFileRecorder, BinFileRecorder]


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("kind", MAPPED, ids=FILES.get)
def test_mapped_tensors_are_views_and_change_no_file(kind, checksum):
    item = {"x": torch.arange(100_000.0), "b": torch.tensor([True, False])}
    path = kind(checksum=checksum).record(item, "x")
    before = path.read_bytes()
    with kind().open(path, like=item, mmap=True) as tree:
        assert type(tree["x"].bytes.source) is Memory  # and so nothing is copied
    found = kind().load(path, like=item, mmap=True)
    assert torch.equal(found["x"], item["x"])
    assert torch.equal(found["b"], item["b"])
    found["x"].zero_()
    assert path.read_bytes() == before
    assert torch.equal(kind().load(path, like=item, mmap=True)["x"], item["x"])


@pytest.mark.parametrize("kind", MAPPED, ids=FILES.get)
def test_a_file_replaced_while_it_is_mapped_keeps_its_old_values(kind):
    old, new = {"x": torch.ones(100_000)}, {"x": torch.zeros(100_000)}
    path = kind().record(old, "x")
    found = kind().load(path, like=old, mmap=True)
    kind().record(new, "x")
    assert torch.equal(found["x"], old["x"])
    assert torch.equal(kind().load(path, like=old)["x"], new["x"])
    path.unlink()
    assert torch.equal(found["x"], old["x"])


@pytest.mark.parametrize("kind", MAPPED, ids=FILES.get)
def test_mapped_in_another_precision_is_converted(kind):
    path = kind(HALF).record(ITEM, "x")
    found = kind().load(path, like=ITEM, mmap=True)
    assert found["x"].dtype == torch.float32
    assert torch.equal(found["x"], ITEM["x"])


@pytest.mark.parametrize("kind", MAPPED, ids=FILES.get)
def test_mapped_tensors_load_into_a_module(kind):
    net, twin = nn.Linear(3, 2), nn.Linear(3, 2)
    path = kind().record(net, "x")
    d2lrec.load_record(twin, kind().load(path, like=net, mmap=True))
    assert torch.equal(net.weight, twin.weight)


@pytest.mark.parametrize("kind", [k for k in FILES if k not in MAPPED], ids=FILES.get)
def test_what_cannot_be_mapped(kind):
    kind().record(ITEM, "x")
    with pytest.raises(d2lrec.RecorderError) as caught:
        kind().load("x", like=ITEM, mmap=True)
    assert str(caught.value) == (
        f"the numbers of a {kind.__name__}'s file cannot be mapped. "
        "Use NamedMpkFileRecorder or BinFileRecorder."
    )


@pytest.mark.parametrize("data", [b"", b"\x83", b"\x03f32"], ids=str)
@pytest.mark.parametrize("kind", MAPPED, ids=FILES.get)
def test_a_cut_file_is_refused_mapped_or_not(kind, data):
    path = kind().path("x")
    path.write_bytes(data)
    for mmap in (False, True):
        with pytest.raises(d2lrec.CorruptRecord) as caught:
            kind().load(path, like=ITEM, mmap=mmap)
        assert caught.value.file == path


@each_memory_recorder
def test_every_kind_of_bytes_is_read(kind):
    data = kind().record(ITEM)
    assert type(data) is bytes
    spread = bytearray(2 * len(data))
    spread[::2] = data
    for blob in (
        data,
        bytearray(data),
        memoryview(data),
        memoryview(bytearray(data)),
        memoryview(spread)[::2],
        io.BytesIO(data).getbuffer(),
        torch.frombuffer(bytearray(data), dtype=torch.uint8).numpy(),
    ):
        found = kind().load(blob, like=ITEM)
        assert torch.equal(found["x"], ITEM["x"]) and found["n"] == 1


@each_memory_recorder
@pytest.mark.parametrize("data", ["x.mpk", None, 5, [1]], ids=str)
def test_what_is_no_bytes(kind, data):
    with pytest.raises(
        d2lrec.RecorderError, match=r"bytes expected\. A file is loaded"
    ):
        kind().load(data, like=ITEM)


@each_memory_recorder
def test_what_was_loaded_is_a_copy(kind):
    data = bytearray(kind().record(ITEM))
    found = kind().load(data, like=ITEM)
    data[:] = bytes(len(data))
    data.clear()  # nothing holds on to it
    assert torch.equal(found["x"], ITEM["x"])


@each_memory_recorder
def test_files_and_memory_differ_in_the_name_only(kind):
    file = {NamedMpkBytesRecorder: NamedMpkFileRecorder}.get(kind, BinFileRecorder)
    ours = recorded(file)
    assert ours[-60:] == kind().record(ITEM)[-60:]
    assert file().record(ITEM, "x").read_bytes() == ours
    assert kind().load(ours, like=ITEM)["n"] == 1


@pytest.mark.parametrize("kind", [*FILES, *MEMORY], ids=lambda kind: kind.__name__)
def test_a_device_that_is_not_there(kind):
    recorder = kind()
    data = recorder.record(ITEM) if kind in MEMORY else recorder.record(ITEM, "x")
    assert recorder.load(data, like=ITEM, device="meta")["x"].is_meta
    with pytest.raises(d2lrec.RecorderError, match=r"the device .* cannot be used"):
        recorder.load(data, like=ITEM, device="no-such-device")


@pytest.mark.parametrize(
    "recorder", [d2lrec.NamedMpkFileRecorder, d2lrec.BinBytesRecorder(), "mpk"]
)
def test_what_is_no_file_recorder_is_refused(recorder):
    with pytest.raises(d2lrec.RecorderError, match="a file recorder expected"):
        d2lrec.save_file(nn.Linear(2, 3), "fc", recorder)
    with pytest.raises(d2lrec.RecorderError, match="a file recorder expected"):
        d2lrec.load_file(nn.Linear(2, 3), "fc", recorder)
