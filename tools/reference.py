"""What the reference pages are filled with: the API, the commands, the tables.

The sources of these pages, `chapters/layers.md` and `chapters/api.md`, hold prose in
both languages. A line `<!-- fill: KIND NAME ... -->` stands where something is put that
the library says of itself, so that it cannot say anything else:

* `api`: names of the library, with signatures and docstrings;
* `types`: what the names of types in signatures mean;
* `commands`: the command line;
* `layers`, `fields NAME ...`, `optimizers`: PyTorch's and Burn's, side by side.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

from tools import api
from tools.chapter import BookError, Chapter, Problem

FILL = re.compile(r"^<!-- fill: (\w+)((?:\s+[\w.]+)*)\s+-->$", re.M)
LABELS = {"en": ("Options", "Commands"), "zh": ("选项", "命令")}


def fill(text: str, lang: str) -> str:
    """Put in the place of each line `<!-- fill: … -->` what it asks for.

    Raises:
        LookupError: There is no such kind or no such name.
    """
    index = frozenset(map(api.shown, names("api", text)))

    def found(match: re.Match[str]) -> str:
        return _kind(match[1])(match[2].split(), lang, index)

    return FILL.sub(found, text)


def names(kind: str, text: str) -> list[str]:
    """The names that a page's lines of one kind have, in their order."""
    return [name for x in FILL.finditer(text) if x[1] == kind for name in x[2].split()]


def fill_page(chapter: Chapter, text: str, lang: str) -> str:
    """Fill a page; what is wrong is said as every fault of a chapter is."""
    try:
        return fill(text, lang)
    except LookupError as error:
        raise BookError([Problem(chapter.label, 1, error.args[0])]) from None


def check_fills(chapter: Chapter) -> Iterator[Problem]:
    """Whether both languages are filled with the same."""
    for pair in chapter.pairs:
        if FILL.findall(pair.en.source) != FILL.findall(pair.zh.source):
            text = "the lines <!-- fill: … --> differ. Make them equal."
            yield chapter.problem(pair.zh.line, text)


Filler = Callable[[list[str], str, frozenset[str]], str]


def _kind(kind: str) -> Filler:
    # Only those that import the library are slow, so that others do not wait.
    if kind == "api":
        return api.entries
    if kind == "types":
        return lambda names, lang, index: api.aliases(names, lang)
    if kind == "commands":
        return lambda names, lang, index: commands(lang)
    if kind == "optimizers":
        from tools.states import optimizers

        return lambda names, lang, index: optimizers(lang)
    from tools import twins

    if kind == "layers":
        return lambda names, lang, index: twins.layers(lang)
    if kind == "fields":
        return lambda names, lang, index: twins.fields(*names, lang)
    raise LookupError(f"<!-- fill: {kind} -->: there is no such kind")


def commands(lang: str) -> str:
    """The command line: what `--help` says."""
    import click

    from d2lrec.cli import main

    context = click.Context(main, info_name="d2lrec")
    blocks = []
    for name, command in main.commands.items():
        below = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(below))
        place = f'<div class="cell" id="api-d2lrec-{name}"></div>'
        blocks += [place, f"### `d2lrec {name}`"]
        blocks += [f"```sh\nd2lrec {name} {usage}\n```", *_help(command.help or "")]
        options = [
            f"- `{record[0]}`: {record[1]}"
            for one in command.params
            if isinstance(one, click.Option) and (record := one.get_help_record(below))
        ]
        if options:
            blocks += [f"**{LABELS[lang][0]}**", "\n".join(options)]
    return "\n\n".join(blocks)


def _help(text: str) -> Iterator[str]:
    """Paragraphs; those that click is told not to wrap are code."""
    for part in inspect.cleandoc(text).split("\n\n"):
        if part.startswith("\b\n"):
            yield f"```sh\n{part[2:].rstrip()}\n```"
        else:
            yield " ".join(part.split())
