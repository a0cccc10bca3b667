"""What Burn has in a layer, field by field, and where PyTorch keeps it.

A way from one layout to the other is a view of the same memory, so one table serves
recording, which reads through the view, and loading, which writes through it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

View = Callable[[Tensor], Tensor]


def as_it_is(tensor: Tensor) -> Tensor:
    """View a tensor that Burn has in PyTorch's layout."""
    return tensor


def one_number(tensor: Tensor) -> Tensor:
    """View a tensor without dimensions: Burn's have at least one."""
    return tensor.detach().view(1)


@dataclass(frozen=True)
class Weight:
    """A parameter of Burn's.

    Attributes:
        attribute: PyTorch's name of the parameter or buffer that holds it.
        view: From PyTorch's memory to Burn's layout.
        optional: Whether it may be None (Burn's `Option`).
        part: Which of PyTorch's equal parts it is, where PyTorch stacks several.
    """

    attribute: str
    view: View = as_it_is
    optional: bool = False
    part: int = 0


@dataclass(frozen=True)
class Child:
    """A layer within the layer: PyTorch's name of it."""

    attribute: str


@dataclass(frozen=True)
class Unstored:
    """A plain tensor in an `Option`: a record tells only whether there is one.

    Attributes:
        attribute: PyTorch's name of the buffer.
    """

    attribute: str


@dataclass(frozen=True)
class Activation:
    """A recurrent layer's activation: the variant of Burn's enum of that name."""

    name: str


# Burn's name -> what it is. None is a constant, whose value a record leaves out.
Row = Mapping[str, "Weight | Child | Activation | Unstored | Row | None"]


def constants(names: str) -> Row:
    """Return fields of which a record keeps only the names."""
    return dict.fromkeys(names.split())


def transposed(weight: Tensor) -> Tensor:
    """View a Linear's weight: `[out, in]` in PyTorch, `[in, out]` in Burn."""
    return weight.detach().t()


def weight_part(attribute: str, index: int, parts: int) -> Weight:
    """Return a Linear's weight that PyTorch stacks with others of its size.

    Args:
        attribute: PyTorch's name of the stack.
        index: Which of the parts it is.
        parts: How many there are.
    """

    def view(tensor: Tensor) -> Tensor:
        """View the part, transposed."""
        return transposed(tensor.chunk(parts)[index])

    return Weight(attribute, view, part=index)


def bias_part(attribute: str, index: int, parts: int) -> Weight:
    """Return a Linear's bias that PyTorch stacks with others of its size.

    Args:
        attribute: PyTorch's name of the stack.
        index: Which of the parts it is.
        parts: How many there are.
    """

    def view(tensor: Tensor) -> Tensor:
        """View the part."""
        return tensor.detach().chunk(parts)[index]

    return Weight(attribute, view, optional=True, part=index)
