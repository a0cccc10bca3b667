"""Trees and flat dicts: `hidden.weight` is the weight in hidden.

safetensors and state dicts have flat names; a record is a tree. Numbers among the names
are the indices of a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from d2lrec.errors import RecorderError, join
from d2lrec.ids import new_id
from d2lrec.record import Param, Record, TensorData, children
from d2lrec.structure import PARAM, Enum, Map, Option, Struct, Structure, Tuple, Vec


class Flat(NamedTuple):
    """A tree, flattened.

    Attributes:
        tensors: The tensors by their names.
        ids: The ids of those that are parameters.
        values: Everything else but None.
    """

    tensors: dict[str, TensorData]
    ids: dict[str, str]
    values: dict[str, Any]


def flatten(tree: Any) -> Flat:
    """Return the tensors and the other values of a tree by their names.

    Raises:
        RecorderError: Two of them would have one name.

    >>> flatten(Record(epoch=3, best=None, history=[0.5])).values
    {'epoch': 3, 'history.0': 0.5}
    """
    flat = Flat({}, {}, {})
    _flatten(tree, (), flat)
    return flat


def _flatten(tree: Any, path: tuple[str | int, ...], flat: Flat) -> None:
    if isinstance(tree, Mapping | list | tuple):
        for key, below in children(tree):
            _flatten(below, (*path, key), flat)
        return
    name = join(path) or "item"
    if name in flat.tensors or name in flat.values:
        what = f"two values would have the name {name}, a dot being in one of their"
        raise RecorderError(f"{what} names. Rename one of them.")
    if isinstance(tree, Param):
        flat.ids[name] = tree.id
        tree = tree.tensor
    if isinstance(tree, TensorData):
        flat.tensors[name] = tree
    elif tree is not None:
        flat.values[name] = tree


def over_tensors(
    tree: Any,
    change: Callable[[TensorData, tuple[str | int, ...]], TensorData],
    path: tuple[str | int, ...] = (),
) -> Any:
    """Return a tree with other tensors in the place of its own; ids stay.

    Args:
        tree: The tree.
        change: From a tensor and its path to the other one.
        path: The tree's place.
    """
    if isinstance(tree, Param):
        return Param(tree.id, change(tree.tensor, path))
    if isinstance(tree, TensorData):
        return change(tree, path)
    if isinstance(tree, Mapping):
        pairs = tree.items()
        return Record((k, over_tensors(x, change, (*path, k))) for k, x in pairs)
    if isinstance(tree, list | tuple):
        return [over_tensors(x, change, (*path, i)) for i, x in enumerate(tree)]
    return tree


def nest(flat: Mapping[str, Any]) -> Any:
    """Return the tree that flat names stand for.

    Raises:
        RecorderError: A name is that of a tensor and of what is below it.

    >>> nest({"layers.0.bias": 1, "layers.1.bias": 2, "scale": 3})
    layers
        0
            bias  1
        1
            bias  2
    scale   3
    """
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        node = tree
        *above, last = name.split(".")
        for key in above:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise RecorderError(f"{name}: {key} is a tensor and no group of them.")
        if last in node:
            raise RecorderError(f"{name} is a tensor, and the name of a group of them.")
        node[last] = value
    return _listed(tree)


def _listed(node: Any) -> Any:
    """Make lists of what is numbered from 0 on."""
    if not isinstance(node, dict):
        return node
    below = {key: _listed(value) for key, value in node.items()}
    names = [str(index) for index in range(len(below))]
    if below and below.keys() == set(names):
        return [below[name] for name in names]
    return Record(below)


def with_ids(
    tree: Any, structure: Structure | None, ids: Mapping[str, str] | None
) -> Any:
    """Make parameters of the tensors that are ones.

    Args:
        tree: A tree of tensors.
        structure: Says which are, if it is known.
        ids: The ids of those that had one; without structure these are the parameters,
            and without ids either all tensors are.
    """
    return _with_ids(tree, structure, ids, ())


def _with_ids(
    tree: Any,
    kind: Structure | None,
    ids: Mapping[str, str] | None,
    path: tuple[str | int, ...],
) -> Any:
    if isinstance(kind, Option):
        kind = kind.some
    if isinstance(tree, Mapping | list):
        below: list[tuple[Any, Any]] = [
            (key, _with_ids(value, _below(kind, key), ids, (*path, key)))
            for key, value in children(tree)
        ]
        return Record(below) if isinstance(tree, Mapping) else [x for _, x in below]
    known = (ids or {}).get(join(path))
    is_param = known is not None or ids is None if kind is None else kind == PARAM
    return Param(known or new_id(), tree) if is_param else tree


def _below(kind: Structure | None, key: str | int) -> Structure | None:
    """Return what a structure says of an entry; None if nothing."""
    if isinstance(kind, Struct):
        return dict(kind.fields).get(str(key))
    if isinstance(kind, Enum):
        return dict(kind.variants).get(str(key))
    if isinstance(kind, Map):
        return kind.value
    if isinstance(kind, Vec):
        return kind.item
    if isinstance(kind, Tuple) and isinstance(key, int) and key < len(kind.items):
        return kind.items[key]
    return None
