"""What a queue does by sequence number: peeking, cancelling, and fetching deferred messages."""

from . import errors
from .consumer import Lock
from .message import Message, MessageState
from .message_queue import MessageQueue


def peek(
    queue: MessageQueue, first: int, count: int, session_id: str | None = None
) -> list[Message]:
    """Messages from a sequence number on, locked, deferred and scheduled ones included."""
    queue.refresh()
    found = [
        message
        for number, message in sorted(queue.messages.items())
        if number >= first and session_id in (None, message.session_id)
    ]
    return found[:count]


def cancel_scheduled(queue: MessageQueue, sequence_numbers: list[int]) -> None:
    """Removes scheduled messages: all of them, or none when one is not there."""
    queue.refresh()
    _require(queue, sequence_numbers, MessageState.SCHEDULED)
    for number in sequence_numbers:
        del queue.messages[number]


def lock_deferred(
    queue: MessageQueue, sequence_numbers: list[int], session_id: str | None
) -> list[Lock]:
    """Locks deferred messages: all of them, or none when one is not there or not free."""
    found = _deferred(queue, sequence_numbers, session_id)
    return [queue.lock(message) for message in found]


def remove_deferred(
    queue: MessageQueue, sequence_numbers: list[int], session_id: str | None
) -> list[Message]:
    """Takes deferred messages out for good, as in the mode receive-and-delete."""
    found = _deferred(queue, sequence_numbers, session_id)
    for message in found:
        del queue.messages[message.sequence_number]
    return found


def _deferred(
    queue: MessageQueue, sequence_numbers: list[int], session_id: str | None
) -> list[Message]:
    queue.refresh()
    found = _require(queue, sequence_numbers, MessageState.DEFERRED)
    if queue.settings.requires_session:
        queue.sessions.held(session_id)
        if any(message.session_id != session_id for message in found):
            raise errors.message_not_found()
    if any(message.lock_token for message in found):
        raise errors.message_not_found()
    return found


def _require(queue: MessageQueue, numbers: list[int], state: MessageState) -> list[Message]:
    found = [queue.messages.get(number) for number in numbers]
    present = [message for message in found if message and message.state == state]
    if len(present) != len(numbers):
        raise errors.message_not_found()
    return present


def lose_locks(queue: MessageQueue) -> None:
    """Ends every lock and every session, without a word to those who hold messages."""
    for session in queue.sessions.all_held():
        queue.sessions.lose(session)
    for lock in list(queue.locks.values()):
        queue.lose(lock)
    queue.dispatch()


def clear(queue: MessageQueue) -> None:
    """Removes every message; locks on them are lost."""
    queue.messages.clear()
    queue.locks.clear()


def counts(queue: MessageQueue) -> dict[str, int]:
    """How many messages there are of each kind."""
    queue.refresh()
    states = [message.state for message in queue.messages.values()]
    return {
        "active": states.count(MessageState.ACTIVE),
        "locked": len(queue.locks),
        "deferred": states.count(MessageState.DEFERRED),
        "scheduled": states.count(MessageState.SCHEDULED),
        "dead_lettered": len(queue.dead_letters.messages) if queue.dead_letters else 0,
    }
