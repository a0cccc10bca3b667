"""Running a chapter's code the same way on every machine.

The kernel is the Python that runs the build, whatever is installed under the name
``python3``; a reader's own IPython profile, matplotlibrc and color settings stay
out; temporary files fall into a folder that is removed with everything in it.
"""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)

from tools.chapter import BookError, Chapter, Code

CELL_TIMEOUT = 60
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
UNWANTED = ("NO_COLOR", "FORCE_COLOR", "PYTHON_COLORS", "PYTHONWARNINGS")


def strip_ansi(text: str) -> str:
    """The text without the codes that color a terminal."""
    return ANSI.sub("", text)


def kernel_environment(root: Path, scratch: Path, seed: int = 0) -> dict[str, str]:
    """The environment of a kernel: ``d2lrec`` from ``root``, nothing of the user's.

    The seed is that of Python's hashes. It is given, so that runs are alike, and is
    another one in the tests than in the build, so that an output which shows the
    order of a set is caught.
    """
    import matplotlib

    environment = {k: v for k, v in os.environ.items() if k not in UNWANTED}
    places = [str(root), environment.get("PYTHONPATH", "")]
    for name in ("ipython", "tmp"):
        (scratch / name).mkdir(exist_ok=True)
    environment |= {
        "PYTHONPATH": os.pathsep.join(place for place in places if place),
        "PYTHONHASHSEED": str(seed),
        "IPYTHONDIR": str(scratch / "ipython"),
        "TMPDIR": str(scratch / "tmp"),
        "MATPLOTLIBRC": str(Path(matplotlib.get_data_path()) / "matplotlibrc"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    return environment


def warm_up() -> None:
    """Let matplotlib make its list of fonts now: later it would say so on stderr."""
    import matplotlib.font_manager  # noqa: F401


class _ThisPython(AsyncKernelManager):
    """A kernel manager that knows one kernel: the running Python's."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """How to start it."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, language="python", display_name="Python 3")


@contextmanager
def _client(chapter: Chapter, root: Path) -> Iterator[tuple[NotebookClient, Path]]:
    """A started kernel in an empty folder, with the chapter's code cells before it."""
    notebook = nbformat.v4.new_notebook()
    for code in chapter.code:
        cell = nbformat.v4.new_code_cell(code.source)
        cell.metadata = nbformat.from_dict({"tags": list(code.tags)})
        notebook.cells.append(cell)
    with tempfile.TemporaryDirectory(prefix="d2lrec-book-") as name:
        scratch, desk = Path(name), Path(name, "desk")
        desk.mkdir()
        client = NotebookClient(
            notebook,
            km=_ThisPython(),
            timeout=CELL_TIMEOUT,
            record_timing=False,
            coalesce_streams=True,
        )
        environment = kernel_environment(root, scratch)
        how = {"cwd": str(desk), "env": environment, "stderr": subprocess.DEVNULL}
        with ExitStack() as stack:
            try:
                stack.enter_context(client.setup_kernel(cleanup_kc=True, **how))
            except (OSError, RuntimeError) as error:
                text = f"{sys.executable}: no kernel starts: {error}. Run `make book`."
                raise BookError(text) from None
            yield client, desk


def execute(chapter: Chapter, root: Path, say=lambda text: None) -> list[list[dict]]:
    """Run a chapter's code once, in an empty folder; the outputs of each code cell."""
    began = time.monotonic()
    with _client(chapter, root) as (client, desk):
        for number, code in enumerate(chapter.code):
            say(f"{number + 1}/{len(chapter.code)} cells")
            _execute_cell(client, number, code, chapter)
        left = sorted(path.name for path in desk.iterdir())
        outputs = [_normal(c.outputs, n) for n, c in enumerate(client.nb.cells, 1)]
    if left:
        line = chapter.code[0].line
        text = f"leaves files behind: {', '.join(left)}. Work in a temporary folder."
        raise BookError([chapter.problem(line, text)])
    say(f"{len(chapter.code)} code cells, {time.monotonic() - began:.1f} s")
    return outputs


def _execute_cell(
    client: NotebookClient, number: int, code: Code, chapter: Chapter
) -> None:
    line, expected = code.line, "raises-exception" in code.tags
    try:
        cell = client.execute_cell(client.nb.cells[number], number)
    except CellExecutionError as error:
        inner = re.search(r"Cell In\[\d+\],? line (\d+)", strip_ansi(error.traceback))
        line += int(inner[1]) - 1 if inner else 0
        what = f"{error.ename}: {strip_ansi(error.evalue)}"
        text = f"the code cell fails: {what}\nMend it, or tag it raises-exception."
    except CellTimeoutError:
        text = f"the code cell runs for more than {CELL_TIMEOUT} s. Make it shorter."
    except DeadKernelError:
        text = "the code cell ended the Python process (a crash, or no memory left)."
    else:
        if not expected or any(o.output_type == "error" for o in cell.outputs):
            return
        text = "tagged raises-exception, but nothing was raised. Remove the tag."
    raise BookError([chapter.problem(line, text)])


def _normal(outputs: list[dict], count: int) -> list[dict]:
    """Outputs as they are kept: no color codes, short tracebacks, counts from one."""
    kept = copy.deepcopy(outputs)
    for output in kept:
        if output["output_type"] == "error":
            # nbval does not compare tracebacks, and their paths are a machine's own
            output["evalue"] = strip_ansi(output["evalue"])
            output["traceback"] = [f"{output['ename']}: {output['evalue']}"]
        elif output["output_type"] == "stream":
            output["text"] = strip_ansi(output["text"])
        elif output["output_type"] == "execute_result":
            output["execution_count"] = count
    return kept
