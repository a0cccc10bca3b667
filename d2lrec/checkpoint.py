"""Checkpoints of a training run: whole or not there, whenever the power fails.

A checkpoint is a group of files under Burn's names, `model-3.mpk`, `optim-3.mpk` and
`scheduler-3.mpk`, so that Burn can go on from them, and one of our own beside them,
`state-3.mpk`, with what Burn has no room for. The state is written twice: first it says
that the save has begun, then, when all the others are on the disk, which files belong
to it. Only then is it a checkpoint. One without a state was written by Burn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from d2lrec.errors import CorruptRecord, RecorderError, RecordNotFound
from d2lrec.paths import StrPath, about
from d2lrec.randomness import Generator, prepare, random_states
from d2lrec.recorders import NamedMpkFileRecorder
from d2lrec.restoring import (
    Optimizer,
    Restored,
    Scheduler,
    parts_of,
    rest_of,
    restore_all,
)
from d2lrec.run_folder import RunFolder
from d2lrec.sinks import FileRecorder

_DEFAULT = NamedMpkFileRecorder()


class Checkpointer:
    """Saves a training run into a folder, and restores the newest good checkpoint.

    It keeps the last few and the best one, and deletes what else it has written, never
    what Burn wrote. Making one writes nothing.

    Args:
        folder: Where the files are to be; Burn has `checkpoint` for it.
        keep: How many of the last checkpoints to keep.
        best: Which metric is the best, if the best checkpoint is to be kept too.
        recorder: In which format, always with a checksum. For a net in float64
            take one of `DoublePrecisionSettings`.
        generators: Random generators of one's own, as that of a DataLoader; the
            global ones of torch, numpy and Python are always saved.

    Raises:
        RecorderError: `keep` is less than 1, or `best` something else.

    >>> net = nn.Linear(2, 3)
    >>> optimizer = torch.optim.Adam(net.parameters())
    >>> checkpointer = Checkpointer("run/checkpoint", keep=2, best="min")
    >>> for epoch, loss in enumerate([0.9, 0.1, 0.4, 0.3], start=1):
    ...     checkpointer.save(epoch, net, optimizer, metric=loss)
    >>> checkpointer.epochs(), checkpointer.best
    ([2, 3, 4], 2)
    >>> checkpointer.restore(net, optimizer)
    Restored(epoch=4, metric=0.3, extra=None, random=True, skipped=[])
    """

    def __init__(
        self,
        folder: StrPath,
        *,
        keep: int = 3,
        best: Literal["min", "max"] | None = None,
        recorder: FileRecorder = _DEFAULT,
        generators: Sequence[Generator] = (),
    ) -> None:
        if not isinstance(keep, int) or keep < 1:
            raise RecorderError(f"keep={keep!r} found, an integer from 1 expected.")
        if best not in (None, "min", "max"):
            raise RecorderError(f"best={best!r} found, 'min', 'max' or None expected.")
        self._run = RunFolder(Path(folder), replace(recorder, checksum=True))
        self._keep, self._best = keep, best
        self._generators = tuple(generators)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._run.folder)!r})"

    def save(
        self,
        epoch: int,
        net: nn.Module,
        optimizer: Optimizer = None,
        scheduler: Scheduler = None,
        *,
        metric: float | None = None,
        extra: Any = None,
    ) -> None:
        """Save a checkpoint, then delete those that are no longer to be kept.

        Args:
            epoch: Its number, higher than those that the folder has.
            net: The module.
            optimizer: What trains it, over the net's parameters.
            scheduler: CosineAnnealingLR, LinearLR, ExponentialLR or StepLR.
            metric: What `best` looks at.
            extra: Whatever else is to be kept, as the position in the data: a tree of
                numbers, strings, lists, dicts, tensors, None. Of tensors, floats come
                back as float64 and integers as int64.

        Raises:
            Unrecordable: Something has no place in a record; nothing was saved.
            RecorderError: The number is not higher, another process is saving, or the
                system refused. The checkpoints that were there are whole.
        """
        run, recorder = self._run, self._run.recorder
        parts = parts_of(net, optimizer, scheduler)
        with run.locked():
            state = {
                "metric": self._checked(epoch, metric),
                "extra": extra,
                "rest": rest_of(net, optimizer, scheduler),
                "random": random_states(self._generators),
            }
            try:
                run.write(epoch, {**state, "files": None})
                for kind, item in parts.items():
                    recorder.record(item, run.path(kind, epoch))
                files = {kind: run.mark(kind, epoch) for kind in parts}
                run.write(epoch, {**state, "files": files})
            except BaseException:
                with suppress(RecorderError):
                    run.delete(epoch)
                raise
            self._prune(epoch)

    def restore(
        self,
        net: nn.Module,
        optimizer: Optimizer = None,
        scheduler: Scheduler = None,
        *,
        epoch: int | None = None,
        random: bool = True,
    ) -> Restored:
        """Restore the newest checkpoint that is whole, all of it or nothing.

        Args:
            net: What to load into, in place.
            optimizer: The same, or None to leave it out.
            scheduler: The same, made with the same settings as then.
            epoch: Which one; None for the newest that is whole.
            random: Whether the random generators are to go on too; not if the net is
                only to be used.

        Returns:
            What was found, and which newer ones were skipped.

        Raises:
            RecordNotFound: There is no checkpoint.
            CorruptRecord: There are some, but none is whole.
            RecordMismatch: It does not fit the net, the optimizer or the scheduler.
            RecorderError: It was saved without what is to be restored. Nothing was
                changed, whichever of these it is.

        >>> net, checkpointer = nn.Linear(2, 3), Checkpointer("run/checkpoint")
        >>> for epoch in 1, 2:
        ...     checkpointer.save(epoch, net, extra={"batch": 10 * epoch})
        >>> with open("run/checkpoint/model-2.mpk", "r+b") as file:
        ...     _ = file.truncate(100)  # a disk lost the rest
        >>> restored = checkpointer.restore(net)
        >>> restored.epoch, restored.extra["batch"]
        (1, 10)
        >>> print(restored.skipped[0])
        epoch 2: run/checkpoint/model-2.mpk: missing, or not the file that was saved.
        """
        targets = (net, optimizer, scheduler)
        parts_of(*targets)  # refuses what is of another kind
        if epoch is not None:
            return self._restore(epoch, targets, random)
        skipped: list[str] = []
        for candidate in reversed(self._run.found()):
            try:
                restored = self._restore(candidate, targets, random)
            except (CorruptRecord, RecordNotFound) as error:
                skipped.append(f"epoch {candidate}: {error}")
            else:
                return replace(restored, skipped=skipped)
        folder = self._run.folder
        if not skipped:
            what = f"no checkpoint here: no {self._run.path('model', 1).name} or other."
            raise RecordNotFound(what, file=folder)
        raise CorruptRecord("\n  ".join(["none is whole:", *skipped]), file=folder)

    def epochs(self) -> list[int]:
        """Return the numbers of the checkpoints that are complete, in order.

        Complete means that all files are there, with the sizes and the checksums that
        were saved; `restore` also reads them through.
        """
        return list(self._run.complete())

    @property
    def best(self) -> int | None:
        """The number of the checkpoint with the best metric, the newest of equals."""
        sign = -1 if self._best == "min" else 1
        rated = [
            (sign * metric, epoch)
            for epoch, metric in self._run.complete().items()
            if metric is not None and not math.isnan(metric)
        ]
        return max(rated)[1] if rated and self._best else None

    def delete(self, epoch: int) -> None:
        """Delete a checkpoint, Burn's too; one that is not there is no error.

        Args:
            epoch: Its number.

        Raises:
            RecorderError: Another process is saving, or the system refused.
        """
        with self._run.locked():
            self._run.delete(epoch)

    def _checked(self, epoch: int, metric: float | None) -> float | None:
        if not isinstance(epoch, int) or epoch < 0:
            raise RecorderError(f"epoch={epoch!r} found, an integer from 0 expected.")
        newest = max(self._run.complete(), default=-1)
        if epoch <= newest:
            what = f"the folder has epoch {newest}, and {epoch} is not after it."
            advice = "Restore that and go on, or take another folder, or delete it."
            raise RecorderError(f"{what} {advice}", file=self._run.folder)
        if metric is None and self._best:
            what = f"best={self._best!r} needs a metric with each save."
            raise RecorderError(f"{what} Pass metric=.")
        try:
            return None if metric is None else float(metric)
        except (TypeError, ValueError):
            raise RecorderError(
                f"metric={metric!r} found, a number expected."
            ) from None

    def _prune(self, newest: int) -> None:
        """Delete our own checkpoints but the last, the best, and the one just saved."""
        found, whole = self._run.found(), self._run.complete()
        ours = [epoch for epoch in whole if found.get(epoch)]
        kept = {newest, self.best, *ours[-self._keep :]}
        for epoch, is_ours in found.items():
            if is_ours and epoch not in kept:
                self._run.delete(epoch)

    def _restore(
        self,
        epoch: int,
        targets: tuple[nn.Module, Optimizer, Scheduler],
        random: bool,
    ) -> Restored:
        state = self._run.read(epoch)
        set_random, is_all = None, False
        if state and random:
            with about(self._run.state_path(epoch)):
                set_random, is_all = prepare(state["random"], self._generators)
        with self._run.open(epoch, state, parts_of(*targets)) as records:
            restore_all(*targets, records, state["rest"] if state else None)
        if set_random:
            set_random()
        if state is None:
            return Restored(epoch)
        return Restored(epoch, state["metric"], state.get("extra"), random=is_all)
