"""Burn's files in PyTorch's layers: Burn's own forward output, and its bytes back."""

import golden_cases as golden
import pytest
import torch
from torch import nn
from torch.nn import functional

import d2lrec

each_recorder = pytest.mark.parametrize(
    "recorder",
    [
        d2lrec.NamedMpkFileRecorder(durable=False),
        d2lrec.PrettyJsonFileRecorder(durable=False),
    ],
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


class FeedForward(nn.Module):
    __record_fields__ = ("linear_inner", "linear_outer", "dropout", "activation")

    def __init__(self):
        super().__init__()
        self.linear_inner = nn.Linear(4, 6)
        self.linear_outer = nn.Linear(6, 4)
        self.dropout = nn.Dropout(0.0)
        self.activation = nn.GELU()

    def forward(self, x):
        return self.linear_outer(self.activation(self.linear_inner(x)))


class SwiGlu(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_inner = nn.Linear(3, 4, bias=False)
        self.linear_outer = nn.Linear(3, 4, bias=False)

    def forward(self, x):
        return functional.silu(self.linear_inner(x)) * self.linear_outer(x)


def transformer(kind, layers, norm_first):
    layer = getattr(nn, f"Transformer{kind}Layer")(
        4, 2, 6, dropout=0, activation="gelu", batch_first=True, norm_first=norm_first
    )
    extra = {"enable_nested_tensor": False} if kind == "Encoder" else {}
    return getattr(nn, f"Transformer{kind}")(layer, layers, **extra)


recurrent = {"batch_first": True}
both = {**recurrent, "bidirectional": True}

TWINS = {
    "linear": lambda: nn.Linear(2, 3),
    "linear_no_bias": lambda: nn.Linear(3, 2, bias=False),
    "embedding": lambda: nn.Embedding(5, 3),
    "conv1d": lambda: nn.Conv1d(4, 2, 3, stride=2, padding=1, groups=2),
    "conv2d": lambda: nn.Conv2d(2, 4, (3, 2), (1, 2), padding=(1, 0), dilation=(2, 1)),
    "conv3d": lambda: nn.Conv3d(1, 2, 2, bias=False),
    "conv_transpose1d": lambda: nn.ConvTranspose1d(
        2, 4, 3, stride=2, padding=1, output_padding=1, groups=2
    ),
    "conv_transpose2d": lambda: nn.ConvTranspose2d(2, 3, (2, 3), stride=(2, 1)),
    "conv_transpose3d": lambda: nn.ConvTranspose3d(1, 2, (2, 1, 2)),
    "batch_norm": lambda: nn.BatchNorm2d(3),
    "layer_norm": lambda: nn.LayerNorm(4),
    "layer_norm_no_bias": lambda: nn.LayerNorm(4, bias=False),
    "group_norm": lambda: nn.GroupNorm(2, 4),
    "group_norm_plain": lambda: nn.GroupNorm(2, 4, affine=False),
    "instance_norm": lambda: nn.InstanceNorm1d(3, affine=True),
    "rms_norm": lambda: nn.RMSNorm(4, eps=1e-5),
    "prelu": lambda: nn.PReLU(3),
    "lstm": lambda: nn.LSTM(3, 2, **recurrent),
    "lstm_no_bias": lambda: nn.LSTM(3, 2, bias=False, **recurrent),
    "bi_lstm": lambda: nn.LSTM(3, 2, **both),
    "gru": lambda: nn.GRU(3, 2, **recurrent),
    "bi_gru": lambda: nn.GRU(3, 2, **both),
    "rnn": lambda: nn.RNN(3, 2, **recurrent),
    "bi_rnn": lambda: nn.RNN(3, 2, **both),
    "multi_head_attention": lambda: nn.MultiheadAttention(4, 2, batch_first=True),
    "transformer_encoder": lambda: transformer("Encoder", 2, False),
    "transformer_encoder_norm_first": lambda: transformer("Encoder", 1, True),
    "transformer_decoder": lambda: transformer("Decoder", 1, False),
    "transformer_decoder_norm_first": lambda: transformer("Decoder", 2, True),
    "feed_forward": FeedForward,
    "swiglu": SwiGlu,
    "mlp": MLP,
    "conv_net": ConvNet,
}


def compute(case, net):
    """Run a twin on the case's input, as Burn ran its module."""
    x = golden.tensor(golden.EXPECTED[case]["input"])
    inputs = [x]
    if case == "embedding":
        inputs = [x.long()]
    elif case == "multi_head_attention":
        inputs = [x, x, x]
    elif "memory" in golden.EXPECTED[case]:
        inputs = [x, golden.tensor(golden.EXPECTED[case]["memory"])]
    with torch.no_grad():
        y = net(*inputs)
    return y[0] if isinstance(y, tuple) else y


def test_the_sizes_are_those_of_the_files():
    for case, build in TWINS.items():
        record = d2lrec.DefaultFileRecorder().load(golden.file(case, "mpk"))
        assert d2lrec.plan_load(build(), record).differences() == []


@each_recorder
@pytest.mark.parametrize("case", TWINS)
def test_the_twin_computes_what_burn_computed(case, recorder):
    net = TWINS[case]().eval()
    d2lrec.load_file(net, golden.file(case, recorder.extension), recorder)
    expected = golden.tensor(golden.EXPECTED[case]["output"])
    torch.testing.assert_close(compute(case, net), expected, rtol=0, atol=1e-5)


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
    assert torch.equal(compute(case, net), compute(case, twin))
