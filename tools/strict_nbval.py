"""A pytest plugin that makes nbval strict; it acts only where ``--nbval`` is given.

nbval alone passes over pictures, the order of unlike outputs, and cells that were
never run. Here pictures are compared as decoded pixels, outputs in their order,
an unrun cell or one that asks not to be compared fails, and so does a run that
leaves files beside the notebooks. The kernels are the builder's own: see
`tools.kernels`.
"""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest

PICTURES = ("image/png", "image/jpeg")
UNCOMPARED = ("execution_count", "traceback")
STATE = pytest.StashKey["_State"]()


class _State:
    """What a run has to put back, and to look at, when it ends."""

    def __init__(self, config: pytest.Config) -> None:
        from tools.kernels import kernel_environment, warm_up

        # a worker of xdist may end before it closes: its folder lies in the main one
        self.folder = Path(tempfile.mkdtemp(prefix="d2lrec-nbval-"))
        self.before = dict(os.environ)
        self.places = [Path(name.split("::")[0]) for name in config.args]
        self.files = self.list_files()
        self.left: list[Path] = []
        os.environ.clear()
        os.environ.update(self.before)
        os.environ.update(kernel_environment(config.rootpath, self.folder, seed=1))
        if not _is_worker(config):
            warm_up()

    def list_files(self) -> set[Path]:
        """The files in the folders of the notebooks that are run."""
        folders = {p if p.is_dir() else p.parent for p in self.places}
        return {
            path
            for folder in folders
            for path in folder.rglob("*")
            if not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)
        }

    def close(self) -> None:
        """Undo what was changed for the kernels."""
        os.environ.clear()
        os.environ.update(self.before)
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set the kernels up, once per process."""
    option = config.option
    if not getattr(option, "nbval", False):
        return
    option.nbval_current_env = True  # never a kernel that happens to be called so
    option.nbval_cell_timeout = min(option.nbval_cell_timeout, 60)
    if getattr(option, "dist", "no") == "load":
        option.dist = "loadscope"  # the cells of a notebook belong together
    config.stash[STATE] = _State(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Put the environment back."""
    if state := config.stash.get(STATE, None):
        state.close()


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Take pictures off nbval's list of what is not compared."""
    skipped = getattr(collector, "skip_compare", None)
    if skipped is not None:
        collector.skip_compare = tuple(s for s in skipped if s not in PICTURES)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Put our comparison before nbval's."""
    if hasattr(item, "compare_outputs") and STATE in item.config.stash:
        item.compare_outputs = partial(compare, item, item.compare_outputs)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run and compare every cell; fail those that nbval would pass in any case."""
    if not hasattr(item, "compare_outputs") or STATE not in item.config.stash:
        return (yield)
    excused = item.options["skip"] or not item.options["check"]
    item.options.update(skip=False, check=True)
    result = yield
    if item.cell.execution_count is None:
        pytest.fail("this cell was never run: its outputs say nothing", pytrace=False)
    if excused:
        pytest.fail("this cell asks not to be compared: it has to be", pytrace=False)
    return result


def compare(item: pytest.Item, nbval_compare, test: list, ref: list) -> bool:
    """Whether a cell's new outputs are the stored ones, pictures as they are seen."""
    test, ref = _plain(test), _plain(ref)
    fault = _take_over_pictures(test, ref)
    if not nbval_compare(test, ref):
        if fault:
            item.comparison_traceback.insert(0, fault)
        return False
    if fault or _comparable(test) != _comparable(ref):
        fault = fault or "the outputs are in another order, or their metadata differ"
        item.comparison_traceback = [fault]
        return False
    return True


def _plain(outputs: list) -> list:
    """Outputs as they are stored: without the codes that color a terminal."""
    from tools.kernels import strip_ansi

    outputs = copy.deepcopy(list(outputs))
    for output in outputs:
        for key in ("text", "evalue"):
            if key in output:
                output[key] = strip_ansi(output[key])
    return outputs


def _take_over_pictures(test: list, ref: list) -> str:
    """Where a picture looks the same, let it be the same file; say what differs."""
    from tools.pictures import picture_difference

    faults = []
    for new, old in zip(test, ref, strict=False):
        data, kept = new.get("data", {}), old.get("data", {})
        if "image/png" in data and "image/png" in kept:
            fault = picture_difference(kept["image/png"], data["image/png"])
            if fault:
                faults.append(fault)
            else:
                data["image/png"] = kept["image/png"]
    return "; ".join(faults)


def _comparable(outputs: list) -> list:
    return [
        {key: value for key, value in output.items() if key not in UNCOMPARED}
        for output in outputs
    ]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that left files beside the notebooks."""
    state = session.config.stash.get(STATE, None)
    if state and not _is_worker(session.config):
        state.left = sorted(state.list_files() - state.files)
        if state.left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Name the files that were left."""
    state = config.stash.get(STATE, None)
    for path in state.left if state else ():
        terminalreporter.write_line(f"left behind by a notebook: {path}", red=True)
