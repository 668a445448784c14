"""The methods of NetworkSelection, one row of data each."""

from ccsolve.problems import NetworkSelection
from ccsolve.registry.row import Kind, Method

_NETWORK = "ccsolve.solvers.network."

ROWS: tuple[Method, ...] = (
    Method(
        "enumerate_all",
        NetworkSelection,
        Kind.EXACT,
        _NETWORK + "enumerate_all",
        "every point within the budgets, scored; the oracle",
        max_size=24,
    ),
    Method(
        "greedy",
        NetworkSelection,
        Kind.HEURISTIC,
        _NETWORK + "greedy",
        "the channel whose loss per cost saved is least goes next, then what fits",
    ),
    Method(
        "local_search",
        NetworkSelection,
        Kind.HEURISTIC,
        _NETWORK + "local_search",
        "swaps, shifts of width between groups, chains of them; kicked again and again",
    ),
    Method(
        "tabu",
        NetworkSelection,
        Kind.HEURISTIC,
        _NETWORK + "tabu",
        "tabu search by swaps and shifts that keep every budget",
    ),
    Method(
        "exchange",
        NetworkSelection,
        Kind.HEURISTIC,
        _NETWORK + "exchange",
        "a long tabu walk: steps down, and what then fits back in, by rows of Q",
    ),
    Method(
        "curves",
        NetworkSelection,
        Kind.RELAXATION,
        _NETWORK + "curves",
        "bounds of every group at every width, widths coupled exactly; lazily raised",
    ),
    Method(
        "search_and_bound",
        NetworkSelection,
        Kind.RELAXATION,
        _NETWORK + "search_and_bound",
        "greedy, curves and exchanges in turn: the point of a search, a proven bound",
    ),
)
