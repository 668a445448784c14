"""The statistics that ship: they load, are complete, and hold no foreign weights."""

import numpy as np
import pytest

from ccsolve import Statistics, data
from ccsolve.errors import InvalidProblem
from ccsolve.statistics import layout


@pytest.fixture(scope="module")
def resnet56() -> Statistics:
    return Statistics.load(data.path("resnet56_cifar10"))


@pytest.fixture(scope="module")
def digits() -> Statistics:
    return Statistics.load(data.path("digits_resnet"))


def test_the_names_are_the_files() -> None:
    assert data.names() == ["digits_resnet", "resnet56_cifar10"]
    assert sum(data.path(name).stat().st_size for name in data.names()) < 2.5e6


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="digits_resnet or resnet56_cifar10"):
        data.path("../secrets")


def test_resnet56_holds_the_blocks_of_its_inner_groups(resnet56) -> None:
    sizes = [group.size for group in resnet56.groups.values()]
    assert sizes == [16] * 9 + [32] * 9 + [64] * 9
    for group in resnet56.groups.values():
        for curvature in ("ggn", "fisher"):
            values = np.linalg.eigvalsh(group.hessian(curvature))
            assert values[-1] > 0
            assert values[0] > -1e-5 * values[-1]
        assert group.scores["l1"].min() > 0


def test_resnet56_holds_no_weights(resnet56) -> None:
    assert not resnet56.layers


def test_resnet56_costs_what_its_architecture_says(resnet56) -> None:
    # He et al.: 6n + 2 layers, n = 9; 3x3 convolutions, a linear layer, batch norms.
    pixels = {16: 1024, 32: 256, 64: 64}
    inner = [(16, 16)] * 9 + [(16, 32)] + [(32, 32)] * 8 + [(32, 64)] + [(64, 64)] * 8
    macs = 1024 * 27 * 16 + 640
    macs += sum(9 * b * pixels[b] * (a + b) for a, b in inner)
    params = 27 * 16 + 32 + 650 + sum(9 * b * (a + b) + 4 * b for a, b in inner)
    assert resnet56.cost().macs == macs
    assert resnet56.cost().params == params


def test_digits_is_complete(digits) -> None:
    assert len(digits.groups) == 6
    for group in digits.groups.values():
        assert group.ggn_rows is not None
        assert group.fisher_rows is not None
        assert group.gradient is not None
        assert set(group.activation) == {
            "mean", "mean_abs", "mean_square", "zero_fraction"
        }  # fmt: skip
        mean = np.asarray(group.fisher_rows).mean(axis=0) * digits.samples**0.5
        np.testing.assert_allclose(mean, group.gradient, rtol=1e-3, atol=1e-6)
    for layer in digits.layers.values():
        missing = {p for p in layout.LAYER_PARTS if getattr(layer, p) is None}
        # The file is older than that part, which one recipe takes if it is there.
        missing.discard("output_gradient")
        assert missing == (set() if layer.name == "linear" else {"bias"})
    weights = sum(layer.weight.size for layer in digits.layers.values())
    assert weights < digits.cost().params


@pytest.mark.parametrize("name", ["resnet56", "digits"])
def test_every_group_gives_a_program(name, request) -> None:
    stats = request.getfixturevalue(name)
    for group in stats.groups.values():
        problem = stats.channel_selection(group.name, group.size // 2)
        keep_all = problem.objective(np.ones(group.size, dtype=bool))
        assert abs(keep_all) <= 1e-9 * abs(problem.constant)
