"""What the commands do: read, and print."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rich_click as click

from d2lrec.cli.like import load_like
from d2lrec.inspection.view import printable, show


def show_description(
    file: Path, like: str | None, statistics: bool, as_json: bool
) -> None:
    """Print what a file holds."""
    from d2lrec.inspection.description import describe
    from d2lrec.inspection.description_view import lines

    found = describe(file, like=load_like(like), statistics=statistics)
    if as_json:
        print_json(found.to_dict())
    else:
        show(lines(found))


def show_bytes(file: Path, like: str | None, as_json: bool) -> None:
    """Print what each byte of a file means; of a damaged file up to the damage."""
    from d2lrec.inspection.byte_map import annotate

    found = annotate(file, like=load_like(like))
    if as_json:
        print_json(found.to_dict())
    else:
        show(found.lines())
    if found.error is not None:
        raise found.error


def show_differences(
    a: Path, b: Path, like: str | None, tolerance: float, as_json: bool
) -> bool:
    """Print what differs; return whether nothing does."""
    from d2lrec.cli.differing import compare, report

    found = compare(a, b, load_like(like), tolerance)
    if as_json:
        print_json({"a": str(a), "b": str(b), **found.to_dict()})
    else:
        for line in report(found, a, b):
            print(line)
    return not found.differences


def usage_problem(
    source: Path, target: Path, layout: str | None, like: str | None
) -> str | None:
    """Return what is wrong with the arguments of a conversion, or None."""
    from d2lrec.cli.names import RECORDS, is_record, is_tensor_file

    if not is_record(target) and not is_tensor_file(target):
        known = ", ".join(f".{extension}" for extension in RECORDS)
        what = f"{target.name}: the extension of TARGET says what it is to be:"
        return f"{what} {known}, .safetensors, .pt or .pth."
    if layout == "pytorch":
        if is_tensor_file(source) == is_tensor_file(target):
            what = "--layout pytorch is for a record on one side and .safetensors"
            return f"{what} or .pt on the other."
        if like is None:
            what = "--layout pytorch needs the module whose names and layouts it is:"
            return f"{what} --like package.module:Class."
    return None


def run_conversion(
    source: Path,
    target: Path,
    settings: str | None,
    like: str | None,
    layout: str | None,
) -> None:
    """Convert a file; say on stderr what is lost."""
    from d2lrec.cli.cast import SETTINGS
    from d2lrec.cli.converting import Job, convert
    from d2lrec.cli.progress import bar

    chosen = None if settings is None else SETTINGS[settings]
    expected = load_like(like)
    with _warnings_as_notes(), bar(f"writing {printable(target.name)}") as watched:
        convert(Job(source, target, expected, layout, chosen, note, watched))


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        note(str(warning.message))


def note(text: str) -> None:
    """Say something on stderr that is no error."""
    click.echo(f"note: {printable(text)}", err=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    json.dump(value, sys.stdout, indent=2, allow_nan=False)
    print()
