"""How a command ends: exit codes, and one line for what went wrong."""

import functools
import os
import sys
from collections.abc import Callable

import typer

from ccsolve.cli import INTERRUPTED
from ccsolve.cli.console import complain
from ccsolve.errors import CcsolveError, Infeasible, WrongAnswer
from ccsolve.registry import find
from ccsolve.solution import Problem, Solution, Stop

DONE = 0
UNPROVEN = 1
BAD_INPUT = 2
INFEASIBLE = 3
CLOSED_PIPE = 141
"""128 + SIGPIPE: what a shell reports of any tool whose reader went away."""

_LIMITS = (Stop.TIME_LIMIT, Stop.STEP_LIMIT)


def exit_code(solution: Solution, problem: Problem, gap: float) -> int:
    """Give the exit code of a solve: a method with bounds has a gap to reach."""
    if solution.stop is Stop.INTERRUPTED:
        return INTERRUPTED
    cut = solution.stop in _LIMITS and solution.gap > gap
    if not cut:
        return DONE
    return UNPROVEN if find(solution.method, problem).gives_bound else DONE


def reporting(command: Callable[..., int]) -> Callable[..., None]:
    """Make a function that gives an exit code a command that ends with it.

    What ccsolve raises on purpose, and what the operating system refuses, becomes one
    line on stderr. Any other exception is a defect and keeps its traceback.
    """

    @functools.wraps(command)
    def run(*args: object, **options: object) -> None:
        raise typer.Exit(_code_of(command, args, options))

    return run


def _code_of(
    command: Callable[..., int], args: tuple[object, ...], options: dict[str, object]
) -> int:
    try:
        return command(*args, **options)
    except BrokenPipeError:
        _forget_stdout()
        return CLOSED_PIPE
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except CcsolveError as error:
        complain(str(error))
        return _code_of_error(error)
    except OSError as error:
        complain(
            f"{error.filename}: {error.strerror}" if error.filename else str(error)
        )
        return BAD_INPUT


def _forget_stdout() -> None:
    """Let the interpreter's last flush succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _code_of_error(error: CcsolveError) -> int:
    if isinstance(error, Infeasible):
        return INFEASIBLE
    return UNPROVEN if isinstance(error, WrongAnswer) else BAD_INPUT
