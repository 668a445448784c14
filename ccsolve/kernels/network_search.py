"""Searches over a whole network: shrinking and filling, descent, tabu, chains.

Numba compiles a function anew for every literal that it is called with: hence int64(1).
"""

import numpy as np
from numba import njit
from numpy import bool_, int64

from ccsolve.kernels.network_moves import (
    NEVER,
    joint_gains,
    look,
    make_step,
    make_swap,
    step_fits,
    step_size,
)
from ccsolve.kernels.network_state import (
    IMPROVED,
    MOVES,
    VALUE,
    begin,
    fits,
    go_back,
    note_best,
    price_change,
)
from ccsolve.kernels.random_numbers import below

FOREVER = 1 << 62
"""A move that none is held until."""


@njit(cache=True)
def _look_for_steps(net, walk, moves):
    """Look for steps of width of all channels, held or not."""
    look(net, walk, moves, int64(FOREVER), bool_(False), bool_(False))


@njit(cache=True)
def relief(net, walk, g, scratch):
    """Give what a step down of g takes off the excess, each budget's counted as 1."""
    price_change(
        net, walk, g, step_size(net, walk, g, int64(-1)), int64(-1), int64(0), scratch
    )
    total = 0.0
    for b in range(scratch.shape[0]):
        excess = walk.spent[b] - net.limit[b]
        if excess > 0:
            total += min(1.0, -scratch[b] / excess)
    return total


@njit(cache=True)
def shrink(net, walk, moves, but, most):
    """Step down where the loss per relief is least until the budgets hold.

    Steps that lose nothing come first. Group ``but`` is left alone. At most ``most``
    steps; give whether nothing is left to do: the budgets hold, or no step relieves.
    """
    scratch = np.empty(walk.spent.shape[0])
    for _ in range(most):
        if fits(net, walk):
            return True
        _look_for_steps(net, walk, moves)
        found, least = int64(-1), NEVER
        for g in range(moves.down.shape[0]):
            if g == but or moves.down[g] >= 0.5 * NEVER:
                continue
            saved = relief(net, walk, g, scratch)
            if saved <= 0:
                continue
            # Without loss the largest gain counts, whatever it saves.
            rate = moves.down[g] / saved if moves.down[g] > 0 else moves.down[g]
            if rate < least:
                found, least = g, rate
        if found < 0:
            return True
        make_step(net, walk, moves, found, int64(-1))
    return fits(net, walk)


@njit(cache=True)
def fill(net, walk, moves, but):
    """Step up where the loss falls most, as long as one fits and costs nothing."""
    scratch = np.empty(walk.spent.shape[0])
    while True:
        _look_for_steps(net, walk, moves)
        found, least = int64(-1), NEVER
        for g in range(moves.up.shape[0]):
            if g == but or moves.up[g] > 0 or moves.up[g] >= least:
                continue
            if step_fits(net, walk, moves, int64(-1), g, scratch):
                found, least = g, moves.up[g]
        if found < 0:
            return
        make_step(net, walk, moves, found, int64(1))


@njit(cache=True)
def _best_alone(net, walk, moves, scratch):
    """Give (gain, group down, group up) of the best swap or step of one group.

    A swap has its group twice; a step has -1 for the other.
    """
    swap, less, more = moves.swap, moves.down, moves.up
    best, down, up = NEVER, -1, -1
    for g in range(swap.shape[0]):
        if swap[g] < best:
            best, down, up = swap[g], g, g
        if less[g] < best:
            best, down, up = less[g], g, -1
        if more[g] < best and step_fits(net, walk, moves, int64(-1), g, scratch):
            best, down, up = more[g], -1, g
    return best, down, up


@njit(cache=True)
def _best_move(net, walk, moves, scratch, joint):
    """Give (gain, group down, group up) of the best move; -1 for no group."""
    best, down, up = _best_alone(net, walk, moves, scratch)
    joint_gains(net, walk, moves, joint)
    for g in range(joint.shape[0]):
        for h in range(joint.shape[0]):
            gain = joint[g, h]
            if gain < best and gain < 0.5 * NEVER:
                if step_fits(net, walk, moves, g, h, scratch):
                    best, down, up = gain, g, h
    return best, down, up


@njit(cache=True)
def _hold(net, walk, moves, down, up, tenure, state):
    """Hold the channels that are about to move for a random number of moves."""
    now = walk.clock[MOVES]
    if down == up:
        walk.held[moves.out[down]] = now + tenure + below(state, tenure + 1)
        walk.held[moves.into[up]] = now + tenure + below(state, tenure + 1)
        return
    if down >= 0:
        for place in range(-step_size(net, walk, down, int64(-1))):
            k = moves.leave[net.start[down] + place]
            walk.held[k] = now + tenure + below(state, tenure + 1)
    if up >= 0:
        for place in range(step_size(net, walk, up, int64(1))):
            k = moves.enter[net.start[up] + place]
            walk.held[k] = now + tenure + below(state, tenure + 1)


@njit(cache=True)
def search(net, walk, moves, tenure, patience, most, state):
    """Make up to ``most`` best moves within the budgets; say whether that is the end.

    Moves are swaps in a group, steps of width, and a step down of one group with one
    up of another. With ``patience`` > 0 a tabu search: the best move whose channels are
    not held is made even uphill, what moved is held for ``tenure`` to twice as many
    moves, and ``patience`` moves without a better best end it. With 0 a descent: over
    where no move gains more than the tolerance.
    """
    scratch, groups = np.empty(walk.spent.shape[0]), moves.down.shape[0]
    joint = np.empty((groups, groups))
    for _ in range(most):
        walk.clock[MOVES] += 1
        now = walk.clock[MOVES]
        if patience > 0:
            # What was held may be free again.
            moves.stale[:] = True
        look(net, walk, moves, now, bool_(True), patience == 0)
        gain, down, up = _best_move(net, walk, moves, scratch, joint)
        if gain >= 0.5 * NEVER or (patience == 0 and gain >= -net.tolerance):
            note_best(net, walk)
            return patience == 0 or now - walk.clock[IMPROVED] >= patience
        if patience > 0:
            _hold(net, walk, moves, down, up, tenure, state)
        if down == up:
            make_swap(net, walk, moves, moves.out[down], moves.into[up], down)
        else:
            if down >= 0:
                make_step(net, walk, moves, down, int64(-1))
            if up >= 0:
                make_step(net, walk, moves, up, int64(1))
        note_best(net, walk)
        if patience > 0 and now - walk.clock[IMPROVED] >= patience:
            return True
    return False


@njit(cache=True)
def restart(net, walk, moves, sign, change, value):
    """Go to a point given with its changes and value; what is best so far stays."""
    walk.sign[:] = sign
    walk.change[:] = change
    walk.totals[VALUE] = value
    begin(net, walk)
    moves.stale[:] = True
    moves.fitting[:] = -1


@njit(cache=True)
def chain(net, walk, moves, g, direction):
    """Force a step of a group and mend the rest; say whether that gains, else undo it.

    Upwards, other groups shrink until the budgets hold; then, both ways, what fits is
    filled up. Swaps and steps of two groups alone cannot trade one dear channel for
    several cheap ones.
    """
    if step_size(net, walk, g, direction) == 0:
        return False
    before, sign, place = walk.totals[VALUE], walk.sign.copy(), walk.place.copy()
    _look_for_steps(net, walk, moves)
    if (moves.up[g] if direction > 0 else moves.down[g]) >= 0.5 * NEVER:
        return False
    make_step(net, walk, moves, g, direction)
    if direction > 0:
        shrink(net, walk, moves, g, sign.shape[0])
    fill(net, walk, moves, -1 if direction > 0 else g)
    if fits(net, walk) and walk.totals[VALUE] < before - net.tolerance:
        note_best(net, walk)
        return True
    go_back(net, walk, sign, place)
    moves.stale[:] = True
    moves.fitting[:] = -1
    return False


@njit(cache=True)
def kick(net, walk, moves, count, state):
    """Change ``count`` groups at random, a swap or a step down each, and fill up."""
    groups = moves.swap.shape[0]
    for _ in range(count):
        g = below(state, groups)
        _look_for_steps(net, walk, moves)
        if below(state, int64(2)) == 0 and moves.down[g] < 0.5 * NEVER:
            make_step(net, walk, moves, g, int64(-1))
            continue
        size = net.start[g + 1] - net.start[g]
        i = net.start[g] + below(state, size)
        j = net.start[g] + below(state, size)
        if walk.sign[i] * walk.sign[j] < 0 and not (net.locked[i] or net.locked[j]):
            make_swap(net, walk, moves, i, j, g)
    fill(net, walk, moves, int64(-1))
