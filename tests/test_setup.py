"""Setting up: it ends well, or in one clear line with nothing half-made."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import environment, installer, setup_environment

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("__init__.py", "setup_environment.py", "environment.py", "installer.py")
OLD_NAMES = ("python2.7", "python2", *(f"python3.{minor}" for minor in range(4, 11)))
# a build backend that needs nothing installed
BACKEND = """
import zipfile

METADATA = '''Metadata-Version: 2.1
Name: d2lrec
Version: 0.1.0
Requires-Dist: torch
Provides-Extra: book
Provides-Extra: test
'''

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "d2lrec-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("d2lrec-0.1.0.dist-info/METADATA", METADATA)
        wheel.writestr("d2lrec-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\n"
            "Generator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("d2lrec-0.1.0.dist-info/RECORD", "")
    return name

build_wheel = build_editable
"""
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "backend"
backend-path = ["."]

[project]
name = "d2lrec"
"""


# --- a Python that will not do


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13)])
def test_an_old_python_is_named(version: tuple[int, ...]) -> None:
    found = ".".join(map(str, version))
    assert setup_environment.python_problem(version) == (
        f"Python {found} ({sys.executable}) is too old: this book needs Python 3.11 "
        "to 3.13. Install one of these and name it, for example: "
        "make book PYTHON=python3.13"
    )


def test_a_new_python_is_named() -> None:
    problem = setup_environment.python_problem((3, 14, 0))
    assert problem.startswith(f"Python 3.14.0 ({sys.executable}) is too new: this book")


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9), (3, 13, 0, "rc", 1)])
def test_a_supported_python_passes(version: tuple[int, ...]) -> None:
    assert setup_environment.python_problem(version) is None


def starts(python: str | Path) -> bool:
    """Say whether there is a Python behind a name: a pyenv shim may have none."""
    try:
        done = subprocess.run([python, "-c", ""], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def test_real_old_pythons_get_a_sentence() -> None:
    places = list(Path.home().glob(".pyenv/versions/*/bin"))
    found = [shutil.which(name) for name in OLD_NAMES]
    found += [shutil.which(name, path=str(p)) for p in places for name in OLD_NAMES]
    pythons = sorted({name for name in found if name and starts(name)})
    if not pythons:
        pytest.skip("no Python older than 3.11 here")
    for python in pythons:
        script = ROOT / "tools" / "setup_environment.py"
        done = subprocess.run([python, script], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert "is too old: this book needs Python 3.11 to 3.13." in done.stderr
        assert done.stderr.count("\n") == 1


def test_python_without_ensurepip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(
        environment.SetupError, match=r"cannot make environments: .*venv"
    ):
        installer.check_modules()


# --- a machine that will not do


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it be Linux, and PyTorch's ordinary build."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("TORCH_INDEX", raising=False)


def has_free(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    """Have so many bytes be free on the disk."""
    usage = shutil.disk_usage(ROOT)._replace(free=int(free))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


@pytest.mark.usefixtures("cuda")
def test_a_disk_too_full(monkeypatch: pytest.MonkeyPatch) -> None:
    has_free(monkeypatch, 3.2e9)
    with pytest.raises(environment.SetupError) as caught:
        environment.check_disk()
    assert str(caught.value) == (
        "The disk is too full: setting up needs 8.5 GB (5.5 GB for good), 3.2 GB are "
        f"free at {ROOT}. Make room or choose the CPU build (README), then run the "
        "same command again"
    )


@pytest.mark.usefixtures("cuda")
def test_the_small_build_needs_less(monkeypatch: pytest.MonkeyPatch) -> None:
    has_free(monkeypatch, 3.2e9)
    monkeypatch.setenv("TORCH_INDEX", "somewhere")
    assert environment.check_disk() is False  # not enough to keep the downloads
    has_free(monkeypatch, 4e9)
    assert environment.check_disk() is True
    has_free(monkeypatch, 1e9)
    with pytest.raises(environment.SetupError, match=r"Make room, then run"):
        environment.check_disk()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full: "),
        ("Retrying (Retry(total=0, connect=None)) after", "No network: "),
        ("ReadTimeoutError: Read timed out.", "No network: "),
        ("ERROR: Failed building wheel for spam", "Failed: pip install\n    Collec"),
    ],
)
def test_what_pip_says_becomes_a_line(
    words: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installer, "LOG", tmp_path / "setup.log")
    installer.LOG.write_text(f"Collecting spam\n{words}\n")
    error = installer.failure(["pip", "install"])
    assert str(error).startswith(expected)
    assert str(installer.LOG) in str(error)


# --- when .venv is made anew


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({}, False),
        ({"content": "other constraints"}, False),
        ({"python": "3.10"}, True),
        ({"place": "/where/the/project/was"}, True),
    ],
)
def test_what_does_not_fit_is_made_anew(
    change: dict[str, str], anew: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(environment, "STAMP", tmp_path / "stamp.json")
    environment.STAMP.write_text(json.dumps(environment.wanted_stamp() | change))
    assert environment.to_be_made() is anew


# --- a whole set-up, of a small project


def wheel(folder: Path, name: str, version: str) -> None:
    """Write a wheel that holds an empty package, and the page that lists it."""
    folder = folder / name
    folder.mkdir(parents=True)
    file = f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / file, "w") as content:
        content.writestr(f"{name}/__init__.py", "")
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        content.writestr(f"{info}/METADATA", head)
        tag = "Root-Is-Purelib: true\nTag: py3-none-any\n"
        content.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\n{tag}")
        content.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{file}">{file}</a>')


Setup = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose torch is empty, and two indexes made of files."""
    root = tmp_path_factory.mktemp("project")
    (root / "tools").mkdir()
    for name in SCRIPTS:
        shutil.copy(ROOT / "tools" / name, root / "tools")
    shutil.copy(ROOT / "Makefile", root)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND)
    (root / "constraints.txt").write_text("setuptools==84.2.1\ntorch==2.13.0\n")
    wheel(root / "index", "setuptools", "84.2.1")
    wheel(root / "index", "torch", "2.13.0")
    wheel(root / "cpu", "torch", "2.13.0+cpu")
    return root


@pytest.fixture(scope="module")
def setup(project: Path) -> Setup:
    """Return a function that runs `make setup` in the small project."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make")
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "MAKE"))}

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = keep | {
            "PIP_INDEX_URL": (project / "index").as_uri(),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_RETRIES": "1",
            "PYTHON": sys.executable,
            **variables,
        }
        command = [make, "-s", "-C", project, "setup", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environ)

    return run


def test_a_set_up_from_nothing_to_the_end(project: Path, setup: Setup) -> None:
    """One story, since each step starts from what the one before has left."""
    before = {path.name for path in project.iterdir()}

    # No network: one line, and nothing is left but the log.
    done = setup(PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode
    assert "No network: pip could not reach its package index." in done.stderr
    assert {path.name for path in project.iterdir()} == before | {"build"}

    # It works, with the CPU build; and then there is nothing more to do or to say.
    done = setup(f"TORCH_INDEX={(project / 'cpu').as_uri()}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 3
    assert done.stdout.startswith("[1/3] Making .venv with Python 3.")
    assert list((project / ".venv").glob("lib/*/site-packages/torch-2.13.0+cpu.*"))
    assert not list((project / "build").iterdir())
    assert not (project / ".venv" / "tmp").exists()
    for python in ("", sys.executable):
        done = setup(PYTHON=python, PIP_INDEX_URL="http://127.0.0.1:9/simple")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    # A setting of some tool changes nothing, another pin is installed.
    with (project / "pyproject.toml").open("a") as file:
        file.write("[tool.ruff]\nline-length = 88\n")
    assert setup().stdout == ""
    with (project / "constraints.txt").open("a") as file:
        file.write("spam==1.0\n")
    done = setup(PYTHON="")
    assert done.stdout.startswith("[1/3] Updating .venv")
    assert list((project / ".venv").glob("lib/*/site-packages/torch-2.13.0+cpu.*"))
    assert setup().stdout == ""

    # An update without a network leaves what there was.
    stamp = project / ".venv" / environment.STAMP.name
    kept = stamp.read_text()
    with (project / "constraints.txt").open("a") as file:
        file.write("eggs==1.0\n")
    (info,) = (project / ".venv").glob("lib/*/site-packages/setuptools-*.dist-info")
    shutil.rmtree(info)
    done = setup(PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert "No network" in done.stderr
    assert stamp.read_text() == kept
    assert setup().returncode == 0

    # Another torch is refused, with the way back.
    (info,) = (project / ".venv").glob("lib/*/site-packages/torch-*.dist-info")
    info.rename(info.with_name("torch-2.12.1.dist-info"))
    done = setup()
    assert done.returncode
    assert done.stderr.startswith(
        "constraints.txt:2: the book was made with torch 2.13.0, "
        f"{project / '.venv'} has torch 2.12.1. To have it back: make clean-env"
    )

    # What a kill left half-made is made anew.
    stamp.write_text("unfinished")
    (project / ".venv" / "rubbish").touch()
    assert setup().stdout.startswith("[1/3] Making .venv")
    assert not (project / ".venv" / "rubbish").exists()

    # What someone else made is not removed.
    shutil.rmtree(project / ".venv")
    (project / ".venv").mkdir()
    (project / ".venv" / "precious").touch()
    done = setup()
    assert "was not made by this project" in done.stderr
    assert (project / ".venv" / "precious").exists()
    shutil.rmtree(project / ".venv")


def program(path: Path, text: str) -> None:
    """Write a little program."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_make_finds_the_python_that_fits(
    project: Path, setup: Setup, tmp_path: Path
) -> None:
    nothing = setup(PYTHON="", PATH=str(tmp_path))
    assert nothing.returncode
    assert nothing.stderr.startswith(
        "No Python here (tried: python3 python3.13 python3.12 python3.11 python): "
        "install Python 3.11 to 3.13, or name yours: make book PYTHON="
    )
    # a shim with nothing behind it, an old Python, and one that fits
    program(tmp_path / "python3", 'echo "pyenv: not found" >&2; exit 127')
    old = (
        'case "$*" in *--suitable*) exit 1;; -c*) exit 0;; esac; echo "old" >&2; exit 1'
    )
    program(tmp_path / "python3.13", old)
    assert setup(PYTHON="", PATH=str(tmp_path)).stderr.splitlines()[0] == "old"
    program(tmp_path / "python3.11", 'echo "set up by $0 $*"')
    done = setup(PYTHON="", PATH=str(tmp_path))
    script = "tools/setup_environment.py"
    assert done.stdout == f"set up by {tmp_path / 'python3.11'} {script}\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_an_environment_of_ones_own_is_checked(project: Path, setup: Setup) -> None:
    done = setup(f"RUN={sys.executable}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (project / "empty").mkdir()
    python = project / "empty" / "bin" / "python"
    command = [sys.executable, "-m", "venv", "--without-pip", project / "empty"]
    subprocess.run(command, check=True)
    done = setup(f"RUN={python}")
    assert done.returncode
    assert "has no torch. Install it: python -m pip install -c" in done.stderr
