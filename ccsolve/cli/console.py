"""Where words go: results to stdout, progress and complaints to stderr."""

import math
import os
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from ccsolve.io.strict_json import dump_json

PLAIN_WIDTH = 100
"""Columns of a table that goes to a file or a pipe; a terminal has its own width."""


def results() -> Console:
    """Give a console on stdout; made anew, since stdout may have been replaced."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console


def progress() -> Console:
    """Give a console on stderr."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def show(*parts: Any) -> None:
    """Print texts and tables on stdout."""
    console = results()
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    _write(captured.get())


def show_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout; what is not finite becomes null."""
    _write(dump_json(document, indent=2) + "\n")


def complain(message: str) -> None:
    """Print one line on stderr, whatever line breaks the message holds."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201


def number(value: float | None) -> str:
    """Give a value in five significant digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.5g}"


def gap(value: float) -> str:
    """Give a relative gap in per cent; infinite where nothing is proven."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "none"
    digits = ".1f" if value >= 0.001 else ".2g"
    return f"{100 * value:{digits}} %"


def _write(text: str) -> None:
    if sys.stdout is not None:
        sys.stdout.write(text)
        sys.stdout.flush()
