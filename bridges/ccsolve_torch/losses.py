"""Losses: their value per sample, and factors of their curvature in the outputs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ccsolve.errors import InvalidProblem, Unsupported

PerSample = Callable[[Tensor, Tensor], Tensor]

EXACT_OUTPUTS = 16
"""Up to this many outputs one backward pass per output is cheap enough."""

SKETCHES = 4
"""Sketch vectors per sample beyond that (measured: cosine 0.99 to the exact matrix)."""


@dataclass(frozen=True)
class Loss:
    """A loss: `values` (outputs, targets) -> (N,), and `factor` -> (N, K, R).

    The factor L of a sample has L Lᵀ = the Hessian of the loss in its K outputs.
    """

    name: str
    values: PerSample
    factor: PerSample


def as_loss(loss: str | PerSample) -> Loss:
    """Give the loss of that name, or wrap a callable (outputs, targets) -> (N,)."""
    if isinstance(loss, str):
        if loss not in _NAMED:
            raise InvalidProblem(
                f"loss {loss!r}; expected {' or '.join(_NAMED)}, or a callable "
                f"(outputs, targets) -> one loss per sample"
            )
        return _NAMED[loss]
    if not callable(loss):
        raise InvalidProblem(f"loss of type {type(loss).__name__}; expected a callable")
    name = getattr(loss, "__name__", type(loss).__name__)
    return Loss(name, _checked(loss, name), _differentiated(loss, name))


def directions(
    factor: Tensor, sketches: int | None, generator: torch.Generator
) -> Iterator[Tensor]:
    """Give (N, K) vectors v with mean or sum of v vᵀ = the Hessian of each sample.

    Without `sketches` the columns of the factor (N, K, R): their sum is exact. Else
    that many L e / √sketches with random signs e: unbiased, and each costs one
    backward pass for any number of outputs.
    """
    if sketches is None:
        yield from factor.unbind(dim=2)
        return
    for _ in range(sketches):
        signs = torch.randint(0, 2, factor.shape[::2], generator=generator) * 2 - 1
        yield torch.einsum("nkr,nr->nk", factor, signs.to(factor)) / sketches**0.5


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise InvalidProblem(
            f"cross_entropy: outputs {tuple(outputs.shape)}, targets "
            f"{tuple(targets.shape)}; expected (N, classes) and (N,); give a callable "
            f"(outputs, targets) -> (N,) for anything else"
        )
    classes = targets.long()
    last = outputs.shape[1] - 1
    outside = bool(((classes < 0) | (classes > last)).any())
    if targets.is_floating_point() or outside:
        raise InvalidProblem(
            f"cross_entropy: targets of {targets.dtype}, {float(targets.min()):g} to "
            f"{float(targets.max()):g}; expected class numbers 0 to {last}"
        )
    return functional.cross_entropy(outputs, classes, reduction="none")


def _softmax_factor(outputs: Tensor, targets: Tensor) -> Tensor:
    """Give L = diag(√p) - p √pᵀ: L Lᵀ = diag(p) - p pᵀ, because Σp = 1."""
    p = outputs.softmax(dim=1)
    root = p.sqrt()
    return torch.diag_embed(root) - p[:, :, None] * root[:, None, :]


def _least_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    if targets.shape != outputs.shape:
        raise InvalidProblem(
            f"least_squares: outputs {tuple(outputs.shape)}, targets "
            f"{tuple(targets.shape)}; expected equal shapes"
        )
    return 0.5 * (outputs - targets).flatten(1).square().sum(dim=1)


def _identity_factor(outputs: Tensor, targets: Tensor) -> Tensor:
    count = outputs.flatten(1).shape[1]
    return torch.eye(count).to(outputs).expand(len(outputs), count, count)


_NAMED = {
    "cross_entropy": Loss("cross_entropy", _cross_entropy, _softmax_factor),
    "least_squares": Loss("least_squares", _least_squares, _identity_factor),
}


def _checked(loss: PerSample, name: str) -> PerSample:
    def values(outputs: Tensor, targets: Tensor) -> Tensor:
        given: Any = loss(outputs, targets)
        if not isinstance(given, Tensor) or given.shape != outputs.shape[:1]:
            found = tuple(given.shape) if isinstance(given, Tensor) else given
            raise InvalidProblem(
                f"loss {name}: gave {found!r:.60}; expected one value per sample, "
                f"shape ({len(outputs)},)"
            )
        return given

    return values


def _differentiated(loss: PerSample, name: str) -> PerSample:
    """Give the factor of a callable's Hessian, from torch.func, by eigenvectors."""

    def one(output: Tensor, target: Tensor) -> Tensor:
        return loss(output[None], target[None])[0]

    def factor(outputs: Tensor, targets: Tensor) -> Tensor:
        try:
            # Twice in reverse: forward mode lacks rules for some losses.
            second = torch.func.jacrev(torch.func.jacrev(one))
            hessian = torch.func.vmap(second)(outputs, targets)
        except Exception as error:  # whatever the user's loss raises under torch.func
            raise Unsupported(
                f"loss {name}: torch.func cannot differentiate it twice ({error}); "
                f"collect with curvature='fisher'"
            ) from error
        count = outputs.flatten(1).shape[1]
        values, vectors = torch.linalg.eigh(hessian.reshape(-1, count, count))
        if bool(values.amin() < -1e-5 * values.abs().amax()):
            raise Unsupported(
                f"loss {name}: not convex in the outputs, so it has no Gauss-Newton "
                f"matrix; collect with curvature='fisher'"
            )
        return vectors * values.clamp(min=0).sqrt()[:, None, :]

    return factor
