"""What the name of a file says that it is."""

from __future__ import annotations

from pathlib import Path

SAFETENSORS = ".safetensors"
TORCH = (".pt", ".pth")
# The extensions of the recorders, with the names of their classes; longer ones first.
RECORDS = {
    "mpk.gz": "NamedMpkGzFileRecorder",
    "bin.gz": "BinGzFileRecorder",
    "json.gz": "JsonGzFileRecorder",
    "mpk": "NamedMpkFileRecorder",
    "bin": "BinFileRecorder",
    "json": "PrettyJsonFileRecorder",
}


def recorder_name(path: Path) -> str | None:
    """Return the name of the recorder that writes files of this name.

    >>> recorder_name(Path("mlp.mpk.gz"))
    'NamedMpkGzFileRecorder'
    """
    name = path.name.lower()
    return next((x for e, x in RECORDS.items() if name.endswith(f".{e}")), None)


def format_name(path: Path) -> str | None:
    """Return what a file's name says that it is: a recorder, safetensors, or torch.

    >>> format_name(Path("mlp.bin")), format_name(Path("mlp.pth"))
    ('BinFileRecorder', 'torch')
    """
    if is_tensor_file(path):
        return "safetensors" if path.suffix.lower() == SAFETENSORS else "torch"
    return recorder_name(path)


def is_record(path: Path) -> bool:
    """Whether a file's name is that of a record."""
    return recorder_name(path) is not None


def is_tensor_file(path: Path) -> bool:
    """Whether a file's name is that of safetensors or of torch."""
    return path.suffix.lower() in (SAFETENSORS, *TORCH)
