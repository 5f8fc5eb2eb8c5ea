"""AMQP framing: cutting a byte stream into frames, and the little that is read of them."""

from collections.abc import Iterator
from typing import Any

from proton import Described, ulong

from . import wire

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
MAX_FRAME_SIZE = 65_536

_SASL_FRAME = 1
_TRANSFER = 0x14
_TRANSFER_START = bytes([0x00, 0x53, _TRANSFER])
_MESSAGE_FORMAT = 3


class FramingError(Exception):
    """Bytes that are no AMQP."""


class FrameSplitter:
    """Cuts what arrives into whole frames and protocol headers."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields what is complete with these bytes."""
        self._buffer += data
        while len(self._buffer) >= 8:
            # No frame is as long as the letters AMQP say when they are read as a size.
            size = 8 if self._buffer[:4] == b"AMQP" else int.from_bytes(self._buffer[:4], "big")
            if not 8 <= size <= MAX_FRAME_SIZE:
                raise FramingError(f"a frame of {size} bytes")
            if len(self._buffer) < size:
                return
            unit = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield unit


def message_format(frame: bytes) -> int | None:
    """The message format, if this is the frame that begins a transfer.

    The engine does not tell the format, and batches differ from other messages in nothing else.
    """
    body_at = frame[4] * 4
    if frame[body_at : body_at + 3] != _TRANSFER_START:
        return None
    fields = wire.items(frame[body_at + 3 :])
    return wire.decode(fields[_MESSAGE_FORMAT]) if len(fields) > _MESSAGE_FORMAT else None


def sasl_frame(code: int, fields: list[Any]) -> bytes:
    """A frame of the SASL layer."""
    body = wire.encode(Described(ulong(code), fields))
    return (len(body) + 8).to_bytes(4, "big") + bytes([2, _SASL_FRAME, 0, 0]) + body


def sasl_fields(frame: bytes) -> tuple[int, list[Any]]:
    """The code and the fields of a frame of the SASL layer."""
    if frame[5] != _SASL_FRAME:
        raise FramingError("a frame of the SASL layer was due")
    described = wire.decode(frame[frame[4] * 4 :])
    return int(described.descriptor), described.value
