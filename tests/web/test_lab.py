"""JupyterLab itself, on a copy of the chapters that it has never seen."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.web.browser import ROOT, notebooks, outputs

NAME = "01-tensors"
MODEL = "jupyterapp.shell.currentWidget.content.model.toJSON()"


@pytest.fixture
def lab(tmp_path):
    """A server on a copy of the chapters, at home in a folder of its own."""
    chapters = tmp_path / "chapters"
    shutil.copytree(ROOT / "chapters", chapters)
    home = tmp_path / "home"
    scratch = tmp_path / "scratch"
    for folder in (home, scratch):
        folder.mkdir()
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("JUPYTER", "IPYTHON", "MPL", "COV_", "COVERAGE"))
    }
    environment |= {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "TMPDIR": str(scratch),
        "PYTHONPATH": str(ROOT),
    }
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options(chapters)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield address(server, home / "runtime", tmp_path / "log"), chapters, scratch
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def options(chapters):
    """No browser, no token, any free port, nothing asked of the outside."""
    return [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        "--port=0",
        f"--ServerApp.root_dir={chapters}",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]


def address(server, runtime, log):
    """Wait for the server; return where it listens."""
    for _ in range(600):
        for path in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError):  # it is being written
                return json.loads(path.read_text())["url"]
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab does not start:\n{log.read_text()}")


def files(folder):
    """Every file's bytes, without what Jupyter keeps for itself."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".ipynb_checkpoints" not in path.parts
    }


def shape(cells):
    """What each code cell gave, without the numbers and pictures themselves."""
    return [
        [(output["output_type"], *sorted(output.get("data", ()))) for output in outputs]
        for outputs in (cell["outputs"] for cell in cells)
    ]


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.browser
@pytest.mark.slow
def test_chinese_chapter_in_jupyterlab(browser, lab):
    url, chapters, scratch = lab
    before = files(chapters)
    notebook = notebooks("zh")[NAME]
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}lab/tree/zh/{NAME}.ipynb")
    look_before_running(page, notebook)
    ran = run_all(page)
    assert [cell["execution_count"] for cell in ran] == [*range(1, len(ran) + 1)]
    assert shape(ran) == shape(code_cells(notebook))
    look_at_pictures(page, notebook)
    page.close()
    local = (url, url.replace("http", "ws"), "data:", "blob:")
    assert [address for address in asked if not address.startswith(local)] == []
    stop_kernels(url)
    assert files(chapters) == before
    assert list(scratch.iterdir()) == [], "a chapter leaves its folder behind"


def look_before_running(page, notebook):
    """A fresh clone is not trusted: what it shows then is what readers see first."""
    code = len(code_cells(notebook))
    title = f"Notebook not trusted: 0 of {code} code cells trusted."
    page.locator(f'.jp-StatusItem-trust[title="{title}"]').wait_for()
    assert "张量" in page.locator(".jp-Notebook h1").first.text_content()
    look_at_pictures(page, notebook)


def look_at_pictures(page, notebook):
    """Every picture of the notebook is drawn, and has a size."""
    number = sum("image/png" in one.get("data", {}) for one in outputs(notebook))
    assert number, "a chapter has a picture"
    page.wait_for_function(
        """number => {
            const all = document.querySelectorAll(".jp-Notebook .jp-OutputArea img");
            return all.length === number
                && Array.from(all).every(img => img.naturalWidth > 0);
        }""",
        arg=number,
    )


def run_all(page):
    """Clear every output, choose Run > Run All Cells; return the code cells."""
    page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    code = f"{MODEL}.cells.filter(cell => cell.cell_type === 'code')"
    counts = f"{code}.map(cell => cell.execution_count)"
    page.wait_for_function(f"{counts}.every(count => count === null)")
    page.locator(".lm-MenuBar-item", has_text="Run").click()
    page.locator(".lm-Menu-item").get_by_text("Run All Cells", exact=True).click()
    # Until the end, or an error: JupyterLab runs nothing after one without its tag.
    untagged = (
        f"{code}.filter(cell => !cell.metadata.tags?.includes('raises-exception'))"
    )
    outputs = f"{untagged}.flatMap(cell => cell.outputs)"
    failed = f"{outputs}.filter(output => output.output_type === 'error')"
    page.wait_for_function(
        f"{counts}.every(count => count !== null) || {failed}.length"
    )
    assert page.evaluate(failed) == []
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    return code_cells(page.evaluate(MODEL))


def stop_kernels(url):
    """Shut the kernels down as closing a notebook does."""
    with urllib.request.urlopen(f"{url}api/kernels") as answer:
        kernels = json.load(answer)
    assert len(kernels) == 1
    for kernel in kernels:
        request = urllib.request.Request(
            f"{url}api/kernels/{kernel['id']}", method="DELETE"
        )
        urllib.request.urlopen(request).close()
