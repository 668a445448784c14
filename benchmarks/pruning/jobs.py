"""What is run: networks, shares removed, choices, repairs, seeds."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

REPAIRS = ("least_squares", "recalibrate", "none")

REMOVED = (50, 75, 30, 60)

CHOICES = (
    "L1",
    "Taylor",
    "CCP",
    "CCP, allocated",
    "L1, allocated",
    "refit, allocated",
    "joint",
    "TP magnitude, uniform",
    "TP magnitude, global",
    "TP Taylor, uniform",
    "TP Taylor, global",
    "TP Hessian, uniform",
    "TP Hessian, global",
)

HEADLINE = "joint"
"""The choice of ccsolve that is held against all others."""


@dataclass(frozen=True)
class Job:
    """One smaller network: `removed` per cent of the MACs go, then a repair."""

    network: str
    removed: int
    choice: str
    repair: str
    seed: int


def jobs(
    networks: Sequence[str],
    removed: Sequence[int],
    choices: Sequence[str],
    repairs: Sequence[str],
    seeds: int,
) -> Iterator[Job]:
    """Give the jobs seed by seed, so that a run cut short has whole tables.

    Only what is compared in pairs, networks fitted by least squares, runs with every
    seed.
    """
    yield from (Job(network, 0, "dense", "none", 0) for network in networks)
    for seed, network in itertools.product(range(seeds), networks):
        for share, repair, choice in itertools.product(removed, repairs, choices):
            if seed == 0 or repair == "least_squares":
                yield Job(network, share, choice, repair, seed)
