"""Locks and their ends: completed, abandoned, dead-lettered, deferred, renewed or lost."""

import time
from collections.abc import Callable

import pytest
from azure.servicebus import AutoLockRenewer, ServiceBusClient, ServiceBusSubQueue
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageLockLostError,
    MessageNotFoundError,
    ServiceBusError,
)

from .conftest import Courier, TestServer


def test_an_abandoned_message_comes_back_with_a_higher_count(courier: Courier) -> None:
    courier.send("again", "next")
    with courier.receiver() as receiver:
        for count in range(3):
            (message,) = receiver.receive_messages()
            assert (str(message), message.delivery_count) == ("again", count)
            receiver.abandon_message(message)


def test_a_message_is_settled_only_once(courier: Courier) -> None:
    courier.send("once")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        receiver.complete_message(message)
        with pytest.raises(MessageAlreadySettled):
            receiver.complete_message(message)


def test_dead_lettering_moves_the_message_with_its_reason(
    server: TestServer, courier: Courier
) -> None:
    courier.send("poison", application_properties={"kept": "yes"}, message_id="the id")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        receiver.dead_letter_message(message, reason="Bad", error_description="It was b\u00e4d.")
    assert server.counts(courier.queue)["dead_lettered"] == 1
    with courier.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        (dead,) = receiver.receive_messages()
        assert (str(dead), dead.message_id) == ("poison", "the id")
        assert dead.dead_letter_reason == "Bad"
        assert dead.dead_letter_error_description == "It was b\u00e4d."
        assert dead.application_properties[b"kept"] == b"yes"
        assert dead.enqueued_time_utc == message.enqueued_time_utc
        receiver.complete_message(dead)
    assert server.counts(courier.queue)["dead_lettered"] == 0


def test_dead_lettering_needs_no_reason(courier: Courier) -> None:
    courier.send("poison")
    with courier.receiver() as receiver:
        receiver.dead_letter_message(receiver.receive_messages()[0])
    with courier.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        (dead,) = receiver.receive_messages()
        assert dead.dead_letter_reason is None


def test_messages_of_the_dead_letter_queue_are_locked_and_come_back(courier: Courier) -> None:
    courier.send("poison")
    with courier.receiver() as receiver:
        receiver.dead_letter_message(receiver.receive_messages()[0], reason="r")
    with courier.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        for _ in range(12):  # more often than the queue would have allowed
            (dead,) = receiver.receive_messages()
            receiver.abandon_message(dead)
        (dead,) = receiver.receive_messages()
        assert dead.dead_letter_reason == "r"
        with pytest.raises(ServiceBusError, match="no dead-letter queue of its own"):
            receiver.dead_letter_message(dead)


def test_the_last_failed_delivery_dead_letters(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    courier = Courier(sdk, make_queue(max_delivery_count=3))
    courier.send("fails")
    with courier.receiver() as receiver:
        for _ in range(3):
            receiver.abandon_message(receiver.receive_messages()[0])
        assert receiver.receive_messages(max_wait_time=0.3) == []
    with courier.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        (dead,) = receiver.receive_messages()
        assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
        assert "3 delivery attempts" in dead.dead_letter_error_description
        assert dead.delivery_count == 3


def test_an_expired_lock_lets_the_message_come_back(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    courier = Courier(sdk, make_queue(lock_duration_ms=1_000))
    courier.send("slow")
    with courier.receiver() as receiver, courier.receiver() as other:
        (message,) = receiver.receive_messages()
        started = time.monotonic()
        (again,) = other.receive_messages(max_wait_time=5)
        assert 0.8 < time.monotonic() - started < 2
        assert again.delivery_count == 1
        assert again.sequence_number == message.sequence_number
        assert again.lock_token != message.lock_token
        with pytest.raises(MessageLockLostError):
            receiver.complete_message(message)
        other.complete_message(again)
    assert courier.is_empty()


def test_expired_locks_count_towards_the_last_delivery(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    courier = Courier(sdk, make_queue(lock_duration_ms=200, max_delivery_count=2))
    courier.send("never settled")
    with courier.receiver() as receiver:
        assert receiver.receive_messages()
        assert receiver.receive_messages(max_wait_time=2)
        assert receiver.receive_messages(max_wait_time=0.5) == []
    with courier.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        (dead,) = receiver.receive_messages()
        assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"


def test_renewing_keeps_the_lock(sdk: ServiceBusClient, make_queue: Callable[..., str]) -> None:
    courier = Courier(sdk, make_queue(lock_duration_ms=1_000))
    courier.send("long work")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        before = message.locked_until_utc
        for _ in range(3):
            time.sleep(0.6)
            until = receiver.renew_message_lock(message)
        assert until == message.locked_until_utc > before
        receiver.complete_message(message)
    assert courier.is_empty()


def test_the_automatic_renewer_keeps_the_lock(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    courier = Courier(sdk, make_queue(lock_duration_ms=1_500))
    courier.send("long work")
    with AutoLockRenewer() as renewer, courier.receiver(auto_lock_renewer=renewer) as receiver:
        (message,) = receiver.receive_messages()
        time.sleep(2.5)
        receiver.complete_message(message)
    assert courier.is_empty()


@pytest.mark.parametrize("operation", ["complete", "abandon", "dead_letter", "defer"])
def test_settling_over_the_link_after_the_lock_is_lost_is_refused(
    server: TestServer, courier: Courier, operation: str
) -> None:
    courier.send("lost")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        server.fault("lose-locks", entity=courier.queue)
        with pytest.raises(MessageLockLostError, match="The lock supplied is invalid"):
            getattr(receiver, f"{operation}_message")(message)
    assert courier.drain() == ["lost"]


def test_renewing_after_the_lock_is_lost_is_refused(server: TestServer, courier: Courier) -> None:
    courier.send("lost")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        server.fault("lose-locks", entity=courier.queue)
        with pytest.raises(MessageLockLostError, match="Status Code: 410"):
            receiver.renew_message_lock(message)


def test_a_stale_holder_cannot_settle_for_the_new_one(server: TestServer, courier: Courier) -> None:
    courier.send("contended")
    with courier.receiver() as receiver, courier.receiver() as other:
        (message,) = receiver.receive_messages()
        server.fault("lose-locks", entity=courier.queue)
        (again,) = other.receive_messages()
        with pytest.raises(MessageLockLostError):
            receiver.complete_message(message)
        other.complete_message(again)


@pytest.mark.parametrize("operation", ["complete", "abandon", "dead_letter", "defer"])
def test_the_management_node_settles_what_came_over_a_link(
    server: TestServer, courier: Courier, operation: str
) -> None:
    courier.send("held across links")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
    with courier.receiver() as receiver:
        status = {"complete": "completed", "abandon": "abandoned", "defer": "defered"}
        settlement = status.get(operation, "suspended")
        receiver._settle_message_via_mgmt_link(settlement, [message.lock_token])
        expected = {
            "complete": {"active": 0, "deferred": 0, "dead_lettered": 0},
            "abandon": {"active": 1, "deferred": 0, "dead_lettered": 0},
            "dead_letter": {"active": 0, "deferred": 0, "dead_lettered": 1},
            "defer": {"active": 0, "deferred": 1, "dead_lettered": 0},
        }[operation]
        counts = server.counts(courier.queue)
        assert {key: counts[key] for key in expected} == expected
        with pytest.raises(MessageLockLostError, match="Status Code: 410"):
            receiver._settle_message_via_mgmt_link(settlement, [message.lock_token])


def test_an_unconfirmed_settlement_turns_out_as_done(server: TestServer, courier: Courier) -> None:
    """The SDK asks the management node when the link is silent, and learns the lock is gone."""
    courier.send("unsure")
    with courier.receiver() as receiver:
        receiver._config.timeout = 0.5
        (message,) = receiver.receive_messages()
        server.fault("silent-settle", entity=courier.queue)
        with pytest.raises(MessageLockLostError):
            receiver.complete_message(message)
    assert courier.is_empty()


def test_deferred_messages_come_only_by_number(courier: Courier) -> None:
    courier.send("later", "now")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        receiver.defer_message(message)
        (now,) = receiver.receive_messages()
        assert str(now) == "now"
        receiver.complete_message(now)
        assert receiver.receive_messages(max_wait_time=0.3) == []
        (deferred,) = receiver.receive_deferred_messages(message.sequence_number)
        assert (str(deferred), deferred.delivery_count) == ("later", 0)
        receiver.complete_message(deferred)
        with pytest.raises(MessageNotFoundError):
            receiver.receive_deferred_messages(message.sequence_number)
    assert courier.is_empty()


def test_several_deferred_messages_are_fetched_together_or_not_at_all(courier: Courier) -> None:
    courier.send("a", "b")
    with courier.receiver() as receiver:
        numbers = []
        for message in receiver.receive_messages(2):
            numbers.append(message.sequence_number)
            receiver.defer_message(message)
        with pytest.raises(MessageNotFoundError):
            receiver.receive_deferred_messages([*numbers, 999])
        fetched = receiver.receive_deferred_messages(numbers)
        assert [str(message) for message in fetched] == ["a", "b"]


def test_a_deferred_message_stays_deferred_when_abandoned_or_lost(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    courier = Courier(sdk, make_queue(lock_duration_ms=500))
    courier.send("later")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        number = message.sequence_number
        receiver.defer_message(message)
        receiver.abandon_message(receiver.receive_deferred_messages(number)[0])
        receiver.receive_deferred_messages(number)
        with pytest.raises(MessageNotFoundError):
            receiver.receive_deferred_messages(number)
        time.sleep(0.7)
        (again,) = receiver.receive_deferred_messages(number)
        assert again.delivery_count == 2
        assert receiver.renew_message_lock(again)
        receiver.dead_letter_message(again, reason="enough")
    with courier.receiver(sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        assert receiver.receive_messages()[0].dead_letter_reason == "enough"
