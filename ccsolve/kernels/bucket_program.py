"""Dynamic programs over buckets of one budget."""

import numpy as np
from numba import njit


@njit(cache=True)
def add_layer(before, losses, sizes, after, chosen):
    """Write the best losses with one more layer, for every number of buckets.

    after_b = min_j before_{b - sizes_j} + losses_j over the options j with sizes_j ≤ b;
    inf where there is none. ``chosen`` (T + 1,) are the options; O(K·T).
    """
    after[:] = np.inf
    chosen[:] = -1
    for j in range(losses.size):
        size, loss = sizes[j], losses[j]
        for b in range(size, after.size):
            value = before[b - size] + loss
            if value < after[b]:
                after[b] = value
                chosen[b] = j


@njit(cache=True)
def add_steps(before, gains, sizes, after, kept):
    """Write the best gains with one more layer's steps, each after the one before.

    The 0/1 program over the steps in their order: step g is taken at b buckets where
    that beats leaving it, and only from a solution at b - sizes_g that has taken step
    g - 1. ``kept`` (T + 1,) counts the steps taken; O(K·T).
    """
    after[:] = before
    kept[:] = 0
    for g in range(gains.size):
        size = sizes[g]
        # Downwards, so that the entries read are those before this step.
        for b in range(after.size - 1, size - 1, -1):
            value = after[b - size] + gains[g]
            if kept[b - size] == g and value > after[b]:
                after[b] = value
                kept[b] = g + 1
