"""only= and rename=: which parameters are loaded, and under which names."""

import re

import pytest
import torch
from torch import nn

import d2lrec


def net():
    return nn.ModuleDict(
        {
            "hidden": nn.Linear(2, 3),
            "layers": nn.ModuleList([nn.Linear(3, 3) for _ in range(3)]),
            "output": nn.Linear(3, 1),
        }
    )


def record():
    return d2lrec.into_record(net())


def label(value):
    """Name a test; a function's name has its address, which is another each time."""
    return None if callable(value) or hasattr(value, "__next__") else str(value)


ALL = [
    f"{layer}.{name}"
    for layer in ("hidden", "layers.0", "layers.1", "layers.2", "output")
    for name in ("weight", "bias")
]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (None, ALL),
        ("", ALL),
        ("hidden", ["hidden.weight", "hidden.bias"]),
        (r"^layers\.[02]\.", [x for x in ALL if x[:8] in ("layers.0", "layers.2")]),
        (r"weight$", [x for x in ALL if x.endswith("weight")]),
        (re.compile("OUTPUT", re.IGNORECASE), ["output.weight", "output.bias"]),
        (["^hidden", re.compile(r"put\.bias")], [*ALL[:2], "output.bias"]),
        (("hidden",), ALL[:2]),
        ({"hidden"}, ALL[:2]),
        ((x for x in ["^hid", "^out"]), [*ALL[:2], *ALL[-2:]]),
        (lambda path: path == "output.bias", ["output.bias"]),
    ],
    ids=label,
)
def test_only(only, expected):
    plan = d2lrec.plan_load(net(), record(), only=only)
    assert plan.loaded == expected
    assert (plan.missing, plan.unused, plan.mismatched) == ([], [], [])


@pytest.mark.parametrize("only", [[], "hiden", lambda path: False])
def test_to_choose_nothing_is_an_error(only):
    with pytest.raises(d2lrec.RecordMismatch, match="chooses none of the module's"):
        d2lrec.load_record(net(), record(), only=only)


def test_what_is_not_chosen_stays_and_is_no_difference():
    twin, other = net(), net()
    before = twin["output"].weight.detach().clone()
    tree = d2lrec.into_record(other)
    del tree["output"]  # missing, but nobody asked for it
    tree["more"] = {"weight": torch.ones(1)}  # nor for this
    d2lrec.load_record(twin, tree, only="^hidden")
    assert torch.equal(twin["hidden"].weight, other["hidden"].weight)
    assert torch.equal(twin["output"].weight, before)
    assert not torch.equal(twin["layers"][0].weight, other["layers"][0].weight)
    ids = d2lrec.into_record(twin)
    assert ids["hidden"]["weight"].id == tree["hidden"]["weight"].id
    assert ids["layers"][0]["weight"].id != tree["layers"][0]["weight"].id


def test_another_shape_counts_only_where_it_is_chosen():
    tree = record()
    tree["output"]["weight"] = d2lrec.Param("a", torch.ones(9, 9))
    d2lrec.load_record(net(), tree, only=lambda path: not path.startswith("output"))
    with pytest.raises(d2lrec.RecordMismatch, match=r"output\.weight: shape \[9, 9\]"):
        d2lrec.load_record(net(), tree, only="weight")


@pytest.mark.parametrize("form", ["an iterator", "a function", "a pattern"])
def test_on_the_meta_device_the_choice_is_the_same_twice(form):
    """The record is held against the module again when it has memory."""
    only = {
        "an iterator": (x for x in ["weight", "bias"]),
        "a function": lambda path: True,
        "a pattern": ".",
    }[form]
    with torch.device("meta"):
        twin = nn.Linear(2, 3)
    linear = nn.Linear(2, 3)
    d2lrec.load_record(twin, d2lrec.into_record(linear), only=only)
    assert torch.equal(twin.weight, linear.weight)


def test_another_activation_counts_only_where_it_is_chosen():
    twin, tree = nn.RNN(2, 3), d2lrec.into_record(nn.RNN(2, 3, nonlinearity="relu"))
    line = "hidden_activation: Relu in the record, Tanh in the module"
    for only in (None, "", "activation", lambda path: path == "hidden_activation"):
        plan = d2lrec.plan_load(twin, tree, only=only)
        assert plan.differences(strict=False) == [line]
    for only in ("weight", r"^gate\."):
        assert d2lrec.plan_load(twin, tree, only=only).differences() == []
    renamed = {r"activation\.Relu$": "activation.Tanh"}  # by one who wants just that
    d2lrec.load_record(twin, tree, rename=renamed)
    weight = tree["gate"]["input_transform"]["weight"].tensor
    assert torch.equal(twin.weight_ih_l0, weight.t())
    tree["hidden_activation"] = {"PRelu": {"alpha": torch.ones(1)}}
    plan = d2lrec.plan_load(twin, tree, only="alpha")
    assert plan.unused == ["hidden_activation.PRelu.alpha"]


def test_two_layers_of_one_net_into_another():
    source = nn.ModuleDict({"encoder": net(), "head": nn.Linear(1, 1)})
    path = d2lrec.save_file(source, "big")
    twin = net()
    before = twin["layers"][1].weight.detach().clone()
    d2lrec.load_file(
        twin,
        path,
        only=[r"^hidden\.", r"^output\."],
        rename={r"^encoder\.": ""},
    )
    for name in ("hidden", "output"):
        assert torch.equal(twin[name].weight, source["encoder"][name].weight)
    assert torch.equal(twin["layers"][1].weight, before)


RENAMES = [
    ({r"^hidden": "output"}, "hidden.weight", "output.weight"),
    # in order, each on what the one before made
    ({"^a": "b", "^b": "c"}, "a.weight", "c.weight"),
    ({"^b": "c", "^a": "b"}, "a.weight", "b.weight"),
    ({r"^blocks\.(\d+)": r"layers.\1"}, "blocks.2.bias", "layers.2.bias"),
    ({r"(\w+)_(\w+)": r"\2.\1"}, "weight_fc", "fc.weight"),
    ({re.compile("FC", re.IGNORECASE): "x"}, "fc.weight", "x.weight"),
    ({"weight": "weight"}, "a.weight", "a.weight"),
    ({"nothing": "else"}, "a.weight", "a.weight"),
    (str.upper, "a.weight", "A.WEIGHT"),
    (lambda path: path.removeprefix("model."), "model.a.b", "a.b"),
    ({r"\.": "_"}, "a.b.c", "a_b_c"),
]


@pytest.mark.parametrize(("rename", "old", "new"), RENAMES, ids=label)
def test_rename(rename, old, new):
    tree = torch.ones(1)
    for key in reversed(old.split(".")):
        tree = {key: tree}
    plan = d2lrec.plan_load(nn.ReLU(), tree, rename=rename)
    assert plan.unused == [new]


def test_list_indices_are_names_like_others():
    first, last = net(), net()

    def turned(path):
        return re.sub(r"layers\.(\d)", lambda m: f"layers.{2 - int(m[1])}", path)

    d2lrec.load_record(last, d2lrec.into_record(first), rename=turned)
    for i in range(3):
        assert torch.equal(last["layers"][i].weight, first["layers"][2 - i].weight)
    one = nn.ModuleDict({"layer": nn.Linear(3, 3)})
    d2lrec.load_record(
        one,
        d2lrec.into_record(first),
        only="layer",
        rename={r"layers\.1": "layer", r"^layers\.": "others."},
        strict=False,
    )
    assert torch.equal(one["layer"].weight, first["layers"][1].weight)


def test_two_paths_that_become_one():
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.load_record(net(), record(), rename={r"layers\.\d": "layers.0"})
    assert str(caught.value) == (
        "rename= makes two paths one:\n"
        "  layers.0.weight and layers.1.weight would both become layers.0.weight"
    )


def test_a_leaf_that_another_would_be_below_of():
    tree = {"a": torch.ones(1), "b": torch.ones(1)}
    with pytest.raises(d2lrec.RecordMismatch) as caught:
        d2lrec.plan_load(net(), tree, rename={"^b": "a.b"})
    assert str(caught.value) == (
        "rename= makes a struct of a tensor:\n  a and a.b, which would be below it"
    )


@pytest.mark.parametrize("order", [1, -1])
def test_a_layer_may_move_to_where_a_constant_was(order):
    old = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 3))
    tree = dict(list(enumerate(d2lrec.into_record(old)))[::order])
    new = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3))
    d2lrec.load_record(new, tree, rename={"^2": "1"})
    assert torch.equal(new[1].weight, old[2].weight)


def test_only_and_a_module_without_parameters():
    for make in (nn.ReLU, nn.ModuleDict):
        plan = d2lrec.plan_load(make(), None, only=lambda path: re.search(".*", path))
        assert plan.differences() == []


def test_what_is_below_a_place_that_is_not_chosen():
    tree = {"weight": {"x": torch.ones(1)}, "bias": torch.ones(3)}
    plan = d2lrec.plan_load(nn.Linear(2, 3), tree, only=["bias", r"weight\.x"])
    assert plan.unused == ["weight.x"]
    assert plan.loaded == ["bias"]


def test_what_is_unused_stands_in_the_order_of_the_record():
    names = [f"x{i}" for i in range(20)]
    tree = {**dict.fromkeys(names, torch.ones(1)), **record()}
    tree["layers"] = {"0": tree["layers"][0], "9": [torch.ones(1), {"w": tree["x0"]}]}
    plan = d2lrec.plan_load(net(), tree)
    assert plan.unused == ["layers.9.0", "layers.9.1.w", *names]
    assert plan.missing == [f"layers.{i}.{n}" for i in "12" for n in ("weight", "bias")]


def test_where_one_side_has_a_leaf_and_the_other_a_struct():
    tree = record()
    tree["hidden"], tree["output"]["bias"] = torch.ones(2), {"deep": torch.ones(1)}
    plan = d2lrec.plan_load(net(), tree)
    assert plan.unused == ["hidden", "output.bias.deep"]
    assert plan.missing == ["hidden.weight", "hidden.bias", "output.bias"]
    assert d2lrec.plan_load(net(), torch.ones(1)).unused == ["the record"]


def test_a_report_of_all():
    tree = record()
    tree["output"] = {"weight": torch.ones(3, 2), "scale": torch.ones(1), "n": 3}
    plan = d2lrec.plan_load(net(), tree, only="hidden|output", rename={"hidden": "hid"})
    assert plan.loaded == []
    assert plan.missing == ["hidden.weight", "hidden.bias", "output.bias"]
    assert plan.unused == ["output.scale"]
    assert plan.mismatched == [
        "output.weight: shape [3, 2] in the record, [3, 1] in the module"
    ]
    assert repr(plan) == (
        "0 parameters would be loaded\n"
        "  output.weight: shape [3, 2] in the record, [3, 1] in the module\n"
        "  hidden.weight: missing in the record\n"
        "  hidden.bias: missing in the record\n"
        "  output.bias: missing in the record\n"
        "  output.scale: the module has no such place"
    )


@pytest.mark.parametrize(
    ("only", "text"),
    [
        ("(", "'(' is no regular expression: missing )"),
        (["ok", "["], "'[' is no regular expression: unterminated character set"),
        ([5], "5 is no regular expression"),
        (b"hidden", "is no regular expression"),
        ([b"hidden"], "b'hidden' is no regular expression"),
        (5, "only=5: a regular expression, several, or a function expected"),
    ],
    ids=label,
)
def test_only_that_is_none(only, text):
    for call in (d2lrec.plan_load, d2lrec.load_record):
        with pytest.raises(d2lrec.RecorderError) as caught:
            call(net(), record(), only=only)
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("rename", "text"),
    [
        ({"(": "a"}, "'(' is no regular expression: missing )"),
        ({"hidden": r"\1"}, r"the replacement '\\1' for 'hidden' is none: invalid"),
        ({"hidden": r"\g<x>"}, "is none: "),
        ({"hidden": 5}, "the replacement 5 for 'hidden' is none"),
        ({5: "hidden"}, "5 is no regular expression"),
        ([("a", "b")], "rename=[('a', 'b')]: a mapping or a function expected"),
        ("a", "rename='a': a mapping or a function expected"),
        (lambda path: None, "rename= makes None of hidden.weight: a path expected"),
    ],
    ids=label,
)
def test_rename_that_is_none(rename, text):
    for call in (d2lrec.plan_load, d2lrec.load_record):
        with pytest.raises(d2lrec.RecorderError) as caught:
            call(net(), record(), rename=rename)
        assert text in str(caught.value)


def test_what_a_function_raises_comes_out():
    """It is the caller's own."""

    def fails(path):
        raise KeyError(path)

    with pytest.raises(KeyError):
        d2lrec.plan_load(net(), record(), only=fails)
    with pytest.raises(KeyError):
        d2lrec.plan_load(net(), record(), rename=fails)
