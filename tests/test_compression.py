"""gzip: one member, whole, and no larger than it may be."""

import errno
import gzip
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib

import pytest
import torch
from strategies import written

import d2lrec
from d2lrec.compression import compress, decompress
from d2lrec.errors import CorruptRecord
from d2lrec.payload import CHUNK, Memory

RECORDERS = [
    d2lrec.NamedMpkGzFileRecorder(),
    d2lrec.BinGzFileRecorder(),
    d2lrec.JsonGzFileRecorder(),
]
each_recorder = pytest.mark.parametrize(
    "recorder", RECORDERS, ids=lambda recorder: recorder.extension
)
TREE = {"x": torch.arange(1000.0), "name": "gzip"}


def packed(data):
    return b"".join(map(bytes, compress([data])))


def inflated(data):
    return bytes(decompress(Memory(data)).data)


@each_recorder
def test_everyone_can_unpack_it(recorder, tmp_path):
    path = recorder.record(TREE, tmp_path / "x")
    stored = path.read_bytes()
    assert stored[:4] == b"\x1f\x8b\x08\x00"  # no name, no comment
    assert stored[4:8] == bytes(4)  # no time: the same bytes each time
    member = zlib.decompressobj(31)
    whole = member.decompress(stored)
    assert member.eof and not member.unused_data
    assert gzip.decompress(stored) == whole == inflated(stored)
    if shutil.which("zcat"):
        assert subprocess.check_output(["zcat", path]) == whole
    assert recorder.record(TREE, tmp_path / "y").read_bytes() == stored


def contents():
    generator = random.Random(0)
    yield from (b"", b"a", bytes(100), b"abc" * 1000)
    yield from (generator.randbytes(size) for size in (1, 100, 70_000))
    # where a piece of 16 MiB ends
    yield from (bytes(CHUNK + more) for more in (-1, 0, 1, 258, 259))


@pytest.mark.parametrize("data", [*contents()], ids=lambda data: str(len(data)))
def test_both_ways(data):
    assert gzip.decompress(packed(data)) == data
    assert inflated(packed(data)) == data
    assert inflated(gzip.compress(data, 1, mtime=0)) == data


def test_any_gzip_file_is_read_name_and_comment_and_all():
    header = b"\x1f\x8b\x08\x1c" + bytes(4) + b"\x00\x03" + b"\x02\x00ab"
    deflated = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflated.compress(b"abc") + deflated.flush()
    tail = zlib.crc32(b"abc").to_bytes(4, "little") + (3).to_bytes(4, "little")
    data = header + b"name\0comment\0" + body + tail
    assert gzip.decompress(data) == inflated(data) == b"abc"


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


GOOD = gzip.compress(random.Random(1).randbytes(2000), mtime=0)
BAD = {
    "nothing": (b"", "this is no gzip file"),
    "no gzip": (b"\x83\xa8metadata........", "this is no gzip file"),
    "too short": (GOOD[:17], "18 bytes at least"),
    "another method": (flip(GOOD, 2), "the gzip file is damaged"),
    "reserved flags": (GOOD[:3] + b"\xe0" + GOOD[4:], "gzip"),
    "CRC": (flip(GOOD, len(GOOD) - 8), "the gzip file is damaged: .*"),
    "length": (flip(GOOD, len(GOOD) - 4), "gzip"),
    "half": (GOOD[: len(GOOD) // 2], "gzip"),
    "two members": (GOOD + GOOD, r"the gzip member ends here, and \d+ bytes are left"),
    "bytes after it": (GOOD + bytes(20), "there are bytes after the gzip file"),
    "a byte after it": (GOOD + b"\0", "there are bytes after the gzip file"),
    "its end after it": (GOOD + GOOD[-4:], "the gzip member ends here, and 4 bytes"),
    "a long header": (b"\x1f\x8b\x08\x08" + b"a" * 100 + bytes(4), "gzip"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name):
    data, text = BAD[name]
    with pytest.raises(CorruptRecord, match=text) as caught:
        decompress(Memory(data))
    assert "gzip" in str(caught.value)


def test_every_proper_prefix_is_refused():
    small = gzip.compress(b"abcabc", mtime=0)
    for data in (small, GOOD):
        for length in range(len(data)):
            with pytest.raises(CorruptRecord):
                decompress(Memory(data[:length]))


def test_no_flipped_bit_changes_what_comes_out():
    small = gzip.compress(b"abc" * 20, mtime=0)
    for position in range(len(small)):
        for bit in range(8):
            changed = bytearray(small)
            changed[position] ^= 1 << bit
            try:
                assert inflated(bytes(changed)) == b"abc" * 20  # time, OS, hints
            except CorruptRecord:
                continue
            # flags that say nothing, the time; bits that fill the last byte
            assert 3 <= position < 10 or position == len(small) - 9


def peak(function):
    tracemalloc.start()
    start = time.perf_counter()
    function()
    seconds = time.perf_counter() - start
    _, memory = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return memory, seconds


def test_a_small_file_may_be_large_inside():
    """1,000 to 1 is what gzip can, so it is no reason to refuse."""
    data = gzip.compress(bytes(1 << 20), mtime=0)
    assert len(data) < 1200
    memory, _ = peak(lambda: decompress(Memory(data)))
    assert memory < 5 << 20


def bomb(size, said):
    whole = b"".join(map(bytes, compress([bytes(1 << 20)] * (size >> 20))))
    return whole[:-4] + said.to_bytes(4, "little")


@pytest.mark.parametrize("said", [0, 10, 1 << 20])
def test_a_length_that_is_too_small_stops_it(said):
    data = bomb(200 << 20, said)

    def refused():
        with pytest.raises(CorruptRecord, match="more bytes come out than the"):
            decompress(Memory(data))

    memory, seconds = peak(refused)
    assert memory < 40 << 20
    assert seconds < 60  # no hang, on any machine


def test_a_length_that_is_too_large_is_known_before_anything_is_made():
    data = packed(b"abc")[:-4] + b"\xff\xff\xff\xff"

    def refused():
        with pytest.raises(CorruptRecord, match="4294967295 bytes are said to come of"):
            decompress(Memory(data))

    memory, _ = peak(refused)
    assert memory < 1 << 20


def test_a_warning_comes_from_within_too(tmp_path):
    recorder = d2lrec.NamedMpkGzFileRecorder(d2lrec.HalfPrecisionSettings)
    with pytest.warns(d2lrec.PrecisionWarning, match=r"^x: of 1 numbers 1 became inf"):
        recorder.record({"x": torch.tensor([1e9])}, tmp_path / "x")


@each_recorder
def test_a_damaged_file_leaves_the_module_alone(recorder, tmp_path):
    net, twin = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)
    before = twin.weight.detach().clone()
    path = recorder.record(net, tmp_path / "net")
    stored = path.read_bytes()
    for position in range(10, len(stored), max(1, len(stored) // 50)):
        path.write_bytes(flip(stored, position))
        with pytest.raises(d2lrec.RecorderError) as caught:
            d2lrec.load_file(twin, path, recorder)
        assert str(caught.value).startswith(str(path))
    assert torch.equal(twin.weight, before)


AT_EXIT = """
import atexit, sys, threading, torch, d2lrec
recorder = d2lrec.NamedMpkGzFileRecorder()
plain = d2lrec.NamedMpkFileRecorder()
net, twin = torch.nn.Linear(700, 700), torch.nn.Linear(700, 700)
d2lrec.save_file(net, "plain")

def last():
    d2lrec.save_file(net, "net", recorder)
    d2lrec.load_file(twin, "net", recorder)
    assert torch.equal(net.weight, twin.weight)
    d2lrec.load_file(torch.nn.Embedding(700, 700), plain.record({"weight":
        torch.rand(700, 700), }, "rows"))
    print("done")

atexit.register(last)
"""


def test_python_may_be_about_to_end():
    """No thread can be started then."""
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True)
    assert done.stdout == b"done\n", done.stderr.decode()


def test_no_thread_may_be_left(monkeypatch):
    blob = random.Random(0).randbytes(3 << 20)
    real, started = threading.Thread.start, []

    def start(self):
        if started:
            raise RuntimeError("can't start new thread")
        real(self)

    for already in ([], [True]):
        monkeypatch.setattr(threading.Thread, "start", start)
        started[:] = already
        assert gzip.decompress(b"".join(compress([blob, b"abc"]))) == blob + b"abc"


def test_a_save_that_fails_leaves_no_thread(monkeypatch):
    real, count, kept = os.write, 0, []

    def write(file, data):
        nonlocal count
        count += 1
        if count % 3 == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(d2lrec.RecorderError) as caught:
            RECORDERS[0].record(torch.rand(1_000_000), "x")
        kept.append(caught)
    assert threading.active_count() == before


def test_large_payloads_pass_in_pieces():
    tensor = torch.zeros(3 * CHUNK // 4 + 5)
    blob = d2lrec.NamedMpkBytesRecorder().record({"x": tensor})
    parts = compress([blob])
    assert gzip.decompress(written(parts)) == blob
