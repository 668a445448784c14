"""Groups, layers and statistics: what they hold, and every refusal."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem, InvalidStatistics, MissingStatistics
from ccsolve.statistics import Group, Layer, Operation, Statistics, Term
from ccsolve.statistics.generate import random_chain

EYE = np.eye(3)


def layer(**parts: Any) -> Layer:
    given: dict[str, Any] = {"weight": np.ones((2, 3, 3, 3)), "kind": "conv"}
    return Layer("conv", **(given | parts))


def test_arrays_keep_their_type_and_are_read_only():
    rows = np.ones((4, 3), dtype=np.float32)
    integers: Any = [1, 2, 3]
    group = Group("g", 3, ggn_rows=rows, gradient=integers)
    assert group.ggn_rows is not None and group.gradient is not None
    assert group.ggn_rows.dtype == np.float32
    assert group.gradient.dtype == np.float64
    rows[0, 0] = 7
    assert group.ggn_rows[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        group.ggn_rows[0, 0] = 7


def test_read_only_arrays_are_shared():
    rows = np.ones((4, 3))
    rows.flags.writeable = False
    assert Group("g", 3, ggn_rows=rows).ggn_rows is rows


@pytest.mark.parametrize("curvature", ["ggn", "fisher"])
def test_hessian_from_rows_is_the_sum_of_their_squares(curvature: str):
    rows = np.random.default_rng(0).standard_normal((5, 3))
    parts: dict[str, Any] = {f"{curvature}_rows": rows}
    group = Group("g", 3, **parts)
    by_sample = sum(np.outer(row, row) for row in rows)
    np.testing.assert_allclose(group.hessian(curvature), by_sample, atol=1e-12)


def test_hessian_from_a_block_is_symmetric_float64():
    block = np.array([[2.0, 1.0], [1.0 + 1e-6, 3.0]], dtype=np.float32)
    hessian = Group("g", 2, ggn=block).hessian()
    assert hessian.dtype == np.float64
    np.testing.assert_array_equal(hessian, hessian.T)


def test_absent_curvature_is_missing_not_invalid():
    with pytest.raises(MissingStatistics, match="neither fisher_rows nor fisher"):
        Group("g", 3, ggn=EYE).hessian("fisher")
    with pytest.raises(InvalidProblem, match="'ggn' or 'fisher'"):
        Group("g", 3, ggn=EYE).hessian("exact")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"size": 0}, "size: 0; expected 1"),
        ({"size": True}, "expected an integer"),
        ({"size": 3.0}, "expected an integer"),
        ({"size": 10**12}, "expected 1 to"),
        ({"name": "a/b"}, "without '/'"),
        ({"name": ""}, "printable"),
        ({"ggn_rows": np.ones((4, 2))}, r"groups/g/ggn_rows: shape \(4, 2\)"),
        ({"ggn_rows": np.ones(3)}, r"expected \(any, 3\)"),
        ({"ggn": np.triu(np.ones((3, 3)))}, "groups/g/ggn: not symmetric"),
        ({"ggn": np.full((3, 3), np.nan)}, "NaN or infinity"),
        ({"fisher": np.ones((3, 2))}, "groups/g/fisher: shape"),
        ({"gradient": [1.0, np.inf, 0.0]}, "NaN or infinity"),
        ({"gradient": ["a", "b", "c"]}, "expected float32 or float64"),
        ({"gradient": np.ones(3, dtype=np.float16)}, "float16"),
        ({"gradient": [[1.0], [2.0, 3.0]]}, "not an array"),
        ({"activation": {"mean": np.ones(2)}}, "groups/g/activation/mean"),
        ({"scores": {"x/y": np.ones(3)}}, "without '/'"),
        ({"approximate": 1}, "approximate: 1; expected true or false"),
        ({"min_keep": 4}, "min_keep: 4; expected 0 to 3"),
    ],
)
def test_bad_groups_are_refused(parts: dict[str, Any], message: str):
    given: dict[str, Any] = {"name": "g", "size": 3}
    with pytest.raises(InvalidStatistics, match=message) as caught:
        Group(**(given | parts))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"kind": "pool"}, "expected conv, linear"),
        ({"kind": "linear"}, "expected 2 for a linear layer"),
        ({"weight": np.ones((2, 3))}, "expected 3 or more for a conv layer"),
        ({"weight": np.ones((2, 0, 3))}, "no empty axis"),
        ({"bias": np.ones(3)}, r"layers/conv/bias: shape \(3,\); expected \(2\)"),
        ({"gradient": np.ones((2, 3, 3))}, "layers/conv/gradient"),
        ({"input_mean": np.ones(3)}, r"expected \(27\)"),
        ({"input_moment": np.ones((3, 3))}, "layers/conv/input_moment"),
        ({"cross_moment": np.ones((2, 27))}, r"expected \(27, 2\)"),
        ({"output_curvature": [[1.0, 2.0], [0.0, 1.0]]}, "not symmetric"),
        ({"inputs": {"g": np.zeros(3)}}, "expected a vector of integers"),
        ({"inputs": {"g": [0, 1, -2]}}, "expected -1 or more"),
        ({"inputs": {"g": [0, 1]}}, r"lengths \[2\]; expected 3"),
        ({"outputs": {"g": [0, 1, 2]}}, r"lengths \[3\]; expected 2"),
        ({"outputs": {"g": [0, 1], "h": [-1, 0]}}, "belongs to two groups"),
    ],
)
def test_bad_layers_are_refused(parts: dict[str, Any], message: str):
    with pytest.raises(InvalidStatistics, match=message):
        layer(**parts)


def test_a_grouped_convolution_reads_more_channels_than_one_filter_does():
    grouped = layer(inputs={"g": np.arange(6)})
    assert len(grouped.inputs["g"]) == 6


def test_a_concatenation_reads_several_groups():
    both = layer(inputs={"g": [0, 1, -1], "h": [-1, -1, 0]})
    assert list(both.inputs) == ["g", "h"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": {"x": Group("g", 3)}}, "expected its own name"),
        ({"layers": {"conv": layer(inputs={"h": [0, 1, 2]})}}, "no group 'h'"),
        ({"layers": {"conv": layer(inputs={"g": [0, 1, 3]})}}, "class 3; expected"),
        ({"operations": (Operation("o", "conv", ("h",), None, ()),)}, "no group 'h'"),
        (
            {"operations": (Operation("o", "conv", (), None, (Term(("h",), 1, 1),)),)},
            "operations/o: no group 'h'",
        ),
        ({"samples": -1}, "samples: -1"),
        ({"meta": {"a": object()}}, "meta: object is no JSON data"),
        (
            {
                "groups": {
                    "g": Group("g", 3, ggn_rows=np.ones((4, 3))),
                    "h": Group("h", 2, ggn_rows=np.ones((5, 2))),
                }
            },
            "ggn_rows: 4 to 5 rows",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str):
    given: dict[str, Any] = {"groups": {"g": Group("g", 3)}}
    with pytest.raises(InvalidStatistics, match=message):
        Statistics(**(given | changes))


def test_meta_holds_json_data_only():
    stats = Statistics({}, meta={"a": np.float64(1.5), "b": [np.nan, (1, 2)]})
    assert dict(stats.meta) == {"a": 1.5, "b": [None, [1, 2]]}


@pytest.mark.parametrize("samples", [4, 30])
def test_channel_selection_predicts_the_taylor_loss(samples: int):
    stats = random_chain((6, 8, 5), samples=samples)
    group = stats.groups["conv2"]
    problem = stats.channel_selection("conv2", 3, damping=0.1, first_order=0.5)
    assert problem.is_factored == (samples < group.size)
    hessian = group.hessian() + 0.1 * np.eye(8)
    assert group.gradient is not None
    rng = np.random.default_rng(0)
    for _ in range(5):
        z = np.zeros(8)
        z[rng.permutation(8)[:3]] = 1
        removed = 1 - z
        loss = -0.5 * group.gradient @ removed + 0.5 * removed @ hessian @ removed
        assert problem.objective(z) == pytest.approx(loss, abs=1e-9)
    assert problem.objective(np.ones(8)) == pytest.approx(0, abs=1e-9)


def test_channel_selection_names_what_is_missing():
    stats = Statistics({"g": Group("g", 3, ggn=EYE)})
    assert stats.channel_selection("g", 2, first_order=0).n == 3
    with pytest.raises(MissingStatistics, match="no gradient was collected"):
        stats.channel_selection("g", 2)
    with pytest.raises(MissingStatistics, match="fisher"):
        stats.channel_selection("g", 2, curvature="fisher", first_order=0)
    with pytest.raises(InvalidProblem, match="no group 'h'"):
        stats.channel_selection("h", 2)


def test_replacing_a_part_checks_again():
    group = Group("g", 3, ggn=EYE)
    with pytest.raises(InvalidStatistics):
        replace(group, size=4)
