"""Time: the clock of the broker, and what is to happen at which moment."""

import heapq
import time
from collections.abc import Callable
from typing import Protocol


def now_ms() -> int:
    """Milliseconds since the epoch, as AMQP timestamps count."""
    return time.time_ns() // 1_000_000


class Timers(Protocol):
    """Something that can call back later."""

    def call_after(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Calls back once, not before the delay is over."""


class Deadlines:
    """What an entity does at given moments, with one timer for the earliest of them."""

    def __init__(self, timers: Timers, wake: Callable[[], None]) -> None:
        self._timers = timers
        self._wake = wake
        self._pending: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0
        self._timer_ms: int | None = None

    def at(self, due_ms: int, act: Callable[[int], None]) -> None:
        """Calls `act(now)` once `due_ms` has passed; `act` must check that it still applies."""
        self._count += 1
        heapq.heappush(self._pending, (due_ms, self._count, act))
        self._set_timer()

    def let_time_pass(self) -> int:
        """Does what is due and returns the time."""
        now = now_ms()
        while self._pending and self._pending[0][0] <= now:
            _, _, act = heapq.heappop(self._pending)
            act(now)
        self._set_timer()
        return now

    def _set_timer(self) -> None:
        if not self._pending:
            return
        due_ms = self._pending[0][0]
        if self._timer_ms is None or due_ms < self._timer_ms:
            self._timer_ms = due_ms
            self._timers.call_after(max(0, due_ms - now_ms()) + 1, lambda: self._ring(due_ms))

    def _ring(self, due_ms: int) -> None:
        if self._timer_ms == due_ms:
            self._timer_ms = None
        self._wake()
