"""The program `ccsolve`: its commands and its options."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

import ccsolve
from ccsolve.cli import (
    bench,
    demo,
    methods,
    pareto,
    plan,
    report,
    solve,
    validation,
    verify,
)
from ccsolve.cli.outcome import CLOSED_PIPE, reporting

_EPILOG = (
    "Start with:  ccsolve demo    Then:  ccsolve COMMAND --help\n\n"
    "Exit codes: 0 done as asked; 1 a limit came before the asked gap, or a solution "
    "was refuted; 2 bad input; 3 infeasible; 130 interrupted."
)
_COMMANDS: tuple[tuple[Callable[..., int], tuple[str, ...]], ...] = (
    (demo.demo, demo.EXAMPLES),
    (solve.solve, solve.EXAMPLES),
    (methods.methods, methods.EXAMPLES),
    (verify.verify, verify.EXAMPLES),
    (plan.plan, plan.EXAMPLES),
    (pareto.pareto, pareto.EXAMPLES),
    (validation.validation, validation.EXAMPLES),
    (report.report, report.EXAMPLES),
    (bench.bench, bench.EXAMPLES),
)


def run() -> None:
    """Run the command line and exit.

    typer ends with 1, which has a meaning of ours, where the reader of its help or its
    complaints went away.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        app()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            sys.exit(CLOSED_PIPE)
        raise


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ccsolve {ccsolve.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Compression decisions of neural networks, solved with proven bounds."""


def _examples(lines: tuple[str, ...]) -> str:
    """Give an epilog; its paragraphs are the only line breaks that help keeps."""
    return "\n\n".join(("Examples:", *(f"  $ {line}" for line in lines)))


def _build() -> typer.Typer:
    program = typer.Typer(
        name="ccsolve",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=_EPILOG,
    )
    program.callback()(_options)
    for command, examples in _COMMANDS:
        program.command(epilog=_examples(examples))(reporting(command))
    return program


app = _build()
