"""What is run: networks, points, methods, stages, seeds."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ccsolve.recipes.ranked import PAPERS

STAGES = ("none", "short", "full")

BEST = ("joint", "l1, allocated", "refit, allocated")
"""The methods that are held against the targets, with more calibration images."""

COSTLY = ("ablation", "class_wise", "dcp", "sfp")
"""Criteria that run or train the network: minutes for ResNet-20, not for ResNet-56."""

_PUBLISHED = tuple(f"{n}, {p.rates}" for n, p in PAPERS.items() if n not in COSTLY)
_OTHERS = tuple(
    f"{name}, {rates}"
    for rates in ("allocated", "global", "uniform")
    for name in PAPERS
    if name not in COSTLY and f"{name}, {rates}" not in (*_PUBLISHED, *BEST)
)
_RUN = tuple(f"{name}, uniform" for name in COSTLY)

AT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "target": BEST,
        "CCP": (*("ccp", *BEST, "ccp, uniform", "l1, uniform", "sfp, uniform"),),
        "CC": (
            *("cc", "L1 at cc's widths", "cc, exact", "L1 at cc, exact's widths"),
            "joint",
        ),
        "half": (
            *("cpli", "L1 at cpli's widths", "He at cpli's widths"),
            *(
                "ThiNet at cpli's widths",
                "he",
                "thinet",
                "osscar",
                "ccp",
                "ccp, uniform",
            ),
            *("svd", "svd, same part", "tucker", "tucker, same part"),
            *BEST,
            *_PUBLISHED,
            *_RUN,
            *_OTHERS,
        ),
        "DCFF": ("dcff", "l1, uniform", "dcff, allocated", *BEST),
        "CCP-AC": ("ccp-ac", "L1 at ccp-ac's widths", "ccp", *BEST),
        "TT 2.8x": ("tt", "tt, same part", "admm_tt", "tucker", "svd", "joint"),
        "TT 3.1x": ("tt", "tt, same part", "admm_tt", "tucker", "svd", "joint"),
        "LinearConv": ("linear_conv", "linear_conv, one ratio", "svd"),
    }
)
"""By point, in the order in which they run: what stands there, beside its baseline."""

SHORT = (
    *(("half", name) for name in BEST),
    *(("CCP", name) for name in ("ccp", *BEST)),
    *(("CC", name) for name in ("cc", "L1 at cc's widths")),
    *(("half", name) for name in ("cpli", "L1 at cpli's widths", "thinet", "svd")),
    *(("CCP-AC", name) for name in ("ccp-ac", "L1 at ccp-ac's widths")),
    *(("DCFF", name) for name in ("dcff", "l1, uniform")),
    *(("TT 2.8x", name) for name in ("tt", "tt, same part", "admm_tt")),
    *(("LinearConv", name) for name in ("linear_conv", "linear_conv, one ratio")),
    *(("half", name) for name in ("he", "osscar", "tucker", *_PUBLISHED, *_RUN)),
)
"""What is trained for a few steps, or in full: criteria by their papers' rates."""


@dataclass(frozen=True)
class Job:
    """One smaller network: a method at an operating point, as far as a stage."""

    network: str
    point: str
    method: str
    stage: str
    seed: int


def jobs(
    networks: Sequence[str],
    stages: Sequence[str],
    points: Sequence[str],
    methods: Sequence[str] | None,
    seeds: int,
) -> Iterator[Job]:
    """Give the jobs, seed by seed and stage by stage.

    Methods whose score runs the network once per channel, or trains it, are jobs of
    ResNet-56 only where they are named.
    """
    for network in networks:
        yield Job(network, "-", "dense", "none", 0)
    for network, seed, stage in itertools.product(networks, range(seeds), stages):
        for point, method in _pairs(stage):
            asked = methods is None or method in methods
            costly = method in _RUN and methods is None and network != "resnet20"
            if point in points and asked and not costly:
                yield Job(network, point, method, stage, seed)


def _pairs(stage: str) -> Iterator[tuple[str, str]]:
    if stage != "none":
        yield from SHORT
        return
    for point, names in AT.items():
        for name in names:
            yield point, name
