"""Burn's files in PyTorch's layers: Burn's own forward output, and its bytes back."""

import golden_cases as golden
import pytest
import torch
from torch import nn

import d2lrec

each_recorder = pytest.mark.parametrize(
    "recorder", [d2lrec.NamedMpkFileRecorder(), d2lrec.PrettyJsonFileRecorder()]
)


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(5, 4)
        self.activation = nn.ReLU()
        self.output = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        return self.output(self.activation(self.hidden(x)))


class Block(nn.Module):
    def __init__(self, channels_in, channels_out, pool):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3)
        self.norm = nn.BatchNorm2d(channels_out)
        self.register_module("pool", nn.MaxPool2d(2) if pool else None)
        self.activation = nn.ReLU()

    def forward(self, x):
        x = self.activation(self.norm(self.conv(x)))
        return x if self.pool is None else self.pool(x)


class ConvNet(nn.Module):
    # Burn's struct has a constant that PyTorch does not register.
    __record_fields__ = ("conv1", "conv2", "dropout", "fc", "classes")

    def __init__(self):
        super().__init__()
        self.conv1 = Block(1, 2, pool=False)
        self.conv2 = Block(2, 3, pool=True)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(12, 4)
        self.classes = 4

    def forward(self, x):
        return self.fc(self.dropout(self.conv2(self.conv1(x)).flatten(1)))


TWINS = {
    "linear": lambda: nn.Linear(2, 3),
    "linear_no_bias": lambda: nn.Linear(3, 2, bias=False),
    "embedding": lambda: nn.Embedding(5, 3),
    "conv1d": lambda: nn.Conv1d(4, 2, 3, stride=2, padding=1, groups=2),
    "conv2d": lambda: nn.Conv2d(2, 4, (3, 2), (1, 2), padding=(1, 0), dilation=(2, 1)),
    "batch_norm": lambda: nn.BatchNorm2d(3),
    "layer_norm": lambda: nn.LayerNorm(4),
    "layer_norm_no_bias": lambda: nn.LayerNorm(4, bias=False),
    "mlp": MLP,
    "conv_net": ConvNet,
}


def test_the_sizes_are_those_of_the_files():
    for case, build in TWINS.items():
        record = d2lrec.DefaultFileRecorder().load(golden.file(case, "mpk"))
        assert d2lrec.plan_load(build(), record).differences() == []


@each_recorder
@pytest.mark.parametrize("case", TWINS)
def test_the_twin_computes_what_burn_computed(case, recorder):
    net = TWINS[case]().eval()
    d2lrec.load_file(net, golden.file(case, recorder.extension), recorder)
    expected = golden.EXPECTED[case]
    x = golden.tensor(expected["input"])
    if case == "embedding":
        x = x.long()
    with torch.no_grad():
        y = net(x)
    torch.testing.assert_close(y, golden.tensor(expected["output"]), rtol=0, atol=1e-5)


@each_recorder
@pytest.mark.parametrize("case", TWINS)
def test_saving_the_twin_gives_burns_bytes(case, recorder, tmp_path):
    stored = golden.file(case, recorder.extension)
    net = d2lrec.load_file(TWINS[case](), stored, recorder)
    copy = d2lrec.save_file(net, tmp_path / "copy", recorder)
    assert copy.read_bytes() == stored.read_bytes()


@pytest.mark.parametrize("case", TWINS)
def test_a_save_and_a_load_change_no_bit(case, tmp_path):
    net = TWINS[case]().eval()
    twin = TWINS[case]().eval()
    path = d2lrec.save_file(net, tmp_path / "net")
    d2lrec.load_file(twin, path)
    x = golden.tensor(golden.EXPECTED[case]["input"])
    x = x.long() if case == "embedding" else x
    with torch.no_grad():
        assert torch.equal(net(x), twin(x))
