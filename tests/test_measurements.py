"""The measurements that the book draws: kept in a form that their command writes."""

import json
import math

import pytest

import d2lrec
import d2lrec.data
from benchmarks import recorders
from d2lrec.sinks import BytesRecorder, FileRecorder

PEERS = {"torch", "safetensors"}


@pytest.fixture(scope="module")
def kept():
    return json.loads(d2lrec.data.path("recorders.json").read_text())


def form(value):
    """The names and types of a tree; one item stands for all those of a list."""
    if isinstance(value, dict):
        return {name: form(item) for name, item in value.items()}
    if isinstance(value, list):
        assert len({json.dumps(form(item), sort_keys=True) for item in value}) == 1
        return [form(value[0])]
    return type(value).__name__


def test_the_command_writes_the_form_that_is_kept(kept, tmp_path, capsys) -> None:
    output = tmp_path / "recorders.json"
    arguments = ["--models", "small", "--rounds", "1", "--output", str(output)]
    assert recorders.main([*arguments, "--folder", str(tmp_path)]) == 0
    assert form(json.loads(output.read_text())) == form(kept)
    assert capsys.readouterr().out.endswith("written: recorders.json\n")
    assert list(tmp_path.iterdir()) == [output]


def test_every_recorder_of_the_library_is_measured(kept) -> None:
    public = {name: getattr(d2lrec, name) for name in d2lrec.__all__}
    kinds = (FileRecorder, BytesRecorder)
    classes = {
        value.__name__
        for value in public.values()
        if isinstance(value, type) and issubclass(value, kinds) and value not in kinds
    }
    expected = classes | set(recorders.ALIASES) | PEERS
    for model in kept["models"]:
        names = [row["name"] for row in model["rows"]]
        assert len(names) == len(set(names))
        assert set(names) == expected, model["model"]


def test_the_figures_are_ratios(kept) -> None:
    assert [model["model"] for model in kept["models"]] == list(recorders.MODELS)
    for model in kept["models"]:
        rows = {row["name"]: row for row in model["rows"]}
        assert rows["torch"]["save"] == rows["torch"]["load"] == 1
        for row in rows.values():
            figures = [row[what] for what in ("size", "save", "load")]
            assert all(math.isfinite(x) and x > 0 for x in figures), row
        # Sizes depend on no machine.
        assert 1 <= rows["BinFileRecorder"]["size"] < 1.02
        assert 0.5 <= rows["CompactRecorder"]["size"] < 0.52
        assert rows["PrettyJsonFileRecorder"]["size"] > 10


def test_an_unknown_model_is_named(capsys) -> None:
    with pytest.raises(SystemExit):
        recorders.main(["--models", "huge"])
    assert "no model huge: small, large" in capsys.readouterr().err
