"""Saving: the old file or the new one, whatever happens in between."""

import errno
import mmap
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch

import d2lrec
from d2lrec import NamedMpkGzFileRecorder, compression, reading, storage
from d2lrec.errors import CorruptRecord, RecorderError
from d2lrec.payload import Span
from d2lrec.reading import FileSource
from d2lrec.storage import write_file

OLD, NEW = b"old" * 10, b"new" * 20
RECORDER = d2lrec.NamedMpkFileRecorder()


def names():
    return sorted(path.name for path in Path.cwd().iterdir())


@pytest.fixture
def old():
    path = Path("file.mpk")
    path.write_bytes(OLD)
    return path


class Broken:
    """A payload that fails after its first piece."""

    nbytes = 10

    def __init__(self, error):
        self.error = error

    def chunks(self):
        yield b"12345"
        raise self.error


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ValueError("no"), RecorderError("no"), SystemExit()]
)
def test_a_writer_that_fails(old, error):
    with pytest.raises(type(error)):
        write_file(old, [b"head", Broken(error)])
    assert old.read_bytes() == OLD
    assert names() == ["file.mpk"]


def fails(number):
    def call(*args, **options):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize(
    "function", ["fsync", "replace", "write", "posix_fallocate", "open"]
)
def test_a_system_that_fails(old, monkeypatch, function):
    with monkeypatch.context() as patch, pytest.raises(RecorderError) as caught:
        patch.setattr(os, function, fails(errno.ENOSPC))
        durable = function != "posix_fallocate"  # which is for what is not flushed
        d2lrec.NamedMpkFileRecorder(durable=durable).record([1], "file")
    assert str(caught.value) == (
        "file.mpk: cannot be saved: No space left on device. "
        "What was there before is unchanged."
    )
    assert old.read_bytes() == OLD
    assert names() == ["file.mpk"]


def test_a_file_system_that_cannot_reserve(monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", fails(errno.EOPNOTSUPP))
    write_file(Path("file"), [NEW], durable=False)
    assert Path("file").read_bytes() == NEW


@pytest.mark.parametrize("begin", [None, storage._find_sync_file_range()])
def test_a_large_file_with_and_without_a_disk_that_begins(begin, monkeypatch):
    monkeypatch.setattr(storage, "_sync_file_range", begin)
    data = os.urandom(9 << 20)
    write_file(Path("file"), [data])
    assert Path("file").read_bytes() == data


def test_a_system_without_a_way_to_begin(monkeypatch):
    monkeypatch.setattr(storage.ctypes, "CDLL", lambda name: object())
    assert storage._find_sync_file_range() is None


def test_a_file_system_without_locks(monkeypatch):
    Path(storage._prefix(Path("file")) + "00.tmp").write_bytes(b"another's")
    monkeypatch.setattr(storage.fcntl, "flock", fails(errno.ENOLCK))
    write_file(Path("file"), [NEW])
    assert Path("file").read_bytes() == NEW
    assert len(names()) == 2  # it cannot be known whether the other one lives


def test_windows_has_no_locks_and_flushes_no_folder(monkeypatch):
    monkeypatch.setattr(storage, "fcntl", None)
    write_file(Path("file"), [NEW])
    assert names() == ["file"]


@pytest.fixture
def calls(monkeypatch):
    """What the system is asked for, in order."""
    seen = []

    def watch(name, describe):
        real = getattr(os, name)

        def call(*args, **options):
            seen.append(describe(*args))
            return real(*args, **options)

        monkeypatch.setattr(os, name, call)

    def kind(file):
        is_folder = stat.S_ISDIR(os.fstat(file).st_mode)
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        return path.name if is_folder else "file"

    watch("posix_fallocate", lambda file, start, size: f"reserve {size}")
    watch("write", lambda file, buffer: f"write {len(buffer)}")
    watch("fsync", lambda file: f"flush {kind(file)}")
    watch("replace", lambda old, new: f"rename to {Path(new).name}")
    return seen


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_the_order_of_a_save(calls, tmp_path):
    folder = tmp_path.name
    write_file(Path("file"), [b"head", b"tail"])
    assert calls == [
        "write 8",
        "flush file",
        "rename to file",
        f"flush {folder}",
    ]
    calls.clear()
    write_file(Path("a/b/file"), [b"head"])  # and each folder with a new entry
    assert calls[-4:] == ["rename to file", "flush b", "flush a", f"flush {folder}"]
    calls.clear()
    write_file(Path("file"), [b"head"], durable=False)
    assert calls == ["reserve 4", "write 4", "rename to file"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_the_disk_begins_before_the_flush(calls, monkeypatch):
    def begin(file, start, size, flags):
        calls.append(f"begin {start} {size}, {flags}")
        return -1  # as where the file system cannot: the flush does it all

    monkeypatch.setattr(storage, "_sync_file_range", begin)
    mib = 1 << 20
    parts = [os.urandom(size) for size in (mib, 9 * mib, 5)]
    write_file(Path("file"), parts)
    assert Path("file").read_bytes() == b"".join(parts)
    assert calls[:-1] == [
        f"write {mib}",
        f"write {4 * mib}",
        f"begin 0 {5 * mib}, 2",
        f"write {4 * mib}",
        f"begin {5 * mib} {4 * mib}, 2",
        f"write {mib}",
        "write 5",
        "flush file",
        "rename to file",
    ]
    calls.clear()
    write_file(Path("file"), parts, durable=False)
    assert not [call for call in calls if call.startswith("begin")]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_a_recorder_is_durable_unless_told_otherwise(calls):
    RECORDER.record([1], "file")
    assert len([call for call in calls if call.startswith("flush")]) == 2
    calls.clear()
    d2lrec.NamedMpkFileRecorder(durable=False).record([1], "file")
    d2lrec.save_file([1], "file", d2lrec.PrettyJsonFileRecorder(durable=False))
    assert not [call for call in calls if call.startswith("flush")]


def test_a_folder_that_cannot_be_flushed(old, monkeypatch):
    real = os.fsync

    def fsync(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(RecorderError) as caught:
        RECORDER.record([1], "file")
    assert str(caught.value) == (
        "file.mpk: saved, but its folder could not be flushed: Input/output error. "
        "A power cut may undo the save."
    )
    assert RECORDER.load("file") == [1]


def test_short_writes(monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))
    write_file(Path("file"), [NEW, OLD])
    assert Path("file").read_bytes() == NEW + OLD


def test_many_small_parts_cost_a_few_writes(monkeypatch):
    sizes = []
    real = os.write

    def write(file, data):
        sizes.append(len(data))
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    items = [torch.full((16,), float(i)) for i in range(10_000)]
    RECORDER.record(items, "file")
    assert len(sizes) <= 3
    found = RECORDER.load("file")
    assert torch.equal(torch.stack(found), torch.stack(items))


def test_large_tensors_are_written_from_their_own_memory(monkeypatch):
    large, small = torch.arange(600_000.0), torch.arange(5.0)
    begins = []
    real = os.write

    def write(file, data):
        begins.append(np.frombuffer(data, "u1").ctypes.data if len(data) else 0)
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    RECORDER.record([small, large, small, large[1:], large[::2]], "file")
    assert {large.data_ptr(), large[1:].data_ptr()} < set(begins)
    found = RECORDER.load("file")
    for one, other in zip(
        found, [small, large, small, large[1:], large[::2]], strict=True
    ):
        assert torch.equal(one, other)


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 256 KiB; only root may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        pytest.skip("a small tmpfs cannot be mounted here: root expected")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("reserve", [True, False])
@pytest.mark.parametrize("recorder", [RECORDER, NamedMpkGzFileRecorder()], ids=str)
def test_a_full_disk(tiny_disk, monkeypatch, recorder, reserve):
    if not reserve:
        monkeypatch.delattr(os, "posix_fallocate")
    file = recorder.record(torch.rand(30_000), tiny_disk / "file")
    before = file.read_bytes()
    with pytest.raises(RecorderError, match="cannot be saved: No space left on device"):
        recorder.record(torch.rand(100_000), tiny_disk / "file")
    assert file.read_bytes() == before
    assert [path.name for path in tiny_disk.iterdir()] == [file.name]


@pytest.mark.parametrize("sizes", [[0], [5, 0, 300_000, 7], [1 << 20] * 3], ids=str)
def test_parts_may_come_one_by_one(sizes):
    pieces = [bytes([index]) * size for index, size in enumerate(sizes)]
    write_file(Path("file"), iter(pieces))
    assert Path("file").read_bytes() == b"".join(pieces)


def test_compressed_bytes_are_written_as_they_come(monkeypatch):
    """No more than a few pieces of a compressed file are in memory."""
    compressed, written = 0, []
    real_compress, real_write = compression.compress, os.write

    def compress(parts):
        nonlocal compressed
        for piece in real_compress(parts):
            compressed += len(piece)
            yield piece

    def write(file, data):
        written.append((compressed, len(data)))
        return real_write(file, data)

    monkeypatch.setattr("d2lrec.recorder.compress", compress)
    monkeypatch.setattr(os, "write", write)
    file = NamedMpkGzFileRecorder().record(torch.rand(3_000_000), "file")
    done = 0
    for so_far, size in written:
        assert so_far - done <= 2 * compression.PIECE
        done += size
    assert done == file.stat().st_size


@pytest.fixture
def locked():
    """A folder that this process may look into and no more; root turns to nobody."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "secret.mpk").touch(mode=0)
        folder.chmod(0o555)
        if not user:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if not user:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_folder_that_may_not_be_written(locked):
    with pytest.raises(RecorderError) as caught:
        RECORDER.record([1], locked / "file")
    assert str(caught.value) == (
        f"{locked}/file.mpk: cannot be saved: Permission denied. "
        "What was there before is unchanged."
    )
    assert [path.name for path in locked.iterdir()] == ["secret.mpk"]


def test_a_file_that_may_not_be_read(locked):
    with pytest.raises(RecorderError) as caught:
        RECORDER.load(locked / "secret")
    what = f"{locked}/secret.mpk: cannot be opened: Permission denied."
    assert str(caught.value) == what


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_a_target_that_is_no_file(make):
    make("file.mpk")
    with pytest.raises(RecorderError) as caught:
        RECORDER.record([1], "file")
    what = "file.mpk: this is no regular file and will not be replaced."
    assert str(caught.value) == what
    with pytest.raises(RecorderError) as caught:
        RECORDER.load("file")
    assert str(caught.value) == "file.mpk: this is no regular file: a file expected."
    assert names() == ["file.mpk"]


def test_a_folder_that_is_a_file(old):
    with pytest.raises(RecorderError) as caught:
        RECORDER.record([1], old / "file")
    assert "file.mpk/file.mpk: cannot be saved: " in str(caught.value)
    with pytest.raises(RecorderError, match=r"Not a directory|no such"):
        RECORDER.load(old / "file")
    assert old.read_bytes() == OLD


def test_a_link_is_followed(old):
    os.mkdir("there")
    os.symlink("there/real.mpk", "link.mpk")  # first to nothing
    for item in ([1], [2]):
        assert RECORDER.record(item, "link") == Path("link.mpk")
        assert os.path.islink("link.mpk")
        assert RECORDER.load("there/real") == item
    assert os.listdir("there") == ["real.mpk"]


def test_a_link_to_itself():
    os.symlink("loop.mpk", "loop.mpk")
    with pytest.raises(RecorderError):
        RECORDER.load("loop")
    RECORDER.record([1], "loop")
    assert RECORDER.load("loop") == [1]


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600), (0, 0o666)])
def test_the_mode_is_the_umasks(mask, mode):
    before = os.umask(mask)
    try:
        file = RECORDER.record([1], "file")
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_names_of_the_greatest_length(tmp_path):
    longest = "n" * 251
    assert len(RECORDER.record([1], longest).name) == 255
    assert RECORDER.load(longest) == [1]
    with pytest.raises(RecorderError, match="cannot be saved: File name too long"):
        RECORDER.record([1], longest + "n")
    with pytest.raises(RecorderError, match="File name too long"):
        RECORDER.load(longest + "n")
    assert names() == [longest + ".mpk"]


def test_leftovers_are_cleared_when_their_writer_is_dead():
    prefix = storage._prefix(Path("file"))
    Path(f"{prefix}dead.tmp").write_bytes(b"half")
    os.mkfifo(f"{prefix}pipe.tmp")  # nobody waits at its other end
    Path(storage._prefix(Path("other")) + "dead.tmp").write_bytes(b"half")
    living = os.open(f"{prefix}live.tmp", os.O_CREAT | os.O_WRONLY)
    storage.fcntl.flock(living, storage.fcntl.LOCK_EX)
    write_file(Path("file"), [NEW])
    os.close(living)
    left = [name.rpartition("-")[2] for name in names()]
    assert sorted(left) == ["dead.tmp", "file", "live.tmp", "pipe.tmp"]
    write_file(Path("file"), [NEW])
    assert not Path(f"{prefix}live.tmp").exists()


def test_a_temporary_file_that_another_save_cleared(monkeypatch):
    real = storage.fcntl.flock
    cleared = []

    def flock(file, how):
        if not cleared:  # between its opening and its lock
            (temporary,) = [name for name in names() if name.endswith(".tmp")]
            cleared.append(temporary)
            os.unlink(temporary)
        real(file, how)

    monkeypatch.setattr(storage.fcntl, "flock", flock)
    write_file(Path("file"), [NEW])
    assert cleared
    assert names() == ["file"]
    assert Path("file").read_bytes() == NEW


def test_saving_over_a_file_that_is_mapped():
    file = RECORDER.record(torch.arange(1000.0), "file")
    size = file.stat().st_size
    with open(file, "rb") as opened:
        view = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    before = bytes(view)
    RECORDER.record(torch.zeros(3), "file")
    assert bytes(view) == before
    assert len(view) == size > file.stat().st_size
    view.close()


def test_saving_what_was_loaded_over_itself():
    net = torch.nn.Linear(2, 3)
    file = d2lrec.save_file(net, "file")
    before = file.read_bytes()
    d2lrec.save_file(d2lrec.load_file(torch.nn.Linear(2, 3), file), file)
    assert file.read_bytes() == before


def test_a_file_cut_short_after_it_was_opened(old):
    with FileSource(old) as source:
        assert source.size == len(OLD)
        old.write_bytes(OLD[:10])
        assert source.read(0, 10) == OLD[:10]
        with pytest.raises(CorruptRecord) as caught:
            source.read(4, 20)
        assert str(caught.value) == (
            "byte 10: the file became shorter while it was read."
        )


def test_a_disk_that_fails_while_it_is_read(old):
    with FileSource(old) as source:
        source._file.close()
        source._file = open("/proc/self/mem", "rb", buffering=0)
        with pytest.raises(RecorderError, match="cannot be read: Input/output error"):
            source.read(0, 1)


LARGE = bytes(range(256)) * 4096  # 1 MiB


@pytest.mark.parametrize("sizes", [[1], [3], [1, 0, 2, 1], []], ids=str)
def test_large_payloads_are_read_in_pieces(monkeypatch, sizes):
    monkeypatch.setattr(reading, "PIECE", 1 << 20)
    contents = [bytes([i]) + LARGE * size for i, size in enumerate(sizes)]
    Path("file").write_bytes(b"".join(contents))
    with FileSource(Path("file")) as source:
        memories = [bytearray(len(content)) for content in contents]
        start, reads = 0, []
        for memory in memories:
            reads.append((Span(source, start, len(memory)), memoryview(memory)))
            start += len(memory)
        reading.read_all(reads)
    assert memories == contents


def test_a_piece_that_fails(monkeypatch):
    monkeypatch.setattr(reading, "PIECE", 1 << 20)
    Path("file").write_bytes(LARGE * 2)
    with FileSource(Path("file")) as source:
        memory = memoryview(bytearray(3 << 20))
        with pytest.raises(CorruptRecord, match="byte 2097152: the file"):
            reading.read_all([(Span(source, 0, 3 << 20), memory)])


@pytest.mark.parametrize("started", [0, 1, 2])
def test_where_no_thread_is_left(monkeypatch, started):
    monkeypatch.setattr(reading, "PIECE", 1 << 16)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    begun, real = [], threading.Thread.start

    def start(thread):
        begun.append(thread)
        if len(begun) > started:
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    Path("file").write_bytes(LARGE * 2)
    with FileSource(Path("file")) as source:
        memory = bytearray(2 << 20)
        reading.read_all([(Span(source, 0, 2 << 20), memoryview(memory))])
        assert memory == LARGE * 2
        begun.clear()
        with pytest.raises(CorruptRecord, match="the file became shorter"):
            reading.read_all(
                [(Span(source, 0, 9 << 20), memoryview(bytearray(9 << 20)))]
            )


def test_a_helper_that_fails(monkeypatch):
    monkeypatch.setattr(reading, "PIECE", 1 << 16)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    main = threading.current_thread()

    class Failing(FileSource):
        def read_into(self, offset, memory):
            if threading.current_thread() is not main:
                raise IndexError("of the source")
            time.sleep(0.01)  # so that the helper has its turn
            super().read_into(offset, memory)

    Path("file").write_bytes(LARGE * 2)
    with Failing(Path("file")) as source, pytest.raises(IndexError):
        reading.read_all([(Span(source, 0, 2 << 20), memoryview(bytearray(2 << 20)))])


class Pieces(deque):
    """Another thread takes the last piece between a look and a grasp."""

    def popleft(self):
        raise IndexError("pop from an empty deque")


def test_pieces_that_another_thread_took():
    reading._read_pieces(Pieces([(None, None)]))


def test_a_failure_leaves_nothing_to_read():
    class Failing:
        def read_into(self, memory):
            raise CorruptRecord("gone.")

    pieces = deque([(Failing(), None)] * 3)
    with pytest.raises(CorruptRecord):
        reading._read_pieces(pieces)
    assert not pieces


def test_a_system_that_cannot_read_at_an_offset(monkeypatch):
    monkeypatch.delattr(os, "preadv")
    RECORDER.record([1, torch.arange(5000.0)], "file")
    assert RECORDER.load("file")[1].sum() == 5000 * 4999 / 2


def test_a_mapped_file():
    Path("file").write_bytes(NEW)
    Path("empty").touch()
    with FileSource(Path("file")) as source:
        memory = source.map()
    assert memory.read(3, 3) == b"new"  # the mapping outlives the open file
    memory.data[0:3] = b"not"
    assert Path("file").read_bytes() == NEW
    with FileSource(Path("empty")) as source:
        assert source.map().size == 0


TWO_SAVERS = """
    import sys, torch, d2lrec
    number = float(sys.argv[1])
    recorder = d2lrec.NamedMpkFileRecorder(durable=False)
    for turn in range(80):
        recorder.record(torch.full((5000,), number), "file")
        found = recorder.load("file")
        assert found.min() == found.max(), found
"""


def test_two_processes_save_one_path(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(TWO_SAVERS)]
    environment = {**os.environ, "PYTHONPATH": str(Path(d2lrec.__path__[0]).parent)}
    savers = [
        subprocess.Popen([*command, number], cwd=tmp_path, env=environment)
        for number in "12"
    ]
    assert [saver.wait(60) for saver in savers] == [0, 0]
    assert names() == ["file.mpk"]


# The parent imports torch once; each child saves without end until it is killed.
KILLED = """
    import os, random, signal, sys, time
    import torch
    import d2lrec

    torch.set_num_threads(1)
    recorder = d2lrec.NamedMpkFileRecorder()
    items = [torch.full((60_000 + i,), float(i)) for i in range(5)]
    recorder.record(items[0], "file")
    dice = random.Random(0)
    for kill in range(20):
        child = os.fork()
        if not child:
            for turn in range(10**9):
                recorder.record(items[turn % 5], "file")
        time.sleep(dice.uniform(0.002, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = recorder.load("file")
        assert any(torch.equal(found, item) for item in items), found
    print(len(os.listdir(".")) - 1)
    recorder.record(items[0], "file")
    print(os.listdir("."))
"""


def test_a_save_that_is_killed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(d2lrec.__path__[0]).parent)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(KILLED)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    left, after = done.stdout.splitlines()
    assert int(left) <= 1  # each save clears what the one before it left
    assert after == "['file.mpk']"


@pytest.mark.parametrize(
    "given, path",
    [
        ("model", "model.mpk"),
        ("model.mpk", "model.mpk"),
        ("model.v1", "model.mpk"),  # as Rust's set_extension
        ("model.v1.mpk", "model.v1.mpk"),
        ("model.json", "model.mpk"),
        ("model.MPK", "model.mpk"),
        (".mlp", ".mlp.mpk"),
        (".a.b", ".a.mpk"),
        ("a.", "a.mpk"),
        ("a..", "a..mpk"),
        ("...", "...mpk"),
        ("dir/", "dir.mpk"),
        ("dir/.", "dir.mpk"),
        ("a.b/c", "a.b/c.mpk"),
        ("a.b/c.d", "a.b/c.mpk"),
        ("../x", "../x.mpk"),
        ("/x", "/x.mpk"),
        ("ein Name.alt", "ein Name.mpk"),
        ("模型.旧", "模型.mpk"),
        ("[1]*?", "[1]*?.mpk"),
        (Path("model"), "model.mpk"),
    ],
)
def test_the_path_of_a_file(given, path):
    assert RECORDER.path(given) == Path(path)


@pytest.mark.parametrize(
    "given", ["", ".", "..", "a/..", "/", "a\0b", "a\0/b", "\ud800"]
)
def test_what_names_no_file(given):
    message = f"{given!r} names no file: a file name expected."
    for act in (lambda: RECORDER.record([1], given), lambda: RECORDER.load(given)):
        with pytest.raises(RecorderError) as caught:
            act()
        assert str(caught.value) == message


def test_names_that_are_patterns():
    for name in ("[1]", "**", "a*", "?"):
        RECORDER.record([name], name)
        assert RECORDER.load(name) == [name]
        with pytest.raises(d2lrec.RecordNotFound, match="Beside it is"):
            d2lrec.PrettyJsonFileRecorder().load(name)


def test_a_name_that_is_no_unicode():
    name = os.fsdecode(b"\xff")
    RECORDER.record([1], name)
    assert RECORDER.load(name) == [1]


def test_a_file_that_grows_beyond_a_limit(old):
    """A quota or RLIMIT_FSIZE: the signal is ignored by Python, the error is ours."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(RecorderError, match="cannot be saved: File too large"):
            RECORDER.record(torch.zeros(1000), "file")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert old.read_bytes() == OLD
    assert names() == ["file.mpk"]
