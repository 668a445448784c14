"""The methods of RateAllocation, one row of data each."""

from ccsolve.problems import RateAllocation
from ccsolve.registry.row import Kind, Method, Need

_ALLOCATION = "ccsolve.solvers.allocation."

ONE_BUDGET = Need("problems with one budget", lambda problem: len(problem.budgets) == 1)
NO_PAIRS = Need("problems without pairs", lambda problem: not problem.edges)

ROWS: tuple[Method, ...] = (
    Method(
        "one_budget",
        RateAllocation,
        Kind.EXACT,
        _ALLOCATION + "one_budget",
        "hulls, the linear relaxation's price, lists of what reduced costs leave",
        needs=(ONE_BUDGET, NO_PAIRS),
    ),
    Method(
        "several_budgets",
        RateAllocation,
        Kind.EXACT,
        _ALLOCATION + "several_budgets",
        "prices by cutting planes, pair exchange, search of what reduced costs leave",
        needs=(NO_PAIRS,),
    ),
    Method(
        "pairs",
        RateAllocation,
        Kind.EXACT,
        _ALLOCATION + "pairs",
        "trees by dynamic programming in the dual and lists; else branch and bound",
    ),
    Method(
        "milp",
        RateAllocation,
        Kind.RELAXATION,
        _ALLOCATION + "milp",
        "one binary per option, solved by HiGHS; its bound proven by its duals",
    ),
    Method(
        "greedy",
        RateAllocation,
        Kind.HEURISTIC,
        _ALLOCATION + "greedy",
        "marginal analysis: the step that pays least per cost saved goes first",
    ),
    Method(
        "buckets",
        RateAllocation,
        Kind.RELAXATION,
        _ALLOCATION + "buckets",
        "SPDY's dynamic program: costs rounded up for a point, down for a bound",
        needs=(ONE_BUDGET, NO_PAIRS),
    ),
    Method(
        "precedence",
        RateAllocation,
        Kind.HEURISTIC,
        _ALLOCATION + "precedence",
        "HALP's knapsack over the layers' steps, taken in order; a baseline",
        needs=(ONE_BUDGET, NO_PAIRS),
    ),
)
