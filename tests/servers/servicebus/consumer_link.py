"""A link on which a client receives messages of a queue, and settles them."""

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from proton import Delivery, Described, Link, Sender, symbol

from . import errors, wire
from .consumer import Lock, SessionLock
from .links import LinkHandler, refuse
from .message import Message
from .message_queue import MessageQueue
from .tokens import LISTEN

if TYPE_CHECKING:
    from .connection import AmqpConnection

SESSION_FILTER = "com.microsoft:session-filter"
_TIMEOUT = "com.microsoft:timeout"
_LOCKED_UNTIL = symbol("com.microsoft:locked-until-utc")
_DEFAULT_TIMEOUT_MS = 60_000
# The epoch in ticks of 100 ns since the year 1, in which the service states this one time.
_EPOCH_TICKS = 621_355_968_000_000_000


class ConsumerLink(LinkHandler):
    """Our sending end: a consumer of the queue, and of one session where it has them."""

    rights = LISTEN
    link: Sender

    def __init__(
        self, connection: "AmqpConnection", link: Sender, queue: MessageQueue, address: str
    ) -> None:
        super().__init__(connection, link, address)
        self.queue = queue
        self.removes = link.remote_snd_settle_mode == Link.SND_SETTLED
        self._filters = source_filters(link)
        self._session: SessionLock | None = None
        self._has_filter = SESSION_FILTER in self._filters
        if queue.settings.requires_session and not self._has_filter:
            text = (
                "It is not possible for an entity that requires sessions to create a "
                "non-sessionful message receiver."
            )
            raise errors.not_allowed(text)
        if self._has_filter and not queue.settings.requires_session:
            text = (
                "A sessionful message receiver cannot be created on an entity that does not "
                "require sessions."
            )
            raise errors.not_allowed(text)

    @property
    def session_id(self) -> str | None:
        """The session it holds."""
        return self._session.session_id if self._session else None

    def start(self) -> None:
        """Opens at once, or as soon as it holds a session."""
        if not self.queue.settings.requires_session:
            self.link.open()
            self.queue.consumers.append(self)
            return
        wanted = self._filters[SESSION_FILTER]
        session_id: Any = wanted.value if isinstance(wanted, Described) else wanted
        if session_id is None:
            properties = self.link.remote_properties or {}
            timeout_ms = int(properties.get(_TIMEOUT, _DEFAULT_TIMEOUT_MS))
            self.queue.sessions.accept_next(self, timeout_ms)
        else:
            self.queue.sessions.accept(str(session_id), self)

    def granted(self, lock: SessionLock) -> None:
        """Opens the link and states which session it got, and until when."""
        self._session = lock
        wanted = self._filters[SESSION_FILTER]
        described = isinstance(wanted, Described)
        stated = Described(wanted.descriptor, lock.session_id) if described else lock.session_id
        answer = self.link.source.filter
        answer.clear()
        answer.put_object({symbol(SESSION_FILTER): stated})
        self.link.properties = {_LOCKED_UNTIL: lock.until_ms * 10_000 + _EPOCH_TICKS}
        self.link.open()
        self.queue.consumers.append(self)
        self.connection.flush_soon()

    def refused(self, error: errors.ServiceError) -> None:
        """Refuses the attach: there is no session for it."""
        self.connection.links.pop(self.link, None)
        refuse(self.link, error)
        self.connection.flush_soon()

    def lost(self, error: errors.ServiceError) -> None:
        """Detaches: a link without its session is of no use."""
        self._session = None
        self.connection.detach(self.link, error)

    def ended(self) -> None:
        """Gives back the session. Without sessions, locks outlive the link."""
        if self in self.queue.consumers:
            self.queue.consumers.remove(self)
        self.queue.sessions.stop_waiting(self)
        if session := self._session:
            self._session = None
            self.queue.sessions.release(session)

    # -- delivering -----------------------------------------------------------------------------

    def on_flow(self) -> None:
        """Looks for messages to spend the credit on."""
        self.queue.refresh()

    def wants_message(self) -> bool:
        """Whether it has credit, and its session if it needs one."""
        in_session = self._session is not None or not self._has_filter
        return in_session and bool(self.link.credit > 0)

    def nothing_ready(self) -> None:
        """Gives the credit back if the client drains."""
        if self.link.drain_mode and self.link.credit > 0:
            self.link.drained()
            # The engine forgets the answer, and with it the credit for good, if the client grants new
            # credit before the answer was produced: so it is produced now.
            self.link.connection.transport.pending()
            self.connection.flush_soon()

    def deliver(self, message: Message, lock: Lock | None) -> None:
        """Sends a message; the delivery tag is the lock token as a GUID of little-endian fields."""
        tag: Any = lock.token.bytes_le if lock else uuid4().bytes
        delivery = self.link.delivery(tag)
        self.link.stream(message.encode(lock.until_ms if lock else None))
        self.link.advance()
        if lock:
            delivery.lock_token = lock.token
        else:
            delivery.settle()
        self.connection.flush_soon()

    # -- settling -------------------------------------------------------------------------------

    def on_delivery(self, delivery: Delivery) -> None:
        """Applies the outcome the client chose, and tells it the one that was applied."""
        token: UUID | None = getattr(delivery, "lock_token", None)
        terminal = delivery.remote_state not in (0, Delivery.RECEIVED)
        if token is None or not delivery.updated or not (terminal or delivery.settled):
            return
        faults = self.connection.server.faults
        if faults.take("cut-before-settle", self.queue.path):
            self.connection.abort()
            return
        try:
            self._settle(token, delivery)
        except errors.ServiceError as error:
            delivery.local.condition = error.to_condition()
            self._answer(delivery, Delivery.REJECTED)
        else:
            if faults.take("cut-after-settle", self.queue.path):
                self.connection.abort()
            elif not faults.take("silent-settle", self.queue.path):
                self._answer(delivery, delivery.remote_state)

    def _settle(self, token: UUID, delivery: Delivery) -> None:
        state, remote = delivery.remote_state, delivery.remote
        if state == Delivery.ACCEPTED:
            self.queue.complete(token)
        elif state == Delivery.MODIFIED:
            properties = wire.owned(remote.annotations) or {}
            change = self.queue.defer if remote.undeliverable else self.queue.abandon
            change(token, properties)
        elif state == Delivery.REJECTED:
            faults = self.connection.server.faults
            if fault := faults.take("refuse-dead-letter", self.queue.path):
                raise fault.error()
            info: dict[str, Any] = {}
            if remote.condition and isinstance(remote.condition.info, dict):
                info = {str(key): value for key, value in wire.owned(remote.condition.info).items()}
            reason = info.pop("DeadLetterReason", None)
            description = info.pop("DeadLetterErrorDescription", None)
            self.queue.dead_letter(token, reason, description, info)
        elif state in (0, Delivery.RECEIVED, Delivery.RELEASED):
            self.queue.release(token)
        else:
            raise errors.ServiceError(errors.NOT_IMPLEMENTED, "There are no transactions here.")

    def _answer(self, delivery: Delivery, outcome: int) -> None:
        if not delivery.settled:
            delivery.update(outcome)
        delivery.settle()
        self.connection.flush_soon()


def source_filters(link: Link) -> dict[str, Any]:
    """The filters a receiver asks for."""
    data = link.remote_source.filter
    data.rewind()
    found = wire.owned(data.get_object()) if data.next() else None
    return {str(key): value for key, value in (found or {}).items()}
