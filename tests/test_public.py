"""Every public name is documented: what it takes, gives and raises, and an example."""

import ast
import re
from pathlib import Path

import griffe
import pytest

import d2lrec
from tools import api, reference

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "chapters" / f"{name}.md" for name in ("api", "layers")]
# Each stands there twice, once in each language.
DOCUMENTED = [*dict.fromkeys(reference.names("api", PAGES[0].read_text("utf-8")))]


def sections(item: griffe.Object) -> dict[str, list]:
    """Return what a docstring has besides text, by kind."""
    parsed = item.docstring.parsed if item.docstring else ()
    return {x.kind.value: x.value for x in parsed if x.kind.value != "text"}


def examples() -> str:
    """Return all code that is run as an example of the library."""
    files = [*(ROOT / "d2lrec").rglob("*.py"), *PAGES]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    return "\n".join(x for x in lines if x.lstrip().startswith((">>>", "...")))


def lacks(name: str) -> list[str]:
    """Return what the documentation of a name lacks."""
    item = api.find(name)
    if item.is_attribute and "property" not in item.labels:
        return [] if item.docstring else ["a docstring below it"]
    if not item.docstring or not item.docstring.value.strip():
        return ["a docstring"]
    found = sections(item)
    missing = []
    if not re.match(r"[^\n]+[.]\n?(\n|$)", item.docstring.value):
        missing.append("a first line that is a sentence")
    if item.is_function or (item.is_class and "__init__" in item.members):
        missing += _parameters(item, found)
    if item.is_function:
        missing += _results(item, found)
    return missing


def _parameters(item: griffe.Object, found: dict[str, list]) -> list[str]:
    stars = {griffe.ParameterKind.var_positional, griffe.ParameterKind.var_keyword}
    taken = [x.name for x in item.parameters if x.kind not in stars]
    taken = [x for x in taken if x not in ("self", "cls")]
    told = [
        x.name for kind in ("parameters", "attributes") for x in found.get(kind, ())
    ]
    missing = [f"an argument's line: {name}" for name in taken if name not in told]
    if item.is_function:
        missing += [f"no argument {name}" for name in told if name not in taken]
    return missing


def _results(item: griffe.Object, found: dict[str, list]) -> list[str]:
    missing = []
    summary = item.docstring.value.split(maxsplit=1)[0]
    gives = str(item.returns) not in ("None", "NoReturn")
    if gives and not {"returns", "yields"} & set(found) and summary not in VERBS:
        missing.append("Returns")
    body = ast.parse(item.source.lstrip() if item.parent.is_module else "pass")
    if any(isinstance(x, ast.Raise) for x in ast.walk(body)) and "raises" not in found:
        missing.append("Raises")
    raised = [str(one.annotation) for one in found.get("raises", ())]
    return missing + [f"an error called {x}" for x in raised if not hasattr(d2lrec, x)]


# Short functions say what they return in their first line.
VERBS = ("Return", "Yield", "A")


def test_the_page_has_every_public_name():
    assert set(api.public_names()) == {
        name for name in dir(d2lrec) if not name.startswith("_")
    }
    assert set(api.public_names()) - set(DOCUMENTED) == set()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documentation_is_complete(name):
    assert lacks(name) == []


@pytest.mark.parametrize("name", api.public_names())
def test_an_example_is_run(name):
    item = api.find(name)
    own = ">>>" in (item.docstring.value if item.docstring else "")
    # Constants and aliases have no docstring of their own at run time.
    anywhere = item.is_attribute and re.search(rf"\b{name}\b", examples())
    assert own or anywhere
