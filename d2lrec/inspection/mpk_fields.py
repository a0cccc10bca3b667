"""What the bytes of MessagePack mean."""

from __future__ import annotations

from collections.abc import Iterator

from d2lrec.codecs.mpk.tags import LENGTHS, NUMBERS
from d2lrec.inspection.fields import Field, Fields, counted, number, quoted
from d2lrec.inspection.tracing import UNREAD, Node
from d2lrec.payload import Span
from d2lrec.record import Param, TensorData

_SPECIAL = {Param: ": a parameter", TensorData: ": a tensor"}
_CONSTANTS = {None: "nil", True: "true", False: "false"}


class MpkFields(Fields):
    """Makes the fields of MessagePack values."""

    def walk(
        self, node: Node, parent: Node | None = None, depth: int = 0
    ) -> Iterator[Field]:
        """Yield the field of a node's own bytes, then those below it."""
        span = node.value if isinstance(node.value, Span) else None
        end = node.parts[0].start if node.parts else node.end
        if span is not None:
            end = span.offset
        if end > node.start:
            meaning, role = self._meaning(node, parent, end)
            if node.path and _is_array(
                parent
            ):  # whose entries have no keys before them
                meaning = f"{node.path[-1]}: {meaning}"
            yield self.field(node.start, end, (meaning, role), node, depth)
        if span is not None and span.nbytes:
            yield self.payload(span, _dtype(parent), node, depth)
        for part in node.parts:
            yield from self.walk(part, node, depth + (part.kind == "value"))

    def _meaning(self, node: Node, parent: Node | None, end: int) -> tuple[str, str]:
        """Say what a node's own bytes mean, and the role of that."""
        value = node.value
        if isinstance(value, str):
            return quoted(value), "key" if node.kind == "key" else "text"
        if isinstance(value, Span):
            dtype = _dtype(parent)
            of = f" of {dtype}" if dtype else ""
            return counted(value.nbytes, "byte") + of, "structure"
        if value is None or isinstance(value, bool):
            return _CONSTANTS[value], "number"
        if isinstance(value, int | float):
            return number(value), "number"
        head = self.source.read(node.start, end - node.start)
        if value is UNREAD:
            return _container(head), "error"
        return _container(head) + _SPECIAL.get(type(value), ""), "structure"


def _container(head: bytes) -> str:
    """Say what the first bytes of a map or an array say, or of what was cut short."""
    tag = head[0]
    if 0x80 <= tag < 0xA0:
        return f"{'map' if tag < 0x90 else 'array'} of {tag & 0x0F}"
    if 0xA0 <= tag < 0xC0:
        return f"string of {tag & 0x1F}"
    if tag in NUMBERS:
        return "number"
    if tag in LENGTHS:
        kind, size = LENGTHS[tag]
        return f"{kind} of {int.from_bytes(head[1 : 1 + size], 'big'):,}"
    return "no value begins so"


def _is_array(node: Node | None) -> bool:
    return node is not None and node.parts[:1] != [] and node.parts[0].kind == "value"


def _dtype(node: Node | None) -> str | None:
    found = node.value if node is not None else None
    return found.dtype if isinstance(found, TensorData) else None
