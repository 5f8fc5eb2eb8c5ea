"""The rules of a subscription: which messages of the topic it gets."""

from collections.abc import Callable
from typing import Any

from . import wire
from .message import Message
from .settings import SettingsError

Rule = Callable[[Message], bool]

# Fields of a correlation filter, by their place in the properties of a message.
_PROPERTY_FIELDS = {
    "message_id": 0,
    "to": 2,
    "subject": 3,
    "reply_to": 4,
    "correlation_id": 5,
    "content_type": 6,
    "session_id": 10,
    "reply_to_session_id": 12,
}


def parse_rules(document: Any) -> list[Rule]:
    """Reads rules from JSON: each `true`, `false`, or an object of what must be equal."""
    if not isinstance(document, list):
        raise SettingsError("'rules' must be a list")
    return [_parse_rule(rule) for rule in document]


def _parse_rule(rule: Any) -> Rule:
    if isinstance(rule, bool):
        return lambda _message: rule
    if not isinstance(rule, dict) or not rule:
        raise SettingsError("a rule must be true, false, or an object of what must be equal")
    wanted_properties = rule.get("properties", {})
    unknown = rule.keys() - _PROPERTY_FIELDS.keys() - {"properties"}
    if unknown or not isinstance(wanted_properties, dict):
        raise SettingsError(f"a rule cannot ask for {sorted(unknown) or 'properties'}")
    wanted = {field: value for field, value in rule.items() if field != "properties"}

    def matches(message: Message) -> bool:
        properties = {
            wire.decode(key): value
            for key, value in (message.sections.application_properties or {}).items()
        }
        return all(
            message.sections.property(_PROPERTY_FIELDS[field]) == value
            for field, value in wanted.items()
        ) and all(
            name in properties and wire.decode(properties[name]) == value
            for name, value in wanted_properties.items()
        )

    return matches
