"""Accuracy of ResNets on CIFAR-10 without any training, by choice and repair.

    python -m benchmarks.pruning --data DIR
    python -m benchmarks.pruning --data DIR --networks resnet20 --removed 75
    python -m benchmarks.pruning --data DIR --images 2000 --choices "TP Taylor, uniform"
    python -m benchmarks.pruning --report                      from the rows alone

DIR holds images and weights (benchmarks/cifar10.py says how). Rows go to OUT as they
come: what is cut short goes on where it stopped; delete the file to begin anew.
Calibration takes training images alone, drawn by the seed. Test images 0 to 1,999 may
choose settings; accuracy is reported on 2,000 to 9,999, and on all beside them.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import command
from benchmarks.json_lines import read_rows
from benchmarks.pruning import jobs, report
from benchmarks.pruning.choices import CHOICES
from benchmarks.pruning.rows import Row
from benchmarks.pruning.running import Settings, run_all
from benchmarks.pruning.scene import DEPTHS


def main() -> int:
    """Run what has no row yet, write the page, and give the exit code."""
    return command.run(_asked(), _shown, _page)


def _page(asked: argparse.Namespace) -> str:
    return report.page(read_rows(asked.out, Row))


def _shown(asked: argparse.Namespace) -> Iterator[Row]:
    """Run the jobs that have no row, and say each row's accuracy."""
    torch.set_num_threads(asked.threads)
    done = {row.job for row in read_rows(asked.out, Row)}
    every = jobs.jobs(
        asked.networks, asked.removed, asked.choices, asked.repairs, asked.seeds
    )
    settings = Settings(asked.data, asked.calibration, asked.images)
    for row in run_all([job for job in every if job not in done], settings):
        print(
            f"{row.network} -{row.removed_macs:.1f} % {row.choice}, {row.repair}, seed "
            f"{row.seed}: {row.accuracy(reported=False):.2f} %",
            flush=True,
        )
        yield row


def _asked() -> argparse.Namespace:
    parser = command.parser("pruning", __doc__)
    parser.add_argument("--data", type=Path, help="images and weights")
    parser.add_argument("--networks", nargs="+", default=list(DEPTHS), choices=DEPTHS)
    parser.add_argument("--removed", nargs="+", type=int, default=jobs.REMOVED)
    parser.add_argument(
        "--choices", nargs="+", default=jobs.CHOICES, choices=list(CHOICES)
    )
    parser.add_argument(
        "--repairs", nargs="+", default=jobs.REPAIRS, choices=jobs.REPAIRS
    )
    parser.add_argument("--seeds", type=int, default=3, help="0 to K - 1")
    parser.add_argument("--calibration", type=int, default=1000, help="training images")
    parser.add_argument("--images", type=int, default=10_000, help="test images")
    parser.add_argument("--threads", type=int, default=1)
    return command.parsed(parser, "pruning", data_needed=True)


if __name__ == "__main__":
    raise SystemExit(main())
