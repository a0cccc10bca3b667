"""What the project's environment should be, and what is there."""

import hashlib
import json
import os
import shutil
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "d2lrec-setup.json"

AGAIN = "then run the same command again"
GB = 1e9

# What a fresh set-up keeps on the disk, and what it downloads first. PyTorch's ordinary
# build for Linux brings the CUDA libraries; the others are far smaller.
CUDA_SIZES = (5.5 * GB, 3.0 * GB)
SMALL_SIZES = (1.9 * GB, 0.7 * GB)


class SetupError(Exception):
    """What is wrong and what to do about it, for the person at the terminal."""


def wanted_stamp() -> dict[str, str]:
    """Return what the stamp of a finished, up-to-date environment says."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    # not the whole file: a changed setting of a linter calls for no installation
    parts = json.dumps([settings["build-system"], settings["project"]], sort_keys=True)
    content = (ROOT / "constraints.txt").read_bytes() + parts.encode()
    return {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "place": str(ROOT),  # an environment does not survive being moved
        "content": hashlib.sha256(content).hexdigest(),
    }


def read_stamp() -> dict[str, str] | None:
    """Return the stamp of `.venv`: empty if it is unfinished, None without one."""
    try:
        return dict(json.loads(STAMP.read_text("utf-8")))
    except ValueError:
        return {}
    except OSError:
        return None


def ready() -> bool:
    """Say whether the environment is finished, up to date and as it was made."""
    if not PYTHON.exists() or read_stamp() != wanted_stamp():
        return False
    return is_pinned(installed_torch())


def to_be_made() -> bool:
    """Say whether `.venv` must be made anew and not just brought up to date.

    Raises:
        SetupError: There is a `.venv` that is not ours to remove.
    """
    if not os.path.lexists(VENV):
        return True
    stamp, wanted = read_stamp(), wanted_stamp()
    if stamp is not None:
        return any(stamp.get(key) != wanted[key] for key in ("python", "place"))
    if (VENV / "lib" / f"python{wanted['python']}").is_dir() and PYTHON.exists():
        return False
    raise SetupError(
        f"{VENV} is there, was not made by this project and holds no "
        f"Python {wanted['python']}. Move it away, {AGAIN}"
    )


def pinned_torch() -> tuple[str, int]:
    """Return the version of torch in constraints.txt, and the number of its line."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("torch=="):
            return line.removeprefix("torch==").strip(), number
    raise SetupError("constraints.txt: found no line torch==VERSION. Restore the file")


def installed_torch() -> str | None:
    """Return the version of the torch in `.venv`, without starting it."""
    for found in VENV.glob("[Ll]ib/**/site-packages/torch-*.dist-info"):
        return found.name.removeprefix("torch-").removesuffix(".dist-info")
    return None


def is_pinned(version: str | None) -> bool:
    """Compare with constraints.txt; 2.13.0+cpu is 2.13.0, for whatever it is built."""
    return version is not None and version.split("+")[0] == pinned_torch()[0]


def check_torch(version: str | None, where: str, remedy: str) -> None:
    """Refuse another torch than the one that the book's outputs were made with."""
    if not is_pinned(version):
        wanted, line = pinned_torch()
        found = f"torch {version}" if version else "no torch"
        raise SetupError(
            f"constraints.txt:{line}: the book was made with torch {wanted}, "
            f"{where} has {found}. {remedy}"
        )


def check_this_python() -> None:
    """Check the environment that runs this, for those who keep one of their own."""
    try:
        found = metadata.version("torch")
    except metadata.PackageNotFoundError:
        found = None
    remedy = 'Install it: python -m pip install -c constraints.txt -e ".[book,test]"'
    check_torch(found, sys.prefix, remedy)


def sizes() -> tuple[float, float]:
    """Return the bytes that a fresh set-up keeps, and those that it downloads."""
    cuda = sys.platform == "linux" and not os.environ.get("TORCH_INDEX")
    return CUDA_SIZES if cuda else SMALL_SIZES


def check_disk() -> bool:
    """Refuse, before the first byte, what would end in a full disk.

    Returns:
        Whether there is also room for pip to keep its downloads.
    """
    kept, downloaded = sizes()
    free = shutil.disk_usage(ROOT).free
    if free < kept + downloaded:
        small = " or choose the CPU build (README)" if kept == CUDA_SIZES[0] else ""
        raise SetupError(
            f"The disk is too full: setting up needs {(kept + downloaded) / GB:.1f} GB "
            f"({kept / GB:.1f} GB for good), {free / GB:.1f} GB are free at {ROOT}. "
            f"Make room{small}, {AGAIN}"
        )
    return free > kept + 2 * downloaded
