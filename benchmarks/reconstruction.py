"""Methods of `ReconstructionSelection` against each other on layers of rising size.

    python -m benchmarks.reconstruction [--sizes 64 256 512] [--seeds 3] [--out FILE]

Layers are generated: convolutions of 3 x 3 with as many outputs as inputs, of which
half are kept. The scorer refits by itself, by LAPACK's least squares on the raw
moments, and shares nothing with the methods. Aims at 512 channels (d = 4,608, keep
256): 60 s of one core for `swap_search`, and no method below its objective.
"""

import argparse
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import scipy

import ccsolve
from ccsolve.problems.generate_reconstruction import layer

RESULTS = Path(__file__).parent / "results" / "reconstruction.jsonl"
METHODS = ("thinet", "lasso", "greedy_addition", "greedy_removal", "swap_search")
GROUP = 9


@dataclass(frozen=True)
class Row:
    """One method on one layer; `objective` is the scorer's.

    `cpu` and `wall` are seconds of the method; `construction` are those of CPU that the
    problem's constructor takes, whatever the method.
    """

    channels: int
    d: int
    keep: int
    seed: int
    method: str
    objective: float
    cpu: float
    wall: float
    construction: float
    stop: str
    machine: str


def rows(channels: int, seed: int, time_limit: float) -> Iterator[Row]:
    """Give every method's row on one layer."""
    problem = layer(channels, GROUP, channels, channels // 2, seed)
    construction = _construction(problem)
    for method in METHODS:
        # The first use of a method loads or compiles its kernels.
        ccsolve.solve(layer(8, 2, 4, 4), method)
        cpu, wall = time.process_time(), time.perf_counter()
        solution = ccsolve.solve(problem, method, time_limit=time_limit)
        yield Row(
            channels=channels,
            d=problem.d,
            keep=problem.keep,
            seed=seed,
            method=method,
            objective=score(problem, solution.x),
            cpu=time.process_time() - cpu,
            wall=time.perf_counter() - wall,
            construction=construction,
            stop=solution.stop.value,
            machine=f"{platform.machine()}, numpy {np.__version__}, "
            f"scipy {scipy.__version__}",
        )


def _construction(problem: ccsolve.ReconstructionSelection) -> float:
    begun = time.process_time()
    ccsolve.ReconstructionSelection(
        problem.moments, problem.cross, problem.keep, problem.group
    )
    return time.process_time() - begun


def score(problem: ccsolve.ReconstructionSelection, x: np.ndarray) -> float:
    """Give the least error with the channels kept, from the raw moments."""
    kept = np.flatnonzero(np.repeat(x, problem.group))
    H, G = problem.moments[np.ix_(kept, kept)], problem.cross[kept]
    W = np.linalg.lstsq(H, G, rcond=None)[0]
    return problem.constant + float(0.5 * (W * (H @ W)).sum() - (W * G).sum())


def line(row: Row) -> str:
    """Give what is printed of a row."""
    return (
        f"d = {row.d:>5}, keep {row.keep:>3} of {row.channels}, seed {row.seed}: "
        f"{row.method:<15} {row.objective:.6g} in {row.cpu:.2f} s ({row.stop})"
    )


def main() -> None:
    """Run the sizes asked for; rows are written as they come."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[64, 256, 512])
    parser.add_argument("--seeds", type=int, default=3, help="0 to K - 1")
    parser.add_argument("--time-limit", type=float, default=300.0, help="seconds each")
    parser.add_argument("--out", type=Path, default=RESULTS, help="replaced")
    asked = parser.parse_args()
    with asked.out.open("w", encoding="utf-8") as file:
        for channels in asked.sizes:
            for seed in range(asked.seeds):
                for row in rows(channels, seed, asked.time_limit):
                    print(line(row), flush=True)
                    file.write(json.dumps(asdict(row)) + "\n")
                    file.flush()


if __name__ == "__main__":
    main()
