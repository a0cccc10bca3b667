"""Building: what is written, that it is the same each time, and what stops it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.book_helpers import CHAPTER, ROOT, clean_environment, edit, make_book
from tools import builder, kernels
from tools.book import check_python
from tools.builder import Book
from tools.cache import Cache
from tools.chapter import BookError, read_chapter
from tools.lint import compare_languages, lint_notebook

SOURCE = CHAPTER.as_posix()
NOTEBOOKS = [Path("chapters", lang, "01-small.ipynb") for lang in ("en", "zh")]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book that was built once. Tests copy it before they change anything."""
    root = make_book(tmp_path_factory.mktemp("built"))
    assert Book(root).build([]) == 0
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """A copy of the built book."""
    shutil.copytree(built, tmp_path / "book")
    return tmp_path / "book"


def contents(root: Path) -> dict[str, bytes]:
    """All files that the builder writes, or might have."""
    folders = [root / "chapters" / lang for lang in ("en", "zh")]
    paths = [path for folder in folders for path in folder.rglob("*")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_what_is_written(built: Path) -> None:
    assert sorted(contents(built)) == [
        f"chapters/{lang}/{name}"
        for lang in ("en", "zh")
        for name in ("01-small.ipynb", "SUMMARY.md", "index.md")
    ]
    chinese = built / "chapters" / "zh"
    summary = "# 目录\n\n[这本书](index.md)\n\n- [小things](01-small.ipynb)\n"
    assert (chinese / "SUMMARY.md").read_text(encoding="utf-8") == summary
    page = (chinese / "index.md").read_text(encoding="utf-8")
    assert page == "[English](../en/index.md) · **中文**\n\n# 这本书\n\n欢迎。\n"


def test_a_notebook(built: Path) -> None:
    notebook = nbformat.read(built / NOTEBOOKS[1], as_version=4)
    assert [cell.id for cell in notebook.cells] == [f"small-{n:02d}" for n in range(9)]
    assert notebook.cells[0].source == "[English](../en/01-small.ipynb) · **中文**"
    assert notebook.metadata == {
        "d2lrec": {"lang": "zh"},
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5]
    stream, result = code[1].outputs
    assert (stream.text, result.data["text/plain"]) == ("the limit is\n", "7")
    assert result.execution_count == 2
    message = "FileNotFoundError: [Errno 2] No such file or directory: 'missing'"
    assert code[3].outputs[0].traceback == [message]
    assert lint_notebook(built / NOTEBOOKS[1]) == []
    assert compare_languages(*[built / name for name in NOTEBOOKS]) == []


def test_a_rebuild_gives_the_same_bytes(root: Path) -> None:
    before = contents(root)
    assert Book(root).build([], fresh=True) == 0
    assert contents(root) == before
    for path in before:
        (root / path).unlink()
    assert Book(root).build([], fresh=True) == 0
    assert contents(root) == before


def test_unchanged_code_is_not_run_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("was run")

    monkeypatch.setattr(builder, "execute", refuse)
    edit(root / CHAPTER, "It works.", "It does work.")
    assert Book(root).build([]) == 0
    assert "[2/2] 01-small: 5 code cells, unchanged" in capsys.readouterr().out
    assert b"It does work." in contents(root)["chapters/en/01-small.ipynb"]
    edit(root / "d2lrec" / "__init__.py", "7", "8")
    with pytest.raises(AssertionError, match="was run"):
        Book(root).build([])


def test_a_cache_that_cannot_be_read_is_no_cache(root: Path) -> None:
    chapter = read_chapter(root / CHAPTER)
    assert Cache(root).get(chapter)
    (root / "build" / "book" / "01-small.json").write_text("{", encoding="utf-8")
    assert Cache(root).get(chapter) is None


FAILURES = {
    "an exception": (
        'print("the limit is")',
        'print("the limit is")\n1 / 0',
        "54: the code cell fails: ZeroDivisionError: division by zero\n"
        "Mend it, or tag it raises-exception.",
    ),
    "no exception": (
        'open("missing")',
        "x = 1",
        "68: tagged raises-exception, but nothing was raised. Remove the tag.",
    ),
    "a crash": (
        'open("missing")',
        "os._exit(1)",
        "68: the code cell ended the Python process (a crash, or no memory left).",
    ),
    "no end": (
        'open("missing")',
        "while True: pass",
        "68: the code cell runs for more than 1 s. Make it shorter.",
    ),
    "litter": (
        "os.chdir(folder.name)",
        'open("x.pt", "w").close()',
        "30: leaves files behind: x.pt. Work in a temporary folder.",
    ),
    "stderr": (
        'print("the limit is")',
        "import sys\nprint('careful', file=sys.stderr)",
        "51: output on stderr: careful.",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_names_the_line_and_writes_nothing(
    root: Path,
    case: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new, error = FAILURES[case]
    before = contents(root)
    edit(root / CHAPTER, old, new)
    if case == "no end":
        light = "axes = None\nplt = None"
        edit(root / CHAPTER, "import matplotlib.pyplot as plt", light)
        edit(root / CHAPTER, "axes.bar([1, 2], [3, 4])\nplt.show()\n", "")
        figure = 'figure, axes = plt.subplots(figsize=(2, 1), facecolor="white")\n'
        edit(root / CHAPTER, figure, "")
        error = error.replace("68", "66")
        monkeypatch.setattr(kernels, "CELL_TIMEOUT", 1)
    assert Book(root).build(["01-small"]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"{SOURCE}:{error}\n"
    assert printed.out == "[1/1] 01-small: failed\n"
    assert contents(root) == before


def test_a_missing_translation_builds_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(root)
    edit(root / CHAPTER, '+++ {"lang": "zh"}\n\n# 小', '+++ {"lang": "en"}\n\n# S')
    assert Book(root).build([]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{SOURCE}:7: unpaired block: no Chinese block follows")
    assert contents(root) == before | {
        # the faulty chapter stays as it was; the others are listed
        name: content
        for name, content in contents(root).items()
        if name.endswith("SUMMARY.md")
    }


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


def test_build_removes_what_no_source_makes(root: Path) -> None:
    before = contents(root)
    for name in NOTEBOOKS:
        (root / name).with_name("02-gone.ipynb").write_text("{}", encoding="utf-8")
    assert Book(root).build([]) == 0
    assert contents(root) == before


def test_a_picture_that_looks_the_same_stays_the_same_file(root: Path) -> None:
    import base64
    import io

    from PIL import Image

    path = root / NOTEBOOKS[0]
    notebook = json.loads(path.read_text(encoding="utf-8"))
    data = next(c for c in notebook["cells"] if c["id"] == "small-05")["outputs"][0]
    picture = Image.open(io.BytesIO(base64.b64decode(data["data"]["image/png"])))
    again = io.BytesIO()
    picture.save(again, "png", compress_level=1)
    data["data"]["image/png"] = base64.b64encode(again.getvalue()).decode()
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")
    before = contents(root)
    assert Book(root).build([]) == 0
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
