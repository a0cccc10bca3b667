"""Build the book: ``python tools/book.py build [--check] [--fresh] [NAME ...]``.

Each source ``chapters/NN-name.md`` holds both languages. Its code runs once, in an
empty folder, and becomes two executed notebooks, ``chapters/en/NN-name.ipynb`` and
``chapters/zh/NN-name.ipynb``; the front page ``chapters/index.md`` becomes
``chapters/en/index.md`` and ``chapters/zh/index.md``; each language gets its
``SUMMARY.md``. Building again gives the same bytes. A fault stops the chapter,
names file and line, and leaves what was there before.

* ``build`` runs the code only where it, the library or a version has changed.
* ``build --check`` runs everything, writes nothing and fails where the files that
  are kept differ from what the sources give.
* ``check`` looks at the prose only: quick, for writing.
* ``stats`` counts cells, lines and words.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not tools/: its modules would hide others of their name

PYTHONS = ((3, 11), (3, 13))


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Stop under a Python that the stored outputs were not made for."""
    if not PYTHONS[0] <= tuple(version) <= PYTHONS[1]:
        found = ".".join(map(str, version))
        sys.exit(
            f"Python {found}: the book is built with Python 3.11 to 3.13. "
            "Run `make book`, which sets up the right one."
        )


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    check_python()
    import argparse

    parser = argparse.ArgumentParser(prog="tools/book.py", description="The book.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project's folder")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="run the code, write the notebooks")
    build.add_argument("--check", action="store_true", help="compare, write nothing")
    build.add_argument("--fresh", action="store_true", help="run unchanged code too")
    check = commands.add_parser("check", help="look at the prose only")
    stats = commands.add_parser("stats", help="count cells, lines and words")
    for command in (build, check, stats):
        command.add_argument("names", nargs="*", metavar="NAME", help="01-tensors")
    options = parser.parse_args(arguments)

    try:
        from tools.builder import Book, BookError
    except ImportError as error:
        sys.exit(f"{error}. Run `make book`, which installs what the book needs.")
    book = Book(options.root.resolve())
    try:
        if options.command == "check":
            return book.check_prose(options.names)
        if options.command == "stats":
            return book.print_stats(options.names)
        if options.check:
            return book.compare(options.names)
        return book.build(options.names, fresh=options.fresh)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: nothing is half-written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
