"""The methods of LowRankFit, one row of data each."""

from ccsolve.problems import LowRankFit
from ccsolve.registry.row import Kind, Method, Need

_LOW_RANK = "ccsolve.solvers.low_rank."
_CHAIN = Need("svd, tt and tr", lambda problem: problem.format != "tucker")
_TUCKER = Need("tucker", lambda problem: problem.format == "tucker")
_GIVEN = Need("given ranks", lambda problem: problem.asks == "ranks")
_PLAIN = Need("fits without a covariance", lambda problem: not problem.blocks)
_RING = Need(
    "rings with ranks[0]·ranks[1] at most the first mode",
    lambda problem: problem.format != "tr" or _fits_tensorly(problem),
)


def _fits_tensorly(problem: LowRankFit) -> bool:
    """Say whether its first SVD has as many singular values as the ring asks for."""
    ranks = problem.ranks or (1,)
    return ranks[0] * ranks[1 % len(ranks)] <= problem.modes[0]


ROWS: tuple[Method, ...] = (
    Method(
        "fit_and_bound",
        LowRankFit,
        Kind.RELAXATION,
        _LOW_RANK + "fit_and_bound",
        "the best factors found, ranks chosen where they are not given, and a bound",
    ),
    Method(
        "tt_svd",
        LowRankFit,
        Kind.RELAXATION,
        _LOW_RANK + "tt_svd",
        "truncated SVDs bond by bond, by Gram matrices; exact for svd; with a bound",
        needs=(_CHAIN,),
    ),
    Method(
        "hosvd",
        LowRankFit,
        Kind.RELAXATION,
        _LOW_RANK + "hosvd",
        "truncated SVDs mode by mode, by Gram matrices; with a bound",
        needs=(_TUCKER,),
    ),
    Method(
        "als",
        LowRankFit,
        Kind.RELAXATION,
        _LOW_RANK + "als",
        "sweeps of alternating least squares in any norm, monotone; with a bound",
    ),
    Method(
        "warm",
        LowRankFit,
        Kind.HEURISTIC,
        _LOW_RANK + "warm",
        "one sweep from factors of a tensor nearby: the step of loops",
    ),
    Method(
        "randomised",
        LowRankFit,
        Kind.HEURISTIC,
        _LOW_RANK + "randomised",
        "random subspaces in place of Gram matrices, for very large unfoldings",
    ),
    Method(
        "tensorly",
        LowRankFit,
        Kind.HEURISTIC,
        _LOW_RANK + "through_tensorly",
        "through tensorly: an oracle for what is here",
        needs=(_GIVEN, _PLAIN, _RING),
    ),
)
