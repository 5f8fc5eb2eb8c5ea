"""What depends on time: schedules, expiry and the window of duplicate detection."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusMessageState,
    ServiceBusSubQueue,
)
from azure.servicebus.exceptions import MessageNotFoundError

from .conftest import Courier, TestServer


def soon(seconds: float) -> datetime:
    """A time from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_scheduled_message_appears_when_it_is_due(
    sdk: ServiceBusClient, courier: Courier
) -> None:
    with sdk.get_queue_sender(courier.queue) as sender:
        due = soon(1)
        (number,) = sender.schedule_messages(ServiceBusMessage("later"), due)
    courier.send("now")
    with courier.receiver() as receiver:
        (now,) = receiver.receive_messages(5, max_wait_time=0.3)
        assert str(now) == "now"
        (later,) = receiver.receive_messages(max_wait_time=5)
        assert str(later) == "later"
        assert datetime.now(UTC) >= due
        assert later.enqueued_time_utc >= due - timedelta(milliseconds=1)
        assert abs(later.scheduled_enqueue_time_utc - due) < timedelta(milliseconds=2)
        assert later.sequence_number > now.sequence_number > number


def test_a_message_can_carry_its_schedule(sdk: ServiceBusClient, courier: Courier) -> None:
    due = soon(0.8)
    with sdk.get_queue_sender(courier.queue) as sender:
        sender.send_messages(ServiceBusMessage("later", scheduled_enqueue_time_utc=due))
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages(max_wait_time=5)
        assert datetime.now(UTC) > due - timedelta(milliseconds=1)  # the wire counts in those
        assert str(message) == "later"


def test_a_schedule_in_the_past_is_now(sdk: ServiceBusClient, courier: Courier) -> None:
    with sdk.get_queue_sender(courier.queue) as sender:
        sender.schedule_messages(ServiceBusMessage("late already"), soon(-60))
    assert courier.drain() == ["late already"]


def test_several_messages_are_scheduled_together(
    server: TestServer, sdk: ServiceBusClient, courier: Courier
) -> None:
    with sdk.get_queue_sender(courier.queue) as sender:
        messages = [ServiceBusMessage(f"{number}") for number in range(3)]
        numbers = sender.schedule_messages(messages, soon(60))
        assert len(set(numbers)) == 3
        assert server.counts(courier.queue)["scheduled"] == 3
        sender.cancel_scheduled_messages(numbers[:2])
        assert server.counts(courier.queue)["scheduled"] == 1


def test_a_cancelled_message_does_not_appear(sdk: ServiceBusClient, courier: Courier) -> None:
    with sdk.get_queue_sender(courier.queue) as sender:
        numbers = sender.schedule_messages(ServiceBusMessage("never"), soon(0.4))
        sender.cancel_scheduled_messages(numbers)
        with pytest.raises(MessageNotFoundError):
            sender.cancel_scheduled_messages(numbers)
    time.sleep(0.3)
    assert courier.is_empty()


def test_an_expired_message_is_gone(sdk: ServiceBusClient, courier: Courier) -> None:
    courier.send("short", time_to_live=timedelta(seconds=1))
    courier.send("long", time_to_live=timedelta(seconds=60))
    time.sleep(1)
    assert courier.drain() == ["long"]
    with courier.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        assert receiver.receive_messages(max_wait_time=0.3) == []


def test_a_message_without_any_life_is_not_delivered(courier: Courier) -> None:
    with courier.receiver(prefetch_count=1) as receiver:
        assert receiver.receive_messages(max_wait_time=0.1) == []  # there is credit from now on
        courier.send("never", time_to_live=timedelta(0))
        assert receiver.receive_messages(max_wait_time=0.3) == []


def test_an_expired_message_is_dead_lettered_where_that_is_set(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    courier = Courier(sdk, make_queue(dead_lettering_on_message_expiration=True))
    courier.send("short", time_to_live=timedelta(seconds=1))
    with courier.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        (dead,) = receiver.receive_messages()
        assert str(dead) == "short"
        assert dead.dead_letter_reason == "TTLExpiredException"
        assert dead.dead_letter_error_description == "The message expired and was dead lettered."


def test_the_shorter_of_message_and_queue_lifetimes_holds(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    courier = Courier(sdk, make_queue(default_message_time_to_live_ms=60_000))
    courier.send("queue")
    courier.send("queue too", time_to_live=timedelta(hours=1))
    courier.send("message", time_to_live=timedelta(seconds=30))
    with courier.receiver() as receiver:
        lifetimes = [message.time_to_live for message in receiver.receive_messages(3)]
        assert lifetimes == [timedelta(seconds=seconds) for seconds in (60, 60, 30)]


def test_a_locked_message_expires_only_when_its_lock_ends(courier: Courier) -> None:
    with courier.receiver() as receiver:
        courier.send("held", time_to_live=timedelta(seconds=1))
        (message,) = receiver.receive_messages()
        time.sleep(1.1)
        assert receiver.peek_messages(sequence_number=1)
        receiver.abandon_message(message)
        assert receiver.peek_messages(sequence_number=1) == []


def test_a_deferred_message_does_not_expire(courier: Courier) -> None:
    with courier.receiver() as receiver:
        courier.send("deferred", time_to_live=timedelta(seconds=1))
        (message,) = receiver.receive_messages()
        receiver.defer_message(message)
        time.sleep(1.1)
        (deferred,) = receiver.receive_deferred_messages(message.sequence_number)
        receiver.complete_message(deferred)


def test_duplicates_within_the_window_are_accepted_and_dropped(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    settings = {"requires_duplicate_detection": True, "duplicate_detection_window_ms": 1_000}
    courier = Courier(sdk, make_queue(**settings))
    courier.send("first", "second", message_id="same")
    courier.send("other", message_id="other")
    assert courier.drain() == ["first", "other"]
    courier.send("completed, yet remembered", message_id="same")
    assert courier.is_empty()
    time.sleep(1)
    courier.send("forgotten", message_id="same")
    assert courier.drain() == ["forgotten"]


def test_without_detection_duplicates_arrive(courier: Courier) -> None:
    courier.send("first", "second", message_id="same")
    assert courier.drain() == ["first", "second"]


def test_peeking_shows_messages_in_every_state(sdk: ServiceBusClient, courier: Courier) -> None:
    courier.send("deferred", "locked", "active")
    with sdk.get_queue_sender(courier.queue) as sender:
        sender.schedule_messages(ServiceBusMessage("scheduled"), soon(60))
    with courier.receiver() as receiver:
        deferred, _locked = receiver.receive_messages(2)
        receiver.defer_message(deferred)
        peeked = receiver.peek_messages(10, sequence_number=1)
        assert [(str(message), message.state) for message in peeked] == [
            ("deferred", ServiceBusMessageState.DEFERRED),
            ("locked", ServiceBusMessageState.ACTIVE),
            ("active", ServiceBusMessageState.ACTIVE),
            ("scheduled", ServiceBusMessageState.SCHEDULED),
        ]


def test_peeking_goes_on_from_a_number_and_locks_nothing(courier: Courier) -> None:
    courier.send("a", "b", "c")
    with courier.receiver() as receiver:
        assert [str(message) for message in receiver.peek_messages(2)] == ["a", "b"]
        (third,) = receiver.peek_messages(2)
        assert str(third) == "c"
        assert third.lock_token is None
        assert receiver.peek_messages(5, sequence_number=99) == []
        with pytest.raises(ValueError, match="peeked"):
            receiver.complete_message(third)
    assert courier.drain() == ["a", "b", "c"]
