"""The recipe "admm_tt": the ranks of the program of ranks, under a name of its own."""

from importlib.resources import files

import pytest

import ccsolve
from ccsolve.errors import InvalidProblem

STATS = ccsolve.Statistics.load(
    str(files("ccsolve.data") / "digits_resnet.safetensors")
)


def test_ranks_and_bound_are_those_of_the_program() -> None:
    plan = ccsolve.plan(STATS, macs=0.6, recipe="admm_tt", format="svd")
    plain = ccsolve.plan(STATS, macs=0.6, recipe="svd")
    assert plan.recipe == "admm_tt"
    assert dict(plan.factors) == dict(plain.factors)
    assert plan.factors
    assert plan.achieved == plain.achieved
    assert plan.achieved["macs"] <= plan.asked["macs"]
    assert (plan.objective, plan.bound) == (plain.objective, plain.bound)
    assert plan.widths == plan.sizes


def test_another_format_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="format 'tr'; expected one of svd"):
        ccsolve.plan(STATS, macs=0.6, recipe="admm_tt", format="tr")
