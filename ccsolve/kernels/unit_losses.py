"""What a matrix loses as its singular components go, channel by channel of columns."""

from numba import njit


@njit(cache=True)
def lose_component(lost, squared, left, right, gone, alone):
    """Add the outer product of ``left`` and ``right`` to what is lost; O(nd), one pass.

    The columns of channels that are gone are passed over: what they hold is void.

    Parameters
    ----------
    lost, squared : (n, d) the components lost so far, updated, and g∘g.
    left, right : (n,), (d,) of the component, its singular value in one of them.
    gone : (c,) whether a channel, d/c columns in a row, is gone.
    alone : (c,) receives Σ g²·lost² over the channel's columns, 0 where it is gone.
    """
    rows, width = lost.shape[0], lost.shape[1] // gone.shape[0]
    alone[:] = 0.0
    for a in range(rows):
        for channel in range(gone.shape[0]):
            if gone[channel]:
                continue
            total = 0.0
            for b in range(channel * width, (channel + 1) * width):
                lost[a, b] += left[a] * right[b]
                total += squared[a, b] * lost[a, b] * lost[a, b]
            alone[channel] += total
