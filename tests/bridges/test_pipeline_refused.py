"""What `compress` refuses, before it has done any work."""

from typing import Any

import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, MissingStatistics, Unsupported
from tests.bridges.plans import every_other

pytestmark = pytest.mark.torch


def assert_refused(model: Any, loader: Any, message: str, **options: Any) -> None:
    """Compress with options that are refused in one line, whatever the loader."""
    with pytest.raises(InvalidProblem, match=message) as caught:
        cct.compress(model, loader, **{"macs": 0.5, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("repair", [None, "none"])
def test_what_can_be_read_once_is_refused(residual, loader, repair) -> None:
    for once in (iter(loader), (batch for batch in loader)):
        assert_refused(residual, once, "generator|iterator", repair=repair)
        assert len(list(once)) == len(loader)


def test_wrappers_are_refused(residual, loader) -> None:
    assert_refused(nn.DataParallel(residual), loader, "the module inside")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 2.0}, "steps = 2.0; expected a whole number"),
        ({"steps": "2"}, "steps = '2'"),
        ({"steps": True}, "steps = True"),
        ({"steps": 0}, "steps = 0"),
        ({"seed": None}, "seed = None"),
        ({"finetune": 3}, "finetune: int; expected a function"),
        ({"progress": "yes"}, "progress: str; expected a function"),
        ({"declared": {"keep": {}}}, "declared: dict; expected a Declared"),
        ({"collecting": {"unheard": 1}}, "collecting: no option 'unheard'"),
        ({"collecting": {"seed": 1}}, "collecting: no option 'seed'"),
        ({"collecting": "moments"}, "collecting: str; expected a mapping"),
        ({"collecting": {"sketches": 1.5}}, "sketches = 1.5"),
        ({"folder": 7}, "folder: int"),
    ],
)
def test_malformed_options_are_refused(residual, loader, options, message) -> None:
    assert_refused(residual, loader, message, **options)


@pytest.mark.parametrize("recipe", ["svd", "tucker", "tt", "cc"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 3}, "steps=3 with recipe .*take steps=1"),
        ({"macs": None, "memory": 0.5}, "memory=0.5 with recipe"),
        ({"memory": 0.5, "steps": 2}, "memory=0.5 with recipe"),
        ({"macs": None, "latency": 0.5}, "latency=0.5 with recipe .*measure_chains"),
        ({"sequential": True}, "plans on statistics taken once"),
        ({"allocating": 1}, "has no option 'allocating'"),
    ],
)
def test_what_chains_cannot_take_is_refused_before_any_work(
    residual, loader, recipe, options, message
) -> None:
    def told(step: int, steps: int, phase: str) -> None:
        raise AssertionError(f"phase {phase} began")

    with pytest.raises((Unsupported, MissingStatistics), match=message) as caught:
        cct.compress(
            residual, Unread(), recipe=recipe, progress=told, **{"macs": 0.5, **options}
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "tt", "modes": 0}, "modes = 0; expected a whole number"),
        ({"recipe": "tt", "modes": {"1": 4}}, r"modes\['1'\]: factor: modes 4"),
        ({"recipe": "tt", "modes": 2, "metric": "loss"}, "expected 'weights'"),
        ({"recipe": "tt", "metric": "z"}, "metric 'z'"),
        ({"recipe": "tucker", "multiple_of": 0}, "multiple_of = 0"),
        ({"recipe": "svd", "min_keep": -1}, "min_keep = -1"),
        ({"recipe": "svd", "fixed": 3}, "fixed = 3; expected a mapping"),
        ({"recipe": "svd", "times": 3}, "times = 3; expected a mapping"),
        ({"recipe": "svd", "split": "x"}, "split 'x'"),
        ({"recipe": "admm_tt", "format": "tr"}, "format 'tr'"),
        ({"recipe": "linear_conv"}, "macs with recipe 'linear_conv'"),
    ],
)
def test_values_of_options_of_chains_are_refused_before_any_work(
    residual, options, message
) -> None:
    with pytest.raises((InvalidProblem, Unsupported), match=message) as caught:
        cct.compress(residual, Unread(), macs=0.5, **options)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_is_refused_before_any_work(residual) -> None:
    with pytest.raises(Unsupported, match="recipe 'svdd'; expected one of"):
        cct.compress(residual, Unread(), macs=0.5, recipe="svdd")


@pytest.mark.parametrize(
    "options",
    [
        {"fixed": {"nowhere": 1}},
        {"recipe": "joint", "fixed": {"nowhere": 1}},
        {"recipe": "svd", "fixed": {"first.conv1": 0, "nowhere": 1}},
        {"recipe": "tt", "modes": {"nowhere": (2, 2)}},
    ],
)
def test_unknown_names_are_refused_before_statistics_are_taken(
    residual, loader, options
) -> None:
    def told(step: int, steps: int, phase: str) -> None:
        raise AssertionError(f"phase {phase} began")

    message = "names 'nowhere', which the model does not have; expected among .*first"
    assert_refused(residual, loader, message, progress=told, **options)


class Unread:
    """A loader that must not be read."""

    def __iter__(self) -> Any:
        raise AssertionError("samples were read")


@pytest.mark.parametrize("model", [lambda x: x, None, nn.Linear])
def test_what_is_no_module_is_refused(loader, model) -> None:
    assert_refused(model, loader, "model: .*expected an nn.Module")


@pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning")
def test_scripted_modules_are_refused(residual, loader) -> None:
    scripted = torch.jit.trace(residual, loader[0][0])
    assert_refused(scripted, loader, "TorchScript; expected the module it was made of")


class Reporting(nn.Module):
    """A model with methods and modules under the names of records."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)

    def report(self) -> str:
        return "all is well"


def test_names_of_records_that_are_taken_are_refused(residual, loader) -> None:
    x = loader[0][0]
    assert_refused(
        Reporting(residual), loader, "attribute 'report' is a method of its own"
    )
    residual.surgery = nn.Linear(1, 1)
    assert_refused(residual, loader, "attribute 'surgery' is a Linear of its own")
    with pytest.raises(InvalidProblem, match="'surgery'"):
        cct.apply(residual, every_other(residual, x), x)
    with pytest.raises(InvalidProblem, match="'surgery'"):
        cct.factorise(residual, {}, x)


def test_what_was_compressed_can_be_compressed(residual, loader) -> None:
    small = cct.compress(residual, loader, macs=0.8, timed=False)
    again: Any = cct.compress(small, loader, macs=0.8, timed=False)
    assert again.report.original == small.report.achieved  # pyright: ignore


def test_models_that_do_not_run_are_told_so(residual, loader) -> None:
    x = loader[0][0]
    for inputs in (x[0], x[:, :2]):
        with pytest.raises(InvalidProblem, match="does not run on the example") as said:
            cct.trace(residual, inputs)
        assert "3 channels" in str(said.value)
    with pytest.raises(InvalidProblem, match="expected an nn"):
        cct.trace(lambda x: x, x)  # pyright: ignore[reportArgumentType]


def test_other_types_are_refused(residual, loader) -> None:
    x = loader[0][0]
    call: Any = cct.apply
    with pytest.raises(InvalidProblem, match="plan: dict"):
        call(residual, {}, x)
    call = cct.factorise
    with pytest.raises(InvalidProblem, match="factors: list"):
        call(residual, ["stem"], x)
    graph = cct.trace(residual, x)
    with pytest.raises(InvalidProblem, match=r"such as \['stem'\]"):
        cct.fit_next_layers(residual, residual, graph, {}, loader, layers="stem")
    for kept in ([-1], [0.5], [6], "all", [[0]]):
        keep: Any = {"stem.weight": kept}
        with pytest.raises(InvalidProblem, match="entries of its axis 0, 0 to 5"):
            cct.trace(residual, x, declared=cct.Declared(keep=keep))


def test_latency_falls_in_one_step(residual, loader) -> None:
    with pytest.raises(Unsupported, match="take steps=1"):
        cct.compress(residual, loader, latency=0.5, steps=2)
