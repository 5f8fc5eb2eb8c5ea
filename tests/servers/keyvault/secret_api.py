"""The operations on secrets."""

from dataclasses import dataclass
from typing import Any

from . import errors
from .collection import Version
from .http_side import Answer, Request
from .object_api import ObjectApi
from .operations import Operation

_MAX_VALUE_CHARACTERS = 25_600


@dataclass
class Secret:
    """The content of one version of a secret."""

    value: str
    content_type: str | None


class SecretApi(ObjectApi[Secret]):
    """All secrets and what is done with them."""

    path = "secrets"
    id_member = "id"

    def __init__(self) -> None:
        super().__init__("Secret")
        self.actions["set"] = self._set

    def entry(
        self, request: Request, version: Version[Secret], *, with_version: bool = False
    ) -> dict[str, Any]:
        """What a list tells of a secret, which includes its content type."""
        entry = super().entry(request, version, with_version=with_version)
        if version.content.content_type is not None:
            entry["contentType"] = version.content.content_type
        return entry

    def bundle(self, request: Request, version: Version[Secret]) -> dict[str, Any]:
        """The secret with its value."""
        return {"value": version.content.value, **self.summary(request, version)}

    def summary(self, request: Request, version: Version[Secret]) -> dict[str, Any]:
        """The secret without its value."""
        return self.entry(request, version, with_version=True)

    def check_readable(self, version: Version[Secret]) -> None:
        """A disabled secret is not given out; `exp` and `nbf` only inform the callers."""
        if not version.attributes.enabled:
            text = "Operation get is not allowed on a disabled secret."
            raise errors.forbidden(text, "SecretDisabled")

    def change(self, version: Version[Secret], document: dict[str, Any]) -> None:
        """Takes over the content type; a value never changes."""
        content = version.content
        content.content_type = _content_type(document) or content.content_type

    def _set(self, op: Operation, request: Request, document: dict[str, Any]) -> Answer:
        value = document.get("value")
        if not isinstance(value, str) or len(value) > _MAX_VALUE_CHARACTERS:
            raise errors.bad_parameter("Property value has invalid value")
        return self.add(op, request, document, Secret(value, _content_type(document)))


def _content_type(document: dict[str, Any]) -> str | None:
    content_type = document.get("contentType")
    if content_type is not None and not isinstance(content_type, str):
        raise errors.bad_parameter("Property contentType has invalid value")
    return content_type
