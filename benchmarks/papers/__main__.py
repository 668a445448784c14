"""The papers' methods at the papers' operating points, beside what they published.

    python -m benchmarks.papers --data DIR
    python -m benchmarks.papers --data DIR --networks resnet20 --stages none --seeds 1
    python -m benchmarks.papers --data DIR --recipes cc "L1 at cc's widths"
    python -m benchmarks.papers --data DIR --stages full --device cuda --folder STATES
    python -m benchmarks.papers --report                       from the rows alone

DIR holds images and weights (benchmarks/cifar10.py says how). Stages: "none" trains
nothing; "short" trains for a few steps of labels and of the dense network's outputs;
"full" for EPOCHS, only when asked for, with a state per epoch in FOLDER, from which the
same command goes on, on this machine or another; statistics are kept there, too. Rows
go to OUT as they come: what is cut short goes on where it stopped. Statistics and
repairs take training images drawn by the seed. Test images 0 to 1,999 choose settings;
accuracy is reported on 2,000 to 9,999, and on all beside them.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import command
from benchmarks.json_lines import read_rows
from benchmarks.papers import jobs, report
from benchmarks.papers.borrowed import borrowed
from benchmarks.papers.methods import METHODS
from benchmarks.papers.points import POINTS
from benchmarks.papers.rows import Row
from benchmarks.papers.running import Settings, run_all
from benchmarks.papers.training import Full, Short
from benchmarks.pruning.scene import DEPTHS

NETWORKS = tuple(sorted(DEPTHS, reverse=True))


def main() -> int:
    """Run what has no row yet, write the page, and give the exit code."""
    return command.run(_asked(), _shown, _page)


def _page(asked: argparse.Namespace) -> str:
    return report.page(_with_borrowed(read_rows(asked.out, Row)))


def _shown(asked: argparse.Namespace) -> Iterator[Row]:
    """Run the jobs that have no row, and say each row's accuracy."""
    torch.set_num_threads(asked.threads)
    done = {row.job for row in _with_borrowed(read_rows(asked.out, Row))}
    every = jobs.jobs(
        asked.networks, asked.stages, asked.points, asked.recipes, asked.seeds
    )
    settings = Settings(
        asked.data,
        asked.statistics,
        asked.images,
        Short(steps=asked.steps),
        Full(asked.epochs, asked.device, asked.folder),
    )
    for row in run_all([job for job in every if job not in done], settings):
        print(
            f"{row.network} {row.point} {row.method}, {row.stage}, seed {row.seed}: "
            f"-{row.removed[0]:.1f} % MACs, -{row.removed[1]:.1f} % parameters, "
            f"{row.accuracy(reported=True):.2f} % ({row.accuracy(reported=False):.2f} "
            f"% of all), {row.made_seconds:.0f} + {row.trained_seconds:.0f} s",
            flush=True,
        )
        yield row


def _with_borrowed(rows: list[Row]) -> list[Row]:
    """Give these rows and, of jobs that have none, the pruning benchmark's."""
    own = {row.job for row in rows}
    return [*rows, *(row for row in borrowed() if row.job not in own)]


def _asked() -> argparse.Namespace:
    parser = command.parser("papers", __doc__)
    parser.add_argument("--data", type=Path, help="images and weights")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--recipes", nargs="+", choices=list(METHODS), metavar="NAME")
    parser.add_argument("--points", nargs="+", default=list(POINTS), choices=POINTS)
    parser.add_argument(
        "--stages", nargs="+", default=jobs.STAGES[:2], choices=jobs.STAGES
    )
    parser.add_argument("--seeds", type=int, default=3, help="0 to K - 1")
    parser.add_argument("--statistics", type=int, default=1000, help="training images")
    parser.add_argument("--images", type=int, default=10_000, help="test images")
    parser.add_argument("--steps", type=int, default=Short.steps, help='of "short"')
    parser.add_argument("--epochs", type=int, default=300, help='of "full"')
    parser.add_argument("--device", default="cpu", help='of "full"')
    parser.add_argument("--folder", type=Path, default=Path("papers-states"))
    parser.add_argument("--threads", type=int, default=1)
    return command.parsed(parser, "papers", data_needed=True)


if __name__ == "__main__":
    raise SystemExit(main())
