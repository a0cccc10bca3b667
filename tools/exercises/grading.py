"""Running a submission, seen from outside: start a process, tell it cells and tests."""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

from tools.exercises.runner import MAX_TEXT, Limits, work

ROOT = Path(__file__).resolve().parents[2]
MAX_MESSAGE = 1 << 16
START_SECONDS = 60
STARTING = threading.Lock()
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tools.exercises.warm"])


class CannotRun(Exception):
    """No submission can be run here; the text says why and what to do."""


@dataclass
class Run:
    """What became of one process: the faults of cells and tests, and how it ended."""

    at: int = -1
    ready: bool = False
    cells: dict[int, dict] = field(default_factory=dict)
    tests: dict[int, dict | None] = field(default_factory=dict)
    end: dict | None = None

    def hear(self, said: dict, nonce: str, cells: int, tests: int) -> bool:
        """Note what a process says; whether it is ready for its tests.

        Anything may be said by a student's code as well: raises `ValueError` for what
        the process itself would not say.
        """
        if said.get("ready") is True and not self.ready:
            self.ready = True
            return True
        if self.ready and said.get("nonce") == nonce:
            self.tests[_number(said["test"], len(self.tests), tests)] = _fault(
                said["error"]
            )
        elif not self.ready:
            self.at = _number(said["at"], self.at, cells)
            if "error" in said:
                self.cells[self.at] = _fault(said["error"])
        else:
            raise ValueError("not what the process would say")
        return False


def _number(said: object, least: int, most: int) -> int:
    if not isinstance(said, int) or not least <= said < most:
        raise ValueError(f"not a number that is expected: {said}")
    return said


def _fault(said: object) -> dict | None:
    """What is said to have failed, as text of bounded length."""
    if said is None:
        return None
    if not isinstance(said, dict):
        raise ValueError("not a fault")
    words = {key: str(said.get(key, ""))[:MAX_TEXT] for key in ("kind", "text", "line")}
    return words | {"assert": said.get("assert") is True}


@dataclass(frozen=True)
class Room:
    """Where and within which limits submissions are run."""

    limits: Limits = field(default_factory=Limits)
    hidden: tuple[Path, ...] = ()
    safe: bool = True

    def run(self, cells: list[list[str]], tests: list[list[str]]) -> Run:
        """Run cells, then tests, in a process of their own."""
        _start_server()
        with tempfile.TemporaryDirectory(prefix="d2lrec-grade-") as desk:
            ours, theirs = CONTEXT.Pipe()
            place = None if self.safe else desk
            arguments = (theirs, self.limits, list(self.hidden), place)
            process = CONTEXT.Process(target=work, args=arguments, daemon=True)
            process.start()
            theirs.close()
            try:
                return _converse(ours, process, cells, tests, self.limits.seconds)
            finally:
                _end(process, group=not self.safe)
                ours.close()


def _start_server() -> None:
    """Start the process that all others are copies of, once."""
    if sys.platform == "win32":
        raise CannotRun("Windows has no fork: grade in WSL, or with nbgrader.")
    given = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    with STARTING:
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        try:
            forkserver.ensure_running()
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def _converse(
    channel: Connection,
    process: multiprocessing.Process,
    cells: list[list[str]],
    tests: list[list[str]],
    seconds: int,
) -> Run:
    run, nonce = Run(), secrets.token_hex()
    deadline = time.monotonic() + START_SECONDS
    try:
        _send(channel, cells)
        while len(run.tests) < len(tests):
            if not channel.poll(max(0.0, deadline - time.monotonic())):
                run.end = {"kind": "timeout", "text": str(seconds)}
                return run
            said = json.loads(channel.recv_bytes(MAX_MESSAGE))
            if "refused" in said and run.at < 0:
                raise CannotRun(str(said["refused"]))
            if run.at < 0 and not run.ready:  # it is there: now its time begins
                deadline = time.monotonic() + seconds
            if run.hear(said, nonce, len(cells), len(tests)):
                _send(channel, {"tests": tests, "nonce": nonce})
    except (EOFError, ConnectionError):
        process.join(5)
        run.end = {"kind": "ended", "text": _how(process.exitcode)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        run.end = {"kind": "disturbed"}
    return run


def _send(channel: Connection, message: object) -> None:
    channel.send_bytes(json.dumps(message).encode())


def _how(code: int | None) -> str:
    """An exit status in words: the name of a signal, or the number."""
    number = -code if code is not None and code < 0 else (code or 0) - 128
    with suppress(ValueError):
        return signal.Signals(number).name
    return str(code)


def _end(process: multiprocessing.Process, *, group: bool) -> None:
    if group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()
    process.close()
