"""What the user knows of a model beyond what its code shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve_torch.coupling.flow import Flow
from ccsolve_torch.coupling.links import Ids


@dataclass(frozen=True)
class Declared:
    """What the user knows of a model.

    Parameters
    ----------
    ignore
        Modules whose layers' own output channels stay, with all that they hold.
    keep
        Name of a parameter or buffer -> entries of its axis 0 that stay.
    tie
        Pairs of names: entries i of their axes 0 go together.
    """

    ignore: Sequence[str] = ()
    keep: Mapping[str, Sequence[int]] = field(default_factory=dict)
    tie: Sequence[tuple[str, str]] = ()


def checked_declared(declared: Declared | None) -> Declared:
    """Give what is declared, nothing for None; InvalidProblem for other types."""
    if declared is None:
        return Declared()
    if not isinstance(declared, Declared):
        raise InvalidProblem(
            f"declared: {type(declared).__name__}; expected a Declared, such as "
            f"Declared(ignore=['head'])"
        )
    return declared


def declare(flow: Flow, declared: Declared) -> None:
    """Freeze and tie what is declared; InvalidProblem for what the model lacks."""
    axes = {tensor: ids for (tensor, axis), ids in flow.links.axes.items() if axis == 0}
    for module in declared.ignore:
        made = [x for name, x in flow.links.born if f"{name}.".startswith(f"{module}.")]
        if not made:
            raise InvalidProblem(
                f"declared: ignore {module!r} is no layer of the model, nor holds one"
            )
        for ids in made:
            flow.links.freeze(ids, "is declared to stay")
    for tensor, entries in declared.keep.items():
        flow.links.freeze(_entries(axes, tensor, entries), "is declared to stay")
    for one, other in declared.tie:
        a, b = _entries(axes, one), _entries(axes, other)
        if len(a) != len(b):
            raise InvalidProblem(
                f"declared: tie of {one!r}, {len(a)} entries, and {other!r}, {len(b)}; "
                f"expected equal lengths of axis 0"
            )
        flow.links.tie(a, b, "is declared to go together")


def _entries(
    axes: Mapping[str, Ids], tensor: str, entries: Sequence[int] | None = None
) -> Ids:
    if tensor not in axes:
        raise InvalidProblem(
            f"declared: no tensor {tensor!r} in the model; expected the full name of "
            f"a parameter or buffer"
        )
    if entries is None:
        return axes[tensor]
    last = len(axes[tensor]) - 1
    found = np.asarray(entries)
    whole = found.dtype.kind in "iu" or found.size == 0
    if found.ndim != 1 or not whole or not ((found >= 0) & (found <= last)).all():
        raise InvalidProblem(
            f"declared: keep of {tensor!r} is {entries!r:.80}; expected entries of its "
            f"axis 0, 0 to {last}"
        )
    return axes[tensor][found.astype(np.int64)]
