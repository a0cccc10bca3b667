"""Sources: what is wrong with one is said with its line, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book.helpers import CHAPTER, SMALL, edit, faults
from tools.chapter import BookError, find_sources, read_chapter
from tools.checks import check_chapter, count, shown_stats

EN = """\
+++ {"lang": "en"}

## Look

Nothing is hidden here: the library has one constant, and the picture has two bars.
How high is the second one? Guess before you run the cell, then look. A third cell \
fails on purpose.
"""
ZH_HEAD = '+++ {"lang": "zh"}\n\n## 看一看'
ZH = f"""{ZH_HEAD}

这里没有藏起什么：库里有一个常量，图里有两根柱子。第二根有多高？\
先猜，再运行，再看。第三个单元格是故意失败的。
"""
HEAD = (
    'expected a line +++ {"lang": "en"} or +++ {"lang": "zh"} before it.'  # of a block
)
STRUCTURE = {
    "no Chinese": (
        ZH,
        "",
        "39: unpaired block: no Chinese block follows this English one. "
        "Write both, English first.",
    ),
    "no English": (
        EN,
        "",
        "40: unpaired block: no English block stands before this Chinese one. "
        "Write both, English first.",
    ),
    "another language": (
        ZH_HEAD,
        ZH_HEAD.replace("zh", "fr"),
        f"46: a block of prose with lang 'fr': {HEAD}",
    ),
    "no language": (
        ZH_HEAD,
        "+++\n\n## 看一看",
        f"46: a block of prose with no language: {HEAD}",
    ),
    "not JSON": (
        ZH_HEAD,
        ZH_HEAD.replace('"zh"', "zh"),
        "44: cannot be read: Markdown cell 4 at line 44 could not be read: "
        "Expecting value: line 1 column 10 (char 9)",
    ),
    "unknown tag": (
        "[raises-exception]",
        "[nbval-skip]",
        "68: unknown cell option or tag: nbval-skip. Known: ['raises-exception'].",
    ),
    "not YAML": (
        "[raises-exception]",
        "[raises-exception",
        "65: cannot be read: Code cell 7 at line 65 could not be read: "
        "Invalid YAML; while parsing a flow sequence",
    ),
    "empty cell": (
        "assert d2lrec.LIMIT == 7\n",
        "\n",
        "111: an empty code cell. Remove it.",
    ),
    "open cell": (
        "plt.show()\n```",
        "plt.show()",
        "58: the code cell is not closed: expected a line ``` at its end.",
    ),
    "indented cell": (
        "It works.\n",
        "It works.\n\n- so:\n  ```{code-cell} ipython3\n  x = 1\n  ```\n",
        "73: a code cell inside prose: begin ```{code-cell} in column one.",
    ),
}


def test_the_small_chapter_has_no_fault(source: Path) -> None:
    assert faults(source) == ""


@pytest.mark.parametrize("case", STRUCTURE)
def test_a_fault_is_named_with_its_line(source: Path, case: str) -> None:
    old, new, error = STRUCTURE[case]
    edit(source, old, new)
    assert faults(source) == error


def test_names_of_sources(source: Path) -> None:
    folder = source.parent
    assert [p.stem for p in find_sources(folder)] == ["index", "01-small"]
    second = folder / "01-other.md"
    second.write_bytes(source.read_bytes())
    with pytest.raises(BookError, match=r"^chapters: two chapters are numbered 01\.$"):
        find_sources(folder)
    second.rename(folder / "2-Other.md")
    error = r"^chapters/2-Other.md:1: not a chapter's name: expected NN-name.md"
    with pytest.raises(BookError, match=error):
        find_sources(folder)


def test_a_source_has_to_be_utf_8(source: Path) -> None:
    source.write_bytes("+++ 张".encode("gb18030"))
    assert faults(source) == "1: not UTF-8 (invalid continuation byte)"


def test_the_front_page_has_no_code(source: Path) -> None:
    page = source.with_name("index.md")
    text = page.read_text(encoding="utf-8")
    page.write_text(f"{text}\n```{{code-cell}} ipython3\nx = 1\n```\n", "utf-8")
    with pytest.raises(BookError) as error:
        check_chapter(read_chapter(page))
    expected = "a page without a number has no code cells. Move it to a chapter."
    assert str(error.value) == f"chapters/index.md:14: {expected}"


def test_figures_of_a_chapter() -> None:
    stats = count(read_chapter(SMALL / CHAPTER))
    assert shown_stats(stats).startswith("5 code cells, median 4 lines, longest 5; 16 ")
