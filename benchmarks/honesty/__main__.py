"""Predicted against measured losses of ResNets on CIFAR-10, by model of the loss.

    python -m benchmarks.honesty --data DIR
    python -m benchmarks.honesty --data DIR --networks resnet20 --removed 60 75
    python -m benchmarks.honesty --report                      from the rows alone

DIR holds images and weights (benchmarks/cifar10.py says how). Statistics are of
training images drawn by the seed, or of test images 0 to 999; what is chosen is
measured on the same images and on others that the network never saw, of test images 0
to 1,999, which no other benchmark reports on. Rows go to OUT as they come: what is cut
short goes on where it stopped.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import command
from benchmarks.honesty import report
from benchmarks.honesty.rows import Job, Row
from benchmarks.honesty.running import TRAINED, UNSEEN, Settings, run_all
from benchmarks.honesty.settings import EVERY
from benchmarks.json_lines import read_rows
from benchmarks.pruning.scene import DEPTHS

REMOVED = (75, 50, 60, 30)
SOURCES = (TRAINED, UNSEEN)


def main() -> int:
    """Run what has no row yet, write the page, and give the exit code."""
    return command.run(_asked(), _shown, _page)


def _page(asked: argparse.Namespace) -> str:
    return report.page(read_rows(asked.out, Row))


def _shown(asked: argparse.Namespace) -> Iterator[Row]:
    torch.set_num_threads(asked.threads)
    done = {row.job for row in read_rows(asked.out, Row)}
    every = [
        Job(network, seed, source, model, removed)
        for network in asked.networks
        for seed in range(asked.seeds)
        for source in asked.sources
        for removed in asked.removed
        for model in asked.models
    ]
    settings = Settings(asked.data, asked.calibration, asked.images, asked.restarts)
    todo = [job for job in every if job not in done]
    for row in run_all(todo, asked.models, settings):
        print(
            f"{row.network} -{row.removed} % {row.model} ({row.source}, seed "
            f"{row.seed}): predicted {row.predicted:.3f}, seen {row.seen_rise:.3f}, "
            f"unseen {row.rise:.3f}, repaired {row.repaired_rise:.3f}",
            flush=True,
        )
        yield row


def _asked() -> argparse.Namespace:
    parser = command.parser("honesty", __doc__)
    parser.add_argument("--data", type=Path, help="images and weights")
    parser.add_argument("--networks", nargs="+", default=list(DEPTHS), choices=DEPTHS)
    parser.add_argument("--removed", nargs="+", type=int, default=REMOVED)
    parser.add_argument("--sources", nargs="+", default=SOURCES, choices=SOURCES)
    parser.add_argument("--models", nargs="+", default=EVERY, choices=EVERY)
    parser.add_argument("--seeds", type=int, default=1, help="0 to K - 1")
    parser.add_argument("--calibration", type=int, default=1000, help="training images")
    parser.add_argument("--images", type=int, default=2000, help="test images")
    parser.add_argument("--restarts", type=int, default=20, help="of each search")
    parser.add_argument("--threads", type=int, default=1)
    return command.parsed(parser, "honesty", data_needed=True)


if __name__ == "__main__":
    raise SystemExit(main())
