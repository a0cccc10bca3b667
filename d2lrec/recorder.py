"""What all recorders share: from an item to the parts of a file, and back."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import torch

from d2lrec import envelope
from d2lrec.checksum import FIELD, PLACEHOLDER
from d2lrec.compression import compress, decompress
from d2lrec.conform import conform
from d2lrec.conversion import structure_like
from d2lrec.errors import (
    CorruptRecord,
    Path,
    PrecisionWarning,
    RecorderError,
    Unrecordable,
    join,
)
from d2lrec.formats import Codec, check_format
from d2lrec.inferring import structure_of
from d2lrec.items import into_tree
from d2lrec.payload import Payload, Source, beginning
from d2lrec.precision import (
    DoublePrecisionSettings,
    FullPrecisionSettings,
    Settings,
)
from d2lrec.record import children
from d2lrec.structure import FROM_TEXT, Structure

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

    def _encode(self, item: Any, like: Any) -> Iterable[bytes | Payload]:
        tree = into_tree(item, self.settings)
        return self.encode(tree, self._structure(like))

    def encode(
        self, tree: Any, structure: Structure | None
    ) -> Iterable[bytes | Payload]:
        """Return the parts of a file for a tree that has `TensorData` for tensors."""
        if self.codec.text:
            _warn_of_nulls(tree)
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
        return next(x.__name__ for x in cls.__mro__ if "codec" in vars(x))

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


def _warn_of_nulls(tree: Any) -> None:
    """Say which numbers JSON has no text for."""
    lost = [join(path) or "the item" for path in _not_finite(tree, ())]
    if lost:
        others = f" and {len(lost) - 1} more" * (len(lost) > 1)
        what = f"{lost[0]}{others}: JSON has no NaN and no infinity. As in Burn they"
        what += " are null in the file, and None when it is loaded."
        warnings.warn(what, PrecisionWarning, stacklevel=5)


def _not_finite(tree: Any, path: Path) -> Iterator[Path]:
    """Yield the places of numbers that are none, or infinite."""
    if isinstance(tree, float) and tree - tree != 0:
        yield path
    for key, below in children(tree):
        yield from _not_finite(below, (*path, key))
