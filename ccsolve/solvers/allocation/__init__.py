"""Methods for RateAllocation."""
