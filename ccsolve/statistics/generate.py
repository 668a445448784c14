"""Statistics of networks that do not exist, from a seed: for tests and experiments."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ccsolve.statistics.cost import Operation, Term
from ccsolve.statistics.group import Group
from ccsolve.statistics.layer import Layer
from ccsolve.statistics.network import Statistics
from ccsolve.statistics.shrinkage import block_noise

_CLASSES = 10
_POSITIONS = 64
_FLAT = 4


def random_chain(
    widths: Sequence[int] = (6, 8, 5), seed: int = 0, *, samples: int = 20
) -> Statistics:
    """Give all parts of a chain of 3x3 convolutions and a linear classifier.

    Convolutions on 8 x 8 positions with batch norm, from 3 input channels through
    groups ``conv1``, ``conv2``, ... of the given widths; then 2 x 2 positions per
    channel, flattened, into 10 classes. Every number is drawn, none is measured;
    curvature and moments are positive semidefinite, as they would be.
    """
    rng = np.random.default_rng(seed)
    names = [f"conv{place}" for place in range(1, len(widths) + 1)]
    groups = {
        name: _group(name, size, samples, rng)
        for name, size in zip(names, widths, strict=True)
    }
    inner = zip([None, *names[:-1]], names, strict=True)
    layers = [_convolution(before, name, groups, rng) for before, name in inner]
    layers.append(_classifier(groups[names[-1]], rng))
    return Statistics(
        groups=groups,
        layers={layer.name: layer for layer in layers},
        operations=(
            *(_convolution_cost(layer) for layer in layers[:-1]),
            _classifier_cost(names[-1]),
        ),
        samples=samples,
        loss="cross_entropy",
        fingerprint=f"random_chain {tuple(widths)} seed {seed}",
        meta={"seed": seed},
    )


def _group(name: str, size: int, samples: int, rng: np.random.Generator) -> Group:
    rows = rng.standard_normal((samples, size), dtype=np.float32)
    # Channels that stand in for each other: what makes the choice a program.
    rows[:, 1:] += 0.7 * rows[:, :-1]
    gates = rng.standard_normal((samples, size), dtype=np.float32)
    ggn, fisher = (part / np.float32(samples**0.5) for part in (rows, gates))
    return Group(
        name=name,
        size=size,
        ggn_rows=ggn,
        fisher_rows=fisher,
        ggn_noise=block_noise(ggn),
        fisher_noise=block_noise(fisher),
        gradient=gates.mean(axis=0),
        activation={
            "mean": rng.random(size, dtype=np.float32),
            "mean_abs": rng.random(size, dtype=np.float32),
            "mean_square": rng.random(size, dtype=np.float32),
            "zero_fraction": rng.random(size, dtype=np.float32),
        },
        scores={"ablation": rng.random(size, dtype=np.float32)},
    )


def _convolution(
    before: str | None, name: str, groups: dict[str, Group], rng: np.random.Generator
) -> Layer:
    n_in, n_out = 3 if before is None else groups[before].size, groups[name].size
    weight = rng.standard_normal((n_out, n_in, 3, 3), dtype=np.float32)
    moments: dict[str, Any] = _moments(weight.reshape(n_out, -1), rng)
    gradient = 0.1 * rng.standard_normal(weight.shape, dtype=np.float32)
    return Layer(
        name=name,
        kind="conv",
        weight=weight,
        gradient=gradient,
        output_gradient=gradient.mean(axis=(1, 2, 3)),
        inputs={} if before is None else {before: np.arange(n_in)},
        outputs={name: np.arange(n_out)},
        **moments,
    )


def _classifier(last: Group, rng: np.random.Generator) -> Layer:
    weight = rng.standard_normal((_CLASSES, _FLAT * last.size), dtype=np.float32)
    moments: dict[str, Any] = _moments(weight, rng)
    return Layer(
        name="classifier",
        kind="linear",
        weight=weight,
        bias=rng.standard_normal(_CLASSES, dtype=np.float32),
        inputs={last.name: np.repeat(np.arange(last.size), _FLAT)},
        **moments,
    )


def _moments(weight: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Give the moments of drawn inputs x and of y = W x."""
    n_out, d = weight.shape
    x = rng.standard_normal((2 * d, d), dtype=np.float32)
    y = x @ weight.T
    curvature = rng.standard_normal((2 * n_out, n_out), dtype=np.float32)
    return {
        "input_mean": x.mean(axis=0),
        "output_mean": y.mean(axis=0),
        "input_moment": x.T @ x / len(x),
        "cross_moment": x.T @ y / len(x),
        "output_curvature": curvature.T @ curvature / len(curvature),
    }


def _convolution_cost(layer: Layer) -> Operation:
    """Give the cost of a 3x3 convolution and its batch norm."""
    before, n_in = tuple(layer.inputs), layer.weight.shape[1]
    filters = 9 if before else 9 * n_in
    product = Term((*before, layer.name), _POSITIONS * filters, filters)
    norm = Term((layer.name,), 0, 2)
    return Operation(layer.name, "conv", before, layer.name, (product, norm))


def _classifier_cost(last: str) -> Operation:
    product = Term((last,), _FLAT * _CLASSES, _FLAT * _CLASSES)
    return Operation(
        "classifier", "linear", (last,), None, (product, Term((), 0, _CLASSES))
    )
