"""Changing bytes at random: what transmission errors do, and what attackers try."""

# What counts and lengths, markers and texts may become.
WORDS = [
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\x00" * 8,
    b"\xfb\xff\xff",
    b"\xfc\xff\xff\xff\x7f",
    b"\xfd" + b"\xff" * 7 + b"\x0f",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\x00\x00\x00\x02",
    b"\x91" * 40,
    b"\x82\xa2id\xa5param",
    b"\x83\xa5bytes\xc4\x04\x00\x00\x80\x3f\xa5shape\x91\x01\xa5dtype\xa3F32",
    b"\xa5shape\x92\x00\xcf" + b"\xff" * 8,
    b"\xa5crc32\xce\x00\x00\x00\x00",
    b"CRC4\x00\x00\x00\x00",
    b'{"a":',
    b"[" * 40,
    b"]",
    b"}",
    b",",
    b'"',
    b"null",
    b"1e308",
    b"-1",
    b"18446744073709551616",
    b'"\\ud800"',
    b',"crc32":0',
    b"\xed\xa0\x80",
    b"\x1f\x8b\x08\x00",
]


def mutate(generator, data, others):
    """Return a changed copy of bytes.

    Args:
        generator: A `random.Random`.
        data: The bytes.
        others: Bytes of the same format, of which pieces may be put in.
    """
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 3, 8))):
        generator.choice(_KINDS)(generator, changed, others)
    return bytes(changed[:50_000])


def _flip(generator, data, others):
    if data:
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)


def _byte(generator, data, others):
    if data:
        data[generator.randrange(len(data))] = generator.randrange(256)


def _step(generator, data, others):
    if data:
        at = generator.randrange(len(data))
        data[at] = (data[at] + generator.choice((-1, 1))) % 256


def _word(generator, data, others):
    word, at = generator.choice(WORDS), generator.randrange(len(data) + 1)
    data[at : at + generator.choice((0, len(word)))] = word


def _cut(generator, data, others):
    del data[generator.randrange(len(data) + 1) :]


def _remove(generator, data, others):
    at = generator.randrange(len(data) + 1)
    del data[at : at + generator.choice((1, 2, 8, 40))]


def _repeat(generator, data, others):
    at = generator.randrange(len(data) + 1)
    data[at:at] = data[at : at + generator.choice((1, 4, 30, 200))]


def _splice(generator, data, others):
    other = generator.choice(others)
    start = generator.randrange(len(other) + 1)
    piece = other[start : start + generator.choice((4, 30, 200))]
    at = generator.randrange(len(data) + 1)
    data[at : at + generator.choice((0, len(piece)))] = piece


_KINDS = (_flip, _flip, _byte, _step, _word, _word, _cut, _remove, _repeat, _splice)
