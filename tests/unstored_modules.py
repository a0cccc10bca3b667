"""Modules with tensors that no record keeps: what `tests/burn` has no files of."""

import torch
from torch import nn

from d2lrec.structure import CONSTANT, Option


class Losses(nn.Module):
    """Every loss that Burn has, too; `reverse` gives weights to the other ones."""

    def __init__(self, reverse=False):
        super().__init__()
        weights = [None, torch.tensor([1.0, 2.0, 0.5])]
        without, weight = reversed(weights) if reverse else weights
        self.fc = nn.Linear(2, 3)
        self.cross_entropy = nn.CrossEntropyLoss(without, label_smoothing=0.1)
        self.weighted = nn.CrossEntropyLoss(weight)
        self.binary = nn.BCEWithLogitsLoss(without)
        self.weighted_binary = nn.BCELoss(weight)
        self.mse = nn.MSELoss()
        self.lp = nn.L1Loss()
        self.huber = nn.HuberLoss()
        self.smooth_l1 = nn.SmoothL1Loss()
        self.kl_div = nn.KLDivLoss()
        self.poisson = nn.PoissonNLLLoss()
        self.cosine = nn.CosineEmbeddingLoss()
        self.ctc = nn.CTCLoss()


def angles(x):
    """Return one for each position and pair of features."""
    rates = 10_000 ** -(torch.arange(0, x.shape[-1], 2) / x.shape[-1])
    return torch.outer(torch.arange(float(x.shape[-2])), rates)


class PositionalEncoding(nn.Module):
    __record_fields__ = ("sinusoids", "max_sequence_size", "max_timescale")
    sinusoids = max_sequence_size = max_timescale = None

    def forward(self, x):
        turned = angles(x)
        return x + torch.stack((turned.sin(), turned.cos()), -1).flatten(-2)


class RotaryEncoding(nn.Module):
    __record_fields__ = ("freq_complex", "theta", "start_offset")
    freq_complex = theta = start_offset = None

    def forward(self, x):
        pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * torch.exp(1j * angles(x))).flatten(-2)


class Encodings(nn.Module):
    """Two tables that are computed, and one that may be missing."""

    def __init__(self, reverse=False):
        super().__init__()
        self.fc = nn.Linear(2, 4)
        self.positional = PositionalEncoding()
        self.rotary = RotaryEncoding()
        self.some, self.none = torch.ones(3), None
        if reverse:
            self.some, self.none = self.none, self.some
        named = dict.fromkeys(("fc", "positional", "rotary"))
        optional = {name: (name, Option(CONSTANT)) for name in ("some", "none")}
        self.__record_fields__ = {**named, **optional}

    def forward(self, x):
        return self.rotary(self.positional(self.fc(x)))


UNSTORED = {"losses": Losses, "encodings": Encodings}
