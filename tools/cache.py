"""Outputs of code that has not changed since it ran, kept in ``build/book/``.

Only ``build`` uses them, so that mending a sentence takes no time; the tests run
everything.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import distributions
from pathlib import Path

from tools.chapter import Chapter

RUNNERS = ("kernels.py", "lint.py")


class Cache:
    """Outputs by a digest of all that they come from."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "build" / "book"
        sources = sorted(
            path
            for path in (root / "d2lrec").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        )
        sources.append(root / "constraints.txt")
        sources += [Path(__file__).with_name(name) for name in RUNNERS]
        installed = sorted(f"{d.name}=={d.version}" for d in distributions())
        digest = hashlib.sha256("\n".join([sys.version, *installed]).encode())
        for path in sources:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.name} {content}\n".encode())
        self.base = digest.hexdigest()

    def _key(self, chapter: Chapter) -> str:
        code = [[part.source, list(part.tags)] for part in chapter.code]
        return hashlib.sha256((self.base + json.dumps(code)).encode()).hexdigest()

    def get(self, chapter: Chapter) -> list[list[dict]] | None:
        """A chapter's outputs, if its code and all below it are as they were."""
        if not chapter.code:
            return []
        try:
            text = (self.folder / f"{chapter.name}.json").read_text(encoding="utf-8")
            kept = json.loads(text)
            return kept["outputs"] if kept["key"] == self._key(chapter) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, chapter: Chapter, outputs: list[list[dict]]) -> None:
        """Keep a chapter's outputs."""
        if not chapter.code:
            return
        path = self.folder / f"{chapter.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"key": self._key(chapter), "outputs": outputs}
        path.write_text(json.dumps(kept), encoding="utf-8")
