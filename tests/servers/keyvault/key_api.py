"""The operations on keys."""

import time
from typing import Any

from . import algorithms, errors
from .collection import Version
from .http_side import Answer, Request
from .key_material import Key, KeySpecification, default_operations, encode, parse_operations
from .object_api import ObjectApi
from .operations import Operation


class KeyApi(ObjectApi[Key]):
    """All keys and what is done with them."""

    path = "keys"
    id_member = "kid"

    def __init__(self, *, hsm: bool) -> None:
        super().__init__("Key")
        self._hsm = hsm
        self.actions |= {"create": self._create, "rotate": self._rotate}
        self.actions |= dict.fromkeys(("wrapKey", "unwrapKey", "encrypt", "decrypt"), self._use)

    def bundle(self, request: Request, version: Version[Key]) -> dict[str, Any]:
        """The key as a JSON web key, with its attributes."""
        key = {"kid": self.url(request, version), **version.content.public_members()}
        entry = self.entry(request, version)
        return {"key": key, "attributes": entry["attributes"], "tags": entry["tags"]}

    def summary(self, request: Request, version: Version[Key]) -> dict[str, Any]:
        """The same as of any version: there is nothing to hide."""
        return self.bundle(request, version)

    def check_readable(self, version: Version[Key]) -> None:
        """The public part of a key can always be read, also of a disabled one."""

    def change(self, version: Version[Key], document: dict[str, Any]) -> None:
        """Takes over the permitted operations."""
        version.content.operations = parse_operations(document, version.content.operations)

    def _create(self, op: Operation, request: Request, document: dict[str, Any]) -> Answer:
        self.objects.check_free(op.name)
        specification = KeySpecification.parse(document, hsm=self._hsm)
        operations = parse_operations(document, default_operations(specification))
        key = Key(specification, specification.generate(), operations)
        return self.add(op, request, document, key)

    def _rotate(self, op: Operation, request: Request, _document: dict[str, Any]) -> Answer:
        latest = self.objects.find(op.name)
        specification = latest.content.specification
        key = Key(specification, specification.generate(), list(latest.content.operations))
        return self.add(op, request, {"tags": latest.tags}, key)

    def _use(self, op: Operation, request: Request, document: dict[str, Any]) -> Answer:
        version = self.objects.find(op.name, op.version)
        _check_usable(version, op.action)
        result = algorithms.perform(op.action, version.content.material, document)
        members = {name: encode(value) for name, value in result.items()}
        return Answer(200, {"kid": self.url(request, version), **members})


def _check_usable(version: Version[Key], action: str) -> None:
    attributes, now = version.attributes, time.time()
    if not attributes.enabled:
        text = f"Operation {action} is not allowed on a disabled key."
        raise errors.forbidden(text, "KeyDisabled")
    if action not in version.content.operations:
        text = f"Operation {action} is not permitted on this key."
        raise errors.forbidden(text, "KeyOperationForbidden")
    if action in ("decrypt", "unwrapKey"):
        return  # documented: what was sealed in time can be opened at any time
    if attributes.not_before is not None and now < attributes.not_before:
        text = f"Operation {action} is not allowed on a key that is not yet valid."
        raise errors.forbidden(text, "KeyNotYetValid")
    if attributes.expires is not None and now >= attributes.expires:
        text = f"Operation {action} is not allowed on an expired key."
        raise errors.forbidden(text, "KeyExpired")
