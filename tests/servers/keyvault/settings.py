"""What the command line and the admin side may set, checked once."""

import re
from dataclasses import dataclass
from typing import Any

VAULT_AUDIENCE = "https://vault.azure.net"
HSM_AUDIENCE = "https://managedhsm.azure.net"

DEFAULT_TENANT = "11111111-2222-3333-4444-555555555555"
DEFAULT_TOKEN = "TOKEN_VALUE"
MAX_PAGE_SIZE = 25


class SettingsError(ValueError):
    """A setting that does not exist or has a value that cannot be."""


@dataclass(frozen=True)
class ServerSettings:
    """What is the same for as long as the server runs."""

    tenant: str = DEFAULT_TENANT
    token: str = DEFAULT_TOKEN
    hsm: bool = False
    """Whether it is a managed HSM: symmetric keys, no secrets, another audience."""

    @property
    def audience(self) -> str:
        """The resource that tokens must be for."""
        return HSM_AUDIENCE if self.hsm else VAULT_AUDIENCE


def check_fields(document: dict[str, Any], known: frozenset[str]) -> None:
    """Raises `SettingsError` when there are fields that nothing reads."""
    if unknown := document.keys() - known:
        raise SettingsError(f"unknown fields {sorted(unknown)}")


def whole_number(document: dict[str, Any], name: str, default: int, least: int = 0) -> int:
    """A number of a JSON object."""
    value = document.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SettingsError(f"'{name}' must be a whole number, {least} or more")
    return value


def text(document: dict[str, Any], name: str, default: str | None = None) -> str:
    """A text of a JSON object, which must not be empty."""
    value = document.get(name, default)
    if not isinstance(value, str) or not value:
        raise SettingsError(f"'{name}' must be a text")
    return value


def is_name(name: str) -> bool:
    """Whether the service takes it as the name of a key or a secret."""
    return re.fullmatch(r"[0-9a-zA-Z-]{1,127}", name) is not None
