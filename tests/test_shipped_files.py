"""Files that the Burn project itself wrote and ships; skipped where there are none."""

import gzip

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import d2lrec
from d2lrec import structure as s
from d2lrec.payload import Memory
from d2lrec.record import children

pytestmark = pytest.mark.extra


class ConvBlock(nn.Module):
    """Twin of the struct of the same name in Burn's web example."""

    __record_fields__ = ("conv", "norm", "pool", "activation")

    def __init__(self, channels, filters):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 3)
        self.norm = nn.BatchNorm2d(filters)
        self.pool = nn.MaxPool2d(2)
        self.activation = nn.ReLU()

    def forward(self, x):
        return self.pool(self.activation(self.norm(self.conv(x))))


class Mnist(nn.Module):
    """Twin of Model, which reads a digit of 28 x 28 pixels."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = ConvBlock(1, 64), ConvBlock(64, 64)
        self.dropout = nn.Dropout()
        self.fc1 = nn.Linear(1600, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, 10)
        self.activation = nn.GELU()

    def forward(self, x):
        x = self.conv2(self.conv1((x.unsqueeze(1) - 0.1307) / 0.3081)).flatten(1)
        for layer in (self.fc1, self.fc2):
            x = self.dropout(self.activation(layer(x)))
        return self.fc3(x)


# Each digit as five columns of seven bits, the uppermost first.
DIGITS = """
0111110 1000001 1000001 1000001 0111110
0000000 0100000 1111111 0000000 0000000
0100001 1000011 1000101 1001001 0110001
1001001 1001001 1001001 1001001 0110110
1111000 0001000 0001000 0001000 1111111
1111001 1001001 1001001 1001001 1000110
0011110 0101001 1001001 1001001 0000110
1000000 1000000 1000111 1011000 1100000
0110110 1001001 1001001 1001001 0110110
0110000 1001001 1001001 1001010 0111100
"""


def drawn(right=0, down=0):
    """Draw the ten digits: 20 pixels high, blurred, in the middle or moved."""
    lines = DIGITS.split("\n")[1:-1]
    bits = [[[float(b) for b in column] for column in x.split()] for x in lines]
    large = F.interpolate(
        torch.tensor(bits).transpose(1, 2).unsqueeze(1),
        size=(20, 15),
        mode="bilinear",
        align_corners=False,
    )
    margins = (6 + right, 7 - right, 4 + down, 4 - down)
    return (1.3 * F.pad(large, margins)).clamp(max=1).squeeze(1)


@pytest.fixture(scope="module")
def mnist(extra):
    path = extra / "burn/mnist-0.21.bin"
    return d2lrec.load_file(Mnist(), path, d2lrec.BinFileRecorder()).eval()


def test_it_reads_digits(mnist):
    with torch.no_grad():
        assert mnist(drawn()).argmax(1).tolist() == list(range(10))
        untrained = Mnist().eval()
        right = wrong = 0
        for x in (-2, 0, 2):
            for y in (-2, 0, 2):
                digits = drawn(x, y)
                right += int((mnist(digits).argmax(1) == torch.arange(10)).sum())
                wrong += int((untrained(digits).argmax(1) == torch.arange(10)).sum())
    assert right >= 80  # of 90
    assert wrong <= 40


def test_it_goes_back_to_the_same_bytes(mnist, extra):
    path = extra / "burn/mnist-0.21.bin"
    expected = path.read_bytes()
    copy = d2lrec.BinFileRecorder().record(mnist, "copy")
    assert copy.read_bytes() == expected
    packed = d2lrec.BinGzFileRecorder().record(mnist, "copy").read_bytes()
    assert gzip.decompress(packed)[-1_900_000:] == expected[-1_900_000:]


def test_through_text_and_back(mnist, extra):
    record = d2lrec.BinFileRecorder().load(extra / "burn/mnist-0.21.bin", like=mnist)
    for recorder in (d2lrec.NamedMpkGzFileRecorder(), d2lrec.NamedMpkFileRecorder()):
        path = recorder.record(record, "mnist")
        twin = d2lrec.load_file(Mnist(), path, recorder)
        again = d2lrec.BinBytesRecorder().record(twin)
        assert again == d2lrec.BinBytesRecorder().record(mnist)


def test_mapped_it_is_the_same(mnist, extra):
    path = extra / "burn/mnist-0.21.bin"
    record = d2lrec.BinFileRecorder().load(path, like=mnist, mmap=True)
    twin = d2lrec.load_record(Mnist(), record)
    for one, two in zip(mnist.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, two)


def test_another_structure_is_refused(mnist, extra):
    """The same model as 0.19 wrote it: arrays of constants took more bytes then."""
    with pytest.raises(d2lrec.CorruptRecord) as caught:
        d2lrec.load_file(
            Mnist(), extra / "burn/mnist-0.19.bin", d2lrec.BinFileRecorder()
        )
    assert "item.conv1" in str(caught.value)


def test_the_modern_lstm_goes_back_to_the_same_bytes(extra):
    """Half precision, Burn 0.17: order, ids and lengths are as in the file."""
    path = extra / "burn/modern-lstm-0.17-half.mpk"
    expected = path.read_bytes()
    codec = d2lrec.NamedMpkFileRecorder.codec
    tree = codec.decode(Memory(expected), None)
    assert tree["metadata"]["version"] == "0.17.0"
    tree["_b"] = d2lrec.record.UNIT
    parts = codec.encode(tree, None)
    written = b"".join(
        part if isinstance(part, bytes) else part.tobytes() for part in parts
    )
    assert written == expected


def test_the_modern_lstm_again_by_the_recorder(extra):
    """All but the label: it is this library's release now, and the precision stays."""
    recorder = d2lrec.NamedMpkFileRecorder(d2lrec.HalfPrecisionSettings)
    path = extra / "burn/modern-lstm-0.17-half.mpk"
    again = recorder.record(recorder.load(path), "lstm").read_bytes()
    assert again == path.read_bytes().replace(b"0.17.0", b"0.21.0")


def test_the_modern_lstm_by_a_structure_in_bincode(extra):
    norm = s.Struct(gamma=s.PARAM, beta=s.PARAM, epsilon=s.CONSTANT)
    cell = s.Struct(
        hidden_size=s.CONSTANT,
        weight_ih=s.LINEAR,
        weight_hh=s.LINEAR,
        norm_x=norm,
        norm_h=norm,
        norm_c=norm,
        dropout=s.CONSTANT,
    )
    stack = s.Struct(layers=s.Vec(cell))
    kind = s.Struct(
        stacked_lstm=stack, reverse_lstm=stack, dropout=s.CONSTANT, fc=s.LINEAR
    )
    half = d2lrec.HalfPrecisionSettings
    path = extra / "burn/modern-lstm-0.17-half.mpk"
    record = d2lrec.NamedMpkFileRecorder(half).load(path, like=kind)
    binary = d2lrec.BinBytesRecorder(half)
    found = binary.load(binary.record(record), like=kind)
    assert same(record, found)


def same(one, other):
    if isinstance(one, d2lrec.Param):
        return one.id == other.id and torch.equal(one.tensor, other.tensor)
    pairs, others = dict(children(one)), dict(children(other))
    below = all(same(pairs[key], others.get(key)) for key in pairs)
    return below and (bool(pairs) or one == other)
