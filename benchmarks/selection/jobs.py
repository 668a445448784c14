"""A job: one competitor on one instance with one seed; data, so that it can travel."""

from dataclasses import dataclass

from benchmarks.selection.competitors import table


@dataclass(frozen=True)
class Job:
    """What is run.

    Attributes
    ----------
    suite, instance, competitor, seed, seconds : what and for how long.
    to_target : stop at the best known value; ``within`` is added to it, relatively.
    curve : the way there matters, for competitors that tell only their last point.
    fresh : in a process of its own, so that its memory can be measured.
    """

    suite: str
    instance: str
    competitor: str
    seed: int = 0
    seconds: float = 1.0
    to_target: bool = False
    within: float = 0.0
    curve: bool = False
    fresh: bool = False

    @property
    def key(self) -> tuple[str, str, str, int, float]:
        """The key of the run that it makes."""
        return self.suite, self.instance, self.competitor, self.seed, self.seconds

    @property
    def process(self) -> str:
        """The process that it runs in."""
        return table.process_of(self.competitor)
