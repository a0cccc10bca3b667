"""mdBook preprocessor: every executed notebook of the book becomes a page.

mdBook calls this twice: with `supports html` (the exit status answers) and then
with `[context, book]` as JSON on stdin, for the book as JSON on stdout. A chapter
whose file is a notebook arrives as the notebook's JSON text and leaves as markdown;
the HTML of the outputs stands in blocks of its own (`theme/page/index.md.j2`).

Any Python 3 may start this file: what it needs beyond the standard library is in the
project's `.venv`, into which it then moves.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from posixpath import basename, splitext

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "tools" / "theme"

WORDS = {
    "en": {
        "other": "zh",
        "switch": "中文版",
        "download": "Download this notebook",
        "run": "Run it: make lab",
        "picture": "Picture drawn by the cell above",
        "traceback": "Traceback",
    },
    "zh": {
        "other": "en",
        "switch": "English",
        "download": "下载这份Jupyter笔记本",
        "run": "动手运行：make lab",
        "picture": "上面的单元格画出的图",
        "traceback": "调用栈",
    },
}
ALERTS = {
    "info": "NOTE",
    "success": "TIP",
    "warning": "WARNING",
    "danger": "CAUTION",
}

_ALERT = re.compile(
    r'^<div class="alert alert-(\w+)"[^>]*>\s*\n?(.*?)\n?\s*</div>[ \t]*$', re.M | re.S
)
_FENCED = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?^\1[`~]*[ \t]*$", re.M | re.S)
_INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
_NOTEBOOK_LINK = re.compile(r"(\]\(|\bhref=\")([^)\s\"#?]+)\.ipynb(?=[)\s\"#])")
_OTHER_BOOK = re.compile(r"(\.\./)+(en|zh)/")
_LANGUAGE_LINE = re.compile(r"\A\s*(\*\*English\*\*|\[English\]\().* · .*中文.*\n?")
_COLOR = re.compile(r"\x1b\[[\d;]*m")
_PRE = re.compile(r"<pre\b[^>]*>.*?</pre>", re.S)
_TITLE = re.compile(r"^# .+$", re.M)


def main() -> int:
    """Answer mdBook; return the exit status."""
    if sys.argv[1:2] == ["supports"]:
        return 0 if sys.argv[2:3] == ["html"] else 1
    _enter_environment()
    context, book = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    config = context["config"]
    language = "zh" if config["book"]["language"].startswith("zh") else "en"
    settings = config["preprocessor"]["d2lrec"]
    for chapter in _chapters(book["items"]):
        try:
            _make_page(chapter, language, bool(settings.get("switch")))
        except Exception as error:  # whatever it is, the reader wants to know where
            print(f"{chapter['path']}: cannot make a page: {error}", file=sys.stderr)
            return 1
    sys.stdout.buffer.write(json.dumps(book).encode("utf-8"))
    return 0


def _enter_environment() -> None:
    """Start this program again under the project's own Python if this one lacks it."""
    try:
        import nbconvert  # noqa: F401
    except ImportError:
        python = ROOT / ".venv" / "bin" / "python"
        if not python.exists() or Path(sys.prefix) == ROOT / ".venv":
            sys.exit("nbconvert is missing. Run `make book` once: it makes .venv.")
        # stdin is still unread, so the new process gets what mdBook sent.
        os.execv(python, [str(python), __file__, *sys.argv[1:]])


def _chapters(items):
    """Yield every chapter that has a file, depth first."""
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            if chapter.get("path"):
                yield chapter
            yield from _chapters(chapter["sub_items"])


def _make_page(chapter, language, switch):
    """Replace a chapter's text by its page, and give it an address of its own."""
    path = chapter["path"]
    name, extension = splitext(path)
    words = WORDS[language]
    if extension == ".ipynb":
        text = notebook_page(chapter["content"], words)
        # mdBook turns links to .md into links to pages, also in its print version.
        chapter["path"] = f"{name}.md"
    else:
        text = prose(chapter["content"])
    chapter["content"] = _under_title(text, _bar(path, words, switch))


def _bar(path, words, switch):
    """Return the links of a page: the other language, the notebook.

    Their words are attributes that the style sheet shows. As text they would be in the
    search index, as the first words of every chapter.
    """
    name, extension = splitext(path)
    parts = []
    if switch:
        other = words["other"]
        parts.append(
            f'<a class="switch" lang="{other}" href="{"../" * (path.count("/") + 1)}'
            f'{other}/{name}.html" aria-label="{words["switch"]}"></a>'
        )
    if extension == ".ipynb":
        parts.append(
            f'<a class="download" href="{basename(path)}" download '
            f'aria-label="{words["download"]}"></a>'
        )
        parts.append(f'<span class="run" aria-label="{words["run"]}"></span>')
    return f'<div class="bar">{"".join(parts)}</div>'


def _under_title(text, block):
    """Put a block under the page's title, or first where there is no title."""
    title = _TITLE.search(text)
    at = title.end() if title else 0
    return f"{text[:at]}\n\n{block}\n\n{text[at:]}"


def notebook_page(source: str, words: dict[str, str]) -> str:
    """Return the markdown of one notebook given as JSON text."""
    import nbformat
    from nbconvert import TemplateExporter

    notebook = nbformat.reads(source, as_version=4)
    exporter = TemplateExporter(
        template_name="page",
        extra_template_basedirs=[str(TEMPLATES)],
        template_extension=".md.j2",
        filters={
            "prose": prose,
            "fence": fence,
            "solid": solid,
            "has_frames": has_frames,
            "flat": lambda data: "".join(data.split()),
        },
    )
    text, _ = exporter.from_notebook_node(notebook, resources={"words": words})
    return text


def fence(source: str) -> str:
    """Return a row of backticks longer than any in the source."""
    longest = max(map(len, re.findall("`+", source)), default=0)
    return "`" * max(3, longest + 1)


def solid(html: str) -> str:
    """Return the HTML without blank lines, which would end a block in markdown.

    Inside `<pre>` every line counts, so that there a line's end is written as an
    entity instead.
    """
    html = _PRE.sub(lambda match: match[0].replace("\n", "&#10;"), html)
    return "\n".join(line for line in html.splitlines() if line.strip())


def has_frames(error) -> bool:
    """Whether an error's traceback says more than its last line, the message."""
    lines = ("\n".join(error["traceback"]), f"{error['ename']}: {error['evalue']}")
    trace, message = (_COLOR.sub("", text).split() for text in lines)
    return trace != message


def prose(source: str) -> str:
    """Return a markdown cell as mdBook wants it: links to pages, alerts as quotes."""
    text = _LANGUAGE_LINE.sub("", source, count=1)
    return _outside_code(text, _rewrite)


def _rewrite(text):
    text = _ALERT.sub(_alert, text)
    return _NOTEBOOK_LINK.sub(_page_link, text)


def _page_link(match):
    # mdBook looks after links within one book; the other language is another book.
    extension = "html" if _OTHER_BOOK.match(match[2]) else "md"
    return f"{match[1]}{match[2]}.{extension}"


def _alert(match):
    """Return the alert box of Jupyter as the alert of mdBook."""
    kind = ALERTS.get(match[1], "NOTE")
    lines = ["[!" + kind + "]", *match[2].strip().splitlines()]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _outside_code(text, change):
    """Apply a change to what stands outside code, fenced or inline."""
    kept = []

    def keep(match):
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    for pattern in (_FENCED, _INLINE_CODE):
        text = pattern.sub(keep, text)
    text = change(text)
    while "\0" in text:
        text = re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], text)
    return text


if __name__ == "__main__":
    sys.exit(main())
