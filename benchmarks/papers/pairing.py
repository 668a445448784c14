"""Which method is better than the heuristic beside it, and how sure that is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.papers.methods import METHODS
from benchmarks.papers.rows import Row
from benchmarks.pruning.rows import CHOSEN_ON
from benchmarks.pruning.scoring import mcnemar

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Pair:
    """A method and its heuristic at one point and stage, seed by seed."""

    method: str
    baseline: str
    point: str
    stage: str
    rows: tuple[tuple[Row, Row], ...]

    @property
    def points(self) -> float:
        """Mean difference on the reported images, in points."""
        return fmean(
            one.accuracy(reported=True) - other.accuracy(reported=True)
            for one, other in self.rows
        )

    @property
    def p_values(self) -> list[float]:
        """McNemar's p of every seed, on the reported images."""
        return [
            mcnemar(one.outcomes()[CHOSEN_ON:], other.outcomes()[CHOSEN_ON:])
            for one, other in self.rows
        ]

    @property
    def verdict(self) -> str:
        """Who is ahead; "even" where no seed tells them apart."""
        if not any(p < SIGNIFICANT for p in self.p_values):
            return "even"
        return self.method if self.points > 0 else self.baseline


def pairs(rows: Sequence[Row]) -> Iterator[Pair]:
    """Give all pairs of the rows of one network, in the order of the rows."""
    known = {(r.point, r.stage, r.method, r.seed): r for r in rows}
    places = dict.fromkeys((r.point, r.stage, r.method) for r in rows)
    for point, stage, method in places:
        own = METHODS.get(method)
        for baseline in () if own is None else own.baselines:
            found = tuple(
                (row, known[point, stage, baseline, row.seed])
                for row in rows
                if (row.point, row.stage, row.method) == (point, stage, method)
                and (point, stage, baseline, row.seed) in known
            )
            if found:
                yield Pair(method, baseline, point, stage, found)
