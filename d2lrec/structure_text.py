"""Structures written down in a file: what bincode is to be read by, without a module.

The text is what a structure prints as, or what one would write in Python:

    Block = Struct(conv=LINEAR, pool=Option(Constant))
    structure = Struct(blocks=Vec(Block), sizes=Array(u64, 2), step=u64)

It is parsed and never executed. Both Rust's names (`Param`, `f32`) and those of
`d2lrec.structure` (`PARAM`, `F32`) are known; `print(record.structure)` prints one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import NoReturn

from d2lrec import structure as s
from d2lrec.errors import RecorderError
from d2lrec.structure import Structure

_CONSTANTS = {name: x for name, x in vars(s).items() if isinstance(x, s.Leaf)}
_LEAVES: dict[str, Structure] = {
    **_CONSTANTS,
    **{leaf.name: leaf for leaf in _CONSTANTS.values()},
    "LINEAR": s.LINEAR,
    "ACTIVATION": s.ACTIVATION,
}
_WRAPPERS: dict[str | None, Callable[[Structure], Structure]] = {
    "Option": s.Option,
    "Vec": s.Vec,
    "Map": s.Map,
}
# An array is written as its items, so it may not have very many.
_MOST_ITEMS = 100_000


def parse_structure(text: str) -> Structure:
    """Return the structure that a text describes.

    Args:
        text: An expression; or several lines `name = expression`, of which the one
            named `structure` counts, or else the last.

    Raises:
        RecorderError: With the line of what is no structure.

    >>> parse_structure("structure = Struct(fc=LINEAR, step=Option(u64))")
    Struct(fc=Struct(weight=Param, bias=Option(Param)), step=Option(u64))
    """
    try:
        lines = ast.parse(text).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        reason = error.args[0] if error.args else "it is nested too deep"
        what = f"line {line}: this is no structure: {reason}."
        raise RecorderError(what) from None
    parser = _Parser()
    for line in lines:
        parser.line(line)
    found = parser.names.get("structure", parser.last)
    if found is None:
        what = "no structure found: a line such as structure = Struct(fc=LINEAR)"
        raise RecorderError(f"{what} expected.")
    return found


class _Parser:
    def __init__(self) -> None:
        self.names: dict[str, Structure] = dict(_LEAVES)
        self.last: Structure | None = None

    def line(self, line: ast.stmt) -> None:
        if isinstance(line, ast.Import | ast.ImportFrom):
            return  # so that the file may be used from Python as well
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            self.last = self.names[line.targets[0].id] = self.type(line.value)
        elif isinstance(line, ast.Expr):
            if not isinstance(getattr(line.value, "value", None), str):  # a docstring
                self.last = self.type(line.value)
        else:
            _refuse(line, "only lines name = structure are read")

    def type(self, node: ast.expr) -> Structure:
        name = _name(node)
        if name is not None and name in self.names:
            return self.names[name]
        if isinstance(node, ast.Tuple) and not node.elts:
            return s.UNIT
        if isinstance(node, ast.Call):
            return self.call(node, _name(node.func))
        what = f"{ast.unparse(node)[:40]} is no type: Param, Tensor, Constant, bool, "
        what += "String, u8 to u64, i8 to i64, f32, f64, (), Struct(...), Option(...), "
        _refuse(node, f"{what}Vec(...), Tuple(...), Array(..., n), Enum, Map expected")

    def call(self, node: ast.Call, name: str | None) -> Structure:
        args = node.args
        if name in ("Struct", "Enum"):
            fields = self.fields(node)
            return s.Struct(fields) if name == "Struct" else s.Enum(fields)
        if node.keywords:
            _refuse(node, f"{name} takes no names")
        if name == "Tuple":
            return s.Tuple(*map(self.type, args))
        if name == "Vec" and len(args) == 1 and _is_none(args[0]):
            return s.Vec(None)
        if name in _WRAPPERS and len(args) == 1:
            return _WRAPPERS[name](self.type(args[0]))
        if name == "Array" and len(args) == 2:
            count = getattr(args[1], "value", None)
            if type(count) is int and 0 <= count <= _MOST_ITEMS:
                return s.Array(self.type(args[0]), count)
        _refuse(node, f"{ast.unparse(node)[:40]} is no structure")

    def fields(self, node: ast.Call) -> dict[str, Structure]:
        pairs: list[tuple[object, ast.expr]] = []
        for part in node.args:
            if not isinstance(part, ast.Dict):
                _refuse(part, "fields are written name=type, or {'name': type}")
            keys = (getattr(key, "value", None) for key in part.keys)
            pairs += zip(keys, part.values, strict=True)
        pairs += ((keyword.arg, keyword.value) for keyword in node.keywords)
        fields: dict[str, Structure] = {}
        for name, value in pairs:
            if not isinstance(name, str):
                _refuse(value, "a field's name is a string, written down")
            if name in fields:
                _refuse(value, f"the field {name} stands twice in one struct")
            fields[name] = self.type(value)
        return fields


def _name(node: ast.expr) -> str | None:
    """Return the name of `PARAM`, or of `s.PARAM`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _refuse(node: ast.AST, what: str) -> NoReturn:
    raise RecorderError(f"line {getattr(node, 'lineno', 1)}: {what}.")
