"""What is fuzzed: bytes of any kind through every way that the library reads them.

A target takes bytes and returns whether they could be read. It lets one of the
library's errors pass; anything else that it raises is a find. What could be read must
be written and read again as the same.
"""

import gzip
import math
import os
import struct
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from golden_cases import CASES, file
from golden_structures import STRUCTURES
from test_golden_modules import TWINS

import d2lrec
from d2lrec.compression import decompress
from d2lrec.payload import Memory
from d2lrec.record import children

warnings.simplefilter("ignore", d2lrec.PrecisionWarning)
FOLDER = tempfile.TemporaryDirectory(prefix="d2lrec-fuzz-")
RECORDERS = {
    "mpk": d2lrec.NamedMpkBytesRecorder(),
    "bin": d2lrec.BinBytesRecorder(),
    "json": d2lrec.PrettyJsonFileRecorder(durable=False),
    "mpk.gz": d2lrec.NamedMpkGzFileRecorder(durable=False),
    "bin.gz": d2lrec.BinGzFileRecorder(durable=False),
    "json.gz": d2lrec.JsonGzFileRecorder(durable=False),
}


@cache
def like_of(case):
    """Return the structure of a golden case."""
    if case in STRUCTURES:
        return STRUCTURES[case]
    record = d2lrec.into_record(TWINS[case]())
    return record.structure


def load(name, data, like):
    """Load bytes with one of the recorders; files go through a folder in memory."""
    recorder = RECORDERS[name]
    if not hasattr(recorder, "path"):
        return recorder.load(data, like=like)
    path = recorder.path(os.path.join(FOLDER.name, "x"))
    path.write_bytes(data)
    return recorder.load(path, like=like)


def read(name, data, case):
    """Read bytes as a golden case of one recorder; see the module."""
    recorder = RECORDERS[name]
    like = like_of(case) if recorder.codec.typed or len(data) % 2 else None
    try:
        tree = load(name, data, like)
    except d2lrec.RecorderError as error:
        assert str(error) and len(str(error)) < 20_000
        return False
    try:
        if hasattr(recorder, "path"):
            again = recorder.record(tree, os.path.join(FOLDER.name, "y"), like=like)
            again = again.read_bytes()
        else:
            again = recorder.record(tree, like=like)
    except d2lrec.Unrecordable as error:
        # Read, but never written: fields that the structure does not have, bytes that
        # are no tensor's.
        known = ("no such field", "where a constant", "a bytes has no place")
        assert any(text in str(error) for text in known), error
        return True
    assert same(tree, load(name, again, like), exact=not name.startswith("json"))
    return True


def same(one, other, *, exact):
    """Whether two loaded trees are equal; NaNs are, and to JSON they are None."""
    if isinstance(one, d2lrec.Param):
        return one.id == other.id and same(one.tensor, other.tensor, exact=exact)
    if isinstance(one, torch.Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return alike and torch.equal(one.nan_to_num(7), other.nan_to_num(7))
    if isinstance(one, float):
        if not exact and not math.isfinite(one):
            return other is None
        return struct.pack("d", one) == struct.pack("d", other)
    pairs, others = dict(children(one)), dict(children(other))
    if not pairs:
        return one == other or (not one and not other)
    return pairs.keys() == others.keys() and all(
        same(pairs[key], others[key], exact=exact) for key in pairs
    )


def describe(data):
    """Look into bytes without a model."""
    try:
        str(d2lrec.describe(data))
        found = d2lrec.annotate(data)
        assert str(found) and found._repr_html_()
    except d2lrec.RecorderError:
        return False
    return True


def module(name, data, case):
    """Load bytes into a module: all of it, or nothing."""
    net = _net(case)
    path = RECORDERS[name].path(os.path.join(FOLDER.name, "z"))
    path.write_bytes(data)
    before = [tensor.clone() for tensor in net.state_dict().values()]
    try:
        d2lrec.load_file(net, path, RECORDERS[name])
    except d2lrec.RecorderError:
        after = net.state_dict().values()
        for old, new in zip(before, after, strict=True):
            assert torch.equal(old.nan_to_num(7), new.nan_to_num(7))
        return False
    return True


@cache
def _net(case):
    return TWINS[case]()


def seeds(name, largest=6000):
    """Return (case, bytes) of the smaller golden files of one recorder."""
    found = []
    for case in CASES:
        path = file(case, name)
        if path.stat().st_size <= largest:
            found.append((case, path.read_bytes()))
    return found


def repacked(data):
    """Return a gzip file of bytes, so that what is inside is reached."""
    return gzip.compress(data, 1, mtime=0)


def inflate(data):
    """Decompress; what comes out is what Python's own gzip makes of it."""
    try:
        found = bytes(decompress(Memory(data)).data)
    except d2lrec.RecorderError:
        return False
    assert gzip.decompress(data) == found
    return True


def _chosen(data, choices):
    """Let the first byte choose, so that a fuzzer can."""
    first = data[0] if data else 0
    return choices[first % len(choices)], data[1:]


def _reader(name):
    def target(data):
        case, rest = _chosen(data, CASES)
        return read(name, rest, case)

    return target


def any_file(data):
    """One of all recorders."""
    name, rest = _chosen(data, list(RECORDERS))
    case, rest = _chosen(rest, CASES)
    if name.endswith(".gz") and len(rest) % 3:
        rest = repacked(rest)
    return read(name, rest, case)


# What the coverage-guided fuzzer and the kept corpus go through, by name.
TARGETS = {
    "mpk": _reader("mpk"),
    "bincode": _reader("bin"),
    "json": _reader("json"),
    "gzip": inflate,
    "files": any_file,
    "describe": describe,
}


def starts(target):
    """Return inputs of one target to begin with: small golden files."""
    names = {"mpk": "mpk", "bincode": "bin", "json": "json"}
    if target in names:
        pairs = seeds(names[target], 2500)
        return [bytes([CASES.index(case)]) + data for case, data in pairs]
    if target == "files":
        return [
            bytes([index, CASES.index(case)]) + data
            for index, name in enumerate(RECORDERS)
            for case, data in seeds(name, 400)
        ]
    limit = {"gzip": ("mpk.gz", 500), "describe": ("mpk", 700)}[target]
    return [data for _, data in seeds(*limit)]
