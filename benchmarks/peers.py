"""The contestants: d2lrec, and what people use today.

A save replaces the file that the last round left. Whoever is not asked to flush it
leaves it to `settle`, so that no contestant pays for another one's file. A load reads
from the page cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

import d2lrec
from benchmarks.burn import Burn
from benchmarks.measuring import Contestant
from benchmarks.sets import tensors_of

RECORDER = d2lrec.NamedMpkFileRecorder()
FAST = d2lrec.NamedMpkFileRecorder(durable=False)


def flush(path: Path) -> None:
    """Wait until the disk has a file."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def copy_all(module: nn.Module, tensors: Any) -> None:
    """Copy tensors into a module's, one after the other."""
    with torch.no_grad():
        for target, tensor in zip(tensors_of(module), tensors, strict=True):
            target.copy_(tensor)


def save_raw(module: nn.Module, path: Path) -> None:
    """Write the bytes and nothing else: what the disk and the system can do."""
    with open(path, "wb", buffering=0) as file:
        for tensor in tensors_of(module):
            left = memoryview(tensor.numpy()).cast("B")
            while left:
                left = left[file.write(left) :]


def save_torch(module: nn.Module, path: Path) -> None:
    """Save as PyTorch's tutorial does."""
    torch.save(module.state_dict(), path)


def save_safetensors(module: nn.Module, path: Path) -> None:
    """Save with safetensors."""
    safetensors.torch.save_file(module.state_dict(), path)


def load_torch(module: nn.Module, path: Path) -> None:
    """Load as PyTorch's tutorial does."""
    module.load_state_dict(torch.load(path, weights_only=True))


def load_safetensors(module: nn.Module, path: Path) -> None:
    """Map the file and copy out of it."""
    found = safetensors.torch.load_file(path)
    copy_all(module, [found[name] for name in module.state_dict()])


Save = Callable[[nn.Module, Path], Any]
SAVERS: dict[str, tuple[str, Save]] = {
    "torch": ("set.pt", save_torch),
    "safetensors": ("set.safetensors", save_safetensors),
    "raw": ("set.raw", save_raw),
}


def savers(
    module: nn.Module, folder: Path, durable: bool, burn: Burn | None
) -> list[Contestant]:
    """Return who saves a module.

    Args:
        module: What to save.
        folder: Where to.
        durable: Whether the time ends when the disk has the file.
        burn: Burn, if it is there; it never flushes.
    """
    path = folder / "set.mpk"
    recorder = RECORDER if durable else FAST
    ours = partial(d2lrec.save_file, module, path, recorder)
    found = [Contestant("d2lrec", ours, partial(flush, path))]
    for name, (file, save) in SAVERS.items():
        run = partial(save, module, folder / file)
        settle = partial(flush, folder / file)
        if durable:
            found.append(Contestant(name, partial(_both, run, settle)))
        else:
            found.append(Contestant(name, run, settle))
    if burn:
        path = folder / "burn.mpk"
        found.append(Contestant("Burn", partial(burn.save, path), partial(flush, path)))
    return found


def _both(first: Callable[[], Any], second: Callable[[], Any]) -> None:
    first()
    second()


def loaders(
    module: nn.Module, twin: nn.Module, folder: Path, burn: Burn | None
) -> list[Contestant]:
    """Return who loads into `twin` the files that the savers of `module` left."""
    sources = tensors_of(module)
    found = [
        Contestant("d2lrec", partial(d2lrec.load_file, twin, folder / "set.mpk")),
        Contestant("memcpy", partial(copy_all, twin, sources)),
        Contestant(
            "safetensors", partial(load_safetensors, twin, folder / "set.safetensors")
        ),
        Contestant("torch", partial(load_torch, twin, folder / "set.pt")),
    ]
    if burn:
        found.append(Contestant("Burn", partial(burn.load, folder / "burn.mpk")))
    return found


def openers(folder: Path) -> list[Contestant]:
    """Return who gives a whole file's tensors without a module to put them in."""
    ours = partial(RECORDER.load, folder / "set.mpk", mmap=True)
    tensors = partial(safetensors.torch.load_file, folder / "set.safetensors")
    mapped = partial(torch.load, folder / "set.pt", mmap=True, weights_only=True)
    return [
        Contestant("d2lrec", ours),
        Contestant("torch", partial(torch.load, folder / "set.pt", weights_only=True)),
        Contestant("torch, mmap", mapped),
        Contestant("safetensors", tensors),
    ]
