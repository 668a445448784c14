"""Losses: values per sample, and square roots of their curvature in the outputs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._pytree import tree_map

from ccsolve.errors import InvalidProblem, Unsupported

PerSample = Callable[[Tensor, Tensor], Tensor]

EXACT_OUTPUTS = 16
"""Up to this many outputs one backward pass per output is cheap enough."""

SKETCHES = 4
"""Sketch vectors per sample beyond that (measured: cosine 0.99 to the exact matrix)."""

IGNORED = -100
"""The target of positions that count nothing, as in torch."""

LARGEST_HESSIAN = 1024
"""Most outputs per sample of which a user's loss is differentiated twice: n² numbers
per sample."""


@dataclass(frozen=True)
class Root:
    """A square root of every sample's Hessian of the loss in its outputs, L Lᵀ.

    `times` takes vectors e (N, *shape) and gives L e in the shape of the outputs; L
    itself need not be formed.
    """

    shape: tuple[int, ...]
    times: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """A loss: `values` (outputs, targets) -> (N,), and the `root` of its Hessian.

    `own` is the callable behind it where a user gave one.
    """

    name: str
    values: PerSample
    root: Callable[[Tensor, Tensor], Root]
    own: PerSample | None = None


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
    return Loss(name, _checked(loss, name), _differentiated(loss, name), loss)


def direction_count(outputs: Tensor, sketches: int | None) -> tuple[int, bool]:
    """Give the number of directions per sample, and whether they are exact."""
    each = outputs[0].numel()
    if sketches is None and each <= EXACT_OUTPUTS:
        return each, True
    return (SKETCHES if sketches is None else sketches), False


def directions(
    root: Root, like: Tensor, count: int, exact: bool, generator: torch.Generator
) -> Iterator[Tensor]:
    """Give vectors v in the shape of the outputs, Σ v vᵀ = the Hessian of each sample.

    Exact: the columns of the root, `count` of them. Else L e / √count with random
    signs e: the sum is right in the mean, and each costs one backward pass for any
    number of outputs.
    """
    shape = (len(like), *root.shape)
    for number in range(count):
        if exact:
            e = torch.zeros(shape, dtype=like.dtype, device=like.device)
            e.view(len(like), -1)[:, number] = 1
            yield root.times(e)
        else:
            signs = torch.randint(
                0, 2, shape, generator=generator, device=like.device, dtype=torch.int8
            )
            yield root.times((2 * signs - 1).to(like)) / count**0.5


# --- cross-entropy ---------------------------------------------------------------


def _cross_entropies(outputs: Tensor, targets: Tensor) -> Tensor:
    """Give every sample's mean over the positions that count, 0 where none does."""
    logits, classes = _by_position(outputs, targets)
    values = functional.cross_entropy(
        logits, classes, reduction="none", ignore_index=IGNORED
    )
    return (values * _shares(classes).to(values)).sum(dim=1)


def _softmax_root(outputs: Tensor, targets: Tensor) -> Root:
    """Give, at every position, L = diag(√p) - p √pᵀ: L Lᵀ = diag(p) - p pᵀ, as Σp = 1.

    Positions do not mix, so nothing larger than the outputs is made.
    """
    logits, classes = _by_position(outputs, targets)
    p = logits.softmax(dim=1)
    root, weight = p.sqrt(), _shares(classes).sqrt()[:, None].to(p)

    def times(signs: Tensor) -> Tensor:
        scaled = root * signs
        found = weight * (scaled - p * scaled.sum(dim=1, keepdim=True))
        axis = _class_axis(outputs, targets)
        moved = outputs.movedim(axis, 1).shape
        return found.reshape(moved).movedim(1, axis)

    return Root(tuple(p.shape[1:]), times)


def _by_position(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Give (N, K, positions) logits and (N, positions) checked classes."""
    axis = _class_axis(outputs, targets)
    classes, last = targets.long(), outputs.shape[axis] - 1
    outside = ((classes < 0) | (classes > last)) & (classes != IGNORED)
    if targets.is_floating_point() or bool(outside.any()):
        raise InvalidProblem(
            f"cross_entropy: targets of {targets.dtype}, {float(targets.min()):g} to "
            f"{float(targets.max()):g}; expected class numbers 0 to {last}, or "
            f"{IGNORED} where nothing counts"
        )
    count = len(outputs)
    logits = outputs.movedim(axis, 1)
    return logits.reshape(count, last + 1, -1), classes.reshape(count, -1)


def _class_axis(outputs: Tensor, targets: Tensor) -> int:
    """Give the axis of the classes: behind the samples, or the last one."""
    shape, wanted = tuple(outputs.shape), tuple(targets.shape)
    fitting = {
        axis
        for axis in (1, len(shape) - 1)
        if 0 < axis < len(shape) and shape[:axis] + shape[axis + 1 :] == wanted
    }
    if len(fitting) != 1:
        raise InvalidProblem(
            f"cross_entropy: outputs {shape}, targets {wanted}; "
            + (
                "the classes may stand on axis 1 or on the last; give a callable"
                if fitting
                else "expected (N, classes, ...) or (N, ..., classes) and (N, ...); "
                "give a callable"
            )
            + " (outputs, targets) -> (N,)"
        )
    return fitting.pop()


def _shares(classes: Tensor) -> Tensor:
    """Give (N, positions): what each counts in its sample's mean."""
    counted = classes != IGNORED
    return counted / counted.sum(dim=1, keepdim=True).clamp(min=1)


# --- least squares ---------------------------------------------------------------


def _half_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    squares = (outputs - _wanted(outputs, targets)).square()
    return 0.5 * squares.reshape(len(outputs), -1).sum(dim=1)


def _wanted(outputs: Tensor, targets: Tensor) -> Tensor:
    """Give targets in the shape of the outputs; class numbers as ones among zeros."""
    if targets.shape == outputs.shape:
        return targets
    whole = not targets.is_floating_point() and not targets.is_complex()
    if not whole or outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise InvalidProblem(
            f"least_squares: outputs {tuple(outputs.shape)}, targets {targets.dtype} "
            f"{tuple(targets.shape)}; expected equal shapes, or class numbers (N,) for "
            f"outputs (N, K)"
        )
    classes, last = targets.long(), outputs.shape[1] - 1
    if bool(((classes < 0) | (classes > last)).any()):
        raise InvalidProblem(
            f"least_squares: class numbers {int(classes.min())} to "
            f"{int(classes.max())}; expected 0 to {last}"
        )
    return functional.one_hot(classes, last + 1).to(outputs)


def _identity_root(outputs: Tensor, targets: Tensor) -> Root:
    return Root(tuple(outputs.shape[1:]), lambda signs: signs)


_NAMED = {
    "cross_entropy": Loss("cross_entropy", _cross_entropies, _softmax_root),
    "least_squares": Loss("least_squares", _half_squares, _identity_root),
}


# --- the user's own --------------------------------------------------------------


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


def _differentiated(loss: PerSample, name: str) -> Callable[[Tensor, Tensor], Root]:
    """Give the root of a callable's Hessian, from torch.func, by eigenvectors."""

    def one(output: Tensor, target: Any) -> Tensor:
        return loss(output[None], tree_map(lambda part: part[None], target))[0]

    def root(outputs: Tensor, targets: Any) -> Root:
        count = prod(outputs.shape[1:])
        if count > LARGEST_HESSIAN:
            raise Unsupported(
                f"loss {name}: {count} outputs per sample, of a callable at most "
                f"{LARGEST_HESSIAN}; name the loss if it is a known one, or collect "
                f"with curvature='fisher'"
            )
        factor = _factor(_hessian(one, outputs, targets, name), name)

        def times(signs: Tensor) -> Tensor:
            return torch.einsum("nkr,nr->nk", factor, signs).reshape(outputs.shape)

        return Root((count,), times)

    return root


def _hessian(one: PerSample, outputs: Tensor, targets: Any, name: str) -> Tensor:
    """Give (N, K, K): twice in reverse, as forward mode lacks rules for some losses."""
    second = torch.func.jacrev(torch.func.jacrev(one))
    try:
        hessian = torch.func.vmap(second, chunk_size=_chunk(outputs))(outputs, targets)
    except Exception as error:  # whatever the user's loss raises under torch.func
        raise Unsupported(
            f"loss {name}: torch.func cannot differentiate it twice ({error}); "
            f"collect with curvature='fisher'"
        ) from error
    count = prod(outputs.shape[1:])
    return hessian.reshape(-1, count, count)


def _factor(hessian: Tensor, name: str) -> Tensor:
    values, vectors = torch.linalg.eigh(hessian)
    if bool(values.amin() < -1e-5 * values.abs().amax()):
        raise Unsupported(
            f"loss {name}: not convex in the outputs, so it has no Gauss-Newton "
            f"matrix; collect with curvature='fisher'"
        )
    return vectors * values.clamp(min=0).sqrt()[:, None, :]


def _chunk(outputs: Tensor) -> int:
    """Give how many samples' second derivatives are taken at a time."""
    return max(1, 16_000_000 // max(1, prod(outputs.shape[1:])) ** 2)
