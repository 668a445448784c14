"""Predicted against measured: paths, scores, the choice, and the file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ccsolve import LossModel, Plan, Validation, loss_models, validate
from ccsolve.errors import InvalidFile, InvalidProblem
from ccsolve.statistics.generate import random_chain
from ccsolve.validation.paths import point_of

STATS = random_chain((4, 5, 4))
TRUE = LossModel(cross=True, first_order=0.0)
MODELS = (LossModel(first_order=0.0), TRUE, LossModel(shrinkage=1.0, first_order=0.0))
QUICK: dict[str, Any] = {"models": MODELS, "points": 2, "time_limit": 0.1}


def true_rises(plans: Sequence[Plan]) -> list[float]:
    """Measure by one of the models."""
    program = STATS.network_program(**TRUE.options())
    return [program.objective(point_of(plan)) for plan in plans]


def noisy(plans: Sequence[Plan]) -> NDArray[Any]:
    noise = np.random.default_rng(0).standard_normal(50)
    noise -= noise.mean()
    return np.array(true_rises(plans))[:, None] + noise


FOUND = validate(STATS, noisy, macs=0.3, **QUICK)


@pytest.mark.parametrize("by", ["loss", "rank", "error"])
def test_the_model_that_is_right_is_chosen(by: str) -> None:
    found = validate(STATS, true_rises, macs=0.3, by=by, **QUICK)
    assert found.model == TRUE
    assert found.rank(1) == pytest.approx(1.0)
    assert found.log_error(1) == pytest.approx(0.0, abs=1e-9)
    assert found.optimism(1) == pytest.approx(1.0)
    assert all(difference >= 0 for difference, _ in found.behind)


def test_paths_go_from_the_dense_network_to_what_is_asked() -> None:
    dense = STATS.cost().macs
    for place in range(len(MODELS)):
        path = FOUND.path(place)
        assert [point.remain for point in path] == pytest.approx([1.0, 0.3**0.5, 0.3])
        assert path[0].predicted == path[0].measured == 0.0
        for point in path:
            assert point.cost == STATS.cost(point.widths).macs
            assert point.cost <= point.remain * dense * (1 + 1e-12)
        assert np.all(np.diff([point.predicted for point in path]) >= -1e-9)


def test_paths_are_along_a_budget_that_takes_something_away() -> None:
    both = validate(STATS, true_rises, macs=1.0, params=0.5, **QUICK)
    assert both.resource == "params"
    assert [point.remain for point in both.path(0)] == pytest.approx([1, 0.5**0.5, 0.5])
    with pytest.raises(InvalidProblem, match="dense network keeps"):
        validate(STATS, true_rises, macs=1.0, params=10**9, **QUICK)


def test_every_model_predicts_every_network() -> None:
    for place in range(len(MODELS)):
        own = [k for k, point in enumerate(FOUND.points) if point.model == place]
        np.testing.assert_allclose(
            FOUND.predictions[place, own],
            [FOUND.points[k].predicted for k in own],
            atol=1e-9,
        )
    cut = np.array([point.remain < 1 for point in FOUND.points])
    measured = np.array([point.measured for point in FOUND.points])[cut]
    for place in range(len(MODELS)):
        expected: Any = spearmanr(FOUND.predictions[place, cut], measured)
        assert FOUND.rank(place) == pytest.approx(expected[0])


def test_errors_are_of_the_samples_and_differences_are_paired() -> None:
    for point in FOUND.points:
        assert point.error is not None
        assert (point.error > 0) == (point.remain < 1)
    difference, error = FOUND.behind[FOUND.chosen]
    assert difference == error == 0.0
    # The same noise is in both networks' samples.
    assert all(error == pytest.approx(0.0, abs=1e-12) for _, error in FOUND.behind)
    assert all(difference >= 0 for difference, _ in FOUND.behind)


def test_a_repair_can_turn_the_choice() -> None:
    def repaired(plans: Sequence[Plan]) -> list[float]:
        program = STATS.network_program(**MODELS[2].options())
        return [program.objective(point_of(plan)) for plan in plans]

    found = validate(STATS, true_rises, macs=0.3, repaired=repaired, **QUICK)
    assert found.model == MODELS[2]
    assert all(point.repaired is not None for point in found.points)


def test_the_same_network_is_measured_once() -> None:
    seen: list[int] = []

    def counted(plans: Sequence[Plan]) -> list[float]:
        keys = {tuple(point_of(plan)) for plan in plans}
        assert len(keys) == len(plans)
        seen.append(len(plans))
        return true_rises(plans)

    twice = {**QUICK, "models": (TRUE, TRUE)}
    found = validate(STATS, counted, macs=0.3, **twice)
    assert seen == [2]
    assert found.path(0)[-1].measured == found.path(1)[-1].measured


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    FOUND.save(tmp_path / "found.json")
    again = Validation.load(tmp_path / "found.json")
    assert again.data() == FOUND.data()
    assert again.model == FOUND.model
    assert json.dumps(FOUND.data(), allow_nan=False)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"kind": "plan"}, "expected kind 'validation'"),
        ({"schema": 99}, "schema 99"),
        ({"points": [{"model": 0}]}, "not a validation"),
        ({"predictions": [[0.0]]}, r"predictions of shape \(1, 1\)"),
        ({"chosen": 7}, "model 7 chosen"),
        ({"models": [{"no": 1}]}, "not a validation"),
    ],
)
def test_damaged_files_are_refused(
    tmp_path: Path, damage: dict[str, Any], message: str
) -> None:
    path = tmp_path / "found.json"
    path.write_text(json.dumps({**FOUND.data(), **damage}))
    with pytest.raises(InvalidFile, match=message):
        Validation.load(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ()}, "models: none"),
        ({"by": "luck"}, "by = 'luck'; expected one of loss, rank, error"),
        ({"macs": None}, "no budget"),
        ({"points": 0}, "points = 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidProblem, match=message):
        validate(STATS, true_rises, **{"macs": 0.3, **QUICK, **options})


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0], r"shape \(1,\); expected"), ([np.nan] * 9, "NaN or infinity")],
)
def test_measurements_of_another_shape_are_refused(
    values: list[float], message: str
) -> None:
    def measure(plans: Sequence[Plan]) -> list[float]:
        return values[: len(plans)] if len(values) > 1 else values

    with pytest.raises(InvalidProblem, match=message):
        validate(STATS, measure, macs=0.3, **QUICK)


def test_the_grid_has_what_the_statistics_allow() -> None:
    grid = loss_models(STATS)
    assert len(set(grid)) == len(grid)
    assert any(model.cross for model in grid)
    assert {model.first_order for model in grid} == {0.0, 1.0}
    for model in grid:
        STATS.network_program(**model.options())
        assert "first order" in str(model)
