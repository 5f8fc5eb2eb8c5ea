"""Pairs of links for requests and their replies, as $cbs and $management have them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from proton import Delivery, Link, Message, Receiver, Sender, int32, symbol

from . import errors, wire
from .links import LinkHandler

if TYPE_CHECKING:
    from .connection import AmqpConnection

_CREDIT = 100


@dataclass(frozen=True)
class Request:
    """What a client asks of a node."""

    properties: dict[str, Any]
    body: Any

    @property
    def operation(self) -> str:
        """The name of the operation."""
        return str(self.properties.get("operation", ""))


@dataclass(frozen=True)
class Reply:
    """What a node answers."""

    status: int
    description: str = "OK"
    body: Any = None
    condition: str | None = None


class Node(Protocol):
    """Something that answers requests."""

    @property
    def keys(self) -> tuple[str, str, str]:
        """The names of status, description and condition in its replies."""

    def handle(self, request: Request) -> Reply:
        """Answers a request, or raises what the service answers."""


class ReplyLink(LinkHandler):
    """Our sending end, found by the address of its target."""

    link: Sender

    def send(self, reply: Message) -> None:
        """Sends a reply, or keeps it until there is credit."""
        delivery = self.link.send(reply)
        assert isinstance(delivery, Delivery)
        if self.link.snd_settle_mode == Link.SND_SETTLED:
            delivery.settle()
        self.connection.flush_soon()

    def on_delivery(self, delivery: Delivery) -> None:
        """Settles what the client has settled."""
        if delivery.updated:
            delivery.settle()


class RequestLink(LinkHandler):
    """Our receiving end, in front of a node."""

    link: Receiver

    def __init__(
        self, connection: "AmqpConnection", link: Receiver, address: str, node: Node
    ) -> None:
        super().__init__(connection, link, address)
        self._node = node

    def start(self) -> None:
        """Opens with credit."""
        self.link.rcv_settle_mode = Link.RCV_FIRST
        self.link.open()
        self.link.flow(_CREDIT)

    def on_delivery(self, delivery: Delivery) -> None:
        """Accepts a request and replies to it."""
        if not delivery.readable or delivery.partial:
            return
        message = Message()
        message.decode(bytes(self.link.recv(delivery.pending) or b""))
        self.link.advance()
        if not delivery.settled:
            delivery.update(Delivery.ACCEPTED)
        delivery.settle()
        self.link.flow(1)
        self._reply(message)

    def _reply(self, message: Message) -> None:
        sent: dict[Any, Any] = message.properties or {}
        properties = {str(key): wire.owned(value) for key, value in sent.items()}
        try:
            reply = self._node.handle(Request(properties, wire.owned(message.body)))
        except errors.ServiceError as error:
            reply = Reply(error.status, error.description, {}, error.condition)
        link = self._reply_link(message.reply_to)
        if link is None:
            return
        status_key, description_key, condition_key = self._node.keys
        answers = {status_key: int32(reply.status), description_key: reply.description}
        if reply.condition:
            answers[condition_key] = symbol(reply.condition)
        answer = Message(body=reply.body, properties=answers)
        answer.correlation_id = wire.owned(message.id)
        link.send(answer)

    def _reply_link(self, reply_to: str | None) -> ReplyLink | None:
        """The link with that target, or else the newest of the same node."""
        links = [
            handler
            for handler in self.connection.links.values()
            if isinstance(handler, ReplyLink) and handler.address == self.address
        ]
        named = [link for link in links if link.link.remote_target.address == reply_to]
        return next(reversed(named or links), None)
