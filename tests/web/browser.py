"""A real browser and a server for the tests that look at pages."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OTHER = {"en": "zh", "zh": "en"}
LANGUAGES = tuple(OTHER)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]


def notebooks(language: str) -> dict[str, dict]:
    """Return every notebook of a language, by its name."""
    paths = sorted((ROOT / "chapters" / language).glob("*.ipynb"))
    assert paths, "no notebooks: run `make book`"
    return {path.stem: json.loads(path.read_text("utf-8")) for path in paths}


def outputs(notebook: dict) -> list[dict]:
    """Return every output of a notebook, in order."""
    return [output for cell in notebook["cells"] for output in cell.get("outputs", [])]


@contextmanager
def chromium() -> Iterator:
    """Yield the system's Chromium, driven by Playwright; skip where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine only; yield its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Watch:
    """Note what goes wrong on a page, and every request that leaves this machine."""

    def __init__(self, page, home: str) -> None:
        self.troubles: list[str] = []
        self.home = home
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("request", self._request)
        page.on("response", self._response)

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"{message.type}: {message.text}")

    def _failed(self, request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the test went on to another page
            self.troubles.append(f"failed: {request.url}")

    def _request(self, request) -> None:
        if not request.url.startswith((self.home, "data:", "blob:")):
            self.troubles.append(f"outside: {request.url}")

    def _response(self, response) -> None:
        if response.status >= 400:
            self.troubles.append(f"{response.status}: {response.url}")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """The standard library's file server without its log."""

    def log_message(self, *arguments) -> None:
        pass
