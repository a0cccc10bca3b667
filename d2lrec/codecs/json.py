"""JSON, as Burn writes it (serde_json 1.0.149): pretty, two spaces, no last newline.

    struct     object, fields in order            {"weight": null}
    sequence   array; empty ones are []           [1, 2]
    float      the shortest text that reads back  0.1, 1e-7, 1e+21, 5.0
               NaN and infinities                 null
    bytes      array of integers                  [0, 0, 128, 63]
    None and unit struct                          null

JSON cannot tell a 32-bit float from a 64-bit one, so it is read as 64-bit. Of a
repeated key the last counts. The whole file passes through memory: a stored byte
takes up to 20 in the text. orjson writes and reads, because its floats are Rust's.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from decimal import ROUND_HALF_EVEN, ROUND_UP, Context
from typing import Any

import orjson

from d2lrec.dialect import dtype_to_wire
from d2lrec.errors import CorruptRecord, Unrecordable
from d2lrec.payload import Memory, Payload, Source, Span
from d2lrec.record import (
    FILE_DEPTH,
    MAX_VALUES,
    TENSOR_FIELDS,
    TOO_MANY,
    Float32,
    Param,
    TensorData,
    Unit,
    children,
    recognize,
)


def encode(tree: Any, *, pretty: bool = True) -> list[bytes | Payload]:
    """Write a tree as JSON.

    Args:
        tree: Dicts, lists, scalars, `Param` and `TensorData`.
        pretty: Indented by two spaces, or without any space.

    Returns:
        The file's one part.

    Raises:
        Unrecordable: A value that JSON or a record has no place for.

    >>> print(encode({"step": 300, "rates": [0.1, 1e-7]})[0].decode())
    {
      "step": 300,
      "rates": [
        0.1,
        1e-7
      ]
    }
    """
    # Passed through: what is not listed in _plain, so that nothing is guessed.
    option = orjson.OPT_INDENT_2 if pretty else 0
    option |= orjson.OPT_PASSTHROUGH_DATACLASS
    option |= orjson.OPT_PASSTHROUGH_DATETIME
    # In half the time of a list; arrays that hold no tensor's bytes never get here.
    option |= orjson.OPT_SERIALIZE_NUMPY
    try:
        return [orjson.dumps(tree, default=_plain, option=option)]
    except TypeError as error:  # orjson's errors are TypeErrors
        cause = error.__cause__
        if cause is not None and not isinstance(cause, TypeError):
            raise cause from None  # a warning that was to be an error, for one
        what = f"no JSON for this value: {cause or error}."
        raise Unrecordable(what) from None


def decode(source: Source) -> Any:
    """Read one JSON value.

    Args:
        source: Where the text is; all of it must belong to the value.

    Returns:
        The tree: `Record` for objects, lists, scalars, `Param` and `TensorData`.

    Raises:
        CorruptRecord: With the offset where the text, or the path where the record,
            goes wrong.

    >>> from d2lrec.payload import Memory
    >>> decode(Memory(b'{"a": [1, 0.5, null]}'))["a"]
    [1, 0.5, None]
    """
    data = source.read(0, source.size)
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        what = f"line {error.lineno}, column {error.colno}: {error.msg}."
        offset = len(error.doc[: error.pos].encode())
        raise CorruptRecord(f"this is no JSON: {what}", offset=offset) from None
    return _typed(tree, [], [0], not _may_have_booleans(data))


def _may_have_booleans(text: bytes) -> bool:
    """Whether `true` or `false` stands in a text, or so many a t or f that it might.

    bytes() takes booleans for numbers. Where there are none, nobody has to look at the
    type of each number. A letter is found faster than a word: at the speed of memory.
    """
    for word in (b"true", b"false"):
        at = -1
        for _ in range(10_000):
            at = text.find(word[:1], at + 1)
            if at < 0:
                break
            if text.startswith(word, at):
                return True
        else:
            return True
    return False


def _typed(value: Any, path: list[str | int], seen: list[int], numbers: bool) -> Any:
    if not isinstance(value, dict | list):
        return value
    if numbers and isinstance(value, dict) and value.keys() == set(TENSOR_FIELDS):
        _pack(value)
    if value and len(path) >= FILE_DEPTH:
        raise CorruptRecord(f"nested deeper than {FILE_DEPTH} levels.", path=path)
    if isinstance(value, list) and _is_flat(value):
        return value  # the bytes of a tensor: many, and nothing to look into
    seen[0] += len(value)
    if seen[0] > MAX_VALUES:
        raise CorruptRecord(TOO_MANY, path=path)
    below: list[Any] = []
    for key, child in children(value):
        path.append(key)
        below.append(_typed(child, path, seen, numbers))
        path.pop()
    if isinstance(value, list):
        return below
    return recognize(dict(zip(value, below, strict=True)), path, None)


def _pack(fields: dict[str, Any]) -> None:
    """Make bytes of a tensor's numbers."""
    values = fields["bytes"]
    if isinstance(values, list):
        with suppress(TypeError, ValueError):  # no bytes: `recognize` says so
            fields["bytes"] = Span(Memory(bytes(values)), 0, len(values))


def _is_flat(values: list[Any]) -> bool:
    return bool(values) and type(values[0]) is int and set(map(type, values)) == {int}


def _plain(value: Any) -> Any:
    """Tell orjson what the record's own types are in JSON."""
    if isinstance(value, TensorData):
        import numpy as np  # not at the top: who only reads does without

        stored = np.frombuffer(b"".join(map(bytes, value.bytes.chunks())), np.uint8)
        shape, dtype = list(value.shape), dtype_to_wire(value.dtype)
        return {"bytes": stored, "shape": shape, "dtype": dtype}
    if isinstance(value, Param):
        return {"id": value.id, "param": value.tensor}
    if isinstance(value, Float32):
        return orjson.Fragment(_float32_text(value))
    if isinstance(value, Unit):
        return None
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"a {type(value).__name__} has no place in a record")


def _float32_text(value: float) -> str:
    """Write the shortest decimal that reads back as the same 32-bit float.

    Rust writes plain digits from 1e-6 up to 1e13 and an exponent outside.

    >>> _float32_text(struct.unpack("f", struct.pack("f", 0.1))[0]), _float32_text(1e16)
    ('0.1', '1e+16')
    """
    if value - value != 0:  # NaN or an infinity
        return "null"
    bits = struct.pack("f", value)
    # The second: of a power of two the neighbor above is farther than the one below.
    ways = [(n, way) for n in range(1, 10) for way in (ROUND_HALF_EVEN, ROUND_UP)]
    texts = (Context(n, way).create_decimal_from_float(value) for n, way in ways)
    short = next(text for text in texts if struct.pack("f", text) == bits)
    if value and not -6 <= short.adjusted() < 13:
        return f"{short:e}"
    plain = f"{short:f}"
    return plain if "." in plain else f"{plain}.0"
