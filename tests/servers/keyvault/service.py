"""The vault: what every request goes through before and after its operation."""

import json
import logging
import re
from collections.abc import Callable
from typing import Any

from . import errors
from .counts import RequestCounts
from .errors import ServiceError
from .faults import Faults
from .http_side import Answer, Request
from .key_api import KeyApi
from .operations import Operation, find_operation
from .secret_api import SecretApi
from .settings import ServerSettings
from .tokens import TokenAuthority

_LOG = logging.getLogger(__name__)
_API_VERSIONS = re.compile(r"7\.\d+(-preview(\.\d+)?)?|2025-07-01")


class Desk:
    """Where faults strike and requests are counted, for the vault and for the identities."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.counts = RequestCounts()

    def answer(self, operation: str, name: str, act: Callable[[], Answer]) -> Answer:
        """Lets an armed fault strike, or does what is asked."""
        fault = self.faults.take(operation, name)
        answer = fault.strike(lambda: _attempt(act)) if fault else _attempt(act)
        self.count(operation, name, answer)
        return answer

    def count(self, operation: str, name: str, answer: Answer) -> None:
        """Counts an answer."""
        cut = answer.delivery.cut == "before"
        self.counts.add(operation, name, 0 if cut else answer.status)


class VaultService:
    """Keys and secrets behind bearer tokens."""

    def __init__(self, settings: ServerSettings, tokens: TokenAuthority, desk: Desk) -> None:
        self._settings = settings
        self._tokens = tokens
        self._desk = desk
        self.key_api = KeyApi(hsm=settings.hsm)
        self.secret_api = SecretApi()

    def answer(self, request: Request) -> Answer:
        """Answers one request."""
        try:
            operation = find_operation(request.method, request.path)
            if operation.kind == "secrets" and self._settings.hsm:
                raise errors.bad_parameter("A managed HSM has no secrets")
        except ServiceError as error:
            return _refused(error)
        try:
            grant = self._tokens.check(request.headers.get("Authorization"))
        except ServiceError as error:
            # No fault strikes here: clients begin with a request without a token.
            answer = _refused(error)
            self._desk.count(operation.id, operation.name, answer)
            return answer

        def act() -> Answer:
            grant.permissions.check(operation, grant.caller, self._settings.tenant)
            return self._perform(operation, request)

        return self._desk.answer(operation.id, operation.name, act)

    def reset(self) -> None:
        """Forgets all keys and secrets."""
        self.key_api.objects.clear()
        self.secret_api.objects.clear()

    def _perform(self, operation: Operation, request: Request) -> Answer:
        version = request.query.get("api-version", "")
        if not version:
            raise errors.bad_parameter("api-version must be specified")
        if not _API_VERSIONS.fullmatch(version):
            raise errors.bad_parameter(f"The specified version ({version}) is not recognized.")
        document = _parse(request.body)
        if operation.kind == "keys":
            return self.key_api.perform(operation, request, document)
        return self.secret_api.perform(operation, request, document)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body) if body else {}
    except ValueError as error:
        raise errors.bad_parameter("The request body is not JSON") from error
    if not isinstance(document, dict):
        raise errors.bad_parameter("The request body is not a JSON object")
    return document


def _attempt(act: Callable[[], Answer]) -> Answer:
    try:
        return act()
    except ServiceError as error:
        return _refused(error)
    except Exception:  # noqa: BLE001 - the caller must get an answer
        _LOG.exception("a request failed")
        return _refused(errors.internal_error())


def _refused(error: ServiceError) -> Answer:
    return Answer(error.status, error.document(), error.headers)
