"""Recorders of files and recorders of bytes in memory.

The counterparts in Burn are `crates/burn-core/src/record/file.rs` and `memory.rs`,
0.21.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

from d2lrec.collector import paused_collector
from d2lrec.compression import buffers
from d2lrec.errors import RecorderError
from d2lrec.items import loaded
from d2lrec.paths import StrPath, about, with_extension
from d2lrec.payload import Buffer, Memory
from d2lrec.reading import FileSource
from d2lrec.recorder import Device, Recorder
from d2lrec.storage import write_file
from d2lrec.tensors import usable


@dataclass(frozen=True)
class FileRecorder(Recorder):
    """A recorder that writes files.

    Numbers go straight from tensors to the file and back, those that are converted in
    pieces of 1 MiB or 32 rows. Only JSON, and gzip on loading, have the whole file in
    memory.

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
        data = BytesIO()  # which gives out what it holds without a copy
        for buffer in buffers(self._encode(item, like)):
            data.write(buffer)
        return data.getvalue()

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
