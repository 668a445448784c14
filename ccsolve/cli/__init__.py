"""The command line: the only place that prints."""

import importlib
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit.

    The commands are imported here, and not with this module, so that Ctrl-C meanwhile
    ends the program as it does later: with one line.
    """
    try:
        importlib.import_module("ccsolve.cli.program").run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(INTERRUPTED)


__all__ = ["main"]
