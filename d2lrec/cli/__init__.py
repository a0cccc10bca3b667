"""The command line: `d2lrec describe`, `convert`, `diff` and `completion`.

Commands import what they need when they run, so that `describe` answers at once.
"""

from __future__ import annotations

import errno
import io
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import rich_click as click

import d2lrec

_CODES = "0: fine. 1: failed, with a line error: …, or diff found something. 2: usage."
_LIKE_HELP = (
    "What to expect, which bincode needs: package.module:Class (called without "
    "arguments; the current folder is importable), or a file with a structure."
)
_FILE = click.Path(path_type=Path)
_SETTINGS = click.Choice(["half", "full", "double"])


@contextmanager
def _reporting() -> Iterator[None]:
    """Turn our errors into a line on stderr and the exit code 1."""
    try:
        yield
    except d2lrec.RecorderError as error:
        _fail(str(error))
    except MemoryError:
        _fail("there is not enough memory for this file.")


def _fail(text: str) -> NoReturn:
    from d2lrec.inspection.view import printable

    lines = map(printable, f"error: {text}".split("\n"))
    click.echo("\n".join(lines), err=True)
    sys.exit(1)


class _Commands(click.RichGroup):
    """Commands that say in a line that their output cannot be written."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command, and write out what it printed."""
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                if sys.stdout:  # None where it was closed
                    sys.stdout.flush()
        except OSError as error:
            _drop_output()
            if error.errno == errno.EPIPE:  # who reads it has seen enough
                sys.exit(1)
            what = error.filename or "the output cannot be written"
            _fail(f"{what}: {error.strerror}.")


def _drop_output() -> None:
    """Lead stdout into nothing, or Python tries once more when it ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _number(_: object, __: object, value: float) -> float:
    """Refuse NaN, which is neither below 0 nor above."""
    if math.isnan(value):
        raise click.BadParameter("nan is no number: 0 or more expected.")
    return value


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit codes: {_CODES}",
)
@click.version_option(d2lrec.__version__, "-V", "--version")
def main() -> None:
    """Look inside records of the Burn framework, convert and compare them.

    \b
    d2lrec describe mlp.mpk                 what is in it: names, shapes, ids
    d2lrec convert mlp.mpk mlp.safetensors  for everybody else
    d2lrec diff before.mpk after.mpk        which tensors differ, by how much

    Nothing in a file is ever executed.
    """
    for stream in (sys.stdout, sys.stderr):  # whatever a file's names are made of
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@main.command()
@click.argument("file", type=_FILE)
@click.option("--like", metavar="WHAT", help=_LIKE_HELP)
@click.option(
    "--statistics",
    is_flag=True,
    help="Read all numbers: smallest, largest, mean, deviation, zeros, NaN, inf.",
)
@click.option("--bytes", "as_bytes", is_flag=True, help="What each byte means.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def describe(
    file: Path, like: str | None, statistics: bool, as_bytes: bool, as_json: bool
) -> None:
    """Say what FILE holds, without a model and without reading its numbers.

    The recorder is told from the first bytes. gzip is decompressed in memory. bincode
    stores no names: without --like, parameters are found by their ids.

    \b
    d2lrec describe mlp.mpk
    d2lrec describe mlp.bin --like models:MLP
    d2lrec describe mlp.mpk --statistics
    d2lrec describe mlp.mpk --bytes | less
    d2lrec describe mlp.mpk --json | jq .parameters
    """
    from d2lrec.cli import actions

    if as_bytes and statistics:
        raise click.UsageError("--statistics and --bytes exclude one another.")
    with _reporting():
        if as_bytes:
            actions.show_bytes(file, like, as_json)
        else:
            actions.show_description(file, like, statistics, as_json)


@main.command()
@click.argument("source", type=_FILE)
@click.argument("target", type=_FILE)
@click.option(
    "--settings",
    type=_SETTINGS,
    help="The precision of TARGET; otherwise that of a record SOURCE, or full.",
)
@click.option("--like", metavar="WHAT", help=_LIKE_HELP)
@click.option(
    "--layout",
    type=click.Choice(["burn", "pytorch"]),
    help="Names and layouts of the .safetensors or .pt file: those of the record "
    "(burn), or those of the PyTorch module that --like names (pytorch). Without "
    "--like package.module:Class, burn is the default.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts, with the notes.")
def convert(
    source: Path,
    target: Path,
    settings: str | None,
    like: str | None,
    layout: str | None,
    as_json: bool,
) -> None:
    """Convert SOURCE into TARGET; their extensions say from what to what.

    Records: .mpk .mpk.gz .bin .bin.gz .json .json.gz; ids are kept, and a checksum.
    Others: .safetensors, and .pt or .pth with a state dict (nothing is unpickled but
    tensors and plain values). What is lost is said on stderr, a note for each kind:
    precision; numbers, text, empty lists and an enum's variant, which have no place
    among tensors; ids, for which .pt has none.

    \b
    d2lrec convert mlp.mpk small.mpk.gz --settings half
    d2lrec convert mlp.mpk mlp.bin --like models:MLP
    d2lrec convert mlp.mpk mlp.pt --layout pytorch --like models:MLP
    d2lrec convert mlp.safetensors mlp.mpk

    bincode (.bin) stores no names, so both ways it needs --like. A structure file has
    lines such as

    \b
    Block = Struct(conv=LINEAR, pool=Option(Constant))
    structure = Struct(blocks=Vec(Block), scale=Param, step=u64)

    which are parsed and not executed; print(record.structure) in Python writes one.
    """
    from d2lrec.cli import actions

    problem = actions.usage_problem(source, target, layout, like)
    if problem:
        raise click.UsageError(problem)
    with _reporting():
        actions.run_conversion(source, target, settings, like, layout, as_json)


@main.command()
@click.argument("a", type=_FILE)
@click.argument("b", type=_FILE)
@click.option("--like", metavar="WHAT", help=_LIKE_HELP)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    callback=_number,
    help="Up to which difference two numbers are the same.  [default: 0]",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def diff(a: Path, b: Path, like: str | None, tolerance: float, as_json: bool) -> None:
    """Say which tensors of A and B differ, and by how much.

    Compared are names, shapes, numbers and text, whatever formats and precisions the
    files have. Empty lists and an enum's variant count; ids, metadata and constants,
    which are None, do not. A checksum is checked. The exit code is 1 if anything
    differs.

    \b
    d2lrec diff mlp.mpk trained.mpk
    d2lrec diff mlp.mpk small.mpk.gz --tolerance 1e-3
    d2lrec diff mlp.mpk mlp.safetensors --json
    """
    from d2lrec.cli import actions

    with _reporting():
        same = actions.show_differences(a, b, like, tolerance, as_json)
    if not same:
        sys.exit(1)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete the names of commands, options and files.

    \b
    eval "$(d2lrec completion bash)"        in ~/.bashrc; zsh alike in ~/.zshrc
    d2lrec completion fish | source         in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "d2lrec", "_D2LREC_COMPLETE").source())
