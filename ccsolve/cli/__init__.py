"""The command line: the only place that prints."""

from ccsolve.cli.program import main

__all__ = ["main"]
