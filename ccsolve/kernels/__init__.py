"""Inner loops: `@njit(cache=True)` functions of arrays that know no ccsolve type."""
