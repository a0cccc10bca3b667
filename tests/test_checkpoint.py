"""Checkpoints: exact resumption, and nothing half saved, whenever the process dies."""

import os
import random
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import golden_cases as golden
import live_burn
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_golden_optimizers import OPTIMIZERS, build, train
from torch import nn, optim
from torch.optim import lr_scheduler

import d2lrec
from d2lrec import restoring, storage
from d2lrec.randomness import prepare, random_states

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(d2lrec.__path__[0]).parent)}
QUICK = d2lrec.NamedMpkFileRecorder(durable=False)


def names(folder="run"):
    return sorted(path.name for path in Path(folder).iterdir())


def checkpointer(folder="run", **options):
    return d2lrec.Checkpointer(folder, **{"recorder": QUICK, **options})


def linear(value=0.0):
    net = nn.Linear(2, 3)
    nn.init.constant_(net.weight, value)
    return net


def saved(epochs, **options):
    """A folder in which each epoch's weights are its number."""
    made = checkpointer(**{"keep": 9, **options})
    for epoch in epochs:
        made.save(epoch, linear(epoch), metric=float(epoch))
    return made


class Net(nn.Module):
    """Dropout, and a normalization whose mean needs the count of batches."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8, momentum=None)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(8, 1)

    def forward(self, x):
        return self.output(self.dropout(torch.relu(self.norm(self.hidden(x)))))


SCHEDULERS = {
    "cosine": (lr_scheduler.CosineAnnealingLR, {"T_max": 12}),
    "linear": (lr_scheduler.LinearLR, {"total_iters": 9}),
    "exponential": (lr_scheduler.ExponentialLR, {"gamma": 0.9}),
    "step": (lr_scheduler.StepLR, {"step_size": 2, "gamma": 0.3}),
}
TRAINED = {
    "adam": (optim.Adam, {}),
    "adamw": (optim.AdamW, {"amsgrad": True}),
    "sgd": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (optim.Adagrad, {}),
    "rmsprop": (optim.RMSprop, {"momentum": 0.9, "centered": True}),
}
DATA = torch.randn(24, 4, generator=torch.Generator().manual_seed(1))


class Run:
    """A training run that draws from every generator."""

    def __init__(self, which="adam", schedule="cosine", seed=0):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        self.order = torch.Generator().manual_seed(seed)
        self.noise = np.random.default_rng(seed)
        self.net = Net()
        kind, options = TRAINED[which]
        groups = [
            {"params": self.net.hidden.parameters(), "lr": 0.02},
            {"params": [*self.net.norm.parameters(), *self.net.output.parameters()]},
        ]
        self.optimizer = kind(groups, lr=0.05, **options)
        kind, options = SCHEDULERS[schedule]
        self.scheduler = kind(self.optimizer, **options)
        self.parts = (self.net, self.optimizer, self.scheduler)

    def epoch(self):
        for batch in torch.randperm(24, generator=self.order).split(6):
            x = DATA[batch] * random.uniform(0.9, 1.1) + np.random.normal(0, 0.1)
            x = x + self.noise.normal(0, 0.1)
            self.optimizer.zero_grad()
            (self.net(x) - x[:, :1]).square().mean().backward()
            self.optimizer.step()
        self.scheduler.step()

    def checkpointer(self, **options):
        return checkpointer(generators=(self.order, self.noise), **options)

    def everything(self):
        """All that a difference could hide in."""
        return [
            *self.net.state_dict().values(),
            *self.moments(),
            *(group["lr"] for group in self.optimizer.param_groups),
            *(self.scheduler.last_epoch, *self.scheduler.get_last_lr()),
            *(torch.rand(3), np.random.rand(3).tolist(), random.random()),
            *(torch.rand(3, generator=self.order), self.noise.random()),
        ]

    def moments(self):
        """Burn's RMSprop counts no steps, and PyTorch's makes nothing of its count."""
        uncounted = isinstance(self.optimizer, optim.RMSprop)
        for state in self.optimizer.state.values():
            yield from (state[k] for k in sorted(state) if k != "step" or not uncounted)


def same(one, other):
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return one == other


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert same(a, b), (a, b)


# Going on


@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize("which", TRAINED)
def test_an_interrupted_run_is_the_uninterrupted_one(which, schedule):
    whole = Run(which, schedule)
    for _ in range(5):
        whole.epoch()
    expected = whole.everything()
    first = Run(which, schedule)
    for epoch in range(1, 4):
        first.epoch()
        first.checkpointer().save(epoch, *first.parts)
    second = Run(which, schedule, seed=99)
    restored = second.checkpointer().restore(*second.parts)
    assert (restored.epoch, restored.random, restored.skipped) == (3, True, [])
    for _ in range(2):
        second.epoch()
    assert_same(second.everything(), expected)


@pytest.mark.parametrize(
    "recorder",
    [
        d2lrec.NamedMpkGzFileRecorder(durable=False),
        d2lrec.BinFileRecorder(durable=False),
        d2lrec.BinGzFileRecorder(durable=False),
        d2lrec.PrettyJsonFileRecorder(durable=False),
        d2lrec.JsonGzFileRecorder(d2lrec.DoublePrecisionSettings, durable=False),
    ],
    ids=lambda recorder: recorder.extension,
)
def test_every_recorder(recorder):
    run = Run()
    run.epoch()
    made = run.checkpointer(recorder=recorder)
    for epoch in 1, 2:
        made.save(epoch, *run.parts)
    expected = run.everything()
    ends = [f"-{epoch}.{recorder.extension}" for epoch in (1, 2)]
    kinds = ("model", "optim", "scheduler")
    burns = [kind + end for kind in kinds for end in ends]
    assert names() == sorted([*burns, "state-1.mpk", "state-2.mpk"])
    for kind in kinds:  # each has its own checksum and its own way to break
        flip(Path("run") / (kind + ends[1]), 100 if kind == "model" else -1)
        other = Run(seed=99)
        made = other.checkpointer(recorder=recorder)
        restored = made.restore(*other.parts)
        assert restored.epoch == 1 and len(restored.skipped) == 1
        assert_same(other.everything(), expected)


def test_what_a_half_precision_recorder_rounds_is_only_burns_part():
    run = Run()
    run.epoch()
    half = d2lrec.CompactRecorder(durable=False)
    extra = {"order": torch.tensor([70_000]), "loss": 0.1, "names": ["a", None]}
    with pytest.warns(d2lrec.PrecisionWarning):  # moments become zero
        run.checkpointer(recorder=half).save(1, *run.parts, metric=0.1, extra=extra)
    restored = run.checkpointer(recorder=half).restore(*run.parts)
    assert restored.metric == 0.1 and restored.random
    assert restored.extra == extra


def test_a_scheduler_alone_or_with_another_optimizer_object():
    net = linear()
    optimizer = optim.SGD(net.parameters(), lr=torch.tensor(0.1))
    scheduler = lr_scheduler.StepLR(optimizer, step_size=2)
    checkpointer().save(1, net, scheduler=scheduler)
    optimizer.param_groups[0]["lr"].fill_(3.0)
    checkpointer().restore(net, scheduler=scheduler)
    assert float(optimizer.param_groups[0]["lr"]) == float(torch.tensor(0.1))
    assert isinstance(optimizer.param_groups[0]["lr"], torch.Tensor)


def test_a_rate_set_by_hand_comes_back():
    net = linear()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.123
    checkpointer().save(1, net, optimizer)
    other = optim.SGD(net.parameters(), lr=0.1)
    checkpointer().restore(net, other)
    assert other.param_groups[0]["lr"] == 0.123


def test_only_the_net():
    run = Run()
    run.checkpointer().save(1, *run.parts)
    other = Run(seed=5)
    state = torch.get_rng_state()
    restored = checkpointer().restore(other.net, random=False)  # without the generators
    assert not restored.random and torch.equal(torch.get_rng_state(), state)
    assert_same([*other.net.parameters()], [*run.net.parameters()])


# Which are kept


def test_the_last_and_the_best_are_kept():
    made = checkpointer(keep=2, best="min")
    metrics = [0.5, 0.2, 0.9, 0.3, float("nan"), 0.2, 0.8, 0.7]
    kept = []
    for epoch, metric in enumerate(metrics, start=1):
        made.save(epoch, linear(), metric=metric)
        kept.append((made.epochs(), made.best))
    assert kept == [
        ([1], 1),
        ([1, 2], 2),
        ([2, 3], 2),
        ([2, 3, 4], 2),
        ([2, 4, 5], 2),
        ([5, 6], 6),  # the newest of equals
        ([6, 7], 6),
        ([6, 7, 8], 6),
    ]
    assert names() == sorted(
        f"{kind}-{x}.mpk" for kind in ("model", "state") for x in (6, 7, 8)
    )


@given(
    st.lists(st.one_of(st.integers(-3, 3), st.just(float("nan"))), max_size=8),
    st.integers(1, 3),
    st.sampled_from(["min", "max"]),
)
def test_what_is_kept_is_what_a_list_would_keep(metrics, keep, best):
    shutil.rmtree("run", ignore_errors=True)
    made, net = checkpointer(keep=keep, best=best), linear()
    for epoch, metric in enumerate(metrics):
        made.save(epoch, net, metric=metric)
    sign = -1 if best == "min" else 1
    # Only what is kept can be the best later on: so it is found step by step.
    kept, top = [], None
    for epoch, metric in enumerate(metrics):
        if metric == metric and (top is None or sign * metric >= sign * metrics[top]):
            top = epoch
        kept = sorted({*range(max(epoch - keep + 1, 0), epoch + 1), *({top} - {None})})
    assert (made.epochs(), made.best) == (kept, top)


def test_without_best_nothing_is_best():
    assert saved([1, 2]).best is None
    assert d2lrec.Checkpointer("none").best is None


def test_a_number_that_is_not_after_the_last():
    made = saved([1, 5])
    for epoch in 1, 4, 5:
        with pytest.raises(d2lrec.RecorderError, match=r"not after it\. Restore that"):
            made.save(epoch, linear(), metric=0.0)
    made.delete(5)
    made.delete(17)
    made.save(5, linear(), metric=0.0)
    assert made.epochs() == [1, 5]


@pytest.mark.parametrize("options", [{"keep": 0}, {"keep": 1.5}, {"best": "least"}])
def test_options_that_are_none(options):
    with pytest.raises(d2lrec.RecorderError, match=r"found, .* expected"):
        checkpointer(**options)


@pytest.mark.parametrize(
    "epoch, metric, match",
    [
        (-1, 0.0, "integer from 0"),
        (1.5, 0.0, "integer from 0"),
        (1, None, "Pass metric="),
        (1, "low", "a number expected"),
    ],
)
def test_arguments_that_are_none(epoch, metric, match):
    with pytest.raises(d2lrec.RecorderError, match=match):
        checkpointer(best="min").save(epoch, linear(), metric=metric)
    assert names() == []


# Falling back


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def loaded(made, **options):
    net = linear(-1)
    restored = made.restore(net, **options)
    assert (net.weight == restored.epoch).all()
    return restored


@pytest.mark.parametrize("name", ["model-3.mpk", "state-3.mpk"])
def test_a_flipped_bit_anywhere_is_found(name):
    made = saved([1, 2, 3])
    path = Path("run") / name
    whole = path.read_bytes()
    step = 1 if name.startswith("model") else 501
    for offset in range(0, len(whole), step):
        flip(path, offset)
        restored = loaded(made)
        assert restored.epoch == 2
        (line,) = restored.skipped
        assert line.startswith(f"epoch 3: run/{name}")
        path.write_bytes(whole)
    assert loaded(made).skipped == []


@pytest.mark.parametrize("name", ["model-3.mpk", "state-3.mpk"])
@pytest.mark.parametrize("size", [0, 1, 100, -1])
def test_a_file_that_was_cut_short(name, size):
    made = saved([1, 2, 3])
    path = Path("run") / name
    path.write_bytes(path.read_bytes()[:size])
    assert loaded(made).epoch == 2
    assert made.epochs() == [1, 2]


def test_a_file_that_is_missing_or_of_another_save():
    made = saved([1, 2, 3, 4])
    Path("run/model-4.mpk").unlink()
    shutil.copy("run/model-1.mpk", "run/model-3.mpk")  # whole, of the right size
    restored = loaded(made)
    assert restored.epoch == 2
    assert [line.rpartition(": ")[2] for line in restored.skipped] == [
        "missing, or not the file that was saved."
    ] * 2


def test_none_is_whole():
    made = saved([1, 2])
    for epoch in 1, 2:
        flip(Path(f"run/model-{epoch}.mpk"), 200)
    net = linear(7)
    with pytest.raises(d2lrec.CorruptRecord) as caught:
        made.restore(net)
    assert [line[:9] for line in str(caught.value).split("\n")[1:]] == [
        "  epoch 2",
        "  epoch 1",
    ]
    assert (net.weight == 7).all()


def test_there_is_none():
    with pytest.raises(d2lrec.RecordNotFound, match="none: no checkpoint here"):
        d2lrec.Checkpointer("none").restore(linear())
    assert d2lrec.Checkpointer("none").epochs() == []
    Path("run").mkdir()
    for name in "model-1.bin", "model-01x.mpk", "other.mpk", "amodel-1.mpk":
        Path("run", name).write_bytes(b"")
    with pytest.raises(d2lrec.RecordNotFound):
        checkpointer().restore(linear())


def test_a_certain_one_and_no_other():
    made = saved([1, 2, 3])
    assert loaded(made, epoch=2).epoch == 2
    with pytest.raises(d2lrec.RecordNotFound, match=r"model-9\.mpk: no such file"):
        made.restore(linear(), epoch=9)
    flip(Path("run/model-3.mpk"), 200)
    with pytest.raises(d2lrec.CorruptRecord, match=r"model-3\.mpk.*checksum"):
        made.restore(linear(), epoch=3)


def test_a_state_of_another_version_or_with_other_files():
    made = saved([1])
    states = d2lrec.NamedMpkFileRecorder(d2lrec.DoublePrecisionSettings, checksum=True)
    state = states.load("run/state-1.mpk")
    states.record({**state, "version": 2}, "run/state-1")
    with pytest.raises(d2lrec.RecorderError, match="A newer d2lrec"):
        made.restore(linear())
    states.record({**state, "files": {"../x": state["files"]["model"]}}, "run/state-1")
    with pytest.raises(d2lrec.CorruptRecord, match="other files than"):
        made.restore(linear())
    states.record({**state, "rest": [1]}, "run/state-1")
    with pytest.raises(d2lrec.CorruptRecord, match=r"rest: a .*list found"):
        made.restore(linear())


# All or nothing


class Snapshot:
    def __init__(self, run):
        self.run = run
        self.ids = d2lrec.into_record(run.net)["hidden"]["weight"].id
        self.before = self.look()

    def look(self):
        run = self.run
        return [
            *(x.clone() for x in run.net.state_dict().values()),
            *(id(x) for x in run.optimizer.state.values()),
            *(group["lr"] for group in run.optimizer.param_groups),
            *(run.scheduler.last_epoch, run.scheduler._step_count),
            *(run.scheduler.get_last_lr(), torch.get_rng_state()),
            *(run.order.get_state(), random.getstate(), run.noise.random.__name__),
        ]

    def assert_unchanged(self):
        assert_same(self.look(), self.before)
        assert d2lrec.into_record(self.run.net)["hidden"]["weight"].id == self.ids


def wider(run):
    run.net.output = nn.Linear(8, 2)


def other_optimizer(run):
    run.optimizer = optim.Adagrad(run.net.parameters())


def fewer_groups(run):
    run.optimizer = optim.Adam(run.net.parameters())


def other_schedule(run):
    run.scheduler = lr_scheduler.CosineAnnealingLR(run.optimizer, T_max=2)


@pytest.mark.parametrize(
    "change", [wider, other_optimizer, fewer_groups, other_schedule]
)
def test_what_does_not_fit_changes_nothing(change):
    run = Run()
    for _ in range(4):
        run.epoch()
    run.checkpointer().save(4, *run.parts)
    other = Run(seed=3)
    other.epoch()
    change(other)
    before = Snapshot(other)
    with pytest.raises(d2lrec.RecordMismatch):
        other.checkpointer().restore(other.net, other.optimizer, other.scheduler)
    before.assert_unchanged()


def test_generators_that_do_not_fit_change_nothing():
    run = Run()
    run.checkpointer().save(1, *run.parts)
    other = Run(seed=3)
    before = Snapshot(other)
    with pytest.raises(d2lrec.RecordMismatch, match="2 in the checkpoint, 1 in gen"):
        checkpointer(generators=[other.order]).restore(*other.parts)
    swapped = checkpointer(generators=[other.noise, other.order])
    with pytest.raises(d2lrec.CorruptRecord, match="no state of Generator"):
        swapped.restore(*other.parts)
    before.assert_unchanged()


def test_a_net_that_fails_last_is_put_back(monkeypatch):
    run = Run()
    run.epoch()
    run.checkpointer().save(1, *run.parts)
    other = Run(seed=3)
    other.epoch()
    before = Snapshot(other)
    real = restoring.load_record

    def fails(item, *rest):
        if isinstance(item, nn.Module):
            raise KeyboardInterrupt
        return real(item, *rest)

    monkeypatch.setattr(restoring, "load_record", fails)
    with pytest.raises(KeyboardInterrupt):
        other.checkpointer().restore(*other.parts)
    before.assert_unchanged()
    with pytest.raises(KeyboardInterrupt):
        other.checkpointer().restore(other.net)
    before.assert_unchanged()


def test_what_was_not_saved_cannot_be_restored():
    run = Run()
    checkpointer().save(1, run.net)
    with pytest.raises(d2lrec.RecorderError, match=r"optim-1.mpk: .* saved without it"):
        checkpointer().restore(run.net, run.optimizer)


def test_a_net_without_memory():
    run = Run()
    run.epoch()
    checkpointer().save(1, *run.parts)
    with torch.device("meta"):
        net = Net()
    checkpointer().restore(net)
    assert_same([*net.parameters()], [*run.net.parameters()])
    with torch.device("meta"):
        net = Net()
    with pytest.raises(d2lrec.RecorderError, match="to_empty"):
        checkpointer().restore(net, optim.Adam(net.parameters()))


# Saving


@pytest.mark.parametrize(
    "broken",
    [
        {"extra": {"seen": {1, 2}}},
        {"scheduler": "OneCycle"},
        {"net": nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_save_that_is_refused_leaves_nothing(broken):
    made = saved([1])
    net = linear()
    if "scheduler" in broken:
        optimizer = optim.SGD(net.parameters())
        broken = {"scheduler": lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=9)}
    before = names()
    with pytest.raises(d2lrec.Unrecordable):
        made.save(2, **{"net": net, **broken})
    assert names() == before
    assert loaded(made).epoch == 1


def test_a_generator_without_a_state():
    for generator, match in [(random.SystemRandom(), "no state"), (7, "int found")]:
        with pytest.raises(d2lrec.Unrecordable, match=match):
            checkpointer(generators=[generator]).save(1, linear())


def test_a_folder_that_can_be_none():
    Path("run").write_bytes(b"a file")
    with pytest.raises(d2lrec.RecorderError, match="cannot be a folder"):
        checkpointer().save(1, linear())


def test_a_checkpoint_that_cannot_be_deleted(monkeypatch):
    made = saved([1])

    def fails(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", fails)
    with pytest.raises(d2lrec.RecorderError, match="1 cannot be deleted: Permission"):
        made.delete(1)


def test_windows_locks_no_folder(monkeypatch):
    made = checkpointer()
    monkeypatch.setattr(os, "open", None)
    monkeypatch.setattr(os, "name", "nt")
    with made._run.locked():
        pass


def test_the_state_is_first_and_last(monkeypatch):
    """What is asked of the disk, in order; a power cut may come after any of it."""
    seen = []

    def watch(owner, name):
        real = getattr(owner, name)

        def call(*args, **options):
            seen.append(f"{name} {Path(args[-1]).name}")
            return real(*args, **options)

        monkeypatch.setattr(owner, name, call)

    run, made = Run(), d2lrec.Checkpointer("run", keep=1)
    made.save(1, *run.parts)
    watched = [(os, "replace"), (Path, "unlink"), (storage, "flush_folder")]
    for owner, name in watched:
        watch(owner, name)
    made.save(2, *run.parts)
    kinds = ("model", "optim", "scheduler")
    writes = ["state-2.mpk", *(f"{kind}-2.mpk" for kind in kinds), "state-2.mpk"]
    saves = [x for name in writes for x in (f"replace {name}", "flush_folder run")]
    deletes = [f"unlink {kind}-1.mpk" for kind in kinds]
    assert seen == [*saves, *deletes, "flush_folder run", "unlink state-1.mpk"]


class Killed(BaseException):
    """Stands for a process that ends: nobody catches it, and nothing is tidied up."""


@pytest.mark.parametrize("keep", [1, 2])
def test_at_whatever_step_it_ends_a_whole_one_is_found(monkeypatch, keep):
    """Stop before each rename and each removal: the old is found, or the new."""
    steps = []

    def stop(real):
        def call(*args, **options):
            steps.append(args)
            if len(steps) > at:
                raise Killed
            return real(*args, **options)

        return call

    for at in range(100):  # noqa: B007, which does not see it in `stop`
        shutil.rmtree("run", ignore_errors=True)
        made = saved([1, 2], keep=keep)
        steps.clear()
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", stop(os.replace))
            patch.setattr(Path, "unlink", stop(Path.unlink))
            try:
                made.save(3, linear(3), metric=0.0)
                break
            except Killed:
                pass
        found = loaded(made)
        assert found.epoch in (2, 3)
        assert made.epochs()[-1] == found.epoch
        if found.epoch == 2:
            made.save(3, linear(3), metric=0.0)
        made.save(4, linear(4), metric=0.0)
        kept = [3, 4][-keep:]
        kinds = ("model", "state")
        assert names() == sorted(f"{kind}-{x}.mpk" for kind in kinds for x in kept)
    assert at >= 3  # state, model, state, then what is deleted


# The parent imports torch once; each child saves on and on until it is killed.
KILLED = """
    import os, random, signal, sys, time
    import torch
    from torch import nn, optim
    import d2lrec

    torch.set_num_threads(1)

    def run(epoch):
        net = nn.Linear(200, 100)
        nn.init.constant_(net.weight, epoch)
        optimizer = optim.SGD(net.parameters(), lr=epoch + 1, momentum=0.9)
        net.weight.grad = torch.zeros_like(net.weight)
        optimizer.step()
        optimizer.state[net.weight]["momentum_buffer"].fill_(epoch)
        return net, optimizer

    made = d2lrec.Checkpointer("run", keep=2)
    made.save(0, *run(0))
    dice = random.Random(0)
    last = 0
    for kill in range(200):
        if kill >= 20 and last:  # on a slow machine none may be done by then
            break
        child = os.fork()
        if not child:
            while True:
                last += 1
                made.save(last, *run(last))
        time.sleep(dice.uniform(0.02, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        net, optimizer = run(-1)
        restored = made.restore(net, optimizer)
        assert restored.epoch >= last
        last = restored.epoch
        assert (net.weight == last).all()
        assert (optimizer.state[net.weight]["momentum_buffer"] == last).all()
        assert optimizer.param_groups[0]["lr"] == last + 1
        assert all("not finished" in line for line in restored.skipped)
    made.save(last + 1, *run(last + 1))
    print(last, len(made.epochs()), len(os.listdir("run")))
"""


@pytest.mark.skipif(os.name == "nt", reason="no fork on Windows")
def test_a_save_that_is_killed():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(KILLED)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    last, complete, files = map(int, done.stdout.split())
    assert last and (complete, files) == (2, 6)


SAVER = """
    import sys, time
    from torch import nn
    import d2lrec

    made = d2lrec.Checkpointer("run", keep=3)
    for epoch in range(1, 30):
        while True:
            try:
                made.save(epoch, nn.Linear(20, 10), metric=float(sys.argv[1]))
            except d2lrec.RecorderError as error:
                if "Save from one only" in str(error):  # the other one is at it
                    time.sleep(0.001)
                    continue
                assert "not after it" in str(error)
            break
    restored = made.restore(nn.Linear(20, 10))
    assert restored.epoch, restored
"""


def test_two_processes_save_into_one_folder():
    command = [sys.executable, "-c", textwrap.dedent(SAVER)]
    savers = [subprocess.Popen([*command, n], env=ENVIRONMENT) for n in "12"]
    assert [saver.wait(60) for saver in savers] == [0, 0]
    made = d2lrec.Checkpointer("run")
    assert len(made.epochs()) == 3 and len(names()) == 6
    assert made.restore(nn.Linear(20, 10)).metric in (1.0, 2.0)


@pytest.mark.skipif(os.name == "nt", reason="no locks of folders on Windows")
def test_a_folder_in_which_another_saves():
    made = saved([1])
    with made._run.locked():
        with pytest.raises(d2lrec.RecorderError, match="another process is saving"):
            made.save(2, linear(), metric=0.0)
        assert loaded(made).epoch == 1  # reading goes on


# Burn's folder


@pytest.mark.parametrize("case", OPTIMIZERS)
@pytest.mark.parametrize("extension", ["mpk", "bin.gz"])
def test_a_folder_that_burn_wrote(case, extension):
    Path("run").mkdir()
    sources = {"model": None, "optim": case, "scheduler": "scheduler_cosine"}
    classes = d2lrec.NamedMpkFileRecorder, d2lrec.BinGzFileRecorder
    (kind,) = (x for x in classes if x.extension == extension)
    recorder = kind(durable=False)
    trained, _ = build(case, "params")
    for name, source in sources.items():
        path = Path(f"run/{name}-3.{extension}")
        if source is None:  # the net of the optimizers' cases, with their ids
            recorder.record(trained, path)
        else:
            shutil.copy(golden.file(source, extension), path)
    before = {path: path.read_bytes() for path in Path("run").iterdir()}
    net, optimizer = build(case, "start")
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    made = checkpointer(keep=1, recorder=recorder)
    assert made.epochs() == [3]
    assert made.restore(net, optimizer, scheduler) == d2lrec.Restored(3)
    assert scheduler.last_epoch == golden.EXPECTED["scheduler_cosine"]["steps"]
    assert_same([*net.parameters()], [*trained.parameters()])
    stored = recorder.load(golden.file(case, extension), like=(optimizer, net))
    assert {**d2lrec.into_record(optimizer, net)}.keys() == stored.keys()
    for epoch in 4, 5:  # Burn's stays, ours are pruned
        made.save(epoch, net, optimizer, scheduler)
    assert made.epochs() == [3, 5]
    assert {path: path.read_bytes() for path in before} == before
    made.delete(3)
    assert names() == sorted(
        [f"{name}-5.{extension}" for name in sources] + ["state-5.mpk"]
    )


def test_a_folder_that_burn_did_not_finish():
    made = saved([1])
    # Burn writes in place, and one file after the other.
    shutil.copy(golden.file("adam", "mpk"), "run/optim-2.mpk")
    assert made.epochs() == [1]
    whole = QUICK.record(linear(2), "run/model-2").read_bytes()
    assert loaded(made).epoch == 2
    net = linear()
    with pytest.raises(d2lrec.RecorderError):  # 1 was saved without an optimizer
        made.restore(net, optim.SGD(net.parameters()), epoch=1)
    with pytest.raises(d2lrec.RecordNotFound, match="optim-3"):
        QUICK.record(net, "run/model-3")
        made.restore(net, optim.SGD(net.parameters()), epoch=3)
    made.delete(3)
    Path("run/model-2.mpk").write_bytes(whole[:100])
    restored = loaded(made)
    assert restored.epoch == 1 and restored.skipped[0].startswith(
        "epoch 2: run/model-2"
    )


def test_burn_goes_on_from_our_folder():
    burn = live_burn.build()
    net, optimizer = build("adam", "start")
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    stored = golden.EXPECTED["adam"]["input"]
    train(net, optimizer, "adam", 3)
    scheduler.step()
    checkpointer().save(3, net, optimizer, scheduler)
    form, copies = ("full", "mpk"), {"copy": "copy-3"}
    files = {"file": "optim-3", "net": "model-3"}
    run = burn.read(
        Path("run"),
        [
            live_burn.job("adam", form, **files, **copies, input=stored, steps=2),
            live_burn.job("scheduler_cosine", form, file="scheduler-3", steps=3),
        ],
    )
    for group in optimizer.param_groups:
        group["lr"] = golden.EXPECTED["adam"]["lr"]
    train(net, optimizer, "adam", 2)
    for found in run[0]["params"]:
        layer, name = found["path"].split(".")
        expected = d2lrec.into_record(net)[layer][name]
        assert golden.id_number(expected.id) == found["id"]
        torch.testing.assert_close(
            golden.tensor(found), expected.tensor, atol=1e-5, rtol=1e-4
        )
    assert len(run[1]["learning_rates"]) == 3


# Random generators


def test_every_generator_goes_on():
    kinds = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
    own = [np.random.Generator(getattr(np.random, kind)(1)) for kind in kinds]
    own += [random.Random(1), torch.Generator().manual_seed(1)]

    def draw():
        drawn = [[x.normal(size=3).tolist(), x.integers(9)] for x in own[:-2]]
        mine = [own[-2].gauss(0, 1), torch.rand(3, generator=own[-1]).tolist()]
        return [
            *(*drawn, *mine, torch.randn(3).tolist()),
            *(np.random.randn(3).tolist(), random.gauss(0, 1)),
        ]

    for _ in range(3):  # odd draws leave a number behind in some
        draw()
        states = random_states(own)
        expected = draw()
        set_all, is_all = prepare(states, own)
        set_all()
        assert is_all and draw() == expected


def test_other_cuda_devices(monkeypatch):
    states = random_states()
    states["cuda"] = [states["torch"]] * 2
    monkeypatch.setattr(torch.cuda, "default_generators", ())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_all, is_all = prepare(states)
    set_all()
    assert not is_all
    devices = (torch.Generator(), torch.Generator())
    monkeypatch.setattr(torch.cuda, "default_generators", devices)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    set_all, is_all = prepare(states)
    set_all()
    assert is_all
    assert torch.equal(devices[1].get_state(), torch.get_rng_state())
    assert random_states()["cuda"] == states["cuda"]


def test_a_state_that_is_none():
    good = random_states()
    for name, text in [
        *(("torch", "00"), ("torch", "xy"), ("torch", "00" * 5056)),
        *(("numpy", "{}"), ("numpy", "["), ("numpy", '{"bit_generator": "PCG64"}')),
        *(("python", "[]"), ("python", "[3, [1], null]"), ("python", "7")),
    ]:
        with pytest.raises(d2lrec.CorruptRecord, match="no state of"):
            prepare({**good, name: text})


@pytest.mark.parametrize("swapped", ["net", "optimizer", "scheduler"])
def test_what_is_of_another_kind_is_named(tmp_path, swapped):
    net = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    given = {"net": net, "optimizer": optimizer, "scheduler": scheduler}
    given[swapped] = net.state_dict()
    checkpointer = d2lrec.Checkpointer(tmp_path)
    for use in (
        lambda: checkpointer.save(1, **given),
        lambda: checkpointer.restore(**given),
    ):
        with pytest.raises(d2lrec.RecorderError, match=f"{swapped}= has the type"):
            use()
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) in repr(checkpointer)
