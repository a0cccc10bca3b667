"""Converting: records in every format, safetensors, and torch's state dicts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from d2lrec import recorders
from d2lrec.cli.cast import cast, roundings, settings_of, to_tensor
from d2lrec.cli.flat import flatten, nest, with_empty, with_ids
from d2lrec.cli.names import format_name, is_tensor_file, recorder_name
from d2lrec.cli.progress import Bar
from d2lrec.cli.tensor_files import (
    Tensors,
    described,
    read_tensors,
    write_tensors,
)
from d2lrec.conversion import into_record, load_record
from d2lrec.errors import RecorderError, join
from d2lrec.inspection.opening import Opened, opened, structure_from
from d2lrec.inspection.view import printable
from d2lrec.items import into_tree
from d2lrec.paths import about
from d2lrec.precision import FullPrecisionSettings, Settings
from d2lrec.record import Param, TensorData, children
from d2lrec.storage import write_file
from d2lrec.stored import Unread
from d2lrec.structure import Structure
from d2lrec.tensors import BURN_DTYPES

_NEEDS_LIKE = (
    "bincode stores no names: --like package.module:Class, or --like with a structure "
    "file, says what is in it. See d2lrec convert --help"
)
# Why something is left out.
_NO_TENSORS = "being no tensors"
_NO_IDS = "being ids, for which .pt and .pth have no place"
_NO_COUNTS = "being counts of batches, for which records have no place"


@dataclass
class Job:
    """What to convert, and how.

    Attributes:
        source: The file to read.
        target: The file to write.
        like: What `--like` named, or None.
        layout: Whose names and layouts a file of tensors has, `burn` or `pytorch`;
            None for burn's, with a note that there is a choice. A module must not be
            taken for the one or the other: with one it has to be said.
        settings: The precision to store; None keeps that of the source.
        note: Called with each thing that is lost.
        bar: Shows how far it is.
    """

    source: Path
    target: Path
    like: Any = None
    layout: str | None = None
    settings: Settings | None = None
    note: Callable[[str], None] = print
    bar: Bar = field(default_factory=Bar)

    @property
    def structure(self) -> Structure | None:
        """The structure of what `--like` named."""
        return structure_from(self.like)

    @property
    def net(self) -> nn.Module:
        """The module that `--like` named."""
        if isinstance(self.like, nn.Module):
            return self.like
        what = "--layout pytorch needs a module, whose names and layouts it takes:"
        raise RecorderError(f"{what} --like package.module:Class")


def convert(job: Job) -> None:
    """Do a job: read the source, and write the target, whole or not at all.

    Raises:
        RecorderError: It cannot be done; the target is what it was.
    """
    job.bar.read(job.source)
    if is_tensor_file(job.source):
        if is_tensor_file(job.target):
            _tensors_to_tensors(job)
        else:
            _tensors_to_record(job)
        return
    structure = job.structure
    with opened(job.source, typed=structure is not None) as file:
        if file.codec.typed and structure is None:
            raise RecorderError(_NEEDS_LIKE)
        tree = file.decode(structure)
        if file.has_checksum(tree):  # damage is not to be made good
            file.codec.check(file.source)
        if is_tensor_file(job.target):
            if file.has_checksum(tree):
                job.note("left out: the checksum, which only records have")
            _record_to_tensors(job, tree)
        else:
            _record_to_record(job, file, tree, structure)


def _record_to_record(
    job: Job, file: Opened, tree: Any, structure: Structure | None
) -> None:
    settings = job.settings or settings_of(tree["metadata"])
    _note_roundings(job, flatten(tree["item"]).tensors, settings)
    item = cast(tree["item"], settings)
    _write(job, item, structure, settings, file.has_checksum(tree))


def _write(
    job: Job,
    item: Any,
    structure: Structure | None,
    settings: Settings,
    checksum: bool = False,
) -> None:
    kind = getattr(recorders, recorder_name(job.target) or "")
    with about(job.target):
        if kind.codec.typed and structure is None:
            raise RecorderError(_NEEDS_LIKE)
        recorder = kind(settings, checksum=checksum)
        item = job.bar.follow(item, f"writing {printable(job.target.name)}")
        write_file(job.target, recorder.encode(item, structure))


def _record_to_tensors(job: Job, tree: Any) -> None:
    with about(job.target):
        layout = _layout(job, None)
    flat = flatten(tree["item"])
    if layout == "pytorch":
        # The module itself knows its empty lists and variants.
        values = {k: x for k, x in flat.values.items() if not _is_container(x)}
        _note_left_out(job, _NO_TENSORS, values)
        net = job.net
        settings = settings_of(tree["metadata"])
        if settings.float_dtype == "F64":
            net = net.double()
        load_record(net, Unread(tree["item"], settings))
        ids = flatten(into_record(net)).ids
        tensors = _floats(job, net.state_dict())
    else:
        _note_left_out(job, _NO_TENSORS, flat.values)
        data = job.bar.follow(flat.tensors, f"reading {printable(job.source.name)}")
        if job.settings is not None:
            _note_roundings(job, data, job.settings)
            data = {name: cast(x, job.settings) for name, x in data.items()}
        tensors, ids = {name: to_tensor(x) for name, x in data.items()}, flat.ids
    _write_tensors(job, Tensors(tensors, ids, [], layout))


def _write_tensors(job: Job, content: Tensors) -> None:
    if content.ids and format_name(job.target) == "torch":
        _note_left_out(job, _NO_IDS, content.ids)
    nbytes = sum(tensor.nbytes for tensor in content.tensors.values())
    job.bar.wait(f"writing {printable(job.target.name)}", nbytes)
    write_tensors(job.target, content)


def _tensors_to_record(job: Job) -> None:
    found = read_tensors(job.source)
    _note_left_out(job, _NO_TENSORS, found.others)
    settings = job.settings or FullPrecisionSettings
    structure = job.structure
    item: Any
    with about(job.source):
        _note_roundings(job, described(found.tensors), settings)
        if _layout(job, found.layout) == "pytorch":
            item = into_record(_loaded(job.net, found.tensors))
            _give_ids(item, found.ids or {}, ())
            counts = [x for x in found.tensors if x.endswith("num_batches_tracked")]
            _note_left_out(job, _NO_COUNTS, counts)
        else:
            item = with_empty(nest(found.tensors), structure)
            item = with_ids(item, structure, found.ids)
        tree = into_tree(item, settings)
    _write(job, tree, structure, settings)


def _tensors_to_tensors(job: Job) -> None:
    found = read_tensors(job.source)
    _note_left_out(job, _NO_TENSORS, found.others)
    _write_tensors(job, found._replace(tensors=_floats(job, found.tensors)))


def _layout(job: Job, said: str | None) -> str:
    """Return whose layout a file has: what it says itself, or what was asked for.

    Nothing is guessed where a module is at hand: the weights of a square layer fit
    transposed as well.
    """
    if said is not None:
        if job.layout not in (None, said):
            what = f"the file says that its layout is {said}'s:"
            raise RecorderError(f"{what} leave out --layout {job.layout}.")
        return said
    if job.layout is not None:
        return job.layout
    if job.like is not None and not isinstance(job.like, Structure):
        what = "whose names and layouts do its tensors have? --layout pytorch for a"
        what += " state_dict of what --like names, --layout burn for Burn's own, in"
        raise RecorderError(f"{what} which weights of linear layers are transposed.")
    what = "names and layouts are Burn's, as with --layout burn; for a PyTorch"
    job.note(f"{what} state_dict: --layout pytorch --like package.module:Class")
    return "burn"


def _loaded(net: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Load a state dict, without losing precision to the module's own."""
    if any(BURN_DTYPES.get(x.dtype) == "F64" for x in tensors.values()):
        net = net.double()
    try:
        net.load_state_dict(dict(tensors))
    except RuntimeError as error:  # all differences, a line each
        lines = [line.strip() for line in str(error).splitlines()]
        raise RecorderError("\n  ".join(line for line in lines if line)) from None
    return net


def _floats(job: Job, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give float tensors the precision that was asked for; integers keep theirs."""
    if job.settings is None:
        return dict(tensors)
    floats = {k: x for k, x in tensors.items() if x.dtype.is_floating_point}
    data = described(floats)
    _note_roundings(job, data, job.settings)
    converted = {k: to_tensor(cast(x, job.settings)) for k, x in data.items()}
    return {**tensors, **converted}


def _give_ids(tree: Any, ids: Mapping[str, str], path: tuple[str | int, ...]) -> None:
    """Give the parameters of a record the ids that a file had for them."""
    if isinstance(tree, Param):
        tree.id = ids.get(join(path), tree.id)
    for key, below in children(tree):
        _give_ids(below, ids, (*path, key))


def _note_roundings(
    job: Job, tensors: Mapping[str, TensorData], settings: Settings
) -> None:
    for line in roundings(tensors, settings):
        job.note(line)


def _note_left_out(job: Job, why: str, names: Collection[str]) -> None:
    if names:
        more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
        job.note(f"left out, {why}: {', '.join(list(names)[:5])}{more}")


def _is_container(value: Any) -> bool:
    return value is None or isinstance(value, Mapping | list | tuple)
