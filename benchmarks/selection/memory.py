"""Resident memory of this process, in megabytes (1e6 bytes)."""

import math
import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"


def reset() -> float:
    """Let the peak be what is resident now, where the system can; give that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    return _field("VmRSS")


def peak() -> float:
    """Give the most that was resident since the last `reset`.

    Where the system does not tell, it is since the start of the process.
    """
    found = _field("VmHWM")
    if not math.isnan(found):
        return found
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def _field(name: str) -> float:
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    return math.nan
