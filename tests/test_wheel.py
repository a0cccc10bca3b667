"""The wheel that users install: built, looked into, installed alone, imported."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
# What the package is made of; the rest of the checkout must not be needed.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "d2lrec")


def run(*command: object, **options) -> str:
    """Run a command without what pytest and the checkout put into its environment."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        env=environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source, ignored = ROOT / name, shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, folder / "src" / name, ignore=ignored)
        else:
            (folder / "src").mkdir(exist_ok=True)
            shutil.copy(source, folder / "src" / name)
    # Without isolation setuptools is that of this environment: no download.
    options = ("--wheel", "--no-isolation", "--outdir", folder)
    run(sys.executable, "-m", "build", *options, folder / "src", cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


def required() -> set[str]:
    """The packages that an installation of the library alone brings along."""
    waiting, seen = {("d2lrec", "")}, set[tuple[str, str]]()
    while waiting:
        name, extra = one = waiting.pop()
        seen.add(one)
        for need in map(Requirement, metadata.requires(name) or ()):
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                waiting |= {(need.name, e) for e in ("", *need.extras)} - seen
    return {name for name, _ in seen} - {"d2lrec"}


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """The Python of an environment that has the wheel, and what that requires."""
    folder = tmp_path_factory.mktemp("user") / "env"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    run(*pip, "--no-index", "--no-deps", wheel)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    # Links instead of another gigabyte of torch. An environment with more in it would
    # hide that a requirement is missing.
    for package in required():
        own = metadata.distribution(package)
        for name in {file.parts[0] for file in own.files or ()} - {"..", "__pycache__"}:
            link = Path(site.strip()) / name
            if not link.exists():
                link.symlink_to(own.locate_file(name))
    return python


def test_everything_of_the_package_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert archive.testzip() is None
    source = wheel.parent / "src"
    files = [path for path in (source / "d2lrec").rglob("*") if path.is_file()]
    assert names == {path.relative_to(source).as_posix() for path in files}
    assert {"d2lrec/py.typed", "d2lrec/__init__.pyi", "d2lrec/cli/__init__.py"} < names


def test_the_wheel_has_version_license_and_command(wheel):
    import d2lrec

    assert wheel.name == f"d2lrec-{d2lrec.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        info = f"d2lrec-{d2lrec.__version__}.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
        assert (
            "d2lrec = d2lrec.cli:main"
            in archive.read(f"{info}/entry_points.txt").decode()
        )
        assert archive.read(f"{info}/licenses/LICENSE") == (
            ROOT / "LICENSE"
        ).read_bytes().replace(b"\r\n", b"\n")
    assert "\nLicense-Expression: MIT\n" in metadata
    assert "\nRequires-Dist: torch" in metadata


def test_the_wheel_saves_and_loads(python, tmp_path):
    code = """
import d2lrec, torch
recorder = d2lrec.NamedMpkFileRecorder()
net = torch.nn.Linear(2, 3)
twin = d2lrec.load_file(torch.nn.Linear(2, 3), recorder.record(net, "net"))
assert torch.equal(net.weight, twin.weight)
print(d2lrec.__file__)
"""
    place = run(python, "-W", "error", "-c", code, cwd=tmp_path).strip()
    assert Path(place).is_relative_to(python.parent.parent.resolve())
    assert (tmp_path / "net.mpk").is_file()


def test_the_command_is_installed(python, tmp_path):
    from d2lrec import NamedMpkFileRecorder

    NamedMpkFileRecorder().record({"epoch": 3}, tmp_path / "state")
    command = python.with_name("d2lrec")
    said = run(command, "describe", "state.mpk", cwd=tmp_path)
    assert "epoch  3" in said


def test_every_module_can_be_imported(python, tmp_path):
    code = """
import importlib, pkgutil
import d2lrec
modules = pkgutil.walk_packages(d2lrec.__path__, "d2lrec.")
names = [found.name for found in modules if not found.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
    files = (ROOT / "d2lrec").rglob("*.py")
    count = sum(file.name != "__main__.py" for file in files) - 1  # d2lrec itself
    assert int(run(python, "-W", "error", "-c", code, cwd=tmp_path)) == count
