"""How far a long command is, on a terminal and elsewhere."""

from __future__ import annotations

import sys


class Progress:
    """One line for each piece of work, rewritten in place on a terminal."""

    def __init__(self, head: str) -> None:
        self.head, self.text = head, ""

    def __call__(self, text: str, *, end: bool = False) -> None:
        """Show how far it is; `end` when it is done."""
        self.text = text
        if end or sys.stdout.isatty():
            print(
                f"\r{self.head}: {text}\033[K"
                if sys.stdout.isatty()
                else f"{self.head}: {text}",
                end="\n" if end else "",
                flush=True,
            )
