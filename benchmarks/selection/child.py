"""The process in which competitors run: jobs as JSON lines in, answers out.

    python -m benchmarks.selection.child [DATA]

One thread, as the environment that the parent gives it says. The last instance is kept,
so that its seeds do not make it again.
"""

import functools
import json
import math
import os
import re
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.selection import memory
from benchmarks.selection.competitors import table
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms
from benchmarks.selection.instances import catalogue
from benchmarks.selection.instances.instance import Instance
from ccsolve.bench.runs import FAILED, MISFIT, MISSING, RAN
from ccsolve.io.strict_json import dump_json

_SMALL = "ccpz-24-s0"


def answer(job: dict[str, Any], instance: Instance) -> dict[str, Any]:
    """Run a job and give what goes back; what goes wrong is data too."""
    terms = Terms(job["seconds"], job["seed"], job["target"], job["curve"])
    base, start = math.nan, time.perf_counter()
    try:
        if job["fresh"]:
            # Libraries and kernels are loaded before memory is counted.
            table.run(
                job["competitor"], catalogue.find(_SMALL, None).problem, Terms(1.0)
            )
            base = memory.reset()
        found = table.run(job["competitor"], instance.problem, terms)
    except DoesNotFit as reason:
        return {"status": MISFIT, "note": _cleaned(reason)}
    except (ImportError, metadata.PackageNotFoundError) as reason:
        note = f"{_cleaned(reason)}; pip install 'ccsolve[peers]'"
        return {"status": MISSING, "note": note}
    except Exception as reason:
        note = f"{type(reason).__name__}: {_cleaned(reason)}"
        return {"status": FAILED, "note": note}
    spent = time.perf_counter() - start
    return {
        **_packed(found),
        "build": max(0.0, spent - found.seconds),
        "base_mb": base,
        "peak_mb": memory.peak() if job["fresh"] else math.nan,
        "versions": table.versions(job["competitor"]),
    }


def _packed(found: Answer) -> dict[str, Any]:
    return {
        "status": RAN,
        "points": [(at, np.packbits(z != 0).tobytes().hex()) for at, z in found.points],
        "bounds": found.bounds,
        "seconds": found.seconds,
        "stop": found.stop,
        "rigorous": found.rigorous,
    }


def _cleaned(reason: Exception) -> str:
    """Give one line without paths: rows are published."""
    return re.sub(r"(?<!\w)/[A-Za-z]\S*", "...", " ".join(str(reason).split()))[:200]


def main() -> None:
    """Answer until the input ends."""
    # What libraries print must not come between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    find = functools.lru_cache(maxsize=1)(lambda name: catalogue.find(name, folder))
    for line in sys.stdin:
        job = json.loads(line)
        out.write(dump_json(answer(job, find(job["instance"]))) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
