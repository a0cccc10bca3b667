"""The byte map: each byte of a file, and what it means.

    print(d2lrec.annotate("mlp.mpk"))

The fields are the steps of the decoder that reads the file (see `tracing`), so the map
is what a load sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from d2lrec import envelope
from d2lrec.errors import CorruptRecord, RecorderError
from d2lrec.inspection import scan
from d2lrec.inspection.bincode_fields import BincodeFields
from d2lrec.inspection.fields import Field, counted, show_bytes
from d2lrec.inspection.gzip_fields import gzip_fields
from d2lrec.inspection.mpk_fields import MpkFields
from d2lrec.inspection.opening import Opened, opened, structure_from
from d2lrec.inspection.tracing import BincodeTracer, MpkTracer
from d2lrec.inspection.view import Line, Piece, as_html, as_text, printable
from d2lrec.paths import StrPath
from d2lrec.payload import Buffer, Source
from d2lrec.structure import PARAM, Structure

# Fields that are shown; a browser takes long for very many.
LIMIT = 1000
_UNKNOWN = "not known without like=: constants, options, counts, other values"


@dataclass(repr=False)
class ByteMap:
    """The fields of a file, in order; printed, a line for each.

    Attributes:
        fields: All of them. Every byte after decompression is in exactly one.
        gzip: The fields of the compressed file; empty if it is not compressed.
        error: What stopped the decoder, if something did; the last field is then what
            it did not read.
        limit: How many fields printing shows; None for all.

    >>> from d2lrec import NamedMpkBytesRecorder
    >>> found = annotate(NamedMpkBytesRecorder().record({"epoch": 3}))
    >>> [(one.offset, one.meaning) for one in found.fields if one.path == "item.epoch"]
    [(196, '3')]
    """

    fields: list[Field]
    gzip: list[Field] = field(default_factory=list)
    error: CorruptRecord | None = None
    limit: int | None = LIMIT

    def __repr__(self) -> str:
        return as_text(self.lines(self.limit))

    def _repr_html_(self) -> str:
        return as_html(self.lines(self.limit))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON has."""
        return {
            "fields": [one.to_dict() for one in self.fields],
            "gzip": [one.to_dict() for one in self.gzip],
            "error": None if self.error is None else str(self.error),
        }

    def lines(self, limit: int | None = None) -> Iterator[Line]:
        """Yield the lines, at most `limit` of them and one that counts the others.

        Args:
            limit: How many; None for all.
        """
        if self.gzip:
            yield from _table(self.gzip)
            yield [Piece("decompressed:", "note")]
        yield from _table(self.fields[:limit])
        if limit is not None and len(self.fields) > limit:
            left = len(self.fields) - limit
            yield [Piece(f"… {left:,} more: limit=None shows them all", "muted")]


def _table(fields: list[Field]) -> Iterator[Line]:
    if not fields:
        return
    digits = len(str(fields[-1].offset))
    width = max(len(one.hex) for one in fields)
    for one in fields:
        offset = str(one.offset) if one.size else ""
        yield [
            Piece(f"{offset:>{digits}}  ", "muted"),
            Piece(one.hex, one.role),
            Piece(" " * (width - len(one.hex) + 2 + 2 * one.depth)),
            Piece(one.meaning, "" if one.role != "error" else "error"),
        ]


def annotate(
    path_or_bytes: StrPath | Buffer, *, like: Any = None, limit: int | None = LIMIT
) -> ByteMap:
    """Say what each byte of a MessagePack or bincode file means.

    A damaged file is shown up to the damage.

    Args:
        path_or_bytes: The file's path, with its extension; or the bytes.
        like: What to expect, which only bincode needs (see `describe`). Without it the
            metadata and the parameters are shown, and what is between them is not
            known.
        limit: How many fields printing shows; None for all.

    Returns:
        The fields, to print, to show in a notebook, or to take apart.

    Raises:
        RecordNotFound: There is no such file.
        CorruptRecord: The file is no recorder's.
        RecorderError: It is JSON, which is text.

    >>> import d2lrec
    >>> data = d2lrec.NamedMpkBytesRecorder().record([True, 300])
    >>> for field in d2lrec.annotate(data).fields[-6:]:
    ...     print(field.offset, field.hex, field.meaning)
    184 a4 69 74 65 6d "item"
    189 92 array of 2
    190 c3 0: true
    191 cd 01 2c 1: 300
    194 a2 5f 62 "_b"
    197 90 array of 0
    """
    structure = structure_from(like)
    with opened(path_or_bytes, typed=structure is not None) as file:
        if file.codec.text:
            what = "JSON is text and has no byte map."
            raise RecorderError(f"{what} Open it in an editor, or d2lrec.describe it.")
        if file.codec.typed and structure is None:
            fields, error = _scanned(file.content), None
        else:
            expected = structure if file.codec.typed else None
            fields, error = _traced(file.content, expected)
        fields += _checksum(file)
        if error is not None:
            error.file = file.path
        packed = file.raw is not file.source
        around = gzip_fields(file.raw, file.source.size) if packed else []
        return ByteMap(fields, around, error, limit)


def _traced(
    source: Source, structure: Structure | None
) -> tuple[list[Field], CorruptRecord | None]:
    """Run a decoder to its end, or to the first error."""
    tracer: BincodeTracer | MpkTracer
    error = None
    try:
        if structure is None:
            tracer = MpkTracer(source)
            tracer.value()
        else:
            tracer = BincodeTracer(source)
            tracer.value(envelope.structure(structure))
        tracer.finish()
    except CorruptRecord as stopped:
        error = stopped
    (node,) = tracer.root.parts
    if structure is None:
        fields = list(MpkFields(source).walk(node))
    else:
        fields = list(BincodeFields(source).walk(node, depth=-1))
    if error is not None:
        what = "not read" if node.end < source.size else "the end"
        what = f"{what}: {error}"
        fields.append(_gap(source, node.end, source.size, what, "error"))
    return fields, error


def _scanned(source: Source) -> list[Field]:
    """Return the metadata and parameters of bincode, and what is between them."""
    result = scan.scan(source)
    tracer = BincodeTracer(source)
    tracer.path = ["metadata"]
    tracer.value(scan.METADATA)
    maker = BincodeFields(source)
    fields = list(maker.walk(tracer.root.parts[0], "metadata: "))
    at = result.start
    for index, one in enumerate(result.found):
        if one.start > at:
            fields.append(_gap(source, at, one.start, _UNKNOWN, "unknown"))
        tracer = BincodeTracer(source)
        tracer.base, tracer.path = one.start, [index]
        tracer.value(PARAM)
        fields += maker.walk(tracer.root.parts[0], f"{index}: ")
        at = one.end
    if source.size > at:
        fields.append(_gap(source, at, source.size, _UNKNOWN, "unknown"))
    return fields


def _checksum(file: Opened) -> list[Field]:
    """Return the fields of the checksum that may stand behind bincode."""
    end, start = file.source.size, file.content.size
    if start == end:
        return []
    middle = end - 4
    parts = (
        (start, middle, "a checksum follows"),
        (middle, end, "CRC-32 of all bytes before it"),
    )
    return [
        Field(a, b - a, show_bytes(file.source, a, b - a), what, "number", "", 0)
        for a, b, what in parts
    ]


def _gap(source: Source, start: int, end: int, meaning: str, role: str) -> Field:
    size = end - start
    bytes = f"{counted(size, 'byte')}: " if size else ""
    meaning = bytes + printable(meaning)
    return Field(start, size, show_bytes(source, start, size), meaning, role, "", 0)
