"""Calls of solvers that cannot be cut into steps, waited for until Ctrl-C."""

import signal
import threading
from collections.abc import Callable
from typing import TypeVar

_POLL = 0.05

Result = TypeVar("Result")


def interruptible(call: Callable[[], Result], name: str) -> Result:
    """Give what a call gives, or raise what it raises; KeyboardInterrupt at Ctrl-C.

    The call runs in a thread of its own, for Python handles signals in the main thread
    alone and between its own instructions alone. After Ctrl-C nothing stops the call:
    it goes on in the background until its own limit, or until the process ends, which
    does not wait for it.
    """
    found: list[Result] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(call())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True, name=name)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL)
        _take_signal_back()
    if failed:
        raise failed[0]
    return found[0]


def _take_signal_back() -> None:
    """Set Python's handler of Ctrl-C again.

    SCS sets one for the whole process while it runs; it prints, and nobody else would
    know of the signal.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is threading.main_thread() and handler is not None:
        signal.signal(signal.SIGINT, handler)
