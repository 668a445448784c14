"""`ccsolve plan`: budgets, recipes, and bad ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

import ccsolve

Call = Callable[..., Result]
Document = Callable[..., dict[str, Any]]
Refused = Callable[..., str]


def test_plan_keeps_its_budget(
    call: Call, document: Document, network: Path, tmp_path: Path
):
    out = tmp_path / "plan.json"
    found = document("plan", network, "--macs", 0.5, "-o", out)
    assert found["achieved"]["macs"] <= found["asked"]["macs"] == 400
    assert len(found["keep"]["conv1"]) == found["widths"]["conv1"] == 4
    assert ccsolve.Plan.load(out).widths == found["widths"]
    table = call("plan", network, "--macs", 400, "--multiple-of", 4).stdout
    assert "50.0 %" in table and "conv1 4/8" in table


def test_plan_by_another_recipe(document: Document, network: Path):
    found = document("plan", network, "--params", 40, "--recipe", "uniform")
    assert found["keep"]["conv1"] == [4, 5, 6, 7] and found["objective"] is None


def test_plan_finds_shipped_statistics_by_name(document: Document):
    found = document("plan", "resnet56_cifar10", "--macs", 0.5, "--recipe", "uniform")
    assert found["achieved"]["macs"] <= 0.5 * found["original"]["macs"]


def test_an_infeasible_plan_is_code_3(refused: Refused, network: Path):
    assert "budget" in refused("plan", network, "--macs", 1, code=3)


@pytest.mark.parametrize("budget", ["half", "1.5", "0", "-3", "nan", "1e6"])
def test_bad_budgets(refused: Refused, network: Path, budget: str):
    assert "macs" in refused("plan", network, f"--macs={budget}")


def test_a_plan_needs_a_budget_and_a_known_recipe(refused: Refused, network: Path):
    assert "budget" in refused("plan", network)
    assert "uniform" in refused("plan", network, "--macs", 0.5, "--recipe", "nothing")


def test_a_plan_takes_a_time_limit(network: Path, document: Document, refused: Refused):
    options = ("plan", network, "--macs", 0.5, "--time-limit")
    assert document(*options, 2.5)["provenance"]["time_limit"] == 2.5
    assert "time_limit" in refused(*options, -1)
    assert "time_limit" in refused(*options, 1, "--recipe", "uniform")


def test_recipes_take_their_own_options(document: Document, network: Path):
    found = document("plan", network, "--macs", 0.5, "--set", "widths=uniform")
    assert found["provenance"]["widths"] == "uniform"
    several = ("--set", "damping=0.5", "--set", "curvature=ggn")
    found = document("plan", network, "--macs", 0.5, *several)
    assert found["provenance"]["damping"] == 0.5


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("widths", "NAME=VALUE"),
        ("seed=3", "has no flag"),
        ("nothing=3", "nothing"),
        ("widths=none", "widths"),
    ],
)
def test_bad_options_of_a_recipe(
    refused: Refused, network: Path, entry: str, said: str
):
    assert said in refused("plan", network, "--macs", 0.5, "--set", entry)


@pytest.mark.parametrize("entry", ["macs=3", "recipe=svd"])
def test_what_has_a_flag_is_not_set_beside_it(
    refused: Refused, network: Path, entry: str
):
    said = refused("plan", network, "--macs", 0.5, "--set", entry)
    assert f"--set {entry!r}" in said


def test_ranks_are_told(call: Call, document: Document):
    options = ("digits_resnet", "--macs", 0.7, "--recipe", "svd", "--multiple-of", 2)
    found = document("plan", *options)
    assert found["factors"] and found["achieved"]["macs"] <= found["asked"]["macs"]
    assert all(one["ranks"][0] % 2 == 0 for one in found["factors"].values())
    assert "chains, by ranks: " in call("plan", *options).stdout


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "joint: predicted rise of the loss after a refit 0"),
        (("--recipe", "ccp"), "ccp: predicted rise of the loss 0"),
        (("--recipe", "he"), "he: half the squared error of the next outputs 0"),
        (("--recipe", "cc"), "cc: sum of squares of gradient · change"),
        (("--recipe", "l1"), "l1: no program chose, so there is no objective"),
    ],
)
def test_the_objective_is_told_in_its_own_unit(
    call: Call, given: tuple[str, ...], words: str
):
    told = call("plan", "digits_resnet", "--macs", 0.5, *given).stdout
    assert words in " ".join(told.split())
