"""The node $cbs: puts tokens on a connection."""

from typing import TYPE_CHECKING

from .request_reply import Reply, Request
from .tokens import TokenError

if TYPE_CHECKING:
    from .connection import AmqpConnection

ADDRESS = "$cbs"


class ClaimsNode:
    """The node as one connection sees it."""

    keys = ("status-code", "status-description", "error-condition")

    def __init__(self, connection: "AmqpConnection") -> None:
        self._connection = connection

    def handle(self, request: Request) -> Reply:
        """Checks a token and grants what it allows."""
        if request.operation != "put-token":
            return Reply(400, f"BadRequest: unknown operation '{request.operation}'.")
        audience = str(request.properties.get("name", ""))
        token_type = str(request.properties.get("type", ""))
        try:
            grant = self._connection.server.authority.check(request.body, token_type, audience)
        except TokenError as error:
            return Reply(401, str(error), condition="amqp:unauthorized-access")
        self._connection.authorization.add(grant)
        return Reply(202, "Accepted")
