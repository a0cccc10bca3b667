"""Measure d2lrec against its peers: `make bench`, or `python -m benchmarks.run`.

Every contestant of a figure has its turn in every round; see `measuring`. It takes
about twelve minutes, 6 GB of disk and 7 GB of memory; `--quick` and `--sets` take less.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from benchmarks import files, memory, report, texts
from benchmarks.burn import Burn, build
from benchmarks.rows import Row
from benchmarks.sets import SETS, Set, size_of

HERE = Path(__file__).resolve().parent
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> int:
    """The command line; returns the exit status."""
    options = parse()
    letters = options.sets.split(",")
    modules = {letter: SETS[letter].make() for letter in letters}
    largest = max(map(size_of, modules.values()))
    check_space(options.folder, 6 * largest + (1 << 28))
    program = build() if options.burn else None
    rows: list[Row] = []
    for letter in letters:
        module = modules.pop(letter)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            rows += measure(SETS[letter], module, Path(folder), options, program)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rounds = options.rounds or (1 if options.quick else 5)
        rows += texts.measure_json(Path(folder), rounds, CLOCKS[options.clock])
    print(report.table(rows))
    print(report.summary(rows))
    if options.report:
        report.write(rows, options.report)
        print(f"written: {options.report / 'results.md'}, results.png")
    return 0


def measure(
    one: Set,
    module: nn.Module,
    folder: Path,
    options: argparse.Namespace,
    program: Path | None,
) -> list[Row]:
    """Measure all that is asked of one set."""
    print(f"{one.name}: {one.title}", flush=True)
    rounds = options.rounds or (3 if options.quick else one.rounds)
    few = options.rounds or (1 if options.quick else 3)
    clock = CLOCKS[options.clock]
    twin = one.make()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    burn = Burn(program, module) if program and one.name in "bc" else None
    rows = files.measure(one, module, twin, folder, rounds, burn, clock)
    if one.name in "bct":
        rows += memory.measure(one.name, module, folder)
    if one.name == "b":
        rows += texts.measure_gzip(module, folder, few, burn, clock)
    if one.name == "c":
        rows += texts.measure_describe(folder / "set.mpk", "c", rounds)
    if burn:
        burn.close()
    return rows


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="Measure d2lrec against its peers."
    )
    add = parser.add_argument
    add("--sets", default=",".join(SETS), help="which, such as a,b (default: all)")
    add("--rounds", type=int, default=0, help="how many (default: by the set)")
    add("--quick", action="store_true", help="few rounds, for a first look")
    add("--folder", type=Path, help="where to write what is measured")
    add("--report", type=Path, help="where results.md and results.png go")
    add("--clock", choices=CLOCKS, default="wall", help="cpu: for a busy machine")
    add("--no-burn", dest="burn", action="store_false", help="leave Burn out")
    options = parser.parse_args()
    unknown = set(options.sets.split(",")) - SETS.keys()
    if unknown:
        parser.error(
            f"no set {', '.join(sorted(unknown))}: there are {', '.join(SETS)}"
        )
    options.folder = options.folder or Path(tempfile.gettempdir())
    whole = len(set(options.sets.split(","))) == len(SETS)
    if options.report is None and whole and not options.quick:
        options.report = HERE  # a part of the figures does not replace all of them
    return options


def check_space(folder: Path, needed: int) -> None:
    """Stop before the first byte where the files would not fit."""
    if not folder.is_dir():
        sys.exit(f"{folder}: no such folder")
    free = shutil.disk_usage(folder).free
    if free < needed:
        sizes = f"{free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB needed"
        sys.exit(f"{folder}: {sizes}. Name another with --folder, or fewer --sets.")


if __name__ == "__main__":
    sys.exit(main())
