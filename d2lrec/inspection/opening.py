"""Opening a record's file without knowing what wrote it: for those who look inside.

The recorder is guessed from the first bytes, whatever the file is called. gzip is
decompressed in memory. Nothing here needs torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2lrec import envelope
from d2lrec.checksum import BINCODE_MARK, FIELD
from d2lrec.compression import decompress
from d2lrec.errors import CorruptRecord, RecorderError
from d2lrec.formats import BINCODE, JSON, MPK, Codec, recorder_of
from d2lrec.paths import StrPath, about
from d2lrec.payload import Buffer, Memory, Part, Source
from d2lrec.reading import FileSource
from d2lrec.structure import Structure

_CODECS = {"NamedMpk": MPK, "Bin": BINCODE, "PrettyJson": JSON}
# A checksum behind bincode: the mark, and four bytes.
_AFTER = len(BINCODE_MARK) + 4
# What other files begin with, that people have in the same folder.
_OTHERS = {
    b"PK\x03\x04": "a zip archive, such as torch.save writes",
    b"\x80\x02": "a pickle, such as older torch.save wrote",
    b"NRUB": "a Burnpack, which Burn 0.19 and later write beside records",
    b"\x1f\x8b": "gzip, inside gzip",
}


@dataclass(frozen=True)
class Opened:
    """A record's bytes, and what they are.

    Attributes:
        path: The file, or None for bytes in memory.
        raw: The bytes as they are.
        source: The bytes after decompression; `raw` if they are not compressed.
        content: The same without the checksum that may stand behind bincode.
        family: `NamedMpk`, `Bin` or `PrettyJson`.
    """

    path: Path | None
    raw: Source
    source: Source
    content: Source
    family: str

    @property
    def codec(self) -> Codec:
        """The codec that reads the bytes."""
        return _CODECS[self.family]

    @property
    def recorder(self) -> str:
        """The name of the recorder that reads the file, or the bytes."""
        if self.raw is not self.source:
            return f"{self.family.removeprefix('Pretty')}GzFileRecorder"
        in_memory = self.path is None and self.family != "PrettyJson"
        return f"{self.family}{'Bytes' if in_memory else 'File'}Recorder"

    def decode(self, structure: Structure | None) -> Any:
        """Return the tree of metadata and item; bincode needs the item's structure."""
        wrapped = envelope.structure(structure) if structure is not None else None
        tree = self.codec.decode(self.content, wrapped)
        envelope.unwrap(tree)  # refuses what is no record
        return tree

    def has_checksum(self, tree: Any) -> bool:
        """Whether a checksum is stored, for what `decode` returned."""
        return self.content is not self.source or FIELD in tree


@contextmanager
def opened(place: StrPath | Buffer, *, typed: bool = False) -> Iterator[Opened]:
    """Open a file, or bytes in memory, and see which recorder they are of.

    Args:
        place: The path, the whole name; or the bytes.
        typed: Whether a structure is at hand, with which bytes that do not look like
            any recorder's are taken for bincode.

    Raises:
        RecordNotFound: There is no such file.
        CorruptRecord: The first bytes are no recorder's.

    >>> with opened(b'{"metadata": {}, "item": [1]}') as found:
    ...     print(found.recorder, found.decode(None)["item"])
    PrettyJsonFileRecorder [1]
    """
    if isinstance(place, bytes | bytearray | memoryview):
        yield _look(None, Memory(memoryview(place).cast("B")), typed)
        return
    path = Path(place)
    if "\0" in str(path):
        raise RecorderError(f"{str(path)!r} names no file: a file name expected.")
    with about(path), FileSource(path) as source:
        yield _look(path, source, typed)


def _look(path: Path | None, found: Source, typed: bool) -> Opened:
    packed = found.read(0, min(found.size, 2)) == b"\x1f\x8b"
    source = decompress(found) if packed else found
    family = (recorder_of(source) or "").removesuffix("FileRecorder")
    if family not in _CODECS:
        if not typed:
            raise CorruptRecord(f"this is no record of Burn's: {_beginning(source)}")
        family = "Bin"
    content = source
    if family == "Bin" and _mark(source) == BINCODE_MARK:
        content = Part(source, source.size - _AFTER)
    return Opened(path, found, source, content, family)


def _mark(source: Source) -> bytes:
    return source.read(max(source.size - _AFTER, 0), min(source.size, 4))


def _beginning(source: Source) -> str:
    head = source.read(0, min(source.size, 16))
    if not head:
        return "there is not a single byte in it."
    for start, what in _OTHERS.items():
        if head.startswith(start):
            return f"it begins like {what}."
    if head[8:9] == b"{":
        return "it begins like a safetensors file."
    return f"it begins with the bytes {head[:8].hex(' ')}, as no recorder's files do."


def structure_from(like: Any) -> Structure | None:
    """Return the structure of what a user passed as `like`.

    Args:
        like: A structure, or anything that a recorder takes as `like`; None for none.

    >>> from d2lrec.structure import PARAM, Vec
    >>> structure_from(Vec(PARAM))
    Vec(Param)
    """
    if like is None or isinstance(like, Structure):
        return like
    from d2lrec.recorders import BinBytesRecorder  # imports torch

    return BinBytesRecorder()._structure(like)
