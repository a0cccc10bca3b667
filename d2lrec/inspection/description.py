"""Looking into a file without a model: what is in it, and none of its numbers.

    print(d2lrec.describe("mlp.mpk"))

Only headers are read, so a file of a gigabyte takes no longer than a small one;
gzip and JSON must be read whole. torch is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from d2lrec.errors import join
from d2lrec.inspection import scan
from d2lrec.inspection.description_view import lines
from d2lrec.inspection.fields import counted
from d2lrec.inspection.opening import Opened, opened, structure_from
from d2lrec.inspection.tensor_info import TensorInfo, plain
from d2lrec.inspection.view import as_html, as_text
from d2lrec.paths import StrPath
from d2lrec.payload import Buffer, Span
from d2lrec.record import Param, TensorData

# Lines that a notebook shows; a browser takes long for very many.
_HTML_LINES = 2000


@dataclass(repr=False)
class Description:
    """What a file holds; printed, it is a tree.

    Attributes:
        file: The file's path as it was given; None for bytes.
        recorder: The name of the recorder that reads it.
        metadata: The five strings at its beginning.
        size: The file's bytes.
        decompressed: The bytes that they stand for; `size` if there is no gzip.
        item: The tree, with a `TensorInfo` for each tensor. For bincode without `like`
            the list of the parameters that were found.
        tensors: All tensors, in the order of the file.
        unknown: What cannot be known, in sentences.
        checksum: Whether a checksum is stored. With `statistics` it was compared.

    >>> import d2lrec, torch
    >>> data = d2lrec.NamedMpkBytesRecorder().record({"w": torch.zeros(2, 3)})
    >>> found = d2lrec.describe(data)
    >>> found.recorder, found.payload, found.tensors[0].shape
    ('NamedMpkBytesRecorder', 24, (2, 3))
    """

    file: str | None
    recorder: str
    metadata: dict[str, Any]
    size: int
    decompressed: int
    item: Any = None
    tensors: list[TensorInfo] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    checksum: bool = False

    @property
    def parameters(self) -> int:
        """How many numbers the parameters have, taken together."""
        return sum(tensor.count for tensor in self.tensors if tensor.id is not None)

    @property
    def payload(self) -> int:
        """How many bytes all tensors' numbers have, taken together."""
        return sum(tensor.nbytes for tensor in self.tensors)

    def __repr__(self) -> str:
        return as_text(lines(self))

    def _repr_html_(self) -> str:
        return as_html(lines(self, _HTML_LINES))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON has: dicts, lists, numbers, strings.

        NaN and infinities, which JSON has not, are the strings "nan", "inf", "-inf".
        """
        tensors = [{"path": x.path, **x.to_dict()} for x in self.tensors]
        return {
            "file": self.file,
            "recorder": self.recorder,
            "metadata": plain(self.metadata),
            "bytes": self.size,
            "bytes_decompressed": self.decompressed,
            "bytes_of_tensors": self.payload,
            "checksum": self.checksum,
            "parameters": self.parameters,
            "tensors": tensors,
            "item": plain(self.item),
            "unknown": self.unknown,
        }


def describe(
    path_or_bytes: StrPath | Buffer, *, like: Any = None, statistics: bool = False
) -> Description:
    """Say what a file of any recorder holds, whatever it is called.

    Args:
        path_or_bytes: The file's path, with its extension; or the bytes.
        like: What to expect, which only bincode needs: a module, `(optimizer, net)`, a
            record, a tree of the same form, or a `d2lrec.structure`. Without it the
            parameters of a bincode file are found by their ids.
        statistics: Read all numbers and add each tensor's minimum, maximum, mean,
            standard deviation, and the counts of zeros, NaN and infinities.

    Returns:
        A description to print, to show in a notebook, or to take apart.

    Raises:
        RecordNotFound: There is no such file.
        CorruptRecord: The file is no recorder's, damaged, or not like `like`; or, with
            `statistics`, its checksum is wrong.

    >>> import d2lrec
    >>> data = d2lrec.NamedMpkBytesRecorder().record({"epoch": 3, "best": None})
    >>> print(d2lrec.describe(data))
    NamedMpkBytesRecorder, 207 bytes
    Burn 0.21.0, FullPrecisionSettings (float f32, int i32)
    no tensors
    <BLANKLINE>
    epoch  3
    best   None
    """
    structure = structure_from(like)
    with opened(path_or_bytes, typed=structure is not None) as file:
        name = None if file.path is None else str(file.path)
        sizes = file.raw.size, file.source.size
        found = Description(name, file.recorder, {}, *sizes)
        if file.codec.typed and structure is None:
            item = _scan(file, found)
        else:
            tree = file.decode(structure)
            found.metadata, item = _strings(tree["metadata"]), tree["item"]
            found.checksum = file.has_checksum(tree)
        if statistics and found.checksum:
            file.codec.check(file.source)
        found.item = _Reader(file, statistics, found).tree(item, [])
        return found


class _Reader:
    """Replaces tensors by what is known of them."""

    def __init__(self, file: Opened, statistics: bool, found: Description) -> None:
        self.source = file.content
        self.statistics = statistics
        self.found = found

    def tree(self, tree: Any, path: list[str | int]) -> Any:
        """Return a tree with a `TensorInfo` for each tensor."""
        if isinstance(tree, Param):
            return self.tensor(tree.tensor, tree.id, path)
        if isinstance(tree, TensorData):
            return self.tensor(tree, None, path)
        if isinstance(tree, Mapping):
            return {key: self.tree(x, [*path, key]) for key, x in tree.items()}
        if isinstance(tree, list | tuple):
            return [self.tree(x, [*path, i]) for i, x in enumerate(tree)]
        # Bytes that are no tensor's stay where they are, too.
        return f"<{tree.nbytes:,} bytes>" if isinstance(tree, Span) else tree

    def tensor(self, tensor: TensorData, id: str | None, path: Any) -> TensorInfo:
        """Return what is known of a tensor, and count it."""
        span = tensor.bytes
        own = isinstance(span, Span) and span.source is self.source
        offset = span.offset if own and isinstance(span, Span) else None
        numbers = None
        if self.statistics:
            from d2lrec.inspection.arrays import statistics

            numbers = statistics(tensor)
        info = TensorInfo(
            join(path) or "item",
            id,
            tensor.dtype,
            tensor.shape,
            span.nbytes,
            offset,
            numbers,
        )
        self.found.tensors.append(info)
        return info


def _scan(file: Opened, found: Description) -> list[Param]:
    """Return the parameters of a bincode file whose structure is not known."""
    result = scan.scan(file.content)
    found.metadata = _strings(result.metadata)
    found.checksum = file.has_checksum({})
    known = result.start + sum(one.end - one.start for one in result.found)
    found.unknown = [
        "bincode stores no names and no types, and no like= was given: parameters were "
        "found by their ids and are numbered in the order of the file."
    ]
    if result.loose:
        what = f"{counted(result.loose, 'more id')} without a parameter"
        found.unknown.append(f"{what}: an optimizer's record has such.")
    if file.content.size > known:
        found.unknown.append(
            f"{counted(file.content.size - known, 'other byte')} cannot be known: "
            "constants, options, counts, numbers, strings, tensors without an id."
        )
    return [one.param for one in result.found]


def _strings(metadata: Any) -> dict[str, Any]:
    return dict(metadata) if isinstance(metadata, Mapping) else {}
