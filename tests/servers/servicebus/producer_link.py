"""A link on which a client sends messages to an entity."""

from typing import TYPE_CHECKING

from proton import Delivery, Link, Receiver, symbol, ulong

from . import errors
from .broker import Entity
from .links import LinkHandler
from .message import Message, parse_batch
from .message_queue import MessageQueue
from .tokens import SEND

if TYPE_CHECKING:
    from .connection import AmqpConnection

_CREDIT = 100
_BATCH_FORMAT = 0x80013700
_MAX_BATCH_SIZE = symbol("com.microsoft:max-message-batch-size")


class ProducerLink(LinkHandler):
    """Our receiving end."""

    rights = SEND
    link: Receiver

    def __init__(
        self, connection: "AmqpConnection", link: Receiver, entity: Entity, address: str
    ) -> None:
        super().__init__(connection, link, address)
        self.entity = entity
        self._inbox: MessageQueue = connection.server.broker.inbox(entity)
        self._format: int | None = None

    def start(self) -> None:
        """Opens with credit; the receiver settles first, whatever the client asked for."""
        limit = self._inbox.settings.max_message_size_bytes
        self.link.rcv_settle_mode = Link.RCV_FIRST
        self.link.max_message_size = limit
        self.link.properties = {_MAX_BATCH_SIZE: ulong(limit)}
        self.link.open()
        self.link.flow(_CREDIT)

    def on_delivery(self, delivery: Delivery) -> None:
        """Stores what arrived once it is whole, and answers with the outcome."""
        if self.connection.message_format is not None:
            self._format = self.connection.message_format
        if delivery.aborted:
            delivery.settle()
            self.link.flow(1)
        elif delivery.readable and not delivery.partial:
            raw = self.link.recv(delivery.pending) or b""
            self.link.advance()
            self._receive(bytes(raw), delivery)
            self._format = None

    def _receive(self, raw: bytes, delivery: Delivery) -> None:
        faults = self.connection.server.faults
        if faults.take("cut-before-store", self.entity_path):
            self.connection.abort()
            return
        try:
            if fault := faults.take("reject-send", self.entity_path):
                raise fault.error()
            self._store(raw)
        except errors.ServiceError as error:
            delivery.local.condition = error.to_condition()
            self._answer(delivery, Delivery.REJECTED)
        else:
            if faults.take("cut-after-store", self.entity_path):
                self.connection.abort()
                return
            self._answer(delivery, Delivery.ACCEPTED)

    @property
    def entity_path(self) -> str:
        """The path of the entity, as faults name it."""
        return self._inbox.path

    def _store(self, raw: bytes) -> None:
        try:
            is_batch = self._format == _BATCH_FORMAT
            messages = parse_batch(raw) if is_batch else [Message.parse(raw)]
        except (ValueError, IndexError) as error:
            raise errors.ServiceError(errors.DECODE_ERROR, str(error)) from error
        self._inbox.check_size(len(raw))
        for message in messages:
            self._inbox.check(message)
        self._inbox.check_room(len(messages))
        for message in messages:
            self._inbox.put(message)

    def _answer(self, delivery: Delivery, outcome: int) -> None:
        if not delivery.settled:
            delivery.update(outcome)
        delivery.settle()
        self.link.flow(1)
        self.connection.flush_soon()
