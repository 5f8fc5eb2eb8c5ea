"""What moto's SQS lacks to be tested against: atomic operations, prompt answers, full queues.

moto serves each request in a thread of its own, and guards the messages of a queue only while it
adds one: a message that is sent while another is deleted can be lost, and two receivers can get the
same one. Here each operation holds the queue's lock, which a long poll gives up while it waits.

moto also goes through a whole queue several times for each message of a request, so that thousands
of messages take minutes. Here it goes through it as far as it has to. Half of the remaining time it
spends on listing its own modules for each request and on drawing receipt handles letter by letter.
"""

import functools
import math
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto import backends
from moto.sqs import models
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import DEDUPLICATION_TIME_IN_SECONDS, Message, Queue, SQSBackend

_OPERATIONS = (
    "send_message",
    "send_message_batch",
    "receive_message",
    "delete_message",
    "delete_message_batch",
    "change_message_visibility",
    "change_message_visibility_batch",
    "get_queue_attributes",
)

# A queue that is named so holds this many messages and throttles what is sent beyond.
_CAPACITY = re.compile(r"-holds-(\d+)(\.fifo)?$")


def apply() -> None:
    """Repairs moto in this process."""
    models.unix_time_millis = lambda: time.time() * 1000  # moto's takes ten times as long
    models.generate_receipt_handle = lambda: secrets.token_hex(92)
    modules = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    Queue.messages = property(_Visible)
    Queue.attributes = property(_Attributes)
    Queue.pending_message_groups = property(_groups_in_flight)
    Queue.delete_message = _delete_message
    Queue.add_message = _once(Queue.add_message)
    SQSBackend.is_message_valid_based_on_retention_period = _is_retained
    SQSBackend.get_queue_attributes = _plain(SQSBackend.get_queue_attributes)
    SQSBackend.send_message_batch = _within_capacity(SQSBackend.send_message_batch)
    SQSBackend.change_message_visibility = _announced(SQSBackend.change_message_visibility)
    for name in _OPERATIONS:
        setattr(SQSBackend, name, _atomic(getattr(SQSBackend, name)))


_all_attributes = Queue.attributes.fget


class _Attributes(Mapping[str, Any]):
    """The attributes of a queue, of which moto looks one up for each message.

    Working out all of them counts the messages of the queue three times.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def get(self, name: str, default: Any = None) -> Any:
        if name == "ContentBasedDeduplication":
            if not self._queue.fifo_queue:
                return default
            return str(self._queue.content_based_deduplication).lower()
        return _all_attributes(self._queue).get(name, default)

    def __getitem__(self, name: str) -> Any:
        return _all_attributes(self._queue)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_all_attributes(self._queue))

    def __len__(self) -> int:
        return len(_all_attributes(self._queue))


def _plain(get_attributes: Callable[..., Mapping[str, Any]]) -> Callable[..., dict[str, Any]]:
    """What is answered has to be a dictionary."""

    @functools.wraps(get_attributes)
    def plain(self: SQSBackend, queue_name: str, attribute_names: list[str]) -> dict[str, Any]:
        return dict(get_attributes(self, queue_name, attribute_names))

    return plain


def _is_retained(self: SQSBackend, queue_name: str, message: Message) -> bool:
    retention = self.get_queue(queue_name).message_retention_period
    return message.sent_timestamp / 1000 + retention > time.time()


class _Visible:
    """The visible messages of a queue, looked for as far as they are asked for."""

    def __init__(self, queue: Queue) -> None:
        self._messages = queue._messages

    def __iter__(self) -> Iterator[Message]:
        return (m for m in self._messages if m.visible and not m.delayed)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _groups_in_flight(self: Queue) -> set[str]:
    """moto counts messages whose locks ran out: of several, it would give the last one first."""
    return {m.group_id for m in self._pending_messages if m.group_id and not m.visible}


def _delete_message(self: Queue, receipt_handle: str) -> None:
    """As moto does it, without going through the whole queue twice for each message."""
    if receipt_handle in self.deleted_messages:
        return
    for index, message in enumerate(self._messages):
        if message.had_receipt_handle(receipt_handle):
            self.pending_messages.discard(message)
            self.deleted_messages.update(message.all_receipt_handles)
            del self._messages[index]
            return
    raise ReceiptHandleIsInvalid


def _once(add_message: Callable[..., None]) -> Callable[..., None]:
    """Drops duplicates also of messages that were deleted, which moto forgets with the message.

    moto compares a new message with every one of the queue; here it is shown none of them.
    """

    @functools.wraps(add_message)
    def once(self: Queue, message: Message) -> None:
        if not (self.fifo_queue and message.deduplication_id):
            add_message(self, message)
            return
        seen: dict[str, float] = self.__dict__.setdefault("seen_ids", {})
        now = time.monotonic()
        if now - seen.get(message.deduplication_id, -math.inf) < DEDUPLICATION_TIME_IN_SECONDS:
            return
        seen[message.deduplication_id] = now
        with self._messages_lock:
            waiting, self._messages = self._messages, []
            try:
                add_message(self, message)
            finally:
                waiting.extend(self._messages)
                self._messages = waiting

    return once


def _atomic(operation: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(operation)
    def locked(self: SQSBackend, queue_name: str, *args: Any, **kwargs: Any) -> Any:
        # A condition over a lock that its holder may take again; waiting gives up all of it.
        with self.get_queue(queue_name)._messages_lock:
            return operation(self, queue_name, *args, **kwargs)

    return locked


def _announced(change_visibility: Callable[..., None]) -> Callable[..., None]:
    """Wakes long polls for a message that is given back, which moto lets wait for up to 1 s."""

    @functools.wraps(change_visibility)
    def announced(self: SQSBackend, queue_name: str, *args: Any, **kwargs: Any) -> None:
        change_visibility(self, queue_name, *args, **kwargs)
        self.get_queue(queue_name)._messages_lock.notify_all()

    return announced


def _within_capacity(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    def limited(self: SQSBackend, queue_name: str, entries: dict[str, Any]) -> Any:
        capacity = _CAPACITY.search(queue_name)
        if capacity is None:
            return send(self, queue_name, entries)
        room = max(0, int(capacity[1]) - len(self.get_queue(queue_name)._messages))
        named = list(entries.items())
        messages, failed = send(self, queue_name, dict(named[:room]))
        throttled = [
            {"Id": entry["Id"], "SenderFault": True, "Code": "RequestThrottled", "Message": "full"}
            for _, entry in named[room:]
        ]
        return messages, failed + throttled

    return limited
