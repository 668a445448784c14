"""Seeded families, by names that say all there is to know of a member.

    kcluster-80-25-20-s3    densest 20-subgraph of G(80, 25 %), seed 3
    mdg-2000-200-s0         maximum diversity, distances 0..10, n = 2000, 200 chosen
    gkd-500-50-s0           maximum diversity of Euclidean points
    ccpz-512-s0             ‖Jz‖² with Gaussian square J, half kept: cancellation

The generators are those of `ccsolve.problems.generate`.
"""

import re
from collections.abc import Callable

import ccsolve
from benchmarks.selection.instances.instance import Instance
from ccsolve.problems import generate

_FAMILIES: dict[
    str, tuple[str, str, Callable[[list[int]], ccsolve.ChannelSelection]]
] = {
    "kcluster": (
        "k-cluster n={0} d={1}%",
        "n-density-keep",
        lambda a: generate.k_cluster(a[0], a[1] / 100, a[2], a[3]),
    ),
    "mdg": ("mdg n={0}", "n-keep", lambda a: generate.diversity(a[0], a[1], a[2])),
    "gkd": (
        "gkd n={0}",
        "n-keep",
        lambda a: generate.euclidean_diversity(a[0], a[1], a[2]),
    ),
    "ccpz": ("ccpz n={0}", "n", lambda a: generate.cancelling(a[0], seed=a[1])),
}
"""Family -> how it is reported, its numbers, and its generator; the seed is last."""


def generated(name: str) -> Instance | None:
    """Give the member of that name; None where it names none."""
    family, *rest = name.split("-")
    if family not in _FAMILIES:
        return None
    reported, numbers, make = _FAMILIES[family]
    shape = r"\d+-" * len(numbers.split("-")) + r"s\d+"
    if not re.fullmatch(shape, "-".join(rest)):
        return None
    arguments = [int(text.lstrip("s")) for text in rest]
    problem = make(arguments)
    return Instance(
        name=name,
        family=reported.format(*arguments),
        S=problem.dense(),
        c=problem.q,
        problem=problem,
        count=problem.keep,
    )
