"""The entities of the namespace, by their addresses."""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from . import errors
from .message_queue import MessageQueue
from .rules import Rule
from .settings import QueueSettings, TopicSettings
from .timers import Timers
from .topic import Subscription, Topic

_DEAD_LETTERS = "/$deadletterqueue"
_SUBSCRIPTIONS = "/subscriptions/"
_MANAGEMENT = "/$management"

Entity = MessageQueue | Topic


@dataclass(frozen=True)
class Address:
    """Where a link goes: an entity, or the management node of one."""

    entity: str
    is_management: bool

    @classmethod
    def parse(cls, address: str | None) -> "Address":
        """Reads an address; it may be a whole URI, and its case does not matter."""
        path = address_path(address)
        if path.lower().endswith(_MANAGEMENT):
            return cls(path[: -len(_MANAGEMENT)], True)
        return cls(path, False)


def address_path(address: str | None) -> str:
    """The path in an address or a token audience, without host and outer slashes."""
    text = address or ""
    return (urlsplit(text).path if "://" in text else text).strip("/")


class Broker:
    """Every entity there is."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._entities: dict[str, Entity] = {}

    def find(self, address: str) -> Entity:
        """The entity of an address; raises when there is none."""
        key = address.lower()
        dead_letters = key.endswith(_DEAD_LETTERS)
        entity = self._entities.get(key.removesuffix(_DEAD_LETTERS))
        if dead_letters:
            entity = entity.dead_letters if isinstance(entity, MessageQueue) else None
        if entity is None:
            raise errors.entity_not_found(address)
        return entity

    def find_queue(self, address: str) -> MessageQueue:
        """The queue or subscription of an address; raises when it names something else."""
        entity = self.find(address)
        if isinstance(entity, Topic):
            raise errors.not_allowed(f"Messages of the topic '{address}' cannot be received.")
        return entity

    def inbox(self, entity: Entity) -> MessageQueue:
        """Where messages sent to an entity go; raises when nothing can be sent to it."""
        if isinstance(entity, Topic):
            return entity.inbox
        if entity.dead_letters is None or _SUBSCRIPTIONS in entity.path.lower():
            raise errors.not_allowed(f"Messages cannot be sent to '{entity.path}'.")
        return entity

    def create_queue(self, name: str, settings: QueueSettings) -> MessageQueue:
        """Makes a queue, in the place of one of that name with all it holds."""
        dead_letter_settings = replace(
            settings,
            requires_session=False,
            default_message_time_to_live_ms=None,
            requires_duplicate_detection=False,
        )
        path = f"{name}/$DeadLetterQueue"
        dead_letters = MessageQueue(path, dead_letter_settings, self._timers, None)
        queue = MessageQueue(name, settings, self._timers, dead_letters)
        self._entities[name.lower()] = queue
        return queue

    def create_topic(self, name: str, settings: TopicSettings) -> Topic:
        """Makes a topic, in the place of one of that name with its subscriptions."""
        self.delete(name)
        topic = Topic(name, settings, self._timers)
        self._entities[name.lower()] = topic
        return topic

    def create_subscription(
        self, topic_name: str, name: str, settings: QueueSettings, rules: list[Rule]
    ) -> MessageQueue:
        """Makes a subscription of a topic that exists."""
        topic = self.find(topic_name)
        if not isinstance(topic, Topic):
            raise errors.entity_not_found(topic_name)
        queue = self.create_queue(f"{topic.name}/Subscriptions/{name}", settings)
        topic.subscriptions[name.lower()] = Subscription(queue, rules)
        return queue

    def delete(self, address: str) -> list[Entity]:
        """Removes an entity, a topic with its subscriptions, and returns what was removed."""
        key = address.lower()
        removed = [key] + [k for k in self._entities if k.startswith(key + _SUBSCRIPTIONS)]
        topic_key, _, name = key.partition(_SUBSCRIPTIONS)
        topic = self._entities.get(topic_key)
        if name and isinstance(topic, Topic):
            topic.subscriptions.pop(name, None)
        return [self._entities.pop(k) for k in removed if k in self._entities]

    def queues(self) -> list[MessageQueue]:
        """Every queue and subscription, with its dead-letter queue."""
        queues = [entity for entity in self._entities.values() if isinstance(entity, MessageQueue)]
        return queues + [queue.dead_letters for queue in queues if queue.dead_letters]
