"""The operations that keys and secrets have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic

from .collection import Attributes, Collection, Content, Item, Version, parse_tags
from .http_side import Answer, Request
from .operations import Operation
from .paging import page

Act = Callable[[Operation, Request, dict[str, Any]], Answer]


class ObjectApi(ABC, Generic[Content]):
    """All objects of a kind and what is done with them."""

    path: str
    """How the path of the kind begins."""
    id_member: str
    """The member of a list's entry that identifies the object."""

    def __init__(self, kind: str) -> None:
        self.objects: Collection[Content] = Collection(kind)
        self.actions: dict[str, Act] = {
            "list": self._list,
            "listVersions": self._list_versions,
            "listDeleted": self._list_deleted,
            "get": self._get,
            "getDeleted": self._get_deleted,
            "update": self._update,
            "delete": self._delete,
            "recover": self._recover,
            "purge": self._purge,
        }

    def perform(self, operation: Operation, request: Request, document: dict[str, Any]) -> Answer:
        """Answers a request that is allowed."""
        return self.actions[operation.action](operation, request, document)

    @abstractmethod
    def bundle(self, request: Request, version: Version[Content]) -> dict[str, Any]:
        """All that is told of a version."""

    @abstractmethod
    def summary(self, request: Request, version: Version[Content]) -> dict[str, Any]:
        """What is told of a version that was changed, deleted or recovered."""

    @abstractmethod
    def check_readable(self, version: Version[Content]) -> None:
        """Raises when a version must not be given out."""

    @abstractmethod
    def change(self, version: Version[Content], document: dict[str, Any]) -> None:
        """Takes over what an update states besides attributes and tags."""

    def add(
        self, op: Operation, request: Request, document: dict[str, Any], content: Content
    ) -> Answer:
        """Adds a version with the attributes and tags of the request."""
        attributes, tags = Attributes(), parse_tags(document.get("tags"))
        attributes.update(document.get("attributes"))
        version = self.objects.add(Version(op.name, content, attributes, tags))
        return Answer(200, self.bundle(request, version))

    def url(self, request: Request, version: Version[Content], *, with_version: bool = True) -> str:
        """The identifier of an object, or of a version."""
        suffix = f"/{version.id}" if with_version else ""
        return f"{request.base_url}/{self.path}/{version.name}{suffix}"

    def entry(
        self, request: Request, version: Version[Content], *, with_version: bool = False
    ) -> dict[str, Any]:
        """What a list tells of a version."""
        return {
            self.id_member: self.url(request, version, with_version=with_version),
            "attributes": version.attributes.document(),
            "tags": version.tags,
        }

    def _list(self, _op: Operation, request: Request, _document: dict[str, Any]) -> Answer:
        items = self.objects.items()
        entries = [(item.name.lower(), self.entry(request, item.latest)) for item in items]
        return Answer(200, page(request, entries))

    def _list_versions(self, op: Operation, request: Request, _document: dict[str, Any]) -> Answer:
        versions = self.objects.versions(op.name)
        entries = [(one.id, self.entry(request, one, with_version=True)) for one in versions]
        return Answer(200, page(request, entries))

    def _list_deleted(self, _op: Operation, request: Request, _document: dict[str, Any]) -> Answer:
        entries = [
            (item.name.lower(), self.entry(request, item.latest) | self._deletion(request, item))
            for item in self.objects.items(deleted=True)
        ]
        return Answer(200, page(request, entries))

    def _get(self, op: Operation, request: Request, _document: dict[str, Any]) -> Answer:
        version = self.objects.find(op.name, op.version)
        self.check_readable(version)
        return Answer(200, self.bundle(request, version))

    def _update(self, op: Operation, request: Request, document: dict[str, Any]) -> Answer:
        version = self.objects.find(op.name, op.version)
        tags = parse_tags(document["tags"]) if document.get("tags") is not None else version.tags
        attributes = replace(version.attributes)
        attributes.update(document.get("attributes"))
        self.change(version, document)
        version.attributes, version.tags = attributes, tags
        return Answer(200, self.summary(request, version))

    def _get_deleted(self, op: Operation, request: Request, _document: dict[str, Any]) -> Answer:
        return self._deleted(request, self.objects.find_deleted(op.name))

    def _delete(self, op: Operation, request: Request, _document: dict[str, Any]) -> Answer:
        return self._deleted(request, self.objects.delete(op.name))

    def _recover(self, op: Operation, request: Request, _document: dict[str, Any]) -> Answer:
        return Answer(200, self.summary(request, self.objects.recover(op.name).latest))

    def _purge(self, op: Operation, _request: Request, _document: dict[str, Any]) -> Answer:
        self.objects.purge(op.name)
        return Answer(204)

    def _deleted(self, request: Request, item: Item[Content]) -> Answer:
        return Answer(200, self.summary(request, item.latest) | self._deletion(request, item))

    def _deletion(self, request: Request, item: Item[Content]) -> dict[str, Any]:
        return item.deletion(f"{request.base_url}/deleted{self.path}/{item.name}")
