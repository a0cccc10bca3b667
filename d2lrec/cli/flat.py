"""Trees and flat dicts: `hidden.weight` is the weight in hidden.

safetensors and state dicts have flat names; a record is a tree. Numbers among the names
are the indices of a list. What holds no tensor has no name there, an empty list or an
enum's variant without a value, `{"Tanh": None}`; a record without it is one that Burn
refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from d2lrec.errors import RecorderError, join
from d2lrec.ids import new_id
from d2lrec.record import Param, Record, TensorData, Unit, children
from d2lrec.structure import PARAM, Enum, Map, Option, Struct, Structure, Tuple, Vec

_GONE = object()  # stands where nothing is


class Flat(NamedTuple):
    """A tree, flattened.

    Attributes:
        tensors: The tensors by their names.
        ids: The ids of those that are parameters.
        values: Everything else: numbers, strings, empty lists and dicts, dicts of
            nothing but constants, and a None that has a place in a list. Another None
            tells nothing.
    """

    tensors: dict[str, TensorData]
    ids: dict[str, str]
    values: dict[str, Any]


def flatten(tree: Any) -> Flat:
    """Return the tensors and the other values of a tree by their names.

    Raises:
        RecorderError: Two of them would have one name.

    >>> flatten(Record(epoch=3, best=None, history=[0.5], more=[])).values
    {'epoch': 3, 'history.0': 0.5, 'more': []}
    """
    flat = Flat({}, {}, {})
    _flatten(tree, (), flat)
    return flat


def _flatten(
    tree: Any, path: tuple[str | int, ...], flat: Flat, in_list: bool = False
) -> None:
    if _is_constant(tree) and not in_list:
        return
    if isinstance(tree, Mapping | list | tuple) and not _is_bare(tree):
        is_list = not isinstance(tree, Mapping)
        for key, below in children(tree):
            _flatten(below, (*path, key), flat, is_list)
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
    else:
        flat.values[name] = tree


def _is_bare(tree: Any) -> bool:
    """Whether there is nothing below whose name would tell of a list or a dict."""
    below = tree.values() if isinstance(tree, Mapping) else tree
    return all(map(_is_constant, below))


def _is_constant(tree: Any) -> bool:
    """Whether this is a constant, or an array of them as older Burn had it."""
    if isinstance(tree, list | tuple):
        return bool(tree) and all(map(_is_constant, tree))
    return tree is None or isinstance(tree, Unit)


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
    if tree is None:
        return None
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


def with_empty(tree: Any, structure: Structure | None) -> Any:
    """Put back the empty lists that a structure has where a tree has nothing.

    A `Vec` or `Map` without a tensor was empty. What else has no tensor stays missing:
    a parameter, a number, a variant.

    >>> with_empty({}, Struct(layers=Vec(PARAM), scale=PARAM))
    layers  []
    """
    return tree if structure is None else _with_empty(tree, structure)


def _with_empty(tree: Any, kind: Structure) -> Any:
    if isinstance(kind, Option):  # nothing is None there
        return tree if tree is _GONE else _with_empty(tree, kind.some)
    if isinstance(kind, Vec | Tuple):
        return _list_with_empty(tree, kind)
    if tree is _GONE and isinstance(kind, Map | Struct):
        tree = Record()
    if not isinstance(tree, Mapping):
        return tree
    names = [name for name, _ in kind.fields] if isinstance(kind, Struct) else []
    below = {}
    for name in dict.fromkeys((*tree, *names)):
        value, known = tree.get(name, _GONE), _below(kind, name)
        below[name] = value if known is None else _with_empty(value, known)
    return Record((name, value) for name, value in below.items() if value is not _GONE)


def _list_with_empty(tree: Any, kind: Vec | Tuple) -> Any:
    if tree is _GONE or (isinstance(tree, Mapping) and not tree):
        tree = []
    if isinstance(kind, Tuple) and isinstance(tree, Mapping | list):
        # As many as it has; those of no tensor may be any.
        have = {str(key): value for key, value in children(tree)}
        indices = range(len(kind.items))
        if have.keys() <= set(map(str, indices)):
            tree = [have.get(str(index), _GONE) for index in indices]
    if not isinstance(tree, list):
        return tree
    below = []
    for index, value in enumerate(tree):
        known = _below(kind, index)
        found = value if known is None else _with_empty(value, known)
        below.append(None if found is _GONE else found)
    return below
