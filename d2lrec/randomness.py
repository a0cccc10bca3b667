"""The states of random number generators, as texts that a record can hold.

Exact resumption needs them: they decide what dropout drops, how data are shuffled and
how they are augmented. A state is taken with `random_states`; `prepare` tries one on
fresh generators and returns what sets it, so that nothing is set by halves.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch

from d2lrec.errors import CorruptRecord, RecordMismatch, Unrecordable

Generator = torch.Generator | np.random.Generator | random.Random
_GLOBAL = ("python", "numpy", "torch")
_MISFITS = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError)


def random_states(generators: Sequence[Generator] = ()) -> dict[str, Any]:
    """Return the states of the global generators, and of those of one's own.

    Args:
        generators: torch's, numpy's or Python's.

    Returns:
        Texts: JSON for Python and numpy, hexadecimal bytes for torch. CUDA has one for
        each device, once it is in use.

    >>> sorted(random_states([torch.Generator()]))
    ['cuda', 'numpy', 'own', 'python', 'torch']
    """
    states: dict[str, Any] = dict(zip(_GLOBAL, map(_text, _globals()), strict=True))
    states["cuda"] = [_text(generator) for generator in _cuda()]
    states["own"] = [_text(generator) for generator in generators]
    return states


def prepare(
    states: Any, generators: Sequence[Generator] = ()
) -> tuple[Callable[[], None], bool]:
    """Check states, and return what sets them.

    Args:
        states: What `random_states` returned.
        generators: As many, of the same kinds, as it was given.

    Returns:
        A function that sets them, and whether that is all of them: where there are
        other CUDA devices than there were, theirs are left alone.

    Raises:
        RecordMismatch: Other generators than those that were recorded.
        CorruptRecord: A state is none.

    >>> states, first = random_states(), torch.rand(1)
    >>> set_all, is_all = prepare(states)
    >>> set_all()
    >>> bool(torch.rand(1) == first), is_all
    (True, True)
    """
    if len(states["own"]) != len(generators):
        what = f"{len(states['own'])} in the checkpoint, {len(generators)} in"
        what += " generators= of the Checkpointer"
        raise RecordMismatch("other generators:", [what])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.init()  # type: ignore[no-untyped-call]
    devices = _cuda() if states["cuda"] else []
    is_all = len(devices) == len(states["cuda"])
    pairs = [
        *zip(_globals(), (states[name] for name in _GLOBAL), strict=True),
        *(zip(devices, states["cuda"], strict=True) if is_all else ()),
        *zip(generators, states["own"], strict=True),
    ]
    for generator, text in pairs:
        try:
            _set(_fresh(generator), text)
        except _MISFITS as error:
            kind = getattr(generator, "__name__", type(generator).__name__)
            raise CorruptRecord(f"no state of {kind}: {error}.") from None

    def set_all() -> None:
        for generator, text in pairs:
            _set(generator, text)

    return set_all, is_all


def _globals() -> list[Any]:
    """Return what has the global states; Python's and numpy's are modules."""
    return [random, np.random, torch.default_generator]


def _cuda() -> list[torch.Generator]:
    return list(torch.cuda.default_generators)  # none before CUDA is in use


def _text(generator: Any) -> str:
    if isinstance(generator, torch.Generator):
        return generator.get_state().numpy().tobytes().hex()
    if isinstance(generator, np.random.Generator):
        state: Any = generator.bit_generator.state
    elif generator is np.random:
        state = np.random.get_state(legacy=False)
    elif isinstance(generator, random.Random | ModuleType):
        try:
            state = generator.getstate()
        except NotImplementedError:  # random.SystemRandom
            what = f"a {type(generator).__name__} has no state that could be kept."
            raise Unrecordable(what) from None
    else:
        what = f"a {type(generator).__name__} found, a generator of torch, numpy"
        raise Unrecordable(f"{what} (numpy.random.default_rng) or Python expected.")
    return json.dumps(state, default=lambda array: array.tolist())


def _set(generator: Any, text: str) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(torch.tensor(list(bytes.fromhex(text)), dtype=torch.uint8))
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = json.loads(text, object_hook=_arrays)
    elif generator is np.random or isinstance(generator, np.random.RandomState):
        generator.set_state(json.loads(text, object_hook=_arrays))
    else:
        version, numbers, gauss = json.loads(text)
        generator.setstate((version, tuple(numbers), gauss))


def _arrays(state: dict[str, Any]) -> dict[str, Any]:
    """Make arrays of the lists again, as numpy had them."""
    lists = {key: x for key, x in state.items() if isinstance(x, list)}
    return state | {key: np.array(x, dtype=np.uint64) for key, x in lists.items()}


def _fresh(generator: Any) -> Any:
    """Return another generator of the same kind, on which a state can be tried."""
    if isinstance(generator, torch.Generator):
        return torch.Generator(device=generator.device)
    if isinstance(generator, np.random.Generator):
        return np.random.Generator(type(generator.bit_generator)())
    return np.random.RandomState() if generator is np.random else random.Random()
