"""Small files that come with the library, for the book and for trying things out."""

from __future__ import annotations

from pathlib import Path

from d2lrec.errors import RecordNotFound

__all__ = ["path"]

_FOLDER = Path(__file__).parent


def path(name: str) -> Path:
    """Return where a file that comes with the library lies.

    Raises:
        RecordNotFound: There is none of this name; the message lists those there are.

    >>> from d2lrec import data
    >>> data.path("nothing.mpk")
    Traceback (most recent call last):
    ...
    d2lrec.errors.RecordNotFound: nothing.mpk: ...
    """
    found = _FOLDER / name
    if not found.is_file():
        names = sorted(file.name for file in _FOLDER.glob("[!_]*.*"))
        raise RecordNotFound(
            f"{name}: no such file comes with d2lrec. There are: {', '.join(names)}."
        )
    return found
