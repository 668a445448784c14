"""The report's tables: Markdown lines from rows and nothing else."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import mean, median
from typing import TypeVar

from benchmarks.selection.competitors.table import PEERS
from ccsolve.bench.reading import (
    above,
    best_value,
    bound_at,
    by_instance,
    seconds_to,
    seconds_to_bound,
    value_at,
)
from ccsolve.bench.runs import RAN, Run
from ccsolve.solution import relative_gap

K = TypeVar("K", bound=Hashable)

PROVEN = 1.01e-6
"""Relative gap up to which a value counts as proven; solvers are asked for 1e-6."""
SAME_BOUND = 1e-3
"""A bound within this of a conic solver's value, relatively, is as good."""

Best = dict[str, float]
"""Instance -> the best value that anybody found or published, in any suite."""


def heuristics(runs: Sequence[Run], best: Best) -> Iterator[str]:
    """Points at equal time, by family and competitor."""
    yield from _head(
        "family", "competitor", "as good as the best known", "above it, mean",
        "worst", "s to its best, median",
    )  # fmt: skip
    for family, members in _groups(runs, lambda run: run.family).items():
        for name, own in _groups(members, lambda run: run.competitor).items():
            excess = [distance(run, best[run.instance]) for run in own]
            times = [run.points[-1][0] for run in own if run.points]
            yield line(
                family, name, f"{sum(map(reached, own))}/{len(own)}",
                _per_cent(mean(excess)), _per_cent(max(excess)),
                number(median(times)) if times else "-",
            )  # fmt: skip


def duels(runs: Sequence[Run]) -> Iterator[str]:
    """Our heuristic that loses least against the better of the samplers, run by run."""
    theirs = _lowest(run for run in runs if run.competitor in PEERS)
    ours = [r for r in runs if r.competitor not in PEERS and _case(r) in theirs]
    by_name = _groups(ours, lambda run: run.competitor)
    if not by_name:
        return
    yield from _head("family", "s", "competitor", "better", "equal", "worse")
    name = min(by_name, key=lambda n: sum(_sign(run, theirs) for run in by_name[n]))
    for key, own in _groups(by_name[name], lambda r: (r.family, r.limit)).items():
        signs = [_sign(run, theirs) for run in own]
        counts = [str(signs.count(sign)) for sign in (-1, 0, 1)]
        yield line(key[0], f"{key[1]:g}", name, *counts)


def targets(runs: Sequence[Run]) -> Iterator[str]:
    """Seeds that reached the target, and the median time; inf counts as the limit."""
    yield from _head("instance", "target", "competitor", "reached", "s, median")
    aimed = [run for run in runs if not math.isnan(run.target)]
    for name, members in by_instance(aimed).items():
        for competitor, own in _groups(members, lambda run: run.competitor).items():
            times = [seconds_to(run, run.target) for run in own]
            middle = median(times)
            shown = f"> {own[0].limit:g}" if middle == math.inf else number(middle)
            there = sum(at < math.inf for at in times)
            target = f"{own[0].target:.9g}"
            yield line(name, target, competitor, f"{there}/{len(own)}", shown)


def proofs(runs: Sequence[Run]) -> Iterator[str]:
    """Proofs by family; who has none spent its time."""
    yield from _head(
        "family", "competitor", "limit, s", "proven", "s in all", "against gurobi",
        "gap left, worst",
    )  # fmt: skip
    for (family, limit), members in _groups(
        runs, lambda r: (r.family, r.limit)
    ).items():
        by_name = _groups(members, lambda run: run.competitor)
        for name, own in by_name.items():
            left = max(run.gap for run in own)
            there = sum(run.gap <= PROVEN for run in own)
            yield line(
                family, name, f"{limit:g}", f"{there}/{len(own)}",
                number(sum(run.seconds for run in own)),
                _times(own, by_name.get("gurobi", [])),
                "0" if left <= PROVEN else _per_cent(left),
            )  # fmt: skip


def _times(own: Sequence[Run], peers: Sequence[Run]) -> str:
    """Give the ratio of the seconds, where both have run on the same programs."""
    if sorted(map(_case, own)) != sorted(map(_case, peers)):
        return "-"
    theirs = sum(run.seconds for run in peers)
    return f"{sum(run.seconds for run in own) / theirs:.2g} x"


def gaps(runs: Sequence[Run], best: Best) -> Iterator[str]:
    """Gaps at one second and at the end, with both of their sides."""
    yield from _head(
        "instance", "competitor", "gap at 1 s", "gap at the end", "point above best",
        "bound below best", "s",
    )  # fmt: skip
    for name, members in by_instance(runs).items():
        for run in members:
            early = relative_gap(value_at(run, 1.0), bound_at(run, 1.0), run.resolution)
            yield line(
                name, run.competitor, _per_cent(early), _per_cent(run.gap),
                _per_cent(distance(run, best[name])),
                _per_cent(-above(run.bound, best[name])), number(run.seconds),
            )  # fmt: skip


def bounds(runs: Sequence[Run], best: Best) -> Iterator[str]:
    """What each relaxation proves, and when it was as good as SCS's value."""
    yield from _head(
        "instance", "competitor", "bound", "below best known", "proof", "s",
        "s to SCS's sdp", "s to SCS's dnn",
    )  # fmt: skip
    for name, members in by_instance(runs).items():
        claimed = {run.competitor: run.bound for run in members if run.bounds}
        for run in members:
            yield line(
                name, run.competitor, f"{run.bound:.8g}" if run.bounds else run.stop,
                _per_cent(-above(run.bound, best[name])),
                "yes" if run.rigorous else "no", number(run.seconds),
                _as_good(run, claimed.get("scs-sdp")),
                _as_good(run, claimed.get("scs-dnn")),
            )  # fmt: skip


def memory(runs: Sequence[Run]) -> Iterator[str]:
    """Memory beyond what was resident before the run, in Q's as well."""
    yield from _head("n", "competitor", "MB more than before", "times Q", "s")
    for run in runs:
        if run.status == RAN and not math.isnan(run.base_mb):
            more = run.peak_mb - run.base_mb
            of_matrix = more / (8e-6 * run.n**2)
            yield line(
                str(run.n), run.competitor, f"{more:.0f}", f"{of_matrix:.2g}",
                number(run.seconds),
            )  # fmt: skip


def left_out(runs: Iterable[Run]) -> Iterator[str]:
    """Who did not run, and why: nothing is left out in silence."""
    counts: dict[tuple[str, str, str], int] = {}
    for run in runs:
        if run.status != RAN:
            key = run.competitor, run.status, run.note
            counts[key] = counts.get(key, 0) + 1
    if not counts:
        return
    yield from _head("competitor", "what", "why", "runs")
    for (name, status, note), count in counts.items():
        yield line(name, status, note, str(count))


def reached(run: Run) -> bool:
    """Say whether a run's value is the published one, within the file's decimals."""
    return run.objective <= run.best_known + max(run.room, run.resolution)


def distance(run: Run, best: float) -> float:
    """Give how far a point is above the best; 0 within the file's decimals."""
    if run.objective <= best + run.room:
        return 0.0
    return above(run.objective, best)


def best_of(runs: Iterable[Run]) -> Best:
    """Give the best value known of every instance."""
    return {name: best_value(members) for name, members in by_instance(runs).items()}


def with_best_known(runs: Iterable[Run], best: Best) -> list[Run]:
    """Let the best that was found stand in where nothing is published."""
    return [
        replace(run, best_known=best.get(run.instance, math.nan))
        if math.isnan(run.best_known)
        else run
        for run in runs
    ]


def _groups(runs: Iterable[Run], key: Callable[[Run], K]) -> dict[K, list[Run]]:
    grouped: dict[K, list[Run]] = {}
    for run in runs:
        if run.status == RAN:
            grouped.setdefault(key(run), []).append(run)
    return grouped


def _case(run: Run) -> tuple[str, int, float]:
    return run.instance, run.seed, run.limit


def _lowest(runs: Iterable[Run]) -> dict[tuple[str, int, float], float]:
    cases = _groups(runs, _case)
    return {case: min(r.objective for r in own) for case, own in cases.items()}


def _sign(run: Run, theirs: dict[tuple[str, int, float], float]) -> int:
    """Give -1 where the run is better than theirs, 1 where worse, beyond rounding."""
    difference = run.objective - theirs[_case(run)]
    room = max(run.room, run.resolution)
    return 0 if abs(difference) <= room else -1 if difference < 0 else 1


def _as_good(run: Run, claimed: float | None) -> str:
    if claimed is None or not run.rigorous:
        return ""
    at = seconds_to_bound(run, claimed - SAME_BOUND * abs(claimed))
    return "-" if at == math.inf else number(at)


def _head(*titles: str) -> Iterator[str]:
    yield line(*titles)
    yield "|" + "---|" * len(titles)


def line(*cells: str) -> str:
    """Give a row of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _per_cent(part: float) -> str:
    if not math.isfinite(part):
        return "-"
    return "0" if abs(part) < 5e-8 else f"{100 * part:.3g} %"


def number(value: float) -> str:
    """Give three significant digits; a dash for what is not finite."""
    return "-" if not math.isfinite(value) else f"{value:.3g}"
