"""What the rows say of the goals that were set before the run."""

from collections.abc import Iterator, Sequence

from benchmarks.network.cases import CASES
from benchmarks.network.rows import Row
from benchmarks.network.schedule import EARLY, FIRST, LONG, SIZE

OURS, BY_SEEDS = "ccsolve search_and_bound", "ccsolve, 24 seeds"


def best_known(rows: Sequence[Row]) -> float:
    """Give the least value that a point of these rows has."""
    found = [
        row.values[-1]
        for row in rows
        if row.values
        and row.values[-1] is not None
        and not row.status.startswith("refused")
    ]
    return min(found, default=float("nan"))


def verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Give each goal that has rows, and what was found of it."""
    for case in CASES:
        own = [row for row in rows if row.case == case.name]
        ours = next((row for row in own if row.contender == OURS and row.values), None)
        if ours is None:
            continue
        if case.name == SIZE:
            yield from _size(ours)
            continue
        yield from _quick(case.name, ours, own)
        if case.network and not case.cross:
            yield from _close(case.name, ours)
        yield from _against_lagrangian(case.name, ours, own)
    yield from _against_scip(rows)


def _quick(name: str, ours: Row, rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    seen, best = dict(zip(ours.times, ours.values, strict=True)), best_known(rows)
    value = seen.get(EARLY)
    if value is None:
        return
    above = _above(value, best)
    seeds = [
        _above(early, best)
        for row in rows
        for early in row.early
        if row.contender == BY_SEEDS
    ]
    told = f"{_yes(above <= 1.0)}: {above:z.2f} %"
    if seeds:
        told += (
            f" (seeds {min(seeds):z.2f} to {max(seeds):z.2f} %, "
            f"{sum(seeds) / len(seeds):z.2f} % in the mean)"
        )
    yield f"{name}: at most 1 % above the best known within {EARLY:.0f} s", told


def _above(value: float, best: float) -> float:
    """Give per cent above the best."""
    return 100 * (value - best) / abs(best)


def _close(name: str, ours: Row) -> Iterator[tuple[str, str]]:
    value, bound = ours.values[-1], ours.bounds[-1]
    if value is not None and bound is not None:
        gap = 100 * (value - bound) / abs(value)
        yield (
            f"{name}: proven gap at most 10 % within 60 s",
            (f"{_yes(gap <= 10.0)}: {gap:.2f} %"),
        )


def _against_lagrangian(
    name: str, ours: Row, rows: Sequence[Row]
) -> Iterator[tuple[str, str]]:
    other = next((row for row in rows if row.contender == "block Lagrangian"), None)
    if other is None or not other.bounds or other.bounds[-1] is None:
        return
    bound, value = ours.bounds[-1], ours.values[-1]
    assert bound is not None and value is not None and ours.scale
    goal = f"{name}: bound at least the block Lagrangian's; natural gap told"
    natural = 100 * (value - bound) / ours.scale
    yield (
        goal,
        (
            f"{_yes(bound >= other.bounds[-1])}: {bound:.4g} against "
            f"{other.bounds[-1]:.4g}; natural gap {natural:.2f} %"
        ),
    )


def _against_scip(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    for row in rows:
        if not row.contender.startswith("SCIP") or not row.values:
            continue
        ours = [
            other
            for other in rows
            if other.case == row.case and other.contender == OURS and other.values
        ]
        if not ours or (row.case == FIRST and row.limit != LONG):
            continue
        mine, its = ours[0].values[-1], row.values[-1]
        assert mine is not None and its is not None
        goal = f"{row.case}: better than {row.contender} in {row.limit:.0f} s"
        yield (
            goal,
            (
                f"{_yes(mine < its)}: {mine:.6g} in {ours[0].limit:.0f} s against "
                f"{its:.6g}"
            ),
        )


def _size(ours: Row) -> Iterator[tuple[str, str]]:
    value, bound = ours.values[-1], ours.bounds[-1]
    assert value is not None and ours.seconds and ours.memory and ours.scale
    told = bound is not None
    natural = 100 * (value - (bound or 0.0)) / ours.scale
    yield (
        f"{SIZE}: a point and a bound in 300 s, at most 8 GB",
        (
            f"{_yes(told and ours.seconds <= 300 and ours.memory <= 7629)}: "
            f"{ours.seconds:.0f} s, {ours.memory / 1024:.1f} GiB, natural gap "
            f"{natural:.2f} %"
        ),
    )


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"
