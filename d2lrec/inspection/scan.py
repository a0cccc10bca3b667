"""Reading bincode without a structure: what can be found, and what cannot be known.

bincode is bytes without names or types, but two things in it can be recognized: the
metadata, which always come first, and a parameter, which begins with an id: 13 digits
and letters (Burn 0.15 and later), 10 (0.14) or a UUID (before), each after its length.
What follows such an id is a parameter only if it reads as a tensor whose bytes are as
many as its shape and dtype need.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from d2lrec import envelope
from d2lrec.codecs.bincode.decoder import Decoder
from d2lrec.errors import CorruptRecord
from d2lrec.payload import Source
from d2lrec.record import Param, Record
from d2lrec.structure import PARAM, STRING, Struct

METADATA = Struct(dict.fromkeys(envelope.METADATA, STRING))

_ID = re.compile(
    rb"\x0d[0-9a-v]{13}|\x0a[0-9a-v]{10}"
    rb"|\x24[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_LONGEST = 1 + 36
# How much is searched at a time: little after a find, since the next is often near.
_NEAR, _FAR = 1 << 12, 1 << 20


class Found(NamedTuple):
    """A parameter, and the bytes that it has in the file."""

    start: int
    end: int
    param: Param


class Scan(NamedTuple):
    """What was found in a bincode file.

    Attributes:
        metadata: The five strings at the beginning.
        start: Where the item begins.
        found: The parameters, in the order of the file.
        loose: How many ids stand before no tensor, as an optimizer's do.
    """

    metadata: Record
    start: int
    found: list[Found]
    loose: int


def scan(source: Source) -> Scan:
    """Find the metadata and the parameters of a bincode file.

    The payloads of the parameters are jumped over; what is none is searched.

    Raises:
        CorruptRecord: It does not begin with metadata.
    """
    decoder = Decoder(source)
    metadata = decoder.value(METADATA)
    start = offset = decoder.offset
    found: list[Found] = []
    loose, reach = 0, _NEAR
    while offset < source.size:
        window = source.read(offset, min(reach, source.size - offset))
        match = _ID.search(window)
        if match is None:
            is_last = offset + len(window) == source.size
            offset += len(window) if is_last else len(window) - _LONGEST + 1
            reach = min(2 * reach, _FAR)
            continue
        at = offset + match.start()
        one = _param(source, at, window[match.start() :])
        if one is None:  # whatever else it is, it is text with its length
            loose += 1
            offset, reach = at + len(match[0]), _NEAR
        else:
            found.append(one)
            offset, reach = one.end, _NEAR
    certain = [one for one in found if one.param.tensor.bytes.nbytes]
    # The enums and counts behind an optimizer's ids may read as a tensor of no numbers.
    if loose or not certain:
        loose += len(found) - len(certain)
        found = certain
    return Scan(metadata, start, found, loose)


def _param(source: Source, at: int, window: bytes) -> Found | None:
    """Read a parameter at an offset, or return None if there is none."""
    decoder = Decoder(source)
    decoder.base, decoder.window = at, window  # read already
    try:
        param = decoder.value(PARAM)
    except CorruptRecord:
        return None
    return Found(at, decoder.offset, param)
