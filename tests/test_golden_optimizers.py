"""Optimizers and schedulers: training goes on in PyTorch where Burn stopped."""

import math

import golden_cases as golden
import pytest
import torch
from golden_structures import STRUCTURES
from test_golden_modules import MLP
from torch import optim
from torch.optim import lr_scheduler

import d2lrec
from d2lrec.record import children

# Burn's defaults, which are not PyTorch's.
OPTIMIZERS = {
    "adam": (optim.Adam, {"eps": 1e-5}),
    "adam_amsgrad": (optim.Adam, {"eps": 1e-5, "amsgrad": True}),
    "adamw": (optim.AdamW, {"eps": 1e-5, "weight_decay": 1e-4}),
    "sgd": (optim.SGD, {}),
    "sgd_momentum": (optim.SGD, {"momentum": 0.9, "dampening": 0.1}),
    "adagrad": (optim.Adagrad, {"eps": 1e-5}),
    "rmsprop": (optim.RMSprop, {"alpha": 0.99, "momentum": 0.9, "eps": 1e-5}),
    "rmsprop_centered": (
        optim.RMSprop,
        {"alpha": 0.99, "momentum": 0.9, "eps": 1e-5, "centered": True},
    ),
}


def build(case, which):
    """Return the net with Burn's parameters (`start` or `params`), and an optimizer."""
    expected = golden.EXPECTED[case]
    net = MLP()
    tree = d2lrec.into_record(net)
    for stored in expected[which]:
        layer, name = stored["path"].split(".")
        number = int(stored["id"]).to_bytes(8, "little")
        tree[layer][name] = d2lrec.Param(encode(number), golden.tensor(stored))
    d2lrec.load_record(net, tree)
    kind, options = OPTIMIZERS[case]
    return net, kind(net.parameters(), lr=expected["lr"], **options)


def encode(number):
    from d2lrec.ids import encode_id

    return encode_id(int.from_bytes(number, "little"))


def train(net, optimizer, case, steps):
    x = golden.tensor(golden.EXPECTED[case]["input"])
    for _ in range(steps):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()


def assert_close(one, other, atol):
    if isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=atol)
        return
    assert type(one) is type(other)
    pairs, others = dict(children(one)), dict(children(other))
    assert pairs.keys() == others.keys()
    for key in pairs:
        assert_close(pairs[key], others[key], atol)
    if not pairs:
        assert one == other


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_three_steps_in_pytorch_give_burns_record(case):
    net, optimizer = build(case, "start")
    train(net, optimizer, case, golden.EXPECTED[case]["steps"])
    # RMSprop: Burn adds epsilon elsewhere.
    atol = 1e-5 if case.startswith("rmsprop") else 1e-6
    for stored in golden.EXPECTED[case]["params"]:
        layer, name = stored["path"].split(".")
        found = d2lrec.into_record(net)[layer][name].tensor
        expected = golden.tensor(stored)
        torch.testing.assert_close(found, expected, rtol=0, atol=atol)
    found = d2lrec.into_record(optimizer, net)
    stored = d2lrec.DefaultFileRecorder().load(golden.file(case, "mpk"))
    assert_close(dict(found), dict(stored), atol=1e-5)


@pytest.mark.parametrize("case", OPTIMIZERS)
@pytest.mark.parametrize(
    "recorder",
    [
        d2lrec.NamedMpkFileRecorder(),
        d2lrec.BinFileRecorder(),
        d2lrec.JsonGzFileRecorder(),
    ],
    ids=lambda recorder: recorder.extension,
)
def test_burns_record_goes_through_pytorch_unchanged(case, recorder, tmp_path):
    net, optimizer = build(case, "params")
    stored = recorder.load(golden.file(case, recorder.extension), like=(optimizer, net))
    d2lrec.load_record(optimizer, stored, net)
    path = recorder.record((optimizer, net), tmp_path / "optim")
    again = recorder.load(path, like=STRUCTURES[case])
    assert again.keys() == stored.keys()
    assert_close(dict(again), dict(stored), atol=0)


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_going_on_from_burns_record_is_going_on(case):
    """Three steps, a record, three more: as six steps without a stop."""
    one, first = build(case, "start")
    train(one, first, case, 6)
    half, second = build(case, "start")
    train(half, second, case, 3)
    record = d2lrec.into_record(second, half)
    other, third = build(case, "start")
    d2lrec.load_record(other, d2lrec.into_record(half))
    d2lrec.load_record(third, record, other)
    train(other, third, case, 3)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


SCHEDULERS = {
    "scheduler_cosine": (0.1, lr_scheduler.CosineAnnealingLR, {"T_max": 10}),
    "scheduler_linear": (
        0.1,
        lr_scheduler.LinearLR,
        {"start_factor": 1.0, "end_factor": 0.1, "total_iters": 300},
    ),
    "scheduler_exponential": (0.1, lr_scheduler.ExponentialLR, {"gamma": 0.9}),
    "scheduler_step": (0.1, lr_scheduler.StepLR, {"step_size": 2, "gamma": 0.1}),
}


def schedule(case):
    rate, kind, options = SCHEDULERS[case]
    optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    return optimizer, kind(optimizer, **options)


def rates(optimizer, scheduler, steps):
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("case", SCHEDULERS)
def test_a_scheduler_makes_burns_steps_and_burns_record(case):
    optimizer, scheduler = schedule(case)
    expected = golden.EXPECTED[case]["learning_rates"]
    assert rates(optimizer, scheduler, 5) == pytest.approx(expected, rel=1e-12)
    stored = d2lrec.DefaultFileRecorder().load(golden.file(case, "mpk"))
    found = d2lrec.into_record(scheduler)
    assert isinstance(found, type(stored))
    assert math.isclose(found, stored, rel_tol=1e-12)


@pytest.mark.parametrize("case", SCHEDULERS)
@pytest.mark.parametrize("steps", [0, 1, 2, 5, 7])
def test_a_loaded_scheduler_goes_on(case, steps):
    optimizer, scheduler = schedule(case)
    rates(optimizer, scheduler, steps)
    other, loaded = schedule(case)
    d2lrec.load_record(loaded, d2lrec.into_record(scheduler))
    expected = rates(optimizer, scheduler, 3)
    assert rates(other, loaded, 3) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("case", SCHEDULERS)
def test_a_scheduler_through_bincode(case, tmp_path):
    recorder = d2lrec.BinFileRecorder()
    _, scheduler = schedule(case)
    record = recorder.load(golden.file(case, "bin"), like=scheduler)
    d2lrec.load_record(scheduler, record)
    assert scheduler.last_epoch == 5
    record = d2lrec.into_record(scheduler)
    path = recorder.record(record, tmp_path / "s", like=scheduler)
    assert path.read_bytes() == golden.file(case, "bin").read_bytes()
