"""Requests that arrive together are answered together, whoever asks and from whichever thread."""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

LINGER_SECONDS = 0.2  # Inspect starts samples some milliseconds apart; a batch waits until arrivals stop

Work = Callable[[Hashable, Sequence[Any]], Sequence[Any]]


@dataclass(eq=False)
class _Request:
    key: Hashable
    payload: Any
    result: "Future[Any]"


class Gatherer:
    """Collects requests, and hands those with equal settings to one call."""

    def __init__(self, work: Work, most: int) -> None:
        """Start a thread that does the work.

        Args:
            work: Called with the settings and the payloads of a batch; returns one result per payload.
            most: Longest batch.
        """
        self._work, self._most = work, most
        self._waiting: list[_Request] = []
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, key: Hashable, payload: Any) -> "Future[Any]":
        """Ask for one result; what the work raises, the future raises."""
        request = _Request(key, payload, Future())
        with self._changed:
            self._waiting.append(request)
            self._changed.notify()
        return request.result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the thread; requests that still wait are cancelled."""
        with self._changed:
            self._open = False
            for request in self._waiting:
                request.result.cancel()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        while batch := self._next_batch():
            try:
                results: Sequence[Any] = self._work(batch[0].key, [request.payload for request in batch])
            except Exception as error:  # each asker raises it for itself
                for request in batch:
                    request.result.set_exception(error)
            else:
                for request, result in zip(batch, results, strict=True):
                    request.result.set_result(result)

    def _next_batch(self) -> list[_Request]:
        """Wait for requests; empty when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open)
        self._linger()
        with self._changed:
            alike = [request for request in self._waiting if request.key == self._waiting[0].key][: self._most]
            self._waiting = [request for request in self._waiting if request not in alike]
        batch = [request for request in alike if request.result.set_running_or_notify_cancel()]
        return batch or (self._next_batch() if alike else [])

    def _linger(self) -> None:
        seen = 0
        while seen < len(self._waiting) < self._most:
            seen = len(self._waiting)
            time.sleep(LINGER_SECONDS)
