"""20,000 mutated files, and what the fuzzers kept: only our own errors come out."""

import random
import resource
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import d2lrec

FUZZ = Path(__file__).parent / "fuzz"
sys.path.insert(0, str(FUZZ))

import run  # noqa: E402
import targets  # noqa: E402
from mutations import mutate  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::d2lrec.PrecisionWarning")
CORPUS = sorted(path for path in (FUZZ / "corpus").rglob("*") if path.is_file())


@pytest.mark.parametrize("chunk", range(20))
def test_mutated_files(chunk):
    """Run anew with `python tests/fuzz/run.py --only NUMBER`."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slowest = read = 0
    for number in range(1000 * chunk, 1000 * chunk + 1000):
        start = time.perf_counter()
        _, good = run.one(number)
        slowest = max(slowest, time.perf_counter() - start)
        read += good
    assert 50 < read < 500  # some damage is none, most is seen
    assert slowest < 60  # no hang: some thousandths of a second on an idle machine
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * (1 << 10 if sys.platform == "linux" else 1 << 20)


@pytest.mark.parametrize("target", targets.TARGETS)
def test_what_the_fuzzers_kept(target):
    inputs = [path for path in CORPUS if path.parent.name == target]
    assert inputs
    for path in inputs:
        targets.TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", targets.TARGETS)
@given(data=st.binary(max_size=300))
def test_any_bytes(target, data):
    targets.TARGETS[target](data)


def test_mutations_are_the_same_each_time():
    others = [b"abc" * 20, bytes(range(256))]
    for number in range(200):
        one, two = (mutate(random.Random(number), b"0123456789", others) for _ in "12")
        assert one == two
    changed = {mutate(random.Random(n), b"0123456789", others) for n in range(200)}
    assert len(changed) > 150
    for number in range(200):
        assert len(mutate(random.Random(number), b"", others)) < 50_000


def test_a_find_would_be_seen(monkeypatch):
    """The net has no hole: an error that is not ours does not pass."""

    def fails(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(d2lrec.NamedMpkBytesRecorder, "load", fails)
    with pytest.raises(KeyError):
        targets.TARGETS["mpk"](b"\0")
