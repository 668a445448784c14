"""Methods of ccsolve, by their names in the registry."""

import ccsolve
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms
from ccsolve.bench.recording import recorded
from ccsolve.bench.side_by_side import warm_up
from ccsolve.errors import Unsupported


def run(problem: ccsolve.ChannelSelection, terms: Terms, *, method: str) -> Answer:
    """Solve, and note every improvement as the callback sees it."""
    try:
        warm_up(method)
        found = recorded(problem, method, terms.seconds, terms.seed, terms.target)
    except Unsupported as error:
        raise DoesNotFit(str(error)) from None
    seconds, stop = found.solution.seconds, found.solution.stop.value
    return Answer(found.points, found.bounds, seconds, stop)
