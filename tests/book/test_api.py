"""The reference pages: what they are filled with, and that their examples run."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import click
import golden_cases as golden
import pytest
import torch
from torch import nn

import d2lrec
from d2lrec import structure
from d2lrec.cli import main
from d2lrec.layers import LAYERS
from d2lrec.optimizer_twins import TWINS as OPTIMIZERS
from d2lrec.schedulers import TWINS as SCHEDULERS
from tests.book.helpers import ROOT
from tools import api, reference, states, twins
from tools.builder import Book
from tools.chapter import BookError, read_chapter
from tools.checks import check_chapter
from tools.notebooks import build_files

CHAPTERS = ROOT / "chapters"
LANGUAGES = ("en", "zh")
PAGE = """---
kernelspec: {name: python3, display_name: Python 3}
---

+++ {"lang": "en"}

# Names

<!-- fill: api load_file -->

+++ {"lang": "zh"}

# 名字

<!-- fill: api load_file -->
"""


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Both reference pages, made anew."""
    made = {}
    for name in ("api", "layers"):
        made |= build_files(read_chapter(CHAPTERS / f"{name}.md"), [])
    return made


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The source of a small reference page."""
    path = tmp_path / "chapters" / "api.md"
    path.parent.mkdir()
    path.write_text(PAGE, encoding="utf-8")
    return path


# --- the pages


def run(name: str, lang: str) -> dict[str, Any]:
    """Run a page's examples; return the names that they made."""
    chapter = read_chapter(CHAPTERS / f"{name}.md")
    text = "\n".join(pair[lang].source for pair in chapter.pairs)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S))
    assert ">>>" in code
    test = doctest.DocTestParser().get_doctest(code, {}, name, f"{name}.md", 0)
    said: list[str] = []
    doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
    assert said == []
    return test.globs


@pytest.mark.parametrize("name", ["api", "layers"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_examples_of_the_pages_run(name: str, lang: str) -> None:
    run(name, lang)


def test_the_examples_read_what_burn_wrote() -> None:
    made = run("layers", "en")
    twins = {
        "swiglu": made["SwiGlu"](3, 4),
        "cross_attention": made["CrossAttention"](4, 3, 2, 1, 2),
        "gru_reset_before": made["ResetBefore"](3, 2),
    }
    for case, net in twins.items():
        for recorder in (d2lrec.NamedMpkFileRecorder(), d2lrec.BinFileRecorder()):
            file = golden.file(case, recorder.extension)
            d2lrec.load_file(net, file, recorder)
            again = d2lrec.save_file(net, "again", recorder)
            assert again.read_bytes() == file.read_bytes()
        expected = golden.EXPECTED[case]
        if "output" in expected:
            output = net(golden.tensor(expected["input"]))
            assert torch.allclose(output, golden.tensor(expected["output"]), atol=1e-6)
    query, context = torch.ones(2, 3, 4), torch.ones(2, 5, 3)
    assert twins["cross_attention"](query, context).shape == query.shape

    adan = d2lrec.BinFileRecorder().load(golden.file("adan", "bin"), like=made["adan"])
    assert {len(state["V1"]) for state in adan.values()} == {1}
    column = golden.file("linear_column_layout", "mpk")
    record = d2lrec.NamedMpkFileRecorder().load(column)
    record["weight"].tensor = record["weight"].tensor.T
    d2lrec.load_record(nn.Linear(2, 3), record)


def test_the_encodings_of_the_page_are_those_of_burn() -> None:
    made = run("layers", "en")
    positional, rotary = made["PositionalEncoding"](), made["RotaryEncoding"]()
    # Written by Burn 0.21.0, and the numbers of its own tests (pos_encoding.rs,
    # rope_encoding.rs).
    text = {
        positional: b"\x83\xa9sinusoids\xc0\xb1max_sequence_size\xc0"
        b"\xadmax_timescale\xc0",
        rotary: b"\x83\xacfreq_complex\xc0\xa5theta\xc0\xacstart_offset\xc0",
    }
    for net, fields in text.items():
        packed = d2lrec.NamedMpkBytesRecorder().record(net)
        assert packed.endswith(b"\xa4item" + fields + b"\xa2_b\x90")
        data = d2lrec.BinBytesRecorder().record(net)
        assert data.endswith(b"FullPrecisionSettings\0\0\0")
        d2lrec.load_record(net, d2lrec.BinBytesRecorder().load(data, like=net))
    row = torch.tensor([0.90930, -0.41615, 0.09270, 0.99569, 0.00431, 0.99999])
    found = positional(torch.zeros(2, 3, 6))
    assert torch.allclose(found[1, 2], row, atol=1e-5)
    row = torch.tensor([-4.7567, 18.5034, 14.8393, 16.1492])
    found = rotary(torch.arange(1.0, 17.0).reshape(2, 2, 4))
    assert torch.allclose(found[1, 1], row, atol=1e-4)


def test_a_page_has_the_same_code_in_both_languages() -> None:
    for name in ("api", "layers"):
        for pair in read_chapter(CHAPTERS / f"{name}.md").pairs:
            blocks = [re.findall(r"```.*?```", pair[x].source, re.S) for x in LANGUAGES]
            assert blocks[0] == blocks[1]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_layer_optimizer_and_scheduler_is_shown(
    pages: dict[str, str], lang: str
) -> None:
    text = pages[f"{lang}/layers.md"]
    for kind in (*LAYERS, *OPTIMIZERS, *SCHEDULERS):
        assert f"`{kind.__name__}`" in text, kind
    for kind, twin in SCHEDULERS.items():
        assert re.search(rf"\| `{kind.__name__}` \|.*\| `{twin.structure!r}` \|", text)
    assert "fill:" not in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_type_of_a_structure_is_shown(pages: dict[str, str], lang: str) -> None:
    internal = {structure.FROM_TEXT, structure.MIXED}
    types = [
        name
        for name, value in vars(structure).items()
        if isinstance(value, structure.Structure) and value not in internal
        if not name.startswith("_")
    ]
    assert {"PARAM", "U16", "ACTIVATION"} <= set(types)
    text = pages[f"{lang}/api.md"]
    assert [name for name in types if f"`{name}`" not in text] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_command_and_option_is_shown(pages: dict[str, str], lang: str) -> None:
    text = pages[f"{lang}/api.md"]
    for name, command in main.commands.items():
        assert f"### `d2lrec {name}`" in text
        for option in command.params:
            if isinstance(option, click.Option):
                assert f"- `{option.opts[0]}" in text
    assert "```sh\nd2lrec describe mlp.mpk\n" in text


# --- what fills them


def test_an_entry_has_signature_arguments_results_errors_and_example() -> None:
    names = frozenset({"load_file", "plan_load", "RecordNotFound"})
    english, chinese = (api.entry("load_file", lang, names) for lang in LANGUAGES)
    assert '<div class="cell" id="api-load_file"></div>\n\n### `load_file`' in english
    assert "load_file(\n    module: Module,\n    path: StrPath," in english
    assert "    *,\n    device: torch.device | str | None = None," in english
    assert "\n) -> Module\n" in english
    assert "see [`plan_load`](#api-plan_load)." in english
    assert "- [`RecordNotFound`](#api-RecordNotFound): There is" in english
    assert "**Example**\n\n```python\n>>> net, twin" in english
    for label, other in zip(
        ("Arguments", "Returns", "Raises", "Example"),
        ("参数", "返回", "抛出", "示例"),
        strict=True,
    ):
        assert f"**{label}**" in english
        assert f"**{other}**" in chinese
        assert f"**{label}**" not in chinese
    assert "**返回**：The module." in chinese


def test_signatures() -> None:
    def signature(name: str) -> str:
        return api.signature(api.find(name))

    assert signature("seed_ids") == "seed_ids(seed: int) -> None"
    assert signature("Param") == "Param(id: str, tensor: Any)"
    assert signature("Record") == ""
    assert signature("NamedMpkFileRecorder") == ""  # FileRecorder has it
    assert signature("CompactRecorder").startswith("CompactRecorder = partial(")
    assert signature("structure.Struct").startswith("Struct(fields: ")
    assert ", /, **more: Structure)" in signature("structure.Struct")
    assert signature("inspection.description.Description.payload") == (
        "Description.payload: int"
    )


def test_a_name_that_is_not_there_is_named(page: Path) -> None:
    edit_both(page, "load_file", "load_fiel")
    with pytest.raises(BookError, match=r"chapters/api\.md:1: d2lrec has no load_fiel"):
        build_files(read_chapter(page), [])


def test_another_kind_is_named(page: Path) -> None:
    edit_both(page, "fill: api", "fill: apes")
    with pytest.raises(BookError, match="fill: apes -->: there is no such kind"):
        build_files(read_chapter(page), [])


def test_both_languages_are_filled_with_the_same(page: Path) -> None:
    check_chapter(read_chapter(page))
    text = page.read_text("utf-8")
    start = text.rindex("load_file")
    page.write_text(f"{text[:start]}save_file -->\n", encoding="utf-8")
    with pytest.raises(BookError, match=r"api\.md:13: the lines <!-- fill: "):
        check_chapter(read_chapter(page))


def test_reference_pages_stand_behind_the_chapters(root: Path) -> None:
    (root / "chapters" / "api.md").write_text(PAGE, encoding="utf-8")
    assert Book(root).build(["api"]) == 0
    text = (root / "chapters" / "zh" / "SUMMARY.md").read_text("utf-8")
    assert text.endswith("01-small.ipynb)\n\n# 参考\n\n---\n\n[名字](api.md)\n")
    assert "**抛出**" in (root / "chapters" / "zh" / "api.md").read_text("utf-8")
    (root / "chapters" / "api.md").unlink()
    assert Book(root).build(["01-small"]) == 0
    assert not (root / "chapters" / "zh" / "api.md").exists()


def edit_both(path: Path, old: str, new: str) -> None:
    """Replace what stands once in each language."""
    text = path.read_text("utf-8")
    assert text.count(old) == 2
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- the tables


def test_the_samples_are_the_layers_of_the_library() -> None:
    assert set(twins.SAMPLES) == set(LAYERS)
    assert set(states.OPTIMIZERS) == set(OPTIMIZERS)
    for kind in LAYERS:
        assert type(twins.make(kind)) is kind


def test_what_happens_to_a_weight_is_read_off_the_layer() -> None:
    simple = twins.layers("en").splitlines()
    assert (
        "| `Linear` | `Linear` | `weight`, transposed<br>`bias`, or none |  |" in simple
    )
    assert any(
        line.startswith("| `GroupNorm` |") and "`gamma` ← `weight`, or none" in line
        for line in simple
    )
    assert "，转置" in twins.layers("zh")
    lstm = twins.fields("LSTM", "en").splitlines()
    row = "`weight_ih_l0`, part 4 of 4, transposed"
    assert f"| `output_gate.input_transform.weight` | {row} |" in lstm
    assert "`weight_ih_l0`，4份中的第4份，转置" in twins.fields("LSTM", "zh")
    decoder = twins.fields("TransformerDecoderLayer", "en")
    assert "| `norm_1` | `norm1`; with `norm_first` `norm2` |" in decoder
    assert "| `self_attn` | `self_attn`, `MultiheadAttention` |" in decoder


def test_simple_layers_are_those_with_parameters_of_their_own() -> None:
    assert twins.is_simple(nn.Conv2d)
    assert not twins.is_simple(nn.LSTM)
    assert not twins.is_simple(nn.TransformerEncoder)


def test_what_an_optimizer_keeps_is_read_off_one_step() -> None:
    rows = states.optimizers("en").splitlines()
    assert (
        "| `Adam`<br>`AdamW` | `Adam`<br>`AdamW` | `momentum.time` | `step` |" in rows
    )
    assert "|  |  | `momentum.max_moment_2` | `max_exp_avg_sq`, or none |" in rows
    assert "|  |  | `centered.avg` | computed from the others |" in rows


def test_paragraphs_that_are_not_wrapped_are_code() -> None:
    text = (
        "Say it.\n\n    Of\n    two lines.\n\n    \b\n    d2lrec it\n      more\n    "
    )
    assert list(reference._help(text)) == [
        "Say it.",
        "Of two lines.",
        "```sh\nd2lrec it\n  more\n```",
    ]
