"""Ctrl-C and SIGTERM end a command alike: it says so, ends what it started, and keeps finished work."""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

STOPPED = "stopped; run the same command again to go on"
AGAIN_AFTER = 0.1  # seconds
PATIENCE = 2.0  # seconds in which a command that was stopped may end; after that another signal ends it at once
_last: signal.Signals = signal.SIGINT
_listening = False  # as the command line of a process of its own
_ending = 0.0  # when the command line learnt that it was stopped


def listen() -> None:
    """Let SIGTERM, which `kill`, schedulers and containers send, do what Ctrl-C does."""
    global _listening
    signal.signal(signal.SIGTERM, _interrupt)
    sys.unraisablehook = _raise_again
    _listening = True


def stop() -> int:
    """Begin to end: what still comes of the same signal, repeated or raised again, does nothing.

    Returns:
        The exit status: 128 and the signal's number, as shells have it.
    """
    global _ending
    _ending = time.monotonic()
    if _listening:
        _handle(_leave)
        atexit.register(_handle, signal.SIG_IGN)  # handlers in Python give way to the system's at the very end
    return 128 + _last


def _handle(handler: "Callable[[int, FrameType | None], None] | signal.Handlers") -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> None:
    if time.monotonic() - _ending > PATIENCE:
        os._exit(128 + number)


def _interrupt(number: int, _: FrameType | None) -> None:
    global _last
    _last = signal.Signals(number)
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, signal.SIG_DFL):  # of a job in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)  # as asyncio has a way of its own with Ctrl-C


def _raise_again(lost: "sys.UnraisableHookArgs") -> None:
    """Repeat an interrupt that Python dropped because it came while some object was deleted."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    again = threading.Timer(AGAIN_AFTER, _interrupt_main_thread)  # here it would be dropped as well
    again.daemon = True
    again.start()


def _interrupt_main_thread() -> None:
    main = threading.main_thread().ident
    if main and not _ending:
        signal.pthread_kill(main, signal.SIGINT)  # which wakes it, as `_thread.interrupt_main` does not
