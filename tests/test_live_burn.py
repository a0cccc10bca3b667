"""A live Burn: what it writes today we read, and what we write today it reads.

The golden files are always the same. Here Burn 0.21.0 itself, built from `tests/burn`,
writes records with other numbers and ids on each run, and reads ours with its own
recorders: 8 recorders in 3 precisions, a module of each layer, optimizers and
schedulers on their way. A row in `TWINS`, `OPTIMIZERS` or `SCHEDULERS` of the tests of
the golden files is a row here as well.
"""

import json
import os
import random
from types import SimpleNamespace

import golden_cases as golden
import live_burn
import pytest
import torch
from golden_structures import STRUCTURES
from live_burn import (
    FORMS,
    INPUTS,
    assert_copied,
    assert_stored,
    assert_told,
    forward,
    job,
    same,
    save,
    unpacked,
)
from test_golden import params
from test_golden_modules import MLP, TWINS
from test_golden_optimizers import (
    OPTIMIZERS,
    SCHEDULERS,
    assert_close,
    rates,
    schedule,
)
from test_golden_recorders import RECORDERS, SETTINGS, assert_same, like, load
from unstored_modules import UNSTORED

import d2lrec
from d2lrec.ids import encode_id

pytestmark = [
    pytest.mark.slow,
    # Half precision says when numbers overflow or vanish; here they are any numbers.
    pytest.mark.filterwarnings("ignore::d2lrec.errors.PrecisionWarning"),
]


@pytest.fixture(scope="session")
def burn():
    return live_burn.build()


@pytest.fixture(scope="session")
def session_seed():
    return int(os.environ.get("D2LREC_SEED") or random.SystemRandom().getrandbits(32))


@pytest.fixture(autouse=True)
def seed(session_seed):
    """Say with each failure how to see it again."""
    print(f"D2LREC_SEED={session_seed}")
    random.seed(session_seed)
    torch.manual_seed(session_seed)


@pytest.fixture(scope="session")
def fresh(burn, session_seed, tmp_path_factory):
    """Records that Burn has just written, and what is in them."""
    folder = tmp_path_factory.mktemp("fresh")
    burn("write", folder, "--seed", session_seed)
    expected = json.loads((folder / "expected.json").read_text())
    return SimpleNamespace(folder=folder, expected=expected)


# What Burn wrote


@pytest.mark.parametrize("case", golden.CASES)
def test_we_load_and_record_what_burn_wrote(case, fresh, tmp_path):
    for form in FORMS:
        settings, name = form
        path = fresh.folder / case / f"{settings}.{name}"
        item = load(RECORDERS[name](SETTINGS[settings]), path, case)
        copy = save(form, item, tmp_path / settings, like(case))
        assert unpacked(copy) == unpacked(path), form


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("case", golden.CASES)
def test_we_find_what_burn_visited(case, settings, fresh):
    expected = fresh.expected[case]
    first, *others = (
        load(cls(SETTINGS[settings]), fresh.folder / case / f"{settings}.{name}", case)
        for name, cls in RECORDERS.items()
    )
    for other in others:
        assert_same(first, other)
    if "params" in expected and "start" not in expected:
        found = dict(params(first))
        if case == "linear_column_layout":  # Burn stores this layout transposed
            weight = found["weight"]
            found["weight"] = d2lrec.Param(weight.id, weight.tensor.t())
        assert_stored(found, expected["params"], settings)
    elif case in PLAIN:
        assert_told(first, *expected.values(), settings)


@pytest.mark.parametrize("case", TWINS)
def test_the_twin_computes_what_burn_computes(case, fresh):
    expected = fresh.expected[case]
    output = golden.tensor(expected["output"])
    for name, cls in RECORDERS.items():
        net = TWINS[case]().eval()
        d2lrec.load_record(net, load(cls(), fresh.folder / case / f"full.{name}", case))
        same(forward(case, net, expected), output, atol=1e-5)


# What we write


def scrambled(net):
    """Give a module random parameters and running statistics."""
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(-1, 1)
        if name.endswith("running_var"):
            tensor.abs_().add_(0.25)
    return net.eval()


@pytest.mark.parametrize("case", TWINS)
def test_burn_reads_our_modules(case, burn, fresh, tmp_path):
    inputs = {k: v for k, v in fresh.expected[case].items() if k in INPUTS}
    net = scrambled(TWINS[case]())
    jobs = []
    for form in FORMS:
        save(form, net, tmp_path / f"{case}-{form[0]}")
        jobs.append(job(case, form, **inputs))
    for asked, answer in zip(jobs, burn.read(tmp_path, jobs), strict=True):
        assert_copied(tmp_path, asked)
        found = dict(params(d2lrec.into_record(net)))
        assert_stored(found, answer["params"], asked["settings"])
        recorder = RECORDERS[asked["recorder"]](SETTINGS[asked["settings"]])
        path = tmp_path / f"{asked['file']}.{asked['recorder']}"
        twin = d2lrec.load_record(TWINS[case]().eval(), load(recorder, path, case))
        output = golden.tensor(answer["output"])
        same(forward(case, twin, inputs), output, atol=1e-5)


@pytest.mark.parametrize("case", UNSTORED)
def test_tensors_that_no_record_keeps(case, burn, fresh, tmp_path):
    """A loss's weights, or a table: only bincode tells whether there are any."""
    expected = fresh.expected[case]
    inputs = {name: expected[name] for name in INPUTS if name in expected}
    jobs = []
    for form in FORMS:
        settings, name = form
        path = fresh.folder / case / f"{settings}.{name}"
        source = path.read_bytes() if name.startswith("bytes") else path
        net, reverse = UNSTORED[case](), UNSTORED[case](reverse=True)
        record = RECORDERS[name](SETTINGS[settings]).load(source, like=reverse)
        for item in (record, d2lrec.load_record(net, record)):
            copy = save(form, item, tmp_path / f"{case}-{settings}")
            assert unpacked(copy) == unpacked(path), form
        d2lrec.load_record(reverse, record)
        save(form, reverse, tmp_path / f"reverse-{settings}")
        asked = job(case, form, **inputs)
        jobs += [asked, {**asked, "file": f"reverse-{settings}"}]
    for asked, answer in zip(jobs, burn.read(tmp_path, jobs), strict=True):
        assert_copied(tmp_path, {**asked, "file": f"{case}-{asked['settings']}"})
        found = dict(params(d2lrec.into_record(net)))
        assert_stored(found, answer["params"], asked["settings"])
        if inputs:
            output = forward(case, net.eval(), inputs)
            atol = 2e-3 if asked["settings"] == "half" else 1e-5
            same(output, golden.tensor(answer["output"]), atol=atol)


@pytest.mark.parametrize("case", ["mlp", "conv_net", "typed", "adam"])
def test_burn_reads_past_our_checksums(case, burn, fresh, tmp_path):
    jobs = []
    for form in FORMS:
        settings, name = form
        path = fresh.folder / case / f"{settings}.{name}"
        item = load(RECORDERS[name](SETTINGS[settings]), path, case)
        summed = save(
            form, item, tmp_path / f"summed-{settings}", like(case), checksum=True
        )
        again = load(RECORDERS[name](SETTINGS[settings], checksum=True), summed, case)
        assert_same(item, again)
        save(form, item, tmp_path / f"{case}-{settings}", like(case))
        save(form, TWINS["mlp"](), tmp_path / f"net-{settings}", checksum=True)
        asked = job(case, form, net=f"net-{settings}")
        jobs.append({**asked, "file": f"summed-{settings}"})
    for asked, answer in zip(jobs, burn.read(tmp_path, jobs), strict=True):
        assert "params" in answer, (asked, answer)
        assert_copied(tmp_path, {**asked, "file": f"{case}-{asked['settings']}"})


# Floats of few digits, which Burn reads from JSON as they are: see INEXACT.
PLAIN = {
    "tensor": lambda: torch.randn(4),
    "list": lambda: [torch.randn(4), torch.randn(3)],
    "pair": lambda: (torch.randn(4), torch.randn(2, 2)),
    "progress": lambda: {
        "epoch": 2**40,
        "loss": random.randrange(-(10**6), 10**6) / 64,
        "best": -0.0,
        "seen": -(2**63),
        "delta": 2**31 - 1,
        "small": -1,
        "byte": 128,
        "done": False,
        "name": "\x00\x1f\x7f\u2028 \\ / 進度 \U0001f600",
        "history": [0.0, 1e-300, 1e-7, 1e-5, 123456789.0, 1e15, 1e16, 1e21, 1e300],
        "window": [0, 251, 65535],
        "pair": (random.getrandbits(63), ""),
        "weights": torch.randn(2, 3),
        "mask": torch.rand(7) < 0.5,
        "counts": torch.randint(-(2**15), 2**15, (5,)),
        "extra": None,
        "nothing": torch.randn(2),
        "parts": [torch.randn(n) for n in range(4)],
    },
}


@pytest.mark.parametrize("case", PLAIN)
def test_burn_reads_our_trees(case, burn, tmp_path):
    item = PLAIN[case]()
    jobs = []
    for form in FORMS:
        save(form, item, tmp_path / f"{case}-{form[0]}", STRUCTURES[case])
        jobs.append(job(case, form))
    for asked, answer in zip(jobs, burn.read(tmp_path, jobs), strict=True):
        assert_copied(tmp_path, asked)
        assert_told(item, *answer.values(), asked["settings"])


# Training that goes on


def net_of(stored):
    """Make the net of the optimizer cases, with these parameters and their ids."""
    net = MLP()
    tree = d2lrec.into_record(net)
    for param in stored:
        layer, name = param["path"].split(".")
        number = encode_id(int(param["id"]))
        tree[layer][name] = d2lrec.Param(number, golden.tensor(param))
    return d2lrec.load_record(net, tree)


def optimizer_of(case, net):
    kind, options = OPTIMIZERS[case]
    return kind(net.parameters(), lr=0.05, **options)


def train(net, optimizer, stored, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        net(golden.tensor(stored)).square().mean().backward()
        optimizer.step()


def assert_trained(net, stored, case):
    # Burn adds RMSprop's epsilon elsewhere.
    atol = 1e-4 if case.startswith("rmsprop") else 1e-5
    record = d2lrec.into_record(net)
    for param in stored:
        layer, name = param["path"].split(".")
        found = record[layer][name]
        assert golden.id_number(found.id) == param["id"]
        same(found.tensor, golden.tensor(param), atol=atol, rtol=1e-4)


def training_jobs(case, folder, net, item, stored):
    """Save an optimizer and its net in every form, and let Burn make two steps more."""
    for form in FORMS:
        settings, _ = form
        save(form, item, folder / f"{case}-{settings}", STRUCTURES[case])
        save(form, net, folder / f"net-{settings}")
        yield job(case, form, net=f"net-{settings}", input=stored, steps=2)


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_pytorch_goes_on_where_burn_stopped(case, burn, fresh, tmp_path):
    expected = fresh.expected[case]
    stored = expected["input"]
    recorder = d2lrec.DefaultFileRecorder()
    net = net_of(expected["params"])
    optimizer = optimizer_of(case, net)
    record = recorder.load(fresh.folder / case / "full.mpk", like=(optimizer, net))
    d2lrec.load_record(optimizer, record, net)
    asked = [*training_jobs(case, tmp_path, net, record, stored)]
    answers = burn.read(tmp_path, asked)
    train(net, optimizer, stored, 2)
    for ask, answer in zip(asked, answers, strict=True):
        assert_copied(tmp_path, ask)
        if ask["settings"] != "half":
            assert_trained(net, answer["params"], case)


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_burn_goes_on_where_pytorch_stopped(case, burn, fresh, tmp_path):
    stored = fresh.expected[case]["input"]
    net = MLP()
    optimizer = optimizer_of(case, net)
    train(net, optimizer, stored, 3)
    asked = [*training_jobs(case, tmp_path, net, (optimizer, net), stored)]
    answers = burn.read(tmp_path, asked)
    train(net, optimizer, stored, 2)
    for ask, answer in zip(asked, answers, strict=True):
        assert_copied(tmp_path, ask)
        if ask["settings"] != "half":
            assert_trained(net, answer["params"], case)


@pytest.mark.parametrize("case", SCHEDULERS)
def test_schedulers_go_on_on_either_side(case, burn, fresh, tmp_path):
    optimizer, scheduler = schedule(case)
    path = fresh.folder / case / "full.mpk"
    record = d2lrec.DefaultFileRecorder().load(path, like=scheduler)
    d2lrec.load_record(scheduler, record)
    assert scheduler.last_epoch == fresh.expected[case]["steps"]
    asked = []
    for form in FORMS:
        save(form, scheduler, tmp_path / f"{case}-{form[0]}", scheduler)
        asked.append(job(case, form, steps=3))
    answers = burn.read(tmp_path, asked)
    expected = rates(optimizer, scheduler, 3)
    for ask, answer in zip(asked, answers, strict=True):
        assert_copied(tmp_path, ask)
        assert answer["learning_rates"] == pytest.approx(expected, rel=1e-9)


# The program itself


def test_burn_says_what_it_cannot_read_and_goes_on(burn, tmp_path):
    form = ("full", "mpk")
    save(form, TWINS["embedding"](), tmp_path / "lstm-full")
    cut = save(form, TWINS["layer_norm"](), tmp_path / "layer_norm-full")
    cut.write_bytes(cut.read_bytes()[:-20])
    one_layer = TWINS["transformer_encoder_norm_first"]()
    save(form, one_layer, tmp_path / "transformer_encoder-full")
    save(form, TWINS["linear"](), tmp_path / "linear-full")
    cases = ["lstm", "layer_norm", "prelu", "transformer_encoder", "linear"]
    answers = burn.read(tmp_path, [job(case, form) for case in cases])
    for answer, word in zip(answers, ["field", "Eof", "FileNotFound"], strict=False):
        assert word in answer["error"]
    assert "vec record" in answers[3]["panic"]
    assert "params" in answers[4]


def test_the_golden_files_can_be_made_anew(burn, tmp_path):
    burn("golden", tmp_path)
    expected = json.loads((tmp_path / "expected.json").read_text())
    assert list(expected) == list(golden.EXPECTED)
    for path in sorted(golden.FOLDER.glob("*/*")):
        again = tmp_path / path.relative_to(golden.FOLDER)
        case = path.parent.name
        if "start" not in golden.EXPECTED[case]:
            assert unpacked(again) == unpacked(path), path
            continue
        # Sums of floats differ from processor to processor in the last bits, and the
        # order of an optimizer's entries from run to run.
        settings, name = path.name.split(".", 1)
        recorder = RECORDERS[name](SETTINGS[settings])
        one, other = (dict(load(recorder, p, case)) for p in (path, again))
        assert_close(one, other, atol=1e-3 if settings == "half" else 1e-6)
