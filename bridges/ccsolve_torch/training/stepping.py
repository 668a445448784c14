"""One step of training after another: rate, precision, gradient, update."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ccsolve.errors import InvalidProblem
from ccsolve_torch.running.state import Loader, batches, device_of
from ccsolve_torch.training.objectives import Objective

RATES = {"sgd": 1e-2, "adamw": 1e-3}
"""Learning rates at the peak of the schedule, where none is given."""

DECAYS = {"sgd": 5e-4, "adamw": 1e-2}
"""Weight decays, where none is given."""

MOMENTUM = 0.9
"""Of SGD, where none is given."""

TINY, BELOW_ONE = math.nextafter(0, 1), math.nextafter(1, 0)


@dataclass
class Steps:
    """The training as far as it has come."""

    model: nn.Module
    aim: Objective
    optimiser: torch.optim.Optimizer
    precision: torch.dtype | None
    warmup: float
    total: int
    clip: float | None
    freeze_norms: bool
    done: int = 0

    def __post_init__(self) -> None:
        """Note the peak rate; scale losses where the precision is float16."""
        self.peak = self.optimiser.param_groups[0]["lr"]
        self.device = device_of(self.model).type
        scaled = self.precision is torch.float16
        self.scaler = torch.amp.GradScaler(self.device, enabled=scaled)

    def epoch(self, loader: Loader) -> float:
        """Read the loader once; give the mean of what was minimised."""
        _train_mode(self.model, self.freeze_norms)
        total, samples = 0.0, 0
        for inputs, targets in batches(self.model, loader):
            total += self.step(inputs, targets) * len(targets)
            samples += len(targets)
        _check_weights(self.model)
        return total / samples

    def step(self, inputs: tuple[Tensor, ...], targets: Tensor) -> float:
        """Take one step; give what was minimised, before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.peak * share(self.done, self.total, self.warmup)
        self.done += 1
        enabled = self.precision is not None
        with torch.autocast(self.device, self.precision, enabled=enabled):
            value = self.aim(self.model(*inputs), targets, inputs)
        number = float(value.detach())
        if not math.isfinite(number):
            raise InvalidProblem(
                f"loss: {number} at step {self.done}; the weights of the last whole "
                f"epoch are kept; give a smaller lr, or clip="
            )
        self.optimiser.zero_grad()
        self.scaler.scale(value).backward()
        if self.clip is not None:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return number


def optimiser_of(
    model: nn.Module,
    name: str,
    lr: float | None,
    weight_decay: float | None,
    momentum: float | None,
) -> torch.optim.Optimizer:
    """Give the optimiser of the parameters that are trained.

    Those with one axis at most do not decay: biases, scales and shifts of norms.
    """
    if name not in RATES:
        raise InvalidProblem(f"optimizer {name!r}; expected {' or '.join(RATES)}")
    rate = RATES[name] if lr is None else lr
    decay = DECAYS[name] if weight_decay is None else weight_decay
    check(lr=(rate, TINY, math.inf), weight_decay=(decay, 0, math.inf))
    pull = MOMENTUM if momentum is None else momentum
    check(momentum=(pull, 0, BELOW_ONE))
    if name == "adamw" and momentum is not None:
        raise InvalidProblem("momentum: is for optimizer='sgd'; leave it out")
    trained = [value for value in model.parameters() if value.requires_grad]
    if not trained:
        raise InvalidProblem(
            "model: no parameter requires a gradient; nothing to train"
        )
    groups = [
        {"params": [t for t in trained if t.ndim > 1], "weight_decay": decay},
        {"params": [t for t in trained if t.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=rate)
    return torch.optim.SGD(groups, lr=rate, momentum=pull, nesterov=pull > 0)


def precision_of(model: nn.Module, amp: str) -> torch.dtype | None:
    """Give the type that forward passes run in, None for the model's own."""
    if amp not in ("auto", "off"):
        raise InvalidProblem(f"amp {amp!r}; expected 'auto' or 'off'")
    if amp == "off" or device_of(model).type != "cuda":
        return None
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float16


def share(step: int, total: int, warmup: float) -> float:
    """Give the learning rate of a step relative to the peak."""
    rising = warmup * total
    if step + 1 < rising:
        return (step + 1) / rising
    passed = min(max(step - rising, 0.0) / (total - rising), 1.0)
    return (1 + math.cos(math.pi * passed)) / 2


def check(**limits: tuple[float, float, float]) -> None:
    """Refuse an option (value, least, largest) that is out of its range."""
    for name, (value, least, largest) in limits.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not least <= value <= largest:
            above = "above 0" if least == TINY else f"at least {least:g}"
            below = "below 1" if largest == BELOW_ONE else f"at most {largest:g}"
            raise InvalidProblem(f"{name} {value!r}; expected {above} and {below}")


def _train_mode(model: nn.Module, freeze_norms: bool) -> None:
    model.train()
    for module in model.modules():
        if freeze_norms and isinstance(module, _BatchNorm):
            module.eval()


def _check_weights(model: nn.Module) -> None:
    for name, value in model.named_parameters():
        if not bool(value.detach().isfinite().all()):
            raise InvalidProblem(
                f"model: {name} is no longer finite; the weights of the last whole "
                f"epoch are kept; give a smaller lr, or clip="
            )
