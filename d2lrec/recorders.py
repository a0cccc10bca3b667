"""The recorders, under Burn's names: a codec, gzip or not, and an extension.

A recorder's class is data; recording and loading are written once for files and once
for memory. The counterparts in Burn are `crates/burn-core/src/record/file.rs` and
`memory.rs`, 0.21.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch

from d2lrec import envelope, small
from d2lrec.checksum import FIELD, PLACEHOLDER
from d2lrec.collector import paused_collector
from d2lrec.compression import buffers, compress, decompress
from d2lrec.conform import conform
from d2lrec.conversion import structure_like
from d2lrec.errors import CorruptRecord, RecorderError, Unrecordable
from d2lrec.formats import BINCODE, JSON, MPK, PRETTY_JSON, Codec, check_format
from d2lrec.items import into_tree, loaded
from d2lrec.paths import StrPath, about, with_extension
from d2lrec.payload import Buffer, Memory, Payload, Source, beginning
from d2lrec.precision import (
    DoublePrecisionSettings,
    FullPrecisionSettings,
    HalfPrecisionSettings,
    Settings,
)
from d2lrec.reading import FileSource
from d2lrec.storage import write_file
from d2lrec.structure import FROM_TEXT, Structure, structure_of
from d2lrec.tensors import usable

Device = torch.device | str | None


@dataclass(frozen=True)
class Recorder:
    """What all recorders share: an item to the parts of a file, and back.

    Attributes:
        settings: Which number types are stored.
        checksum: Whether a CRC-32 is stored with the record, where Burn reads past it,
            and must be there on loading; one that is there is checked in any case.
    """

    settings: Settings = FullPrecisionSettings
    _: KW_ONLY
    checksum: bool = False

    codec: ClassVar[Codec]
    gzip: ClassVar[bool] = False
    module: ClassVar[str]

    def _encode(self, item: Any, like: Any) -> list[bytes | Payload]:
        tree = into_tree(item, self.settings)
        small.fetch(tree)
        return self.encode(tree, self._structure(like))

    def encode(self, tree: Any, structure: Structure | None) -> list[bytes | Payload]:
        """Return the parts of a file for a tree that has `TensorData` for tensors."""
        if self.codec.typed:
            structure = envelope.structure(structure or structure_of(tree))
        elif structure is not None:
            tree = self._conform(tree, structure)
        type_name = f"burn_core::record::{self.module}::{self._name()}"
        tree = envelope.wrap(tree, type_name, self.settings)
        if self.checksum and not self.codec.typed:
            tree[FIELD] = PLACEHOLDER
        parts = self.codec.encode(tree, structure)
        if self.checksum:
            parts = self.codec.seal(parts)
        return compress(parts) if self.gzip else parts

    def _conform(self, tree: Any, structure: Structure) -> Any:
        try:
            return conform(tree, structure)
        except CorruptRecord as error:  # but there is no file yet
            raise Unrecordable(error.message, path=error.path) from None

    @classmethod
    def _name(cls) -> str:
        """Burn's name of the recorder, of which a user may have made a subclass."""
        return next(x.__name__ for x in cls.__mro__ if x.__module__ == __name__)

    def _decode(self, source: Source, like: Any) -> Any:
        check_format(source, self._name())
        structure = self._structure(like)
        if self.gzip:
            source = decompress(source)
        if self.codec.typed:
            return self._decode_typed(source, structure)
        tree = self.codec.decode(source, None)
        item = envelope.unwrap(tree)
        self._require(FIELD in tree)
        if FIELD in tree:
            self.codec.check(source)
        return item if structure is None else conform(item, structure)

    def _decode_typed(self, source: Source, structure: Structure | None) -> Any:
        if structure is None:
            what = f"{type(self).__name__}.load needs like=: bincode stores no names."
            advice = "Pass the module, a record of one, or a d2lrec.structure."
            raise RecorderError(f"{what} {advice}")
        end = self.codec.check(source)
        self._require(end is not None)
        whole = source if end is None else beginning(source, end)
        wrapped = envelope.structure(structure)
        return envelope.unwrap(self.codec.decode(whole, wrapped))

    def _require(self, found: bool) -> None:
        if self.checksum and not found:
            what = "there is no checksum, which checksum=True asks for."
            raise CorruptRecord(f"{what} Load it with checksum=False.")

    def _structure(self, like: Any) -> Structure | None:
        if like is None or isinstance(like, Structure):
            return like
        found = structure_like(like) or getattr(like, "structure", None)
        if found is not None and found != FROM_TEXT:
            return found
        return structure_of(into_tree(like, DoublePrecisionSettings))


@dataclass(frozen=True)
class FileRecorder(Recorder):
    """A recorder that writes files.

    Attributes:
        settings: Which number types are stored.
        checksum: Whether a CRC-32 is stored, and must be there on loading.
        durable: Whether a save waits until the disk has it. Without that a power cut
            may lose the new file; the old one or the new one is whole in any case.
    """

    _: KW_ONLY
    durable: bool = True

    extension: ClassVar[str]
    module = "file"

    def record(self, item: Any, path: StrPath, *, like: Any = None) -> Path:
        """Save an item to a file; an existing one is replaced, whole or not at all.

        Args:
            item: A module, `(optimizer, net)`, a scheduler, or any tree of tensors,
                lists, tuples, dicts with string keys, dataclasses, numbers, strings,
                booleans and None.
            path: Where to, without the extension, which is the recorder's.
            like: What the item is to be read as, as with `load`; None for what it is.

        Returns:
            The path of the file.

        Raises:
            Unrecordable: Something in the item has no place in a record.
            RecorderError: The file could not be written; the old one is unchanged.

        >>> recorder = NamedMpkFileRecorder()
        >>> file = recorder.record([torch.arange(3.0), "abc"], "xs")
        >>> print(file, recorder.load(file))
        xs.mpk [tensor([0., 1., 2.]), 'abc']
        """
        target = self.path(path)
        with paused_collector():
            parts = self._encode(item, like)
            with about(target):
                write_file(target, parts, durable=self.durable)
            del parts  # before the garbage collector would walk all of it
        return target

    def load(
        self,
        path: StrPath,
        *,
        like: Any = None,
        device: Device = None,
        mmap: bool = False,
    ) -> Any:
        """Load what a file holds.

        Args:
            path: The file, with or without the extension.
            like: What to expect: a module, `(optimizer, net)`, a scheduler, a record,
                a tree of the same form, or a `d2lrec.structure`. bincode needs it; the
                others order fields and fill constants by it.
            device: Where the tensors are to be; None means the CPU.
            mmap: Leave the numbers in the file, mapped into memory, and read them when
                they are used; writing to them changes no file. Not with gzip or JSON.

        Returns:
            A tree like the one that was recorded: dicts as `Record`, tuples as lists
            where the format cannot tell, parameters as `Param`, tensors in the
            settings' dtypes.

        Raises:
            RecordNotFound: There is no such file.
            CorruptRecord: The file is not what this recorder writes.
            RecorderError: bincode without `like`; or `mmap` with gzip or JSON.
            Unrecordable: It has an integer that the settings cannot hold.

        >>> from torch import nn
        >>> recorder = BinFileRecorder()
        >>> file = recorder.record(nn.Linear(2, 3), "fc")
        >>> recorder.load(file, like=nn.Linear(2, 3))
        weight  float32 [2, 3]
        bias    float32 [3]
        """
        if mmap and (self.gzip or self.codec.text):
            what = f"the numbers of a {type(self).__name__}'s file cannot be mapped."
            raise RecorderError(f"{what} Use NamedMpkFileRecorder or BinFileRecorder.")
        with self.open(path, like, mmap=mmap) as tree:
            return loaded(tree, self.settings, usable(device), mapped=mmap)

    @contextmanager
    def open(
        self, path: StrPath, like: Any = None, *, mmap: bool = False
    ) -> Iterator[Any]:
        """Decode a file and keep it open, so that its tensors can be read.

        Yields:
            The tree with a `TensorData` for each tensor.
        """
        target = self.path(path)
        with paused_collector(), about(target), FileSource(target) as source:
            yield self._decode(source.map() if mmap else source, like)

    def path(self, path: StrPath) -> Path:
        """Return the path of the file: `path` with the recorder's extension.

        As Rust's `set_extension`: what follows the last dot of the name is replaced,
        unless the name already ends in the whole extension.

        Args:
            path: With or without the extension.

        >>> recorder = NamedMpkFileRecorder()
        >>> [str(recorder.path(p)) for p in ("mlp", "mlp.mpk", "mlp.v1", ".mlp")]
        ['mlp.mpk', 'mlp.mpk', 'mlp.mpk', '.mlp.mpk']
        """
        return with_extension(path, self.extension)


@dataclass(frozen=True)
class BytesRecorder(Recorder):
    """A recorder that writes bytes in memory.

    Attributes:
        settings: Which number types are stored.
        checksum: Whether a CRC-32 is stored, and must be there on loading.
    """

    module = "memory"

    def record(self, item: Any, *, like: Any = None) -> bytes:
        """Return the bytes of an item.

        Args:
            item: A module, `(optimizer, net)`, a scheduler, or any tree of values, as
                with a file recorder.
            like: What the item is to be read as, as with `load`; None for what it is.

        Raises:
            Unrecordable: Something in the item has no place in a record.

        >>> data = NamedMpkBytesRecorder().record({"x": torch.arange(3.0)})
        >>> NamedMpkBytesRecorder().load(data)["x"]
        tensor([0., 1., 2.])
        """
        data = bytearray()
        for buffer in buffers(self._encode(item, like)):
            data += buffer
        return bytes(data)

    def load(self, data: Buffer, *, like: Any = None, device: Device = None) -> Any:
        """Load what bytes hold.

        Args:
            data: What `record` returned, here or in Burn.
            like: What to expect, which bincode needs: see `FileRecorder.load`.
            device: Where the tensors are to be; None means the CPU.

        Returns:
            A tree like the one that was recorded, as from a file recorder.

        Raises:
            CorruptRecord: The bytes are not what this recorder writes.
            RecorderError: bincode without `like`; or `data` is no bytes.
            Unrecordable: There is an integer that the settings cannot hold.
        """
        try:
            view = memoryview(data)
        except TypeError:
            what = f"a {type(data).__name__} found, bytes expected."
            advice = "A file is loaded by a file recorder."
            raise RecorderError(f"{what} {advice}") from None
        flat = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
        tree = self._decode(Memory(flat), like)
        return loaded(tree, self.settings, usable(device))


class NamedMpkFileRecorder(FileRecorder):
    """MessagePack in a `.mpk` file: small, fast, and readable in any language.

    >>> recorder = NamedMpkFileRecorder()
    >>> file = recorder.record({"epoch": 3, "w": torch.ones(2)}, "state")
    >>> recorder.load(file, mmap=True)["w"]  # read when it is used
    tensor([1., 1.])
    """

    codec = MPK
    extension = "mpk"


class NamedMpkGzFileRecorder(FileRecorder):
    """MessagePack, compressed, in a `.mpk.gz` file.

    >>> file = NamedMpkGzFileRecorder().record(torch.zeros(1000), "zeros")
    >>> file.name, file.stat().st_size < 400
    ('zeros.mpk.gz', True)
    """

    codec = MPK
    gzip = True
    extension = "mpk.gz"


class BinFileRecorder(FileRecorder):
    """bincode in a `.bin` file: the smallest; it does not say what is in it.

    >>> recorder, tree = BinFileRecorder(), {"epoch": 3, "best": 0.5}
    >>> file = recorder.record(tree, "state")
    >>> recorder.load(file, like=tree)
    epoch  3
    best   0.5
    """

    codec = BINCODE
    extension = "bin"


class BinGzFileRecorder(FileRecorder):
    """bincode, compressed, in a `.bin.gz` file.

    >>> from d2lrec import structure as s
    >>> recorder = BinGzFileRecorder()
    >>> file = recorder.record([1, 2, 3], "counts")
    >>> recorder.load(file, like=s.Vec(s.I64))
    [1, 2, 3]
    """

    codec = BINCODE
    gzip = True
    extension = "bin.gz"


class JsonGzFileRecorder(FileRecorder):
    """JSON, compressed, in a `.json.gz` file.

    >>> import gzip
    >>> file = JsonGzFileRecorder().record({"epoch": 3}, "state")
    >>> gzip.decompress(file.read_bytes()).decode()[-30:]
    ',"item":{"epoch":3},"_b":null}'
    """

    codec = JSON
    gzip = True
    extension = "json.gz"


class PrettyJsonFileRecorder(FileRecorder):
    """JSON in a `.json` file: to be read with one's own eyes; large and slow.

    >>> file = PrettyJsonFileRecorder().record({"epoch": 3}, "state")
    >>> print(file.read_text()[-44:])
    "item": {
        "epoch": 3
      },
      "_b": null
    }
    """

    codec = PRETTY_JSON
    extension = "json"


class BinBytesRecorder(BytesRecorder):
    """bincode in memory: for a model that is part of a program.

    >>> from torch import nn
    >>> data = BinBytesRecorder().record(nn.Linear(2, 3))
    >>> BinBytesRecorder().load(data, like=nn.Linear(2, 3))["bias"].tensor.shape
    torch.Size([3])
    """

    codec = BINCODE


class NamedMpkBytesRecorder(BytesRecorder):
    """MessagePack in memory.

    >>> recorder = NamedMpkBytesRecorder(HalfPrecisionSettings)
    >>> recorder.load(recorder.record(torch.tensor([0.1])))
    tensor([0.1000], dtype=torch.float16)
    """

    codec = MPK


# Burn's aliases: a recorder with its settings.
DefaultFileRecorder = NamedMpkFileRecorder
"""What `save_file` and `load_file` use if no other is named."""

DefaultRecorder = NamedMpkFileRecorder
"""Burn's default recorder at full precision."""

CompactRecorder = partial(NamedMpkFileRecorder, HalfPrecisionSettings)
"""The default recorder at half precision: half the size."""

SensitiveCompactRecorder = partial(BinGzFileRecorder, HalfPrecisionSettings)
"""The smallest file: bincode at half precision, compressed."""

NoStdTrainingRecorder = BinFileRecorder
"""What Burn trains with where there is no standard library, at full precision."""

NoStdInferenceRecorder = BinBytesRecorder
"""What Burn infers with where there is no standard library: bytes in the program."""

DebugRecordSettings = PrettyJsonFileRecorder
"""A file to look at while something is being debugged."""
