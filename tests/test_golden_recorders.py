"""All 1,416 files of Burn 0.21.0: every recorder, every precision, both directions."""

import gzip

import golden_cases as golden
import pytest
import torch
from golden_structures import STRUCTURES
from test_golden_modules import TWINS

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

SETTINGS = {
    "full": d2lrec.FullPrecisionSettings,
    "half": d2lrec.HalfPrecisionSettings,
    "double": d2lrec.DoublePrecisionSettings,
}
RECORDERS = {
    "mpk": NamedMpkFileRecorder,
    "mpk.gz": NamedMpkGzFileRecorder,
    "bin": BinFileRecorder,
    "bin.gz": BinGzFileRecorder,
    "json": PrettyJsonFileRecorder,
    "json.gz": JsonGzFileRecorder,
    "bytes-bin": BinBytesRecorder,
    "bytes-mpk": NamedMpkBytesRecorder,
}


def build(extension, settings="full"):
    """Return a recorder; its files need not survive a power cut."""
    options = {} if extension.startswith("bytes") else {"durable": False}
    return RECORDERS[extension](SETTINGS[settings], **options)


def like(case):
    return STRUCTURES[case] if case in STRUCTURES else TWINS[case]()


def load(recorder, path, case):
    if isinstance(recorder, BinBytesRecorder | NamedMpkBytesRecorder):
        return recorder.load(path.read_bytes(), like=like(case))
    return recorder.load(path, like=like(case))


def record(recorder, item, case, path):
    """Record an item and return its bytes, without their compression."""
    if isinstance(recorder, BinBytesRecorder | NamedMpkBytesRecorder):
        return recorder.record(item, like=like(case))
    stored = recorder.record(item, path, like=like(case)).read_bytes()
    return gzip.decompress(stored) if stored[:2] == b"\x1f\x8b" else stored


def test_there_are_1416_files():
    files = [path for path in golden.FOLDER.glob("*/*")]
    assert len(files) == 1416 == 59 * len(RECORDERS) * len(SETTINGS)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("extension", RECORDERS)
@pytest.mark.parametrize("case", golden.CASES)
def test_load_and_record_gives_burns_bytes(case, extension, settings, tmp_path):
    path = golden.file(case, extension, settings)
    recorder = build(extension, settings)
    item = load(recorder, path, case)
    stored = path.read_bytes()
    if extension.endswith(".gz"):
        stored = gzip.decompress(stored)
    assert record(recorder, item, case, tmp_path / "copy") == stored


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("case", golden.CASES)
def test_all_recorders_hold_the_same(case, settings):
    """The values of the others are those of MessagePack, which other tests check."""
    first, *others = (
        load(build(extension, settings), golden.file(case, extension, settings), case)
        for extension in RECORDERS
    )
    for other in others:
        assert_same(first, other)


def assert_same(one, other):
    if isinstance(one, dict):
        # An optimizer's entries have another order in each file.
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif isinstance(one, d2lrec.Param):
        assert one.id == other.id
        assert_same(one.tensor, other.tensor)
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    else:
        assert (type(one), one) == (type(other), other)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("case", ["hard_floats", "typed", "mlp", "progress"])
def test_precision_is_burns(case, settings, tmp_path):
    """What Burn stored in full, stored here in the others, is Burn's bytes."""
    double = d2lrec.DoublePrecisionSettings
    item = load(NamedMpkFileRecorder(double), golden.file(case, "mpk", "full"), case)
    recorder = build("mpk", settings)
    stored = golden.file(case, "mpk", settings).read_bytes()
    if settings == "half" and case == "hard_floats":
        lost = r"values: of \d+ numbers 3 became infinity and 3 became zero in torch"
        with pytest.warns(d2lrec.PrecisionWarning, match=lost):
            assert record(recorder, item, case, tmp_path / "copy") == stored
    else:
        assert record(recorder, item, case, tmp_path / "copy") == stored


@pytest.mark.parametrize("extension", ["mpk", "bin"])
def test_a_mapped_file_holds_the_same(extension, tmp_path):
    recorder = RECORDERS[extension]()
    path = golden.file("conv_net", extension)
    copied = recorder.load(path, like=like("conv_net"))
    mapped = recorder.load(path, like=like("conv_net"), mmap=True)
    assert_same(copied, mapped)
    mapped["fc"]["weight"].tensor.zero_()  # changes no file
    assert_same(copied, recorder.load(path, like=like("conv_net")))


@pytest.mark.parametrize("extension", RECORDERS)
@pytest.mark.parametrize("case", TWINS)
def test_every_format_loads_into_the_twin(case, extension):
    if extension.startswith("bytes"):
        net = TWINS[case]().eval()
        item = load(RECORDERS[extension](), golden.file(case, extension), case)
        d2lrec.load_record(net, item)
    else:
        net = TWINS[case]().eval()
        d2lrec.load_file(net, golden.file(case, extension), RECORDERS[extension]())
    expected = {p["path"]: p for p in golden.EXPECTED[case]["params"]}
    found = d2lrec.DefaultFileRecorder().load(golden.file(case, "mpk"))
    assert d2lrec.plan_load(net, found).differences() == []
    assert_same(found, plain(d2lrec.into_record(net)))
    assert len(expected) == len(d2lrec.plan_load(net, found).loaded)


def plain(record):
    """Copy a record, tuples as the lists that MessagePack makes of them."""
    if isinstance(record, dict):
        return {key: plain(value) for key, value in record.items()}
    return [*map(plain, record)] if isinstance(record, list | tuple) else record
