"""What is run: instances, competitors, seeds, seconds."""

from collections.abc import Iterator
from dataclasses import dataclass

SEEDS = 16


@dataclass(frozen=True)
class Suite:
    """Competitors on one size of instances; the first is ours, held to the second."""

    name: str
    instance: str
    competitors: tuple[str, ...]
    seeds: int = SEEDS
    seconds: float = 60.0

    def instances(self, seeds: int | None = None) -> Iterator[str]:
        """Give the names of the instances."""
        for seed in range(min(self.seeds, seeds or self.seeds)):
            yield f"{self.instance}-s{seed}"


PEERS = ("HiGHS 1e-4", "CP-SAT 1e-4", "SCIP 1e-4")
BASELINES = ("ccsolve greedy", "ccsolve buckets (SPDY)", "ccsolve precedence (HALP)")

SMOOTH = ("ccsolve bisection", "published loop", "cvxpy, Clarabel")
EXACT = ("ccsolve exact", "HiGHS 1e-4")
CLOSE = ("ccsolve 1e-4", "HiGHS 1e-4")

SUITES: tuple[Suite, ...] = (
    Suite("smooth", "smooth-53x1-B1", SMOOTH),
    Suite("one, 50x100", "net-50x100-B1", ("ccsolve exact", *PEERS, *BASELINES)),
    Suite("three, 50x100", "net-50x100-B3", ("ccsolve 1e-4", *PEERS, "ccsolve greedy")),
    Suite("strong, one, 50x100", "strong-50x100-B1", EXACT),
    Suite("strong, three, 50x100", "strong-50x100-B3", CLOSE),
    Suite("front, 100x1000", "front-100x1000-B1", ("ccsolve front", "HiGHS LP")),
    Suite("one, 100x1000", "net-100x1000-B1", EXACT),
    Suite("three, 100x1000", "net-100x1000-B3", CLOSE),
    Suite(
        "one, 500x4000", "net-500x4000-B1", ("ccsolve 1e-5", "HiGHS LP"), seconds=120.0
    ),
)
"""In the order of what they take."""
