"""Bearer tokens: which are accepted, for how long, and what they allow."""

import time
from dataclasses import dataclass, field

from .errors import ServiceError
from .permissions import Permissions
from .settings import ServerSettings

_FOR_EVER_SECONDS = 10 * 365 * 24 * 3600


@dataclass(frozen=True)
class Grant:
    """What an accepted token allows, until it expires."""

    audience: str
    expires_at: float
    caller: str = "test-caller"
    permissions: Permissions = field(default_factory=Permissions)


class TokenAuthority:
    """The tokens that the vault accepts."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._grants: dict[str, Grant] = {}
        self.reset()

    def reset(self) -> None:
        """Forgets all tokens but the one of the command line."""
        forever = Grant(self._settings.audience, time.time() + _FOR_EVER_SECONDS)
        self._grants = {self._settings.token: forever}

    def accept(self, token: str, grant: Grant) -> None:
        """Accepts a token from now on, in the place of one of the same text."""
        self._grants[token] = grant

    def revoke(self, token: str) -> bool:
        """Accepts a token no longer; says whether it was accepted."""
        return self._grants.pop(token, None) is not None

    def check(self, authorization: str | None) -> Grant:
        """The grant of an `Authorization` header, or the service's challenge."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise self._challenge("AKV10000: Request is missing a Bearer or PoP token.")
        grant = self._grants.get(token.strip())
        if grant is None:
            raise self._challenge("[BearerReadAccessTokenFailed] Error validating token: IDX12741.")
        if grant.expires_at <= time.time():
            raise self._challenge("[TokenExpired] Error validating token: 'S2S12086'.")
        if grant.audience.rstrip("/") != self._settings.audience:
            text = f"Expected {self._settings.audience}, found: {grant.audience}."
            raise self._challenge(f"AKV10022: Invalid audience. {text}")
        return grant

    def _challenge(self, message: str) -> ServiceError:
        settings = self._settings
        challenge = (
            f'Bearer authorization="https://login.microsoftonline.com/{settings.tenant}", '
            f'resource="{settings.audience}"'
        )
        headers = {"WWW-Authenticate": challenge}
        return ServiceError(401, "Unauthorized", message, headers=headers)
