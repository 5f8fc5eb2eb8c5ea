"""What the SDK does not show: outcomes, drain, refusals and SASL, with a plain AMQP client."""

import socket
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import cproton
import pytest
from proton import (
    Condition,
    ConnectionException,
    Delivery,
    Endpoint,
    Link,
    Message,
    Terminus,
    symbol,
)
from proton.handlers import MessagingHandler
from proton.reactor import LinkOption
from proton.utils import (
    BlockingConnection,
    LinkDetached,
)

from .conftest import KEY, KEY_NAME, TestServer, refused


def connect(server: TestServer, *, key: str = KEY, **options: Any) -> BlockingConnection:
    """A connection that brings its key by SASL PLAIN and needs no tokens."""
    options = {
        "user": KEY_NAME,
        "password": key,
        "allowed_mechs": "PLAIN",
        "allow_insecure_mechs": True,
        **options,
    }
    url = f"amqp://{server.host}:{server.amqp_port}"
    return BlockingConnection(url, timeout=5, **options)


@pytest.fixture
def connection(server: TestServer) -> Iterator[BlockingConnection]:
    """An open connection."""
    opened = connect(server)
    yield opened
    opened.close()


class Unsettled(LinkOption):
    """Asks for what the service calls peek-lock."""

    def apply(self, link: Link) -> None:
        """Sets the modes."""
        link.snd_settle_mode = Link.SND_UNSETTLED
        link.rcv_settle_mode = Link.RCV_SECOND


class Receiver:
    """A receiver that settles only when told to, and waits for the outcome of the service."""

    def __init__(self, connection: BlockingConnection, address: str) -> None:
        self.connection = connection
        self.deliveries: list[Delivery] = []
        self.messages: list[Message] = []
        received = self

        class Handler(MessagingHandler):
            """Keeps what arrives."""

            def __init__(self) -> None:
                super().__init__(prefetch=0, auto_accept=False, auto_settle=False)

            def on_message(self, event: Any) -> None:
                received.deliveries.append(event.delivery)
                received.messages.append(event.message)

        self.link = connection.container.create_receiver(
            connection.conn, address, handler=Handler(), options=Unsettled()
        )
        connection.wait(lambda: self.link.state & Endpoint.REMOTE_ACTIVE)

    def receive(self) -> tuple[Message, Delivery]:
        """The next message."""
        before = len(self.deliveries)
        self.link.flow(1)
        self.connection.wait(lambda: len(self.deliveries) > before)
        return self.messages[-1], self.deliveries[-1]

    def settle(self, delivery: Delivery, outcome: int) -> Delivery:
        """Chooses an outcome and waits until the service has settled."""
        delivery.update(outcome)
        self.connection.wait(lambda: delivery.settled)
        return delivery


Send = Callable[..., None]


@pytest.fixture
def send(connection: BlockingConnection, queue: str) -> Send:
    """Sends to the queue."""
    sender = connection.create_sender(queue)

    def send(body: str, **fields: Any) -> None:
        sender.send(Message(body=body, **fields))

    return send


def tag_of(delivery: Delivery) -> bytes:
    """The delivery tag as bytes."""
    tag = cproton.lib.pn_delivery_tag(delivery._impl)
    return bytes(cproton.ffi.buffer(tag.start, tag.size))


def test_the_lock_token_is_the_delivery_tag_and_nowhere_else(
    connection: BlockingConnection, queue: str, send: Send
) -> None:
    send("a")
    receiver = Receiver(connection, queue)
    message, delivery = receiver.receive()
    assert len(tag_of(delivery)) == 16
    assert UUID(bytes_le=tag_of(delivery)).version == 4
    assert not message.instructions
    assert symbol("x-opt-locked-until") in message.annotations
    assert receiver.link.remote_snd_settle_mode == Link.SND_UNSETTLED
    assert receiver.link.remote_rcv_settle_mode == Link.RCV_SECOND


@pytest.mark.parametrize(
    "outcome", [Delivery.ACCEPTED, Delivery.RELEASED, Delivery.MODIFIED, Delivery.REJECTED]
)
def test_the_service_echoes_the_outcome_it_applied(
    connection: BlockingConnection, queue: str, send: Send, outcome: int
) -> None:
    send("a")
    receiver = Receiver(connection, queue)
    _, delivery = receiver.receive()
    settled = receiver.settle(delivery, outcome)
    assert settled.remote_state == outcome
    assert settled.remote.condition is None


def test_a_lost_lock_is_answered_with_an_error(
    server: TestServer, connection: BlockingConnection, queue: str, send: Send
) -> None:
    send("a")
    receiver = Receiver(connection, queue)
    _, delivery = receiver.receive()
    server.fault("lose-locks", entity=queue)
    settled = receiver.settle(delivery, Delivery.ACCEPTED)
    assert settled.remote_state == Delivery.REJECTED
    assert settled.remote.condition.name == "com.microsoft:message-lock-lost"


def test_a_released_message_is_not_counted(
    connection: BlockingConnection, queue: str, send: Send
) -> None:
    send("a")
    receiver = Receiver(connection, queue)
    for _ in range(12):
        message, delivery = receiver.receive()
        assert message.delivery_count == 0
        receiver.settle(delivery, Delivery.RELEASED)


def test_abandoning_can_change_application_properties(
    connection: BlockingConnection, queue: str, send: Send
) -> None:
    send("a", properties={"kept": 1, "changed": "old"})
    receiver = Receiver(connection, queue)
    _, delivery = receiver.receive()
    delivery.local.annotations = {symbol("changed"): "new", symbol("added"): True}
    receiver.settle(delivery, Delivery.MODIFIED)
    message, _ = receiver.receive()
    assert message.properties == {"kept": 1, "changed": "new", "added": True}
    assert message.delivery_count == 1


def test_dead_lettering_takes_reason_and_properties_from_the_info(
    connection: BlockingConnection, queue: str, send: Send
) -> None:
    send("a")
    receiver = Receiver(connection, queue)
    _, delivery = receiver.receive()
    info = {symbol("DeadLetterReason"): "r", symbol("more"): 7}
    delivery.local.condition = Condition("com.microsoft:dead-letter", "d", info)
    receiver.settle(delivery, Delivery.REJECTED)
    message, _ = Receiver(connection, f"{queue}/$DeadLetterQueue").receive()
    assert message.properties == {"DeadLetterReason": "r", "more": 7}


def test_settling_without_an_outcome_releases(
    connection: BlockingConnection, queue: str, send: Send
) -> None:
    send("a")
    receiver = Receiver(connection, queue)
    _, delivery = receiver.receive()
    delivery.settle()
    message, _ = receiver.receive()
    assert message.delivery_count == 0


def test_draining_gives_the_credit_back(
    connection: BlockingConnection, queue: str, send: Send
) -> None:
    send("a")
    receiver = Receiver(connection, queue)
    receiver.link.drain(10)
    connection.wait(lambda: receiver.link.credit == 0)
    assert len(receiver.deliveries) == 1
    receiver.link.drain_mode = False
    send("b")
    assert receiver.receive()[0].body == "b"


def test_presettled_sending_is_stored_too(
    server: TestServer, connection: BlockingConnection, queue: str
) -> None:
    class Settled(LinkOption):
        """Sends without waiting for the outcome."""

        def apply(self, link: Link) -> None:
            link.snd_settle_mode = Link.SND_SETTLED

    sender = connection.container.create_sender(connection.conn, queue, options=Settled())
    connection.wait(lambda: sender.credit > 0)
    sender.send(Message(body="a"))
    connection.create_sender(queue, name="another").send(Message(body="b"))
    assert server.counts(queue)["active"] == 2


def test_a_refused_attach_has_no_termini(server: TestServer) -> None:
    connection = connect(server)
    with pytest.raises(LinkDetached, match="amqp:not-found") as caught:
        connection.create_receiver("missing")
    assert caught.value.link.remote_source.type == Terminus.UNSPECIFIED
    connection.close()


def test_transactions_are_refused(server: TestServer, queue: str) -> None:
    connection = connect(server)

    class Coordinator(LinkOption):
        """Asks for the node that transactions are made at."""

        def apply(self, link: Link) -> None:
            link.target.type = Terminus.COORDINATOR

    with pytest.raises(LinkDetached, match="amqp:not-implemented"):
        connection.create_sender(None, options=Coordinator())
    connection.close()


def test_nonsense_instead_of_a_message_is_rejected(
    connection: BlockingConnection, queue: str
) -> None:
    sender = connection.create_sender(queue)
    delivery = sender.link.delivery(b"tag")
    sender.link.stream(b"\x00\x53\x75\xa0\xff")
    sender.link.advance()
    connection.wait(lambda: delivery.settled)
    assert delivery.remote_state == Delivery.REJECTED
    assert delivery.remote.condition.name == "amqp:decode-error"


def test_a_wrong_key_is_refused_by_sasl(server: TestServer) -> None:
    with pytest.raises(ConnectionException, match="Authentication failed"):
        connect(server, key="wrong")


def test_without_a_token_only_cbs_is_open(server: TestServer, queue: str) -> None:
    anonymous = connect(server, user=None, password=None, allowed_mechs="ANONYMOUS")
    with pytest.raises(LinkDetached, match="amqp:unauthorized-access"):
        anonymous.create_sender(queue)
    with pytest.raises(LinkDetached, match="amqp:unauthorized-access"):
        anonymous.create_receiver(f"{queue}/$management")
    anonymous.close()


def test_a_connection_without_sasl_is_refused(server: TestServer) -> None:
    with socket.create_connection((server.host, server.amqp_port), timeout=5) as plain:
        plain.sendall(b"AMQP\x00\x01\x00\x00")
        assert plain.recv(100) == b"AMQP\x03\x01\x00\x00"
        assert plain.recv(100) == b""


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x01aaaa", b"\xff" * 99],
    ids=["HTTP", "a frame too short", "a frame too long"],
)
def test_bytes_that_are_no_amqp_end_the_connection(server: TestServer, sent: bytes) -> None:
    with socket.create_connection((server.host, server.amqp_port), timeout=5) as plain:
        plain.sendall(sent)
        with pytest.raises(ConnectionResetError):
            while plain.recv(100):
                pass
    assert refused(lambda: server.admin("GET", "/queues/none")) == 404
