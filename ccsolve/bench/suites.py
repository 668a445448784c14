"""What `ccsolve bench` runs on: named suites of programs that need no file."""

from collections.abc import Callable, Sequence

from ccsolve import data
from ccsolve.bench.programs import half_of_every_group
from ccsolve.bench.side_by_side import Entry
from ccsolve.errors import InvalidFile
from ccsolve.problems import ChannelSelection, generate
from ccsolve.statistics import Statistics

NETWORK = "resnet56_cifar10"
SIZES = (32, 64, 128, 256)
"""Sizes of the members of a family, where none are asked for."""

QUICK = ("ggn layer2.4.conv1", "fisher layer3.0.conv1")
"""Two real programs: what they have in common with the made-up ones shows at once."""

_FAMILIES: dict[str, tuple[str, Callable[[int, int], ChannelSelection]]] = {
    "cancelling": (
        "‖Jz‖² with Gaussian J: the optimum near zero",
        lambda n, seed: generate.cancelling(n, seed=seed),
    ),
    "k_cluster": (
        "densest quarter of a random graph of density 1/4",
        lambda n, seed: generate.k_cluster(n, 0.25, n // 4, seed),
    ),
    "diversity": (
        "maximum diversity, whole distances 0..10, a tenth chosen",
        lambda n, seed: generate.diversity(n, max(1, n // 10), seed),
    ),
    "euclidean": (
        "maximum diversity of points in space, a tenth chosen",
        lambda n, seed: generate.euclidean_diversity(n, max(1, n // 10), seed),
    ),
    "loss_model": (
        "a Taylor model of a network's loss, half kept",
        lambda n, seed: generate.loss_model(n, n // 2, seed=seed),
    ),
}

SUITES: dict[str, str] = {
    "quick": "two programs of ResNet-56 and one of each of three families",
    "embedded": "all 54 programs of ResNet-56, half of each group kept",
    **{name: what for name, (what, _) in _FAMILIES.items()},
}
"""Name -> what is in it."""


def entries(name: str, sizes: Sequence[int] = SIZES) -> list[Entry]:
    """Give the programs of a suite; the families have one member for each size.

    InvalidFile where there is no such suite.
    """
    if name == "quick":
        real = [entry for entry in _embedded() if entry.instance in QUICK]
        made = (_member("cancelling", 96), _member("k_cluster", 80))
        return [*real, *made, _member("diversity", 200)]
    if name == "embedded":
        return _embedded()
    if name in _FAMILIES:
        return [_member(name, n) for n in sizes]
    raise InvalidFile(
        f"{name!r} is no file and no suite; the suites: {', '.join(SUITES)}"
    )


def _member(family: str, n: int) -> Entry:
    return Entry(family, f"{family}-{n}", _FAMILIES[family][1](n, 0))


def _embedded() -> list[Entry]:
    stats = Statistics.load(data.path(NETWORK))
    return [
        Entry(f"ccp {made.family}", f"{made.family} {made.instance}", made.problem)
        for made in half_of_every_group(stats)
    ]
