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

    >>> import d2lrec
    >>> data = d2lrec.NamedMpkBytesRecorder().record({"epoch": 3})
    >>> try:
    ...     d2lrec.NamedMpkBytesRecorder().load(data[:170])
    ... except d2lrec.RecorderError as error:
    ...     print(type(error).__name__, error.path, error.offset)
    CorruptRecord ('metadata', 'settings') 163
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
    """Numbers that a narrower float type could not hold became infinity or zero.

    >>> import torch, warnings, d2lrec
    >>> recorder = d2lrec.NamedMpkBytesRecorder(d2lrec.HalfPrecisionSettings)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     data = recorder.record({"rate": torch.tensor([1e-9, 1.0])})
    >>> print(caught[0].message)
    rate: of 2 numbers 1 became zero in torch.float16.
    """


class RecordNotFound(RecorderError):
    """There is no file at the path that was asked for.

    >>> import d2lrec
    >>> d2lrec.NamedMpkFileRecorder().load("mlp")
    Traceback (most recent call last):
    ...
    d2lrec.errors.RecordNotFound: mlp.mpk: no such file.
    """


class CorruptRecord(RecorderError):
    """The bytes are not what the recorder writes; `path` and `offset` say where.

    >>> import d2lrec
    >>> recorder = d2lrec.NamedMpkBytesRecorder()
    >>> try:
    ...     recorder.load(recorder.record([1, 2, 3])[:-3])
    ... except d2lrec.CorruptRecord as error:
    ...     print(error)
    byte 194: 2 more bytes expected, 0 left. The file was cut short or damaged.
    """


class Unrecordable(RecorderError):
    """A value that has no place in a record; `path` says which, the text what to do.

    >>> import d2lrec
    >>> try:
    ...     d2lrec.NamedMpkBytesRecorder().record({"seen": [1, {2, 3}]})
    ... except d2lrec.Unrecordable as error:
    ...     print(error.path, error.message[-18:])
    ('seen', 1) Use a sorted list.
    """


class RecordMismatch(RecorderError):
    """A record that does not fit the module it was to be loaded into.

    Attributes:
        message: What does not fit, with all the differences.
        differences: One line for each difference, in the order of the module.
        advice: Lines of what one who sees these differences should know.
        file: The file concerned, or None.

    >>> import d2lrec
    >>> from torch import nn
    >>> try:
    ...     d2lrec.load_record(nn.Linear(2, 3), d2lrec.into_record(nn.Linear(2, 4)))
    ... except d2lrec.RecordMismatch as error:
    ...     print("\\n".join(error.differences))
    weight: shape [2, 4] in the record, [2, 3] in the module
    bias: shape [4] in the record, [3] in the module
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
