"""The table and the plot of what was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import matplotlib

from benchmarks.rows import Row
from benchmarks.sets import SETS

matplotlib.use("Agg")
HEAD = ("set", "what", "d2lrec", "against", "takes", "ratio", "target", "met")
PACKAGES = ("torch", "numpy", "safetensors", "isal", "orjson")


def amount(value: float, unit: str) -> str:
    """Write a time or a size for people.

    >>> amount(0.0123, "s"), amount(102_400_000, "B")
    ('12.3 ms', '102 MB')
    """
    if unit == "s":
        for factor, name in ((1, "s"), (1e3, "ms")):
            if value * factor >= 1:
                return f"{value * factor:.3g} {name}"
        return f"{value * 1e6:.3g} µs"
    for factor, name in ((1e-9, "GB"), (1e-6, "MB"), (1e-3, "kB")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value:.0f} B"


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of a row, under `HEAD`."""
    met = {None: "", True: "yes", False: "NO"}[row.met]
    ours, theirs = amount(row.ours, row.unit), amount(row.theirs, row.unit)
    ratio = f"{row.ratio:.3g}"
    return row.set, row.what, ours, row.peer, theirs, ratio, row.target, met


def table(rows: Sequence[Row], edge: str = "") -> str:
    """Return rows as aligned text; with an edge of `|` as Markdown."""
    lines = [HEAD, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = []
    for line in lines:
        padded = (cell.ljust(n) for cell, n in zip(line, widths, strict=True))
        texts.append(f" {edge or ' '} ".join(padded).rstrip())
    if edge:
        texts.insert(1, f" {edge} ".join("-" * width for width in widths))
        texts = [f"{edge} {text} {edge}" for text in texts]
    return "\n".join(texts)


def summary(rows: Sequence[Row]) -> str:
    """Say how many of the targets are met."""
    asked = [row for row in rows if row.met is not None]
    return f"{sum(bool(row.met) for row in asked)} of {len(asked)} targets met"


def machine(folder: Path) -> str:
    """Say on what was measured."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    processors = f"{os.cpu_count()} processors ({platform.machine()})"
    python = f"Python {platform.python_version()}"
    return f"{platform.system()}, {processors}, {python}, {versions}"


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write `results.md` and `results.png`."""
    letters = sorted({row.set for row in rows} & SETS.keys())
    sets = [f"* {letter}: {SETS[letter].title}" for letter in letters]
    sets.append("* j: 4 MB in 8 tensors")
    text = [
        "# How fast d2lrec is",
        "Made by `make bench`. The contestants take turns, round after round, in one"
        "\nrun; what is shown are medians, and the ratio of ours to theirs (where the"
        "\ntarget says ≥, of theirs to ours).",
        "A save of d2lrec replaces the old file by a new one, the others write over"
        "\ntheirs.",
        f"{machine(folder)}.",
        "\n".join(sets),
        "![The ratios, and the targets](results.png)",
        table(rows, "|"),
        f"{summary(rows)}.",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text("\n\n".join(text) + "\n")
    draw([row for row in rows if row.limit is not None], folder / "results.png")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw each ratio as a share of its target: up to the line is met."""
    import matplotlib.pyplot as plt

    shares = [_share(row) for row in rows]
    names = [f"{row.set}: {row.what} / {row.peer} {row.target}" for row in rows]
    colors = ["#2a7f62" if row.met else "#c1443c" for row in rows]
    figure, axes = plt.subplots(figsize=(9, 0.28 * len(rows) + 1.2))
    axes.barh(names, shares, color=colors)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.set_xlabel("of the target (1: just met; farther left is better)")
    figure.savefig(path, dpi=120, facecolor="white", bbox_inches="tight")
    plt.close(figure)


def _share(row: Row) -> float:
    assert row.limit is not None
    return row.limit / row.ratio if row.inverse else row.ratio / row.limit
