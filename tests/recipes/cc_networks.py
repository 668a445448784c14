"""Statistics of small networks whose layers share channels in all ways."""

import numpy as np

from ccsolve.statistics import Group, Layer, Operation, Statistics, Term


def mixed(seed: int = 0) -> Statistics:
    """Three groups; a fork, a concatenation with fixed channels, a grouped convolution.

    "first" and "last" are left out by default. "left" and "right" read group a,
    "right" also group b beside two channels of neither; "grouped" reads b in two
    blocks; "wide" has more filters than columns, and reads nothing that can go.
    """
    rng = np.random.default_rng(seed)
    both = np.array([0, 1, 2, 3, -1, -1, -1, -1, -1])
    other = np.array([-1, -1, -1, -1, 0, 1, 2, -1, -1])
    layers = [
        _layer(rng, "first", (4, 3, 3, 3), {}, "a", 4),
        _layer(rng, "left", (3, 4, 3, 3), {"a": np.arange(4)}, "b", 3),
        _layer(rng, "right", (5, 9, 1, 1), {"a": both, "b": other}, None, 0),
        _layer(rng, "grouped", (6, 3, 2, 2), {"c": np.arange(6)}, None, 0),
        _layer(rng, "wide", (6, 2), {}, "c", 6),
        _layer(rng, "last", (4, 5), {}, None, 0),
    ]
    sizes = {"a": 4, "b": 3, "c": 6}
    return Statistics(
        {name: Group(name, size) for name, size in sizes.items()},
        {layer.name: layer for layer in layers},
        tuple(_operation(layer) for layer in layers),
        fingerprint=f"mixed {seed}",
    )


def _layer(
    rng: np.random.Generator,
    name: str,
    shape: tuple[int, ...],
    inputs: dict[str, np.ndarray],
    output: str | None,
    size: int,
) -> Layer:
    return Layer(
        name,
        "conv" if len(shape) > 2 else "linear",
        rng.standard_normal(shape),
        gradient=rng.standard_normal(shape),
        inputs=inputs,
        outputs={} if output is None else {output: np.arange(size)},
    )


def _operation(layer: Layer) -> Operation:
    """Give the cost of a layer at five positions."""
    n, c = layer.weight.shape[:2]
    kernel = layer.weight[0, 0].size
    made = tuple(layer.outputs)
    if layer.name == "grouped":
        # Blocks of three: a product of widths does not say what is left of them.
        return Operation(
            layer.name,
            "conv",
            ("c",),
            None,
            (Term(("c",), 5 * 3 * kernel, 3 * kernel),),
        )
    terms, held = [], 0
    for name, classes in layer.inputs.items():
        held += int((classes >= 0).sum())
        terms.append(
            Term(
                (name, *made),
                5 * kernel * (1 if made else n),
                kernel * (1 if made else n),
            )
        )
    if c > held:
        fixed = (c - held) * kernel * (1 if made else n)
        terms.append(Term(made, 5 * fixed, fixed))
    return Operation(
        layer.name,
        layer.kind,
        tuple(layer.inputs),
        made[0] if made else None,
        tuple(terms),
    )
