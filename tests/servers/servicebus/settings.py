"""The settings of an entity, checked once when it is created."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


class SettingsError(ValueError):
    """A setting that does not exist or has a value that cannot be."""


@dataclass(frozen=True)
class QueueSettings:
    """Settings of a queue or a subscription."""

    lock_duration_ms: int = 30_000
    max_delivery_count: int = 10
    requires_session: bool = False
    default_message_time_to_live_ms: int | None = None
    dead_lettering_on_message_expiration: bool = False
    requires_duplicate_detection: bool = False
    duplicate_detection_window_ms: int = 600_000
    max_message_size_bytes: int = 256 * 1024
    max_messages: int | None = None

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """Reads settings from JSON, by the names above."""
        return cls(**_checked(document, {field.name: field.default for field in fields(cls)}))


@dataclass(frozen=True)
class TopicSettings:
    """Settings of a topic."""

    requires_duplicate_detection: bool = False
    duplicate_detection_window_ms: int = 600_000
    max_message_size_bytes: int = 256 * 1024

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """Reads settings from JSON, by the names above."""
        return cls(**_checked(document, {field.name: field.default for field in fields(cls)}))

    def of_inbox(self) -> QueueSettings:
        """The settings of the queue a topic keeps its scheduled messages in."""
        return QueueSettings(
            requires_duplicate_detection=self.requires_duplicate_detection,
            duplicate_detection_window_ms=self.duplicate_detection_window_ms,
            max_message_size_bytes=self.max_message_size_bytes,
        )


def _checked(document: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in document.items():
        if name not in defaults:
            raise SettingsError(f"unknown setting '{name}'")
        if isinstance(defaults[name], bool):
            if not isinstance(value, bool):
                raise SettingsError(f"'{name}' must be true or false")
        elif value is None:
            if defaults[name] is not None:
                raise SettingsError(f"'{name}' must not be null")
        elif not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SettingsError(f"'{name}' must be a whole number above zero")
    return document
