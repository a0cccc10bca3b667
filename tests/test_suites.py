"""Other people's conformance suites and files; skipped where they are not at hand."""

import json

import pytest
import torch
from strategies import plain, same

import d2lrec
from d2lrec.codecs import json as json_codec
from d2lrec.codecs import mpk
from d2lrec.errors import CorruptRecord
from d2lrec.payload import Memory
from d2lrec.record import children

pytestmark = pytest.mark.extra


def value_of(entry):
    """Return what an entry of the suite stands for; ext types and dates have none."""
    if "bignum" in entry:
        return int(entry["bignum"])
    if "binary" in entry:
        return bytes.fromhex(entry["binary"].replace("-", ""))
    kinds = ("nil", "bool", "number", "string", "array", "map")
    return next(entry[kind] for kind in kinds if kind in entry)


def test_msgpack_test_suite(extra):
    suite = json.loads((extra / "suites/msgpack/msgpack-test-suite.json").read_text())
    read = refused = 0
    for entry in (entry for entries in suite.values() for entry in entries):
        for digits in entry["msgpack"]:
            data = bytes.fromhex(digits.replace("-", ""))
            if "ext" in entry or "timestamp" in entry:
                with pytest.raises(CorruptRecord, match="extension type"):
                    mpk.decode(Memory(data))
                refused += 1
            else:
                found = plain(mpk.decode(Memory(data)))
                assert found == value_of(entry), digits
                read += 1
    assert (read, refused) == (203, 30)


def texts(folder, prefix):
    return sorted((folder / "suites/json/test_parsing").glob(f"{prefix}_*.json"))


def test_json_that_must_be_read(extra):
    files = texts(extra, "y")
    for file in files:
        data = file.read_bytes()
        found = plain(json_codec.decode(Memory(data)))
        assert same(found, json.loads(data)), file.name
    assert len(files) == 95


def test_json_that_must_be_refused(extra):
    files = texts(extra, "n")
    for file in files:
        with pytest.raises(CorruptRecord):
            json_codec.decode(Memory(file.read_bytes()))
    assert len(files) == 188


def test_json_that_is_free(extra):
    files = texts(extra, "i")
    for file in files:
        try:
            json_codec.decode(Memory(file.read_bytes()))
        except CorruptRecord as error:
            assert str(error)
    assert len(files) == 35


def test_a_file_of_another_project(extra):
    """A pull request to Burn: an LSTM of its own, at half precision, Burn 0.17."""
    file = extra / "burn/modern-lstm-0.17-half.mpk"
    record = d2lrec.NamedMpkFileRecorder().load(file)
    assert list(record) == ["stacked_lstm", "reverse_lstm", "dropout", "fc"]
    cell = record["stacked_lstm"]["layers"][0]
    assert list(cell)[:3] == ["hidden_size", "weight_ih", "weight_hh"]
    assert cell["hidden_size"] is None
    hidden = cell["weight_hh"]["weight"].tensor.shape[0]
    assert list(cell["weight_hh"]["weight"].tensor.shape) == [hidden, 4 * hidden]
    assert list(cell["norm_c"]["gamma"].tensor.shape) == [hidden]
    tensors = [param.tensor for param in params(record)]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert all(tensor.isfinite().all() for tensor in tensors)


def params(tree):
    if isinstance(tree, d2lrec.Param):
        assert len(tree.id) == 13
        yield tree
    for _, below in children(tree):
        yield from params(below)
