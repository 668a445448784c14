"""Rate allocation against HiGHS, CP-SAT, SCIP, SPDY's buckets and CC's published loop.

    python -m benchmarks.allocation
    python -m benchmarks.allocation --suites "one, 50x100" --seeds 2
    python -m benchmarks.allocation --report            from the rows alone

Rows go to OUT as they come: what is cut short goes on where it stopped; delete the file
to begin anew. All instances are generated: no data are needed.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.allocation import report
from benchmarks.allocation.rows import Row
from benchmarks.allocation.running import run_all
from benchmarks.allocation.suites import SUITES
from benchmarks.json_lines import append_rows, read_rows

ROWS = Path(__file__).parents[1] / "results" / "allocation.jsonl"
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-allocation.md"


def main() -> int:
    """Run what has no row yet, write the page, and give the exit code."""
    asked = _asked()
    try:
        if not asked.report:
            append_rows(asked.out, _shown(asked))
    except KeyboardInterrupt:
        print("interrupted; the rows so far are kept", file=sys.stderr)
        return 130
    asked.page.write_text(report.page(read_rows(asked.out, Row)), encoding="utf-8")
    print(f"written: {asked.page}")
    return 0


def _shown(asked: argparse.Namespace) -> Iterator[Row]:
    suites = [suite for suite in SUITES if suite.name in asked.suites]
    done = {
        (row.suite, row.instance, row.competitor) for row in read_rows(asked.out, Row)
    }
    for row in run_all(suites, asked.seeds, done):
        print(f"{row.instance} {row.competitor}: {row.status} {row.cpu} s", flush=True)
        yield row


def _asked() -> argparse.Namespace:
    names = [suite.name for suite in SUITES]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.allocation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--suites", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, help="0 to K - 1; each suite's own else")
    parser.add_argument("--out", type=Path, default=ROWS, help="file of the rows")
    parser.add_argument("--page", type=Path, default=PAGE, help="the report")
    parser.add_argument("--report", action="store_true", help="run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
