"""What the rows say of the goals that were set before the run."""

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from benchmarks.pruning.jobs import HEADLINE
from benchmarks.pruning.rows import CHOSEN_ON, Row
from benchmarks.pruning.scoring import mcnemar

SIGNIFICANT = 0.05

FITTED = "least_squares"
"""The repair under which choices are compared."""

Pair = tuple[Row, Row]


def pairs(rows: Sequence[Row], peer: str) -> list[Pair]:
    """Give the headline and a peer, fitted by least squares, seed by seed."""
    fitted = [row for row in rows if row.repair == FITTED]
    ours = {(r.removed, r.seed): r for r in fitted if r.choice == HEADLINE}
    return [
        (ours[row.removed, row.seed], row)
        for row in fitted
        if row.choice == peer and (row.removed, row.seed) in ours
    ]


def points(pair: Pair) -> float:
    """Give the difference on the reported images, in points."""
    return pair[0].accuracy(reported=True) - pair[1].accuracy(reported=True)


def p_value(pair: Pair) -> float:
    """Give McNemar's p on the reported images."""
    one, other = (row.outcomes()[CHOSEN_ON:] for row in pair)
    return mcnemar(one, other)


def peers(rows: Sequence[Row]) -> list[str]:
    """Give the names of the peer's choices."""
    return sorted({row.choice for row in rows if row.choice.startswith("TP ")})


def others(rows: Sequence[Row]) -> list[str]:
    """Give the names of the other choices of ccsolve that least squares fitted."""
    fitted = {row.choice for row in rows if row.removed and row.repair == FITTED}
    return sorted(fitted - {HEADLINE, *peers(rows)})


def verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Give goal and finding, for the rows of one network."""
    for share in (50, 75):
        known = [
            row.accuracy(reported=True)
            for row in rows
            if (row.removed, row.choice) == (share, HEADLINE) and row.repair == FITTED
        ]
        if known:
            found = f"{fmean(known):.2f} % over {len(known)} seeds"
            yield f"accuracy at {share} %", found
    for whose, names in (("peer", peers(rows)), ("other choice", others(rows))):
        every = [pair for name in names for pair in pairs(rows, name)]
        yield (
            f"no worse than any {whose} at 30 and 50 % (p < 0.05)",
            _count(every, (30, 50), _no_worse),
        )
        yield (
            f"better than every {whose} at 60 and 75 % (p < 0.05)",
            _count(every, (60, 75), _better),
        )


def _no_worse(pair: Pair) -> bool:
    return not (points(pair) < 0 and _significant(pair))


def _better(pair: Pair) -> bool:
    return points(pair) > 0 and _significant(pair)


def _count(
    every: list[Pair], shares: tuple[int, ...], holds: Callable[[Pair], bool]
) -> str:
    """Give by share how many pairs hold, of which peers and seeds; or that none ran."""
    return "; ".join(
        f"{share} %: {_held([p for p in every if p[0].removed == share], holds)}"
        for share in shares
    )


def _held(looked: list[Pair], holds: Callable[[Pair], bool]) -> str:
    if not looked:
        return "not run"
    known = {row.choice for _, row in looked}
    seeds = sorted({row.seed for _, row in looked})
    return (
        f"{sum(map(holds, looked))} of {len(looked)} pairs ({len(known)} names, seeds "
        f"{', '.join(map(str, seeds))})"
    )


def _significant(pair: Pair) -> bool:
    return p_value(pair) < SIGNIFICANT
