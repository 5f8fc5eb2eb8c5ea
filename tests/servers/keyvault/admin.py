"""The HTTP side of the tests: tokens, identities and faults, changed while the server runs."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from .http_side import Answer, Request
from .identity import Identity, IdentityService
from .permissions import ACCESS_POLICY, Permissions
from .service import Desk, VaultService
from .settings import ServerSettings, SettingsError, check_fields, text, whole_number
from .tokens import Grant, TokenAuthority

_TOKEN_FIELDS = frozenset(
    ["token", "expires_in_s", "audience", "caller", "permissions", "permission_model"]
)
_IDENTITY_FIELDS = frozenset(
    ["secret", "assertion", "managed", "token_lifetime_s", "permissions", "permission_model"]
)


class AdminApi:
    """The requests and what they do."""

    def __init__(
        self,
        settings: ServerSettings,
        vault: VaultService,
        tokens: TokenAuthority,
        identities: IdentityService,
        desk: Desk,
    ) -> None:
        self._settings = settings
        self._vault = vault
        self._tokens = tokens
        self._identities = identities
        self._desk = desk
        name = r"([^/]+)"
        self._routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", "/health", self._health),
            ("POST", "/reset", self._reset),
            ("POST", "/faults", self._arm),
            ("GET", "/faults", self._show_faults),
            ("DELETE", "/faults", self._disarm),
            ("GET", "/requests", self._show_requests),
            ("DELETE", "/requests", self._forget_requests),
            ("POST", "/accepted-tokens", self._accept_token),
            ("DELETE", f"/accepted-tokens/{name}", self._revoke_token),
            ("PUT", f"/identities/{name}", self._put_identity),
            ("DELETE", f"/identities/{name}", self._delete_identity),
        ]

    def answer(self, request: Request) -> Answer:
        """Answers one request."""
        for method, pattern, act in self._routes:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                try:
                    document = _object(request)
                    return act(*(unquote(part) for part in match.groups()), document)
                except ValueError as error:
                    return Answer(400, {"error": str(error)})
        return Answer(404, {"error": f"there is no {request.method} {request.path}"})

    def _health(self, _document: dict[str, Any]) -> Answer:
        return Answer(200, {"status": "ok", "hsm": self._settings.hsm})

    def _reset(self, _document: dict[str, Any]) -> Answer:
        self._vault.reset()
        self._tokens.reset()
        self._identities.identities.clear()
        self._desk.faults.clear()
        self._desk.counts.clear()
        return Answer(204)

    def _arm(self, document: dict[str, Any]) -> Answer:
        self._desk.faults.arm(document)
        return Answer(204)

    def _show_faults(self, _document: dict[str, Any]) -> Answer:
        return Answer(200, [fault.document() for fault in list(self._desk.faults.armed)])

    def _disarm(self, _document: dict[str, Any]) -> Answer:
        self._desk.faults.clear()
        return Answer(204)

    def _show_requests(self, document: dict[str, Any]) -> Answer:
        return Answer(200, self._desk.counts.document(document.get("name")))

    def _forget_requests(self, _document: dict[str, Any]) -> Answer:
        self._desk.counts.clear()
        return Answer(204)

    def _accept_token(self, document: dict[str, Any]) -> Answer:
        check_fields(document, _TOKEN_FIELDS)
        grant = Grant(
            text(document, "audience", self._settings.audience),
            time.time() + whole_number(document, "expires_in_s", 3_600),
            text(document, "caller", "test-caller"),
            _permissions(document),
        )
        self._tokens.accept(text(document, "token"), grant)
        return Answer(204)

    def _revoke_token(self, token: str, _document: dict[str, Any]) -> Answer:
        if not self._tokens.revoke(token):
            return Answer(404, {"error": "the token is not accepted anyway"})
        return Answer(204)

    def _put_identity(self, client_id: str, document: dict[str, Any]) -> Answer:
        check_fields(document, _IDENTITY_FIELDS)
        managed = document.get("managed", False)
        if not isinstance(managed, bool):
            raise SettingsError("'managed' must be true or false")
        self._identities.identities[client_id] = Identity(
            client_id,
            text(document, "secret") if "secret" in document else None,
            text(document, "assertion") if "assertion" in document else None,
            managed,
            whole_number(document, "token_lifetime_s", 3_600),
            _permissions(document),
        )
        return Answer(201)

    def _delete_identity(self, client_id: str, _document: dict[str, Any]) -> Answer:
        if self._identities.identities.pop(client_id, None) is None:
            return Answer(404, {"error": "there is no such identity"})
        return Answer(204)


def _permissions(document: dict[str, Any]) -> Permissions:
    model = document.get("permission_model", ACCESS_POLICY)
    return Permissions.parse(document.get("permissions"), model)


def _object(request: Request) -> dict[str, Any]:
    """The body, or the query of a request without one."""
    document = json.loads(request.body) if request.body else dict(request.query)
    if not isinstance(document, dict):
        raise SettingsError("the body must be a JSON object")
    return document
