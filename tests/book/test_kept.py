"""What is kept is compared with its sources; the command line and its versions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.book.helpers import CHAPTER, ROOT, clean_environment, contents, edit
from tools.book import check_python
from tools.builder import Book
from tools.chapter import BookError

SOURCE = CHAPTER.as_posix()
NOTEBOOKS = [Path("chapters", lang, "01-small.ipynb") for lang in ("en", "zh")]


def test_check_names_everything_that_differs(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    english, chinese = (root / name for name in NOTEBOOKS)
    edit(english, '"7"', '"8"')
    edit(chinese, '"print(\\"the limit is\\")\\n"', '"print(\\"no\\")\\n"')
    english.with_name("02-gone.ipynb").write_bytes(english.read_bytes())
    chinese.with_name("SUMMARY.md").unlink()
    edit(chinese.with_name("index.md"), "欢迎", "你好")
    before = contents(root)
    assert Book(root).compare([]) == 1
    remedy = "Run `make book` and commit what it writes."
    error = capsys.readouterr().err
    for line in (
        f"chapters/en/01-small.ipynb: differs from its source. {remedy}",
        '-       "8"',
        '+       "7"',
        f"chapters/zh/01-small.ipynb: differs from its source. {remedy}",
        '-    "print(\\"no\\")\\n",',
        f"chapters/zh/index.md: differs from its source. {remedy}",
        f"chapters/zh/SUMMARY.md: missing. {remedy}",
        "chapters/en/02-gone.ipynb: no source makes it (expected chapters/02-gone.md).",
    ):
        assert line in error.splitlines(), error
    assert contents(root) == before


def test_the_pinned_torch_is_asked_for(root: Path) -> None:
    (root / "constraints.txt").write_text("torch==1.2.3\n", encoding="utf-8")
    with pytest.raises(BookError) as error:
        Book(root).build([])
    assert "is installed; constraints.txt pins 1.2.3, with which" in str(error.value)
    assert "pip install -c constraints.txt torch" in str(error.value)


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_another_python_is_refused(version: tuple[int, int]) -> None:
    with pytest.raises(SystemExit) as stop:
        check_python(version)
    found = ".".join(map(str, version))
    assert str(stop.value) == (
        f"Python {found}: the book is built with Python 3.11 to 3.13. "
        "Run `make book`, which sets up the right one."
    )


def test_the_command_line(root: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ROOT / "tools" / "book.py", "--root", root]
        return subprocess.run(
            [*command, *arguments],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    checked = run("check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"{SOURCE}: 5 code cells, median 4 lines" in checked.stdout
    assert run("stats", "01-small").stdout.startswith("01-small: 5 code cells")
    unknown = run("build", "03-none")
    assert unknown.returncode == 1
    assert unknown.stderr == "no source for: 03-none. Sources: index, 01-small.\n"


def test_the_notebooks_of_the_book_come_from_their_sources(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert Book(ROOT).compare([]) == 0, capfd.readouterr().err
