"""The suites: which competitors meet on which instances, for how long."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.selection.competitors import table
from benchmarks.selection.instances.catalogue import names_of_files
from benchmarks.selection.jobs import Job
from ccsolve.registry import Kind

SAMPLERS = ("dwave-tabu", "dwave-tabu-0.1")
SOLVERS = ("gurobi", "scip", "highs")
CONES = ("scs-sdp", "scs-dnn", "clarabel-sdp", "clarabel-dnn")

WITHIN = {"ccpz": 0.005, "mdg": 0.0005}
"""How near the best known a time-to-target run must come where nobody proves it."""


@dataclass(frozen=True)
class Suite:
    """A question and how it is asked.

    Attributes
    ----------
    what : the question.
    seconds : for each run; seeds : how many.
    instances : data folder and number of seeds -> names.
    competitors : names; read from the registry when it is asked, so that a new method
        takes part.
    members : whether the seeds are those of the families, each run once, and not those
        of the competitors.
    traits : fields of every job.
    """

    what: str
    seconds: float
    seeds: int
    instances: Callable[[Path | None, int], Sequence[str]]
    competitors: Callable[[], Sequence[str]]
    members: bool = False
    traits: dict[str, Any] = field(default_factory=dict)


def jobs(
    name: str,
    data: Path | None,
    *,
    seconds: float | None = None,
    seeds: int | None = None,
    competitors: Sequence[str] | None = None,
    only: str = "",
) -> Iterator[Job]:
    """Give a suite's jobs: instance by instance, all competitors in turn."""
    suite = SUITES[name]
    count = suite.seeds if seeds is None else seeds
    runs = range(1 if suite.members else count)
    for instance in suite.instances(data, count):
        if only not in instance:
            continue
        within = WITHIN.get(instance.partition("-")[0], 0.0)
        for seed in runs:
            for competitor in competitors or suite.competitors():
                yield Job(
                    suite=name,
                    instance=instance,
                    competitor=competitor,
                    seed=seed,
                    seconds=suite.seconds if seconds is None else seconds,
                    within=within if suite.traits.get("to_target") else 0.0,
                    **suite.traits,
                )


def _of_files(data: Path | None, *parts: str) -> list[str]:
    """Give the names in the folder that begin with one of the parts."""
    return [name for name in names_of_files(data) if name.startswith(parts)]


def _ccpz(sizes: Iterable[int], members: int) -> list[str]:
    return [f"ccpz-{n}-s{seed}" for n in sizes for seed in range(members)]


def _clusters(sizes: Iterable[int], members: int) -> list[str]:
    """Give k-cluster graphs: three densities, a quarter and a half of the vertices."""
    return [
        f"kcluster-{n}-{density}-{keep}-s{seed}"
        for n in sizes
        for density in (25, 50, 75)
        for keep in (n // 4, n // 2)
        for seed in range(members)
    ]


def _reference(data: Path | None, seeds: int) -> list[str]:
    made = ("kcluster-80-25-20", "kcluster-120-50-30", "kcluster-160-50-80")
    members = [f"{n}-s{s}" for n in (*made, "mdg-2000-200") for s in range(seeds)]
    return [*members, *_ccpz((256, 512, 1024, 2048), seeds)]


def _heuristics(data: Path | None, seeds: int) -> list[str]:
    return [*names_of_files(data), *_reference(data, 5)]


def _targets(data: Path | None, seeds: int) -> list[str]:
    real = ("ggn_20", "fisher_20")
    chosen = ("SOM-b_08", "SOM-b_20", "MDG-a_01", "GKD-c_01_n500_m50", "kcluster_n100")
    return [*_of_files(data, *chosen, *real), *_reference(data, 1)]


def _proofs(data: Path | None, seeds: int) -> list[str]:
    chosen = ("ggn_", "fisher_", "GKD-b", "GKD-c", "QPLIB_0633", "kcluster_n40")
    return [*_of_files(data, *chosen), *_clusters((80, 100, 120), seeds)]


def _gaps(data: Path | None, seeds: int) -> list[str]:
    made = ("kcluster-80-25-20", "kcluster-160-50-80", "ccpz-64", "ccpz-128")
    members = [f"{name}-s{seed}" for name in made for seed in range(seeds)]
    return [*members, *_of_files(data, "GKD-c_01_n500_m50", "SOM-b_02")]


def _bounds(data: Path | None, seeds: int) -> list[str]:
    graphs = [
        f"kcluster-{n}-25-{n // 4}-s{seed}"
        for n in (40, 80, 120, 160)
        for seed in range(seeds)
    ]
    files = _of_files(data, "GKD-c_01_n500_m50", "MDG-a_01_n500_m50", "SOM-b_20")
    return [*graphs, *files, *_ccpz((64, 128, 256, 512, 1024, 2048), seeds)]


def _memory(data: Path | None, seeds: int) -> list[str]:
    return _ccpz((128, 512, 2048, 4096), seeds)


def _searchers() -> list[str]:
    return [*table.methods(Kind.HEURISTIC), *SAMPLERS]


def _strongest() -> list[str]:
    return ["tabu", *SAMPLERS]


def _provers() -> list[str]:
    return ["auto", *table.methods(Kind.EXACT), "gurobi"]


def _both_curves() -> list[str]:
    return ["auto", *table.methods(Kind.EXACT), *SOLVERS]


def _bounders() -> list[str]:
    oracle = [name for name in ("sdp_cvxpy",) if table.known(name)]
    return [*table.methods(Kind.RELAXATION), *oracle, *CONES]


def _everybody() -> list[str]:
    return [*table.methods(*Kind), "dwave-tabu", *SOLVERS, "scs-sdp", "clarabel-sdp"]


SUITES: dict[str, Suite] = {
    "reference": Suite(
        "long runs, so that seeded instances have a best known value",
        60.0, 3, _reference, _strongest, members=True,
    ),
    "heuristics": Suite(
        "the best value at equal time", 1.0, 1, _heuristics, _searchers
    ),
    "targets": Suite(
        "time to the best known value, over seeds",
        10.0, 10, _targets, _strongest, traits={"to_target": True},
    ),
    "proofs": Suite(
        "time to proof", 60.0, 1, _proofs, _provers, members=True
    ),
    "gaps": Suite(
        "point and bound over time",
        20.0, 1, _gaps, _both_curves, members=True, traits={"curve": True},
    ),
    "bounds": Suite(
        "what relaxations prove, over time and size",
        60.0, 1, _bounds, _bounders, members=True,
    ),
    "memory": Suite(
        "peak memory, each run in a process of its own",
        10.0, 1, _memory, _everybody, members=True, traits={"fresh": True},
    ),
}  # fmt: skip
"""In the order in which `all` runs them: the first gives targets to the third."""
