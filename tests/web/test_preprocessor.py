"""What becomes of a notebook's text, and the commands that build the site."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.browser import ROOT, notebooks
from tools import mdbook_preprocessor as preprocessor
from tools import site


def test_alerts_links_and_language_line():
    source = (
        "**English** · [中文](../zh/01-a.ipynb)\n\n# A\n\n"
        '<div class="alert alert-warning">\n\nMind `the` gap.\n\nTwice.\n\n</div>\n\n'
        "[b](02-b.ipynb#x), [c](../zh/03-c.ipynb), `[d](04-d.ipynb)`\n\n"
        "```\n[e](05-e.ipynb)\n```\n"
    )
    assert preprocessor.prose(source) == (
        "\n# A\n\n> [!WARNING]\n> Mind `the` gap.\n>\n> Twice.\n\n"
        "[b](02-b.md#x), [c](../zh/03-c.html), `[d](04-d.ipynb)`\n\n"
        "```\n[e](05-e.ipynb)\n```\n"
    )


def test_html_without_blank_lines():
    assert preprocessor.solid("<table>\n\n<tr></tr>\n \n</table>") == (
        "<table>\n<tr></tr>\n</table>"
    )
    assert preprocessor.solid("<pre>a\n\nb</pre>\n\n<p>") == (
        "<pre>a&#10;&#10;b</pre>\n<p>"
    )


def test_fence_is_longer_than_what_it_holds():
    assert preprocessor.fence("x = 1") == "```"
    assert preprocessor.fence('"""\n```python\n"""') == "````"


def test_traceback_is_shown_where_it_says_more():
    error = {
        "ename": "E",
        "evalue": "no\n\tway",
        "traceback": ["\x1b[31mE\x1b[39m: no\n  way"],
    }
    assert not preprocessor.has_frames(error)
    error["traceback"].insert(0, "Cell In[1], line 1")
    assert preprocessor.has_frames(error)


def test_mdbook_by_itself_builds_the_english_book(tmp_path):
    command = [site.find_mdbook(), "build", "--dest-dir", str(tmp_path / "book")]
    # Any `python3` may be first on the path: one without nbconvert, too.
    fake = tmp_path / "python3"
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    if not (ROOT / ".venv" / "bin" / "python").exists():
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert "WARN" not in done.stderr
    page = (tmp_path / "book" / "index.html").read_text("utf-8")
    assert '<html lang="en"' in page
    assert 'class="switch"' not in page, "there is no other language to switch to"


def copy_of_book(folder):
    for name in ("book.toml", "chapters", "tools"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


def test_no_notebooks_is_one_clear_line(tmp_path, capsys):
    root = copy_of_book(tmp_path)
    shutil.rmtree(root / "chapters" / "zh")
    assert site.main(["--root", str(root)]) == 1
    assert capsys.readouterr().err == (
        "site: chapters/zh/SUMMARY.md is missing. "
        "Run `python tools/book.py build` first: it writes the notebooks.\n"
    )
    assert not (root / "site").exists()


def test_a_broken_notebook_is_named_and_the_old_site_stays(tmp_path, capsys):
    root = copy_of_book(tmp_path)
    (root / "site").mkdir()
    (root / "site" / "kept").touch()
    name = f"{next(iter(notebooks('en')))}.ipynb"
    (root / "chapters" / "en" / name).write_text('{"cells": [')
    assert site.main(["--root", str(root)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("site: mdBook on chapters/en:\n")
    assert f"{name}: cannot make a page:" in error
    assert [path.name for path in (root / "site").iterdir()] == ["kept"]
    assert not list(root.glob(".site-*"))


def test_mdbook_missing_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(site.SiteError, match="mdbook is missing"):
        site.find_mdbook()
