"""Where the parameters of a module live, in Burn's layout.

A module's *places* are a tree: structs as dicts, `Vec`s as lists, tuples as tuples,
None for what has no parameters, and a `Place` for each parameter: a view of its
memory, in Burn's order of axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

from torch import Tensor, nn

from d2lrec.errors import Path, Unrecordable
from d2lrec.ids import new_id
from d2lrec.inferring import vec_of
from d2lrec.layer_fields import (
    Activation,
    Child,
    Row,
    Unstored,
    View,
    Weight,
    as_it_is,
    one_number,
)
from d2lrec.layers import LAYERS, REQUIRED
from d2lrec.record import (
    MAX_DEPTH,
    SOME,
    Param,
    Record,
    RecordList,
    RecordTuple,
    children,
)
from d2lrec.record_fields import FIELDS, written_fields
from d2lrec.refusals import check_complete, refuse, stored
from d2lrec.structure import (
    ACTIVATION,
    CONSTANT,
    PARAM,
    Option,
    Struct,
    Structure,
    Tuple,
)

Tree = TypeVar("Tree", Record, RecordList, RecordTuple)

# The entry of a module's __dict__ that holds its parameters' ids, by Burn's names.
IDS = "_burn_ids"

_LISTS = (nn.ModuleList, nn.ParameterList)


@dataclass(slots=True, eq=False, repr=False)
class Place(Param):
    """Where a parameter of Burn's lives in a PyTorch module.

    Attributes:
        id: The parameter's id, once `module_places` gave it one.
        tensor: The source in Burn's layout: itself, or a view of its memory.
        owner: The layer; its `__dict__` keeps the id.
        field: Burn's name of the parameter in the layer.
        source: The PyTorch parameter or buffer.
        of: From a tensor of the source's shape to the part and layout that Burn has.
        part: Which of the source's parts it is.
    """

    owner: nn.Module
    field: str
    source: Tensor
    of: View
    part: int

    structure: ClassVar[Structure] = PARAM

    @property
    def key(self) -> tuple[int, int]:
        """What the places of one tied parameter have in common."""
        return id(self.source), self.part


def places(module: nn.Module) -> Any:
    """Return where the parameters of a module live, as a tree in Burn's layout.

    Args:
        module: Any module of the layers in `LAYERS`, containers, and own classes.

    Returns:
        Dicts, lists, tuples, None, and `Place`s.

    Raises:
        Unrecordable: A layer or parameter that Burn has no place for.

    >>> list(places(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))[0])
    ['weight', 'bias']
    """
    return _complete(module)[0]


def _complete(module: nn.Module) -> tuple[Any, list[Place], bool]:
    """Return a module's places as a tree, in a row, and whether some share a source."""
    tree = _places(module, ())
    found = leaves(tree)
    sources = {id(place.source) for place in found}
    check_complete(module, sources)
    return tree, found, len(sources) < len(found)


def record_module(module: nn.Module) -> Any:
    """Return a module's record: see `d2lrec.into_record`."""
    return _record(module_places(module)[0])


def module_places(module: nn.Module) -> tuple[Any, list[Place]]:
    """Return the places of a module with their ids, as a tree and in a row.

    A parameter without an id gets one; places of one tied parameter share it.
    """
    tree, found, are_shared = _complete(module)
    tied: dict[tuple[int, int], str] = {}
    owner, ids = None, dict[str, str]()
    for place in found:
        if place.owner is not owner:
            owner = place.owner
            ids = owner.__dict__.setdefault(IDS, {})
        own = ids.get(place.field) or tied.get(place.key) or new_id()
        if are_shared:
            own = tied.setdefault(place.key, own)
        place.id = ids[place.field] = own
    return tree, found


def _record(place: Any) -> Any:
    if isinstance(place, Place):
        return Param(place.id, place.tensor.detach())
    if isinstance(place, Record):
        fields = ((name, _record(below)) for name, below in place.items())
        return _typed(Record(fields), place.structure)
    if place is None or place is SOME:
        return place
    items: RecordList | RecordTuple = type(place)(map(_record, place))
    items.structure = place.structure
    return items


def _places(module: nn.Module | None, path: Path) -> Any:
    if len(path) > MAX_DEPTH:
        raise Unrecordable(f"modules nested deeper than {MAX_DEPTH} levels.")
    if module is None:  # an entry of a list: Burn's Option
        return None
    # torch.compile wraps the module and changes none of its parameters.
    module = getattr(module, "_orig_mod", module)
    refuse(module, path)
    row = next((LAYERS[t] for t in type(module).__mro__ if t in LAYERS), None)
    if row is not None:
        try:
            return _layer(module, row(module) if callable(row) else row, path, "")
        except Unrecordable as error:
            error.path = error.path or tuple(path)
            raise
    if isinstance(module, _LISTS) and not len(module):
        return _list([])
    if _is_empty(module):
        for name, part in module.named_modules():  # some keep numbers elsewhere
            refuse(part, (*path, *filter(None, name.split("."))))
        return None  # Burn's empty record
    if isinstance(module, nn.ModuleList):
        return _list([_places(child, (*path, i)) for i, child in enumerate(module)])
    if isinstance(module, nn.Sequential):
        below = [_places(child, (*path, i)) for i, child in enumerate(module)]
        return _typed(RecordTuple(below), Tuple(*map(_type, below)))
    if isinstance(module, nn.ParameterList):
        return _list([_entry(module, index) for index in range(len(module))])
    return _struct(module, path)


def _is_empty(module: nn.Module) -> bool:
    """Whether a module has no parameters, and neither has its twin in Burn."""
    for part in module.modules():
        if isinstance(part, tuple(LAYERS)):  # with affine=False still a struct
            return False
        if isinstance(part, _LISTS) and not len(part):  # Burn's Vec, empty or not
            return False
        if getattr(part, FIELDS, ()):  # written down: a struct
            return False
    return not any(True for _ in stored(module))


def _type(place: Any) -> Structure:
    return CONSTANT if place is None else place.structure


def _typed(tree: Tree, structure: Structure) -> Tree:
    tree.structure = structure
    return tree


def _list(below: list[Any]) -> RecordList:
    return _typed(RecordList(below), vec_of([_type(x) for x in below]))


def _layer(module: nn.Module, row: Row, path: Path, prefix: str) -> Record:
    """Give a layer of PyTorch's own the fields of its Burn twin."""
    tree, types = Record(), dict[str, Structure]()
    for name, what in row.items():
        if isinstance(what, Weight):
            tree[name] = _weight(module, what, path, prefix + name)
            types[name] = Option(PARAM) if what.optional else PARAM
        elif isinstance(what, Child):
            child = module._modules[what.attribute]
            tree[name] = _places(cast(nn.Module, child), (*path, name))
            types[name] = _type(tree[name])
        elif isinstance(what, Activation):
            tree[name] = _typed(Record({what.name: None}), ACTIVATION)
            types[name] = ACTIVATION
        elif isinstance(what, Unstored):
            is_there = getattr(module, what.attribute) is not None
            tree[name] = SOME if is_there else None
            types[name] = Option(CONSTANT)
        elif what is None:
            tree[name], types[name] = None, CONSTANT
        else:
            tree[name] = _layer(module, what, path, f"{prefix}{name}.")
            types[name] = tree[name].structure
    return _typed(tree, Struct.of(types))


def _weight(module: nn.Module, what: Weight, path: Path, name: str) -> Place | None:
    tensor = {**module._parameters, **module._buffers}.get(what.attribute)
    if tensor is not None:
        return _place(module, name, tensor, what.view, what.part)
    if what.optional:
        return None
    text = f"this {type(module).__name__} has no {what.attribute}; "
    text += f"Burn's twin always has one ({name})."
    replaced = "If a weight norm or pruning replaced it, remove that first."
    known = (REQUIRED[t] for t in type(module).__mro__ if t in REQUIRED)
    advice = next(known, replaced)
    raise Unrecordable(f"{text} {advice}", path=path)


def _struct(module: nn.Module, path: Path) -> Record:
    """Give a module of the user's own the fields that its class names, or all."""
    skipped = module._non_persistent_buffers_set
    buffers = {name: t for name, t in module._buffers.items() if name not in skipped}
    tensors = {**module._parameters, **buffers}
    written = written_fields(module, path)
    tree, types = Record(), dict[str, Structure]()
    for name in (*tensors, *module._modules) if written is None else written:
        attribute, structure = written[name] if written else (name, None)
        tensor = tensors.get(attribute)
        if tensor is not None:
            tree[name] = _place(module, attribute, tensor)
            types[name] = structure or PARAM
            continue
        child = module._modules.get(attribute)
        tree[name] = None  # a constant: its value is the module's, not the record's
        if child is not None:
            tree[name] = _places(child, (*path, name))
        elif attribute is not None and not hasattr(module, attribute):
            what = f"{FIELDS} names {attribute!r}, which the module lacks."
            raise Unrecordable(what, path=path)
        elif attribute is not None and structure == Option(CONSTANT):
            tree[name] = SOME if getattr(module, attribute) is not None else None
        types[name] = structure or _type(tree[name])
    return _typed(tree, Struct.of(types))


def _entry(module: nn.ParameterList, index: int) -> Place | None:
    value = module[index]  # a parameter, or anything: a constant
    return _place(module, str(index), value) if isinstance(value, Tensor) else None


def _place(
    owner: nn.Module,
    field: str,
    tensor: Tensor,
    view: View = as_it_is,
    part: int = 0,
) -> Place:
    # Burn's tensors have at least one dimension.
    of = view if tensor.dim() else one_number
    laid_out = tensor if of is as_it_is else of(tensor)
    return Place("", laid_out, owner, field, tensor, of, part)


def leaves(tree: Any) -> list[Place]:
    """Return the places of a tree in order."""
    found: list[Place] = []
    for _, below in children(tree):
        if isinstance(below, Place):  # without a call for each of thousands
            found.append(below)
        else:
            found += leaves(below)
    return found
