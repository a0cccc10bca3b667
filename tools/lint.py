"""What a generated notebook must not contain, and nbval does not see."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat

from tools.chapter import BookError, Chapter

UNREADABLE = (nbformat.ValidationError, ValueError, TypeError, AttributeError)
MAX_LINES = 40
MAX_PNG = 200_000
TEXTS = ("text/plain", "text/html", "text/markdown", "text/latex", "application/json")
PATTERNS = {
    "an address in memory": r"\b0x[0-9a-fA-F]{6,}\b",
    "a path of this machine": (
        r"(?<![\w.:/])(?:/(?:home|root|tmp|usr|var|opt|private|Users|mnt|work|etc|"
        r"proc|dev/shm|Library)\b[/\w.-]*)|\b[A-Z]:\\\w"
    ),
    "a date": r"\b(?:19|20)\d\d-[01]\d-[0-3]\d\b",
    "a time of day": r"\b[0-2]?\d:[0-5]\d:[0-5]\d\b",
    "a duration": r"\b\d+(?:\.\d+)? ?(?:ms|µs|us|ns|sec|seconds)\b",
}


def _texts(output: dict) -> dict[str, str]:
    """What a reader would read of an output, by its kind."""
    if output["output_type"] == "stream":
        return {"text/plain": output["text"]}
    if output["output_type"] == "error":
        return {"text/plain": f"{output['ename']}: {output['evalue']}"}
    return {
        # pictures inside HTML are no text
        kind: re.sub(r"data:[\w/+;,-]*base64,[\w+/=]*", "", str(text))
        for kind, text in output.get("data", {}).items()
        if kind in TEXTS
    }


def lint_cell(source: str, tags: list[str], outputs: list[dict]) -> Iterator[str]:
    """What is wrong with one code cell and its outputs."""
    code = [line for line in source.splitlines() if line.strip()]
    if code and code[-1].rstrip().endswith(";"):
        yield "a trailing ';' (nbval prints what it hides): write `_ =` or plt.show()"
    if any(tag.startswith("nbval-") for tag in tags) or "NBVAL_" in source:
        yield "an nbval mark: every cell runs and every output is compared"
    for output in outputs:
        yield from _lint_output(output, tags)


def _lint_output(output: dict, tags: list[str]) -> Iterator[str]:
    kind, data = output["output_type"], output.get("data", {})
    if kind == "stream" and output["name"] == "stderr":
        first = "".join(output["text"]).strip().splitlines()[:1]
        yield f"output on stderr: {''.join(first)[:100]}"
    if kind == "error" and "raises-exception" not in tags:
        yield f"an error ({output['ename']}) without the tag raises-exception"
    if "image/svg+xml" in data and "image/png" not in data:
        yield "an SVG picture without a PNG: JupyterLab hides it until one trusts it"
    if "application/vnd.jupyter.widget-view+json" in data:
        yield "a widget: it shows nothing until it runs"
    if "image/png" in data:
        size = len(base64.b64decode(data["image/png"]))
        if size > MAX_PNG:
            yield f"a picture of {size} bytes: at most {MAX_PNG}"
    for mime, text in _texts(output).items():
        lines = text.rstrip("\n").count("\n") + 1
        if mime == "text/plain" and lines > MAX_LINES:
            yield f"an output of {lines} lines: at most {MAX_LINES}"
        yield from _lint_text(text)


def _lint_text(text: str) -> Iterator[str]:
    if "\x1b" in text:
        yield "codes that color a terminal"
    for what, pattern in PATTERNS.items():
        if found := re.search(pattern, text):
            yield f"{what} in an output: {found[0]!r}"


def lint_outputs(chapter: Chapter, outputs: list[list[dict]]) -> None:
    """Refuse outputs that another machine would not give; used while building."""
    problems = [
        chapter.problem(code.line, f"{fault}.")
        for code, found in zip(chapter.code, outputs, strict=True)
        for fault in lint_cell(code.source, list(code.tags), found)
    ]
    if problems:
        raise BookError(problems)


def lint_notebook(path: Path) -> list[str]:
    """Everything wrong with a notebook's file, one line each."""
    try:
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
    except UNREADABLE as error:
        return [f"{path.name}: not a valid notebook: {str(error).splitlines()[0]}"]
    faults = []
    if "widgets" in notebook.metadata:
        faults.append(f"{path.name}: the state of widgets is stored")
    count = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        count += 1
        where = f"{path.name}: cell {cell.get('id', count)}"
        if cell.execution_count != count:
            faults.append(
                f"{where}: execution count {cell.execution_count}, expected {count}"
            )
        tags = cell.metadata.get("tags", [])
        found = lint_cell(cell.source, tags, cell.outputs)
        faults += [f"{where}: {fault}" for fault in found]
    return faults


def compare_languages(english: Path, chinese: Path) -> list[str]:
    """Where the code or the outputs of the two notebooks differ."""
    notebooks = [nbformat.read(path, as_version=4) for path in (english, chinese)]
    first, second = (
        [cell for cell in notebook.cells if cell.cell_type == "code"]
        for notebook in notebooks
    )
    if len(first) != len(second):
        counts = f"{len(first)} code cells in English, {len(second)} in Chinese"
        return [f"{english.name}: {counts}"]
    return [
        f"{english.name}: cell {one.id}: {part} differ in English and Chinese"
        for one, two in zip(first, second, strict=True)
        for part in ("source", "outputs", "id", "metadata", "execution_count")
        if one[part] != two[part]
    ]


def main() -> int:
    """Lint the notebooks named on the command line."""
    faults = [fault for name in sys.argv[1:] for fault in lint_notebook(Path(name))]
    print("\n".join(faults) or f"{len(sys.argv) - 1} notebooks: nothing to report")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
