"""Train the digit classifier of chapter 08 and keep it: ``tools/train_digits.py``.

Writes ``d2lrec/data/digits-training.mpk``: a small network and the state of its Adam,
after so many epochs that the second moments have become tiny. Trained numbers differ
in their last digits from one processor to the next, so the chapter reads the file that
is kept and does not train. The counts that it shows belong to that file.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

FILE = ROOT / "d2lrec" / "data" / "digits-training.mpk"
EPOCHS, BATCH, TRAINED_ON = 300, 50, 1500


def main() -> None:
    """Train, save, and say how large the file is."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    import d2lrec

    digits = load_digits()
    pixels = torch.tensor(digits.data / 16, dtype=torch.float32)[:TRAINED_ON]
    labels = torch.tensor(digits.target)[:TRAINED_ON]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(EPOCHS):
        for batch in torch.randperm(TRAINED_ON).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(pixels[batch]), labels[batch]).backward()
            optimizer.step()
    d2lrec.seed_ids(8)
    training = {
        "model": d2lrec.into_record(net),
        "optim": d2lrec.into_record(optimizer, net),
    }
    path = d2lrec.NamedMpkFileRecorder().record(training, FILE)
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
