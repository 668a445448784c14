"""What the registry holds of a method: a row of data."""

import enum
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class Kind(enum.Enum):
    """What a method gives."""

    HEURISTIC = "heuristic"
    RELAXATION = "relaxation"
    EXACT = "exact"


@dataclass(frozen=True)
class Need:
    """What a method needs of a problem, beside its type and size.

    Attributes
    ----------
    text : how an error says it, "problems with a budget".
    holds : whether a problem has it.
    """

    text: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Method:
    """One method of one problem.

    Attributes
    ----------
    name : what ``solve(problem, method=name)`` takes; unique for the problem's type.
    problem : the type it solves.
    kind : a heuristic gives a point, a relaxation a bound and a point, an exact method
        both until they meet.
    module : where its ``solve`` is.
    summary : one line.
    max_size : largest ``problem.n`` it takes, None for any.
    needs : what else a problem must have.
    """

    name: str
    problem: type
    kind: Kind
    module: str
    summary: str
    max_size: int | None = None
    needs: tuple[Need, ...] = ()

    @property
    def gives_bound(self) -> bool:
        """Whether it gives a lower bound."""
        return self.kind is not Kind.HEURISTIC

    def load(self) -> Callable[..., Any]:
        """Import the method's module and give its ``solve``."""
        return importlib.import_module(self.module).solve

    def options(self) -> dict[str, inspect.Parameter]:
        """Give its keyword-only options by name."""
        return dict(_keyword_only(self.load()))


@functools.cache
def _keyword_only(solve: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Read a signature once: it takes as long as a small program."""
    parameters = inspect.signature(solve).parameters.values()
    return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
