"""The C++ program of chapter 04, compiled and run anew, out of the chapter itself.

A notebook cannot compile: it takes long, and not every reader has a compiler. So the
chapter shows the program, the command and a result that is kept as text. Nothing of
the three is written down here; all are taken from the notebooks.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

from tests.book.helpers import ROOT, clean_environment

NAME = "04-torchscript-and-export.ipynb"
MAGIC = "%%writefile "
COMMAND = 'build = ["g++"'
# Against hanging only: the compiler takes seconds, or a minute on a busy machine.
LIMIT = 900
RUN = f"""
subprocess.run(build, check=True, timeout={LIMIT}, stdout=subprocess.DEVNULL)
ran = subprocess.run(["./infer"], check=True, timeout={LIMIT}, stdout=subprocess.PIPE)
print("from C++:", ran.stdout.decode())
"""


def cells(language: str) -> list[nbformat.NotebookNode]:
    path = ROOT / "chapters" / language / NAME
    return nbformat.read(path, as_version=4).cells


def kept_result(language: str) -> str:
    """What the chapter says that the program printed."""
    prose = "\n".join(c.source for c in cells(language) if c.cell_type == "markdown")
    (result,) = re.findall(r"^```text\n(.*?)^```$", prose, re.DOTALL | re.MULTILINE)
    return result


def as_python(source: str) -> str:
    """A code cell as a script may hold it: without IPython's magic."""
    if not source.startswith(MAGIC):
        return source
    first, _, text = source.partition("\n")
    name = first.removeprefix(MAGIC).strip()
    # the magic ends what it writes with a newline
    return f"import pathlib\npathlib.Path({name!r}).write_text({text + chr(10)!r})"


def up_to_the_command() -> str:
    """The code of the chapter, from its beginning to the command that compiles."""
    script = []
    for cell in cells("en"):
        if cell.cell_type == "code":
            script.append(as_python(cell.source))
            if COMMAND in cell.source:
                return "\n\n".join(script)
    raise AssertionError(f"{NAME}: no cell has {COMMAND}")


def test_both_languages_and_python_say_what_is_kept() -> None:
    kept = kept_result("en")
    assert kept_result("zh") == kept
    code = [cell for cell in cells("en") if cell.cell_type == "code"]
    (python,) = (c for c in code if c.source == "print(*predicted[:8].tolist())")
    assert "".join(output.text for output in python.outputs) == kept


@pytest.mark.slow
def test_the_cpp_program_prints_what_is_kept(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no g++ here: the C++ program of chapter 04 was not compiled")
    headers = Path(find_spec("torch").origin).parent / "include" / "torch"
    if not (headers / "script.h").exists():
        pytest.skip("this torch has no C++ headers: the program was not compiled")
    script = tmp_path / "chapter.py"
    script.write_text(up_to_the_command() + RUN, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script],
        env=clean_environment(MPLBACKEND="agg", TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=3 * LIMIT,  # more than what runs inside it may take
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rpartition("from C++: ")[2].strip() == kept_result("en").strip()
