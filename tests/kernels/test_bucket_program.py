import numpy as np
import pytest

from ccsolve.kernels.bucket_program import add_layer, add_steps


@pytest.mark.parametrize("seed", range(5))
def test_a_layer_is_added_by_definition(seed: int):
    rng = np.random.default_rng(seed)
    buckets, options = 12, 5
    before = rng.random(buckets + 1)
    losses, sizes = rng.random(options), rng.integers(0, 16, options)
    after = np.empty(buckets + 1)
    chosen = np.empty(buckets + 1, dtype=np.int32)
    add_layer(before, losses, sizes, after, chosen)
    for b in range(buckets + 1):
        values = {
            j: before[b - sizes[j]] + losses[j] for j in range(options) if sizes[j] <= b
        }
        if values:
            assert after[b] == min(values.values()) == values[chosen[b]]
        else:
            assert after[b] == np.inf and chosen[b] == -1


@pytest.mark.parametrize("seed", range(5))
def test_steps_are_added_by_definition(seed: int):
    rng = np.random.default_rng(seed)
    buckets, steps = 12, 4
    before = np.sort(rng.random(buckets + 1))
    gains, sizes = rng.random(steps), rng.integers(0, 5, steps)
    after = np.empty(buckets + 1)
    kept = np.empty(buckets + 1, dtype=np.int32)
    add_steps(before, gains, sizes, after, kept)
    value, taken = before.copy(), np.zeros(buckets + 1, dtype=int)
    for g in range(steps):
        old, counts = value.copy(), taken.copy()
        for b in range(sizes[g], buckets + 1):
            tried = old[b - sizes[g]] + gains[g]
            if counts[b - sizes[g]] == g and tried > old[b]:
                value[b], taken[b] = tried, g + 1
    assert (after == value).all() and (kept == taken).all()
    for b in range(buckets + 1):
        spent = sizes[: kept[b]].sum()
        assert spent <= b
        assert after[b] == pytest.approx(before[b - spent] + gains[: kept[b]].sum())
