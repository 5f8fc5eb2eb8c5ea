"""The node $management of an entity: what cannot be said with links."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from proton import Data, timestamp

from . import browsing, errors, wire
from .broker import Entity
from .consumer import Lock
from .message import Message
from .message_queue import MessageQueue
from .request_reply import Reply, Request
from .tokens import LISTEN, SEND
from .topic import Topic

if TYPE_CHECKING:
    from .connection import AmqpConnection

_PREFIX = "com.microsoft:"
_NO_CONTENT = 204
_RECEIVE_AND_DELETE = 0
# A time no session state can be newer than: all sessions are meant, with or without a state.
_ALL_SESSIONS_MS = 253_402_300_800_000


class ManagementNode:
    """The node as one connection sees it."""

    keys = ("statusCode", "statusDescription", "errorCondition")

    def __init__(self, connection: "AmqpConnection", entity: Entity, address: str) -> None:
        self._connection = connection
        self._address = address
        self._entity = entity
        self._queue: MessageQueue = entity.inbox if isinstance(entity, Topic) else entity
        self._operations = {
            "schedule-message": (SEND, self._schedule),
            "cancel-scheduled-message": (SEND, self._cancel_scheduled),
            "peek-message": (LISTEN, self._peek),
            "renew-lock": (LISTEN, self._renew_lock),
            "receive-by-sequence-number": (LISTEN, self._receive_deferred),
            "update-disposition": (LISTEN, self._update_disposition),
            "renew-session-lock": (LISTEN, self._renew_session_lock),
            "get-session-state": (LISTEN, self._get_session_state),
            "set-session-state": (LISTEN, self._set_session_state),
            "get-message-sessions": (LISTEN, self._get_sessions),
        }

    def handle(self, request: Request) -> Reply:
        """Does one operation, if the connection may."""
        operation = self._operations.get(request.operation.removeprefix(_PREFIX))
        if operation is None:
            text = f"There is no operation '{request.operation}' here."
            raise errors.ServiceError(errors.NOT_IMPLEMENTED, text, 501)
        if fault := self._connection.server.faults.take("fail-management", self._queue.path):
            raise fault.error()
        rights, act = operation
        self._connection.authorization.require(self._address, rights)
        try:
            return act(request.body or {})
        except (KeyError, TypeError, ValueError) as error:
            text = f"The request is malformed: {error!r}"
            raise errors.ServiceError(errors.ARGUMENT_ERROR, text, 400) from error

    # -- messages -------------------------------------------------------------------------------

    def _schedule(self, body: dict[str, Any]) -> Reply:
        messages = [Message.parse(entry["message"]) for entry in body["messages"]]
        inbox = self._connection.server.broker.inbox(self._entity)
        for message in messages:
            inbox.check(message)
        inbox.check_room(len(messages))
        numbers = [inbox.put(message) for message in messages]
        return Reply(200, body={"sequence-numbers": wire.array(Data.LONG, numbers)})

    def _cancel_scheduled(self, body: dict[str, Any]) -> Reply:
        browsing.cancel_scheduled(self._queue, body["sequence-numbers"])
        return Reply(200, body={})

    def _peek(self, body: dict[str, Any]) -> Reply:
        first, count = int(body["from-sequence-number"]), int(body["message-count"])
        found = browsing.peek(self._queue, first, count, body.get("session-id"))
        if not found:
            return Reply(_NO_CONTENT, "No content", {}, errors.MESSAGE_NOT_FOUND)
        return Reply(200, body={"messages": [{"message": message.encode()} for message in found]})

    def _renew_lock(self, body: dict[str, Any]) -> Reply:
        tokens = [UUID(str(token)) for token in body["lock-tokens"]]
        for token in tokens:
            self._queue.require_lock(token)
        expirations = [timestamp(self._queue.renew(token)) for token in tokens]
        return Reply(200, body={"expirations": wire.array(Data.TIMESTAMP, expirations)})

    def _receive_deferred(self, body: dict[str, Any]) -> Reply:
        numbers, session_id = body["sequence-numbers"], body.get("session-id")
        if int(body["receiver-settle-mode"]) == _RECEIVE_AND_DELETE:
            removed = browsing.remove_deferred(self._queue, numbers, session_id)
            entries = [{"message": message.encode()} for message in removed]
        else:
            locks = browsing.lock_deferred(self._queue, numbers, session_id)
            entries = [_locked_entry(lock) for lock in locks]
        return Reply(200, body={"messages": entries})

    def _update_disposition(self, body: dict[str, Any]) -> Reply:
        tokens = [UUID(str(token)) for token in body["lock-tokens"]]
        properties = body.get("properties-to-modify") or {}
        for token in tokens:
            self._queue.require_lock(token)
        for token in tokens:
            match body["disposition-status"]:
                case "completed":
                    self._queue.complete(token)
                case "abandoned":
                    self._queue.abandon(token, properties)
                case "defered":
                    self._queue.defer(token, properties)
                case "suspended":
                    faults = self._connection.server.faults
                    if fault := faults.take("refuse-dead-letter", self._queue.path):
                        raise fault.error()
                    reason = body.get("deadletter-reason")
                    description = body.get("deadletter-description")
                    self._queue.dead_letter(token, reason, description, properties)
                case unknown:
                    raise ValueError(unknown)
        return Reply(200, body={})

    # -- sessions -------------------------------------------------------------------------------

    def _renew_session_lock(self, body: dict[str, Any]) -> Reply:
        until_ms = self._queue.sessions.renew(body["session-id"])
        return Reply(200, body={"expiration": timestamp(until_ms)})

    def _get_session_state(self, body: dict[str, Any]) -> Reply:
        return Reply(200, body={"session-state": self._queue.sessions.state(body["session-id"])})

    def _set_session_state(self, body: dict[str, Any]) -> Reply:
        self._queue.sessions.set_state(body["session-id"], body["session-state"])
        return Reply(200, body={})

    def _get_sessions(self, body: dict[str, Any]) -> Reply:
        since_ms, skip, top = (int(body[key]) for key in ("last-updated-time", "skip", "top"))
        sessions = self._queue.sessions
        everything = since_ms >= _ALL_SESSIONS_MS
        ids = sessions.with_content() if everything else sessions.with_state_since(since_ms)
        page = ids[skip : skip + top]
        if not page:
            return Reply(_NO_CONTENT, "No content", {}, "com.microsoft:session-not-found")
        listed = wire.array(Data.STRING, page)
        return Reply(200, body={"skip": skip, "sessions-ids": listed})


def _locked_entry(lock: Lock) -> dict[str, Any]:
    return {"lock-token": lock.token, "message": lock.message.encode(lock.until_ms)}
