"""What the benchmarks' commands share: rows kept as they come, then a page of them."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.json_lines import append_rows
from ccsolve.errors import CcsolveError

ROOT = Path(__file__).parents[1]


def parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """Give the parser of `python -m benchmarks.NAME`, its files among the options."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rows = ROOT / "benchmarks" / "results" / f"{name}.jsonl"
    made.add_argument("--out", type=Path, default=rows, help="file of the rows")
    made.add_argument("--report", action="store_true", help="run nothing")
    made.add_argument("--page", type=Path, help="write the report there")
    return made


def parsed(
    options: argparse.ArgumentParser, name: str, *, data_needed: bool = False
) -> argparse.Namespace:
    """Parse the command line; a report without `--page` goes to the usual page."""
    asked = options.parse_args()
    if asked.report and asked.page is None:
        asked.page = ROOT / "docs" / f"benchmarks-{name.replace('_', '-')}.md"
    if data_needed and not asked.report and asked.data is None:
        options.error("--data DIR is needed for a run; --report runs nothing")
    return asked


def run(
    asked: argparse.Namespace,
    rows: Callable[[argparse.Namespace], Iterator[Any]],
    page: Callable[[argparse.Namespace], str],
) -> int:
    """Run what has no row yet, write the page, and give the exit code."""
    try:
        if not asked.report:
            append_rows(asked.out, rows(asked))
        if asked.page is not None:
            asked.page.write_text(page(asked), encoding="utf-8")
            print(f"written: {asked.page}")
    except CcsolveError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the rows so far are kept", file=sys.stderr)
        return 130
    return 0
