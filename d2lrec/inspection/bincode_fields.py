"""What the bytes of bincode mean, which only the structure says."""

from __future__ import annotations

from collections.abc import Iterator

from d2lrec.errors import join
from d2lrec.inspection.fields import Field, Fields, counted, quoted
from d2lrec.inspection.tracing import UNREAD, Node
from d2lrec.inspection.view import printable
from d2lrec.record import Float32, TensorData
from d2lrec.structure import (
    BOOL,
    CONSTANT,
    PARAM,
    STRING,
    TENSOR,
    UNIT,
    Leaf,
    Map,
    Struct,
    Tuple,
)

# What is stored as nothing but its parts gets a line without bytes.
_PLAIN = {Struct: "a struct", Tuple: "a tuple"}
_PLAIN_LEAVES = {PARAM: "a parameter", TENSOR: "a tensor", UNIT: "nothing, a ()"}
_CUT_SHORT = "cut short, or not what was expected", "error"


class BincodeFields(Fields):
    """Makes the fields of bincode values."""

    def walk(self, node: Node, label: str = "", depth: int = 0) -> Iterator[Field]:
        """Yield the fields of a value; the first one bears its label."""
        kind = node.expected
        what = _PLAIN.get(type(kind)) or _PLAIN_LEAVES.get(kind)
        if what and label:
            text = printable(label + what)
            path = join(node.path)
            yield Field(node.start, 0, "", text, "structure", path, depth)
        if isinstance(kind, Leaf) and kind not in (PARAM, STRING, TENSOR):
            if node.end > node.start:
                meaning, role = _leaf(node)
                what_is = label + meaning, role
                yield self.field(node.start, node.end, what_is, node, depth)
            return
        yield from self._parts(node, "" if what else label, depth)

    def _parts(self, node: Node, label: str, depth: int) -> Iterator[Field]:
        for index, part in enumerate(node.parts):
            is_named = part.path != node.path and not isinstance(node.expected, Map)
            if part.kind == "value":
                name = f"{part.path[-1]}: " if is_named else ""
                yield from self.walk(part, name, depth + 1)
            elif part.kind == "tensor":
                yield from self._tensor(part, depth + 1)
            elif part.end > part.start:
                meaning, role = _part(node, index, part)
                what = (label + meaning if index == 0 else meaning), role
                deeper = index > 0 or node.expected == PARAM
                yield self.field(part.start, part.end, what, node, depth + deeper)

    def _tensor(self, node: Node, depth: int) -> Iterator[Field]:
        """Yield length, numbers, sizes and dtype of a tensor."""
        found = node.value
        dtype = found.dtype if isinstance(found, TensorData) else None
        at = node.start
        for index, part in enumerate(node.parts):
            at = part.end
            if part.kind == "payload":
                if part.value is not UNREAD and part.value.nbytes:
                    yield self.payload(part.value, dtype, node, depth)
                continue
            what = _CUT_SHORT
            if part.value is not UNREAD and index == 0:
                of = f" of {dtype}" if dtype else ""
                what = counted(part.value, "byte") + of, "structure"
            elif part.value is not UNREAD:
                is_rank = part.kind == "count"
                text = counted(part.value, "size") if is_rank else f"{part.value:,}"
                what = text, "structure"
            if part.end > part.start:
                yield self.field(part.start, part.end, what, node, depth)
        if node.end > at:
            what = (dtype, "structure") if dtype else _CUT_SHORT
            yield self.field(at, node.end, what, node, depth)


def _leaf(node: Node) -> tuple[str, str]:
    """Say what a number, a bool or a constant is."""
    kind, value = node.expected, node.value
    if value is UNREAD:
        return _CUT_SHORT
    if kind == CONSTANT:
        return "a constant, of which nothing is stored", "number"
    if kind == BOOL:
        return str(value).lower(), "number"
    text = f"{value:.8g}" if isinstance(value, Float32) else repr(value)
    return f"{text}, {kind}", "number"


def _part(node: Node, index: int, part: Node) -> tuple[str, str]:
    """Say what a count, a flag, a variant or a text is."""
    kind, value = node.expected, part.value
    if value is UNREAD:
        return _CUT_SHORT
    if part.kind == "text":
        return quoted(value), "key" if isinstance(kind, Map) else "text"
    if part.kind == "flag":
        return "Some" if value else "None", "structure"
    if part.kind == "integer":  # of an enum
        names = [name for name, _ in kind.variants]
        name = names[value] if value < len(names) else "none of the enum's"
        return f"variant {value}, {name}", "structure"
    if kind in (PARAM, STRING) or (isinstance(kind, Map) and index):
        id = "id: " if kind == PARAM else ""
        return f"{id}{counted(value, 'byte')} of text", "structure"
    what = "entry" if isinstance(kind, Map) else "item"
    return counted(value, what), "structure"
