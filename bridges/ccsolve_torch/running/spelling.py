"""Fused layers run as plain linear maps, so that every one of them can be seen.

`nn.MultiheadAttention` and the recurrent layers hide their linear maps in one kernel.
Inside `spelled_out` they compute the same by `functional.linear` on their own
parameters: gates act and statistics are taken there, as in any other layer.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from ccsolve.errors import Unsupported
from ccsolve_torch.running.attention import (
    SlimAttention,
    attend,
    by_parts,
    by_whole_weights,
)

State = tuple[Tensor, ...]
# input part, hidden part, state before -> state after; its first tensor is the output.
Step = Callable[[Tensor, Tensor, State], State]


@contextmanager
def spelled_out(model: nn.Module, *, whole: bool = True) -> Iterator[None]:
    """Run attention and recurrent layers of the model as plain linear maps inside.

    Packed projections run on the whole parameter, so that it can be known by identity.
    With whole=False they run by parts, which costs less, and recurrent layers stay as
    they are: an export would hold every time step.

    Results are the same up to rounding. A projection of inputs is one call for all
    time steps, the recurrent one a call per step, all with samples along axis 0.
    Modules whose forward is not torch's own are left alone, and everything is given
    back as it was.

    Raises
    ------
    Unsupported
        In the forward pass: for packed sequences, and for dropout between recurrent
        layers in training mode.
    """
    ways = _SPELLED if whole else _BY_PARTS
    spelled = [
        (module, partial(ways[type(module).forward], module))
        for module in model.modules()
        if type(module).forward in ways and "forward" not in vars(module)
    ]
    fused = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        for module, forward in spelled:
            vars(module)["forward"] = forward
        yield
    finally:
        for module, _ in spelled:
            vars(module).pop("forward", None)
        torch.backends.mha.set_fastpath_enabled(fused)


# --- recurrent layers ------------------------------------------------------------


def _recurrent(module: nn.RNNBase, input: Tensor, hx: Any = None) -> Any:
    """Run an RNN, GRU or LSTM layer by layer, direction by direction."""
    _check(module, input)
    batched = input.dim() == 3
    given = input if batched else input.unsqueeze(0 if module.batch_first else 1)
    states = _states(module, given, hx, batched)
    x = given if module.batch_first else given.transpose(0, 1)
    ways = 2 if module.bidirectional else 1
    last: list[State] = []
    for layer in range(module.num_layers):
        outputs = []
        for way in range(ways):
            state = tuple(part[layer * ways + way] for part in states)
            suffix = f"_l{layer}" + ("_reverse" if way else "")
            output, state = _one_way(module, suffix, x, state)
            outputs.append(output)
            last.append(state)
        x = torch.cat(outputs, dim=-1) if ways == 2 else outputs[0]
    hidden = tuple(torch.stack(parts) for parts in zip(*last, strict=True))
    output = x if module.batch_first else x.transpose(0, 1)
    if not batched:
        output = x.squeeze(0)
        hidden = tuple(part.squeeze(1) for part in hidden)
    return output, hidden if module.mode == "LSTM" else hidden[0]


def _check(module: nn.RNNBase, input: Any) -> None:
    if isinstance(input, PackedSequence):
        raise Unsupported(
            f"{type(module).__name__} reads a PackedSequence; expected padded tensors"
        )
    if module.training and module.dropout and module.num_layers > 1:
        raise Unsupported(
            f"{type(module).__name__} in training mode with dropout between layers; "
            "expected evaluation mode"
        )


def _states(module: nn.RNNBase, x: Tensor, hx: Any, batched: bool) -> State:
    """Give the initial states, (layers · directions, N, length) each."""
    count = x.shape[0 if module.batch_first else 1]
    rows = module.num_layers * (2 if module.bidirectional else 1)
    lengths = [module.proj_size or module.hidden_size]
    lengths += [module.hidden_size] if module.mode == "LSTM" else []
    if hx is None:
        states = tuple(x.new_zeros(rows, count, length) for length in lengths)
    else:
        states = hx if isinstance(hx, tuple) else (hx,)
        states = states if batched else tuple(part.unsqueeze(1) for part in states)
    module.check_forward_args(x, states if len(lengths) == 2 else states[0], None)  # pyright: ignore
    return states


def _one_way(module: Any, suffix: str, x: Tensor, state: State) -> tuple[Tensor, State]:
    """Give (N, T, outputs) and the last state of one layer in one direction."""
    # The whole projection once: only the recurrent map has to wait for the step before.
    projected = _linear(module, "ih" + suffix, x).unbind(1)
    step, reverse = _step(module), suffix.endswith("reverse")
    outputs = []
    for part in reversed(projected) if reverse else projected:
        state = step(part, _linear(module, "hh" + suffix, state[0]), state)
        if getattr(module, "proj_size", 0):
            down = getattr(module, "weight_hr" + suffix)
            state = (functional.linear(state[0], down), *state[1:])
        outputs.append(state[0])
    return torch.stack(outputs[::-1] if reverse else outputs, dim=1), state


def _cell(module: Any, input: Tensor, hx: Any = None) -> Any:
    """Run an RNNCell, GRUCell or LSTMCell."""
    batched, pair = input.dim() == 2, isinstance(module, nn.LSTMCell)
    x = input if batched else input.unsqueeze(0)
    if hx is None:
        state = (x.new_zeros(len(x), module.hidden_size),) * (2 if pair else 1)
    else:
        state = tuple(hx) if pair else (hx,)
        state = state if batched else tuple(part.unsqueeze(0) for part in state)
    hidden = _linear(module, "hh", state[0])
    after = _step(module)(_linear(module, "ih", x), hidden, state)
    after = after if batched else tuple(part.squeeze(0) for part in after)
    return after if pair else after[0]


def _linear(module: Any, suffix: str, x: Tensor) -> Tensor:
    bias = getattr(module, f"bias_{suffix}") if module.bias else None
    return functional.linear(x, getattr(module, f"weight_{suffix}"), bias)


def _step(module: Any) -> Step:
    if isinstance(module, nn.LSTM | nn.LSTMCell):
        return _lstm
    if isinstance(module, nn.GRU | nn.GRUCell):
        return _gru
    return partial(_elman, torch.relu if module.nonlinearity == "relu" else torch.tanh)


def _lstm(x: Tensor, h: Tensor, state: State) -> State:
    enter, forget, cell, leave = (x + h).chunk(4, dim=-1)
    c = forget.sigmoid() * state[1] + enter.sigmoid() * cell.tanh()
    return leave.sigmoid() * c.tanh(), c


def _gru(x: Tensor, h: Tensor, state: State) -> State:
    (x_reset, x_update, x_new), (h_reset, h_update, h_new) = (
        part.chunk(3, dim=-1) for part in (x, h)
    )
    update = (x_update + h_update).sigmoid()
    new = (x_new + (x_reset + h_reset).sigmoid() * h_new).tanh()
    return ((1 - update) * new + update * state[0],)


def _elman(nonlinearity: Any, x: Tensor, h: Tensor, state: Sequence[Tensor]) -> State:
    return (nonlinearity(x + h),)


_attention = partial(attend, project=by_whole_weights)

# Keyed by forward: a subclass that overrides it computes something else.
_SPELLED: dict[Any, Callable[..., Any]] = {
    nn.MultiheadAttention.forward: _attention,
    SlimAttention.forward: _attention,
    nn.LSTM.forward: _recurrent,
    nn.GRU.forward: _recurrent,
    nn.RNN.forward: _recurrent,
    nn.LSTMCell.forward: _cell,
    nn.GRUCell.forward: _cell,
    nn.RNNCell.forward: _cell,
}

_BY_PARTS: dict[Any, Callable[..., Any]] = {
    nn.MultiheadAttention.forward: partial(attend, project=by_parts),
    SlimAttention.forward: partial(attend, project=by_parts),
}
