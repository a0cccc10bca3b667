"""The files that describe the environment agree; the READMEs are true."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import d2lrec
from tools import book as book_tool
from tools import environment, setup_environment

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
READMES = ("README.md", "README.zh.md")
# torch itself pins these, to the exact version, where its build needs them
BROUGHT_BY_TORCH = re.compile(r"nvidia-|cuda-|triton$")
OLDEST, NEWEST = setup_environment.OLDEST, setup_environment.NEWEST


def requirements() -> list[Requirement]:
    """Return what the package and its extras ask for."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *extras["book"], *extras["test"]]
    return [Requirement(line) for line in lines]


def pins() -> dict[str, str]:
    """Return the version of each package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    found = {canonicalize_name(name): version for name, version in pairs}
    assert len(found) == len(pairs), "a name stands twice in constraints.txt"
    return found


def conda() -> tuple[list[str], list[str]]:
    """Return what environment.yml takes from conda, and what from pip."""
    content = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    lines = content["dependencies"]
    (pip,) = [line["pip"] for line in lines if isinstance(line, dict)]
    return [line for line in lines if isinstance(line, str)], pip


def installed() -> Iterator[metadata.Distribution]:
    """Yield everything that d2lrec[book,test] brings into this environment."""
    waiting = [("d2lrec", ""), ("d2lrec", "book"), ("d2lrec", "test")]
    seen = {("d2lrec", "")}
    while waiting:
        name, extra = waiting.pop()
        for need in map(Requirement, metadata.requires(name) or ()):
            if need.marker and not need.marker.evaluate({"extra": extra}):
                continue
            pairs = {(canonicalize_name(need.name), e) for e in ("", *need.extras)}
            waiting += pairs - seen
            seen |= pairs
    yield from (metadata.distribution(name) for name in {name for name, _ in seen})


# --- the files agree with one another


def test_every_requirement_is_pinned_within_its_bounds() -> None:
    pinned = pins()
    assert all(
        n.specifier.contains(pinned[canonicalize_name(n.name)]) for n in requirements()
    )


def test_requirements_of_the_library_are_bounds_and_not_pins() -> None:
    operators = {s.operator for need in requirements() for s in need.specifier}
    assert operators == {">="}


def test_everything_imported_is_required() -> None:
    files = [f for d in ("d2lrec", "tools", "tests") for f in (ROOT / d).rglob("*.py")]
    files += (ROOT / "chapters").glob("*.md")
    line = re.compile(r"^\s*(?:import|from) ([a-z_]\w*)[^`\n]*$", re.M | re.I)
    found = {name for file in files for name in line.findall(file.read_text("utf-8"))}
    providers = metadata.packages_distributions()
    third = found - sys.stdlib_module_names - {"d2lrec", "tools", "tests"}
    used = {canonicalize_name(d) for name in third for d in providers.get(name, ())}
    assert used - {canonicalize_name(need.name) for need in requirements()} == set()


def test_torch_is_pinned_to_the_release_of_the_book() -> None:
    assert pins()["torch"] == "2.13.0"
    version, line = environment.pinned_torch()
    text = (ROOT / "constraints.txt").read_text("utf-8").splitlines()[line - 1]
    assert text == f"torch=={version}" == "torch==2.13.0"
    for readme in READMES:
        assert "torch 2.13.0" in (ROOT / readme).read_text("utf-8")


def test_what_is_installed_is_what_is_pinned() -> None:
    found = {canonicalize_name(d.name): d.version.split("+")[0] for d in installed()}
    del found["d2lrec"]
    found = {n: v for n, v in found.items() if not BROUGHT_BY_TORCH.match(n)}
    pinned = pins()
    # On this Python and system, that is: some packages are for others only.
    assert found == {name: pinned.get(name) for name in found}


@pytest.mark.parametrize("minor", range(OLDEST[1], NEWEST[1] + 1))
def test_what_is_installed_takes_every_supported_python(minor: int) -> None:
    refusing = [
        f"{d.name} {d.version}: {d.metadata['Requires-Python']}"
        for d in installed()
        if f"3.{minor}.0" not in SpecifierSet(d.metadata.get("Requires-Python") or "")
    ]
    assert refusing == []


def test_conda_users_get_the_same() -> None:
    own, pip = conda()
    asked = {"torch", "numpy", "jupyterlab", "matplotlib", "msgpack"}
    assert asked < set(pip)
    assert asked < {need.name for need in requirements()}
    assert "--constraint constraints.txt" in pip
    assert "--editable .[book,test]" in pip
    assert pip[0].startswith("--constraint")
    assert len(pip) == len(asked) + 2
    assert f"python {PROJECT['requires-python']}" in own


def test_the_supported_pythons_are_the_same_everywhere() -> None:
    oldest, newest = (f"{major}.{minor}" for major, minor in (OLDEST, NEWEST))
    minors = range(OLDEST[1], NEWEST[1] + 1)
    assert PROJECT["requires-python"] == f">={oldest},<3.{NEWEST[1] + 1}"
    named = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if " 3." in c]
    assert named == [f"3.{minor}" for minor in minors]
    assert f"Python {oldest} to {newest}" in (ROOT / "README.md").read_text("utf-8")
    assert f"Python {oldest}到{newest}" in (ROOT / "README.zh.md").read_text("utf-8")
    assert (OLDEST, NEWEST) == book_tool.PYTHONS
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"Python {oldest} to {newest}" in makefile
    assert all(f"python3.{minor}" in makefile for minor in minors)


# --- the READMEs are true


def code_blocks(readme: str, language: str) -> list[str]:
    """Return the code blocks of one language in a README."""
    text = (ROOT / readme).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_the_readme_runs(tmp_path: Path) -> None:
    blocks = code_blocks("README.md", "python")
    assert blocks
    command = [sys.executable, "-W", "error", "-c", "\n".join(blocks)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "float32 [2, 20]" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"mlp.mpk", "notes.json"}


def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    lines = [x for block in code_blocks("README.md", "sh") for x in block.splitlines()]
    commands = [shlex.split(x, comments=True) for x in lines if x.startswith("d2lrec ")]
    assert [words[1] for words in commands] == ["describe", "convert", "diff"]
    for name in ("mlp", "trained"):
        d2lrec.NamedMpkFileRecorder().record({"w": torch.ones(2)}, tmp_path / name)
    for words in commands:
        command = [sys.executable, "-c", "from d2lrec.cli import main; main()"]
        done = subprocess.run([*command, *words[1:]], cwd=tmp_path, check=False)
        assert done.returncode == 0, words
    assert (tmp_path / "mlp.safetensors").exists()


def test_the_readmes_show_the_same_code() -> None:
    def without_comments(blocks: list[str]) -> list[str]:
        return [re.sub(r"\s*# .*", "", block) for block in blocks]

    for language in ("python", "sh", "bat"):
        english, chinese = (code_blocks(readme, language) for readme in READMES)
        english = [block.replace("ADDRESS", "地址") for block in english]
        assert without_comments(english) == without_comments(chinese)


@pytest.mark.parametrize("page", [*READMES, "chapters/index.md", "environment.yml"])
def test_the_commands_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    named = re.findall(
        r"(?:`|^ *#? *)make ([a-z-]+)", (ROOT / page).read_text("utf-8"), re.M
    )
    assert named
    assert set(named) <= targets


@pytest.mark.parametrize("readme", READMES)
def test_the_links_lead_somewhere(readme: str) -> None:
    text = (ROOT / readme).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if ":" not in link]
    assert "LICENSE" in links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_make_help_names_every_target() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        [make, "-C", ROOT], capture_output=True, text=True, env=environ
    )
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.M)[0].split())
    assert {name for name in phony if f"make {name}" in done.stdout} >= phony - {
        "help",
        "setup",
    }
