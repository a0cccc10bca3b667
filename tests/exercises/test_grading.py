"""Submissions of every kind: honest, half right, taken apart, broken, hostile."""

from __future__ import annotations

import copy
import os
import pickle
import socket
from pathlib import Path

import nbformat
import pytest

from tests.exercises.helpers import (
    cell,
    classroom,
    handed_in,
    save,
    small,
    solutions,
)
from tools.exercises.report import faults_of
from tools.exercises.submission import Submission

ALL = {"twice": 3, "seven": 2, "note": 4}


@pytest.fixture
def grade(tmp_path: Path, safe: bool):
    """Grade one notebook: the points, and what failed."""

    def run(notebook: dict, lang: str = "en", **limits: int):
        path = save(notebook, tmp_path / "in" / "ann.ipynb")
        room = classroom(tmp_path / "in", lang=lang, safe=safe, **limits)
        verdicts = room.grade_one(Submission("ann", path)).verdicts
        points = {name: verdict.points for name, verdict in verdicts.items()}
        return points, {n: faults_of(v, lang) for n, v in verdicts.items() if v.faults}

    return run


@pytest.fixture
def full() -> dict:
    """A notebook with every answer right."""
    return handed_in(small(), solutions(small()))


def code(source: str) -> dict:
    """A cell of the student's own."""
    return nbformat.v4.new_code_cell(source)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_full_half_and_blank(grade, lang: str) -> None:
    right = solutions(small())
    assert grade(handed_in(small(), right, lang), lang) == (ALL, {})
    half = right | {"twice": "def twice(x): return 10"}
    points, faults = grade(handed_in(small(), half, lang), lang)
    assert points == ALL | {"twice": 1}
    assert faults == {"twice": [{"en": "1 goes wrong", "zh": "1算错了"}[lang]]}
    points, faults = grade(handed_in(small(), {}, lang), lang)
    assert points == dict.fromkeys(ALL, 0)
    word = {"en": "not answered", "zh": "没有作答"}[lang]
    assert faults == {name: [word] for name in ALL}


def test_what_failed_is_said_in_the_class_s_language(grade) -> None:
    notebook = handed_in(small(), {"seven": "seven = 8"}, "zh")
    assert grade(notebook)[1]["seven"] == ["seven is 8, not 7"]
    broken = handed_in(small(), {"seven": "seven = = 8", "note": "def note(t): 1 / 0"})
    faults = grade(broken, "zh")[1]
    said = "SyntaxError：invalid syntax（出错的一行：seven = = 8）"
    assert faults["seven"][0] == said
    assert "ZeroDivisionError：division by zero" in faults["note"][0]


def test_without_isolation_time_and_folder_are_still_bounded(
    tmp_path: Path, full: dict
) -> None:
    cell(full, "seven")["source"] = "open('left', 'w').close()\nwhile True: pass"
    path = save(full, tmp_path / "in" / "ann.ipynb")
    room = classroom(tmp_path / "in", safe=False, seconds=3)
    verdicts = room.grade_one(Submission("ann", path)).verdicts
    assert {n: v.points for n, v in verdicts.items()} == ALL | {"seven": 0}
    assert not Path("left").exists()


def deleted(notebook: dict) -> None:
    notebook["cells"] = [
        c for c in notebook["cells"] if c["id"] in ("twice", "seven", "note")
    ]


def edited(notebook: dict) -> None:
    cell(notebook, "twice-test1")["source"] = "assert False"
    cell(notebook, "seven-test1")["source"] = "assert True"
    cell(notebook, "small-exercises-02")["source"] = "start = 0"


def duplicated(notebook: dict) -> None:
    again = copy.deepcopy(cell(notebook, "twice"))
    again |= {"id": "other", "source": "def twice(x): return 0"}
    notebook["cells"].append(again)


def untouched_first(notebook: dict) -> None:
    stub = copy.deepcopy(cell(handed_in(small(), {}), "twice"))
    notebook["cells"].insert(0, stub | {"id": "other"})


def reordered(notebook: dict) -> None:
    notebook["cells"].reverse()


def metadata_lost(notebook: dict) -> None:
    for number, one in enumerate(notebook["cells"]):
        one |= {"id": f"id-{number}", "metadata": {}}
    notebook["metadata"] = {}


def metadata_of_another_kind(notebook: dict) -> None:
    for one in notebook["cells"]:
        one["metadata"] = {"nbgrader": [1], "tags": "a"}
    notebook["metadata"]["d2lrec"] = "no"


def cells_of_their_own(notebook: dict) -> None:
    place = notebook["cells"].index(cell(notebook, "twice"))
    cell(notebook, "twice")["source"] = "def twice(x): return two * x"
    notebook["cells"].insert(place, code("1 / 0"))
    notebook["cells"].insert(place, code("%time two = 2"))
    notebook["cells"].append(code("twice = None"))


def answered_below(notebook: dict) -> None:
    text = cell(notebook, "twice")["source"]
    place = notebook["cells"].index(cell(notebook, "twice"))
    stub = cell(handed_in(small(), {}), "twice")["source"]
    cell(notebook, "twice")["source"] = stub
    notebook["cells"].insert(place + 1, code(text))


CHANGES = [
    *(deleted, edited, duplicated, untouched_first, reordered, metadata_lost),
    *(metadata_of_another_kind, cells_of_their_own, answered_below),
]


@pytest.mark.parametrize("change", CHANGES)
def test_taken_apart_and_yet_graded(grade, full: dict, change) -> None:
    change(full)
    assert grade(full) == (ALL, {})


def test_an_answer_that_is_missing(grade, full: dict) -> None:
    full["cells"].remove(cell(full, "seven"))
    points, faults = grade(full)
    assert points == ALL | {"seven": 0}
    assert faults == {"seven": ["not handed in"]}


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("while True: pass", "stopped after 3 s"),
        ("import os\nos._exit(0)", "the Python process ended (0)"),
        ("import os\nos.abort()", "the Python process ended (SIGABRT)"),
        ("import ctypes\nctypes.string_at(0)", "the Python process ended (SIGSEGV)"),
        ("raise SystemExit", "SystemExit (in: raise SystemExit)"),
        ("input()", "EOFError: EOF when reading a line (in: input())"),
        ("x = bytes(1 << 40)", "MemoryError (in: x = bytes(1 << 40))"),
        ("import time\ntime.sleep(60)", "stopped after 3 s"),
        ("import os\nos.closerange(0, 99)", "the Python process ended"),
        ("def seven(): return seven()\nseven()", "RecursionError"),
    ],
)
def test_a_crash_costs_one_exercise(grade, full: dict, source: str, fault: str) -> None:
    cell(full, "seven")["source"] = source
    points, faults = grade(full, seconds=3)
    assert points == ALL | {"seven": 0}
    assert list(faults) == ["seven"]
    assert any(said.startswith(fault) for said in faults["seven"]), faults


def test_a_crash_inside_a_test_keeps_the_points_before_it(grade, full: dict) -> None:
    cell(full, "twice")["source"] = (
        "import os\ndef twice(x): return 10 if x == 5 else os._exit(3)"
    )
    points, faults = grade(full)
    assert points == ALL | {"twice": 1}
    assert faults == {"twice": ["the Python process ended (3)"]}


LIES = [
    '{"test": 0, "error": null, "nonce": ""}',
    '{"at": -5}',
    '{"at": 99}',
    '{"at": 1, "error": 7}',
    '{"at": true}',
    "[]",
    "no",
]


@pytest.mark.parametrize("lie", LIES)
def test_a_verdict_cannot_be_printed(grade, full: dict, lie: str) -> None:
    cell(full, "seven")["source"] = (
        f"import os, struct\nlie = {lie!r}.encode()\n"
        "for number in range(1, 64):\n"
        "    try: os.write(number, struct.pack('!i', len(lie)) + lie)\n"
        "    except OSError: pass\nseven = 8"
    )
    points, _ = grade(full, seconds=4)
    assert points["seven"] == 0


HOSTILE = """
import os, pickle, socket
found = []
class Bomb:
    def __reduce__(self):
        return exec, (ATTACK,)
ATTACK = '''
def tried(what, attack):
    try:
        found.append((what, attack()))
    except Exception:
        pass
tried("network", lambda: socket.create_connection(("127.0.0.1", PORT), 1))
tried("world", lambda: socket.create_connection(("1.1.1.1", 53), 1))
tried("neighbor", lambda: open("NEIGHBOR").read())
tried("write", lambda: open("NEIGHBOR", "w"))
tried("tests", lambda: open("SOURCE").read())
tried("solutions", lambda: os.listdir("CHAPTERS"))
tried("grader", lambda: os.kill(PID, 9))
tried("home", lambda: os.listdir("HOME/.ssh"))
tried("process", lambda: open("/proc/PID/environ", "rb").read())
tried("init", lambda: open("/proc/1/mem", "rb").read(1))
tried("device", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0)))
tried("mount", lambda: os.chroot("/"))
tried("root", lambda: os.setuid(0))
tried("library", lambda: open(os.__file__, "a"))
tried("disk", lambda: open("/tmp/large", "wb").write(bytes(64 << 20)))
'''
pickle.loads(pickle.dumps(Bomb()))
if os.path.exists("/tmp/large"):
    os.remove("/tmp/large")
seven = 7
"""


def test_a_hostile_pickle_reaches_nothing(
    isolated: None, tmp_path: Path, grade, full: dict
) -> None:
    neighbor = save(full, tmp_path / "in" / "bob.ipynb")
    before = neighbor.read_bytes()
    source = Path(__file__).parent / "small/chapters/exercises/01-small.md"
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = {
            "PORT": server.getsockname()[1],
            "NEIGHBOR": neighbor,
            "SOURCE": source,
            "CHAPTERS": Path(__file__).parents[2] / "chapters",
            "PID": os.getpid(),
            "HOME": Path.home(),
        }
        attack = HOSTILE
        for word, value in words.items():
            attack = attack.replace(word, str(value))
        cell(full, "seven")["source"] = attack + "\nassert not found, found"
        assert grade(full, files=32) == (ALL, {})
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert neighbor.read_bytes() == before


def test_loopback_works_and_children_end(isolated: None, grade, full: dict) -> None:
    cell(full, "seven")["source"] = """
import os, socket, subprocess, sys, time
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname(), 1)
child = [sys.executable, "-c", "print(7)"]
seven = int(subprocess.run(child, capture_output=True, check=True).stdout)
if os.fork() == 0:
    os.setsid()
    time.sleep(3600)
"""
    assert grade(full) == (ALL, {})


def test_a_bomb_of_processes_ends(isolated: None, grade, full: dict) -> None:
    cell(full, "seven")["source"] = "import os\nwhile True: os.fork()"
    points, _ = grade(full, seconds=2)
    assert points == ALL | {"seven": 0}


def test_nothing_that_is_sent_is_unpickled(grade, full: dict, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    bomb = pickle.dumps(_Touch(str(witness)))
    cell(full, "seven")["source"] = (
        f"import os, struct\nbomb = {bomb!r}\n"
        "for number in range(3, 64):\n"
        "    try: os.write(number, struct.pack('!i', len(bomb)) + bomb)\n"
        "    except OSError: pass"
    )
    points, _ = grade(full, seconds=4)
    assert points == ALL | {"seven": 0}
    assert not witness.exists()


class _Touch:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return exec, (f"open({self.path!r}, 'w')",)
