"""The server: its listener, its connections, and what can be done to it from outside."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from . import browsing, errors
from .broker import Broker
from .connection import AmqpConnection
from .consumer_link import ConsumerLink
from .faults import ARMED_ACTIONS, Faults
from .message_queue import MessageQueue
from .producer_link import ProducerLink
from .settings import SettingsError
from .tokens import TokenAuthority


class LoopTimers:
    """Timers of the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call_after(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Calls back once, not before the delay is over."""
        self._loop.call_later(delay_ms / 1000, callback)


class Server:
    """One namespace on one port."""

    def __init__(self, authority: TokenAuthority) -> None:
        self.authority = authority
        self.container_id = uuid4().hex
        self.connections: set[AmqpConnection] = set()
        self.faults = Faults()
        self.timers = LoopTimers()
        self.broker = Broker(self.timers)

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Begins to accept connections and returns the port."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: AmqpConnection(self), host, port, ssl=tls)
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

    def reset(self) -> None:
        """Forgets every entity, fault and accepted JWT, and cuts every connection."""
        self._cut_all()
        self.faults = Faults()
        self.authority.accepted_jwts.clear()
        self.broker = Broker(self.timers)

    def detach_orphans(self) -> None:
        """Detaches the links of entities that are gone."""
        for connection in list(self.connections):
            for link, handler in list(connection.links.items()):
                if isinstance(handler, ConsumerLink):
                    entity: Any = handler.queue
                elif isinstance(handler, ProducerLink):
                    entity = handler.entity
                else:
                    continue
                try:
                    present = self.broker.find(handler.address) is entity
                except errors.ServiceError:
                    present = False
                if not present:
                    connection.detach(link, errors.entity_not_found(handler.address))

    # -- faults ---------------------------------------------------------------------------------

    def inject(self, document: dict[str, Any]) -> None:
        """Does a fault, or arms one that strikes later."""
        action = document["action"]
        if action in ARMED_ACTIONS:
            self.faults.arm(document)
        elif act := self._immediate().get(action):
            act(document)
        else:
            raise SettingsError(f"unknown action '{action}'")

    def _immediate(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        return {
            "drop-connections": lambda _: self._cut_all(),
            "close-connections": self._close_connections,
            "detach-links": self._detach_links,
            "expire-tokens": self._expire_tokens,
            "lose-locks": self._lose_locks,
            "outage": self._outage,
        }

    def _cut_all(self) -> None:
        for connection in list(self.connections):
            connection.abort()

    def _close_connections(self, document: dict[str, Any]) -> None:
        condition = document.get("condition", errors.CONNECTION_FORCED)
        for connection in list(self.connections):
            connection.close(condition, "The connection is closed for a test.")

    def _detach_links(self, document: dict[str, Any]) -> None:
        entity = document.get("entity")
        condition = document.get("condition", errors.DETACH_FORCED)
        error = errors.ServiceError(condition, "The link is detached for a test.")
        for connection in list(self.connections):
            for link, handler in list(connection.links.items()):
                wanted = entity is None or handler.address.lower() == entity.lower()
                if wanted and isinstance(handler, (ConsumerLink, ProducerLink)):
                    connection.detach(link, error)

    def _expire_tokens(self, document: dict[str, Any]) -> None:
        condition = document.get("condition", errors.DETACH_FORCED)
        for connection in list(self.connections):
            connection.authorization.expire_all(condition)

    def _lose_locks(self, document: dict[str, Any]) -> None:
        if entity := document.get("entity"):
            queues: list[MessageQueue] = [self.broker.find_queue(entity)]
        else:
            queues = self.broker.queues()
        for queue in queues:
            browsing.lose_locks(queue)

    def _outage(self, document: dict[str, Any]) -> None:
        """Cuts all connections and every new one for a while; what is stored stays."""
        duration_ms = int(document["duration_ms"])
        faults = self.faults
        faults.outage = True

        def end() -> None:
            faults.outage = False

        self.timers.call_after(duration_ms, end)
        self._cut_all()
