"""The library, name by name, as Markdown: its docstrings, read by griffe.

Nothing of the library is imported: griffe reads the source. Public is what the stub
`d2lrec/__init__.pyi` names, and `d2lrec.structure`. Signatures and docstrings are
English in every language; the labels around them are the reader's.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "d2lrec"
WIDTH = 76  # of a signature in one line

LABELS = {
    "en": {
        "parameters": "Arguments",
        "attributes": "Attributes",
        "returns": "Returns",
        "yields": "Yields",
        "raises": "Raises",
        "example": "Example",
        "colon": ": ",
        "types": ("in signatures", "means"),
    },
    "zh": {
        "parameters": "参数",
        "attributes": "属性",
        "returns": "返回",
        "yields": "逐个给出",
        "raises": "抛出",
        "example": "示例",
        "colon": "：",
        "types": ("签名里的写法", "含义"),
    },
}
_GOOGLE = {"returns_multiple_items": False, "returns_named_value": False}
_CODE = re.compile(r"(?<![`\[])`([A-Za-z_][\w.]*)`(?!`)")


@cache
def library() -> griffe.Object:
    """The package as griffe reads it, without running any of it."""
    return griffe.load(
        PACKAGE,
        search_paths=[ROOT],
        docstring_parser="google",
        docstring_options=_GOOGLE,
        allow_inspection=False,
    )


def public_names() -> list[str]:
    """What the stub of the package names, in its order."""
    found = library().members.items()
    return [n for n, x in found if x.is_alias and x.target_path.startswith(PACKAGE)]


def find(name: str) -> griffe.Object:
    """A public name's object, or that of a dotted path below the package.

    Raises:
        LookupError: There is no such name.
    """
    try:
        found = library()[name]
        return found.final_target if found.is_alias else found
    except (KeyError, griffe.AliasResolutionError):
        raise LookupError(f"{PACKAGE} has no {name}") from None


def shown(name: str) -> str:
    """A name as readers know it: `recorders.FileRecorder.load` is a method."""
    parts = name.split(".")
    start = next((i for i, part in enumerate(parts) if part[0].isupper()), -1)
    return ".".join(parts[start:])


def anchor(name: str) -> str:
    """The id of a name's place in the page."""
    return f"api-{shown(name)}"


def entries(names: list[str], lang: str, index: frozenset[str]) -> str:
    """The documentation of some names; `index` has all that the page documents."""
    return "\n\n".join(entry(name, lang, index) for name in names)


def entry(name: str, lang: str, index: frozenset[str]) -> str:
    """The documentation of one name: heading, signature, and what its docstring says.

    Args:
        name: A public name, or a dotted path: `recorders.FileRecorder.record`.
        lang: The language of the labels.
        index: The names that the page has a place for, as readers know them.
    """
    item = find(name)
    level = "###" if "." not in shown(name) else "####"
    blocks = [
        f'<div class="cell" id="{anchor(name)}"></div>',
        f"{level} `{shown(name)}`",
    ]
    if code := signature(item):
        blocks.append(f"```python\n{code}\n```")
    others = index - {shown(name)}
    for section in item.docstring.parsed if item.docstring else ():
        blocks += (_linked(block, others) for block in _section(section, lang))
    return "\n\n".join(blocks)


def signature(item: griffe.Object) -> str:
    """How a function or a class is called; what an attribute is."""
    if "property" in item.labels:
        return f"{item.parent.name}.{item.name}: {item.annotation}"
    if item.is_attribute:
        return item.source.strip()
    owner = item.parent.name + "." if item.parent and item.parent.is_class else ""
    if item.is_class and "__init__" not in item.members:  # its base has it
        return ""
    parameters = _parameters(item)
    end = f" -> {item.returns}" if item.is_function and item.returns else ""
    line = f"{owner}{item.name}({', '.join(parameters)}){end}"
    if len(line) <= WIDTH:
        return line
    return "\n".join(
        [f"{owner}{item.name}(", *(f"    {one}," for one in parameters), f"){end}"]
    )


def _parameters(item: griffe.Object) -> list[str]:
    """Parameters as they are written, with the marks that stand between them."""
    parts: list[str] = []
    keyword_only = False
    found = [one for one in item.parameters if one.name not in ("self", "cls")]
    for position, one in enumerate(found):
        if one.kind is griffe.ParameterKind.keyword_only and not keyword_only:
            if not any(part.startswith("*") for part in parts):
                parts.append("*")
            keyword_only = True
        text = _STARS.get(one.kind, "") + one.name
        text += f": {one.annotation}" if one.annotation else ""
        parts.append(f"{text}{_default(one)}")
        after = found[position + 1].kind if position + 1 < len(found) else None
        positional = griffe.ParameterKind.positional_only
        if one.kind is positional and after is not positional:
            parts.append("/")
    return parts


_STARS = {
    griffe.ParameterKind.var_positional: "*",
    griffe.ParameterKind.var_keyword: "**",
}


def _default(one: griffe.Parameter) -> str:
    if one.default is None or one.kind in _STARS:
        return ""
    default = str(one.default)
    if default.startswith("field("):  # a dataclass makes a new one each time
        default = "..."
    return f" = {default}" if one.annotation else f"={default}"


def _section(section: griffe.DocstringSection, lang: str) -> list[str]:
    labels = LABELS[lang]
    kind = section.kind.value
    if kind == "text":
        return _text(section.value, labels["example"])
    if kind in ("parameters", "attributes"):
        lines = [f"- `{x.name}`: {_flat(x.description)}" for x in section.value]
        return [f"**{labels[kind]}**", "\n".join(lines)]
    if kind == "raises":
        lines = [f"- `{x.annotation}`: {_flat(x.description)}" for x in section.value]
        return [f"**{labels[kind]}**", "\n".join(lines)]
    if kind in ("returns", "yields"):
        text = " ".join(_flat(one.description) for one in section.value)
        return [f"**{labels[kind]}**{labels['colon']}{text}"]
    raise ValueError(f"a docstring has a section that is not shown: {kind}")


def _text(text: str, label: str) -> list[str]:
    """Paragraphs as they are, examples as code below a label."""
    blocks: list[str] = []
    for part in re.split(r"\n\s*\n", text):
        if not part.lstrip().startswith(">>>"):
            blocks.append(part)
            continue
        code = part.replace("<BLANKLINE>", "")
        if blocks and blocks[-1].endswith("\n```") and ">>>" in blocks[-1]:
            blocks[-1] = f"{blocks[-1][:-4]}\n\n{code}\n```"
        else:
            blocks += [f"**{label}**", f"```python\n{code}\n```"]
    return blocks


def _flat(text: str) -> str:
    return " ".join(text.split())


def _linked(block: str, names: frozenset[str]) -> str:
    """A block of Markdown with links from names in code to their places."""
    if block.startswith("```"):
        return block

    def link(match: re.Match[str]) -> str:
        name = match[1].removeprefix(f"{PACKAGE}.")
        return f"[{match[0]}](#api-{name})" if name in names else match[0]

    return _CODE.sub(link, block)


def aliases(names: list[str], lang: str) -> str:
    """A table of the names that stand for types in signatures."""
    head = LABELS[lang]["types"]
    rows = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    for name in names:
        value = str(find(name).value).replace("|", "\\|")
        rows.append(f"| `{shown(name)}` | `{value}` |")
    return "\n".join(rows)
