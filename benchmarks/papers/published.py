"""What the papers and their comparisons say, as far as it could be read.

Drops are points of top-1 accuracy, positive where the smaller network is worse; cuts
are per cent of the dense network's MACs and parameters, by the authors' own counters.
"""

from dataclasses import dataclass

SLIDES = "slides of CCP's authors"
ABSTRACT = "abstract"
CODE = "page of the authors' code"
SECOND_HAND = "second-hand, not checked against the paper"


@dataclass(frozen=True)
class Published:
    """One published figure; None where it is not known."""

    point: str
    method: str
    network: str
    data: str
    baseline: float | None
    drop: float | None
    macs: float | None
    params: float | None
    source: str
    reason: str = ""


def _cifar(point: str, method: str, *figures: float | None, source: str) -> Published:
    baseline, drop, macs, params = figures
    return Published(
        point, method, "ResNet-56", "CIFAR-10", baseline, drop, macs, params, source
    )


COMPARED = (
    _cifar("half", "Channel Pruning (He)", 92.80, 1.00, 50.0, None, source=SLIDES),
    _cifar("half", "DCP", 93.80, 0.31, 50.0, None, source=SLIDES),
    _cifar("CCP", "CCP", 93.50, 0.08, 52.6, None, source=SLIDES),
    _cifar("CCP", "SFP", 93.59, 0.24, 52.6, None, source=SLIDES),
    _cifar("CCP-AC", "CCP-AC", 93.50, -0.19, 47.0, None, source=SLIDES),
    _cifar("CCP-AC", "DCP-Adapt", 93.80, -0.01, 47.0, None, source=SLIDES),
    _cifar("CC", "CC", 93.33, -0.31, 52.0, 48.2, source=SECOND_HAND),
    _cifar("DCFF", "DCFF, 93.26 %", None, None, 55.88, 54.95, source=CODE),
    Published(
        *("TT 2.8x", "ADMM-TT", "ResNet-32", "CIFAR-10"),
        *(92.49, -0.56, None, 64.5, CODE),
    ),
    Published(
        *("TT 2.8x", "ADMM-Tucker", "ResNet-32", "CIFAR-10"),
        *(92.49, -0.80, None, None, CODE),
    ),
    Published(
        *("LinearConv", "LinearConv, low rank", "ResNet-18", "CIFAR-10"),
        *(91.9, 0.8, 0.0, 46.0, CODE),
    ),
)
"""Beside which rows of this benchmark stand. All after training, with labels."""

_DATA = "ImageNet is not at hand"
_LEARNT = "a reinforcement-learning search, with a network trained in its loop"
_VIDEO = "the videos are not at hand"


def _imagenet(method: str, network: str, *figures: float | None, source: str):
    baseline, drop, macs, params = figures
    return Published(
        "-", method, network, "ImageNet", baseline, drop, macs, params, source, _DATA
    )


NOT_RUN = (
    Published(
        *("half", "AMC", "ResNet-56", "CIFAR-10", 92.80, 0.90, 50.0, None, SLIDES),
        reason=_LEARNT,
    ),
    _imagenet("CCP", "ResNet-50", 76.15, 0.65, 48.8, None, source=SLIDES),
    _imagenet("CCP", "ResNet-50", 76.15, 0.94, 54.1, None, source=SLIDES),
    _imagenet("CCP-AC", "ResNet-50", 76.15, 0.83, 54.1, None, source=SLIDES),
    _imagenet("ThiNet", "ResNet-50", 72.88, 1.87, 55.6, None, source=SLIDES),
    _imagenet("SFP", "ResNet-50", 76.15, 1.54, 41.8, None, source=SLIDES),
    _imagenet("DCP", "ResNet-50", 76.01, 1.06, 55.6, None, source=SLIDES),
    _imagenet("NISP", "ResNet-50", None, 0.89, 44.0, None, source=SLIDES),
    _imagenet("CC", "ResNet-50", None, 0.56, 52.9, 48.4, source=ABSTRACT),
    _imagenet("ADMM-TT", "ResNet-18", 69.76, -0.06, 62.3, None, source=CODE),
    _imagenet("ADMM-TT", "ResNet-50", 76.13, -0.31, None, None, source=CODE),
    _imagenet("DCFF, 74.21 %", "ResNet-50", None, None, 63.75, 58.6, source=CODE),
    _imagenet("DCFF, 75.60 %", "ResNet-50", None, None, 62.96, 56.77, source=CODE),
    _imagenet("LinearConv", "SqueezeNet", 71.4, 0.9, None, 33.0, source=CODE),
    Published(
        *("-", "CPLI", "3-D convolutions", "UCF-101", None, None, None, None),
        *("figures could not be read", _VIDEO),
    ),
    Published(
        *("-", "ADMM-TT", "LSTM", "UCF-11, HMDB-51", None, None, None, None),
        *("figures could not be read", _VIDEO),
    ),
)
"""What this benchmark does not run, and why."""
