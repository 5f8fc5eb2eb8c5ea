"""One queue: which messages are ready or locked, and every move of a message through it."""

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from . import errors
from .consumer import Consumer, Lock
from .duplicates import DuplicateWindow
from .message import Message, MessageState
from .sessions import SessionTable
from .settings import QueueSettings
from .timers import Deadlines, Timers, now_ms


class MessageQueue:
    """The state of one queue. Public operations first let time take effect."""

    def __init__(
        self,
        path: str,
        settings: QueueSettings,
        timers: Timers,
        dead_letters: "MessageQueue | None" = None,
    ) -> None:
        self.path = path
        self.settings = settings
        self.dead_letters = dead_letters
        self.deadlines = Deadlines(timers, self.refresh)
        self.sessions = SessionTable(self)
        self.messages: dict[int, Message] = {}
        """Every message by its sequence number, whatever its state."""
        self.locks: dict[UUID, Lock] = {}
        self.consumers: deque[Consumer] = deque()
        self._ready: defaultdict[str | None, list[int]] = defaultdict(list)
        self._last_sequence_number = 0
        self._duplicates = DuplicateWindow(settings)

    def refresh(self) -> None:
        """Lets happen what is due, then hands out what is ready."""
        self.deadlines.let_time_pass()
        self.dispatch()

    # -- into the queue -------------------------------------------------------------------------

    def check(self, message: Message) -> None:
        """Raises what the service answers to a message that this entity cannot take."""
        self.check_size(message.size)
        if self.settings.requires_session and message.session_id is None:
            text = "The SessionId was not set on a message, and it cannot be sent to the entity."
            raise errors.not_allowed(text)

    def check_size(self, size: int) -> None:
        """Raises when a message, or a whole batch, is too large."""
        limit = self.settings.max_message_size_bytes
        if size > limit:
            text = f"The received message (size:{size} bytes) exceeds the limit ({limit} bytes)."
            raise errors.ServiceError(errors.MESSAGE_SIZE_EXCEEDED, text)

    def check_room(self, count: int) -> None:
        """Raises when so many more messages, of whatever state, are more than fit."""
        limit = self.settings.max_messages
        if limit is not None and len(self.messages) + count > limit:
            text = f"The maximum entity size has been reached or exceeded for '{self.path}'."
            raise errors.ServiceError(errors.RESOURCE_LIMIT_EXCEEDED, text, 403)

    def put(self, message: Message) -> int:
        """Enqueues or schedules a message and returns its sequence number."""
        now = self.deadlines.let_time_pass()
        if self._duplicates.seen(message.message_id, now):
            return self._next_sequence_number()
        if message.scheduled_ms is not None and message.scheduled_ms > now:
            self._schedule(message, message.scheduled_ms, now)
        else:
            self._enqueue(message, now)
        sequence_number = message.sequence_number
        # One without any life left expires before it could be delivered.
        self.deadlines.let_time_pass()
        self.dispatch()
        return sequence_number

    def _next_sequence_number(self) -> int:
        self._last_sequence_number += 1
        return self._last_sequence_number

    def _schedule(self, message: Message, due_ms: int, now: int) -> None:
        message.sequence_number = self._next_sequence_number()
        message.enqueued_ms = now
        message.state = MessageState.SCHEDULED
        self.messages[message.sequence_number] = message

        def activate(now: int) -> None:
            if self.messages.get(message.sequence_number) is message:
                del self.messages[message.sequence_number]
                self._enqueue(message, now)

        self.deadlines.at(due_ms, activate)

    def _enqueue(self, message: Message, now: int) -> None:
        """Appends a message; one that was scheduled gets a new number, as in the service."""
        message.enqueued_ms = now
        lifetimes = (message.time_to_live_ms, self.settings.default_message_time_to_live_ms)
        message.time_to_live_ms = min((t for t in lifetimes if t is not None), default=None)
        if message.time_to_live_ms is not None:
            message.expires_ms = now + message.time_to_live_ms
            self.deadlines.at(message.expires_ms, lambda now: self._expire(message, now))
        self._append(message)

    def _append(self, message: Message) -> None:
        message.sequence_number = self._next_sequence_number()
        message.state = MessageState.ACTIVE
        self.messages[message.sequence_number] = message
        self._make_ready(message)

    def _make_ready(self, message: Message) -> None:
        message.lock_token = None
        key = message.session_id if self.settings.requires_session else None
        heapq.heappush(self._ready[key], message.sequence_number)

    def take_in(self, message: Message) -> None:
        """Takes a message that another queue gave up; it does not expire any more."""
        message.expires_ms = None
        self._append(message)
        self.dispatch()

    # -- out of the queue -----------------------------------------------------------------------

    def dispatch(self) -> None:
        """Hands ready messages to consumers with credit, in turn."""
        idle = 0
        while self.consumers and idle < len(self.consumers):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.wants_message() and (message := self._take(consumer.session_id)):
                idle = 0
                self._hand_over(message, consumer)
            else:
                idle += 1
        for consumer in list(self.consumers):
            consumer.nothing_ready()
        self.sessions.grant_next()

    def _take(self, session_id: str | None) -> Message | None:
        ready = self._ready[session_id]
        while ready:
            message = self.messages.get(heapq.heappop(ready))
            if message and _is_ready(message):
                return message
        return None

    def _hand_over(self, message: Message, consumer: Consumer) -> None:
        if consumer.removes:
            del self.messages[message.sequence_number]
            consumer.deliver(message, None)
        else:
            consumer.deliver(message, self.lock(message))

    def ready_sessions(self) -> Iterable[str]:
        """Sessions with a ready message, that of the oldest message first."""
        for message in list(self.messages.values()):
            if message.session_id is not None and _is_ready(message):
                yield message.session_id

    def _expire(self, message: Message, now: int) -> None:
        """Expiry spares a message while it is locked, and one that is deferred."""
        due = message.expires_ms is not None and message.expires_ms <= now
        present = self.messages.get(message.sequence_number) is message
        if not due or not present or not _is_ready(message):
            return
        if self.settings.dead_lettering_on_message_expiration:
            self._bury(message, "TTLExpiredException", "The message expired and was dead lettered.")
        else:
            del self.messages[message.sequence_number]

    # -- locks and settlement -------------------------------------------------------------------

    def lock(self, message: Message) -> Lock:
        """Locks a message: with its session, or for the lock duration of the queue."""
        session = None
        until_ms = now_ms() + self.settings.lock_duration_ms
        if self.settings.requires_session:
            session = self.sessions.held(message.session_id)
            until_ms = session.until_ms
        lock = Lock(uuid4(), message, until_ms, session)
        message.lock_token = lock.token
        self.locks[lock.token] = lock
        if session is None:
            self._watch(lock)
        return lock

    def _watch(self, lock: Lock) -> None:
        def expire(now: int) -> None:
            if self.locks.get(lock.token) is lock and lock.until_ms <= now:
                self.lose(lock)

        self.deadlines.at(lock.until_ms, expire)

    def lose(self, lock: Lock) -> None:
        """Ends a lock without a settlement: the delivery counts as failed."""
        del self.locks[lock.token]
        self.give_back(lock.message, failed=True)

    def require_lock(self, token: UUID) -> Lock:
        """The lock of a token; raises what the service answers when it is lost."""
        self.deadlines.let_time_pass()
        if (lock := self.locks.get(token)) is not None:
            return lock
        if self.settings.requires_session:
            raise errors.session_lock_lost()
        raise errors.message_lock_lost()

    def _unlock(self, token: UUID) -> Message:
        lock = self.require_lock(token)
        del self.locks[token]
        return lock.message

    def renew(self, token: UUID) -> int:
        """Starts the lock anew and returns when it ends."""
        if self.settings.requires_session:
            raise errors.not_allowed("Messages of a session are locked with the session.")
        lock = self.require_lock(token)
        lock.until_ms = now_ms() + self.settings.lock_duration_ms
        self._watch(lock)
        return lock.until_ms

    def complete(self, token: UUID) -> None:
        """Removes a locked message."""
        del self.messages[self._unlock(token).sequence_number]

    def abandon(self, token: UUID, properties: dict[str, Any]) -> None:
        """Returns a locked message to its place, with one more failed delivery."""
        message = self._unlock(token)
        message.sections.set_application_properties(properties)
        self.give_back(message, failed=True)
        self.dispatch()

    def release(self, token: UUID) -> None:
        """Returns a locked message to its place as if it had not been delivered."""
        self.give_back(self._unlock(token), failed=False)
        self.dispatch()

    def defer(self, token: UUID, properties: dict[str, Any]) -> None:
        """Sets a locked message aside until it is asked for by its sequence number."""
        message = self._unlock(token)
        message.sections.set_application_properties(properties)
        message.state = MessageState.DEFERRED
        message.lock_token = None

    def dead_letter(
        self, token: UUID, reason: str | None, description: str | None, properties: dict[str, Any]
    ) -> None:
        """Moves a locked message to the dead-letter queue."""
        if self.dead_letters is None:
            raise errors.not_allowed("A dead-letter queue has no dead-letter queue of its own.")
        message = self._unlock(token)
        message.sections.set_application_properties(properties)
        self._bury(message, reason, description)

    def give_back(self, message: Message, *, failed: bool) -> None:
        """Unlocks a message, or buries it when it has failed too often."""
        message.lock_token = None
        message.delivery_count += failed
        limit = self.settings.max_delivery_count
        if failed and self.dead_letters and message.delivery_count >= limit:
            text = f"Message could not be consumed after {limit} delivery attempts."
            self._bury(message, "MaxDeliveryCountExceeded", text)
        elif message.state == MessageState.ACTIVE:
            self._make_ready(message)
            self._expire(message, now_ms())

    def _bury(self, message: Message, reason: str | None, description: str | None) -> None:
        del self.messages[message.sequence_number]
        stated = {"DeadLetterReason": reason, "DeadLetterErrorDescription": description}
        present = {key: value for key, value in stated.items() if value is not None}
        message.sections.set_application_properties(present)
        message.lock_token = None
        if self.dead_letters is not None:
            self.dead_letters.take_in(message)


def _is_ready(message: Message) -> bool:
    return message.state == MessageState.ACTIVE and message.lock_token is None
