"""Sending and receiving, one by one and many at once."""

import threading
import time
from collections.abc import Callable

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiveMode
from azure.servicebus.exceptions import MessageSizeExceededError

from .conftest import Courier, TestServer, body_of

KIB = 1024


def test_a_completed_message_is_gone(courier: Courier) -> None:
    courier.send("hello")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        assert str(message) == "hello"
        receiver.complete_message(message)
    assert courier.is_empty()


def test_messages_arrive_in_the_order_they_were_sent(courier: Courier) -> None:
    bodies = [f"message {number}" for number in range(20)]
    courier.send(*bodies)
    assert courier.drain(20) == bodies


def test_receiving_from_an_empty_queue_returns_nothing_after_the_wait(courier: Courier) -> None:
    with courier.receiver() as receiver:
        started = time.monotonic()
        assert receiver.receive_messages(max_wait_time=0.5) == []
        assert 0.4 < time.monotonic() - started < 2


def test_a_late_message_ends_the_wait(courier: Courier) -> None:
    with courier.receiver() as receiver:
        timer = threading.Timer(0.3, courier.send, ["late"])
        timer.start()
        started = time.monotonic()
        (message,) = receiver.receive_messages(max_wait_time=10)
        assert time.monotonic() - started < 5
        receiver.complete_message(message)
        timer.join()


def test_fewer_messages_than_asked_for_are_returned_at_once(courier: Courier) -> None:
    courier.send("a", "b")
    started = time.monotonic()
    assert courier.drain(50) == ["a", "b"]
    assert time.monotonic() - started < 1


def test_a_batch_is_unpacked_into_its_messages(sdk: ServiceBusClient, courier: Courier) -> None:
    with sdk.get_queue_sender(courier.queue) as sender:
        batch = sender.create_message_batch()
        for number in range(5):
            message = ServiceBusMessage(
                f"{number}", message_id=f"id-{number}", application_properties={"n": number}
            )
            batch.add_message(message)
        sender.send_messages(batch)
    with courier.receiver() as receiver:
        received = receiver.receive_messages(5)
        assert [str(message) for message in received] == ["0", "1", "2", "3", "4"]
        assert [message.message_id for message in received] == [f"id-{n}" for n in range(5)]
        assert [message.application_properties for message in received] == [
            {b"n": number} for number in range(5)
        ]


def test_a_batch_of_one_is_unpacked_too(sdk: ServiceBusClient, courier: Courier) -> None:
    with sdk.get_queue_sender(courier.queue) as sender:
        sender.send_messages([ServiceBusMessage("alone")])
    assert courier.drain() == ["alone"]


def test_a_body_that_is_an_encoded_message_is_no_batch(courier: Courier) -> None:
    body = bytes.fromhex("005375a003616263")  # a data section of three bytes
    courier.send(body)
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        assert body_of(message) == body


def test_the_sender_learns_the_size_of_batches(sdk: ServiceBusClient, queue: str) -> None:
    with sdk.get_queue_sender(queue) as sender:
        batch = sender.create_message_batch()
        assert batch.max_size_in_bytes == 256 * KIB
        batch.add_message(ServiceBusMessage(b"x" * 200 * KIB))
        with pytest.raises(MessageSizeExceededError):
            batch.add_message(ServiceBusMessage(b"x" * 100 * KIB))


def test_a_message_of_almost_the_limit_is_accepted(courier: Courier) -> None:
    body = bytes(range(256)) * 1023
    courier.send(body)
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        assert body_of(message) == body


def test_a_message_over_the_limit_is_refused_and_nothing_is_stored(
    sdk: ServiceBusClient, courier: Courier
) -> None:
    with sdk.get_queue_sender(courier.queue) as sender:
        with pytest.raises(MessageSizeExceededError):
            sender.send_messages(ServiceBusMessage(b"x" * 257 * KIB))
        sender.send_messages(ServiceBusMessage("small"))
    assert courier.drain() == ["small"]


def test_receive_and_delete_leaves_nothing_to_settle(courier: Courier) -> None:
    courier.send("a", "b")
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
    with courier.receiver(receive_mode=mode) as receiver:
        received = receiver.receive_messages(2)
        assert [str(message) for message in received] == ["a", "b"]
        assert received[0].lock_token is None
        assert received[0].locked_until_utc is None
        with pytest.raises(ValueError, match="RECEIVE_AND_DELETE"):
            receiver.complete_message(received[0])
    assert courier.is_empty()


def test_a_locked_message_is_not_given_to_another_receiver(courier: Courier) -> None:
    courier.send("mine")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        assert courier.is_empty()
        receiver.complete_message(message)


def test_competing_receivers_share_the_messages(courier: Courier) -> None:
    courier.send(*(f"{number}" for number in range(20)))
    with courier.receiver() as one, courier.receiver() as other:
        first, second = one.receive_messages(10), other.receive_messages(10)
        bodies = sorted((str(message) for message in first + second), key=int)
        assert bodies == [f"{number}" for number in range(20)]
        assert len(first) == len(second) == 10


def test_queues_do_not_leak_into_each_other(
    sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    couriers = [Courier(sdk, make_queue()) for _ in range(2)]
    for courier in couriers:
        courier.send(courier.queue)
    assert [courier.drain() for courier in couriers] == [[c.queue] for c in couriers]


def test_a_thousand_messages_with_prefetch_without_loss(
    server: TestServer, sdk: ServiceBusClient, courier: Courier
) -> None:
    expected = [f"{number}" for number in range(1_000)]
    with sdk.get_queue_sender(courier.queue) as sender:
        for start in range(0, 1_000, 100):
            sender.send_messages([ServiceBusMessage(body) for body in expected[start:][:100]])
    received: list[str] = []
    with courier.receiver(prefetch_count=200) as receiver:
        while len(received) < 1_000:
            messages = receiver.receive_messages(100, max_wait_time=2)
            assert messages
            for message in messages:
                receiver.complete_message(message)
                received.append(str(message))
    assert received == expected
    assert server.counts(courier.queue)["active"] == 0


def test_iterating_a_receiver_yields_what_is_there(courier: Courier) -> None:
    courier.send("a", "b", "c")
    received = []
    with courier.receiver(max_wait_time=0.5) as receiver:
        for message in receiver:
            received.append(str(message))
            receiver.complete_message(message)
    assert received == ["a", "b", "c"]


def test_closing_a_receiver_releases_what_it_prefetched(courier: Courier) -> None:
    courier.send(*(f"{number}" for number in range(10)))
    with courier.receiver(prefetch_count=20) as receiver:
        (message,) = receiver.receive_messages(1)
        receiver.complete_message(message)
        time.sleep(0.2)
    with courier.receiver() as receiver:
        rest = receiver.receive_messages(10, max_wait_time=1)
        assert [str(message) for message in rest] == [f"{number}" for number in range(1, 10)]
        assert {message.delivery_count for message in rest} == {0}
