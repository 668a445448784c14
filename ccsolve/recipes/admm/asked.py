"""What is asked: the factor of every layer, from a plan, a mapping or one number."""

from collections.abc import Mapping, Sequence
from typing import Any

from ccsolve.errors import InvalidProblem
from ccsolve.factors import Factor, factor_of
from ccsolve.plans import Plan
from ccsolve.recipes.admm.rank_set import rank_set


def factors_from(
    value: Any, shapes: Mapping[str, Sequence[int]], format: str
) -> dict[str, Factor]:
    """Give name -> Factor.

    Parameters
    ----------
    value
        A `Plan` with factors; a mapping from names to `Factor` or its fields; or one
        number for all of `names`: a float in (0, 1], the part of the full rank of
        every bond, or an int, the rank.
    format
        Of one number.
    """
    if isinstance(value, Plan):
        value = value.factors
    elif isinstance(value, int | float) and not isinstance(value, bool):
        one, whole, least = Factor(format, value), Factor(format, 1.0), max(value, 1)
        thick = [
            name
            for name, shape in shapes.items()
            if max(rank_set(whole, shape, name).ranks) > least
        ]
        value = dict.fromkeys(thick, one)
    if not isinstance(value, Mapping):
        raise InvalidProblem(
            f"factors: {type(value).__name__}; expected a Plan, a mapping from names "
            "of layers to Factor, or one number, the part of the full ranks"
        )
    if not value:
        raise InvalidProblem("factors: no layer; expected the factor of one or more")
    return {name: factor_of(one, f"factors[{name!r}]") for name, one in value.items()}
