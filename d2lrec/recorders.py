"""The recorders, under Burn's names: a codec, an extension, and what to do with them.

A recorder's class is data; recording and loading are written once, for files. The
counterpart in Burn is `crates/burn-core/src/record/file.rs`, 0.21.0.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from glob import escape
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import nn

from d2lrec.codecs import json, mpk
from d2lrec.dialect import BURN_0_21
from d2lrec.errors import CorruptRecord, RecorderError, RecordNotFound
from d2lrec.items import into_tree, loaded, stored
from d2lrec.loading import load_record
from d2lrec.payload import Payload, Source
from d2lrec.precision import FullPrecisionSettings, Settings
from d2lrec.record import UNIT, Record
from d2lrec.storage import FileSource, write_file
from d2lrec.tensors import usable

StrPath = str | os.PathLike[str]
Module = TypeVar("Module", bound=nn.Module)


class Codec(NamedTuple):
    """A pair of functions: tree to parts of a file, and bytes to tree."""

    encode: Callable[[Any], list[bytes | Payload]]
    decode: Callable[[Source], Any]


MPK = Codec(mpk.encode, mpk.decode)
PRETTY_JSON = Codec(json.encode, json.decode)


@dataclass(frozen=True)
class FileRecorder:
    """What all file recorders do; the subclasses say which format.

    Attributes:
        settings: Which number types are stored.
        durable: Whether a save waits until the disk has it (see `storage`).
    """

    settings: Settings = FullPrecisionSettings
    _: KW_ONLY
    durable: bool = True

    codec: ClassVar[Codec]
    extension: ClassVar[str]

    def record(self, item: Any, path: StrPath) -> Path:
        """Save an item to a file; an existing one is replaced, whole or not at all.

        Args:
            item: A module, or any tree of tensors, lists, tuples, dicts with string
                keys, dataclasses, numbers, strings, booleans and None.
            path: Where to, without the extension, which is the recorder's.

        Returns:
            The path of the file.

        Raises:
            Unrecordable: Something in the item has no place in a record.
            RecorderError: The file could not be written; the old one is unchanged.

        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "xs")
        ...     file = NamedMpkFileRecorder().record([torch.arange(3.0), "abc"], path)
        ...     print(file.name, NamedMpkFileRecorder().load(path))
        xs.mpk [tensor([0., 1., 2.]), 'abc']
        """
        target = self.path(path)
        parts = self.codec.encode(self._wrap(into_tree(item, self.settings)))
        with _about(target):
            write_file(target, parts, durable=self.durable)
        return target

    def load(self, path: StrPath, *, device: torch.device | str | None = None) -> Any:
        """Load what a file holds.

        Args:
            path: The file, with or without the extension.
            device: Where the tensors are to be; None means the CPU.

        Returns:
            A tree like the one that was recorded: dicts as `Record`, tuples as lists,
            parameters as `Param`, tensors in the settings' dtypes.

        Raises:
            RecordNotFound: There is no such file.
            CorruptRecord: The file is not what this recorder writes.
            Unrecordable: It has an integer that the settings cannot hold.
        """
        with self._open(path) as tree:
            return loaded(tree, self.settings, usable(device))

    def path(self, path: StrPath) -> Path:
        """Return the path of the file: `path` with the recorder's extension.

        As Rust's `set_extension`: what follows the last dot of the name is replaced,
        unless the name already ends in the whole extension.

        >>> recorder = NamedMpkFileRecorder()
        >>> [str(recorder.path(p)) for p in ("mlp", "mlp.mpk", "mlp.v1", ".mlp")]
        ['mlp.mpk', 'mlp.mpk', 'mlp.mpk', '.mlp.mpk']
        """
        base = Path(path)
        if base.name in ("", "..") or not _is_writable(base):
            raise RecorderError(f"{str(path)!r} names no file: a file name expected.")
        if base.name.endswith(f".{self.extension}"):
            return base
        stem = base.name[:1] + base.name[1:].rpartition(".")[0]
        keep = stem if "." in base.name[1:] else base.name
        return base.with_name(f"{keep}.{self.extension}")

    def _wrap(self, item: Any) -> dict[str, Any]:
        kind = f"burn_core::record::file::{type(self).__name__}"
        metadata = {
            "float": self.settings.float_elem,
            "int": self.settings.int_elem,
            "format": f"{kind}<burn_core::record::settings::{self.settings.name}>",
            "version": BURN_0_21.version,
            "settings": self.settings.name,
        }
        return {"metadata": metadata, "item": item, "_b": UNIT}

    @contextmanager
    def _open(self, path: StrPath) -> Iterator[Any]:
        """Decode a file and keep it open while its tensors are read."""
        target = self.path(path)
        with _about(target), FileSource(target) as source:
            other = _written_by(source)
            if other not in (None, type(self).__name__):
                what = (
                    f"this looks like a file of {other}, not of {type(self).__name__}."
                )
                raise CorruptRecord(f"{what} Load it with d2lrec.{other}().")
            tree = self.codec.decode(source)
            if not isinstance(tree, Record) or not {"metadata", "item"} <= tree.keys():
                what = "this is no record: a struct with metadata and item expected."
                raise CorruptRecord(what)
            yield tree["item"]


class NamedMpkFileRecorder(FileRecorder):
    """MessagePack in a `.mpk` file: small, fast, and readable in any language."""

    codec = MPK
    extension = "mpk"


class PrettyJsonFileRecorder(FileRecorder):
    """JSON in a `.json` file: to be read with one's own eyes; large and slow."""

    codec = PRETTY_JSON
    extension = "json"


DefaultFileRecorder = NamedMpkFileRecorder
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

    >>> import os, tempfile
    >>> net, twin = nn.Linear(2, 3), nn.Linear(2, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save_file(net, os.path.join(folder, "net"))
    ...     bool((load_file(twin, file).weight == net.weight).all())
    True
    """
    return recorder.record(item, path)


def load_file(
    module: Module,
    path: StrPath,
    recorder: FileRecorder = _DEFAULT,
    *,
    device: torch.device | str | None = None,
    strict: bool = True,
) -> Module:
    """Load a file into a module, in place: all of it, or nothing.

    Args:
        module: The module to load into.
        path: The file, with or without the extension.
        recorder: In which format it is.
        device: Where the module is to be afterwards; None leaves it where it is.
        strict: Whether a parameter that only one side has is an error.

    Returns:
        The module.

    Raises:
        RecordNotFound: There is no such file.
        CorruptRecord: The file is not what the recorder writes.
        RecordMismatch: The record does not fit; all differences are listed, and the
            module is what it was.
    """
    with recorder._open(path) as tree:
        record = stored(tree, recorder.settings)
        return load_record(module, record, device=device, strict=strict)


def _is_writable(path: Path) -> bool:
    """Whether the system has a form for each of the path's characters."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _written_by(source: FileSource) -> str | None:
    """Guess from the first bytes which recorder wrote a file; None if unsure."""
    head = source.read(0, min(source.size, 10))
    if head.startswith((b"\x83\xa8metadata"[:10], b"\x82\xa8metadata"[:10])):
        return "NamedMpkFileRecorder"
    return "PrettyJsonFileRecorder" if head.lstrip()[:1] == b"{" else None


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Name the file in an error; if it is missing, name those beside it."""
    try:
        yield
    except RecorderError as error:
        error.file = error.file or path
        if isinstance(error, RecordNotFound):
            beside = sorted(p.name for p in path.parent.glob(f"{escape(path.stem)}.*"))
            if beside:
                names = ", ".join(beside)
                error.message += f" Beside it is {names}: is this the right recorder?"
        raise
