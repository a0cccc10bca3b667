"""Files of named tensors that are no records: `.safetensors`, and torch's `.pt`."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from d2lrec.cli.names import TORCH
from d2lrec.errors import RecorderError
from d2lrec.paths import about
from d2lrec.reading import FileSource
from d2lrec.record import TensorData, children
from d2lrec.tensors import BURN_DTYPES, TensorPayload, is_plain

# Entries of a safetensors file's metadata: the ids of parameters, and whose names and
# layouts the tensors have.
IDS, LAYOUT = "burn_ids", "burn_layout"


class Tensors(NamedTuple):
    """What such a file holds.

    Attributes:
        tensors: The tensors by their flat names.
        ids: Ids of parameters, where the file has them.
        others: Names of what is no tensor; metadata that others wrote as well.
        layout: Whose names and layouts the tensors have, `burn` or `pytorch`; None if
            the file does not say.
    """

    tensors: dict[str, Tensor]
    ids: dict[str, str] | None
    others: list[str]
    layout: str | None = None


def read_tensors(path: Path) -> Tensors:
    """Read a file of named tensors; nothing in it is executed.

    Raises:
        RecordNotFound: There is no such file.
        RecorderError: It cannot be read, or holds more than tensors and plain values.
    """
    with about(path):
        with FileSource(path):  # the errors of a missing file, in our words
            pass
        is_torch = path.suffix.lower() in TORCH
        return _read_torch(path) if is_torch else _read_safetensors(path)


def _read_safetensors(path: Path) -> Tensors:
    safetensors = _safetensors()
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
            metadata = file.metadata() or {}
    except (safetensors.SafetensorError, OSError, RuntimeError) as error:
        raise RecorderError(f"this is no safetensors file: {error}.") from None
    ids = _ids(metadata[IDS]) if IDS in metadata else None
    # safetensors sorts the names; the ids have kept the order of the record.
    known = [name for name in ids or () if name in tensors]
    tensors = {name: tensors[name] for name in dict.fromkeys([*known, *tensors])}
    others = [f"__metadata__.{x}" for x in metadata if x not in ("format", IDS, LAYOUT)]
    layout = metadata.get(LAYOUT)
    known_layout = layout if layout in ("burn", "pytorch") else None
    return Tensors(tensors, ids, others, known_layout)


def _ids(text: str) -> dict[str, str]:
    try:
        ids = json.loads(text)
    except (ValueError, RecursionError):
        ids = None
    if not isinstance(ids, dict) or not all(isinstance(x, str) for x in ids.values()):
        raise RecorderError(f"the metadata's {IDS} are no ids by names.")
    return ids


def _read_torch(path: Path) -> Tensors:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make it raise anything
        reason = str(error).partition("\n")[0] or type(error).__name__
        if "Weights only load failed" in reason:
            what = "it holds more than tensors and plain values, which would have to "
            what += "be executed. Save net.state_dict() instead"
            raise RecorderError(f"torch.load refuses it: {what}.") from None
        raise RecorderError(f"torch.load cannot read it: {reason}.") from None
    tensors: dict[str, Tensor] = {}
    others: list[str] = []
    _collect(found, "", tensors, others)
    return Tensors(tensors, None, others)


def _collect(
    tree: Any, name: str, tensors: dict[str, Tensor], others: list[str]
) -> None:
    """Flatten what torch.load returned: a state dict, or a checkpoint with some."""
    if isinstance(tree, Mapping | list | tuple):
        for key, below in children(tree):
            _collect(below, f"{name}.{key}" if name else str(key), tensors, others)
    elif isinstance(tree, Tensor):
        tensors[name or "item"] = tree.detach()
    elif tree is not None:
        others.append(name or "item")


def write_tensors(path: Path, content: Tensors) -> None:
    """Write named tensors, in the format that the path's name says.

    Args:
        path: Where to; an existing file is replaced, whole or not at all.
        content: The tensors; safetensors also keeps ids and layout.
    """
    with about(path), _replacing(path) as name:
        if path.suffix.lower() in TORCH:
            torch.save(content.tensors, name)
            return
        metadata = {"format": "pt"}
        if content.ids is not None:
            metadata[IDS] = json.dumps(content.ids)
        if content.layout:
            metadata[LAYOUT] = content.layout
        tensors = _unshared(content.tensors)
        _safetensors().torch.save_file(tensors, name, metadata=metadata)


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors that share memory with another, which safetensors refuses."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        shared = place in seen
        seen.add(place)
        plain = tensor.detach().contiguous()
        result[name] = plain.clone() if shared else plain
    return result


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file's name; what is written there takes the path's place."""
    target = Path(os.path.realpath(path))
    name = target.with_name(f".{secrets.token_hex(8)}.d2lrec.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        mode = name.stat().st_mode  # what the umask leaves; safetensors takes more
        yield name
        name.chmod(mode)
        with open(name, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(name, target)
    except OSError as error:
        raise RecorderError(f"cannot be saved: {error.strerror or error}.") from None
    except RuntimeError as error:  # torch's word for a disk that is full
        raise RecorderError(f"cannot be saved: {error}.") from None
    finally:
        with suppress(OSError):
            name.unlink(missing_ok=True)


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError:
        what = ".safetensors files need a package that is not installed."
        raise RecorderError(f"{what} pip install safetensors") from None
    return safetensors


def described(tensors: Mapping[str, Tensor]) -> dict[str, TensorData]:
    """Describe tensors in their own dtypes.

    Raises:
        RecorderError: Burn has no such dtype.
    """
    result = {}
    for name, tensor in tensors.items():
        if tensor.dtype not in BURN_DTYPES or not is_plain(tensor):
            what = f"{name}: Burn has no tensor of {tensor.dtype}, {tensor.layout}."
            raise RecorderError(what)
        payload = TensorPayload(tensor.contiguous(), tensor.dtype)
        dtype = BURN_DTYPES[tensor.dtype]
        result[name] = TensorData(payload, tuple(tensor.shape), dtype)
    return result
