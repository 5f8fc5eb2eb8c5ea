"""Named objects with versions and attributes, deleted softly: what keys and secrets share."""

import time
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Generic, TypeVar
from uuid import uuid4

from . import errors
from .settings import is_name

RETENTION_DAYS = 90

Content = TypeVar("Content")


@dataclass
class Attributes:
    """Whether and when a version may be used."""

    enabled: bool = True
    not_before: int | None = None
    expires: int | None = None
    created: int = field(default_factory=lambda: int(time.time()))
    updated: int = field(default_factory=lambda: int(time.time()))

    def update(self, document: Any) -> None:
        """Takes over what a request states; what it leaves out or states as null stays."""
        document = {} if document is None else document
        if not isinstance(document, dict):
            raise errors.bad_parameter("Property attributes has invalid value")
        enabled = document.get("enabled")
        if enabled is not None and not isinstance(enabled, bool):
            raise errors.bad_parameter("Property enabled has invalid value")
        not_before, expires = _seconds(document, "nbf"), _seconds(document, "exp")
        self.enabled = self.enabled if enabled is None else enabled
        self.not_before = self.not_before if not_before is None else not_before
        self.expires = self.expires if expires is None else expires
        self.updated = int(time.time())

    def document(self) -> dict[str, Any]:
        """The attributes as the service writes them."""
        optional = {"nbf": self.not_before, "exp": self.expires}
        return {
            "enabled": self.enabled,
            **{name: value for name, value in optional.items() if value is not None},
            "created": self.created,
            "updated": self.updated,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": RETENTION_DAYS,
        }


@dataclass
class Version(Generic[Content]):
    """One version of a key or a secret."""

    name: str
    content: Content
    attributes: Attributes
    tags: dict[str, str]
    id: str = field(default_factory=lambda: uuid4().hex)


@dataclass
class Item(Generic[Content]):
    """A key or a secret with its versions, the oldest first."""

    name: str
    versions: list[Version[Content]] = field(default_factory=list)
    deleted_at: int = 0

    @property
    def latest(self) -> Version[Content]:
        """The version that a request without a version means."""
        return self.versions[-1]

    def deletion(self, url: str) -> dict[str, Any]:
        """What is added to a deleted object."""
        purge_at = self.deleted_at + RETENTION_DAYS * 24 * 3600
        times = {"deletedDate": self.deleted_at, "scheduledPurgeDate": purge_at}
        return {"recoveryId": url, **times}


class Collection(Generic[Content]):
    """All keys or all secrets of a vault; names are compared without case."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._present: dict[str, Item[Content]] = {}
        self._deleted: dict[str, Item[Content]] = {}
        self._lock = RLock()

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._present.clear()
            self._deleted.clear()

    def check_free(self, name: str) -> None:
        """Raises when no version can be added under the name."""
        if not is_name(name):
            raise errors.bad_parameter(f"The request URI contains an invalid name: {name}")
        with self._lock:
            if name.lower() in self._deleted:
                raise errors.deleted_but_recoverable(self.kind, name)

    def add(self, version: Version[Content]) -> Version[Content]:
        """Adds a version, and the object with its first one."""
        with self._lock:
            self.check_free(version.name)
            item = self._present.setdefault(version.name.lower(), Item(version.name))
            version.name = item.name
            item.versions.append(version)
        return version

    def find(self, name: str, version: str = "") -> Version[Content]:
        """A version, the latest if none is named."""
        with self._lock:
            item = self._present.get(name.lower())
            if item is None:
                raise errors.not_found(self.kind, name)
            if not version:
                return item.latest
            for candidate in item.versions:
                if candidate.id == version.lower():
                    return candidate
        raise errors.not_found(self.kind, name, version)

    def items(self, *, deleted: bool = False) -> list[Item[Content]]:
        """All objects by name."""
        with self._lock:
            items = self._deleted if deleted else self._present
            return [items[name] for name in sorted(items)]

    def versions(self, name: str) -> list[Version[Content]]:
        """All versions of an object by id; of an unknown one, none."""
        with self._lock:
            item = self._present.get(name.lower())
            return sorted(item.versions, key=lambda version: version.id) if item else []

    def delete(self, name: str) -> Item[Content]:
        """Puts an object aside until it is recovered or purged."""
        with self._lock:
            item = self._present.pop(name.lower(), None)
            if item is None:
                raise errors.not_found(self.kind, name)
            item.deleted_at = int(time.time())
            self._deleted[name.lower()] = item
        return item

    def find_deleted(self, name: str) -> Item[Content]:
        """An object that was put aside."""
        with self._lock:
            item = self._deleted.get(name.lower())
        if item is None:
            raise errors.not_found(self.kind, name)
        return item

    def recover(self, name: str) -> Item[Content]:
        """Puts an object back."""
        with self._lock:
            item = self.find_deleted(name)
            del self._deleted[name.lower()]
            self._present[name.lower()] = item
        return item

    def purge(self, name: str) -> None:
        """Forgets an object that was put aside."""
        with self._lock:
            self.find_deleted(name)
            del self._deleted[name.lower()]


def parse_tags(document: Any) -> dict[str, str]:
    """The tags of a request."""
    if document is None:
        return {}
    valid = isinstance(document, dict) and all(isinstance(tag, str) for tag in document.values())
    if not valid:
        raise errors.bad_parameter("Property tags has invalid value")
    return dict(document)


def _seconds(document: dict[str, Any], name: str) -> int | None:
    value = document.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise errors.bad_parameter(f"Property {name} has invalid value")
    return value
