"""The refusals of the service: AMQP conditions with the status codes that go with them."""

from uuid import uuid4

from proton import Condition, symbol

NOT_FOUND = "amqp:not-found"
NOT_ALLOWED = "amqp:not-allowed"
NOT_IMPLEMENTED = "amqp:not-implemented"
UNAUTHORIZED = "amqp:unauthorized-access"
DETACH_FORCED = "amqp:link:detach-forced"
CONNECTION_FORCED = "amqp:connection:forced"
FRAMING_ERROR = "amqp:connection:framing-error"
MESSAGE_SIZE_EXCEEDED = "amqp:link:message-size-exceeded"
RESOURCE_LIMIT_EXCEEDED = "amqp:resource-limit-exceeded"
DECODE_ERROR = "amqp:decode-error"

DEAD_LETTER = "com.microsoft:dead-letter"
TIMEOUT = "com.microsoft:timeout"
ARGUMENT_ERROR = "com.microsoft:argument-error"
MESSAGE_LOCK_LOST = "com.microsoft:message-lock-lost"
MESSAGE_NOT_FOUND = "com.microsoft:message-not-found"
SESSION_LOCK_LOST = "com.microsoft:session-lock-lost"
SESSION_CANNOT_BE_LOCKED = "com.microsoft:session-cannot-be-locked"


class ServiceError(Exception):
    """Something the service refuses, in the words it uses on the wire."""

    def __init__(self, condition: str, description: str, status: int = 400) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description
        self.status = status

    def to_condition(self) -> Condition:
        """The error as the field of a detach, a close or a rejected outcome.

        With an info, because the engine leaves out a null that comes last, and Microsoft's client
        for Python trips over an error of two fields.
        """
        return Condition(self.condition, self.description, {symbol("tracking-id"): str(uuid4())})


def entity_not_found(address: str) -> ServiceError:
    """The address names nothing that exists."""
    text = f"The messaging entity '{address}' could not be found."
    return ServiceError(NOT_FOUND, text, 404)


def unauthorized(claim: str, address: str) -> ServiceError:
    """No valid token of the connection grants the claim on the address."""
    text = (
        f"Unauthorized access. '{claim}' claim(s) are required to perform this operation. "
        f"Resource: '{address}'."
    )
    return ServiceError(UNAUTHORIZED, text, 401)


def message_lock_lost() -> ServiceError:
    """The lock token is unknown: expired, settled already, or never given out."""
    text = (
        "The lock supplied is invalid. Either the lock expired, or the message has already "
        "been removed from the queue."
    )
    return ServiceError(MESSAGE_LOCK_LOST, text, 410)


def session_lock_lost() -> ServiceError:
    """The session is not held any more."""
    text = "The session lock has expired on the MessageSession. Accept a new MessageSession."
    return ServiceError(SESSION_LOCK_LOST, text, 410)


def message_not_found() -> ServiceError:
    """A sequence number that names no message of the kind that was asked for."""
    text = "Failed to lock one or more specified messages. The message does not exist."
    return ServiceError(MESSAGE_NOT_FOUND, text, 404)


def not_allowed(text: str) -> ServiceError:
    """An operation that the entity does not have."""
    return ServiceError(NOT_ALLOWED, text, 400)
