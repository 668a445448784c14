"""Recalibration averages the statistics of batch norms, and changes nothing else."""

import copy

import pytest
import torch

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem

pytestmark = pytest.mark.torch


def test_recalibration_of_a_calibrated_net_changes_nothing(residual, loader) -> None:
    cct.recalibrate(residual, loader)
    before = copy.deepcopy(residual.state_dict())
    cct.recalibrate(residual, loader)
    for name, value in residual.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=1e-5, atol=1e-6)


def test_recalibration_forgets_and_averages(residual, loader) -> None:
    cct.recalibrate(residual, loader)
    outputs = [residual.stem(x) for x, _ in loader]
    mean = torch.stack([out.mean(dim=(0, 2, 3)) for out in outputs]).mean(dim=0)
    torch.testing.assert_close(residual.norm.running_mean, mean, rtol=1e-4, atol=1e-5)


def test_recalibration_keeps_modes_momentum_and_dropout_off(make, loader) -> None:
    model = make("plain").train()
    model[3].eval()
    modes = [m.training for m in model.modules()]
    cct.recalibrate(model, loader)
    assert [m.training for m in model.modules()] == modes
    assert model[3].momentum == 0.1


def test_a_net_without_batch_norm_is_left_alone(make, loader) -> None:
    model = make("tokens")
    before = copy.deepcopy(model.state_dict())
    assert cct.recalibrate(model, loader) is model
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def failing(loader):
    yield loader[0]
    raise OSError("disk")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (lambda loader: [], InvalidProblem),
        (failing, OSError),
        (lambda loader: [loader[0], (torch.ones(2, 3, 8), 0)], RuntimeError),
    ],
)
def test_what_fails_leaves_the_statistics(make, loader, data, error) -> None:
    model = make("residual").train()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(error):
        cct.recalibrate(model, data(loader))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.norm.momentum == 0.1
    assert all(module.training for module in model.modules())


def test_a_batch_of_one_value_per_channel_is_left_out(mlp, clouds) -> None:
    one = [(x[:1], y[:1]) for x, y in clouds]
    with_it, without = copy.deepcopy(mlp), copy.deepcopy(mlp)
    cct.recalibrate(with_it, [clouds[0], one[0], clouds[1]])
    cct.recalibrate(without, clouds[:2])
    for name, value in with_it.state_dict().items():
        assert torch.equal(value, without.state_dict()[name]), name


def test_norms_that_see_nothing_that_varies_keep_what_they_had(mlp, clouds) -> None:
    before = copy.deepcopy(mlp.state_dict())
    cct.recalibrate(mlp, [(x[:1], y[:1]) for x, y in clouds])
    assert all(torch.equal(v, before[k]) for k, v in mlp.state_dict().items())
