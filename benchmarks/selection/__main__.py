"""Channel selection against its peers.

    python -m benchmarks.selection --data DIR                  all, and a report
    python -m benchmarks.selection --suite targets --data DIR  one suite
    python -m benchmarks.selection --suite bounds --only ccpz --seconds 10
    python -m benchmarks.selection --report                    from the rows alone

Every competitor runs on one thread, in turn, in a process apart; a peer that is not
installed is named and left out. Rows go to OUT/SUITE.jsonl as they come: what is cut
short goes on where it stopped. Exit 1 where a point refuted a bound called proven.
Without --data the public instances are left out.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.selection import report, running, suites
from benchmarks.selection.competitors import table
from ccsolve.bench.reading import refutations
from ccsolve.bench.runs import RAN, Run, read_runs
from ccsolve.errors import CcsolveError

ROWS = Path(__file__).parents[1] / "results" / "selection"
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-selection.md"


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    suite: str
    data: Path | None
    seconds: float | None
    seeds: int | None
    competitors: list[str] | None
    only: str
    out: Path
    report: bool
    page: Path


def main() -> int:
    """Run what is asked for, write the report, and give the exit code."""
    asked = _asked()
    names = list(suites.SUITES) if asked.suite == "all" else [asked.suite]
    asked.out.mkdir(parents=True, exist_ok=True)
    try:
        if not asked.report:
            for name in names:
                _run(name, asked)
        if asked.report or asked.suite == "all":
            for path in report.write(_rows(asked.out), asked.page):
                print(f"written: {path}")
    except (LookupError, FileNotFoundError, CcsolveError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the rows so far are kept", file=sys.stderr)
        return 130
    return _verdict(_rows(asked.out))


def _run(name: str, asked: Asked) -> None:
    """Run a suite's jobs that have no row yet, a line for each."""
    path = asked.out / f"{name}.jsonl"
    print(f"== {name}: {suites.SUITES[name].what} -> {path}", flush=True)
    if asked.data is None:
        print("no --data: public instances and real programs are left out")
    jobs = suites.jobs(
        name,
        asked.data,
        seconds=asked.seconds,
        seeds=asked.seeds,
        competitors=asked.competitors,
        only=asked.only,
    )
    missing: set[str] = set()
    for run in running.run_all(jobs, asked.data, path, _rows(asked.out)):
        if run.status == RAN or run.note not in missing:
            print(_line(run), flush=True)
        if run.status != RAN:
            missing.add(run.note)


def _line(run: Run) -> str:
    head = f"{run.instance}  {run.competitor}  seed {run.seed}:"
    if run.status != RAN:
        return f"{head} {run.status}: {run.note}"
    return (
        f"{head} value {run.objective:.9g}  bound {run.bound:.9g}  gap {run.gap:.3g}  "
        f"{run.seconds:.3f} s  {run.stop}"
    )


def _rows(folder: Path) -> list[Run]:
    return [run for file in sorted(folder.glob("*.jsonl")) for run in read_runs(file)]


def _verdict(rows: list[Run]) -> int:
    """Say loudly which bounds no longer stand; 1 where one called itself a proof."""
    refuted = refutations(rows)
    for entry in refuted:
        kind = "REFUTED BOUND" if entry.run.rigorous else "claimed, not proven, refuted"
        print(f"{kind}: {entry}", file=sys.stderr)
    return int(any(entry.run.rigorous for entry in refuted))


def _asked() -> Asked:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.selection",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--suite", choices=["all", *suites.SUITES], default="all")
    parser.add_argument("--data", type=Path, help="benchmarks/README.md says what of")
    parser.add_argument("--seconds", type=_positive, help="of each run")
    parser.add_argument("--seeds", type=int, help="0 to K - 1")
    parser.add_argument("--competitors", nargs="+", help="instead of the suite's own")
    parser.add_argument("--only", default="", help="instances whose name holds this")
    parser.add_argument("--out", type=Path, default=ROWS, help="folder of the rows")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--page", type=Path, default=PAGE, help="of the report")
    asked = Asked(**vars(parser.parse_args()))
    unknown = [name for name in asked.competitors or () if not table.known(name)]
    if unknown:
        parser.error(f"no competitor {unknown[0]!r}")
    return asked


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text}; expected a number above 0")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
