"""A topic: copies what is sent to it into its subscriptions."""

from dataclasses import dataclass

from .consumer import Lock
from .message import Message
from .message_queue import MessageQueue
from .rules import Rule
from .settings import TopicSettings
from .timers import Timers


@dataclass
class Subscription:
    """A queue that gets what any of its rules matches."""

    queue: MessageQueue
    rules: list[Rule]


class Topic:
    """The one consumer of an inbox that keeps what is scheduled and detects duplicates."""

    session_id = None
    removes = True

    def __init__(self, name: str, settings: TopicSettings, timers: Timers) -> None:
        self.name = name
        self.settings = settings
        self.subscriptions: dict[str, Subscription] = {}
        self.inbox = MessageQueue(name, settings.of_inbox(), timers, None)
        self.inbox.consumers.append(self)

    def wants_message(self) -> bool:
        """Always: a topic keeps nothing."""
        return True

    def deliver(self, message: Message, lock: Lock | None) -> None:
        """Copies a message to every subscription that wants it and could take it."""
        message.enqueued_sequence_number = message.sequence_number
        for subscription in list(self.subscriptions.values()):
            queue = subscription.queue
            if queue.settings.requires_session and message.session_id is None:
                continue
            if any(rule(message) for rule in subscription.rules):
                queue.put(message.copy())

    def nothing_ready(self) -> None:
        """Nothing to do: there is no credit to give back."""
