"""The folder of a training run: which files belong to which checkpoint, and are whole.

A state, `state-3.mpk`, names the files of its checkpoint with their sizes and last
bytes, which are where every format has its checksum. So a file that was lost, cut short
or taken from another save is found without reading it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from d2lrec import storage
from d2lrec.errors import CorruptRecord, RecorderError, RecordNotFound
from d2lrec.items import stored
from d2lrec.paths import about
from d2lrec.precision import DoublePrecisionSettings
from d2lrec.recorders import NamedMpkFileRecorder
from d2lrec.sinks import FileRecorder
from d2lrec.stored import Unread
from d2lrec.structure import F64, I64, STRING, U64, Map, Option, Struct, Vec

VERSION = 1  # of the state
KINDS = ("model", "optim", "scheduler")
END = 16  # bytes, enough for the checksum of each format
STATE = Struct(
    version=U64,
    epoch=U64,
    metric=Option(F64),
    files=Option(Map(Struct(size=U64, end=STRING))),  # None while the save goes on
    rest=Struct(rates=Vec(F64), batches=Map(I64)),
    random=Struct(
        python=STRING, numpy=STRING, torch=STRING, cuda=Vec(STRING), own=Vec(STRING)
    ),
)


@dataclass(frozen=True)
class RunFolder:
    """The files of a run.

    Attributes:
        folder: Where they are.
        recorder: What writes and reads Burn's part of them.

    >>> run = RunFolder(Path("run"), NamedMpkFileRecorder())
    >>> run.path("optim", 3).name, run.state_path(3).name, run.complete()
    ('optim-3.mpk', 'state-3.mpk', {})
    """

    folder: Path
    recorder: FileRecorder

    def path(self, kind: str, epoch: int) -> Path:
        """Return the path of one of Burn's files."""
        return self.recorder.path(self.folder / f"{kind}-{epoch}")

    def state_path(self, epoch: int) -> Path:
        """Return the path of our own file."""
        return self.folder / f"state-{epoch}.mpk"

    def found(self) -> dict[int, bool]:
        """Return the numbers that files have, in order, and whether they are ours."""
        extension = re.escape(self.recorder.extension)
        name = re.compile(rf"(?:model-(\d+)\.{extension}|state-(\d+)\.mpk)")
        entries = os.listdir(self.folder) if self.folder.is_dir() else []
        matches = [match for match in map(name.fullmatch, entries) if match]
        ours = {int(match[2]) for match in matches if match[2]}
        every = ours | {int(match[1]) for match in matches if match[1]}
        return {epoch: epoch in ours for epoch in sorted(every)}

    def complete(self) -> dict[int, float | None]:
        """Return the numbers of the complete checkpoints, in order, and the metrics."""
        metrics: dict[int, float | None] = {}
        for epoch in self.found():
            try:
                state = self.read(epoch)
            except (CorruptRecord, RecordNotFound):
                continue
            metrics[epoch] = state["metric"] if state else None
        return metrics

    def read(self, epoch: int) -> Any:
        """Return the state of a checkpoint that is complete; None if Burn wrote it.

        Raises:
            RecordNotFound: There is no such checkpoint.
            CorruptRecord: It is not complete.
        """
        path = self.state_path(epoch)
        if not path.exists():
            if not self.path("model", epoch).exists():
                raise RecordNotFound("no such file.", file=self.path("model", epoch))
            return None
        state = self._states.load(path, like=STATE)
        with about(path):
            if state["version"] != VERSION:
                what = f"version {state['version']} found, {VERSION} expected."
                raise RecorderError(f"{what} A newer d2lrec has written it.")
            if state["files"] is None:
                raise CorruptRecord("this checkpoint's save was not finished.")
            if "model" not in state["files"] or not state["files"].keys() <= set(KINDS):
                raise CorruptRecord("it names other files than a checkpoint has.")
        for kind, mark in state["files"].items():
            if self.mark(kind, epoch) != mark:
                what = "missing, or not the file that was saved."
                raise CorruptRecord(what, file=self.path(kind, epoch))
        return state

    @contextmanager
    def open(
        self, epoch: int, state: Any, parts: dict[str, Any]
    ) -> Iterator[dict[str, tuple[Path, Any]]]:
        """Open a checkpoint's files, read them through, and leave their numbers there.

        Args:
            epoch: Which one.
            state: What `read` returned.
            parts: For each kind what its record is for.

        Yields:
            For each kind the path and the record.

        Raises:
            RecordNotFound: A file is missing.
            CorruptRecord: A file is damaged.
            RecorderError: The checkpoint was saved without one of the parts.
        """
        # Burn's files have no checksum.
        recorder = replace(self.recorder, checksum=state is not None)
        paths = {kind: self.path(kind, epoch) for kind in parts}
        for kind, path in paths.items():
            if state and kind not in state["files"]:
                what = f"checkpoint {epoch} was saved without it. Leave it out here too"
                raise RecorderError(f"{what}, or take another epoch.", file=path)
            if not path.exists():
                raise RecordNotFound("no such file.", file=path)
        with ExitStack() as stack:
            records = {}
            for kind, path in paths.items():
                like = parts[kind] if recorder.codec.typed else None
                tree = stack.enter_context(recorder.open(path, like))
                read = Unread if kind == "model" else stored
                records[kind] = path, read(tree, recorder.settings)
            yield records

    def write(self, epoch: int, state: dict[str, Any]) -> None:
        """Save the state of a checkpoint."""
        state = {"version": VERSION, "epoch": epoch, **state}
        self._states.record(state, self.state_path(epoch))

    def mark(self, kind: str, epoch: int) -> dict[str, Any] | None:
        """Return by what a file is known: its size and its end; None without one."""
        try:
            with open(self.path(kind, epoch), "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - END, 0))
                return {"size": size, "end": file.read().hex()}
        except OSError:
            return None

    def delete(self, epoch: int) -> None:
        """Delete a checkpoint: the state last, so that what is left counts as none."""
        paths = [self.path(kind, epoch) for kind in KINDS]
        try:
            for path in paths:
                path.unlink(missing_ok=True)
            if self.recorder.durable and self.folder.is_dir():
                storage.flush_folder(self.folder)
            self.state_path(epoch).unlink(missing_ok=True)
        except OSError as error:
            what = f"checkpoint {epoch} cannot be deleted: {error.strerror}."
            raise RecorderError(what, file=self.folder) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from saving here meanwhile; make the folder.

        Raises:
            RecorderError: Another process is saving, or there can be no such folder.
        """
        try:
            _, *above = storage.make_folder(self.folder)
            for folder in above if self.recorder.durable else ():
                storage.flush_folder(folder)
            if os.name == "nt":  # folders cannot be opened there
                yield
                return
            descriptor = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            what = f"this cannot be a folder of checkpoints: {error.strerror}."
            raise RecorderError(what, file=self.folder) from None
        try:
            if not storage.lock(descriptor, otherwise=True):
                what = "another process is saving into this folder."
                raise RecorderError(f"{what} Save from one only.", file=self.folder)
            yield
        finally:
            os.close(descriptor)

    @property
    def _states(self) -> NamedMpkFileRecorder:
        # Whatever Burn's files are: it holds what their settings would round.
        durable = self.recorder.durable
        settings = DoublePrecisionSettings
        return NamedMpkFileRecorder(settings, checksum=True, durable=durable)
