"""The refusals of the service: HTTP statuses with the codes that go with them."""

from typing import Any


class ServiceError(Exception):
    """Something the service refuses, in the words it uses on the wire."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner
        self.headers = headers or {}

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.inner is not None:
            error["innererror"] = {"code": self.inner}
        return {"error": error}


def bad_parameter(message: str = "The parameter is incorrect.") -> ServiceError:
    """A request that cannot be carried out; without words also a ciphertext that does not open."""
    return ServiceError(400, "BadParameter", message)


def not_found(kind: str, name: str, version: str | None = None) -> ServiceError:
    """The vault has no object, or no version, of that name."""
    path = f"{name}/{version}" if version else name
    text = (
        f"A {kind.lower()} with (name/id) {path} was not found in this key vault. If you recently "
        f"deleted this {kind.lower()} you may be able to recover it using the correct recovery "
        "command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182"
    )
    return ServiceError(404, f"{kind}NotFound", text)


def deleted_but_recoverable(kind: str, name: str) -> ServiceError:
    """The name is taken by an object that was deleted and not purged."""
    text = (
        f"{kind} {name} is currently in a deleted but recoverable state, and its name cannot be "
        f"reused; in this state, the {kind.lower()} can only be recovered or purged."
    )
    return ServiceError(409, "Conflict", text, inner="ObjectIsDeletedButRecoverable")


def forbidden(message: str, inner: str) -> ServiceError:
    """A request that is understood and not allowed."""
    return ServiceError(403, "Forbidden", message, inner=inner)


def throttled() -> ServiceError:
    """Too many requests in a short time."""
    text = (
        "Request was not processed because too many requests were received. "
        "Reason: VaultRequestTypeLimitReached"
    )
    return ServiceError(429, "Throttled", text)


def internal_error() -> ServiceError:
    """The server failed, which a test must hear of."""
    return ServiceError(500, "InternalServerError", "An error occurred inside the test server.")
