"""What ccsolve set out to reach in selection, and what the rows say of it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from benchmarks.selection.competitors.table import PEERS
from benchmarks.selection.tables import (
    PROVEN,
    SAME_BOUND,
    Best,
    distance,
    line,
    number,
    reached,
)
from ccsolve.bench.reading import above, seconds_to, seconds_to_bound
from ccsolve.bench.runs import RAN, Run

HEURISTIC = "tabu"
"""The heuristic that the goals of heuristics are held to."""


class Goal(NamedTuple):
    """What was wanted, and a function that gives what was measured, "" without rows."""

    what: str
    target: str
    measured: Callable[[Sequence[Run], Best], str]


def lines(runs: Sequence[Run], best: Best) -> Iterator[str]:
    """Give a table of the goals that have rows."""
    ran = [run for run in runs if run.status == RAN]
    told = [(goal, goal.measured(ran, best)) for goal in GOALS]
    if any(text for _, text in told):
        yield line("what", "target", "measured")
        yield "|---|---|---|"
    for goal, text in told:
        if text:
            yield line(goal.what, goal.target, text)


def _proofs(begins: Sequence[str], sizes: Sequence[int]) -> Callable[..., str]:
    """Measure the best of our provers, and Gurobi, on the same programs."""

    def measured(runs: Sequence[Run], best: Best) -> str:
        chosen = _longest(
            run
            for run in runs
            if run.suite == "proofs"
            and run.n in sizes
            and run.instance.startswith(tuple(begins))
        )
        ours = _grouped(
            (run for run in chosen if run.competitor not in PEERS), "competitor"
        )
        if not ours:
            return ""
        name = max(ours, key=lambda key: _strength(ours[key]))
        text = f"{name}: {_proven(ours[name])}"
        gurobi = [run for run in chosen if run.competitor == "gurobi"]
        return f"{text}; gurobi: {_proven(gurobi)}" if gurobi else text

    return measured


def _longest(runs: Iterable[Run]) -> list[Run]:
    """Give each program's runs of the longest limit: one comparison, and the last."""
    runs = list(runs)
    limits: dict[str, float] = {}
    for run in runs:
        limits[run.instance] = max(run.limit, limits.get(run.instance, 0.0))
    return [run for run in runs if run.limit == limits[run.instance]]


def _strength(runs: Sequence[Run]) -> tuple[int, float]:
    there = sum(run.gap <= PROVEN for run in runs)
    return there, -sum(run.seconds for run in runs)


def _proven(runs: Sequence[Run]) -> str:
    there, spent = _strength(runs)
    longest = max(run.seconds for run in runs)
    return (
        f"{there}/{len(runs)}, {number(-spent)} s in all, longest {number(longest)} s"
    )


def _euclidean(runs: Sequence[Run], best: Best) -> str:
    chosen = [
        run
        for run in runs
        if run.instance.startswith("GKD-c")
        and run.instance.endswith("_m50")
        and run.competitor not in PEERS
        and run.bounds
    ]
    parts = []
    for name in dict.fromkeys(run.instance for run in chosen):
        least = min(
            (run for run in chosen if run.instance == name),
            key=lambda run: above(best[name], run.bound),
        )
        gap = max(0.0, -above(least.bound, best[name]))
        parts.append(
            f"{name}: {100 * gap:.3g} % ({least.competitor}, {number(least.seconds)} s)"
        )
    return "; ".join(parts)


def _against_scs(runs: Sequence[Run], best: Best) -> str:
    """Compare when a proven bound was as good as SCS's with when SCS was there."""
    parts = []
    for scs in _longest(run for run in runs if run.suite == "bounds"):
        if scs.competitor != "scs-dnn" or scs.n != 160 or not scs.bounds:
            continue
        wanted = scs.bound - SAME_BOUND * abs(scs.bound)
        times = {
            run.competitor: seconds_to_bound(run, wanted)
            for run in runs
            if run.suite == "bounds" and run.instance == scs.instance and run.rigorous
        }
        name = min(times, key=lambda key: times[key], default=None)
        if name is not None and times[name] < math.inf:
            parts.append(
                f"{scs.instance}: {name} {number(times[name])} s, SCS "
                f"{number(scs.seconds)} s: {scs.seconds / times[name]:.3g} x"
            )
    return "; ".join(parts)


def _best_known(runs: Sequence[Run], best: Best) -> str:
    chosen = [
        run
        for run in _of_heuristic(runs, "heuristics")
        if run.family in ("SOM-b", "MDG-a") and run.limit <= 1.0
    ]
    if not chosen:
        return ""
    return f"{sum(map(reached, chosen))}/{len(chosen)}"


def _cancelling(runs: Sequence[Run], best: Best) -> str:
    """Count the wins over both penalties at equal time, and the distance, by n."""
    parts = []
    own = [
        run
        for run in _of_heuristic(runs, "heuristics")
        if run.instance.startswith("ccpz")
    ]
    for n, limit in sorted({(run.n, run.limit) for run in own}):
        cases = [run for run in own if (run.n, run.limit) == (n, limit)]
        signs = [_sign(run, runs) for run in cases]
        worst = max(distance(run, best[run.instance]) for run in cases)
        parts.append(
            f"n = {n}, {limit:g} s: better on {signs.count(-1)}/{len(cases)}, equal on "
            f"{signs.count(0)}, at most {100 * worst:.2g} % off"
        )
    return "; ".join(parts)


def _sign(own: Run, runs: Sequence[Run]) -> int:
    """Give -1 where a run is better than all samplers' at equal time, 1 where worse."""
    theirs = min(
        (
            run.objective
            for run in runs
            if run.key[:2] == own.key[:2]
            and run.key[3:] == own.key[3:]
            and run.competitor in PEERS
        ),
        default=math.inf,
    )
    difference = own.objective - theirs
    return 0 if abs(difference) <= own.resolution else -1 if difference < 0 else 1


def _clusters(runs: Sequence[Run], best: Best) -> str:
    chosen = [
        run
        for run in _of_heuristic(runs, "targets")
        if run.instance.startswith("kcluster") and not math.isnan(run.target)
    ]
    parts = []
    for name, own in _grouped(chosen, "instance").items():
        times = [seconds_to(run, run.target) for run in own]
        there = sum(at <= 0.005 for at in times)
        parts.append(f"{name}: {there}/{len(own)}, slowest {number(max(times))} s")
    return "; ".join(parts)


def _of_heuristic(runs: Sequence[Run], suite: str) -> list[Run]:
    return [run for run in runs if run.suite == suite and run.competitor == HEURISTIC]


def _grouped(runs: Iterable[Run], field: str) -> dict[str, list[Run]]:
    """Give the runs by what a field of theirs holds."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(getattr(run, field), []).append(run)
    return grouped


_REAL = ("ggn_", "fisher_")

GOALS = (
    Goal(
        "ccp of ResNet-56, n = 64", "18/18, half of Gurobi's time", _proofs(_REAL, [64])
    ),
    Goal("ccp of ResNet-56, n <= 32", "36/36 in 1 s", _proofs(_REAL, [16, 32])),
    Goal("k-cluster n = 80, proof", "10 s each", _proofs(["kcluster-"], [80])),
    Goal("k-cluster n = 100, proof", "60 s each", _proofs(["kcluster-"], [100])),
    Goal("k-cluster n = 120, proof", "600 s each", _proofs(["kcluster-"], [120])),
    Goal("GKD-c n = 500, m = 50, gap", "0.01 % in 60 s", _euclidean),
    Goal("DNN bound, n = 160, against SCS", "10 x faster, proven", _against_scs),
    Goal("SOM-b and MDG-a, best known in 1 s", "all", _best_known),
    Goal(
        "ccpz against dwave-samplers at equal time",
        "better on 80 %; 0.5 % off the best known",
        _cancelling,
    ),
    Goal("k-cluster n <= 160, best known", "5 ms, all seeds", _clusters),
)
