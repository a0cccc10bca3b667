"""What the bytes of bincode mean, which only the structure says."""

from __future__ import annotations

from collections.abc import Iterator

from d2lrec.inspection.fields import Field, Fields, number, quoted
from d2lrec.inspection.tracing import UNREAD, Node
from d2lrec.inspection.view import printable
from d2lrec.record import Param, TensorData
from d2lrec.structure import (
    BOOL,
    CONSTANT,
    PARAM,
    STRING,
    TENSOR,
    UNIT,
    Enum,
    Leaf,
    Map,
    Option,
    Struct,
    Tuple,
)

_ROLES = {"text": "text", "integer": "number"}


class BincodeFields(Fields):
    """Makes the fields of bincode values."""

    def walk(
        self, node: Node, parent: Node | None = None, depth: int = 0
    ) -> Iterator[Field]:
        """Yield the field of a node's own bytes, and those below it."""
        named = _is_named(node, parent)
        if named and not _is_atom(node):  # a line for the name, which has no bytes
            yield self.empty(node, parent, depth)
            named = False
        yield from self.parts(node, parent, depth)

    def empty(self, node: Node, meaning: str, depth: int) -> Field:
        """Return a line without bytes."""
        return Field(node.start, 0, "", meaning, "", "", depth)
