"""The pictures that `train_digits` learns from: `python export_digits.py DIR`.

Of the 1200 first pictures of scikit-learn's digits, those that show a 0 to 7. So the
model has never seen an 8 or a 9, and none of the 597 last pictures.
"""

import sys
from pathlib import Path

TRAINING = 1200
CLASSES = 8


def export(folder: Path) -> None:
    """Write `pictures.mpk` and `labels.mpk` into a folder."""
    import torch
    from sklearn.datasets import load_digits

    import d2lrec

    pixels, labels = load_digits(return_X_y=True)
    known = labels[:TRAINING] < CLASSES
    recorder = d2lrec.DefaultFileRecorder()
    pictures = torch.tensor(pixels[:TRAINING][known] / 16, dtype=torch.float32)
    recorder.record(pictures, folder / "pictures")
    recorder.record(torch.tensor(labels[:TRAINING][known]), folder / "labels")


if __name__ == "__main__":
    export(Path(sys.argv[1]))
