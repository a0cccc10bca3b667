"""A row of the report: what d2lrec takes, what another takes, and what was to reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Target:
    """What is to be reached against a peer, or against the best of several.

    Attributes:
        sets: The sets that it is meant for.
        peers: The peers; what counts is the least that one of them took.
        limit: How many times that d2lrec may take.
        inverse: Whether it is said the other way round, as "at least 20 times".
    """

    sets: str
    peers: tuple[str, ...]
    limit: float
    inverse: bool = False


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: What was done.
        set: The set's letter.
        ours: What d2lrec took, in the unit.
        peer: Who it is compared with.
        theirs: What that one took.
        unit: `s` or `B`.
        limit: How many times theirs ours may be; None if nothing was asked.
        inverse: Whether ratio and limit are said as theirs to ours.
    """

    what: str
    set: str
    ours: float
    peer: str
    theirs: float
    unit: str = "s"
    limit: float | None = None
    inverse: bool = False

    @property
    def ratio(self) -> float:
        """Ours to theirs, or theirs to ours if that is how it is said."""
        # What takes nothing at all is rounded up to the least that can be told.
        least = {"s": 1e-9, "B": 1}[self.unit]
        ours, theirs = max(self.ours, least), max(self.theirs, least)
        return theirs / ours if self.inverse else ours / theirs

    @property
    def target(self) -> str:
        """The limit in words; empty if there is none."""
        if self.limit is None:
            return ""
        return f"≥ {self.limit:g}" if self.inverse else f"≤ {self.limit:g}"

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None if there is none."""
        if self.limit is None:
            return None
        return self.ratio >= self.limit if self.inverse else self.ratio <= self.limit


def compare(
    what: str, letter: str, found: Mapping[str, float], targets: Iterable[Target] = ()
) -> list[Row]:
    """Compare d2lrec with each of the others, or with the best of some.

    Args:
        what: What was measured.
        letter: The set.
        found: What each contestant took.
        targets: Targets of this figure, for whatever sets.

    Returns:
        The rows with a target, then one for each peer that has none.
    """
    rows = []
    told = set()
    for target in targets:
        present = [name for name in target.peers if name in found]
        if letter not in target.sets or not present:
            continue
        theirs = min(found[name] for name in present)
        peer = " or ".join(present)
        row = Row(what, letter, found["d2lrec"], peer, theirs)
        rows.append(replace(row, limit=target.limit, inverse=target.inverse))
        told.add(peer)
    for name, theirs in found.items():
        if name not in told and name != "d2lrec":
            rows.append(Row(what, letter, found["d2lrec"], name, theirs))
    return rows
