"""The sections of an AMQP message as raw bytes, so that what is not ours stays byte-exact."""

from dataclasses import dataclass, field
from typing import Any

from . import wire

_HEADER = 0x70
_DELIVERY_ANNOTATIONS = 0x71
_MESSAGE_ANNOTATIONS = 0x72
_PROPERTIES = 0x73
_APPLICATION_PROPERTIES = 0x74
_DATA = 0x75
_FOOTER = 0x78

_SMALL_ULONG = 0x53
_ULONG = 0x80
_NULL = b"\x40"


@dataclass
class Sections:
    """A message taken apart. Lists hold encoded fields, maps encoded keys and values."""

    header: list[bytes] = field(default_factory=list)
    annotations: dict[bytes, bytes] = field(default_factory=dict)
    properties: list[bytes] | None = None
    application_properties: dict[bytes, bytes] | None = None
    body: bytes = b""
    """Body sections and footer, untouched."""
    data: list[bytes] = field(default_factory=list)
    """Contents of the data sections of the body."""

    @classmethod
    def parse(cls, raw: bytes) -> "Sections":
        """Takes a message apart; delivery annotations end with the hop and are dropped."""
        sections = cls()
        at = 0
        while at < len(raw):
            code, value_at = _descriptor(raw, at)
            end = wire.value_end(raw, value_at)
            sections._add(code, raw[value_at:end], raw[at:end])
            at = end
        return sections

    def _add(self, code: int, value: bytes, section: bytes) -> None:
        if code == _HEADER:
            self.header = wire.items(value)
        elif code == _MESSAGE_ANNOTATIONS:
            self.annotations = _raw_map(value)
        elif code == _PROPERTIES:
            self.properties = wire.items(value)
        elif code == _APPLICATION_PROPERTIES:
            self.application_properties = _raw_map(value)
        elif code == _DATA:
            self.data.append(wire.decode(value))
            self.body += section
        elif _DATA < code <= _FOOTER:
            self.body += section
        elif code != _DELIVERY_ANNOTATIONS:
            raise ValueError(f"0x{code:x} is no section of an AMQP message")

    def encode(self) -> bytes:
        """Puts the message together again."""
        raw = _section(_HEADER, wire.list_of(self.header))
        raw += _section(_MESSAGE_ANNOTATIONS, _encoded_map(self.annotations))
        if self.properties is not None:
            raw += _section(_PROPERTIES, wire.list_of(self.properties))
        if self.application_properties is not None:
            raw += _section(_APPLICATION_PROPERTIES, _encoded_map(self.application_properties))
        return raw + self.body

    def header_field(self, index: int) -> Any:
        """A decoded field of the header, or None."""
        return _field(self.header, index)

    def property(self, index: int) -> Any:
        """A decoded field of the properties, or None."""
        return _field(self.properties or [], index)

    def set_application_properties(self, values: dict[str, Any]) -> None:
        """Adds application properties, or replaces those of the same name."""
        if values:
            added = {wire.encode(str(key)): wire.encode(value) for key, value in values.items()}
            self.application_properties = (self.application_properties or {}) | added


def set_field(fields: list[bytes], index: int, value: Any) -> list[bytes]:
    """The fields with one replaced; missing ones before it become null."""
    padded = fields + [_NULL] * (index + 1 - len(fields))
    padded[index] = wire.encode(value)
    return padded


def _field(fields: list[bytes], index: int) -> Any:
    return wire.decode(fields[index]) if index < len(fields) else None


def _descriptor(raw: bytes, at: int) -> tuple[int, int]:
    """The code of the section that starts here, and where its value starts."""
    if raw[at : at + 2] == bytes([0, _SMALL_ULONG]):
        return raw[at + 2], at + 3
    if raw[at : at + 2] == bytes([0, _ULONG]):
        return int.from_bytes(raw[at + 2 : at + 10], "big"), at + 10
    raise ValueError("a message section must begin with a numeric descriptor")


def _section(code: int, value: bytes) -> bytes:
    return bytes([0, _SMALL_ULONG, code]) + value


def _raw_map(value: bytes) -> dict[bytes, bytes]:
    parts = wire.items(value)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _encoded_map(entries: dict[bytes, bytes]) -> bytes:
    return wire.map_of([part for entry in entries.items() for part in entry])
