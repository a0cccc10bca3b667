"""The one family of errors: each says where, what was found, and what to do.

`RecorderError` is the base; catching it catches everything that a file, a record
or a module can make the library raise. The classes carry their facts as
attributes, so that a program need not read the text.
"""

from __future__ import annotations

from collections.abc import Sequence

Path = Sequence[str | int]


def join(path: Path) -> str:
    """Write a tree path as a reader would: names and indices joined by dots.

    >>> join(["item", "layers", 0, "weight"])
    'item.layers.0.weight'
    """
    return ".".join(map(str, path))


class RecorderError(Exception):
    """Anything that went wrong with a record: base of the family.

    Attributes:
        message: What was found, what was expected, and what to do.
        file: The file concerned, or None.
        path: The place in the tree, as names and indices; empty for all of it.
        offset: The byte in the file (after decompression), or None.
    """

    def __init__(
        self,
        message: str,
        *,
        file: object = None,
        path: Path = (),
        offset: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.path = tuple(path)
        self.offset = offset

    def __str__(self) -> str:
        where = [str(self.file)] if self.file is not None else []
        if self.path:
            where.append(join(self.path))
        if self.offset is not None:
            where.append(f"byte {self.offset}")
        return ": ".join([*([", ".join(where)] if where else []), self.message])


class PrecisionWarning(UserWarning):
    """Numbers that a narrower float type could not hold became infinity or zero."""


class RecordNotFound(RecorderError):
    """There is no file at the path that was asked for."""


class CorruptRecord(RecorderError):
    """The bytes are not what the recorder writes; `path` and `offset` say where."""


class Unrecordable(RecorderError):
    """A value that has no place in a record; `path` says which, the text what to do."""


class RecordMismatch(RecorderError):
    """A record that does not fit the module it was to be loaded into.

    Attributes:
        differences: One line for each difference, in the order of the module.
    """

    def __init__(
        self,
        message: str,
        differences: Sequence[str],
        advice: Sequence[str] = (),
        *,
        file: object = None,
    ) -> None:
        super().__init__("\n  ".join([message, *differences, *advice]), file=file)
        self.differences = list(differences)
        # What a copy is made from, as when a worker process hands the error over.
        self.args = (message, self.differences, advice)
