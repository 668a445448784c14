"""The process in which competitors of one library run: jobs as JSON lines in and out.

python -m benchmarks.allocation.child
"""

import json
import os
import sys
from typing import Any

import numpy as np

from benchmarks.allocation import instances
from benchmarks.allocation.competitors.table import TABLE, version
from benchmarks.allocation.scorer import score
from ccsolve.io.strict_json import dump_json


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job; what goes wrong is data too."""
    instance = instances.find(job["instance"])
    try:
        found = TABLE[job["competitor"]].run(instance, job["seconds"])
    except ImportError as reason:
        return {"status": "missing", "note": str(reason)[:200]}
    except Exception as reason:
        return {"status": "failed", "note": f"{type(reason).__name__}: {reason}"[:200]}
    worth = score(instance, found.x)
    return {
        "status": "ran",
        "loss": None if worth is None else worth.loss,
        "excess": None if worth is None else worth.excess,
        "bound": float(np.mean(found.bound)),
        "wall": found.wall,
        "cpu": found.cpu,
        "version": version(job["competitor"]),
    }


def main() -> None:
    """Answer until the input ends.

    What libraries print themselves, below Python, must not reach the parent: answers
    go to a copy of stdout, and stdout to nowhere.
    """
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        for line in sys.stdin:
            print(dump_json(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
