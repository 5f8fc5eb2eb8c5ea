"""What the broker needs to know of those that receive from it, and the locks it gives them."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from .errors import ServiceError
from .message import Message


@dataclass
class SessionLock:
    """A session that one receiver holds."""

    session_id: str
    holder: "SessionHolder"
    until_ms: int


@dataclass
class Lock:
    """A message that a receiver holds, by itself or as part of a session."""

    token: UUID
    message: Message
    until_ms: int
    session: SessionLock | None


class Consumer(Protocol):
    """A receiver that messages are handed to."""

    @property
    def session_id(self) -> str | None:
        """The session it receives from, in a queue that requires sessions."""

    @property
    def removes(self) -> bool:
        """Whether a message is gone once handed over, as in the mode receive-and-delete."""

    def wants_message(self) -> bool:
        """Whether it has credit left."""

    def deliver(self, message: Message, lock: Lock | None) -> None:
        """Takes a message, with its lock unless it `removes`."""

    def nothing_ready(self) -> None:
        """Learns that there is no message for the credit it has left."""


class SessionHolder(Protocol):
    """A receiver that asked for a session."""

    def granted(self, lock: SessionLock) -> None:
        """Holds the session from now on."""

    def refused(self, error: ServiceError) -> None:
        """Gets no session."""

    def lost(self, error: ServiceError) -> None:
        """Does not hold the session any more."""
