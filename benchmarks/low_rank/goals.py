"""What the rows say of the goals that were set before the run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.low_rank.rows import Row


@dataclass(frozen=True)
class Goal:
    """So many times faster than a peer, with at most ``allowed`` times its error."""

    case: str
    ours: str
    peer: str
    times: float
    allowed: float = 1.0 + 1e-4


_COLD, _WARM, _RECIPE = "ccsolve cold", "ccsolve warm", "Cholesky, SVD, solve"
_NEAR = 1.005
"""Where the peer is the nearest of all: no error is below its."""

GOALS = (
    Goal("conv 512x512x3x3, settled", _COLD, "tensorly", 10.0),
    Goal("conv 512x512x3x3, settled", _WARM, "tensorly", 35.0),
    Goal("conv 512x512x3x3, moving", _WARM, "tensorly", 35.0),
    Goal("ResNet-18, settled", _WARM, "published loop", 30.0),
    Goal("ResNet-18, moving", _WARM, "published loop", 30.0),
    Goal("VGG fc 4096x25088", _WARM, "tensorly", 80.0),
    Goal("matrix 4096x11008, r = 512", _WARM, "numpy SVD", 35.0, _NEAR),
    Goal("matrix 4096x11008, r = 512", _WARM, "sklearn q = 4", 3.5),
    Goal("whitened 256x2304, r = 64", _COLD, _RECIPE, 3.5),
    Goal("whitened 1024x1024, r = 256", _COLD, _RECIPE, 3.5),
    Goal("whitened 256x2304, r = 64", _WARM, _RECIPE, 11.0, _NEAR),
    Goal("whitened 1024x1024, r = 256", _WARM, _RECIPE, 11.0, _NEAR),
    Goal("Tucker-2 512x512x3x3", "ccsolve refined", "tensorly", 9.0, 1.001),
)
MEMORY = ("VGG fc 4096x25088", _WARM, 1.5)
"""At most so many times the tensor; the result's buffer is added."""


def verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Give each goal that has rows, and what was found of it."""
    found = {(row.case, row.contender): row for row in rows if row.seconds}
    for goal in GOALS:
        ours = found.get((goal.case, goal.ours))
        peer = found.get((goal.case, goal.peer))
        if ours is not None and peer is not None:
            yield _text(goal), _verdict(goal, ours, peer)
    case, name, most = MEMORY
    row = found.get((case, name))
    if row is not None and row.extra is not None:
        parts = 1.0 + row.extra / (row.entries * 4 / 2**20)
        yes = "yes" if parts <= most else "**no**"
        yield (
            f"{case}: memory of {name} at most {most:g} tensors",
            f"{yes}: {parts:.2f}",
        )


def _text(goal: Goal) -> str:
    return (
        f"{goal.case}: {goal.ours} at least {goal.times:g}x faster than {goal.peer}, "
        f"error at most {goal.allowed:.4g} of its"
    )


def _verdict(goal: Goal, ours: Row, peer: Row) -> str:
    assert ours.seconds and peer.seconds and ours.error and peer.error
    times, ratio = peer.seconds / ours.seconds, ours.error / peer.error
    met = times >= goal.times and ratio <= goal.allowed
    return f"{'yes' if met else '**no**'}: {times:.1f}x, error {ratio:.4f} of its"
