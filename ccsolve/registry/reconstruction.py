"""The methods of ReconstructionSelection, one row of data each."""

from ccsolve.problems import ReconstructionSelection
from ccsolve.registry.row import Kind, Method

_RECONSTRUCTION = "ccsolve.solvers.reconstruction."

ROWS: tuple[Method, ...] = (
    Method(
        "greedy_removal",
        ReconstructionSelection,
        Kind.HEURISTIC,
        _RECONSTRUCTION + "greedy_removal",
        "the channel that is missed least goes next, the rest is refitted",
    ),
    Method(
        "greedy_addition",
        ReconstructionSelection,
        Kind.HEURISTIC,
        _RECONSTRUCTION + "greedy_addition",
        "the channel that explains most of what is left comes next",
    ),
    Method(
        "thinet",
        ReconstructionSelection,
        Kind.HEURISTIC,
        _RECONSTRUCTION + "thinet",
        "ThiNet: greedy on the dense weights, one refit at the end; a baseline",
    ),
    Method(
        "lasso",
        ReconstructionSelection,
        Kind.HEURISTIC,
        _RECONSTRUCTION + "lasso",
        "one gate per channel under a rising penalty, then a refit; a baseline",
    ),
    Method(
        "swap_search",
        ReconstructionSelection,
        Kind.HEURISTIC,
        _RECONSTRUCTION + "swap_search",
        "greedy removal, then swaps until none is better; the strongest heuristic",
    ),
    Method(
        "perspective",
        ReconstructionSelection,
        Kind.RELAXATION,
        _RECONSTRUCTION + "perspective",
        "the perspective relaxation, rounded and improved by swaps; proven bounds",
    ),
    Method(
        "search_and_bound",
        ReconstructionSelection,
        Kind.RELAXATION,
        _RECONSTRUCTION + "search_and_bound",
        "swaps, the perspective bound, then kicked swaps for the rest of the time",
    ),
    Method(
        "branch_and_bound",
        ReconstructionSelection,
        Kind.EXACT,
        _RECONSTRUCTION + "branch_and_bound",
        "leaps and bounds over the channels that go, under the perspective bound",
        max_size=64,
    ),
)
