"""All chapters of a book: read, checked, run, written or compared."""

from __future__ import annotations

import difflib
import os
import sys
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tools.cache import Cache
from tools.chapter import LANGUAGES, BookError, Chapter, find_sources, read_chapter
from tools.checks import check_chapter, count, shown_stats
from tools.exercises.checks import check_assignment
from tools.exercises.notebooks import FOLDERS, exercise_files
from tools.exercises.source import (
    FOLDER,
    Assignment,
    find_assignments,
    read_assignment,
)
from tools.kernels import execute, warm_up
from tools.lint import lint_outputs
from tools.notebooks import build_files, file_name, summary
from tools.pictures import keep_pictures
from tools.progress import Progress

__all__ = ["Book", "BookError"]
GENERATED = ("*.ipynb", "*.md")
DIFF_LINES = 20


class Book:
    """The book below ``root``: ``chapters/``, ``constraints.txt``, ``d2lrec/``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "chapters"

    def build(self, names: list[str], *, fresh: bool = False) -> int:
        """Run what has changed and write it; every chapter that can be built is."""
        self.check_versions()
        chapters, failed = self._read(names)
        if any(chapter.code for chapter in chapters):
            warm_up()
        cache = Cache(self.root)
        for number, chapter in enumerate(chapters, 1):
            say = Progress(f"[{number}/{len(chapters)}] {chapter.name}")
            try:
                outputs = None if fresh else cache.get(chapter)
                if outputs is None:
                    outputs = self._run(chapter, say)
                    cache.put(chapter, outputs)
                else:
                    cells = f"{len(chapter.code)} code cells, unchanged"
                    say(cells if chapter.code else "prose only", end=True)
                self._write(self._files(chapter, outputs))
            except BookError as error:
                failed.append(error)
                say("failed", end=True)
        self._finish()
        return _report(failed)

    def compare(self, names: list[str]) -> int:
        """Run everything; fail where the files that are kept differ."""
        self.check_versions()
        chapters, failed = self._read(names)
        warm_up()
        expected = {}
        for number, chapter in enumerate(chapters, 1):
            say = Progress(f"[{number}/{len(chapters)}] {chapter.name}")
            try:
                expected |= self._files(chapter, self._run(chapter, say))
            except BookError as error:
                failed.append(error)
                say("failed", end=True)
        if not names and not failed:
            own = [c for c in chapters if not isinstance(c, Assignment)]
            expected |= self._summaries(own)
            failed += [BookError(_stray(self.folder, path)) for path in self._strays()]
        for path, text in expected.items():
            if difference := self._difference(path, text):
                failed.append(BookError(difference))
        return _report(failed)

    def check_prose(self, names: list[str]) -> int:
        """Everything that can be seen without running the code."""
        chapters, failed = self._read(names)
        for chapter in chapters:
            print(f"{chapter.label}: {shown_stats(count(chapter))}")
        return _report(failed)

    def print_stats(self, names: list[str]) -> int:
        """One line of figures per chapter."""
        for chapter in self._sources(names):
            print(f"{chapter.name}: {shown_stats(count(chapter))}")
        return 0

    def check_versions(self) -> None:
        """Stop where the torch here is not the one the stored outputs come from."""
        path = self.root / "constraints.txt"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        pins = dict(line.split("==", 1) for line in text.split() if "==" in line)
        pinned = pins.get("torch", "")
        try:
            found = version("torch")
        except PackageNotFoundError:
            found = "no torch"
        if not pinned or found.split("+")[0] != pinned.split("+")[0]:
            raise BookError(
                f"torch {found} is installed; constraints.txt pins {pinned or 'none'}, "
                "with which the stored outputs were made. Run `make book`, or install "
                "it: pip install -c constraints.txt torch"
            )

    def _sources(self, names: list[str]) -> list[Chapter]:
        paths = find_sources(self.folder)
        unknown = set(names) - {path.stem for path in paths}
        if unknown or not paths:
            known = ", ".join(path.stem for path in paths) or "none"
            shown = ", ".join(sorted(unknown)) or self.folder.name
            raise BookError(f"no source for: {shown}. Sources: {known}.")
        return [read_chapter(p) for p in paths if not names or p.stem in names]

    def _files(self, chapter: Chapter, outputs: list[list[dict]]) -> dict[str, str]:
        """What a chapter, or the exercises of one, become."""
        if not isinstance(chapter, Assignment):
            return build_files(chapter, outputs)
        of = read_chapter(self.folder / f"{chapter.chapter}.md")
        return exercise_files(chapter, {x: of.title(x) for x in LANGUAGES}, outputs)

    def _read(self, names: list[str]) -> tuple[list[Chapter], list[BookError]]:
        """The chapters whose sources are in order, and what is wrong with others."""
        chapters, failed = [], []
        work = [(p, read_chapter, check_chapter) for p in find_sources(self.folder)]
        for path in find_assignments(self.folder):
            work.append((path, read_assignment, check_assignment))
        for path, read, check in work:
            if names and path.stem not in names:
                continue
            try:
                chapter = read(path)
                check(chapter)
                chapters.append(chapter)
            except BookError as error:
                failed.append(error)
        if not chapters and not failed:
            self._sources(names)
        return chapters, failed

    def _run(self, chapter: Chapter, say: Progress) -> list[list[dict]]:
        outputs = execute(chapter, self.root, say) if chapter.code else []
        lint_outputs(chapter, outputs)
        say(say.text or "prose only", end=True)
        return outputs

    def _write(self, files: dict[str, str]) -> None:
        """Put files in their places; both languages of a chapter, or neither."""
        ready = []
        try:
            for name, text in files.items():
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                old = path.read_text(encoding="utf-8") if path.exists() else ""
                if path.suffix == ".ipynb" and old:
                    text = keep_pictures(text, old)
                if text != old:
                    ready.append((path.with_name(f".{path.name}.new"), path))
                    ready[-1][0].write_text(text, encoding="utf-8", newline="\n")
            for beside, path in ready:
                os.replace(beside, path)
        except OSError as error:
            for beside, _ in ready:
                beside.unlink(missing_ok=True)
            where = f"{self.folder.name}/{next(iter(files))}"
            raise BookError(f"{where}: cannot be written: {error.strerror}") from None

    def _finish(self) -> None:
        """Remove what no source makes; list the chapters that are there."""
        for path in self._strays():
            path.unlink()
            print(f"removed {path.relative_to(self.root)}: no source makes it")
        chapters = []
        for source in find_sources(self.folder):
            # a faulty source was reported, and its chapter stays as it was
            with suppress(BookError):
                chapters.append(read_chapter(source))
        built = [
            replace(c, has_exercises=self._place(f"en/{FOLDER}", c.name).exists())
            for c in chapters
            if self._place("en", c.name).exists()
        ]
        self._write(self._summaries(built))

    def _place(self, lang: str, name: str) -> Path:
        return self.folder / lang / file_name(name)

    def _summaries(self, chapters: list[Chapter]) -> dict[str, str]:
        return {f"{lang}/SUMMARY.md": summary(chapters, lang) for lang in LANGUAGES}

    def _strays(self) -> list[Path]:
        names = {file_name(path.stem) for path in find_sources(self.folder)}
        below = {f"{path.stem}.ipynb" for path in find_assignments(self.folder)}
        places = {"": names | {"SUMMARY.md"}}
        places |= {folder: below for folder in FOLDERS}
        return [
            path
            for lang in LANGUAGES
            for place, wanted in places.items()
            for pattern in GENERATED
            for path in sorted((self.folder / lang / place).glob(pattern))
            if path.name not in wanted
        ]

    def _difference(self, name: str, text: str) -> str:
        """How a kept file differs from what its source gives, or nothing."""
        path, label = self.folder / name, f"{self.folder.name}/{name}"
        remedy = "Run `make book` and commit what it writes."
        if not path.exists():
            return f"{label}: missing. {remedy}"
        kept = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = keep_pictures(text, kept)
        if text == kept:
            return ""
        lines = difflib.unified_diff(
            kept.splitlines(), text.splitlines(), "kept", "built", lineterm="", n=1
        )
        shown = [line[:120] for _, line in zip(range(DIFF_LINES), lines, strict=False)]
        return "\n".join([f"{label}: differs from its source. {remedy}", *shown])


def _stray(folder: Path, path: Path) -> str:
    name = path.relative_to(folder.parent)
    place = FOLDER + "/" if path.parent.name in FOLDERS else ""
    source = f"{folder.name}/{place}{path.stem}.md"
    return f"{name}: no source makes it (expected {source})."


def _report(failed: list[BookError]) -> int:
    for error in failed:
        print(error, file=sys.stderr)
    return 1 if failed else 0
