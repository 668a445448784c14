"""The peak memory of this process."""

import resource
import sys


def peak() -> float:
    """Give the largest resident size so far in MiB."""
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found / (2**20 if sys.platform == "darwin" else 2**10)
