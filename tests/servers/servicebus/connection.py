"""One connection of a client: bytes in and out of the engine, and its events to the links."""

import asyncio
import logging
import socket
import struct
from typing import TYPE_CHECKING, Any

from proton import Collector, Connection, Event, Link, Transport

from . import attach, errors
from .authorization import Authorization
from .frames import AMQP_HEADER, MAX_FRAME_SIZE, FrameSplitter, FramingError, message_format
from .links import LinkHandler
from .sasl import SaslLayer

if TYPE_CHECKING:
    from .server import Server

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LOG = logging.getLogger(__name__)
# The engine tells the peer half of it: the four minutes of the service.
_IDLE_TIMEOUT_SECONDS = 480


class AmqpConnection(asyncio.Protocol):
    """The protocol of one socket."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.links: dict[Link, LinkHandler] = {}
        self.message_format: int | None = None
        """Format of the transfer whose frame is being processed."""
        self._loop = asyncio.get_running_loop()
        self._socket: asyncio.Transport
        self._splitter = FrameSplitter()
        self._sasl = SaslLayer(server.authority.rights_of)
        self._engine: Transport | None = None
        self._connection = Connection()
        self._collector = Collector()
        self._flush_due = False
        self._closing = False
        self.authorization: Authorization

    # -- the socket -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Registers the connection, unless the server plays dead."""
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        self.authorization = Authorization(self)
        if self.server.faults.outage:
            self.abort()
        else:
            self.server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Takes what arrived frame by frame."""
        try:
            for unit in self._splitter.feed(data):
                if self._closing:
                    return
                self._receive(unit)
        except (FramingError, ValueError) as error:
            _LOG.warning("closing a connection: %s", error)
            self.abort()
        self.flush_soon()

    def _receive(self, unit: bytes) -> None:
        if self._engine is None and not self._sasl.done:
            self._socket.write(self._sasl.receive(unit))
            if self._sasl.failed:
                self._closing = True
                self._socket.close()
            return
        if self._engine is None:
            if unit != AMQP_HEADER:
                raise FramingError("an AMQP header was due")
            self._engine = self._start_engine()
        self.message_format = None if unit == AMQP_HEADER else message_format(unit)
        while unit:
            room = self._engine.capacity()
            if room <= 0:
                return
            self._engine.push(unit[:room])
            unit = unit[room:]
        self._dispatch_events()

    def _start_engine(self) -> Transport:
        engine = Transport(Transport.SERVER)
        engine.max_frame_size = MAX_FRAME_SIZE
        engine.idle_timeout = _IDLE_TIMEOUT_SECONDS
        self._connection.container = self.server.container_id
        self._connection.collect(self._collector)
        engine.bind(self._connection)
        self.authorization.start(self._sasl.rights)
        self._keep_alive()
        return engine

    def _keep_alive(self) -> None:
        if not self._closing:
            self.flush()
            self._loop.call_later(_IDLE_TIMEOUT_SECONDS / 8, self._keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets every link clean up."""
        self._closing = True
        self.server.connections.discard(self)
        for handler in list(self.links.values()):
            handler.ended()
        self.links.clear()

    def flush_soon(self) -> None:
        """Sends what the engine has to say after the present work."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Sends what the engine has to say."""
        self._flush_due = False
        if self._engine is None or self._closing:
            return
        self._dispatch_events()
        self._engine.tick(self._loop.time())
        while (pending := self._engine.pending()) > 0:
            chunk = self._engine.peek(pending)
            self._engine.pop(pending)
            self._socket.write(bytes(chunk or b""))
        if pending < 0:
            self._closing = True
            self._socket.close()

    def abort(self) -> None:
        """Cuts the connection with a reset, as when a host vanishes from behind a balancer."""
        self._closing = True
        raw = self._socket.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._socket.abort()

    def close(self, condition: str, description: str) -> None:
        """Closes the connection as AMQP does."""
        self._connection.condition = errors.ServiceError(condition, description).to_condition()
        self._connection.close()
        self.flush_soon()

    # -- the engine -----------------------------------------------------------------------------

    def _dispatch_events(self) -> None:
        while (event := self._collector.peek()) is not None and not self._closing:
            self._on_event(event)
            self._collector.pop()

    def _on_event(self, event: Any) -> None:
        kind = event.type
        if kind == Event.CONNECTION_REMOTE_OPEN:
            self._connection.open()
        elif kind == Event.CONNECTION_REMOTE_CLOSE:
            self._connection.close()
        elif kind == Event.SESSION_REMOTE_OPEN:
            event.session.open()
        elif kind == Event.SESSION_REMOTE_CLOSE:
            self._end_links([link for link in self.links if link.session == event.session])
            event.session.close()
        elif kind == Event.LINK_REMOTE_OPEN:
            attach.attach(self, event.link)
        elif kind in (Event.LINK_REMOTE_CLOSE, Event.LINK_REMOTE_DETACH):
            self._end_links([event.link])
            event.link.close()
        elif kind == Event.LINK_FLOW and event.link in self.links:
            self.links[event.link].on_flow()
        elif kind == Event.DELIVERY and event.link in self.links:
            self.links[event.link].on_delivery(event.delivery)
        self.flush_soon()

    def _end_links(self, links: list[Link]) -> None:
        for link in links:
            if handler := self.links.pop(link, None):
                handler.ended()

    def detach(self, link: Link, error: errors.ServiceError) -> None:
        """Ends a link from our side."""
        self._end_links([link])
        link.condition = error.to_condition()
        link.close()
        self.flush_soon()
