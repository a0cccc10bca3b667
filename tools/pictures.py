"""Pictures as their pixels: files may differ where nothing that is seen does.

The same picture compressed by another zlib is another file. So PNGs are compared
decoded, and a rebuild keeps the file it finds where the pixels are equal.
"""

from __future__ import annotations

import base64
import binascii
import io

import nbformat
import numpy as np
from PIL import Image


def _pixels(data: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return np.asarray(image.convert("RGBA"))


def picture_difference(first: str, second: str) -> str:
    """How two PNGs, given in base64, differ as seen; empty when they do not."""
    if first.strip() == second.strip():
        return ""
    try:
        one, two = _pixels(first), _pixels(second)
    except (OSError, binascii.Error) as error:
        return f"a picture cannot be decoded: {error}"
    if one.shape != two.shape:
        sizes = [f"{p.shape[1]} x {p.shape[0]}" for p in (one, two)]
        return f"pictures of {sizes[0]} and {sizes[1]} pixels"
    count = int((one != two).any(axis=-1).sum())
    total = one.shape[0] * one.shape[1]
    return f"{count} of {total} pixels differ" if count else ""


def _pictures(notebook: nbformat.NotebookNode) -> dict[tuple[str, int], dict]:
    return {
        (cell.id, number): output.data
        for cell in notebook.cells
        if cell.cell_type == "code"
        for number, output in enumerate(cell.outputs)
        if "image/png" in output.get("data", {})
    }


def keep_pictures(built: str, kept: str) -> str:
    """A built notebook's text, with the kept files of pictures that look the same."""
    try:
        new = nbformat.reads(built, as_version=4)
        old = _pictures(nbformat.reads(kept, as_version=4))
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError):
        return built
    for place, data in _pictures(new).items():
        before = old.get(place, {}).get("image/png", "")
        if before and not picture_difference(before, data["image/png"]):
            data["image/png"] = before
    return nbformat.writes(new).rstrip("\n") + "\n"
