"""From what a user records to the tree that a codec writes, and back.

Wrapping leaves a tensor where it is and describes it; unwrapping gives each described
tensor a `StoredTensor`, which reads its numbers when they are asked for.
"""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from d2lrec.conversion import Stateful, into_record, no_instance
from d2lrec.errors import CorruptRecord, Path, Unrecordable
from d2lrec.places import Place, module_places
from d2lrec.precision import Settings
from d2lrec.record import (
    MAX_DEPTH,
    PARAM_FIELDS,
    SOME,
    TENSOR_FIELDS,
    Float32,
    Param,
    Record,
    RecordList,
    RecordTuple,
    TensorData,
    Unsigned,
    children,
)
from d2lrec.stored import StoredTensor
from d2lrec.structure import FROM_TEXT
from d2lrec.wrapping import Wrapper


def into_tree(item: Any, settings: Settings, path: Path = ()) -> Any:
    """Make of anything recordable the tree that a codec writes.

    Args:
        item: Tensors, lists, tuples, dicts with string keys, dataclasses, numbers,
            strings, booleans, None, modules and records, nested as you like.
        settings: Which dtypes to store.
        path: The item's place, for errors.

    Returns:
        The same tree with `TensorData` for tensors, and `Record`s for structs.

    Raises:
        Unrecordable: With the path of what cannot be recorded, and what to do.

    >>> from d2lrec import FullPrecisionSettings
    >>> into_tree({"pair": (1, 0.5)}, FullPrecisionSettings)
    pair
        0  1
        1  0.5
    """
    wrapper = Wrapper(settings)
    tree = _tree(item, wrapper, path)
    wrapper.fetch()
    return tree


def _tree(item: Any, wrapper: Wrapper, path: Path) -> Any:
    _check_depth(path)
    if isinstance(item, Tensor):
        return wrapper.wrap(item, path)
    if isinstance(item, Param):
        return _param(item, wrapper, path)
    if isinstance(item, nn.Module):
        return _module(item, wrapper, path)
    if isinstance(item, Stateful) or _is_optimizer(item):
        return _tree(_record(item, path), wrapper, path)
    if isinstance(item, Mapping):
        return _struct(item, wrapper, path)
    if isinstance(item, list | tuple):
        kind = RecordList if isinstance(item, list) else RecordTuple
        items = kind(_tree(x, wrapper, (*path, i)) for i, x in enumerate(item))
        items.structure = getattr(item, "structure", None)
        return items
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        names = [field.name for field in dataclasses.fields(item)]
        return _struct({name: getattr(item, name) for name in names}, wrapper, path)
    return _scalar(item, path)


def _check_depth(path: Path) -> None:
    if len(path) > MAX_DEPTH:
        what = f"nested deeper than {MAX_DEPTH} levels, or a list that holds itself."
        raise Unrecordable(what, path=path[:3])


def _is_optimizer(item: Any) -> bool:
    """Whether an item is an optimizer and its net, which are recorded together."""
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], Optimizer)


def _param(item: Param, wrapper: Wrapper, path: Path) -> Param:
    if isinstance(item.id, str) and isinstance(item.tensor, Tensor):
        return Param(_text(item.id, path), wrapper.wrap(item.tensor, path))
    found = f"a {type(item.id).__name__} and a {type(item.tensor).__name__}"
    what = f"this Param holds {found}: its id, a string, and a tensor expected."
    raise Unrecordable(what, path=path)


def _record(item: Any, path: Path) -> Any:
    with _below(path):
        return into_record(*item) if isinstance(item, tuple) else into_record(item)


@contextmanager
def _below(path: Path) -> Iterator[None]:
    """Put a path in front of what an error says."""
    try:
        yield
    except Unrecordable as error:
        error.path = (*path, *error.path)
        raise


def _module(module: nn.Module, wrapper: Wrapper, path: Path) -> Any:
    with _below(path):
        tree, _ = module_places(module)
    _wrap_places(tree, wrapper, path)
    return tree


def _wrap_places(tree: Any, wrapper: Wrapper, path: Path) -> None:
    """Turn the places of a module into the parameters of its record."""
    _check_depth(path)
    if isinstance(tree, Record):
        _check_keys(tree, path)
    wrap, is_deepest = wrapper.wrap, len(path) == MAX_DEPTH
    for key, below in children(tree):
        if isinstance(below, Place):  # without a call for each of thousands
            if is_deepest:
                _check_depth((*path, key))
            below.tensor = wrap(below.tensor, path, key)
        else:
            _wrap_places(below, wrapper, (*path, key))


def _struct(item: Mapping[Any, Any], wrapper: Wrapper, path: Path) -> Record:
    _check_keys(item, path)
    tree = Record((k, _tree(x, wrapper, (*path, k))) for k, x in item.items())
    tree.structure = getattr(item, "structure", None)
    return tree


def _check_keys(item: Mapping[Any, Any], path: Path) -> None:
    """Refuse keys that could not be told from others, or not be written."""
    for names in (PARAM_FIELDS, TENSOR_FIELDS):
        if item.keys() == set(names):
            what = f"a dict with the keys {', '.join(names)} would be read as a tensor."
            raise Unrecordable(f"{what} Rename one of them.", path=path)
    for key in item:
        if not isinstance(key, str):
            what = f"the key {key!r} is no string; a record's keys are field names."
            raise Unrecordable(f"{what} Use {str(key)!r}, or a list.", path=path)
        if not key.isascii():
            _text(key, path)


def _text(text: str, path: Path) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as in "\ud800"
        what = f"the string {text!r} is no Unicode text, which a record's strings are."
        advice = 'Use .encode(errors="replace").decode().'
        raise Unrecordable(f"{what} {advice}", path=path) from None
    return text


def _scalar(item: Any, path: Path) -> Any:
    if item is None or item is SOME or isinstance(item, bool):
        return item
    if isinstance(item, str):
        return _text(item, path)
    if isinstance(item, np.bool_):
        return bool(item)
    if isinstance(item, np.float32):
        return Float32(item)
    if isinstance(item, numbers.Integral):
        if not -(2**63) <= int(item) < 2**64:
            what = f"the integer {item} needs more than 64 bits."
            raise Unrecordable(f"{what} Record it as a string.", path=path)
        return item if isinstance(item, Unsigned) else int(item)
    if isinstance(item, float):
        return item if isinstance(item, Float32) else float(item)
    if isinstance(item, type):
        raise Unrecordable(no_instance(item), path=path)
    kind = type(item).__name__
    what = f"a {kind} has no place in a record, which holds tensors, lists, "
    what += "dicts, dataclasses, numbers, strings, booleans and None."
    known = (x.__name__ for x in type(item).__mro__ if x.__name__ in _REMEDIES)
    remedy = _REMEDIES.get(next(known, ""), _REMEDY)
    raise Unrecordable(f"{what} {remedy}", path=path)


_REMEDY = "Record the values that it is made of."
_REMEDIES = {
    "ndarray": "Use torch.from_numpy.",
    "bytes": "Use torch.frombuffer(..., dtype=torch.uint8), or a string.",
    "bytearray": "Use torch.frombuffer(..., dtype=torch.uint8), or a string.",
    "set": "Use a sorted list.",
    "frozenset": "Use a sorted list.",
    "range": "Use a list.",
    "complex": "Use a pair of numbers.",
    "complexfloating": "Use a pair of numbers.",
    "floating": "Use float(...).",  # numpy's float16 and longdouble
    "PurePath": "Use str(path).",
}


def from_tree(tree: Any, tensor: Callable[[TensorData, Path], Any]) -> Any:
    """Replace what a codec found by what a user works with.

    Args:
        tree: What a codec's `decode` returned. Its structs and parameters become the
            result's: making ten thousand anew takes longer than all the rest here.
        tensor: Makes something of each `TensorData`, given its path.

    Returns:
        `Record`s, lists, `Param`s, numbers (32-bit floats as `numpy.float32`),
        strings, booleans, None, and what `tensor` made.
    """
    return _from_tree(tree, tensor, ())


def _from_tree(tree: Any, tensor: Callable[[TensorData, Path], Any], path: Path) -> Any:
    if len(path) > MAX_DEPTH:
        what = f"nested deeper than {MAX_DEPTH} levels."
        raise CorruptRecord(what, path=("item", *path[:3]))
    if isinstance(tree, TensorData):
        return tensor(tree, path)
    if isinstance(tree, Param):
        tree.tensor = tensor(tree.tensor, path)
        return tree
    if isinstance(tree, Record):
        for key, below in tree.items():
            if isinstance(below, Param):  # without a call for each of thousands
                below.tensor = tensor(below.tensor, (*path, key))
            else:
                tree[key] = _from_tree(below, tensor, (*path, key))
        tree.structure = tree.structure or FROM_TEXT
        return tree
    if isinstance(tree, list | tuple):
        values = [_from_tree(x, tensor, (*path, i)) for i, x in enumerate(tree)]
        return _items(values, tree)
    if isinstance(tree, Float32):
        return np.float32(tree)
    return tree.tobytes() if hasattr(tree, "tobytes") else tree


def _items(values: list[Any], tree: list[Any] | tuple[Any, ...]) -> Any:
    """Return a few tensors or numbers as they are, structs as what prints as a tree."""
    structure = getattr(tree, "structure", None)
    structs = any(isinstance(x, Record | RecordList | RecordTuple) for x in values)
    if not structs and not any(isinstance(x, Param) for x in values):
        return values if isinstance(tree, list) else tuple(values)
    items = RecordList(values) if isinstance(tree, list) else RecordTuple(values)
    items.structure = structure
    return items


def stored(tree: Any, settings: Settings) -> Any:
    """Give each tensor of a tree the form that reads its numbers when asked."""
    return from_tree(tree, lambda data, path: StoredTensor(data, settings, path))


def loaded(
    tree: Any,
    settings: Settings,
    device: torch.device | str | None = None,
    *,
    mapped: bool = False,
) -> Any:
    """Read all tensors of a tree, in the settings' dtypes, to a device.

    `mapped` leaves those that need no conversion in the memory that they lie in.
    """

    def read(data: TensorData, path: Path) -> torch.Tensor:
        """Read one tensor."""
        return StoredTensor(data, settings, tuple(path)).load(device, mapped=mapped)

    return from_tree(tree, read)
