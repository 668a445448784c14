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
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.honesty import report
from benchmarks.honesty.rows import Job, Row
from benchmarks.honesty.running import TRAINED, UNSEEN, Settings, run_all
from benchmarks.honesty.settings import EVERY
from benchmarks.json_lines import append_rows, read_rows
from benchmarks.pruning.scene import DEPTHS
from ccsolve.errors import CcsolveError

ROWS = Path(__file__).parents[1] / "results" / "honesty.jsonl"
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-honesty.md"
REMOVED = (75, 50, 60, 30)
SOURCES = (TRAINED, UNSEEN)


def main() -> int:
    """Run what has no row yet, write the page, and give the exit code."""
    asked = _asked()
    try:
        if not asked.report:
            append_rows(asked.out, _shown(asked))
    except CcsolveError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the rows so far are kept", file=sys.stderr)
        return 130
    if asked.page is not None:
        asked.page.write_text(report.page(read_rows(asked.out, Row)), encoding="utf-8")
        print(f"written: {asked.page}")
    return 0


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
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.honesty",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    parser.add_argument("--out", type=Path, default=ROWS, help="file of the rows")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--page", type=Path, help="write the report there")
    asked = parser.parse_args()
    if asked.report and asked.page is None:
        asked.page = PAGE
    if not asked.report and asked.data is None:
        parser.error("--data DIR is needed for a run; --report runs nothing")
    return asked


if __name__ == "__main__":
    raise SystemExit(main())
