"""The rules of the prose: both languages alike, and each well written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book.helpers import edit, faults
from tools.prose import join_lines
from tools.terms import read_terms

LINES = "in Chinese (lines {} and {}). Make them equal."
TOP, LOOK, END = (LINES.format(*p) for p in ((7, 18), (39, 46), (73, 93)))

PAIRS = {
    "heading": (
        "## 看一看",
        "### 看一看",
        f"46: heading 1 of the block: level 2 in English, level 3 {LOOK}",
    ),
    "code": (
        "`torch.load`\n",
        "`torch.save`\n",
        f"14: inline code `torch.load`: once in English, none {TOP}\n"
        f"26: inline code `torch.save`: none in English, once {TOP}",
    ),
    "link": (
        "../zh/index.md",
        "../zh/02-other.md",
        f"9: link index.md: once in English, none {TOP}\n"
        f"20: link 02-other.md: none in English, once {TOP}",
    ),
    "image": (
        "第三个",
        "![图](a.png)第三个",
        f"48: image a.png: none in English, once {LOOK}",
    ),
    "number": (
        "大约5分钟",
        "大约1,500分钟",
        f"9: number 5: once in English, none {TOP}\n"
        f"20: number 1500: none in English, once {TOP}",
    ),
    "list": (
        "2. 又来一遍。\n",
        "",
        f"103: list 1 of the block: 2 items in English, 1 item {END}",
    ),
    "table": (
        "| 柱子 | 2 |\n",
        "| 柱子 | 2 |\n| 线 | 很多 |\n",
        "93: table 1 of the block: 2 rows of 2 columns in English, "
        f"3 rows of 2 columns {END}",
    ),
    "HTML": (
        "行得通。",
        "行得<b>通</b>。",
        f"99: HTML tag b: none in English, once {END}",
    ),
    "code block": (
        "行得通。",
        "行得通。\n\n```python\nx = 1\n```",
        f"101: code block python: none in English, once {END}",
    ),
}

STYLE = {
    "a sentence": ("It works.", "no Chinese in a Chinese block: 'It works.'"),
    "full stop": (
        "行得通.",
        "half-width . at the end of a Chinese sentence: write 。: …行得通.…",
    ),
    "comma": ("行,通。", "half-width , beside Chinese: write ，: …行,通。…"),
    "colon by code": (
        "行得通：`x`:好。",
        "half-width : beside Chinese: write ：: …行得通：`code`:好。…",
    ),
    "quotes": ('行"。', 'straight quote " beside Chinese: write “ ”: …行"。…'),
    "space": ("行 x。", "a space beside Chinese: write none: …行 x。…"),
    "dots": ("行...通。", "three dots: write ……: …行...通。…"),
    "wide letter": (
        "行得通Ａ。",
        "a full-width letter or digit Ａ: write it half-width: …行得通Ａ。…",
    ),
    "math": (
        "行$x$通。",
        "math between dollar signs, which the site does not show: …行$x$通。…",
    ),
    "emphasis": (
        "**行（x）**通。",
        "marks of emphasis that do not render: …**行（x）**通。…",
    ),
}

CHAPTER_RULES = {
    "term": (
        "保存张量，",
        "保存数组，",
        "13: 'tensor' is 张量 in the table of terms; "
        "the Chinese block (line 18) has none of them.",
    ),
    "Chinese in English": (
        "It works.",
        "It works 好.",
        "79: Chinese in an English block: …t works 好.…",
    ),
    "no section": (
        "## Summary",
        "## In short",
        "73: no section '## Summary' (en).",
    ),
    "no minutes": (
        "5 minutes",
        "5 min",
        "7: says nowhere at the start how many 'minutes'.",
    ),
    "no title": (
        "# Small `things`",
        "Small `things`",
        "7: a chapter begins with its title, '# …', in both languages.\n"
        f"18: heading 1 of the block: level 2 in English, level 1 {TOP}",
    ),
    "long cell": (
        "assert d2lrec.LIMIT == 7\n",
        "assert d2lrec\n" + "x = 1\n" * 40,
        "111: a code cell of 41 lines: at most 40. Split it.",
    ),
    "no assertion": (
        "assert d2lrec.LIMIT == 7",
        "d2lrec",
        "111: the last code cell asserts nothing: end with what the reader built.",
    ),
}


@pytest.mark.parametrize("case", PAIRS | CHAPTER_RULES)
def test_a_fault_is_named_with_its_line(source: Path, case: str) -> None:
    old, new, error = (PAIRS | CHAPTER_RULES)[case]
    edit(source, old, new)
    assert faults(source) == error


def test_a_block_that_is_not_translated(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    english = text[text.index("## Look") : text.index("+++", text.index("## Look"))]
    chinese = text[text.index("## 看") : text.index("```", text.index("## 看"))]
    edit(source, chinese, english)
    expected = "46: the Chinese block is the English one. Translate it."
    assert faults(source).splitlines()[0] == expected


@pytest.mark.parametrize("case", STYLE)
def test_chinese_is_written_as_chinese(source: Path, case: str) -> None:
    new, error = STYLE[case]
    edit(source, "行得通。", new)
    expected = f"99: {error}"
    if "`x`" in new:
        expected += f"\n99: inline code `x`: none in English, once {END}"
    assert faults(source) == expected


@pytest.mark.parametrize(
    "good",
    [
        "用`x`读回16个字节，共4 MB。",
        "“好”——好……",
        "形状是（10，20）。",
        "比例3:1，a, b与c。",
        "见[这里](a)：好。",
        "*好*，**好**。",
        "PyTorch",
    ],
)
def test_good_chinese_passes(source: Path, good: str) -> None:
    edit(source, "行得通。", good)
    english = "It works: `x` 16, 4 MB, 10, 20, 3:1, [see](a)."
    edit(source, "It works.", english)
    assert not [line for line in faults(source).splitlines() if "beside" in line]
    assert "emphasis" not in faults(source)
    assert "no Chinese" not in faults(source)


def test_all_faults_of_a_chapter_come_at_once(source: Path) -> None:
    for new in ("行,通。", "## 看 了"):
        old = "行得通。" if "通" in new else "## 看一看"
        edit(source, old, new)
    assert [line.split(":")[0] for line in faults(source).splitlines()] == ["46", "99"]


def test_lines_of_chinese_are_joined_and_others_kept() -> None:
    text = "一行，\n又一行`a`\n和\n`b`。\n\n- 项\n  目\n\n> 引\n> 文\n\nA b\nc d"
    joined = "一行，又一行`a`和`b`。\n\n- 项目\n\n> 引文\n\nA b\nc d"
    assert join_lines(text, "zh") == joined
    assert join_lines(text, "en") == text
    for kept in ("一  \n二", "一\\\n二", "```\n一\n二\n```", "| 一 |\n|---|\n| 二 |"):
        assert join_lines(kept, "zh") == kept


def test_plurals_of_terms_are_found() -> None:
    patterns = {term.en[0]: term.pattern for term in read_terms()}
    for word, text in {
        "tensor": "Two Tensors.",
        "dictionary": "dictionaries",
        "bias": "biases",
        "state dict": "state-dicts",
    }.items():
        assert patterns[word].search(text), text
    for word, text in {"tensor": "tensorflow", "layer": "multilayer"}.items():
        assert not patterns[word].search(text), text
