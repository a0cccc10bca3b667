"""Parameter ids: the 13 characters by which Burn knows a parameter.

An id is a 64-bit number, its bytes in little-endian order, written in base 32 with
the digits 0-9 and a-v (`crates/burn-core/src/module/param/id.rs`, 0.21.0). Ids that
came with a file are kept as they are; new ones are drawn from a generator of this
module's own, so that torch's random numbers stay what they were.
"""

from __future__ import annotations

import base64
import random

_generator = random.Random()  # seeded by the system


def seed_ids(seed: int) -> None:
    """Make the parameter ids drawn from here on reproducible.

    Args:
        seed: Any integer; the same seed gives the same ids.

    >>> seed_ids(0)
    >>> new_id()
    'pk3ipm5udufm4'
    """
    _generator.seed(seed)


def new_id() -> str:
    """Draw a new id."""
    return encode_id(_generator.getrandbits(64))


def encode_id(number: int) -> str:
    """Write an id's number as Burn does.

    Args:
        number: From 0 to 2**64 - 1.

    >>> encode_id(1), encode_id(2**64 - 1)
    ('0400000000000', 'vvvvvvvvvvvvu')
    """
    digits = base64.b32hexencode(number.to_bytes(8, "little"))
    return digits.decode().rstrip("=").lower()
