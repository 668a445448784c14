"""Curvature of losses over outputs of any shape, against automatic differentiation."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import _pytree as pytree

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.collecting.losses import as_loss, directions

pytestmark = pytest.mark.torch

collect: Any = cct.collect
Batch = tuple[Tensor, Tensor]


def dense() -> nn.Module:
    """Class scores (N, 3, 2, 2) at every position."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 3, 3))


class Sequence(nn.Module):
    """Class scores (N, 4, 3), classes last."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(9, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(functional.relu(self.first(x.reshape(len(x), 4, 9))))


def positions(*shape: int) -> Batch:
    """Give images of 3 x 6 x 6 (or 4 x 9 numbers), and classes, some not counted."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, *shape, generator=generator)
    places = (2, 2) if len(shape) == 3 else (4,)
    y = torch.randint(0, 3, (6, *places), generator=generator)
    y[0, 0] = y[3] = -100
    return x, y


def own_hessians(loss: Callable[..., Tensor], f: Tensor, y: Tensor) -> Tensor:
    """Give (N, K, K) of a loss of one sample by differentiating twice."""

    def hessian(one: Tensor, classes: Tensor) -> Tensor:
        of_flat = torch.func.jacrev(lambda flat: loss(flat.reshape(one.shape), classes))
        return torch.func.jacrev(of_flat)(one.flatten())

    return torch.stack([hessian(*pair) for pair in zip(f, y, strict=True)])


def one_entropy(f: Tensor, y: Tensor) -> Tensor:
    scores = f if f.ndim == 3 else f.T
    return functional.cross_entropy(scores[None], y[None], reduction="sum") / max(
        1, int((y != -100).sum())
    )


@pytest.mark.parametrize("sketched", [False, True])
@pytest.mark.parametrize(
    ("make", "shape"), [(dense, (3, 6, 6)), (Sequence, (4, 9))], ids=["dense", "tokens"]
)
def test_cross_entropy_at_every_position(make, shape, sketched) -> None:
    model, (x, y) = make(), positions(*shape)
    f = model(x).detach()
    loss, generator = as_loss("cross_entropy"), torch.Generator().manual_seed(0)
    values = torch.stack([one_entropy(*pair) for pair in zip(f, y, strict=True)])
    torch.testing.assert_close(loss.values(f, y), values)
    count = 4_000 if sketched else f[0].numel()
    root = loss.root(f, y)
    vectors = list(directions(root, f, count, not sketched, generator))
    assert vectors[0].shape == f.shape
    flat = torch.stack(vectors).flatten(2)
    found = torch.einsum("rni,rnj->nij", flat, flat)
    expected = own_hessians(one_entropy, f, y)
    tolerance = 0.1 if sketched else 1e-6
    assert float((found - expected).norm()) <= tolerance * float(expected.norm())


def gauss_newton(stats: Any) -> NDArray[np.float64]:
    rows = [group.ggn_rows for group in stats.groups.values()]
    whole = np.concatenate(rows, axis=1).astype(float)
    return whole.T @ whole


def entropies(f: Tensor, y: Tensor) -> Tensor:
    """What "cross_entropy" is, as a user would write it."""
    losses = functional.cross_entropy(f, y, reduction="none")
    shares = (y != -100) / (y != -100).sum(dim=(1, 2), keepdim=True).clamp(min=1)
    return (losses * shares).sum(dim=(1, 2))


def test_a_named_loss_and_the_same_as_a_callable_agree_on_dense_outputs() -> None:
    model, batch = dense(), positions(3, 6, 6)
    named, own = (
        collect(model, [batch], loss) for loss in ("cross_entropy", entropies)
    )
    assert named.meta["directions_per_sample"] == 12
    np.testing.assert_allclose(
        gauss_newton(own), gauss_newton(named), rtol=1e-4, atol=1e-8
    )
    assert own.meta["mean_loss"] == pytest.approx(named.meta["mean_loss"])


def test_large_dense_outputs_are_sketched_without_a_matrix_of_all_outputs() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 20, 1))
    x, y = torch.randn(2, 3, 64, 64), torch.randint(0, 20, (2, 64, 64))
    # All outputs of a sample: a matrix of 82,000² would be 27 GB.
    stats = collect(net, [(x, y)])
    assert stats.meta["directions_per_sample"] == 4
    assert len(stats.groups["0"].ggn_rows) == 8


class Named(NamedTuple):
    """An output as transformers give it."""

    logits: Tensor


class Shaped(nn.Module):
    """Gives the scores of a plain net in another wrapping."""

    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 4))
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.net(x))


def squares(f: Tensor, y: Tensor) -> Tensor:
    return 0.5 * (f - y).square().sum(dim=1)


def parted(f: Any, y: Tensor) -> Tensor:
    return squares(torch.cat([f["a"], f["b"][0].flatten(1)], dim=1), y)


def in_parts(f: Tensor) -> Any:
    return {"a": f[:, :1], "b": (f[:, 1:].reshape(-1, 3, 1), None)}


@pytest.fixture
def targeted() -> Batch:
    generator = torch.Generator().manual_seed(2)
    return (
        torch.randn(5, 3, generator=generator),
        torch.randn(5, 4, generator=generator),
    )


@pytest.mark.parametrize(
    ("wrap", "loss"),
    [(in_parts, parted), (Named, "least_squares")],
    ids=["dict", "logits"],
)
def test_outputs_in_several_parts_or_under_a_name(wrap, loss, targeted) -> None:
    plain = collect(Shaped(lambda f: f), [targeted], "least_squares")
    found = collect(Shaped(wrap), [targeted], loss)
    for part in ("fisher_rows", "gradient"):
        one, other = (getattr(s.groups["net.0"], part) for s in (plain, found))
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(gauss_newton(found), gauss_newton(plain), rtol=1e-4)


@dataclass
class Scored:
    """An output of the user's own, whose scores happen to be named logits."""

    logits: Tensor
    beside: Any = None


class Transformed(OrderedDict[str, Tensor]):
    """An output that is a mapping with attributes, as transformers give it."""

    @property
    def logits(self) -> Tensor:
        return self["logits"]


torch.export.register_dataclass(Scored)
pytree.register_pytree_node(
    Transformed,
    lambda found: (list(found.values()), list(found)),
    lambda values, names: Transformed(zip(names, values, strict=True)),
)


def masked(f: Any, y: Tensor) -> Tensor:
    scores, mask = f
    assert mask.dtype == torch.bool
    return 0.5 * ((scores - y).square() * mask).sum(dim=1)


def chosen(f: Any, y: Tensor) -> Tensor:
    scores, best = f
    assert best.shape == scores.shape[:1]
    return squares(scores, y)


@pytest.mark.parametrize(
    ("wrap", "loss"),
    [
        (lambda f: (f, f == f), masked),
        (lambda f: (f, f.argmax(dim=1)), chosen),
        (lambda f: [f, torch.ones(3, 7)], lambda f, y: squares(f[0], y)),
        (Scored, lambda f, y: squares(f.logits, y)),
        (lambda f: Scored(f, f > 0), lambda f, y: squares(f.logits, y)),
        (lambda f: Transformed(logits=f, more=f.exp()), squares),
    ],
    ids=["mask", "argmax", "constant", "dataclass", "two fields", "transformers"],
)
def test_what_has_no_derivative_reaches_the_loss_as_it_is(wrap, loss, targeted) -> None:
    plain = collect(Shaped(lambda f: f), [targeted], "least_squares")
    found = collect(Shaped(wrap), [targeted], loss)
    assert found.meta["directions_per_sample"] == 4
    for part in ("fisher_rows", "gradient"):
        one, other = (getattr(s.groups["net.0"], part) for s in (plain, found))
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(gauss_newton(found), gauss_newton(plain), rtol=1e-4)


def test_one_number_per_sample_is_an_output_too(targeted) -> None:
    x, y = targeted[0], targeted[1][:, 0]
    flat = collect(Shaped(lambda f: f[:, 0]), [(x, y)], "least_squares")
    column = collect(Shaped(lambda f: f[:, :1]), [(x, y[:, None])], "least_squares")
    np.testing.assert_allclose(gauss_newton(flat), gauss_newton(column), rtol=1e-5)


@pytest.mark.parametrize(
    ("wrap", "loss", "message"),
    [
        (in_parts, "least_squares", "gave a dict; expected one tensor"),
        (lambda f: f[:3], "least_squares", r"shape \(3, 4\).*of 5 samples"),
        (lambda f: f > 0, "least_squares", "gave torch.bool"),
        (lambda f: f.detach(), "least_squares", "does not depend"),
        (lambda f: f, lambda f, y: y.sum(dim=1), "does not depend"),
    ],
)
def test_other_outputs_are_refused(wrap, loss, message, targeted) -> None:
    with pytest.raises(InvalidProblem, match=message):
        collect(Shaped(wrap), [targeted], loss)


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        ((2, 3), (2, 1), "expected"),
        ((2, 3, 3), (2, 3), "axis 1 or on the last"),
        ((2, 3, 4), (2, 5), "expected"),
        ((2,), (2,), "expected"),
    ],
)
def test_classes_that_stand_nowhere_are_refused(outputs, targets, message) -> None:
    loss = as_loss("cross_entropy")
    with pytest.raises(InvalidProblem, match=message):
        loss.values(torch.zeros(outputs), torch.zeros(targets, dtype=torch.int64))


def test_a_callable_of_very_many_outputs_has_fisher_rows_only() -> None:
    model, x = dense(), torch.randn(2, 3, 40, 40)
    y = torch.randint(0, 3, (2, 36, 36))
    with pytest.raises(Unsupported, match="3888 outputs per sample"):
        collect(model, [(x, y)], entropies)
    assert collect(model, [(x, y)], entropies, "fisher").samples == 2
