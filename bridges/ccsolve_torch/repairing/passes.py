"""The dense and the smaller network on one batch, stopped at the same layer."""

from collections.abc import Mapping
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from ccsolve_torch.graph import Site
from ccsolve_torch.repairing.branches import Habit, Visit, Watch, watched
from ccsolve_torch.repairing.lockstep import Lane, Stop
from ccsolve_torch.running.state import device_of

Sites = Mapping[str, Site]
Habits = Mapping[str, Habit]


class Pass:
    """One forward pass that stops at every layer of its sites that is complete."""

    def __init__(
        self, model: nn.Module, sites: Sites, habits: Habits, inputs: tuple[Tensor, ...]
    ) -> None:
        """Begin nothing yet: the pass starts with the first `reach`."""
        self.model, self.inputs = model, inputs
        self.complete: list[str] = []
        self.watch = Watch(sites, habits, self._done)
        device = device_of(model)
        cuda = device.type == "cuda"
        self.stream = torch.cuda.current_stream(device) if cuda else None
        self.lane = Lane(self._run)
        self._stop: Stop | None = None

    def advance(self) -> list[str]:
        """Go on to the next stop; give the layers that are complete there."""
        self.complete = []
        self.lane.advance()
        return self.complete

    def reach(self, keys: list[str]) -> bool:
        """Go on until all these layers are complete; False if the pass ends before."""
        while not all(self._complete(key) for key in keys):
            if not self.advance():
                return False
        return True

    def visits(self, key: str) -> list[Visit]:
        """Give the runs of a layer so far."""
        return self.watch.visits[key]

    def release(self, key: str) -> None:
        """Forget the runs of a layer, and what they hold."""
        del self.watch.visits[key]

    def close(self) -> None:
        """End the pass where it stands."""
        self.lane.close()

    def _complete(self, key: str) -> bool:
        seen = self.watch.visits.get(key, [])
        return len(seen) == self.watch.habits[key].calls and (
            key not in self.watch.waiting
        )

    def _done(self, keys: list[str]) -> None:
        self.complete = keys
        if self._stop is not None:
            self._stop()

    def _run(self, stop: Stop) -> None:
        self._stop, device = stop, device_of(self.model)
        with ExitStack() as stack:
            # All of this is set for the present thread alone.
            stack.enter_context(torch.no_grad())
            if self.stream is not None:
                stack.enter_context(torch.cuda.device(device))
                stack.enter_context(torch.cuda.stream(self.stream))
            with watched(self.model, self.watch):
                self.model(*(value.to(device) for value in self.inputs))
