"""Waiting for calls of other solvers: results, errors, and Ctrl-C."""

import ctypes
import os
import signal
import sys
import threading

import pytest

from ccsolve.interruptible import interruptible


def test_the_result_comes_back():
    assert interruptible(lambda: 3, "three") == 3


def test_an_error_reaches_the_caller():
    def fail() -> None:
        raise ValueError("from the thread")

    with pytest.raises(ValueError, match="from the thread"):
        interruptible(fail, "failing")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")
@pytest.mark.parametrize("ignored_meanwhile", [False, True])
def test_ctrl_c_ends_the_wait(ignored_meanwhile: bool):
    """Also where the call takes the signal for itself, as SCS does."""
    end, handler = threading.Event(), signal.getsignal(signal.SIGINT)

    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.2, press)
    timer.start()
    try:
        if ignored_meanwhile:
            take_signal_in_c()
        with pytest.raises(KeyboardInterrupt):
            interruptible(lambda: end.wait(30), "endless")
    finally:
        timer.cancel()
        timer.join()
        end.set()
        signal.signal(signal.SIGINT, handler)


def take_signal_in_c() -> None:
    """Ignore Ctrl-C behind Python's back."""
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal(signal.SIGINT, 1)  # SIG_IGN


def test_it_can_be_called_in_any_thread():
    found: list[int] = []
    thread = threading.Thread(
        target=lambda: found.append(interruptible(lambda: 5, "five"))
    )
    thread.start()
    thread.join(30)
    assert found == [5]
