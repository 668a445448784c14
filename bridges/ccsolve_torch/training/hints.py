"""Hints: a network learns to give, inside, what a teacher gives there.

Labels and outputs say little about a layer in the middle. Where cutting left some
features their shape, such as the streams between residual blocks, each image says what
all of their entries should be (Romero et al., "FitNets: hints for thin deep nets", ICLR
2015, equation 3, here without a regressor).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any

from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve_torch.training.objectives import Inputs, Objective
from ccsolve_torch.training.stepping import TINY, check

Features = dict[str, Tensor]

BETA = 50.0
"""Weight of the distance where none is given."""


def pull_of(hints: Sequence[str], beta: float | None) -> float:
    """Give the weight of the distance of features."""
    if isinstance(hints, str):
        raise InvalidProblem(f"hints {hints!r}; expected a sequence of names")
    if len(set(hints)) < len(hints):
        raise InvalidProblem(f"hints {list(hints)}; expected each name once")
    if not hints and beta is not None:
        raise InvalidProblem(
            f"beta {beta!r}: is for hints; give hints=, or leave it out"
        )
    pull = BETA if beta is None else beta
    check(beta=(pull, TINY, inf))
    return pull


@contextmanager
def hinted(
    aim: Objective,
    model: nn.Module,
    teacher: nn.Module | None,
    names: Sequence[str],
    beta: float,
) -> Iterator[Objective]:
    """Give the objective with the distance of features added, while it is used.

        aim + beta · mean over names of ‖f - v‖² / ‖v‖²,

    f the output of the module of that name in the model, v in the teacher, over the
    whole batch. `aim` has to run the teacher on the same inputs after the model ran.
    """
    if not names:
        yield aim
        return
    if teacher is None:
        raise InvalidProblem("hints: are features of a teacher; give teacher= as well")
    ours, theirs = Features(), Features()
    found = [
        (_module(source, name, who), _keeping(seen, name))
        for source, seen, who in ((model, ours, "model"), (teacher, theirs, "teacher"))
        for name in names
    ]
    # Only once all are found, so that no hook is left where one is not.
    hooks = [module.register_forward_hook(keep) for module, keep in found]

    def both(outputs: Any, targets: Tensor, inputs: Inputs) -> Tensor:
        value = aim(outputs, targets, inputs)
        distances = [
            _distance(name, _taken(ours, name), _taken(theirs, name)) for name in names
        ]
        return value + beta * sum(distances) / len(names)

    try:
        yield both
    finally:
        for hook in hooks:
            hook.remove()


def _module(source: nn.Module, name: str, who: str) -> nn.Module:
    found = dict(source.named_modules()).get(name)
    if found is None:
        raise InvalidProblem(
            f"hints name {name!r}, which is no module of the {who}; expected names of "
            f"modules of both, such as {_examples(source)}"
        )
    return found


def _taken(seen: Features, name: str) -> Tensor:
    if name not in seen:
        raise InvalidProblem(
            f"hints name {name!r}, which the forward pass does not run; expected "
            f"modules that every pass runs"
        )
    return seen.pop(name)


def _examples(source: nn.Module) -> str:
    return ", ".join(name for name, _ in source.named_children())[:200]


def _keeping(seen: Features, name: str) -> Any:
    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor):
            raise InvalidProblem(
                f"hints name {name!r}, which gives a {type(output).__name__}; expected "
                f"a module that gives one tensor"
            )
        seen[name] = output

    return keep


def _distance(name: str, ours: Tensor, theirs: Tensor) -> Tensor:
    """Give ‖f - v‖² / ‖v‖²; 0 where both are nothing."""
    if ours.shape != theirs.shape:
        raise InvalidProblem(
            f"hints name {name!r}, which gives {tuple(ours.shape)} in the model and "
            f"{tuple(theirs.shape)} in the teacher; expected modules whose outputs "
            f"kept their shape"
        )
    wanted = theirs.detach().float()
    apart = (ours.float() - wanted).square().sum()
    return apart / wanted.square().sum().clamp(min=1e-12)
