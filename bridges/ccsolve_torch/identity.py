"""The identity of a model: its weights for plans, its structure for bundles."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ccsolve.errors import InvalidProblem

Form = tuple[str, tuple[int, ...]]
"""What a tensor looks like: ("float32", (16, 3, 3, 3))."""


@dataclass(frozen=True)
class Structure:
    """What a model looks like, weights aside.

    `kind` is the name of its class; `tensors` gives the form of every parameter and
    buffer, buffers that are not saved among them, under each of its names.
    """

    kind: str
    tensors: Mapping[str, Form]


def fingerprint(model: nn.Module) -> str:
    """Give the SHA-256 of all names, shapes, types and values of the state, in hex.

    Batch counters are left out: they say how long the model was trained, not what
    it computes. Costs one pass over the weights.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if isinstance(tensor, Tensor) and not name.endswith("num_batches_tracked"):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype};".encode())
            digest.update(_bytes(tensor))
    return digest.hexdigest()


def structure(model: nn.Module) -> Structure:
    """Give the names, types and shapes of the model's tensors, and its class.

    InvalidProblem for a lazy module that has not seen its first input.
    """
    return Structure(
        type(model).__qualname__,
        {name: form(tensor, name) for name, tensor in tensors(model)},
    )


def tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Give every parameter and buffer under each of its names."""
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def form(tensor: Tensor, name: str) -> Form:
    """Give type and shape of the tensor."""
    if is_lazy(tensor):
        raise InvalidProblem(
            f"model: {name} has no shape yet; run the lazy model once on an input"
        )
    return str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)


def difference(expected: Structure, found: Structure) -> str:
    """Say what of `found` is first not as in `expected`; "" where all is.

    Precisions may differ: they are a matter of `model.half()`, not of its structure.
    """
    if expected.kind != found.kind:
        return f"it is a {found.kind}, expected a {expected.kind}"
    for name in dict.fromkeys((*expected.tensors, *found.tensors)):
        wanted, given = (side.tensors.get(name) for side in (expected, found))
        if not _alike(wanted, given):
            return f"its {name} is {shown(given)}, expected {shown(wanted)}"
    return ""


def shown(value: Form | None) -> str:
    """Give the form of a tensor as text."""
    return "absent" if value is None else f"{value[0]} {list(value[1])}"


def _alike(one: Form | None, other: Form | None) -> bool:
    if one is None or other is None or one == other:
        return one == other
    kinds = [getattr(torch, value[0]) for value in (one, other)]
    return one[1] == other[1] and all(kind.is_floating_point for kind in kinds)


def _bytes(tensor: Tensor) -> bytes:
    """Give the raw values; as bytes, because numpy lacks types such as bfloat16."""
    plain = tensor.detach().cpu().contiguous().reshape(-1)
    return plain.view(torch.uint8).numpy().tobytes()
