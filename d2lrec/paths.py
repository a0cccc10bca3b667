"""Names of files: extensions as Rust sets them, and errors that name the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from d2lrec.errors import RecorderError, RecordNotFound

StrPath = str | os.PathLike[str]


def with_extension(path: StrPath, extension: str) -> Path:
    """Replace what follows the last dot of a name, as Rust's `set_extension` does.

    A name that already ends in the whole extension stays. A dot at the beginning
    begins no extension.

    Raises:
        RecorderError: The path ends in no name, or in one the system has no form for.

    >>> str(with_extension("model.v1", "mpk.gz")), str(with_extension(".mpk", "mpk"))
    ('model.mpk.gz', '.mpk.mpk')
    """
    base = Path(path)
    if base.name in ("", "..") or not _is_writable(base):
        raise RecorderError(f"{str(path)!r} names no file: a file name expected.")
    if base.name[1:].endswith(f".{extension}"):
        return base
    stem = base.name[:1] + base.name[1:].rpartition(".")[0]
    keep = stem if "." in base.name[1:] else base.name
    return base.with_name(f"{keep}.{extension}")


def _is_writable(path: Path) -> bool:
    """Whether the system has a form for each of the path's characters."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Name the file in an error; if it is missing, name those beside it."""
    try:
        yield
    except RecorderError as error:
        if error.file is not None:  # another file's, whose neighbors are not ours
            raise
        error.file = path
        if isinstance(error, RecordNotFound):
            stem = escape(Path(path.name.removesuffix(".gz")).stem)
            beside = sorted(p.name for p in path.parent.glob(f"{stem}.*"))
            if beside:
                names = ", ".join(beside)
                error.message += f" Beside it is {names}: is this the right recorder?"
        raise
