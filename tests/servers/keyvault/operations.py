"""The operations of the vault: which one a method and a path ask for."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from . import errors

_NAME = r"(?P<name>[^/]+)"
# Clients that leave the version out send an empty part, and some none at all.
_VERSION = r"(?:/(?P<version>[^/]*))?"

_ROUTES = [
    ("GET", "keys", r"/keys/?", "list"),
    ("GET", "keys", rf"/keys/{_NAME}/versions", "listVersions"),
    ("GET", "keys", rf"/keys/{_NAME}{_VERSION}", "get"),
    ("PATCH", "keys", rf"/keys/{_NAME}{_VERSION}", "update"),
    ("DELETE", "keys", rf"/keys/{_NAME}/?", "delete"),
    ("POST", "keys", rf"/keys/{_NAME}/create", "create"),
    ("POST", "keys", rf"/keys/{_NAME}/rotate", "rotate"),
    ("POST", "keys", rf"/keys/{_NAME}{_VERSION}/wrapkey", "wrapKey"),
    ("POST", "keys", rf"/keys/{_NAME}{_VERSION}/unwrapkey", "unwrapKey"),
    ("POST", "keys", rf"/keys/{_NAME}{_VERSION}/encrypt", "encrypt"),
    ("POST", "keys", rf"/keys/{_NAME}{_VERSION}/decrypt", "decrypt"),
    ("GET", "secrets", r"/secrets/?", "list"),
    ("GET", "secrets", rf"/secrets/{_NAME}/versions", "listVersions"),
    ("GET", "secrets", rf"/secrets/{_NAME}{_VERSION}", "get"),
    ("PUT", "secrets", rf"/secrets/{_NAME}/?", "set"),
    ("PATCH", "secrets", rf"/secrets/{_NAME}{_VERSION}", "update"),
    ("DELETE", "secrets", rf"/secrets/{_NAME}/?", "delete"),
]
_ROUTES += [
    (method, kind, rf"/deleted{kind}{path}", action)
    for kind in ("keys", "secrets")
    for method, path, action in [
        ("GET", "/?", "listDeleted"),
        ("GET", f"/{_NAME}", "getDeleted"),
        ("DELETE", f"/{_NAME}", "purge"),
        ("POST", f"/{_NAME}/recover", "recover"),
    ]
]


@dataclass(frozen=True)
class Operation:
    """One operation on one object, or on all of a kind."""

    kind: str
    action: str
    name: str = ""
    version: str = ""

    @property
    def id(self) -> str:
        """The name of the operation for counts, faults and permissions: `keys/wrapKey`."""
        return f"{self.kind}/{self.action}"


OPERATION_IDS = frozenset(f"{kind}/{action}" for _, kind, _, action in _ROUTES)


def find_operation(method: str, path: str) -> Operation:
    """The operation that a request asks for."""
    path = re.sub("^//", "/", path)  # the documentation's own examples begin with two slashes
    for route_method, kind, pattern, action in _ROUTES:
        match = re.fullmatch(pattern, path, re.IGNORECASE)
        if match and method == route_method:
            names = {part: unquote(value or "") for part, value in match.groupdict().items()}
            return Operation(kind, action, **names)
    raise errors.bad_parameter(f"Method {method} does not allow operation '{path}'")
