"""Holding a record against a module: what fits, what is missing, what is unused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from d2lrec.errors import RecordMismatch
from d2lrec.fitting import Step, difference, is_exact, untied
from d2lrec.places import Place, places
from d2lrec.precision import FullPrecisionSettings, Settings
from d2lrec.record import Param, TensorData, children
from d2lrec.selection import (
    TENSORS,
    Renaming,
    Selection,
    nested,
    renamed,
    selection,
)
from d2lrec.stored import StoredTensor, Unread, exact_dtypes
from d2lrec.structure import ACTIVATION


@dataclass(repr=False)
class LoadPlan:
    """What loading a record into a module would do.

    Attributes:
        loaded: Paths of the parameters that would be loaded.
        missing: Paths that the module has and the record lacks.
        unused: Paths of tensors that the record has and the module lacks.
        mismatched: Lines that say where the two have something else, and what.
        steps: What `load_record` then does, place by place; only as long as the module
            stays what it is.

    >>> from d2lrec import into_record
    >>> record = into_record(nn.Linear(2, 3))
    >>> plan_load(nn.Linear(2, 3, bias=False), record)
    1 parameter would be loaded
      bias: the module has no such place
    """

    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list, repr=False)

    @property
    def loaded(self) -> list[str]:
        """Paths of the parameters that would be loaded."""
        return [path for path, *_ in self.steps]

    def __repr__(self) -> str:
        count = len(self.steps)
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

    Raises:
        RecordMismatch: `rename` makes two paths one, or a struct of a tensor.

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
    settings = FullPrecisionSettings
    if isinstance(record, Unread):
        record, settings = record.tree, record.settings
    if rename is not None:
        record = nested(renamed(flat(record), rename))
    matcher = _Matcher(plan, only, settings)
    tree = places(module)
    if tree is None:  # a module without parameters
        matcher.selected("")
    matcher.match(tree, record, "")
    if not matcher.any_selected:
        plan.mismatched.append("only= chooses none of the module's paths")
    plan.mismatched += untied(plan.steps)
    return plan


class _Matcher:
    """Walks the places of a module and a record side by side."""

    def __init__(
        self, plan: LoadPlan, only: Selection | None, settings: Settings
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.exact = exact_dtypes(settings)
        self.is_selected = selection(only)
        self.all = only is None
        self.any_selected = self.all  # of the module's paths

    def selected(self, path: str) -> bool:
        """Whether a path of the module is to be loaded."""
        selected = bool(self.is_selected(path))
        self.any_selected |= selected
        return selected

    def match(self, tree: Any, record: Any, prefix: str) -> None:
        """Match what is below a node; `prefix` is its path with a dot."""
        expected, found = _fields(tree), _fields(record)
        if isinstance(record, TENSORS):
            self.unused(record, prefix)
        for key, below in expected.items():
            path, value = prefix + key, found.get(key)
            if isinstance(below, Place):
                self.place(below, value, path)
            elif below is None:  # a constant; a tensor there is unused
                self.selected(path)
                self.unused(value, path + ".")
            elif below.structure is ACTIVATION:
                self.variant(below, value, path)
            else:
                self.match(below, value, path + ".")
        if found.keys() != expected.keys():
            for key in [key for key in found if key not in expected]:
                self.unused(found[key], prefix + key + ".")

    def variant(self, tree: Any, record: Any, path: str) -> None:
        """Match an activation, which is a name and no numbers, with the record's."""
        (expected,) = tree
        found = list(record) if isinstance(record, Mapping) else []
        if found and expected not in found and self.selected(path):
            what = f"{path}: {', '.join(map(str, found))} in the record"
            self.plan.mismatched.append(f"{what}, {expected} in the module")
        else:  # a record from before Burn 0.20 has nothing there
            self.match(tree, record, path + ".")

    def unused(self, record: Any, prefix: str) -> None:
        """Note the tensors that the record has and the module lacks."""
        for key, below in _fields(record).items():
            self.unused(below, prefix + key + ".")
        path = prefix[:-1]
        if isinstance(record, TENSORS) and self.is_selected(path):
            self.plan.unused.append(path or "the record")

    def place(self, place: Place, record: Any, path: str) -> None:
        """Match a place with what the record has there."""
        if not (self.all or self.selected(path)):
            self.unused(_fields(record), path + ".")
            return
        tensor = record.tensor if isinstance(record, Param) else record
        if isinstance(tensor, TensorData):
            if is_exact(tensor, place.tensor, self.exact):
                self.plan.steps.append((path, place, record, True))
                return
            tensor = StoredTensor(tensor, self.settings, (path,))
            record = Param(record.id, tensor) if isinstance(record, Param) else tensor
        if tensor is None or isinstance(tensor, Mapping | list | tuple):
            self.plan.missing.append(path)
            self.unused(tensor, path + ".")
            return
        differs = difference(tensor, place.tensor)
        if differs:
            found, expected = differs
            what = f"{path or 'the record'}: {found} in the record"
            self.plan.mismatched.append(f"{what}, {expected} in the module")
        else:
            self.plan.steps.append((path, place, record, False))


def _fields(tree: Any) -> Mapping[str, Any]:
    """Return what is below a node by its name; nothing below a leaf."""
    if isinstance(tree, Mapping) and {str}.issuperset(map(type, tree)):
        return tree
    pairs = list(children(tree))
    fields = {str(key): below for key, below in pairs}
    if len(fields) < len(pairs):
        names = ", ".join(repr(key) for key, _ in pairs)
        raise RecordMismatch("two keys of a dict have one name:", [names])
    return fields


def flat(tree: Any) -> dict[tuple[str, ...], Any]:
    """Return the leaves of a tree by their paths; an empty struct or list is none."""
    if not isinstance(tree, Mapping | list | tuple):
        return {(): tree}
    found: dict[tuple[str, ...], Any] = {}
    for key, below in children(tree):
        found.update(((str(key), *path), leaf) for path, leaf in flat(below).items())
    return found


def advice(record: Any, plan: LoadPlan) -> list[str]:
    """Return what one who sees these differences should know."""
    tree = record.tree if isinstance(record, Unread) else record
    keys = tree if isinstance(tree, Mapping) else ()
    if any("." in key for key in keys if isinstance(key, str)):
        return ["(this looks like a state_dict: load it with load_state_dict)"]
    if any("weight: shape" in line for line in plan.mismatched):
        return ["(shapes are in Burn's layout: a Linear's weight is [in, out])"]
    return []
