"""A small training loop for those who have none.

Any other loop does as well: a smaller network is an ordinary module.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve_torch.collecting.losses import PerSample
from ccsolve_torch.identity import tensors
from ccsolve_torch.running.state import Loader, device_of, eval_mode
from ccsolve_torch.training.hints import hinted, pull_of
from ccsolve_torch.training.objectives import Penalty, objective, penalised
from ccsolve_torch.training.stepping import (
    BELOW_ONE,
    TINY,
    Steps,
    check,
    optimiser_of,
    precision_of,
)

TEMPERATURE, ALPHA = 4.0, 0.5


@dataclass(frozen=True)
class Epoch:
    """One epoch: its number from 1, mean of what was minimised, score of `validate`."""

    number: int
    loss: float
    score: float | None


@dataclass(frozen=True)
class Training:
    """What a training did.

    The model holds the weights after epoch `best`, 0 for those it came with; `before`
    is the score of these.
    """

    epochs: tuple[Epoch, ...]
    best: int
    before: float | None


Validate = Callable[[nn.Module], float]
Progress = Callable[[Epoch], object]


def finetune(
    model: nn.Module,
    loader: Loader,
    *,
    epochs: int = 10,
    optimizer: str = "sgd",
    lr: float | None = None,
    weight_decay: float | None = None,
    momentum: float | None = None,
    warmup: float = 0.05,
    clip: float | None = None,
    loss: str | PerSample = "cross_entropy",
    label_smoothing: float = 0.0,
    teacher: nn.Module | None = None,
    temperature: float | None = None,
    alpha: float | None = None,
    hints: Sequence[str] = (),
    beta: float | None = None,
    amp: str = "auto",
    freeze_norms: bool = False,
    validate: Validate | None = None,
    progress: Progress | None = None,
    penalty: Penalty | None = None,
    on_epoch: Callable[[], object] | None = None,
    seed: int = 0,
) -> Training:
    """Train the model in place; give the losses and scores of the epochs.

    The learning rate of step t of T is lr · min((t + 1) / w, (1 + cos πs) / 2), with
    w = warmup · T and s the share of the steps after w that is done. Parameters with
    one axis (biases, norms) do not decay; those that need no gradient stay. Whatever
    ends the training early, the model keeps the weights of the last whole epoch.
    Modes and the random state are given back as they were.

    Parameters
    ----------
    model
        Any module, on the device to train on. Its output is a tensor (N, ...) or has
        one as `logits`; for a callable loss what `collect` takes.
    loader
        An iterable of (inputs, targets) that can be read once per epoch; read once
        more where it has no length. Torch's random state is seeded, so that a
        `DataLoader` shuffles the same way each time.
    epochs
        How often the loader is read.
    optimizer
        "sgd" (with Nesterov's momentum where momentum > 0) or "adamw".
    lr, weight_decay
        At most, see above; default `RATES` and `DECAYS`.
    momentum
        For "sgd"; default 0.9.
    warmup
        Share of the steps in which the rate rises, in [0, 1).
    clip
        Largest norm of the gradient of a step; default none.
    loss
        "cross_entropy" (class numbers, classes on axis 1, -100 ignored),
        "least_squares", or a callable (outputs, targets) -> (N,).
    label_smoothing
        For "cross_entropy", in [0, 1).
    teacher
        A network whose outputs are to be met too, such as the dense one; it runs in
        evaluation mode and is not changed.
    temperature, alpha
        With a teacher: how soft the outputs are made, default 4, and the share of this
        part in [0, 1], default 0.5. See `objectives.objective`.
    hints, beta
        With a teacher: names of modules of both that give tensors of the same shape,
        such as the residual blocks that end a stage. Added is beta, default 50, times
        the mean over them of ‖f - v‖² / ‖v‖², features f of the model and v of the
        teacher.
    amp
        "auto": on a GPU forward and loss run in bfloat16, or float16 with scaled
        losses where the GPU lacks it; elsewhere, and with "off", in the model's own
        precision.
    freeze_norms
        Batch norms use their running statistics and do not change them.
    validate
        Gives a score of the model, which is in evaluation mode; larger is better. It
        is asked before the first and after every epoch, and the model ends with the
        weights of the best score: never a worse one than it came with.
    progress
        Is called with each `Epoch`.
    penalty
        Gives what is added to the loss of every step, such as `ADMM.penalty`.
    on_epoch
        Is called before every epoch, such as `ADMM.update`.
    seed
        Of torch's random state.

    Raises
    ------
    InvalidProblem
        For malformed options, an empty loader, and where the loss is not finite.
    """
    _check_options(epochs, warmup, label_smoothing, clip)
    softness, share = _distilling(teacher, temperature, alpha)
    pull = pull_of(hints, beta)
    _check_models(model, teacher)
    aim = penalised(objective(loss, label_smoothing, teacher, softness, share), penalty)
    weights = _Weights(model)
    with (
        _seeded(model, seed),
        _resting(teacher),
        _kept(weights),
        hinted(aim, model, teacher, hints, pull) as aim,
    ):
        steps = Steps(
            model=model,
            aim=aim,
            optimiser=optimiser_of(model, optimizer, lr, weight_decay, momentum),
            precision=precision_of(model, amp),
            warmup=warmup,
            total=epochs * _length(loader),
            clip=clip,
            freeze_norms=freeze_norms,
        )
        weights.take(0, _score(model, validate))
        before, done = weights.score, []
        for number in range(1, epochs + 1):
            if on_epoch is not None:
                on_epoch()
            epoch = Epoch(number, steps.epoch(loader), _score(model, validate))
            weights.take(number, epoch.score)
            done.append(epoch)
            if progress is not None:
                progress(epoch)
    return Training(tuple(done), weights.number, before)


def _check_options(
    epochs: int, warmup: float, label_smoothing: float, clip: float | None
) -> None:
    if not isinstance(epochs, int):
        raise InvalidProblem(f"epochs {epochs!r}; expected an integer")
    check(epochs=(epochs, 1, math.inf), warmup=(warmup, 0, BELOW_ONE))
    check(label_smoothing=(label_smoothing, 0, BELOW_ONE))
    check(clip=(1.0 if clip is None else clip, TINY, math.inf))


def _distilling(
    teacher: nn.Module | None, temperature: float | None, alpha: float | None
) -> tuple[float, float]:
    """Give the softness and the share of the distance to a teacher."""
    for name, value in (("temperature", temperature), ("alpha", alpha)):
        if teacher is None and value is not None:
            raise InvalidProblem(
                f"{name} {value!r}: is for a teacher; give teacher=, or leave it out"
            )
    softness = TEMPERATURE if temperature is None else temperature
    share = ALPHA if alpha is None else alpha
    check(temperature=(softness, TINY, math.inf), alpha=(share, 0, 1))
    return softness, share


@dataclass
class _Weights:
    """Copies of the model's tensors: of the last whole epoch, and of the best."""

    model: nn.Module
    last: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    score: float | None = None
    number: int = 0

    def take(self, number: int, score: float | None) -> None:
        """Copy what is there after an epoch."""
        self.last = {name: t.detach().clone() for name, t in tensors(self.model)}
        if score is None or self.score is None or score > self.score:
            self.best, self.score, self.number = self.last, score, number

    def put(self, held: dict[str, Tensor]) -> None:
        """Write copies back."""
        with torch.no_grad():
            for name, tensor in tensors(self.model):
                tensor.copy_(held[name])


@contextmanager
def _kept(weights: _Weights) -> Iterator[None]:
    """Leave the model with the best weights, after an error with the last good ones."""
    model = weights.model
    with eval_mode(model), torch.enable_grad():
        try:
            yield
            weights.put(weights.best)
        except BaseException:
            if weights.last:
                weights.put(weights.last)
            raise
        finally:
            model.zero_grad()


@contextmanager
def _seeded(model: nn.Module, seed: int) -> Iterator[None]:
    device = device_of(model)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _resting(teacher: nn.Module | None) -> AbstractContextManager[None]:
    return nullcontext() if teacher is None else eval_mode(teacher)


def _score(model: nn.Module, validate: Validate | None) -> float | None:
    if validate is None:
        return None
    model.eval()
    with torch.no_grad():
        score = float(validate(model))
    if not math.isfinite(score):
        raise InvalidProblem(f"validate: gave {score}; expected a finite number")
    return score


def _length(loader: Loader) -> int:
    """Give the number of batches; count them where the loader does not tell."""
    try:
        return len(loader)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return sum(1 for _ in loader)


def _check_models(model: nn.Module, teacher: nn.Module | None) -> None:
    if any(t.dtype is torch.float16 for t in model.parameters()):
        raise InvalidProblem(
            "model: in float16, whose steps underflow; train in float32 (amp='auto' "
            "runs forward passes in less) and give model.half() afterwards"
        )
    if teacher is model:
        raise InvalidProblem("teacher: is the model itself; give the dense network")
    if teacher is not None and device_of(teacher) != device_of(model):
        raise InvalidProblem(
            f"teacher: on {device_of(teacher)}, the model on {device_of(model)}; "
            f"expected the same device"
        )
