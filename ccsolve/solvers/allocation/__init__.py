"""Methods of `RateAllocation`: one file each, one public ``solve``."""
