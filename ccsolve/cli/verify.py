"""`ccsolve verify`: whether a solution holds what it claims."""

from pathlib import Path
from typing import Annotated

import typer

import ccsolve
from ccsolve.cli import console
from ccsolve.cli.inputs import Format, Json, read_problem, read_solution
from ccsolve.cli.outcome import DONE, UNPROVEN
from ccsolve.errors import WrongAnswer
from ccsolve.solution import Solution

EXAMPLES = (
    "ccsolve verify problem.npz best.npz",
    "ccsolve verify problem.npz best.npz --json",
)


def verify(
    problem: Annotated[
        Path, typer.Argument(help="The problem's file.", metavar="PROBLEM")
    ],
    solution: Annotated[
        Path, typer.Argument(help="The solution's file.", metavar="SOLUTION")
    ],
    format: Format = None,
    json: Json = False,
) -> int:
    """Recompute a solution: feasible, scored right, bound not above the objective.

    That the bound itself is one is the method's claim; this command cannot refute it.
    """
    given = read_solution(solution)
    reason = _reason_against(read_problem(problem, format), given)
    if json:
        console.show_json(_document(given, reason))
    else:
        console.show(_verdict(given, reason))
    return DONE if reason is None else UNPROVEN


def _reason_against(problem: object, solution: Solution) -> str | None:
    try:
        ccsolve.verify(problem, solution)  # pyright: ignore[reportArgumentType]
    except WrongAnswer as error:
        return str(error)
    return None


def _document(solution: Solution, reason: str | None) -> dict[str, object]:
    return {
        "verified": reason is None,
        "reason": reason,
        "objective": solution.objective,
        "bound": solution.bound,
        "gap": solution.gap,
        "claim": solution.claim().value,
    }


def _verdict(solution: Solution, reason: str | None) -> str:
    if reason is not None:
        return f"refuted: {reason}"
    objective, bound = f"{solution.objective:.10g}", console.number(solution.bound)
    gap, claim = console.gap(solution.gap), solution.claim().value
    return f"verified: objective {objective}, bound {bound}, gap {gap}, claim {claim}"
