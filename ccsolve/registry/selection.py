"""The methods of ChannelSelection, one row of data each."""

from ccsolve.problems import ChannelSelection
from ccsolve.registry.row import Kind, Method, Need

A_BUDGET = Need("problems with a budget", lambda problem: problem.budget is not None)

_SELECTION = "ccsolve.solvers.selection."

ROWS: tuple[Method, ...] = (
    Method(
        "greedy",
        ChannelSelection,
        Kind.HEURISTIC,
        _SELECTION + "greedy",
        "add or delete one channel at a time, whichever changes the objective best",
    ),
    Method(
        "local_search",
        ChannelSelection,
        Kind.HEURISTIC,
        _SELECTION + "local_search",
        "swap descent from a greedy and many random starts",
    ),
    Method(
        "tabu",
        ChannelSelection,
        Kind.HEURISTIC,
        _SELECTION + "tabu",
        "annealed populations, recombined, with tabu search; the strongest heuristic",
    ),
    Method(
        "annealing",
        ChannelSelection,
        Kind.HEURISTIC,
        _SELECTION + "annealing",
        "simulated annealing by swaps that never leave the cardinality",
    ),
    Method(
        "eigenvalue_bound",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "eigenvalue_bound",
        "minimum over the sphere through all feasible points; one eigen-decomposition",
    ),
    Method(
        "convex_relaxation",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "convex_relaxation",
        "eigenvalue shift on 1'x = 0, then the box QP; rounded and improved by swaps",
    ),
    Method(
        "sdp",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "sdp",
        "semidefinite, the constraints multiplied by every channel; proven bounds",
    ),
    Method(
        "dnn",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "dnn",
        "the same with every product at least 0; tighter, at hardly more time",
    ),
    Method(
        "dnn_triangles",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "dnn_triangles",
        "the same with the violated triangle cuts; the tightest bound",
    ),
    Method(
        "qcr",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "qcr",
        "a convex quadratic as tight as sdp, for its bound and for MIQP solvers",
    ),
    Method(
        "lagrangian",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "lagrangian",
        "the budget priced, each price bounded by sdp's dual, its points mended",
        needs=(A_BUDGET,),
    ),
    Method(
        "search_and_bound",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "search_and_bound",
        "the convex relaxation's bound, then tabu search for the rest of the time",
    ),
    Method(
        "sdp_cvxpy",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "sdp_cvxpy",
        "sdp or dnn by Clarabel or SCS through cvxpy, repaired to a proof; an oracle",
        max_size=120,
    ),
    Method(
        "branch_and_bound",
        ChannelSelection,
        Kind.EXACT,
        _SELECTION + "branch_and_bound",
        "semidefinite duals above, convex quadratic trees below; the strongest proof",
    ),
    Method(
        "milp",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "milp",
        "products linearised, solved by HiGHS: a second opinion, its bound unproven",
        max_size=200,
    ),
    Method(
        "enumerate_all",
        ChannelSelection,
        Kind.EXACT,
        _SELECTION + "enumerate_all",
        "every feasible point in Gray-code order; the oracle of the tests",
        max_size=40,
    ),
)
