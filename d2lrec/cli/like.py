"""What `--like` names: a class or factory to import, or a file with a structure."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from d2lrec.errors import RecorderError
from d2lrec.paths import about
from d2lrec.structure_text import parse_structure

_NAME = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


def load_like(text: str | None) -> Any:
    """Return what a recorder takes as `like`.

    Args:
        text: `package.module:Class`, called without arguments if it can be called; or
            the path of a file with a structure, which is parsed and not executed.

    Raises:
        RecorderError: There is no such thing, or it failed.

    >>> load_like("d2lrec.structure:LINEAR")
    Struct(weight=Param, bias=Option(Param))
    """
    if text is None:
        return None
    path = Path(text)
    if path.is_file():
        with about(path):
            return parse_structure(_content(path))
    if not _NAME.fullmatch(text):
        what = f"--like {text}: package.module:Class or the path of a structure file"
        raise RecorderError(f"{what} expected.")
    module, _, name = text.partition(":")
    # As `python -m` does: what is in the current folder can be imported.
    sys.path.insert(0, "")
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found() if callable(found) else found
    # The user's own code may raise anything, and sys.exit is no way out of ours.
    except (Exception, SystemExit) as error:
        what = f"--like {text}: {type(error).__name__}: {error}."
        raise RecorderError(what.replace("\n", " ")) from error
    finally:
        sys.path.remove("")


def _content(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecorderError(f"cannot be read as text: {error}.") from None
