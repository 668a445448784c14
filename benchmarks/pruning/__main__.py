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
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.json_lines import append_rows, read_rows
from benchmarks.pruning import jobs, report
from benchmarks.pruning.choices import CHOICES
from benchmarks.pruning.rows import Row
from benchmarks.pruning.running import Settings, run_all
from benchmarks.pruning.scene import DEPTHS
from ccsolve.errors import CcsolveError

ROWS = Path(__file__).parents[1] / "results" / "pruning.jsonl"
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-pruning.md"


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
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pruning",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
