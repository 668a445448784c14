"""Many forward passes side by side, each stopped where the same layer has run."""

from collections.abc import Callable
from threading import Semaphore, Thread

Stop = Callable[[], None]


class _Closed(BaseException):
    """Ends the work of a lane: raised where it had stopped."""


class Lane:
    """Work that runs in a thread of its own and waits wherever it calls `stop`.

    Either the caller runs or the lane, never both: what they share needs no lock.
    """

    def __init__(self, work: Callable[[Stop], None]) -> None:
        """Take the work; it begins with the first `advance`."""
        self._work = work
        self._lane, self._caller = Semaphore(0), Semaphore(0)
        self._error: BaseException | None = None
        self._over = self._closing = False
        # An abandoned lane must not keep the interpreter alive.
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def advance(self) -> bool:
        """Let the work run to its next stop; False when it has come to its end.

        What the work raises is raised here.
        """
        if self._over:
            return False
        self._lane.release()
        self._caller.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return not self._over

    def close(self) -> None:
        """End the work where it stands, and free what it holds."""
        if not self._over:
            self._closing = True
            self._lane.release()
        self._thread.join()

    def _run(self) -> None:
        self._lane.acquire()
        try:
            if not self._closing:
                self._work(self._stop)
        except _Closed:
            pass
        except BaseException as error:  # handed to the caller, who raises it
            self._error = error
        self._over = True
        self._caller.release()

    def _stop(self) -> None:
        self._caller.release()
        self._lane.acquire()
        if self._closing:
            raise _Closed
