"""What happens inside a process that a student's code runs in.

The process is a copy of one that has imported what exercises use, so that it starts
in milliseconds. It gets the cells, runs them, says that it is ready, and only then
gets the tests. What it is told and what it answers is JSON: nothing that a student's
code can send is unpickled outside.
"""

from __future__ import annotations

import builtins
import json
import linecache
import os
import re
import resource
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tools.exercises import sandbox

MEGABYTE = 1 << 20
MAX_TEXT = 2000
CELL = "<cell "
OURS = re.compile(r"-test\d+>$|-exercises-\d+>$")  # tests and given cells
KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "OMP_NUM_THREADS", "MPLBACKEND")


@dataclass(frozen=True)
class Limits:
    """What one exercise of one submission may use."""

    seconds: int = 20
    memory: int = 2048
    files: int = 256
    processes: int = 64


def work(
    channel: Connection, limits: Limits, hidden: list[Path], desk: str | None
) -> None:
    """Run cells and tests, told and answered through `channel`.

    With a `desk`, a folder to work in, there is no sandbox.
    """
    sys.setrecursionlimit(1000)
    silence(channel)
    try:
        os.setsid()  # who stops the grading by Ctrl-C gives no bad grades by it
        if desk is None:
            sandbox.enclose(limits.files * MEGABYTE, hidden)
        else:
            os.chdir(desk)
    except (sandbox.NoSandbox, OSError) as error:
        _tell(channel, refused=str(error))
        os._exit(1)
    set_limits(limits, sandboxed=desk is None)
    home = desk or sandbox.DESK
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    os.environ.clear()
    os.environ.update(kept, HOME=home, TMPDIR=home, MPLCONFIGDIR=home)
    sys.path[:] = ["", *filter(None, sys.path)]  # the folder itself, as in Jupyter
    try:
        _run(channel)
    finally:
        os._exit(0)


def silence(channel: Connection) -> None:
    """Keep nothing open but the channel; what is printed goes nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    kept = channel.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, 4096)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        file = open(number, "r" if number == 0 else "w", closefd=False)
        setattr(sys, name, file)


def set_limits(limits: Limits, *, sandboxed: bool) -> None:
    """Bound memory, files, processes and time; there is no way back."""
    import torch

    torch.set_num_threads(1)
    linux = sys.platform == "linux"
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if linux else 0
    now = pages * resource.getpagesize()
    wanted = {
        "RLIMIT_AS": now + limits.memory * MEGABYTE if linux else None,
        "RLIMIT_FSIZE": limits.files * MEGABYTE,
        # outside a sandbox, all that this user runs would count
        "RLIMIT_NPROC": limits.processes if sandboxed else None,
        "RLIMIT_CPU": limits.seconds + 5,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 1024,
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None or value is None:
            continue
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            value = min(value, most)
        resource.setrlimit(kind, (value, value))


def _tell(channel: Connection, **words: object) -> None:
    channel.send_bytes(json.dumps(words).encode())


def _run(channel: Connection) -> None:
    """The conversation: cells in, then tests in, a verdict for each."""
    namespace = _namespace()
    cells = json.loads(channel.recv_bytes())
    for number, (name, source) in enumerate(cells):
        _tell(channel, at=number)
        if error := run_cell(name, source, namespace):
            _tell(channel, at=number, error=error)
    _tell(channel, ready=True)
    question = json.loads(channel.recv_bytes())
    for number, (name, source) in enumerate(question["tests"]):
        error = run_cell(name, source, namespace)
        _tell(channel, test=number, error=error, nonce=question["nonce"])


def _namespace() -> dict:
    """The names that a notebook has from the start."""
    from IPython.display import display

    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    module.__dict__.update(
        __builtins__=builtins, display=display, get_ipython=_get_ipython
    )
    return module.__dict__


def _get_ipython() -> object:
    """A shell, for those who use one: `!` and `%` need it."""
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.history_load_length = 0
    return InteractiveShell.instance()


def run_cell(name: str, source: str, namespace: dict) -> dict | None:
    """Run one cell as a notebook would; what went wrong, or None."""
    from IPython.core.inputtransformer2 import TransformerManager

    label = f"{CELL}{name}>"
    try:
        code = TransformerManager().transform_cell(source)
        lines = code.splitlines(keepends=True)
        linecache.cache[label] = (len(code), None, lines, label)
        exec(compile(code, label, "exec"), namespace)
    except BaseException as error:
        return _describe(error, label)
    return None


def _describe(error: BaseException, label: str) -> dict:
    """An error as plain text: of what kind, what it says, in which line of whose."""
    found = {"kind": type(error).__name__, "text": _text(lambda: str(error))}
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if frame.filename.startswith(CELL):
            found |= {"where": frame.filename, "line": frame.line or ""}
            break
    if isinstance(error, SyntaxError):
        line = _text(lambda: (error.text or "").strip())
        found |= {"where": label, "line": line, "text": _text(lambda: error.msg)}
    ours = OURS.search(found.get("where", "")) is not None  # a test may call another's
    found["assert"] = isinstance(error, AssertionError) and ours
    return found


def _text(ask: Callable[[], str]) -> str:
    """What an object of a student's says of itself, if it says anything."""
    try:
        return str(ask())[:MAX_TEXT]
    except BaseException:
        return ""
