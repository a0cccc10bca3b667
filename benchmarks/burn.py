"""Burn itself, in a process of its own that saves and loads when it is told to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from torch import nn

from benchmarks.sets import tensors_of

PROJECT = Path(__file__).resolve().parent / "burn"


def build() -> Path | None:
    """Build the Rust project; return its program, or None where that cannot be.

    `D2LREC_BURN_TARGET` names a folder for what cargo builds, if not `target`.
    """
    cargo = shutil.which("cargo")
    if cargo is None or not (PROJECT / "Cargo.toml").exists():
        print("Burn: skipped, there is no cargo here")
        return None
    target = Path(os.environ.get("D2LREC_BURN_TARGET", PROJECT / "target"))
    print("Burn: building (minutes, the first time)", flush=True)
    command = [cargo, "build", "--release", "--locked", "--target-dir", str(target)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        print(f"Burn: skipped, cargo failed: {done.stderr[-300:]}")
        return None
    return target / "release" / "bench-burn"


class Burn:
    """A Burn module with a parameter for each tensor of a set.

    Commands go to the program's standard input, a line each; it answers with the
    seconds that its own clock counted.

    Args:
        program: What `build` returned.
        module: The module whose shapes and order of tensors to take.
    """

    def __init__(self, program: Path, module: nn.Module) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ask(json.dumps([list(t.shape) or [1] for t in tensors_of(module)]))

    def save(self, path: Path) -> float:
        """Save to `.mpk` or `.mpk.gz`; return the seconds."""
        return float(self._ask(f"save {path}"))

    def load(self, path: Path) -> float:
        """Load a file into the module; return the seconds."""
        return float(self._ask(f"load {path}"))

    def close(self) -> None:
        """End the program."""
        self._process.communicate()

    def _ask(self, line: str) -> str:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"Burn gave no answer to: {line[:80]}")
        return answer
