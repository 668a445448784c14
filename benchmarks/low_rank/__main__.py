"""Low-rank projections against tensorly, tntorch, numpy, scipy and scikit-learn.

    python -m benchmarks.low_rank --data DIR
    python -m benchmarks.low_rank --cases "conv 512x512x3x3, settled"
    python -m benchmarks.low_rank --report                     from the rows alone

DIR holds trained weights (benchmarks/cifar10.py says how); without it their cases are
left out. One thread, CPU time; all contenders meet the same tensors in one process, and
each runs in one of its own for its memory. Rows go to OUT as they come: what has a row
is not run again; delete the file to begin anew. tntorch is installed with

    pip install --no-deps tntorch

torchTT could not be had from a package index; it is no contender.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import command
from benchmarks.json_lines import read_rows
from benchmarks.low_rank import drawing, report
from benchmarks.low_rank.cases import CASES, Case
from benchmarks.low_rank.measuring import extra_memory, is_large, is_ours, timed
from benchmarks.low_rank.rows import Row
from benchmarks.selection.workers import ONE_THREAD

LEAST = 2_000_000
"""Entries from which memory is measured."""


_RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""What glibc needs to give memory back at once: else a step reuses what one freed."""


def main() -> int:
    """Run what has no row yet, write the page, and give the exit code."""
    asked = _asked()
    if asked.memory is not None:
        name, contender = asked.memory
        print(extra_memory(_case(name), contender, asked.data))
        return 0
    return command.run(asked, _shown, _page)


def _page(asked: argparse.Namespace) -> str:
    rows = read_rows(asked.out, Row)
    drawing.times(rows, asked.page.parent / "figures")
    return report.page(rows)


def _shown(asked: argparse.Namespace) -> Iterator[Row]:
    done = {row.case for row in read_rows(asked.out, Row)}
    for case in CASES:
        if case.name in done or (asked.cases and case.name not in asked.cases):
            continue
        if case.weights is not None and asked.data is None:
            continue
        for row in timed(case, asked.data, asked.contenders):
            if row.status == "ran":
                row = replace(row, extra=_memory(asked, case, row))
            print(
                row.case, row.contender, row.seconds, row.error, row.extra, flush=True
            )
            yield row


def _memory(asked: argparse.Namespace, case: Case, row: Row) -> float | None:
    """Measure memory in a process of its own, None for small cases and for networks.

    Of large cases that of ccsolve alone: peers take minutes.
    """
    small = row.entries < LEAST or len(case.layers) > 1 or case.kind == "whitened"
    if asked.no_memory or small or (is_large(case) and not is_ours(row.contender)):
        return None
    command = [sys.executable, "-m", "benchmarks.low_rank"]
    command += ["--memory", case.name, row.contender]
    command += ["--data", str(asked.data)] if asked.data is not None else []
    env = {**os.environ, **ONE_THREAD, **_RETURNED}
    ran = subprocess.run(command, env=env, capture_output=True, text=True)
    return float(ran.stdout.split()[-1]) if ran.returncode == 0 else None


def _case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def _asked() -> argparse.Namespace:
    parser = command.parser("low_rank", __doc__)
    parser.add_argument("--data", type=Path, help="trained weights")
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES])
    parser.add_argument("--contenders", nargs="+", help="of those of each kind")
    parser.add_argument("--no-memory", action="store_true", help="times alone")
    parser.add_argument("--memory", nargs=2, metavar=("CASE", "CONTENDER"))
    return command.parsed(parser, "low_rank")


if __name__ == "__main__":
    raise SystemExit(main())
