"""Burn's own files: where they are and what they hold."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent / "golden" / "0.21.0"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())
CASES = sorted(EXPECTED)


def file(case: str, extension: str, settings: str = "full") -> Path:
    """Return the path of one file."""
    return FOLDER / case / f"{settings}.{extension}"


def tensor(stored: dict[str, Any]) -> torch.Tensor:
    """Make a tensor of `{shape, values}`."""
    values = np.array(stored["values"], dtype=np.float32)
    return torch.from_numpy(values).reshape(stored["shape"])


def id_number(text: str) -> str:
    """Read a parameter id as the decimal number that expected.json has."""
    padded = text.upper() + "=" * (-len(text) % 8)
    return str(int.from_bytes(base64.b32hexdecode(padded), "little"))
