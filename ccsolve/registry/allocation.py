"""The methods of RateAllocation, one row of data each."""

from ccsolve.registry.row import Method

ROWS: tuple[Method, ...] = ()
