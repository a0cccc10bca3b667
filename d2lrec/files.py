"""Saving a module to a file and loading it from one, in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from d2lrec.conversion import load_record
from d2lrec.errors import RecorderError
from d2lrec.items import loaded
from d2lrec.paths import StrPath
from d2lrec.recorders import DefaultFileRecorder
from d2lrec.selection import Renaming, Selection
from d2lrec.sinks import FileRecorder
from d2lrec.stored import Unread

Module = TypeVar("Module", bound=nn.Module)
_DEFAULT = DefaultFileRecorder()


def save_file(item: Any, path: StrPath, recorder: FileRecorder = _DEFAULT) -> Path:
    """Save a module's record, or anything recordable, to a file.

    Args:
        item: The module.
        path: Where to, without the extension, which is the recorder's.
        recorder: In which format.

    Returns:
        The path of the file.

    Raises:
        Unrecordable: A layer or value that Burn has no place for.
        RecorderError: The file could not be written; the old one is unchanged.

    >>> str(save_file(nn.Linear(20, 256), "mlp"))
    'mlp.mpk'
    """
    return _instance(recorder).record(item, path)


def load_file(
    module: Module,
    path: StrPath,
    recorder: FileRecorder = _DEFAULT,
    *,
    device: torch.device | str | None = None,
    only: Selection | None = None,
    rename: Renaming | None = None,
    strict: bool = True,
) -> Module:
    """Load a file into a module, in place: all of it, or nothing.

    Where numbers become infinity or zero in the module's dtype, a `PrecisionWarning`
    says so; made an error, it comes after the loading.

    Args:
        module: The module to load into.
        path: The file, with or without the extension.
        recorder: In which format it is.
        device: Where the module is to be afterwards; None leaves it where it is.
        only: Which parameters to load: see `plan_load`.
        rename: From the file's paths to the module's: see `plan_load`.
        strict: Whether a parameter that only one side has is an error.

    Returns:
        The module.

    Raises:
        RecordNotFound: There is no such file.
        CorruptRecord: The file is not what the recorder writes.
        RecordMismatch: The record does not fit; all differences are listed, and the
            module is what it was.

    >>> net, twin = nn.Linear(2, 3), nn.Linear(2, 3)
    >>> file = save_file(net, "mlp")
    >>> torch.equal(load_file(twin, file).weight, net.weight)
    True
    """
    like = module if _instance(recorder).codec.typed else None
    with recorder.open(path, like) as record:
        # A module's tensors are read to where they belong.
        wrap = Unread if isinstance(module, nn.Module) else loaded
        found = wrap(record, recorder.settings)
        load_record(
            module, found, device=device, only=only, rename=rename, strict=strict
        )
        # Before the garbage collector, which is paused here, would walk all of it.
        del record, found
    return module


def _instance(recorder: FileRecorder) -> FileRecorder:
    if isinstance(recorder, FileRecorder):
        return recorder
    name = getattr(recorder, "__name__", type(recorder).__name__)
    what = f"recorder={name}: a file recorder expected, such as"
    raise RecorderError(f"{what} NamedMpkFileRecorder(), with its parentheses.")
