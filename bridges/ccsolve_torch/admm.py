"""ADMM in training: a penalty that draws weights to bounded ranks, and its updates."""

import copy
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve.solvers.low_rank.projection import Projected
from ccsolve.statistics import Statistics
from ccsolve_torch.bundling.taking_down import take_down
from ccsolve_torch.layers import factorise
from ccsolve_torch.running.state import (
    Inputs,
    Loader,
    as_inputs,
    checked_model,
    device_of,
)
from ccsolve_torch.splitting.aims import Aims
from ccsolve_torch.splitting.checkpoints import state_of, taken
from ccsolve_torch.splitting.convergence import Convergence, convergence
from ccsolve_torch.splitting.duals import (
    Duals,
    advanced,
    begun,
    first,
    nearest,
    whole_weights,
)
from ccsolve_torch.splitting.replacing import check_recurrent, replace_recurrent
from ccsolve_torch.splitting.targets import targets_of

Array = NDArray[Any]
Tensors = tuple[Array, ...]
Result = TypeVar("Result")


class ADMM:
    """Train a network towards weights of bounded ranks (ADMM-TT).

        min loss(W)  subject to  rank(W_l) <= r_l

    is split into W_l = Z_l with Z_l of bounded ranks (Yin et al., CVPR 2021).
    Training takes steps on loss + `penalty()`; `update()`, once per epoch, projects;
    `decompose()` at the end gives the network in factors:

        admm = ccsolve_torch.ADMM(model, {"conv1": Factor("tucker", (8, 8))})
        for epoch in range(epochs):
            admm.update()
            for x, y in loader:
                loss = criterion(model(x), y) + admm.penalty()
                optimizer.zero_grad(); loss.backward(); optimizer.step()
        small = admm.decompose(x)

    The model is only read: nothing is hooked, wrapped or registered, and parameters may
    be replaced by others of their names. On the model's device lies one tensor per
    weight, Z - U in float32; the rest is on the CPU.

    Parameters
    ----------
    model
        The network that is trained, itself: of `nn.DataParallel` and its like, or of
        `torch.compile`, the module inside. Every process of a distributed training has
        an object of its own, and all compute the same.
    plan_or_ranks
        A `Plan` with factors; a mapping from names to `Factor` or its fields; or a
        number for all convolutions and linear layers that are not thin already: a
        float in (0, 1], the part of every full rank, or an int, the rank. A name is
        that of a convolution (each group by itself), transposed convolution or linear
        layer, or of a matrix of another module, such as "lstm.weight_ih_l0".
    rho
        The penalty parameter ρ > 0. It can be set between epochs: U is scaled so that
        ρU stays.
    format
        Of one number: "tt", "tucker", "svd" or "tr".
    threads
        For the projections; default one per core, at most 8. They are products of
        matrices, in which NumPy's library may use threads of its own.

    Raises
    ------
    InvalidProblem
        No such layer or parameter, one weight named twice, ranks that do not fit; a
        model without values, or in a wrapper.
    Unsupported
        A weight that is computed, or no matrix and of no layer that is known.
    """

    def __init__(
        self,
        model: nn.Module,
        plan_or_ranks: Any,
        rho: float = 1e-3,
        *,
        format: str = "tt",
        threads: int | None = None,
    ) -> None:
        whole = isinstance(threads, int) and not isinstance(threads, bool)
        if threads is not None and (not whole or threads < 1):
            raise InvalidProblem(f"threads {threads!r}; expected an integer >= 1")
        self.model = checked_model(model)
        self.targets = targets_of(model, plan_or_ranks, format)
        self.updates = 0
        self._threads = threads
        self._rho = _checked_rho(rho)
        self._duals: dict[str, Duals] = {}
        self._pending: dict[str, Future[Duals]] = {}
        self._aims = Aims(model, self.targets)

    @property
    def rho(self) -> float:
        """The penalty parameter ρ; where it is set, ρU stays."""
        return self._rho

    @rho.setter
    def rho(self, value: float) -> None:
        new = _checked_rho(value)
        self._join()
        for name, one in self._duals.items():
            dual = tuple(part * part.dtype.type(self._rho / new) for part in one.dual)
            self._duals[name] = replace(one, dual=dual)
        self._rho = new
        self._aims.forget()

    def penalty(self) -> Tensor:
        """Give (ρ/2) Σ ‖W - Z + U‖², which gradients flow through into the weights.

        One pass over the weights, in float32 (float64 for weights of that), under
        autocast too. Waits for an update that is under way, and makes the first one
        where there was none.
        """
        if not self._duals and not self._pending:
            self.update()
        self._join()
        return 0.5 * self._rho * self._aims.squares(self._duals)

    def update(self, wait: bool = True) -> None:
        """Take Z <- proj(W + U) and U <- U + W - Z; at first Z <- proj(W) and U = 0.

        To be called once per epoch, before its steps. The published code projects once
        before training and updates at the start of every epoch, the first one included:
        there it is called twice.

        With ``wait=False`` it returns as soon as the weights are copied, and the
        threads go on while other work is done; `penalty` waits for them, so that the
        result is the same.

        Raises
        ------
        InvalidProblem
            A weight is no longer finite, or of another shape.
        """
        self._join()
        weights = self._weights()

        def work(name: str) -> Duals:
            target, weight = self.targets[name], weights[name]
            if name not in self._duals:
                return first(target, weight)
            return advanced(target, weight, self._duals[name])

        self._pending = self._each(work)
        if wait:
            self._join()

    def report(self) -> Convergence:
        """Give residuals, and the distance of every weight to its set as it is now.

        It projects every weight anew: about the work of a first `update`.
        """
        self._join()
        layers = tuple(
            convergence(self.targets[name], tensors, near, self._duals.get(name))
            for name, (tensors, near) in self._nearest().items()
        )
        return Convergence(self.updates, self._rho, layers)

    def factors(self) -> dict[str, tuple[tuple[Array, ...], ...]]:
        """Give the factors of the projected weights, as `LowRankFit` has them.

        Per weight one tuple of factors for every group.
        """
        return {
            name: tuple(tuple(one.factors) for one in near)
            for name, (_, near) in self._nearest().items()
        }

    def decompose(
        self,
        example_inputs: Inputs,
        *,
        calibration: Loader | None = None,
        statistics: Statistics | None = None,
    ) -> nn.Module:
        """Give the network with factors in place of its weights, all W projected.

        Convolutions and linear layers become chains of plain ones, as `factorise`
        makes them, with its report and certificate. An `nn.LSTM`, `nn.GRU` or `nn.RNN`
        becomes a `FactoredRecurrent`. The result can be saved (`ccsolve_torch.save`);
        the model itself stays as it is.

        Parameters
        ----------
        example_inputs
            As of `factorise`.
        calibration, statistics
            As of `factorise`, which then weighs the "svd" chains of convolutions and
            linear layers by their inputs, in place of the plain projection.

        Raises
        ------
        Unsupported
            Where `factorise` raises it; of a ring, and of matrices of other modules:
            `factors` has their values.
        """
        layers = {name: one for name, one in self.targets.items() if one.is_layer}
        others = {name: one for name, one in self.targets.items() if not one.is_layer}
        check_recurrent(self.model, others)
        near = {name: found for name, (_, found) in self._nearest().items()}
        inputs = tuple(x.to(device_of(self.model)) for x in as_inputs(example_inputs))
        if layers:
            weighed = calibration is not None or statistics is not None
            small = factorise(
                self.model,
                {name: target.factor for name, target in layers.items()},
                inputs,
                calibration=calibration,
                statistics=statistics,
                weights=None if weighed else whole_weights(layers, near),
            )
        else:
            small = copy.deepcopy(self.model)
        if others:
            matrices = {name: near[name][0] for name in others}
            replace_recurrent(small, others, matrices, inputs)
            take_down(self.model, small, inputs)
        return small

    def state_dict(self) -> dict[str, Any]:
        """Give tensors and plain numbers from which training goes on exactly.

        They are safe to load with ``torch.load(weights_only=True)``. The model's and
        the optimizer's states are not part of it.
        """
        self._join()
        return state_of(self._rho, self.updates, self._duals)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave, of an object for the same weights and ranks.

        InvalidProblem where it is of others.
        """
        self._join()
        rho, updates, duals = taken(state, self.targets)
        self._rho, self.updates, self._duals = _checked_rho(rho), updates, duals
        self._aims.forget()

    def _join(self) -> None:
        """Wait for the update that is under way, and take its result."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        self._duals = {name: future.result() for name, future in pending.items()}
        self.updates += 1
        self._aims.forget()

    def _nearest(self) -> dict[str, tuple[Tensors, tuple[Projected, ...]]]:
        """Give every weight as it is now, as tensors, and their projections."""
        weights = self._weights()
        near = self._each(lambda name: nearest(self.targets[name], weights[name]))
        return {n: (weights[n], future.result()) for n, future in near.items()}

    def _weights(self) -> dict[str, Tensors]:
        return {n: target.copied(self.model) for n, target in self.targets.items()}

    def _each(self, work: Callable[[str], Result]) -> dict[str, Future[Result]]:
        """Begin work for every target in threads."""
        sizes = {n: t.held(self.model).numel() for n, t in self.targets.items()}
        return begun(work, sizes, self._threads)


def _checked_rho(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise InvalidProblem(f"rho {value!r}; expected a number above 0")
    return float(value)
