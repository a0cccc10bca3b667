"""Holding a record against a module: what fits, what is missing, what is unused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from d2lrec.errors import join
from d2lrec.places import Place, places
from d2lrec.record import Param, children
from d2lrec.scratch import Scratch
from d2lrec.selection import Renaming, Selection, renamed, selection
from d2lrec.stored import StoredTensor
from d2lrec.tensors import convert, is_plain, memory_of


@dataclass(repr=False)
class LoadPlan:
    """What loading a record into a module would do.

    Attributes:
        loaded: Paths of the parameters that would be loaded.
        missing: Paths that the module has and the record lacks.
        unused: Paths of tensors that the record has and the module lacks.
        mismatched: Lines that say where the two have something else, and what.
        steps: What `load_record` then does, place by place.

    >>> from d2lrec import into_record
    >>> record = into_record(nn.Linear(2, 3))
    >>> plan_load(nn.Linear(2, 3, bias=False), record)
    1 parameter would be loaded
      bias: the module has no such place
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    steps: list[tuple[Place, Any]] = field(default_factory=list, repr=False)

    def __repr__(self) -> str:
        count = len(self.loaded)
        lines = [f"{count} parameter{'' if count == 1 else 's'} would be loaded"]
        return "\n  ".join(lines + self.differences())

    def differences(self, strict: bool = True) -> list[str]:
        """Return a line for each difference that an error would list.

        Args:
            strict: Whether what only one side has counts.
        """
        lines = [f"{path}: missing in the record" for path in self.missing]
        lines += [f"{path}: the module has no such place" for path in self.unused]
        return self.mismatched + (lines if strict else [])


def plan_load(
    module: nn.Module,
    record: Any,
    *,
    only: Selection | None = None,
    rename: Renaming | None = None,
) -> LoadPlan:
    """Hold a record against a module and change nothing.

    Args:
        module: The module to load into.
        record: What `into_record` or a recorder's `load` returned, or a part of it.
        only: Which parameters, by path: a regular expression that is searched for in
            it, several of which one must be found, or a function from path to bool.
            The others are neither missing nor unused; to choose none is a mismatch.
        rename: From the record's paths to the module's: regular expressions and their
            replacements, applied one after the other, or a function from path to path.

    Returns:
        What would be loaded, what is missing, unused, or of another shape or kind.
        Shapes are in Burn's layout: a Linear's weight is `[in, out]`.

    >>> from d2lrec import into_record
    >>> plan = plan_load(nn.Linear(2, 3), into_record(nn.Linear(2, 4, bias=False)))
    >>> plan.missing, plan.mismatched
    (['bias'], ['weight: shape [2, 4] in the record, [2, 3] in the module'])
    >>> record = {"old": {"fc": into_record(nn.Linear(2, 3))}}
    >>> plan_load(nn.Linear(2, 3), record, only="bias$", rename={r"^old\\.fc\\.": ""})
    1 parameter would be loaded
    """
    plan = LoadPlan()
    if hasattr(record, "_metadata"):  # only what state_dict() returns has it
        what = "a state_dict, whose layout is PyTorch's and not Burn's: load it with"
        plan.mismatched.append(f"{what} load_state_dict")
        return plan
    selected = selection(only)
    found = renamed(flat(record), rename)
    paths = flat(places(module))
    for path, place in paths.items():
        if not isinstance(place, Place):  # a constant; a tensor there is unused
            continue
        value, name = found.pop(path, None), ".".join(path)
        if selected(name):
            _match_place(place, value, name, plan)
    if only is not None and not any(selected(join(path)) for path in paths):
        plan.mismatched.append("only= chooses none of the module's paths")
    left = (path for path, value in found.items() if isinstance(value, _LEAVES))
    plan.unused += filter(selected, (join(path) or "the record" for path in left))
    _match_tied(plan)
    return plan


def flat(tree: Any) -> dict[tuple[str, ...], Any]:
    """Return the leaves of a tree by their paths; an empty struct or list is none."""
    found: dict[tuple[str, ...], Any] = {}
    _gather(tree, (), found)
    return found


def _gather(tree: Any, path: tuple[str, ...], found: dict[Any, Any]) -> None:
    if not isinstance(tree, Mapping | list | tuple):
        found[path] = tree
    for key, below in children(tree):
        if isinstance(below, _LEAVES):  # without a call for each of thousands
            found[(*path, str(key))] = below
        else:
            _gather(below, (*path, str(key)), found)


def _match_place(place: Place, record: Any, path: str, plan: LoadPlan) -> None:
    tensor = record.tensor if isinstance(record, Param) else record
    target, from_file = place.tensor, isinstance(tensor, StoredTensor)
    if record is None:
        plan.missing.append(path)
    elif not from_file and not isinstance(tensor, Tensor):
        _differ(plan, path, repr(record), "a tensor")
    elif not from_file and not is_plain(tensor):
        _differ(plan, path, "a sparse, nested or quantized tensor", "a tensor")
    elif not _is_writable(target):
        _differ(plan, path, "a tensor", _READ_ONLY)
    elif tensor.shape != target.shape:
        shapes = list(tensor.shape), list(target.shape)
        _differ(plan, path, f"shape {shapes[0]}", f"{shapes[1]}")
    elif tensor.dtype is not target.dtype and not _is_same_kind(tensor, target):
        kinds = _number_kind(tensor.dtype), _number_kind(target.dtype)
        _differ(plan, path, *kinds)
    elif not from_file and tensor.is_meta:
        _differ(plan, path, "a meta tensor without values", "a tensor")
    else:
        plan.loaded.append(path)
        plan.steps.append((place, record))


_READ_ONLY = "a read-only one (made in inference mode, expanded or sparse)"


def _is_writable(tensor: Tensor) -> bool:
    if tensor.is_inference() and not torch.is_inference_mode_enabled():
        return False
    if not is_plain(tensor):
        return False
    if tensor.is_contiguous():
        return True
    # An expanded tensor has several indices for one number.
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return all(step or size < 2 for size, step in sizes)


def _match_tied(plan: LoadPlan) -> None:
    """Check that the record has one value for a parameter with several places."""
    if len({id(place.source) for place, _ in plan.steps}) == len(plan.steps):
        return
    seen: dict[tuple[int, int], int] = {}
    for other, (place, _) in enumerate(plan.steps):
        first = seen.setdefault(place.key, other)
        if first == other:
            continue
        if _bits(*plan.steps[first]) != _bits(*plan.steps[other]):
            what = f"{plan.loaded[other]}: tied to {plan.loaded[first]} in the"
            what += " module, another value in the record"
            plan.mismatched.append(what)


def _bits(place: Place, record: Any) -> bytes:
    """Return the bytes that the whole source of a place would hold."""
    source = torch.zeros_like(place.source, device="cpu")
    copy_into(place.of(source), record, Scratch())
    return bytes(memory_of(source.contiguous()))


def copy_into(target: Tensor, record: Any, scratch: Scratch) -> tuple[int, int]:
    """Write a record's parameter through a place's view.

    Args:
        target: The view.
        record: The parameter.
        scratch: Memory for what has to be converted on the way.

    Returns:
        How many numbers became infinity and how many zero in the target's dtype.
    """
    tensor = record.tensor if isinstance(record, Param) else record
    with torch.no_grad():
        if isinstance(tensor, StoredTensor):
            return tensor.copy_into(target, scratch)
        return convert(tensor, target)


_LEAVES = (Param, Place, StoredTensor, Tensor)


def _differ(plan: LoadPlan, path: str, found: str, expected: str) -> None:
    where = path or "the record"
    plan.mismatched.append(f"{where}: {found} in the record, {expected} in the module")


def _is_same_kind(one: Tensor | StoredTensor, other: Tensor) -> bool:
    return _number_kind(one.dtype) == _number_kind(other.dtype)


def _number_kind(dtype: torch.dtype) -> str:
    if dtype == torch.bool or dtype.is_complex:
        return "booleans" if dtype == torch.bool else "complex numbers"
    return "floats" if dtype.is_floating_point else "integers"


def advice(record: Any, plan: LoadPlan) -> list[str]:
    """Return what one who sees these differences should know."""
    keys = record if isinstance(record, Mapping) else ()
    if any("." in key for key in keys if isinstance(key, str)):
        return ["(this looks like a state_dict: load it with load_state_dict)"]
    if any("weight: shape" in line for line in plan.mismatched):
        return ["(shapes are in Burn's layout: a Linear's weight is [in, out])"]
    return []
