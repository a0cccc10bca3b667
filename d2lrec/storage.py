"""Saving bytes to a file so that nothing can be lost.

A save writes a temporary file beside its place, flushes it to the disk, renames it,
and flushes the folder. Until the rename the old file is untouched; after it the new
one is whole. A temporary file is locked while its writer lives, so that the next
save can tell what a killed one left behind from what another one is writing.

The disk begins with the first bytes while the last are still being copied: that takes
two thirds of the time of a write with a flush after it.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

from d2lrec.errors import RecorderError
from d2lrec.payload import Buffer, Payload

try:
    import fcntl
except ImportError:  # Windows has no such locks: leftovers stay there
    fcntl = None  # type: ignore[assignment]


def _find_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Return a function of Linux that Python has no name for."""
    try:
        found = ctypes.CDLL(None).sync_file_range
    except (OSError, TypeError, AttributeError):
        return None
    found.argtypes = ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint
    return found


_sync_file_range = _find_sync_file_range()

# After so many bytes the disk begins to write them, long before the flush at the end.
STEP = 1 << 22
# Smaller buffers are gathered, so that ten thousand of them cost a few writes.
GATHER = 1 << 18


def write_file(
    path: Path, parts: Iterable[bytes | Payload], *, durable: bool = True
) -> None:
    """Save parts to a file: the old file or the new one, whatever happens in between.

    Args:
        path: Where to; missing folders are made, a link is followed.
        parts: Headers and payloads, in order.
        durable: Flush to the disk before and after the rename, so that the file also
            survives a power cut.

    Raises:
        RecorderError: The system refused. The old file, if there was one, is whole.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            raise RecorderError("this is no regular file and will not be replaced.")
        changed = make_folder(target.parent)
        _clear_leftovers(target)
        with _temporary(target) as (name, file), _closing(parts):
            _write_all(file, _gather(parts), durable)
            if durable:
                os.fsync(file)
            os.replace(name, target)
    except OSError as error:
        unchanged = "What was there before is unchanged."
        raise RecorderError(f"cannot be saved: {error.strerror}. {unchanged}") from None
    for folder in changed if durable else ():
        flush_folder(folder)


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it; return all that will have a new entry."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [folder, *(path.parent for path in made)]


def _closing(parts: Iterable[object]) -> contextlib.AbstractContextManager[object]:
    """Have a generator end, and its thread, though an error may keep hold of it."""
    if isinstance(parts, Generator):
        return contextlib.closing(parts)
    return contextlib.nullcontext()


def _gather(parts: Iterable[bytes | Payload]) -> Iterator[Buffer]:
    """Join small buffers, pass large ones on as they are."""
    small = bytearray()
    for part in parts:
        for buffer in [part] if isinstance(part, bytes) else part.chunks():
            if len(buffer) < GATHER:
                small += buffer
            if len(small) >= GATHER or len(buffer) >= GATHER:
                yield small
                small = bytearray()
            if len(buffer) >= GATHER:
                yield buffer
    yield small


def _write_all(file: int, buffers: Iterable[Buffer], durable: bool) -> None:
    written = begun = 0
    for buffer in buffers:
        if not durable:
            _reserve(file, written, len(buffer))
        left = memoryview(buffer)
        while len(left):
            count = os.write(file, left[:STEP])
            left = left[count:]
            written += count
            if durable and written - begun >= STEP:
                _begin_flush(file, begun, written - begun)
                begun = written


def _begin_flush(file: int, start: int, size: int) -> None:
    """Have the disk begin with some bytes, so that it works while others are copied.

    What fails here fails again in the flush at the end, which says so.
    """
    if _sync_file_range is not None:
        _sync_file_range(file, start, size, 2)  # SYNC_FILE_RANGE_WRITE


def _reserve(file: int, start: int, size: int) -> None:
    """Give bytes their place on the disk: ext4 flushes on a rename what has none."""
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, start, size)
        except OSError as error:
            if error.errno == 28:  # ENOSPC; others: not every file system can
                raise


def _prefix(target: Path) -> str:
    # Short whatever the target's name, since names end at 255 bytes.
    return f".d2lrec-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[tuple[Path, int]]:
    """Open a new locked file beside `target`; remove it unless it was renamed."""
    while True:
        name = target.with_name(f"{_prefix(target)}{secrets.token_hex(8)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        file = os.open(name, flags, 0o666)  # the umask takes its share
        try:
            # Another save may have cleared the file before it was locked.
            if lock(file, otherwise=True) and os.fstat(file).st_nlink:
                yield name, file
                return
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            os.close(file)


def lock(file: int, *, otherwise: bool) -> bool:
    """Lock a file unless another has; `otherwise` answers where there are no locks."""
    if fcntl is None:
        return otherwise
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return otherwise
    return True


def _clear_leftovers(target: Path) -> None:
    """Remove temporary files of this target whose writers are gone."""
    for name in target.parent.glob(f"{_prefix(target)}*.tmp") if fcntl else ():
        with contextlib.suppress(OSError):
            file = os.open(name, os.O_RDONLY | os.O_NONBLOCK)  # it might be a pipe
            try:
                regular = stat.S_ISREG(os.fstat(file).st_mode)
                if regular and lock(file, otherwise=False):
                    os.unlink(name)
            finally:
                os.close(file)


def flush_folder(folder: Path) -> None:
    """Have the disk keep what was renamed or removed in a folder."""
    if os.name == "nt":  # folders cannot be opened there
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        what = f"saved, but its folder could not be flushed: {error.strerror}."
        raise RecorderError(f"{what} A power cut may undo the save.") from None
