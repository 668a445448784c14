"""Times, errors and memory of contenders on a case."""

import itertools
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from benchmarks.low_rank.cases import Case, Tensors, loop
from benchmarks.low_rank.contenders import BY_KIND, Project, covariance
from benchmarks.low_rank.rows import Row
from ccsolve.bench.rows import environment

LARGE = 20_000_000
"""Entries of a case from which peers take one step alone: they need minutes."""


def timed(case: Case, data: Path | None, only: list[str] | None) -> Iterator[Row]:
    """Give a row for each contender: medians over the steps of one shared loop.

    The loop goes on with the projections of the first contender, so that all meet the
    same tensors; at each step they run one after the other, in CPU time of one thread.
    Of large cases peers, who take minutes, run the second step alone, and errors are of
    that step.
    """
    projects, missing = _made(case, only)
    yield from missing
    if not projects:
        return
    seconds: dict[str, list[float]] = {name: [] for name in projects}
    errors: dict[str, list[float]] = {name: [] for name in projects}

    steps = itertools.count()

    def all_of_them(T: Tensors) -> Tensors:
        first: Tensors = []
        step = next(steps)
        for name, project in projects.items():
            if step != 1 and is_large(case) and not is_ours(name):
                continue
            began = time.process_time()
            Z = project(T)
            seconds[name].append(time.process_time() - began)
            errors[name].append(_error(case, T, Z))
            first = first or [z.copy() for z in Z]
        return first

    for _ in loop(case, data, all_of_them):
        pass
    for name in projects:
        # The first step has nothing to be warm from, and loads libraries.
        kept = slice(1, None) if len(seconds[name]) > 1 else slice(None)
        middle = float(np.median(seconds[name][kept]))
        error = float(np.mean(errors[name][kept][: 1 if is_large(case) else None]))
        yield _row(case, name, "ran", seconds=middle, error=error)


def extra_memory(case: Case, name: str, data: Path | None) -> float:
    """Give how far this process's memory rises above what it holds before a step, MiB.

    Of the second step; of peers on large cases, which take minutes, of the first.
    """
    project, rises = BY_KIND[case.kind][name](case), []

    def watched(T: Tensors) -> Tensors:
        # Linux forgets the peak so far.
        Path("/proc/self/clear_refs").write_text("5")
        before = _kib("VmRSS")
        Z = project(T)
        rises.append((_kib("VmHWM") - before) / 1024)
        return [z.copy() for z in Z]

    steps = loop(case, data, watched)
    for _ in range(2 if is_ours(name) or not is_large(case) else 1):
        next(steps)
    return rises[-1]


def _kib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(field)).split()[1])


def is_ours(name: str) -> bool:
    """Say whether a contender is of ccsolve."""
    return name.startswith("ccsolve")


def is_large(case: Case) -> bool:
    """Say whether peers take one step alone."""
    return sum(int(np.prod(modes)) for modes, _ in case.layers) >= LARGE


def _made(case: Case, only: list[str] | None) -> tuple[dict[str, Project], list[Row]]:
    projects, missing = {}, []
    for name, make in BY_KIND[case.kind].items():
        if only and name not in only:
            continue
        try:
            projects[name] = make(case)
        except ImportError as reason:
            missing.append(_row(case, name, "missing", note=str(reason)[:100]))
    return projects, missing


def _error(case: Case, T: Tensors, Z: Tensors) -> float:
    """Give ‖T - Z‖/‖T‖ over all layers, in the covariance's norm where there is one."""
    C = covariance(T[0].shape[1]) if case.kind == "whitened" else None
    lost = sum(_square(t - z, C) for t, z in zip(T, Z, strict=True))
    return float(np.sqrt(lost / sum(_square(t, C) for t in T)))


def _square(D: np.ndarray, C: np.ndarray | None) -> float:
    if C is not None:
        return float(np.vdot((D @ C).astype(np.float64), D.astype(np.float64)))
    flat = D.reshape(-1)
    return sum(
        float(np.dot(part.astype(np.float64), part.astype(np.float64)))
        for part in np.array_split(flat, max(1, flat.size // 2**20))
    )


def _row(case: Case, name: str, status: str, **found) -> Row:
    library = name.split()[0]
    try:
        version = metadata.version({"sklearn": "scikit-learn"}.get(library, library))
    except metadata.PackageNotFoundError:
        version = ""
    entries = sum(int(np.prod(modes)) for modes, _ in case.layers)
    machine = str(environment()["machine"])
    return Row(
        case.name, name, status, entries, version=version, machine=machine, **found
    )
