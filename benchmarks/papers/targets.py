"""What the rows say of the targets that were set before the run."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from benchmarks.papers.rows import Row

HALF = ("target", "half")

GOALS = (
    ("none", HALF, 92.0, "half of the MACs, untrained, at least 92.0 %"),
    ("short", HALF, 93.0, "half of the MACs, short training, at least 93.0 %"),
    ("full", ("CCP",), 93.3, "52.6 % of the MACs, full training, at least 93.3 %"),
)


def verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Give target and finding: ResNet-56, all 10,000 test images, the best method.

    The best is the one of the largest mean over its seeds among those with most seeds.
    """
    for stage, points, asked, text in GOALS:
        by_method: dict[tuple[str, str], list[float]] = {}
        for row in rows:
            if (row.network, row.stage) == ("resnet56", stage) and row.point in points:
                values = by_method.setdefault((row.point, row.method), [])
                values.append(row.accuracy(reported=False))
        yield f"ResNet-56, {text}", _finding(by_method, asked)


def _finding(by_method: dict[tuple[str, str], list[float]], asked: float) -> str:
    if not by_method:
        return "not run"
    (point, method), values = max(
        by_method.items(), key=lambda item: (len(item[1]), fmean(item[1]))
    )
    word = "reached" if fmean(values) >= asked else "not reached"
    each = ", ".join(f"{value:.2f}" for value in values)
    found = f"{word}: {fmean(values):.2f} % ({method} at “{point}”; by seed {each})"
    (place, other), higher = max(by_method.items(), key=lambda item: fmean(item[1]))
    if fmean(higher) <= fmean(values):
        return found
    return (
        f"{found}; of fewer seeds {fmean(higher):.2f} % ({other} at “{place}”, "
        f"{len(higher)})"
    )
