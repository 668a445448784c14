"""Run jobs in turn, score what comes back, and hold every bound to every point."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.selection import scorer
from benchmarks.selection.instances import catalogue
from benchmarks.selection.instances.instance import Instance
from benchmarks.selection.jobs import Job
from benchmarks.selection.workers import Workers
from ccsolve.bench.runs import MISSING, RAN, Curve, Run, here, line_of

Find = Callable[[str], Instance]


def run_all(
    jobs: Iterable[Job], data: Path | None, path: Path, earlier: list[Run]
) -> Iterator[Run]:
    """Run what no earlier run has done, and append each run's row as it comes.

    Whoever stops listening, or is interrupted, keeps the rows so far.
    """
    done = {run.key for run in earlier if run.status != MISSING}
    best = best_values(earlier)
    find = lru_cache(maxsize=1)(lambda name: catalogue.find(name, data))
    workers = Workers(data)
    try:
        for job in jobs:
            if job.key in done:
                continue
            run = _run(job, find(job.instance), workers, best)
            best[run.instance] = min(best.get(run.instance, math.inf), run.objective)
            with path.open("a", encoding="utf-8") as file:
                file.write(line_of(run))
            yield run
    finally:
        workers.close()


def best_values(runs: Iterable[Run]) -> dict[str, float]:
    """Give the lowest value that anybody found or published, per instance."""
    best: dict[str, float] = {}
    for run in runs:
        known = run.objective
        if not math.isnan(run.best_known):
            known = min(known, run.best_known)
        best[run.instance] = min(best.get(run.instance, math.inf), known)
    return best


def target_of(job: Job, instance: Instance, best: dict[str, float]) -> float | None:
    """Give the value at which a job may stop, None to use its time."""
    if not job.to_target:
        return None
    known = best.get(instance.name, math.inf)
    if not math.isnan(instance.best_known):
        known = min(known, instance.best_known)
    if known == math.inf:
        return None
    return known + instance.room + job.within * abs(known)


def _run(job: Job, instance: Instance, workers: Workers, best: dict[str, float]) -> Run:
    target = target_of(job, instance, best)
    found = workers.ask(job, target)
    where = here()
    where["versions"] = {**where["versions"], **found.get("versions", {})}
    return Run(
        suite=job.suite,
        instance=job.instance,
        family=instance.family,
        n=instance.problem.n,
        keep=instance.problem.keep,
        competitor=job.competitor,
        seed=job.seed,
        limit=job.seconds,
        status=found["status"],
        note=found.get("note", ""),
        resolution=instance.problem.resolution,
        best_known=instance.best_known,
        room=instance.room,
        proven=instance.proven,
        target=math.nan if target is None else target,
        **(_scored(instance, found) if found["status"] == RAN else {}),
        **where,
    )


def _scored(instance: Instance, found: dict[str, Any]) -> dict[str, Any]:
    n = instance.problem.n
    points, kept = scorer.improvements(
        instance, [(at, _unpacked(text, n)) for at, text in found["points"]]
    )
    bounds = _rising(found["bounds"])
    return {
        "objective": points[-1][1] if points else math.inf,
        "bound": bounds[-1][1] if bounds else -math.inf,
        "points": tuple(points),
        "bounds": bounds,
        "kept": "" if kept is None else np.packbits(kept).tobytes().hex(),
        **{
            name: math.nan if found[name] is None else found[name]
            for name in ("seconds", "build", "base_mb", "peak_mb")
        },
        "stop": found["stop"],
        "rigorous": found["rigorous"],
    }


def _unpacked(text: str, n: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8), count=n)


def _rising(bounds: list[tuple[float, float | None]]) -> Curve:
    """Give the curve of the best bound; None stands for an infinite one."""
    curve: list[tuple[float, float]] = []
    for at, value in sorted((s, v) for s, v in bounds if v is not None):
        if not curve or value > curve[-1][1]:
            curve.append((at, value))
    return tuple(curve)
