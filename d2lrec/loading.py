"""Loading a record into a module: all of it, or nothing.

First the record is held against the module, place by place, and every difference is
collected. Only when there is none is the first number written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from d2lrec.errors import Path, RecorderError, RecordMismatch, join
from d2lrec.layers import IDS, Place, places
from d2lrec.record import Param, children
from d2lrec.tensors import StoredTensor, integer_misfit, memory_of

Module = TypeVar("Module", bound=nn.Module)


@dataclass
class LoadPlan:
    """What loading a record into a module would do.

    Attributes:
        loaded: Paths of the parameters that would be loaded.
        missing: Paths that the module has and the record lacks.
        unused: Paths of tensors that the record has and the module lacks.
        mismatched: Lines that say where the two have something else, and what.
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    steps: list[tuple[Place, Any]] = field(default_factory=list, repr=False)

    def differences(self, strict: bool = True) -> list[str]:
        """Return a line for each difference that an error would list."""
        lines = [f"{path}: missing in the record" for path in self.missing]
        lines += [f"{path}: the module has no such place" for path in self.unused]
        return self.mismatched + (lines if strict else [])


def plan_load(module: nn.Module, record: Any) -> LoadPlan:
    """Hold a record against a module and change nothing.

    Args:
        module: The module to load into.
        record: What `into_record` or a recorder's `load` returned, or a part of it.

    Returns:
        What would be loaded, what is missing, unused, or of another shape or kind.
        Shapes are in Burn's layout: a Linear's weight is `[in, out]`.

    >>> from d2lrec import into_record
    >>> plan = plan_load(nn.Linear(2, 3), into_record(nn.Linear(2, 4, bias=False)))
    >>> plan.missing, plan.mismatched
    (['bias'], ['weight: shape [2, 4] in the record, [2, 3] in the module'])
    """
    plan = LoadPlan()
    _match(places(module), record, [], plan)
    _match_tied(plan)
    return plan


def load_record(
    module: Module,
    record: Any,
    *,
    device: torch.device | str | None = None,
    strict: bool = True,
) -> Module:
    """Load a record into a module, in place: all of it, or nothing.

    Args:
        module: The module; on the meta device it gets its memory here.
        record: What `into_record` or a recorder's `load` returned, or a part of it.
        device: Where the module is to be afterwards; None leaves it where it is.
        strict: Whether a parameter that only one side has is an error. If not, it is
            passed over; `plan_load` tells which those are.

    Returns:
        The module. Its parameters keep the record's ids.

    Raises:
        RecordMismatch: The record does not fit; all differences are listed, and the
            module is what it was.
        RecorderError: The file failed while its numbers were read; the message says
            whether the module was changed.

    >>> from d2lrec import into_record
    >>> net, twin = nn.Linear(2, 3), nn.Linear(2, 3)
    >>> bool((load_record(twin, into_record(net)).weight == net.weight).all())
    True
    """
    plan = plan_load(module, record)
    differences = plan.differences(strict)
    if differences:
        count = len(differences)
        what = f"the record does not fit the module ({count} difference"
        what += f"{'s' if count > 1 else ''}; nothing was loaded):"
        raise RecordMismatch(what, differences + _advice(record, plan))
    _stage(plan)
    swapped = _materialize(module, plan, device)
    try:
        if swapped:
            plan = plan_load(module, record)
            _stage(plan)
        _load(plan)
    except BaseException:
        for real, meta in swapped:
            torch.utils.swap_tensors(real, meta)
        raise
    return module if device is None else module.to(device)


def _match(place: Any, record: Any, path: list[str | int], plan: LoadPlan) -> None:
    if isinstance(place, Place):
        _match_place(place, record, path, plan)
    elif place is None or record is None:
        plan.missing += [join([*path, *below]) for below in _paths(place, Place)]
        plan.unused += [join([*path, *below]) for below in _paths(record, _TENSORS)]
    elif isinstance(place, dict) and isinstance(record, Mapping):
        for key in [*place, *(key for key in record if key not in place)]:
            _match(place.get(key), record.get(key), [*path, key], plan)
    elif isinstance(place, list | tuple) and isinstance(record, list | tuple):
        if len(place) != len(record):
            _differ(plan, path, f"{len(record)} entries", f"{len(place)}")
        else:
            for index, below in enumerate(place):
                _match(below, record[index], [*path, index], plan)
    else:
        _differ(plan, path, _kind(record), _kind(place))


def _match_place(place: Place, record: Any, path: Path, plan: LoadPlan) -> None:
    tensor = record.tensor if isinstance(record, Param) else record
    if record is None:
        plan.missing.append(join(path))
    elif not isinstance(tensor, Tensor | StoredTensor):
        _differ(plan, path, _kind(record), "a tensor")
    elif tensor.shape != place.view.shape:
        shapes = list(tensor.shape), list(place.view.shape)
        _differ(plan, path, f"shape {shapes[0]}", f"{shapes[1]}")
    elif _number_kind(tensor.dtype) != _number_kind(place.view.dtype):
        kinds = _number_kind(tensor.dtype), _number_kind(place.view.dtype)
        _differ(plan, path, *kinds)
    elif place.source.is_inference() and not torch.is_inference_mode_enabled():
        _differ(plan, path, "a tensor", "an inference tensor, which is read-only")
    else:
        plan.loaded.append(join(path))
        plan.steps.append((place, record))


def _match_tied(plan: LoadPlan) -> None:
    """Check that the record has one value for a parameter with several places."""
    first: dict[tuple[int, int, int], tuple[str, bytes]] = {}
    shared = [
        (id(p.source), p.view.storage_offset(), p.view.numel()) for p, _ in plan.steps
    ]
    for key, path, (place, record) in zip(
        shared, list(plan.loaded), plan.steps, strict=True
    ):
        if shared.count(key) == 1 or not place.view.numel():
            continue
        value = _bits(place, record)
        other, expected = first.setdefault(key, (path, value))
        if value != expected:
            what = f"{path}: tied to {other} in the module, another value in the record"
            plan.mismatched.append(what)


def _bits(place: Place, record: Any) -> bytes:
    """Return the bytes that the whole source of a place would hold."""
    source = torch.zeros_like(place.source, device="cpu")
    start = place.view.storage_offset() - place.source.storage_offset()
    _copy(source.as_strided(place.view.size(), place.view.stride(), start), record)
    return bytes(memory_of(source.contiguous()))


def _stage(plan: LoadPlan) -> None:
    """Read now what may turn out to be no value: integers and booleans."""
    for index, (place, record) in enumerate(plan.steps):
        tensor = record.tensor if isinstance(record, Param) else record
        if place.view.dtype.is_floating_point:
            continue
        if isinstance(tensor, StoredTensor):
            tensor = tensor.load()
        misfit = integer_misfit(tensor, place.view.dtype)
        if misfit is not None:
            what = f"{plan.loaded[index]}: the integer {misfit} in the record, "
            what += f"{place.view.dtype} in the module"
            raise RecordMismatch("an integer does not fit; nothing was loaded:", [what])
        value = Param(record.id, tensor) if isinstance(record, Param) else tensor
        plan.steps[index] = (place, value)


def _load(plan: LoadPlan) -> None:
    """Write the numbers; only a failing device can stop this."""
    with torch.no_grad():
        for index, (place, record) in enumerate(plan.steps):
            try:
                _copy(place.view, record)
            except RecorderError as error:
                done = ", ".join(plan.loaded[: index + 1])
                error.message += f" These parameters are already changed: {done}."
                raise
            if isinstance(record, Param):
                place.owner.__dict__.setdefault(IDS, {})[place.field] = record.id
            if isinstance(place.owner, nn.modules.batchnorm._BatchNorm):
                # A record does not count batches.
                nn.init.zeros_(place.owner.num_batches_tracked)


def _copy(target: Tensor, record: Any) -> None:
    tensor = record.tensor if isinstance(record, Param) else record
    if isinstance(tensor, StoredTensor):
        tensor.copy_into(target)
    else:
        with torch.no_grad():
            target.copy_(tensor)


def _materialize(
    module: nn.Module, plan: LoadPlan, device: torch.device | str | None
) -> list[tuple[Tensor, Tensor]]:
    """Give memory to tensors on the meta device; return pairs to undo it by swapping."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    meta = {name: tensor for name, tensor in tensors if tensor.is_meta}
    filled = {id(place.source) for place, _ in plan.steps}
    lost = [
        f"{name}: on the meta device, and the record has no value for it"
        for name, tensor in meta.items()
        if id(tensor) not in filled and not name.endswith("num_batches_tracked")
    ]
    if lost:
        raise RecordMismatch("the module would stay without values:", lost)
    swapped = []
    for tensor in meta.values():
        real = torch.zeros_like(tensor, device=device or "cpu")
        if isinstance(tensor, nn.Parameter):
            real = nn.Parameter(real, requires_grad=tensor.requires_grad)
        torch.utils.swap_tensors(tensor, real)
        swapped.append((tensor, real))
    return swapped


def _paths(tree: Any, kinds: Any) -> Iterator[list[str | int]]:
    if isinstance(tree, kinds):
        yield []
    for key, below in children(tree):
        for path in _paths(below, kinds):
            yield [key, *path]


_TENSORS = (Param, Tensor, StoredTensor)


def _differ(plan: LoadPlan, path: Path, found: str, expected: str) -> None:
    where = join(path) or "the record"
    plan.mismatched.append(f"{where}: {found} in the record, {expected} in the module")


def _kind(tree: Any) -> str:
    if isinstance(tree, (Place, *_TENSORS)):
        return "a tensor"
    if isinstance(tree, Mapping):
        return "a struct"
    return f"{len(tree)} entries" if isinstance(tree, list | tuple) else repr(tree)


def _number_kind(dtype: torch.dtype) -> str:
    if dtype == torch.bool:
        return "booleans"
    return "floats" if dtype.is_floating_point else "integers"


def _advice(record: Any, plan: LoadPlan) -> list[str]:
    keys = record if isinstance(record, Mapping) else ()
    if any("." in key for key in keys if isinstance(key, str)):
        return ["(this looks like a state_dict: load it with load_state_dict)"]
    if any("weight: shape" in line for line in plan.mismatched):
        return ["(shapes are in Burn's layout: a Linear's weight is [in, out])"]
    return []
