"""Whole-network programs against SCIP, Gurobi and a greedy.

    python -m benchmarks.network --data DIR [--state FOLDER]
    python -m benchmarks.network --cases "chain of 160 channels, coupled"
    python -m benchmarks.network --report                      from the rows alone

DIR holds CIFAR-10 and trained weights (benchmarks/cifar10.py says how). Statistics of
ResNet-20 and ResNet-56 on 1,500 test images are collected into FOLDER once, a quarter
of an hour. One thread; each contender runs in a process of its own. Rows go to OUT as
they come: what has a row is not run again, but for what failed; delete the file to
begin anew.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import command
from benchmarks.json_lines import read_rows
from benchmarks.network import drawing, report
from benchmarks.network.cases import CASES, Case, collect, problem_of
from benchmarks.network.contenders import CONTENDERS, at_times, timed
from benchmarks.network.memory import peak
from benchmarks.network.rows import Row, is_done, latest
from benchmarks.network.schedule import TIMES, limit_of
from benchmarks.network.scorer import faults, value
from benchmarks.selection.workers import ONE_THREAD
from ccsolve.bench.rows import environment
from ccsolve.problems.network_points import natural_scale


def main() -> int:
    """Run what has no row yet, write the page, and give the exit code."""
    asked = _asked()
    if asked.one is not None:
        name, contender, limit = asked.one
        row = measured(_case(name), contender, float(limit), asked.state)
        print(json.dumps(asdict(row)))
        return 0
    if asked.data is not None and not asked.report:
        collect(asked.data, asked.state)
    return command.run(asked, _run, _page)


def _page(asked: argparse.Namespace) -> str:
    rows = latest(read_rows(asked.out, Row))
    drawing.curves(rows, asked.page.parent / "figures")
    return report.page(rows)


def _run(asked: argparse.Namespace) -> Iterator[Row]:
    known = filter(is_done, read_rows(asked.out, Row))
    done = {(row.case, row.contender, row.limit) for row in known}
    for case in CASES:
        if (asked.cases and case.name not in asked.cases) or (
            case.network and not asked.state.is_dir()
        ):
            continue
        for contender in asked.contenders or CONTENDERS:
            limit = limit_of(case, contender)
            if limit is None or (case.name, contender, limit) in done:
                continue
            row = _apart(asked, case, contender, limit)
            print(row.case, row.contender, row.status, row.values[-1:], row.bounds[-1:],
                  flush=True)  # fmt: skip
            yield row


def _apart(asked: argparse.Namespace, case: Case, contender: str, limit: float) -> Row:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.network", "--state", str(asked.state)]
    command += ["--one", case.name, contender, str(limit)]
    env = {**os.environ, **ONE_THREAD}
    ran = subprocess.run(command, env=env, capture_output=True, text=True)
    if ran.returncode:
        note = (ran.stderr.strip().splitlines() or ["no message"])[-1]
        return Row(case.name, contender, f"failed: {note}", 0, limit)
    return Row(**json.loads(ran.stdout.splitlines()[-1]))


def measured(case: Case, contender: str, limit: float, state: Path | None) -> Row:
    """Run a contender on a case and score its last point by the referee."""
    problem = problem_of(case, state)
    run, seconds, cpu = timed(CONTENDERS[contender], problem, limit)
    about = {
        "channels": problem.n,
        "limit": limit,
        "version": run.version,
        "note": run.note,
        "machine": str(environment()["machine"]),
        "seconds": seconds,
        "cpu": cpu,
    }
    if run.x is None:
        return Row(case.name, contender, run.status, **about)
    parts = problem.parts()
    wrong, scored = faults(parts, run.x), value(parts, np.asarray(run.x, bool))
    status = f"refused: breaks {', '.join(wrong)}" if wrong else run.status
    times = sorted({*(t for t in TIMES if t < limit), limit})
    values, bounds = at_times(run, [*times[:-1], math.inf])
    return Row(
        case.name,
        contender,
        status,
        times=[*times],
        values=[*values[:-1], scored],
        bounds=bounds,
        early=run.early,
        scale=natural_scale(problem),
        memory=peak(),
        **about,
    )


def _case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def _asked() -> argparse.Namespace:
    parser = command.parser("network", __doc__)
    parser.add_argument("--data", type=Path, help="images and trained weights")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path("build/network"),
        help="folder of the collected statistics",
    )
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES])
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS))
    parser.add_argument("--one", nargs=3, metavar=("CASE", "CONTENDER", "SECONDS"))
    return command.parsed(parser, "network")


if __name__ == "__main__":
    raise SystemExit(main())
