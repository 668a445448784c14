"""Rate allocation against HiGHS, CP-SAT, SCIP, SPDY's buckets and CC's published loop.

    python -m benchmarks.allocation
    python -m benchmarks.allocation --suites "one, 50x100" --seeds 2
    python -m benchmarks.allocation --report            from the rows alone

Rows go to OUT as they come: what is cut short goes on where it stopped; delete the file
to begin anew. All instances are generated: no data are needed.
"""

import argparse
from collections.abc import Iterator

from benchmarks import command
from benchmarks.allocation import report
from benchmarks.allocation.rows import Row
from benchmarks.allocation.running import run_all
from benchmarks.allocation.suites import SUITES
from benchmarks.json_lines import read_rows


def main() -> int:
    """Run what has no row yet, write the page, and give the exit code."""
    return command.run(_asked(), _shown, _page)


def _page(asked: argparse.Namespace) -> str:
    return report.page(read_rows(asked.out, Row))


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
    parser = command.parser("allocation", __doc__)
    parser.add_argument("--suites", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, help="0 to K - 1; each suite's own else")
    return command.parsed(parser, "allocation")


if __name__ == "__main__":
    raise SystemExit(main())
