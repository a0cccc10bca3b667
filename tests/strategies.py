"""Trees of every kind for hypothesis, and small helpers of the codecs' tests."""

import math
import struct

from hypothesis import strategies as st

from d2lrec.payload import Memory, Span
from d2lrec.record import Param, TensorData

RESERVED = ({"id", "param"}, {"bytes", "shape", "dtype"})

integers = st.integers(-(2**63), 2**64 - 1)
floats = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False)
float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)


def trees(numbers=floats):
    """Scalars, and lists and dicts of them: what any MessagePack or JSON reader has."""
    scalars = st.none() | st.booleans() | integers | numbers | st.text()
    return st.recursive(
        scalars,
        lambda below: st.lists(below) | st.dictionaries(st.text(), below),
        max_leaves=20,
    ).filter(lambda tree: not has_reserved(tree))


def has_reserved(tree):
    below = tree.values() if isinstance(tree, dict) else tree
    if not isinstance(tree, dict | list):
        return False
    return (isinstance(tree, dict) and set(tree) in RESERVED) or any(
        map(has_reserved, below)
    )


@st.composite
def tensors(draw):
    """A tensor as a codec sees it; booleans are 0 or 1."""
    names = {"F32": 4, "F16": 2, "F64": 8, "I32": 4, "I64": 8, "U8": 1}
    names |= {"Bool(Native)": 1, "BF16": 2, "Flex32": 4, "Bool(U32)": 4}
    dtype = draw(st.sampled_from(sorted(names)))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    count = math.prod(shape)
    size = names[dtype]
    if dtype.startswith("Bool"):
        bits = draw(st.lists(st.booleans(), min_size=count, max_size=count))
        data = b"".join(int(bit).to_bytes(size, "little") for bit in bits)
    else:
        data = draw(st.binary(min_size=count * size, max_size=count * size))
    return stored(data, shape, dtype)


def stored(data, shape, dtype="F32"):
    """Return a tensor over bytes in memory."""
    return TensorData(Span(Memory(data), 0, len(data)), tuple(shape), dtype)


def written(parts):
    """Return all bytes of what an encoder returned."""
    chunks = ([part] if isinstance(part, bytes) else part.chunks() for part in parts)
    return b"".join(bytes(piece) for chunk in chunks for piece in chunk)


def plain(tree):
    """Return a decoded tree in plain types, a tensor as a tuple of what it is."""
    if isinstance(tree, TensorData):
        return tree.dtype, tree.shape, tree.bytes.tobytes()
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [plain(value) for value in tree]
    if isinstance(tree, Span):
        return tree.tobytes()
    return (tree.id, plain(tree.tensor)) if isinstance(tree, Param) else tree


def same(one, other):
    """Whether two plain trees are equal, types included: 1, 1.0 and True are three."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=False)
        equal = all(a == b and same(x, y) for (a, x), (b, y) in pairs)
        return len(one) == len(other) and equal
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    return one == other
