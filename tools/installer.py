"""Makes `.venv` and fills it; whatever goes wrong, no half of it stays."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.environment import (
    AGAIN,
    GB,
    PYTHON,
    ROOT,
    STAMP,
    VENV,
    SetupError,
    check_disk,
    check_torch,
    installed_torch,
    pinned_torch,
    read_stamp,
    sizes,
    to_be_made,
    wanted_stamp,
)

LOG = ROOT / "build" / "setup.log"
TEMPORARY = VENV / "tmp"

FULL_DISK = re.compile(r"No space left on device|Errno 28\b|Disk quota exceeded")
NO_NETWORK = re.compile(
    r"Retry\(total=0|Max retries exceeded|NewConnectionError|ConnectTimeout|ProxyError"
    r"|Name or service not known|Temporary failure in name resolution"
    r"|Network is unreachable|Connection refused|Connection aborted|Read timed out"
)


class NoNetworkError(SetupError):
    """pip reached no index; what was installed before is as it was."""


def set_up() -> None:
    """Make `.venv`, or bring it up to date.

    Raises:
        SetupError: Something failed. A fresh `.venv` is gone again; an older one is
            kept if nothing in it was touched, and otherwise made anew the next time.
    """
    check_modules()
    stamp, wanted, fresh = read_stamp(), wanted_stamp(), to_be_made()
    if stamp == wanted:
        remedy = f"To have it back: make clean-env, {AGAIN}"
        check_torch(installed_torch(), str(VENV), remedy)
    with_cache = check_disk() if fresh else True
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_bytes(b"")
    try:
        verb = "Making" if fresh else "Updating"
        say(f"[1/3] {verb} .venv with Python {wanted['python']}")
        if fresh:
            make_venv()
        elif stamp is not None:
            STAMP.write_text("unfinished")
        amount = (
            f"{sizes()[1] / GB:.1f} GB to download, once" if fresh else "what is new"
        )
        say(f"[2/3] Downloading and installing ({amount})")
        install(fresh, with_cache)
        say("[3/3] Starting PyTorch for the first time")
        run([PYTHON, "-I", "-c", "import torch"])
        check_torch(installed_torch(), str(VENV), f"Run make clean-env, {AGAIN}")
    except BaseException as error:
        if fresh:
            shutil.rmtree(VENV, ignore_errors=True)
        elif stamp and isinstance(error, NoNetworkError):
            STAMP.write_text(json.dumps(stamp))
        raise
    STAMP.write_text(json.dumps(wanted))
    LOG.unlink()


def check_modules() -> None:
    """Refuse a Python without venv or pip: Debian packages them apart."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            f"Python {version} ({sys.executable}) cannot make environments: {error}. "
            f"On Debian and Ubuntu: sudo apt install python{version}-venv, {AGAIN}"
        ) from error


def make_venv() -> None:
    """Make an empty environment that is marked as unfinished."""
    # The Python that runs this may be the one in the .venv that goes away.
    base = getattr(sys, "_base_executable", "") or sys.executable
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    STAMP.write_text("unfinished")
    run([base, "-I", "-m", "venv", VENV])


def install(fresh: bool, with_cache: bool) -> None:
    """Install what pyproject.toml asks for, in the versions of constraints.txt."""
    pip: list[str | Path] = [PYTHON, "-I", "-m", "pip", "install"]
    pip += ["--progress-bar", "off", "--constraint", "constraints.txt"]
    TEMPORARY.mkdir(exist_ok=True)
    environment, progress = pip_environment(with_cache), Progress(fresh)
    try:
        # Small, so that a missing network is known soon; and here, so that the
        # project is built with a pinned version of it.
        run([*pip, "setuptools"], environment, progress)
        if index := os.environ.get("TORCH_INDEX"):
            torch = f"torch=={pinned_torch()[0]}"
            run([*pip, "--no-deps", "--index-url", index, torch], environment, progress)
        project = ["--no-build-isolation", "-e", ".[book,test]"]
        run([*pip, *project], environment, progress)
    finally:
        progress.clear()
        shutil.rmtree(TEMPORARY, ignore_errors=True)


def pip_environment(with_cache: bool) -> dict[str, str]:
    """Return pip's environment variables; what the user has set up for it stays."""
    environment = {"PIP_RETRIES": "2", "PIP_DEFAULT_TIMEOUT": "20", **os.environ}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    environment |= {"PIP_USER": "0", "PYTHONUNBUFFERED": "1"}
    # on the disk that was checked (/tmp is often small), and easy to measure and clear
    environment["TMPDIR"] = str(TEMPORARY)
    if not with_cache:
        environment["PIP_NO_CACHE_DIR"] = "1"
    return environment


def run(
    command: Sequence[str | Path],
    environment: dict[str, str] | None = None,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Run a command, its output going to the log.

    Raises:
        SetupError: The command failed; the text says why.
    """
    with LOG.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
        )
        try:
            while process.poll() is None:
                progress()
                try:
                    process.wait(timeout=0.3)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode:
        raise failure(command)


def failure(command: Sequence[str | Path]) -> SetupError:
    """Turn the log of a failed command into the line that helps."""
    text = LOG.read_text("utf-8", errors="replace")
    last = "\n    ".join([line for line in text.splitlines() if line.strip()][-8:])
    log = f"pip's own words: {LOG}"
    if FULL_DISK.search(text):
        return SetupError(f"The disk is full: {ROOT}. Make room, {AGAIN} ({log})")
    if NO_NETWORK.search(text):
        return NoNetworkError(
            "No network: pip could not reach its package index. Connect (behind a "
            f"proxy or with a mirror: see pip config), {AGAIN} ({log})"
        )
    words = " ".join(str(word) for word in command)
    return SetupError(f"Failed: {words}\n    {last}\nAll of it: {LOG}")


class Progress:
    """Shows how far pip is: on a terminal all the time, elsewhere once a minute."""

    def __init__(self, fresh: bool) -> None:
        self.fresh = fresh
        self.live = sys.stdout.isatty()
        self.shown = time.monotonic()
        self.free = shutil.disk_usage(ROOT).free

    def __call__(self) -> None:
        if self.live:
            print(f"\r      {self.text():<70}", end="", flush=True)
        elif time.monotonic() > self.shown + 60:
            self.shown = time.monotonic()
            say(f"      {self.text()}")

    def clear(self) -> None:
        """Leave the terminal's line empty."""
        if self.live:
            print(f"\r{'':<76}\r", end="", flush=True)

    def text(self) -> str:
        """Say what pip is at, from its log and from what it has written so far."""
        kept, downloaded = sizes()
        free = shutil.disk_usage(ROOT).free
        log = LOG.read_text("utf-8", errors="replace")
        packages = re.findall(r"^Installing collected packages: (.*)", log, re.M)
        if len(packages) < 2:  # the first was setuptools
            self.free = free
            files = [file for file in TEMPORARY.rglob("*") if file.is_file()]
            so_far = sum(file.stat().st_size for file in files if file.exists()) / GB
            return f"{so_far:.2f}{self.of(downloaded)} GB downloaded"
        count = packages[-1].count(",") + 1
        written = min(max(self.free - free, 0), kept) / GB
        return f"installing {count} packages: {written:.1f}{self.of(kept)} GB"

    def of(self, total: float) -> str:
        """Name the total, where it is known beforehand."""
        return f" of about {total / GB:.1f}" if self.fresh else ""


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)
