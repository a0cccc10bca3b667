"""Code that speaks two languages: ``either("English", "中文")`` in a source.

In the notebook of a language stands only that argument, so that the code around the
words is the same in both by construction. Also here: nbgrader's markers.
"""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Iterator

from tools.prose import CJK

_PARSER = threading.Lock()

EITHER = "either"
STUB = "raise NotImplementedError"
SOLUTION = ("BEGIN SOLUTION", "END SOLUTION")
HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")


def speak(source: str, lang: str) -> str:
    """The code as it stands in the notebook of one language."""
    lines = source.encode().split(b"\n")
    for call in reversed(list(_calls(source))):
        argument = call.args[0 if lang == "en" else 1]
        words = ast.get_source_segment(source, argument).encode()
        first, last = call.lineno - 1, call.end_lineno - 1
        head = lines[first][: call.col_offset]
        tail = lines[last][call.end_col_offset :]
        lines[first : last + 1] = [head + words + tail]
    return b"\n".join(lines).decode()


def check_words(source: str) -> Iterator[tuple[int, str]]:
    """What is wrong with the words in a cell of code, and in which of its lines."""
    try:
        calls = list(_calls(source))
    except SyntaxError as error:
        yield error.lineno or 1, f"not Python: {error.msg}."
        return
    for call in calls:
        if len(call.args) != 2 or call.keywords:
            yield call.lineno, "either takes the English words, then the Chinese ones."
            continue
        shown = [ast.get_source_segment(source, argument) for argument in call.args]
        chinese = [bool(re.search(f"[{CJK}]", words)) for words in shown]
        if chinese != [False, True]:
            yield call.lineno, "either: English first, then Chinese, one of each."
        filled = [sorted(_fields(argument)) for argument in call.args]
        if filled[0] != filled[1]:
            yield call.lineno, "either: both texts have to show the same values."


def _parsed(source: str) -> ast.Module:
    """Parse; one thread at a time, as Python 3.11 counts the depth of all together."""
    with _PARSER:
        return ast.parse(source)


def _calls(source: str) -> list[ast.Call]:
    """The calls of either, in their order."""
    found = [
        node
        for node in ast.walk(_parsed(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == EITHER
    ]
    return sorted(found, key=lambda call: (call.lineno, call.col_offset))


def _fields(words: ast.expr) -> Iterator[str]:
    """What an f-string puts in."""
    for node in ast.walk(words):
        if isinstance(node, ast.FormattedValue):
            yield ast.unparse(node.value)


def blank(source: str) -> str:
    """An answer as it is handed out: a line to replace where the solution was."""
    kept, inside = [], False
    for line in source.split("\n"):
        if SOLUTION[0] in line:
            kept.append(line[: len(line) - len(line.lstrip())] + STUB)
            inside = True
        elif SOLUTION[1] in line:
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def visible(source: str) -> str:
    """A test as it is handed out: without what is hidden."""
    kept, inside = [], False
    for line in source.split("\n"):
        if HIDDEN[0] in line or HIDDEN[1] in line:
            inside = HIDDEN[0] in line
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def unmarked(source: str) -> str:
    """A cell in full, without the lines that only mark."""
    marks = (*SOLUTION, *HIDDEN)
    lines = source.split("\n")
    return "\n".join(line for line in lines if not any(mark in line for mark in marks))


def check_marks(source: str, marks: tuple[str, str]) -> bool:
    """Whether the lines that mark a region come in pairs, one after the other."""
    found = [mark for line in source.split("\n") for mark in marks if mark in line]
    return found == list(marks) * (len(found) // 2)


def bound_names(source: str) -> frozenset[str]:
    """The functions, classes and variables that a cell makes; none if it is broken."""
    try:
        body = _parsed(source).body
    except (SyntaxError, ValueError):
        return frozenset()
    names = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            names |= {n.id for n in ast.walk(node) if _is_target(n)}
    return frozenset(names)


def _is_target(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
