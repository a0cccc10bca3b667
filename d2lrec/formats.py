"""The formats: codecs as data, and guessing which of them a file has."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from d2lrec.checksum import (
    check_bincode,
    check_json,
    check_mpk,
    seal_bincode,
    seal_json,
    seal_mpk,
)
from d2lrec.codecs import bincode, json, mpk
from d2lrec.errors import CorruptRecord
from d2lrec.payload import Payload, Source
from d2lrec.structure import Structure

Parts = list[bytes | Payload]


class Codec(NamedTuple):
    """A pair of functions, and what to know about the bytes between them.

    Attributes:
        encode: Tree and structure to the parts of a file.
        decode: Bytes and structure to a tree.
        typed: Whether both go by the structure; the others need none.
        text: Whether the numbers of a tensor are written as text.
        seal: Parts of a file to the same with a checksum.
        check: Compares a checksum; bincode's returns where the record ends.
    """

    encode: Callable[[Any, Any], Parts]
    decode: Callable[[Source, Any], Any]
    seal: Callable[[Parts], Parts]
    check: Callable[[Source], Any]
    typed: bool = False
    text: bool = False


def _untyped_encode(encode: Callable[..., Any], tree: Any, _: Structure | None) -> Any:
    return encode(tree)


def _untyped_decode(decode: Callable[..., Any], source: Source, _: object) -> Any:
    return decode(source)


MPK = Codec(
    partial(_untyped_encode, mpk.encode),
    partial(_untyped_decode, mpk.decode),
    seal_mpk,
    check_mpk,
)
BINCODE = Codec(bincode.encode, bincode.decode, seal_bincode, check_bincode, typed=True)
PRETTY_JSON = Codec(
    partial(_untyped_encode, json.encode),
    partial(_untyped_decode, json.decode),
    seal_json,
    check_json,
    text=True,
)
_compact = partial(json.encode, pretty=False)
JSON = PRETTY_JSON._replace(encode=partial(_untyped_encode, _compact))

# The first bytes of Burn's files: a map of 3 (2 up to 0.11, 4 with a checksum) that
# begins with "metadata"; an object; and in bincode the metadata's first strings.
_STARTS = {
    b"\x83\xa8metadata": "NamedMpk",
    b"\x84\xa8metadata": "NamedMpk",
    b"\x82\xa8metadata": "NamedMpk",
    b"{": "Json",
    b"\x03f32\x03i32": "Bin",
    b"\x03f32\x03f32": "Bin",  # up to 0.11
    b"\x03f64\x03i64": "Bin",
    b"\x13half::binary16::f16": "Bin",
}


def recorder_of(source: Source) -> str | None:
    """Guess from the first bytes which file recorder wrote them; None if unsure.

    >>> from d2lrec.payload import Memory
    >>> recorder_of(Memory(b'{"metadata": {'))
    'PrettyJsonFileRecorder'
    """
    head = source.read(0, min(source.size, 1024))  # gzip's code table comes first
    packed = head.startswith(b"\x1f\x8b")
    if packed:
        try:
            head = zlib.decompressobj(31).decompress(head, 32)
        except zlib.error:
            return None
    family = next((x for start, x in _STARTS.items() if head.startswith(start)), None)
    if family is None:
        return None
    prefix = "Pretty" if family == "Json" and not packed else ""
    return f"{prefix}{family}{'Gz' * packed}FileRecorder"


def check_format(source: Source, name: str) -> None:
    """Refuse bytes that another recorder wrote, naming that one.

    Args:
        source: The bytes.
        name: The recorder that is to read them.

    Raises:
        CorruptRecord: The first bytes are those of another format.
    """
    found = recorder_of(source)
    # In memory it is the same format.
    if found in ("NamedMpkFileRecorder", "BinFileRecorder") and "Bytes" in name:
        found = found.replace("File", "Bytes")
    if found is not None and found != name:
        what = f"this looks like a file of {found}, not of {name}."
        raise CorruptRecord(f"{what} Load it with d2lrec.{found}().")
