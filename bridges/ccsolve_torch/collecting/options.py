"""What a collection of statistics is asked for."""

from dataclasses import dataclass

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import whole_number
from ccsolve_torch.collecting.moments import LEVELS, Levels

CURVATURES = ("ggn", "fisher")

_MANY = 2**62


@dataclass(frozen=True)
class Options:
    """What `collect` was asked for; InvalidProblem where it cannot be had."""

    curvature: str
    layers: Levels
    sketches: int | None
    positions: int | None
    max_rows: int
    max_bytes: float
    seed: int

    def __post_init__(self) -> None:
        """Check every field, and which of them go together."""
        if self.curvature not in CURVATURES:
            raise InvalidProblem(
                f"curvature {self.curvature!r}; expected 'ggn' or 'fisher'"
            )
        given = self.layers
        levels = [given] if isinstance(given, str) else list(given.values())
        for level in levels:
            if level not in LEVELS:
                raise InvalidProblem(f"layers {level!r}; expected {', '.join(LEVELS)}")
        for name, value in (("sketches", self.sketches), ("positions", self.positions)):
            if value is not None:
                whole_number(name, value, 1, _MANY)
        whole_number("max_rows", self.max_rows, 0, _MANY)
        whole_number("seed", self.seed, 0, _MANY)
        if self.positions is not None and "moments" not in levels:
            raise InvalidProblem(
                "positions: used only with layers='moments'; leave it out"
            )
        if self.sketches is not None and self.curvature == "fisher":
            raise InvalidProblem(
                "sketches: used only with curvature='ggn'; leave it out"
            )
