"""Ctrl-C and SIGTERM end a command alike: it says so, ends what it started, and keeps finished work."""

import signal
import sys
import threading
from types import FrameType

STOPPED = "stopped; run the same command again to go on"
AGAIN_AFTER = 0.1  # seconds
_last: signal.Signals = signal.SIGINT
_ending = False  # the command line knows that it was stopped


def listen() -> None:
    """Let SIGTERM, which `kill`, schedulers and containers send, do what Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.unraisablehook = _raise_again


def exit_status() -> int:
    """Return the status of a command that was stopped and ends now: 128 and the signal's number, as shells have it."""
    global _ending
    _ending = True
    return 128 + _last


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
