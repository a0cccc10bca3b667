"""Building: what is written, that it is the same each time, and what stops it."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import nbformat
import pytest

from tests.book.helpers import CHAPTER, contents, edit
from tools import builder, kernels
from tools.builder import Book
from tools.cache import Cache
from tools.chapter import read_chapter
from tools.lint import compare_languages, lint_notebook

SOURCE = CHAPTER.as_posix()
NOTEBOOKS = [Path("chapters", lang, "01-small.ipynb") for lang in ("en", "zh")]


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


def test_a_full_disk_leaves_what_was_there(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(root)
    write = Path.write_text

    def full(path: Path, *arguments: object, **options: object) -> int:
        if path.parent.name == "zh":
            write(path, "half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, *arguments, **options)

    edit(root / CHAPTER, "It works.", "It does work.")
    edit(root / CHAPTER, "行得通。", "真的行得通。")
    monkeypatch.setattr(Path, "write_text", full)
    assert Book(root).build(["01-small"]) == 1
    error = "chapters/en/01-small.ipynb: cannot be written: No space left on device\n"
    assert capsys.readouterr().err == error
    assert contents(root) == before


def test_a_kernel_that_does_not_start(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.executable", "/no/python")
    assert Book(root).build(["01-small"], fresh=True) == 1
    error = capsys.readouterr().err
    assert error.startswith("/no/python: no kernel starts: ")
