"""Topics: every subscription gets its own copy of what its rules match."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusSubQueue
from azure.servicebus.exceptions import MessagingEntityNotFoundError, ServiceBusError

from .conftest import TestServer

_numbers = count(1)


class Topic:
    """A topic with its subscriptions."""

    def __init__(self, server: TestServer, sdk: ServiceBusClient, **settings: Any) -> None:
        self.name = f"topic-{next(_numbers)}"
        self.sdk = sdk
        self._server = server
        server.admin("PUT", f"/topics/{self.name}", settings)

    def subscribe(self, name: str, **settings: Any) -> None:
        """Makes a subscription."""
        self._server.admin("PUT", f"/topics/{self.name}/subscriptions/{name}", settings)

    def send(self, *messages: ServiceBusMessage) -> None:
        """Sends to the topic."""
        with self.sdk.get_topic_sender(self.name) as sender:
            sender.send_messages(list(messages))

    def receiver(self, subscription: str, **options: Any) -> Any:
        """A receiver of a subscription."""
        options = {"max_wait_time": 2, **options}
        return self.sdk.get_subscription_receiver(self.name, subscription, **options)

    def drain(self, subscription: str) -> list[str]:
        """Completes what is there and returns the bodies."""
        with self.receiver(subscription) as receiver:
            received = receiver.receive_messages(100, max_wait_time=0.5)
            for message in received:
                receiver.complete_message(message)
        return [str(message) for message in received]


@pytest.fixture
def topic(server: TestServer, sdk: ServiceBusClient) -> Iterator[Topic]:
    """A topic without subscriptions."""
    yield Topic(server, sdk)


def test_every_subscription_gets_a_copy(topic: Topic) -> None:
    topic.subscribe("one")
    topic.subscribe("two")
    topic.send(ServiceBusMessage("a"), ServiceBusMessage("b"))
    assert topic.drain("one") == ["a", "b"]
    assert topic.drain("two") == ["a", "b"]


def test_without_subscriptions_messages_are_lost(topic: Topic) -> None:
    topic.send(ServiceBusMessage("nobody listens"))
    topic.subscribe("late")
    assert topic.drain("late") == []


def test_copies_are_settled_each_on_its_own(topic: Topic) -> None:
    topic.subscribe("one", max_delivery_count=1)
    topic.subscribe("two")
    topic.send(ServiceBusMessage("a"))
    with topic.receiver("one") as receiver:
        receiver.abandon_message(receiver.receive_messages()[0])
    with topic.receiver("one", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        (dead,) = receiver.receive_messages()
        assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
    with topic.receiver("two") as receiver:
        (message,) = receiver.receive_messages()
        assert message.delivery_count == 0
        assert message.application_properties is None


def test_rules_choose_what_a_subscription_gets(topic: Topic) -> None:
    topic.subscribe("all", rules=[True])
    topic.subscribe("none", rules=[False])
    topic.subscribe("ruleless", rules=[])
    topic.subscribe("red", rules=[{"properties": {"colour": "red"}}])
    topic.subscribe("urgent", rules=[{"subject": "urgent", "correlation_id": "c"}])
    topic.subscribe("either", rules=[{"subject": "urgent"}, {"properties": {"size": 3}}])
    topic.send(
        ServiceBusMessage("plain"),
        ServiceBusMessage("red", application_properties={"colour": "red", "size": 3}),
        ServiceBusMessage("urgent", subject="urgent", correlation_id="c"),
        ServiceBusMessage("half", subject="urgent"),
    )
    assert topic.drain("all") == ["plain", "red", "urgent", "half"]
    assert topic.drain("none") == topic.drain("ruleless") == []
    assert topic.drain("red") == ["red"]
    assert topic.drain("urgent") == ["urgent"]
    assert topic.drain("either") == ["red", "urgent", "half"]


def test_copies_state_the_number_they_had_in_the_topic(topic: Topic) -> None:
    topic.send(ServiceBusMessage("before the subscription"))
    topic.subscribe("one")
    topic.send(ServiceBusMessage("a"))
    with topic.receiver("one") as receiver:
        (message,) = receiver.receive_messages()
        assert (message.sequence_number, message.enqueued_sequence_number) == (1, 2)


def test_a_topic_schedules_and_cancels(topic: Topic) -> None:
    topic.subscribe("one")
    with topic.sdk.get_topic_sender(topic.name) as sender:
        due = datetime.now(UTC) + timedelta(seconds=0.6)
        sender.schedule_messages(ServiceBusMessage("due"), due)
        numbers = sender.schedule_messages(ServiceBusMessage("cancelled"), due)
        sender.cancel_scheduled_messages(numbers)
    with topic.receiver("one") as receiver:
        assert receiver.peek_messages(5) == []
        (message,) = receiver.receive_messages(5, max_wait_time=3)
        assert str(message) == "due"
        assert datetime.now(UTC) >= due


def test_a_topic_detects_duplicates(server: TestServer, sdk: ServiceBusClient) -> None:
    topic = Topic(server, sdk, requires_duplicate_detection=True)
    topic.subscribe("one")
    topic.send(ServiceBusMessage("a", message_id="x"), ServiceBusMessage("b", message_id="x"))
    assert topic.drain("one") == ["a"]


def test_a_subscription_may_require_sessions(topic: Topic) -> None:
    topic.subscribe("ordered", requires_session=True)
    topic.send(ServiceBusMessage("a", session_id="s"))
    with topic.receiver("ordered", session_id="s") as receiver:
        assert [str(message) for message in receiver.receive_messages()] == ["a"]


def test_topics_cannot_be_received_nor_subscriptions_sent_to(topic: Topic) -> None:
    topic.subscribe("one")
    with pytest.raises(ServiceBusError, match="cannot be received"):
        with topic.sdk.get_queue_receiver(topic.name):
            pass
    with pytest.raises(ServiceBusError, match="cannot be sent"):
        with topic.sdk.get_queue_sender(f"{topic.name}/Subscriptions/one"):
            pass


def test_unknown_subscriptions_are_not_found(topic: Topic) -> None:
    with pytest.raises(MessagingEntityNotFoundError), topic.receiver("missing"):
        pass


def test_names_differ_by_more_than_case(topic: Topic, make_queue: Callable[..., str]) -> None:
    topic.subscribe("MixedCase")
    topic.send(ServiceBusMessage("a"))
    assert topic.drain("mixedcase") == ["a"]
