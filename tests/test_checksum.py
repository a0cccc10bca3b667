"""The checksum on request: no flipped bit passes, and Burn's bytes stay in front."""

import gzip
import zlib

import pytest
import torch
from torch import nn

import d2lrec

RECORDERS = [
    d2lrec.NamedMpkFileRecorder,
    d2lrec.NamedMpkGzFileRecorder,
    d2lrec.BinFileRecorder,
    d2lrec.BinGzFileRecorder,
    d2lrec.JsonGzFileRecorder,
    d2lrec.PrettyJsonFileRecorder,
]
each_recorder = pytest.mark.parametrize(
    "recorder", RECORDERS, ids=lambda recorder: recorder.extension
)


def net():
    d2lrec.seed_ids(1)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Linear(2, 1)


def plain(path):
    stored = path.read_bytes()
    return gzip.decompress(stored) if stored[:2] == b"\x1f\x8b" else stored


@each_recorder
def test_it_comes_behind_burns_bytes_and_loads(recorder, tmp_path):
    without = plain(recorder().record(net(), tmp_path / "without"))
    path = recorder(checksum=True).record(net(), tmp_path / "with")
    stored = plain(path)
    if recorder.extension.startswith("bin"):
        assert stored[:-8] == without
        assert stored[-8:-4] == b"CRC4"
        assert int.from_bytes(stored[-4:], "little") == zlib.crc32(stored[:-4])
    elif recorder.extension.startswith("mpk"):
        assert stored[:-11] == b"\x84" + without[1:]
        assert stored[-11:-4] == b"\xa5crc32\xce"
        assert int.from_bytes(stored[-4:], "big") == zlib.crc32(stored[:-4])
    else:
        head, _, end = stored.rpartition(b'"crc32":')
        assert head.rstrip(b', \n"_b:nul}') == without.rstrip(b', \n"_b:nul}')
        digits = end.strip(b" \n}")
        before = stored[: stored.rindex(digits)]
        assert int(digits) == zlib.crc32(before)
    for reader in (recorder(), recorder(checksum=True)):
        twin = d2lrec.load_file(nn.Linear(2, 1), path, reader)
        assert torch.equal(twin.weight, net().weight)


@each_recorder
def test_asking_for_one_that_is_not_there(recorder, tmp_path):
    path = recorder().record(net(), tmp_path / "without")
    with pytest.raises(d2lrec.CorruptRecord) as caught:
        recorder(checksum=True).load(path, like=net())
    assert str(caught.value) == (
        f"{path}: there is no checksum, which checksum=True asks for. "
        "Load it with checksum=False."
    )


@pytest.mark.parametrize("recorder", RECORDERS[4:], ids=lambda x: x.extension)
def test_not_a_byte_may_be_behind_the_brace(recorder, tmp_path):
    """Nor other white space before it, which JSON would allow."""
    path = recorder(checksum=True).record([1, 2], tmp_path / "pair")
    text = plain(path)
    end = text[text.rindex(b":") :].lstrip(b": 0123456789")
    assert end in (b"}", b"\n}")
    ends = [b"}" + x for x in (b"\n", b" ", b"\r\n", b"\n\n")]
    ends += [end + b"\n", b" }", b"\t}", b"\n }", {b"}": b"\n}", b"\n}": b"}"}[end]]
    for other in ends:
        changed = text.removesuffix(end) + other
        path.write_bytes(gzip.compress(changed) if recorder.gzip else changed)
        with pytest.raises(d2lrec.CorruptRecord, match="is not the last one, or more"):
            recorder().load(path)


@pytest.mark.parametrize(
    "recorder",
    [RECORDERS[0], RECORDERS[2], RECORDERS[5]],
    ids=lambda recorder: recorder.extension,
)
def test_no_flipped_bit_passes(recorder, tmp_path):
    path = recorder(checksum=True).record(net(), tmp_path / "with")
    stored = path.read_bytes()
    twin = nn.Linear(2, 1)
    before = twin.weight.detach().clone()
    for position in range(len(stored)):
        for bit in range(8):
            changed = bytearray(stored)
            changed[position] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises(d2lrec.RecorderError):
                d2lrec.load_file(twin, path, recorder())
    assert torch.equal(twin.weight, before)


def test_the_error_says_both_checksums(tmp_path):
    recorder = d2lrec.BinFileRecorder(checksum=True)
    path = recorder.record([1, 2], tmp_path / "pair")
    stored = bytearray(path.read_bytes())
    stored[-9] ^= 1
    path.write_bytes(stored)
    with pytest.raises(d2lrec.CorruptRecord) as caught:
        recorder.load(path, like=[1, 2])
    found, expected = zlib.crc32(stored[:-4]), int.from_bytes(stored[-4:], "little")
    assert str(caught.value) == (
        f"{path}, byte {len(stored) - 4}: the bytes before have the checksum "
        f"{found:08x}, {expected:08x} is stored. The file was damaged."
    )


def test_in_memory():
    for cls in (d2lrec.BinBytesRecorder, d2lrec.NamedMpkBytesRecorder):
        recorder = cls(checksum=True)
        data = bytearray(recorder.record(net()))
        assert recorder.load(data, like=net())["bias"].tensor.shape == (1,)
        data[-20] ^= 4
        with pytest.raises(d2lrec.CorruptRecord):
            recorder.load(data, like=net())
