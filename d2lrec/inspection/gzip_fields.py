"""What the bytes around a gzip member's content mean (RFC 1952)."""

from __future__ import annotations

from d2lrec.inspection.fields import Field, show_bytes
from d2lrec.payload import Source

_HEAD = (
    (2, "gzip"),
    (1, "method: deflate"),
    (1, "flags"),
    (4, "time of the file; 0 is none"),
    (1, "extra flags"),
    (1, "operating system; 255 is unknown"),
)


def gzip_fields(source: Source, decompressed: int) -> list[Field]:
    """Return the fields of a gzip file, its deflated bytes as one.

    >>> import gzip
    >>> from d2lrec.payload import Memory
    >>> data = gzip.compress(b"abc")
    >>> [field.size for field in gzip_fields(Memory(data), 3)]
    [2, 1, 1, 4, 1, 1, 5, 4, 4]
    """
    flags = source.read(3, 1)[0]
    deflated = source.size - 10 - 8
    optional = "optional header fields and " if flags else ""
    parts = [
        *_HEAD,
        (deflated, f"{optional}deflated bytes: {decompressed:,} when inflated"),
        (4, "CRC-32 of the inflated bytes"),
        (4, f"their length: {decompressed:,}"),
    ]
    fields, at = [], 0
    for size, meaning in parts:
        role = "payload" if size == deflated and at == 10 else "structure"
        hex = show_bytes(source, at, size)
        fields.append(Field(at, size, hex, meaning, role, "", 0))
        at += size
    return fields
