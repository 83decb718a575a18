"""The dynamic batcher: what arrives together with equal settings becomes one call."""

import time
from collections.abc import Hashable, Sequence
from concurrent.futures import CancelledError, Future
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from bench.evaluation.provider import LINGER_SECONDS, LONGEST_WAIT, DynamicBatcher

Calls = list[tuple[Hashable, list[Any]]]


def doubling(calls: Calls, first: Event | None = None) -> Any:
    """Work that notes its batches; the first one waits for an event."""

    def work(settings: Hashable, payloads: Sequence[int]) -> list[int]:
        calls.append((settings, list(payloads)))
        if first and len(calls) == 1:
            first.wait(10)
        if settings == "bad":
            raise ValueError("bad settings")
        return [2 * payload for payload in payloads]

    return work


def test_equal_settings_share_a_batch_up_to_its_limit() -> None:
    calls: Calls = []
    with DynamicBatcher(doubling(calls), 3) as batcher:
        futures = [batcher.submit(settings, i) for i, settings in enumerate("aabaab")]
        assert [future.result(10) for future in futures] == [0, 2, 4, 6, 8, 10]
    assert calls == [("a", [0, 1, 3]), ("b", [2, 5]), ("a", [4])]


def test_an_error_reaches_everybody_in_its_batch_and_nobody_else() -> None:
    with DynamicBatcher(doubling([]), 8) as batcher:
        bad, good = [batcher.submit("bad", i) for i in range(2)], batcher.submit("a", 1)
        for future in bad:
            with pytest.raises(ValueError, match="bad settings"):
                future.result(10)
        assert good.result(10) == 2


def test_what_still_waits_at_the_end_is_cancelled() -> None:
    calls: Calls = []
    go_on = Event()
    with DynamicBatcher(doubling(calls, go_on), 1) as batcher:
        under_way = batcher.submit("a", 1)
        while not calls:
            time.sleep(0.01)
        waiting = batcher.submit("a", 2)
        waiting.add_done_callback(lambda future: go_on.set())  # the first batch ends only after leaving has begun
    assert under_way.result(10) == 2
    with pytest.raises(CancelledError):
        waiting.result(10)
    assert calls == [("a", [1])]


def test_a_batch_waits_for_everybody_who_may_ask_and_for_nobody_else() -> None:
    calls: Calls = []
    askers = 3
    with DynamicBatcher(doubling(calls), 100, lambda: askers) as batcher:
        futures = []
        for asker in range(3):  # each of them later than a batch would linger
            futures += batcher.submit_all("a", [asker, 10 + asker], asker)
            time.sleep(3 * LINGER_SECONDS)
        assert [future.result(10) for future in futures] == [0, 20, 2, 22, 4, 24]
        assert calls == [("a", [0, 10, 1, 11, 2, 12])]
        askers = 1
        (alone,) = batcher.submit_all("a", [5], 0)
        assert alone.result(10) == 10


def test_a_batch_waits_for_missing_askers_no_longer_than_the_last_one_took() -> None:
    calls: Calls = []
    with DynamicBatcher(doubling(calls), 100, lambda: 2) as batcher:
        batcher._took = 0.1
        (first,) = batcher.submit_all("a", [1], "one")
        assert first.result(LONGEST_WAIT) == 2 and batcher._took < 0.1
    assert calls == [("a", [1])]


def test_an_event_loop_that_ends_while_it_is_looked_at_does_not_end_the_batcher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where Inspect gives up a task on a full disk; later requests would wait for ever."""
    for error in (CancelledError(), RuntimeError("Event loop is closed"), None):
        ended: Future[None] = Future()
        ended.set_exception(error) if error else ended.cancel()

        def handed_over(work: Any, _: Any, ended: "Future[None]" = ended) -> "Future[None]":
            work.close()
            return ended

        loop: Any = SimpleNamespace(is_running=lambda: True)
        with monkeypatch.context() as patched, DynamicBatcher(lambda _, asked: [2 * x for x in asked], 4) as batcher:
            patched.setattr("asyncio.run_coroutine_threadsafe", handed_over)
            for number in (1, 2):
                assert batcher.submit("a", number, loop).result(timeout=20) == 2 * number
