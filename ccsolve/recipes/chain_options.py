"""What options of recipes of chains are, before any statistics are looked at.

The recipes check with these, and so does who would collect the statistics first.
"""

from collections.abc import Collection, Mapping
from typing import Any

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.factors import SPLITS, Factor
from ccsolve.problems.checks import whole_number
from ccsolve.sensitivity.low_rank import METRICS

FORMATS = ("svd", "tt", "tucker")
"""Those of which chains of layers can be made."""

LARGEST = 10**9

_DEFAULTS: Mapping[str, Any] = {
    "metric": "auto",
    "multiple_of": 1,
    "min_keep": 1,
    "split": "channel",
    "modes": None,
    "format": FORMATS[0],
    "fixed": None,
    "times": None,
}


def check_options(
    resources: Collection[str], options: Mapping[str, Any], *, params_alone: bool
) -> None:
    """Check options by name, of "svd", "tucker", "tt", "admm_tt" and "linear_conv".

    `resources` are what has a budget; `params_alone` where only parameters can have.
    Errors as of the recipes.
    """
    given = {**_DEFAULTS, **options}
    if params_alone:
        check_params_alone(resources)
    check_rules(given["metric"], given["multiple_of"], given["min_keep"])
    check_split(given["split"], given["metric"])
    check_modes(given["modes"], given["metric"], resources)
    check_format(given["format"])
    for name in ("fixed", "times"):
        check_mapping(name, given[name])


def check_rules(metric: Any, multiple_of: Any, min_keep: Any) -> None:
    """Check the metric's name and the steps of ranks; InvalidProblem."""
    known = ("auto", *METRICS)
    if metric not in known:
        raise InvalidProblem(f"metric {metric!r}; expected one of {', '.join(known)}")
    whole_number("multiple_of", multiple_of, 1, LARGEST)
    whole_number("min_keep", min_keep, 0, LARGEST)


def check_split(split: Any, metric: str) -> None:
    """Check a split; InvalidProblem, or Unsupported with this metric."""
    if split not in SPLITS:
        raise InvalidProblem(f"split {split!r}; expected one of {', '.join(SPLITS)}")
    if split == "spatial" and metric not in ("auto", "weights"):
        raise Unsupported(f"split 'spatial' with metric {metric!r}; expected 'weights'")


def check_modes(modes: Any, metric: str, resources: Collection[str]) -> None:
    """Check modes: none, a number or by layer; Unsupported with metric or budget."""
    if modes is None:
        return
    if metric not in ("auto", "weights"):
        raise Unsupported(f"modes with metric {metric!r}; expected 'weights'")
    if "latency" in resources:
        raise Unsupported(
            "latency with modes: no times of trains are measured; expected budgets on "
            "macs or params"
        )
    if not isinstance(modes, Mapping):
        whole_number("modes", modes, 1, 64)
        return
    for name, some in modes.items():
        factor_with(f"modes[{name!r}]", some)


def factor_with(where: str, modes: Any) -> Factor:
    """Give a train of these modes; InvalidProblem, with `where`, for no modes."""
    try:
        return Factor("tt", 1.0, modes=modes)
    except InvalidProblem as error:
        raise InvalidProblem(f"{where}: {error}") from None


def check_format(format: Any) -> None:
    """Check the format of chains; InvalidProblem."""
    if format not in FORMATS:
        raise InvalidProblem(
            f"format {format!r}; expected one of {', '.join(FORMATS)}, of which chains "
            "of layers can be made"
        )


def check_mapping(name: str, given: Any) -> None:
    """Check that something is given by layer, or not at all; InvalidProblem."""
    if given is not None and not isinstance(given, Mapping):
        raise InvalidProblem(
            f"{name} = {given!r:.60}; expected a mapping from names of layers"
        )


def check_params_alone(resources: Collection[str]) -> None:
    """Check that nothing but parameters has a budget; Unsupported."""
    others = sorted(set(resources) - {"params"})
    if others:
        raise Unsupported(
            f"{others[0]} with recipe 'linear_conv': filters made of filters save "
            "parameters alone; expected a budget on params"
        )
