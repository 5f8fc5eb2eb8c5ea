"""One message as the broker keeps it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any
from uuid import UUID

from proton import int32, symbol, timestamp, uint

from . import wire
from .sections import Sections, set_field

_TTL = 2
_DELIVERY_COUNT = 4

_MESSAGE_ID = 0
_GROUP_ID = 10
_ABSOLUTE_EXPIRY_TIME = 8
_CREATION_TIME = 9

SCHEDULED_TIME = "x-opt-scheduled-enqueue-time"
# Annotations that only the broker may set; what a sender puts there is dropped.
_BROKER_ANNOTATIONS = {
    wire.encode(symbol(name))
    for name in (
        "x-opt-sequence-number",
        "x-opt-enqueue-sequence-number",
        "x-opt-enqueued-time",
        "x-opt-locked-until",
        "x-opt-lock-token",
        "x-opt-message-state",
    )
}


class MessageState(IntEnum):
    """Where in its life a message is, by the numbers used on the wire."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2


@dataclass
class Message:
    """What was sent, and what the broker knows about it."""

    sections: Sections
    size: int
    message_id: Any
    session_id: str | None
    time_to_live_ms: int | None
    scheduled_ms: int | None
    sequence_number: int = 0
    enqueued_sequence_number: int = 0
    enqueued_ms: int = 0
    expires_ms: int | None = None
    delivery_count: int = 0
    """Deliveries that failed so far."""
    state: MessageState = MessageState.ACTIVE
    lock_token: UUID | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> "Message":
        """Reads a message as it was sent; raises `ValueError` when it is none."""
        sections = Sections.parse(raw)
        scheduled = sections.annotations.get(wire.encode(symbol(SCHEDULED_TIME)))
        for key in _BROKER_ANNOTATIONS & sections.annotations.keys():
            del sections.annotations[key]
        return cls(
            sections=sections,
            size=len(raw),
            message_id=sections.property(_MESSAGE_ID),
            session_id=sections.property(_GROUP_ID),
            time_to_live_ms=sections.header_field(_TTL),
            scheduled_ms=None if scheduled is None else int(wire.decode(scheduled)),
        )

    def copy(self) -> "Message":
        """A message of its own that shares no state with this one."""
        copied = Message(
            sections=Sections(**vars(self.sections)),
            size=self.size,
            message_id=self.message_id,
            session_id=self.session_id,
            time_to_live_ms=self.time_to_live_ms,
            scheduled_ms=self.scheduled_ms,
        )
        copied.enqueued_sequence_number = self.enqueued_sequence_number
        return copied

    def encode(self, locked_until_ms: int | None = None) -> bytes:
        """The message as a receiver gets it."""
        sections = Sections(**vars(self.sections))
        sections.header = set_field(sections.header, _DELIVERY_COUNT, uint(self.delivery_count))
        annotations = {
            "x-opt-sequence-number": self.sequence_number,
            "x-opt-enqueue-sequence-number": self.enqueued_sequence_number,
            "x-opt-enqueued-time": timestamp(self.enqueued_ms),
            "x-opt-message-state": int32(self.state),
        }
        if locked_until_ms is not None:
            annotations["x-opt-locked-until"] = timestamp(locked_until_ms)
        sections.annotations = sections.annotations | {
            wire.encode(symbol(key)): wire.encode(value) for key, value in annotations.items()
        }
        if self.time_to_live_ms is not None:
            ttl = uint(min(self.time_to_live_ms, 2**32 - 1))
            sections.header = set_field(sections.header, _TTL, ttl)
            self._state_expiry(sections)
        return sections.encode()

    def _state_expiry(self, sections: Sections) -> None:
        """The service ignores the expiry a sender states, and states the one that holds."""
        if self.expires_ms is None:
            return
        fields = sections.properties or []
        fields = set_field(fields, _ABSOLUTE_EXPIRY_TIME, timestamp(self.expires_ms))
        sections.properties = set_field(fields, _CREATION_TIME, timestamp(self.enqueued_ms))


def parse_batch(raw: bytes) -> list[Message]:
    """The messages in a transfer of the batch format: one encoded message a data section."""
    parts: Iterable[bytes] = Sections.parse(raw).data
    return [Message.parse(part) for part in parts]
