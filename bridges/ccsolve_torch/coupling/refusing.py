"""Models of which no channel can be removed."""

from ccsolve.errors import Unsupported
from ccsolve_torch.coupling.classes import COMPUTED, Classes
from ccsolve_torch.coupling.flow import Flow


def require_layers(flow: Flow, classes: Classes) -> None:
    """Refuse a model of which no channel can go, unless computed weights are why.

    Such as LinearConv's; plain layers beside them can still become chains.
    """
    computed = COMPUTED in classes.frozen.values()
    if not computed or not flow.calls:
        hint = "; `fold` makes LinearConv layers plain ones" if computed else ""
        raise Unsupported(_nothing(classes) + hint)


def _nothing(classes: Classes) -> str:
    reasons = "; ".join(
        f"{name or 'the model'} {why}" for name, why in list(classes.frozen.items())[:5]
    )
    return (
        f"no channel of the model can be removed ({reasons or 'it has no convolution '}"
        f"{'' if reasons else 'or linear layer'}); expected channels between two "
        f"convolutions or linear layers"
    )
