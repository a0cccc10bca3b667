"""The site, built once, served, and a browser in front of it."""

import subprocess
import sys

import pytest

from tests.web.browser import ROOT, Watch, chromium, serve


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The site of this repository, made by the command that `make book` runs."""
    out = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "tools/site.py", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(f"Open {out}/index.html in a browser.")
    return out


@pytest.fixture(scope="session")
def home(built):
    with serve(built) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser, home):
    """A page at a desk; a test that ends with troubles on it fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    page = context.new_page()
    watch = Watch(page, home)
    yield page
    context.close()
    assert watch.troubles == []
