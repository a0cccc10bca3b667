"""From a chapter and its outputs to the files of each language."""

from __future__ import annotations

import re

import nbformat

from tools.chapter import INDEX, LANGUAGES, Chapter, Code, is_page
from tools.prose import join_lines
from tools.reference import fill_page

NAMES = {"en": "English", "zh": "中文"}
CONTENTS = {"en": "Contents", "zh": "目录"}
REFERENCE = {"en": "Reference", "zh": "参考"}
# The notebooks of a chapter's exercises, by their folders.
EXERCISES = {
    "en": {"exercises": "Exercises", "solutions": "Answers"},
    "zh": {"exercises": "练习", "solutions": "答案"},
}
# What stands below a chapter's heading of that name where there are such notebooks.
LINKS = {
    "en": (
        "## Exercises",
        "[A notebook with tests](exercises/{name}) tells you whether your answer is "
        "right; [another one](solutions/{name}) has ours.",
    ),
    "zh": (
        "## 练习",
        "[这份笔记本](exercises/{name})带有测试，做得对不对，一运行就知道；"
        "我们的答案在[另一份](solutions/{name})里。",
    ),
}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def build_files(chapter: Chapter, outputs: list[list[dict]]) -> dict[str, str]:
    """The texts of a chapter's files, by their paths below ``chapters/``."""
    if chapter.is_page:
        name = file_name(chapter.name)
        return {f"{lang}/{name}": _page(chapter, lang) for lang in LANGUAGES}
    files = {}
    for lang in LANGUAGES:
        notebook = _notebook(chapter, outputs, lang)
        nbformat.validate(notebook)
        files[f"{lang}/{chapter.name}.ipynb"] = dump(notebook)
    return files


def file_name(name: str) -> str:
    """What a source's file is called in either language."""
    return f"{name}.md" if is_page(name) else f"{name}.ipynb"


def dump(notebook: dict) -> str:
    """A notebook as the text that Jupyter itself would write."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def summary(chapters: list[Chapter], lang: str) -> str:
    """A language's table of contents, in mdBook's form."""
    lines = [f"# {CONTENTS[lang]}", ""]
    # Without a rule behind a part's title, mdBook loses the unnumbered page after it.
    part = ["", f"# {REFERENCE[lang]}", "", "---", ""]
    for chapter in chapters:
        link = f"[{chapter.title(lang)}]({file_name(chapter.name)})"
        if chapter.name != INDEX and chapter.is_page:
            lines, part = lines + part, []
        lines += [link, ""] if chapter.is_page else [f"- {link}"]
        if chapter.has_exercises:
            name = file_name(chapter.name)
            for folder, title in EXERCISES[lang].items():
                lines.append(f"  - [{title}]({folder}/{name})")
    return "\n".join(lines).rstrip() + "\n"


def _switch(chapter: Chapter, lang: str) -> str:
    """The line that names this language and links to the other one."""
    return " · ".join(
        f"**{NAMES[other]}**"
        if other == lang
        else f"[{NAMES[other]}](../{other}/{file_name(chapter.name)})"
        for other in LANGUAGES
    )


def _page(chapter: Chapter, lang: str) -> str:
    blocks = [_switch(chapter, lang)]
    blocks += [join_lines(pair[lang].source, lang) for pair in chapter.pairs]
    return fill_page(chapter, "\n\n".join(blocks), lang) + "\n"


def _notebook(chapter: Chapter, outputs: list[list[dict]], lang: str) -> dict:
    cells = [_markdown(_switch(chapter, lang), f"{chapter.slug}-00")]
    results = iter(outputs)
    count = 0
    for number, part in enumerate(chapter.parts, 1):
        name = f"{chapter.slug}-{number:02d}"
        if isinstance(part, Code):
            count += 1
            cells.append(_code(part, name, count, next(results)))
        else:
            text = join_lines(part[lang].source, lang)
            cells.append(_markdown(_linked(chapter, text, lang), name))
    metadata = {
        "d2lrec": {"lang": lang},
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
    }
    version = {"nbformat": 4, "nbformat_minor": 5}
    return nbformat.from_dict({"cells": cells, "metadata": metadata} | version)


def _linked(chapter: Chapter, text: str, lang: str) -> str:
    """A block of prose, with a line that leads to the chapter's exercises."""
    heading, line = LINKS[lang]
    if not chapter.has_exercises or heading not in text.splitlines():
        return text
    line = line.format(name=file_name(chapter.name))
    return re.sub(f"^{heading}$", f"{heading}\n\n{line}", text, count=1, flags=re.M)


def _markdown(source: str, name: str) -> dict:
    return {
        "cell_type": "markdown",
        "id": name,
        "metadata": {},
        "source": source,
    }


def _code(part: Code, name: str, count: int, outputs: list[dict]) -> dict:
    return {
        "cell_type": "code",
        "execution_count": count,
        "id": name,
        "metadata": {"tags": list(part.tags)} if part.tags else {},
        "outputs": outputs,
        "source": part.source,
    }
