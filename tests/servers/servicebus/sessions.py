"""The sessions of a queue: who holds which, who waits for one, and the state kept with each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import errors
from .consumer import SessionHolder, SessionLock
from .timers import now_ms

if TYPE_CHECKING:
    from .message_queue import MessageQueue


@dataclass
class _State:
    content: bytes
    updated_ms: int


class SessionTable:
    """All sessions of one queue."""

    def __init__(self, queue: "MessageQueue") -> None:
        self._queue = queue
        self._locks: dict[str, SessionLock] = {}
        self._states: dict[str, _State] = {}
        self._waiting: list[SessionHolder] = []

    def accept(self, session_id: str, holder: SessionHolder) -> None:
        """Locks a session by name, whether or not it has messages; refuses when it is taken."""
        if session_id in self._locks:
            text = (
                f"The requested session '{session_id}' cannot be accepted. "
                "It may be locked by another receiver."
            )
            holder.refused(errors.ServiceError(errors.SESSION_CANNOT_BE_LOCKED, text, 410))
        else:
            self._grant(session_id, holder)

    def accept_next(self, holder: SessionHolder, timeout_ms: int) -> None:
        """Locks the next session that has messages, now or before the timeout."""
        self._waiting.append(holder)

        def give_up(_now: int) -> None:
            if holder in self._waiting:
                self._waiting.remove(holder)
                text = f"The operation did not complete within the allotted {timeout_ms} ms."
                holder.refused(errors.ServiceError(errors.TIMEOUT, text, 408))

        self._queue.deadlines.at(now_ms() + timeout_ms, give_up)
        self.grant_next()

    def stop_waiting(self, holder: SessionHolder) -> None:
        """Forgets a receiver that went away before it got a session."""
        if holder in self._waiting:
            self._waiting.remove(holder)

    def grant_next(self) -> None:
        """Gives free sessions with messages to those that wait for any."""
        if not self._waiting:
            return
        for session_id in self._queue.ready_sessions():
            if session_id not in self._locks:
                self._grant(session_id, self._waiting.pop(0))
            if not self._waiting:
                return

    def _grant(self, session_id: str, holder: SessionHolder) -> None:
        until_ms = now_ms() + self._queue.settings.lock_duration_ms
        lock = SessionLock(session_id, holder, until_ms)
        self._locks[session_id] = lock
        self._watch(lock)
        holder.granted(lock)

    def _watch(self, lock: SessionLock) -> None:
        def expire(now: int) -> None:
            if lock.until_ms <= now:
                self.lose(lock)

        self._queue.deadlines.at(lock.until_ms, expire)

    def renew(self, session_id: str) -> int:
        """Starts the lock of a session anew and returns when it ends."""
        lock = self.held(session_id)
        lock.until_ms = now_ms() + self._queue.settings.lock_duration_ms
        self._watch(lock)
        return lock.until_ms

    def held(self, session_id: str | None) -> SessionLock:
        """The lock of a session; raises when nobody holds it."""
        if session_id is None or session_id not in self._locks:
            raise errors.session_lock_lost()
        return self._locks[session_id]

    def lose(self, lock: SessionLock) -> None:
        """Ends a lock that ran out: the deliveries under it count as failed."""
        self._end(lock, failed=True)

    def release(self, lock: SessionLock) -> None:
        """Ends a lock because its holder closed: the deliveries under it do not count."""
        self._end(lock, failed=False)

    def _end(self, lock: SessionLock, *, failed: bool) -> None:
        if self._locks.get(lock.session_id) is not lock:
            return
        del self._locks[lock.session_id]
        if failed:
            lock.holder.lost(errors.session_lock_lost())
        for held in [held for held in self._queue.locks.values() if held.session is lock]:
            del self._queue.locks[held.token]
            self._queue.give_back(held.message, failed=failed)
        self._queue.dispatch()

    def all_held(self) -> list[SessionLock]:
        """Every lock."""
        return list(self._locks.values())

    def state(self, session_id: str) -> bytes | None:
        """What was stored with a session that is held."""
        self.held(session_id)
        state = self._states.get(session_id)
        return state.content if state else None

    def set_state(self, session_id: str, content: bytes | None) -> None:
        """Stores something with a session that is held; None removes it."""
        self.held(session_id)
        if content is None:
            self._states.pop(session_id, None)
        else:
            self._states[session_id] = _State(content, now_ms())

    def with_state_since(self, updated_after_ms: int) -> list[str]:
        """Sessions whose state was stored after the given time."""
        states = self._states.items()
        return [session_id for session_id, state in states if state.updated_ms > updated_after_ms]

    def with_content(self) -> list[str]:
        """Sessions with messages or a state, without repetition."""
        ids = [message.session_id for message in self._queue.messages.values()]
        return list(dict.fromkeys([name for name in ids if name is not None] + list(self._states)))
