"""What the commands do: read, and print."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import rich_click as click

from d2lrec.cli.like import load_like
from d2lrec.cli.progress import bar
from d2lrec.inspection.view import printable, show


def show_description(
    file: Path, like: str | None, statistics: bool, as_json: bool
) -> None:
    """Print what a file holds."""
    from d2lrec.inspection.description import describe
    from d2lrec.inspection.description_view import lines

    expected = load_like(like)
    with bar() as shown:
        if statistics:
            shown.read(file)
        found = describe(file, like=expected, statistics=statistics)
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

    expected = load_like(like)
    with bar() as shown:
        found = compare(a, b, expected, tolerance, shown)
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
    as_json: bool,
) -> None:
    """Convert a file; say what is lost, on stderr or in JSON."""
    from d2lrec.cli.cast import SETTINGS
    from d2lrec.cli.converting import Job, convert
    from d2lrec.cli.names import format_name

    chosen = None if settings is None else SETTINGS[settings]
    expected = load_like(like)
    notes: list[str] = []  # said if it is done: what fails loses nothing
    with warnings.catch_warnings(record=True) as caught, bar() as shown:
        warnings.simplefilter("always")
        convert(Job(source, target, expected, layout, chosen, notes.append, shown))
    notes += [str(warning.message) for warning in caught]
    if as_json:
        written = {"source": str(source), "target": str(target)}
        about_it = {"format": format_name(target), "bytes": target.stat().st_size}
        print_json({**written, **about_it, "notes": notes})
        return
    for note in notes:
        click.echo(f"note: {printable(note)}", err=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    json.dump(value, sys.stdout, indent=2, allow_nan=False)
    print()
