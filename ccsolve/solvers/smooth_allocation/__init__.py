"""Methods for `SmoothRateAllocation`."""
