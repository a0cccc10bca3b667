"""Every MessagePack and JSON file that Burn 0.21.0 wrote: its values and its bytes."""

import json
import math

import golden_cases as golden
import numpy as np
import pytest
import torch

import d2lrec
from d2lrec.codecs import json as json_codec
from d2lrec.codecs import mpk
from d2lrec.payload import Memory
from d2lrec.record import UNIT, children

RECORDERS = {
    "mpk": d2lrec.NamedMpkFileRecorder(durable=False),
    "json": d2lrec.PrettyJsonFileRecorder(durable=False),
}
CODECS = {"mpk": mpk, "json": json_codec}
MODULES = [case for case in golden.CASES if "steps" not in golden.EXPECTED[case]]
MODULES = [case for case in MODULES if "params" in golden.EXPECTED[case]]
OPTIMIZERS = [case for case in golden.CASES if "start" in golden.EXPECTED[case]]
SCHEDULERS = [case for case in golden.CASES if case.startswith("scheduler_")]

each_recorder = pytest.mark.parametrize("extension", ["mpk", "json"])


def params(tree, path=()):
    """Yield path and parameter, with a Burn enum's one-entry map as its variant."""
    if isinstance(tree, d2lrec.Param):
        yield ".".join(map(str, path)), tree
    for key, below in children(tree):
        yield from params(below, (*path, key))


def test_there_are_59_cases():
    folders = {path.name for path in golden.FOLDER.iterdir() if path.is_dir()}
    assert folders == set(golden.CASES)
    assert len(folders) == 59
    assert {len(list((golden.FOLDER / case).iterdir())) for case in folders} == {24}


@each_recorder
@pytest.mark.parametrize("case", golden.CASES)
@pytest.mark.parametrize("settings", ["full", "half", "double"])
def test_decoding_and_encoding_gives_the_same_bytes(case, extension, settings):
    stored = golden.file(case, extension, settings).read_bytes()
    tree = CODECS[extension].decode(Memory(stored))
    tree["_b"] = UNIT  # it was read as an empty array, or as null
    parts = CODECS[extension].encode(tree)
    chunks = [[p] if isinstance(p, bytes) else p.chunks() for p in parts]
    assert b"".join(b"".join(map(bytes, chunk)) for chunk in chunks) == stored


@each_recorder
@pytest.mark.parametrize("case", golden.CASES)
def test_loading_and_recording_gives_the_same_bytes(case, extension, tmp_path):
    recorder = RECORDERS[extension]
    item = recorder.load(golden.file(case, extension))
    copy = recorder.record(item, tmp_path / "copy")
    assert copy.read_bytes() == golden.file(case, extension).read_bytes()


@each_recorder
@pytest.mark.parametrize("case", MODULES)
def test_the_parameters_are_those_of_the_module(case, extension):
    found = dict(params(RECORDERS[extension].load(golden.file(case, extension))))
    expected = {p["path"]: p for p in golden.EXPECTED[case]["params"]}
    assert found.keys() == expected.keys()
    if case == "linear_column_layout":  # Burn stores this layout transposed
        weight = found["weight"]
        found["weight"] = d2lrec.Param(weight.id, weight.tensor.t())
    for path, param in found.items():
        check_param(param, expected[path])


def check_param(param, expected):
    assert golden.id_number(param.id) == expected["id"]
    assert list(param.tensor.shape) == expected["shape"]
    kinds = {"F32": torch.float32, "I32": torch.int32, "Bool(Native)": torch.bool}
    assert param.tensor.dtype == kinds[expected["dtype"]]
    values = [float(v) for v in expected["values"]]  # "inf" and "NaN" are texts there
    torch.testing.assert_close(
        param.tensor.flatten().to(torch.float64),
        torch.tensor(values, dtype=torch.float32).to(torch.float64),
        rtol=0,
        atol=0,
        equal_nan=True,
    )


@each_recorder
def test_plain_tensors(extension):
    load = RECORDERS[extension].load
    expected = golden.EXPECTED
    one = load(golden.file("tensor", extension))
    assert torch.equal(one, golden.tensor(expected["tensor"]["tensor"]))
    for case in ("list", "pair"):
        found = load(golden.file(case, extension))
        assert len(found) == len(expected[case][case])
        for tensor, stored in zip(found, expected[case][case], strict=True):
            assert torch.equal(tensor, golden.tensor(stored))


@each_recorder
def test_a_record_of_everything(extension):
    found = RECORDERS[extension].load(golden.file("progress", extension))
    expected = golden.EXPECTED["progress"]["value"]
    assert list(found) == list(expected)
    scalars = [name for name in expected if not isinstance(expected[name], dict)]
    for name in set(scalars) - {"mask", "counts", "parts"}:
        assert found[name] == expected[name], name
    for name in ("weights", "extra"):
        assert torch.equal(found[name], golden.tensor(expected[name]))
    assert found["mask"].tolist() == expected["mask"]
    assert found["counts"].tolist() == expected["counts"]
    assert found["counts"].dtype == torch.int32
    for tensor, stored in zip(found["parts"], expected["parts"], strict=True):
        assert torch.equal(tensor, golden.tensor(stored))
    # MessagePack tells a 32-bit float from a 64-bit one, JSON does not.
    kind = np.float32 if extension == "mpk" else float
    assert type(found["best"]) is kind


@each_recorder
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_an_optimizer_has_a_state_for_each_parameter(case, extension):
    found = RECORDERS[extension].load(golden.file(case, extension))
    shapes = {p["id"]: p["shape"] for p in golden.EXPECTED[case]["params"]}
    assert {golden.id_number(key) for key in found} == shapes.keys()
    for key, state in found.items():
        shape = shapes[golden.id_number(key)]
        (rank,) = state["V1"]
        assert rank == f"Rank{len(shape)}"
        for moment in moments(state["V1"][rank]):
            assert list(moment.shape) == shape


def moments(tree):
    if isinstance(tree, torch.Tensor):
        yield tree
    for _, below in children(tree):
        yield from moments(below)


def test_adam_counts_its_steps():
    found = d2lrec.NamedMpkFileRecorder().load(golden.file("adam", "mpk"))
    for state in found.values():
        (state,) = state["V1"].values()
        assert state["momentum"]["time"] == golden.EXPECTED["adam"]["steps"]


@each_recorder
@pytest.mark.parametrize("case", SCHEDULERS)
def test_a_scheduler_is_a_number(case, extension):
    found = RECORDERS[extension].load(golden.file(case, extension))
    steps = golden.EXPECTED[case]["steps"]
    expected = {
        "scheduler_constant": None,
        "scheduler_cosine": steps - 1,
        "scheduler_step": steps - 1,
        "scheduler_noam": steps,
    }
    if case in expected:
        assert found == expected[case]
    else:
        assert found == json.loads(golden.file(case, "json").read_text())["item"]


@each_recorder
@pytest.mark.parametrize("settings", ["half", "double"])
@pytest.mark.parametrize("case", ["mlp", "typed", "hard_floats", "progress"])
def test_any_stored_precision_loads_as_full(case, settings, extension):
    recorder = RECORDERS[extension]
    full = dict(params({"": recorder.load(golden.file(case, extension))}))
    other = dict(params({"": recorder.load(golden.file(case, extension, settings))}))
    assert full.keys() == other.keys()
    for path, param in other.items():
        expected = full[path].tensor
        assert param.tensor.dtype == expected.dtype
        if settings == "half" and case == "hard_floats":
            expected = expected.half().float()
        assert same(param.tensor, expected)


def same(one, other):
    return all(
        a == b or (math.isnan(a) and math.isnan(b))
        for a, b in zip(one.flatten().tolist(), other.flatten().tolist(), strict=True)
    )
