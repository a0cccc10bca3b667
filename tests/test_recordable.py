"""A user's own type through Burn's two functions."""

import copy

import pytest
import torch
from torch import nn

import d2lrec


class Progress:
    def __init__(self, epoch=0, best=None):
        self.epoch, self.best, self.window = epoch, best, torch.zeros(3)

    def into_record(self):
        return {"epoch": self.epoch, "best": self.best, "window": self.window}

    def load_record(self, record):
        self.epoch, self.best = record["epoch"], record["best"]
        self.window = record["window"]


def test_it_is_recorded_by_what_it_says(tmp_path):
    recorder = d2lrec.NamedMpkFileRecorder()
    progress = Progress(epoch=3, best=0.5)
    path = recorder.record(progress, tmp_path / "progress")
    plain = recorder.record(progress.into_record(), tmp_path / "plain")
    assert path.read_bytes() == plain.read_bytes()
    twin = d2lrec.load_record(Progress(), recorder.load(path))
    assert (twin.epoch, twin.best) == (3, 0.5)


def test_it_may_stand_anywhere_in_an_item(tmp_path):
    recorder = d2lrec.BinFileRecorder()
    item = {"net": nn.Linear(2, 1), "runs": [Progress(1, 0.5), Progress(2, None)]}
    path = recorder.record(item, tmp_path / "all")
    loaded = recorder.load(path, like=item)
    assert [run["epoch"] for run in loaded["runs"]] == [1, 2]
    assert d2lrec.load_record(Progress(), loaded["runs"][1]).best is None


@pytest.mark.parametrize(
    "recorder", [d2lrec.NamedMpkFileRecorder(), d2lrec.BinFileRecorder()]
)
def test_it_is_loaded_from_a_file_in_one_call(recorder):
    progress = Progress(epoch=3, best=0.5)
    progress.window += 1
    path = d2lrec.save_file(progress, "progress", recorder)
    twin = Progress(best=0.0)
    assert d2lrec.load_file(twin, path, recorder) is twin
    assert (twin.epoch, twin.best) == (3, 0.5)
    assert torch.equal(twin.window, torch.ones(3))


def test_what_has_only_one_of_the_two_is_refused():
    class Half:
        def into_record(self):
            return {}

    with pytest.raises(d2lrec.Unrecordable) as caught:
        d2lrec.into_record(Half())
    assert str(caught.value) == (
        "a Half found; a module, an optimizer, a scheduler, or an object with "
        "into_record and load_record of its own expected."
    )


def test_a_copied_layer_has_the_same_ids_which_an_optimizer_cannot_tell_apart():
    layer = nn.Linear(2, 2)
    d2lrec.into_record(layer)
    net = nn.Sequential(layer, copy.deepcopy(layer))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(d2lrec.Unrecordable, match="another parameter has the same id"):
        d2lrec.into_record(optimizer, net)
