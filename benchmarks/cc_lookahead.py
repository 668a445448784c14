"""Collaborative Compression's look-ahead: fast against exact on every layer.

    python -m benchmarks.cc_lookahead                 the digits network that ships
    python -m benchmarks.cc_lookahead --data DIR      ResNet-56 on CIFAR-10

Every site is compressed to the end with the fast look-ahead. On the way, at `--states`
evenly spread states, all units that remain are scored both ways: the error of the fast
scores relative to the spread of the exact ones, Spearman's rank correlation of both,
and whether both would remove the same unit. Then the whole recipe is timed with either,
at 52 % of the MACs removed. Run it on one thread (OPENBLAS_NUM_THREADS=1). DIR as in
benchmarks/cifar10.py, or a file of statistics. Rows are appended to OUT.
"""

import argparse
import json
import platform
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

import ccsolve
import ccsolve_torch as cct
from benchmarks.cifar10 import calibration_images, in_batches, resnet56
from ccsolve.recipes.compression.lookahead import EXACT, FAST, Scores, scores
from ccsolve.recipes.compression.paths import Path as UnitPath
from ccsolve.recipes.compression.paths import Walk, compressed
from ccsolve.recipes.compression.running import Running
from ccsolve.recipes.compression.sites import Site, sites_of
from ccsolve.statistics import Statistics

GAMMA, REMAIN = 0.9, 0.48

Row = dict[str, Any]


def main() -> None:
    """Measure, print, and append the rows."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--calibration", type=int, default=500)
    parser.add_argument("--states", type=int, default=6, help="of every site's path")
    results = Path(__file__).parent / "results" / "cc_lookahead.jsonl"
    parser.add_argument("--out", type=Path, default=results)
    asked = parser.parse_args()
    stats = statistics(asked.data, asked.calibration)
    of = {
        "network": stats.fingerprint[:12],
        "samples": stats.samples,
        "ccsolve": ccsolve.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
    with asked.out.open("a", encoding="utf-8") as file:
        for row in rows(stats, asked.states):
            print(row, flush=True)
            file.write(json.dumps({**row, **of}) + "\n")


def statistics(data: Path | None, count: int) -> Statistics:
    """Give the statistics of a file, or collect those of ResNet-56, or the shipped."""
    if data is None:
        shipped = files("ccsolve.data") / "digits_resnet.safetensors"
        return Statistics.load(str(shipped))
    if data.is_file():
        return Statistics.load(data)
    torch.set_num_threads(1)
    loader = in_batches(*calibration_images(data, count, seed=0))
    return cct.collect(resnet56(data), loader, layers="gradients")


def rows(stats: Statistics, states: int) -> Iterator[Row]:
    """Give all rows as they come."""
    for site in sites_of(stats):
        yield from compared(site, states)
    for lookahead in (FAST, EXACT):
        start = time.perf_counter()
        plan = ccsolve.plan(stats, macs=REMAIN, recipe="cc", lookahead=lookahead)
        yield dict(
            kind="plan",
            lookahead=lookahead,
            seconds=time.perf_counter() - start,
            objective=plan.objective,
            chains=len(plan.factors),
            macs=plan.achieved["macs"] / plan.original["macs"],
            params=plan.achieved["params"] / plan.original["params"],
        )


def compared(site: Site, states: int) -> Iterator[Row]:
    """Give how fast and exact scores of a site differ, and the time of both paths."""
    floors = dict.fromkeys(site.sizes, 1)
    paths, seconds = {}, {}
    for lookahead in (FAST, EXACT):
        start = time.perf_counter()
        paths[lookahead] = compressed(site, floors, Walk(lookahead, GAMMA))
        seconds[lookahead] = time.perf_counter() - start
    measured = np.array(list(_differences(site, paths[FAST], states)))
    worst, mean = measured.max(axis=0), measured.mean(axis=0)
    yield dict(
        kind="site",
        site=[part.name for part in site.parts],
        units=site.units,
        error_mean=float(mean[0]),
        error_worst=float(worst[0]),
        score_error_worst=float(worst[1]),
        rank_mean=float(mean[2]),
        rank_least=float(measured[:, 2].min()),
        same_first=float(mean[3]),
        same_path=bool(np.array_equal(paths[FAST].units, paths[EXACT].units)),
        fast_seconds=seconds[FAST],
        exact_seconds=seconds[EXACT],
    )


def _differences(site: Site, path: UnitPath, states: int) -> Iterator[list[float]]:
    """Give, at states of the path, what `compared` gathers."""
    last = max(len(path.units) - 3, 0)
    wanted = set(np.linspace(0, last, states).astype(int).tolist())
    for step, state in enumerate(_followed(site, path)):
        if step in wanted:
            both = [
                _flat(scores(state, state.components(), GAMMA, lookahead))
                for lookahead in (EXACT, FAST)
            ]
            yield _difference(*both)


def _difference(exact: np.ndarray, fast: np.ndarray) -> list[float]:
    """Give error by spread, error by score, rank correlation, and the same first."""
    off = np.abs(fast - exact)
    spread = max(float(np.ptp(exact)), 1e-300)
    rank = 1.0 if len(exact) < 3 else float(spearmanr(exact, fast)[0])  # pyright: ignore
    error, relative = float(off.max()) / spread, float((off / exact).max())
    return [error, relative, rank, float(exact.argmin() == fast.argmin())]


def _followed(site: Site, path: UnitPath) -> Iterator[Running]:
    """Give the states of a path with one unit a step."""
    state = Running.start(site)
    yield state
    for unit in path.units.tolist():
        if unit >= 0:
            state.lose_class(unit)
        else:
            place, components = -1 - unit, state.components()
            found = scores(state, components, GAMMA).components[place]
            state.lose_component(place, components[place], int(found.argmin()))
        yield state


def _flat(found: Scores) -> np.ndarray:
    values = np.concatenate([found.classes, *found.components])
    return values[np.isfinite(values)]


if __name__ == "__main__":
    main()
