"""Small tensors are fetched together: the same bytes, and nothing else changed."""

import pytest
import torch
from torch import nn

from d2lrec import (
    FullPrecisionSettings,
    HalfPrecisionSettings,
    NamedMpkFileRecorder,
    load_file,
    save_file,
)
from d2lrec.items import into_tree
from d2lrec.record import Param
from d2lrec.wrapping import SMALL, Wrapper

LARGE = SMALL // 4 + 1


class Mixed(nn.Module):
    """Parameters of many shapes, some of them views of others."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.scalar = nn.Parameter(torch.randn(()))
        self.none = nn.Parameter(torch.randn(3, 0))
        self.few = nn.Parameter(torch.randn(5))
        self.grid = nn.Parameter(torch.randn(3, 4, 2))
        self.turned = nn.Parameter(torch.randn(4, 3).t())
        self.large = nn.Parameter(torch.randn(LARGE))
        self.linear = nn.Linear(3, 2)
        self.register_buffer("count", torch.tensor([1, 2**31 - 1]))
        self.register_buffer("flags", torch.tensor([True, False]))


def payloads(tree):
    below = tree.values() if isinstance(tree, dict) else tree
    for value in below:
        data = value.tensor if isinstance(value, Param) else value
        if isinstance(data, dict | list | tuple):
            yield from payloads(data)
        else:
            yield data.bytes


def stored_bytes(payload):
    return b"".join(map(bytes, payload.chunks()))


@pytest.mark.parametrize("settings", [FullPrecisionSettings, HalfPrecisionSettings])
def test_fetching_together_gives_the_bytes_that_fetching_alone_gives(
    settings, monkeypatch
):
    item = {"net": Mixed(), "pair": [torch.ones(2), torch.zeros(2).bfloat16()]}
    item["net"].count -= 2**31 - 2**14  # so that it fits 16 bits
    item["net"].count.clamp_(0, 100)
    together = into_tree(item, settings)
    monkeypatch.setattr(Wrapper, "fetch", lambda self: None)
    alone = into_tree(item, settings)
    for one, other in zip(payloads(alone), payloads(together), strict=True):
        assert one.known is None
        assert stored_bytes(one) == stored_bytes(other)


def test_what_is_small_and_needs_no_conversion_is_fetched_together():
    tree = into_tree(Mixed(), FullPrecisionSettings)
    apart = {name for name, value in tree.items() if name != "linear"} - {
        name
        for name, value in tree.items()
        if name != "linear" and value.tensor.bytes.known is not None
    }
    assert apart == {"large", "count"}  # int64 is stored as 32-bit integers


def test_a_negated_view_keeps_its_numbers():
    view = torch._neg_view(torch.tensor([1.0, -2.0]))
    tree = into_tree([view], FullPrecisionSettings)
    assert stored_bytes(tree[0].bytes) == torch.tensor([-1.0, 2.0]).numpy().tobytes()


def test_loading_fills_each_in_place_and_tells_autograd(tmp_path):
    net, twin = Mixed(), Mixed()
    for tensor in twin.state_dict().values():
        tensor.zero_()
    file = save_file(net, tmp_path / "mixed", NamedMpkFileRecorder())
    before = {name: (x.data_ptr(), x._version) for name, x in twin.named_parameters()}
    load_file(twin, file)
    for name, expected in net.state_dict().items():
        assert torch.equal(twin.state_dict()[name], expected), name
    for name, tensor in twin.named_parameters():
        pointer, version = before[name]
        assert tensor.data_ptr() == pointer and tensor._version > version, name
