"""What a connection may do, by the tokens put on it, and what happens when they expire."""

import asyncio
import time
from typing import TYPE_CHECKING

from . import errors
from .tokens import Grant

if TYPE_CHECKING:
    from .connection import AmqpConnection

_SECONDS_WITHOUT_TOKEN = 20
_CLOCK_SLACK_SECONDS = 0.05


class Authorization:
    """The grants of one connection."""

    def __init__(self, connection: "AmqpConnection") -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._rights_without_token: frozenset[str] = frozenset()
        self._grants: dict[str, Grant] = {}
        self._token_seen = False

    def start(self, rights_without_token: frozenset[str]) -> None:
        """Gives the client some seconds to put a token, unless it needs none."""
        self._rights_without_token = rights_without_token
        if not rights_without_token:
            self._loop.call_later(_SECONDS_WITHOUT_TOKEN, self._require_some_token)

    def _require_some_token(self) -> None:
        if not self._token_seen:
            self._connection.close(errors.CONNECTION_FORCED, "No token was put in time.")

    def add(self, grant: Grant) -> None:
        """Adds a grant, in the place of an earlier one for the same audience."""
        self._token_seen = True
        self._grants[grant.path] = grant
        delay = max(0.0, grant.expires_at - time.time())
        self._loop.call_later(delay + _CLOCK_SLACK_SECONDS, self.enforce_expiry)

    def expire_all(self, condition: str) -> None:
        """Lets every token expire now."""
        self._grants.clear()
        self.enforce_expiry(condition)

    def allows(self, address: str, rights: frozenset[str]) -> bool:
        """Whether a token that has not expired grants one of the rights on the address."""
        now = time.time()
        return bool(rights & self._rights_without_token) or any(
            grant.covers(address) and rights & grant.rights and grant.expires_at > now
            for grant in self._grants.values()
        )

    def require(self, address: str, rights: frozenset[str]) -> None:
        """Raises what the service answers when none of the rights is there."""
        if not self.allows(address, rights):
            raise errors.unauthorized(" or ".join(sorted(rights)), address)

    def enforce_expiry(self, condition: str = errors.DETACH_FORCED) -> None:
        """Detaches the links that no token covers any more."""
        for link, handler in list(self._connection.links.items()):
            try:
                if handler.rights:
                    self.require(handler.address, handler.rights)
            except errors.ServiceError as refusal:
                text = (
                    f"The link '{link.name}' is force detached. Code: RenewToken. "
                    f"Details: {refusal.description}"
                )
                error = errors.ServiceError(condition, text, 401)
                self._connection.detach(link, error)
