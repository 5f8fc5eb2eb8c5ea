"""Faults on demand, and how the SDK gets over them."""

import threading
import time

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.servicebus.exceptions import (
    MessageLockLostError,
    ServiceBusConnectionError,
    ServiceBusError,
    ServiceBusServerBusyError,
)

from .conftest import Courier, TestServer


@pytest.mark.parametrize("fault", ["drop-connections", "close-connections", "detach-links"])
def test_a_sender_recovers(
    server: TestServer, sdk: ServiceBusClient, courier: Courier, fault: str
) -> None:
    with sdk.get_queue_sender(courier.queue) as sender:
        sender.send_messages(ServiceBusMessage("before"))
        server.fault(fault)
        sender.send_messages(ServiceBusMessage("after"))
    assert courier.drain() == ["before", "after"]


@pytest.mark.parametrize("fault", ["drop-connections", "close-connections", "detach-links"])
def test_a_receiver_recovers_and_still_settles(
    server: TestServer, courier: Courier, fault: str
) -> None:
    courier.send("a", "b")
    with courier.receiver() as receiver:
        (first,) = receiver.receive_messages()
        server.fault(fault)
        (second,) = receiver.receive_messages(max_wait_time=5)
        assert str(second) == "b"
        receiver.complete_message(first)  # falls back to the management node
        receiver.complete_message(second)
    assert courier.is_empty()


def test_a_session_does_not_survive_its_connection(server: TestServer, courier: Courier) -> None:
    server.admin("PUT", f"/queues/{courier.queue}", {"requires_session": True})
    courier.send("a1", session_id="a")
    with courier.receiver(session_id="a") as receiver:
        receiver.receive_messages()
        server.fault("drop-connections")
        with pytest.raises(ServiceBusError):
            receiver.receive_messages(max_wait_time=2)
    with courier.receiver(session_id="a") as receiver:
        (again,) = receiver.receive_messages()
        assert again.delivery_count == 0


def test_an_outage_ends_and_keeps_what_was_stored(
    server: TestServer, sdk: ServiceBusClient, courier: Courier
) -> None:
    courier.send("before")
    server.fault("outage", duration_ms=600)
    started = time.monotonic()
    with server.client(retry_total=20, retry_mode="fixed", retry_backoff_factor=0.1) as patient:
        with patient.get_queue_sender(courier.queue) as sender:
            sender.send_messages(ServiceBusMessage("after"))
    assert time.monotonic() - started > 0.3
    assert courier.drain() == ["before", "after"]


def test_a_cut_before_storing_loses_nothing_with_a_retry(
    server: TestServer, courier: Courier
) -> None:
    server.fault("cut-before-store", entity=courier.queue)
    courier.send("a")
    assert courier.drain() == ["a"]


def test_a_cut_after_storing_gives_a_duplicate_with_a_retry(
    server: TestServer, courier: Courier
) -> None:
    server.fault("cut-after-store", entity=courier.queue)
    courier.send("a")
    assert courier.drain() == ["a", "a"]


def test_a_cut_before_settling_leaves_the_lock(server: TestServer, courier: Courier) -> None:
    courier.send("a")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        server.fault("cut-before-settle", entity=courier.queue)
        receiver.complete_message(message)
    assert courier.is_empty()


def test_a_cut_after_settling_shows_as_a_lost_lock(server: TestServer, courier: Courier) -> None:
    courier.send("a")
    with courier.receiver() as receiver:
        (message,) = receiver.receive_messages()
        server.fault("cut-after-settle", entity=courier.queue)
        with pytest.raises(MessageLockLostError):
            receiver.complete_message(message)
    assert courier.is_empty()


def test_a_busy_server_is_tried_again(server: TestServer, courier: Courier) -> None:
    server.fault("reject-send", entity=courier.queue, count=2)
    courier.send("a")
    assert courier.drain() == ["a"]


def test_a_server_that_stays_busy_is_reported(server: TestServer, queue: str) -> None:
    server.fault("reject-send", entity=queue, count=9)
    with server.client(retry_total=1) as client, client.get_queue_sender(queue) as sender:
        with pytest.raises(ServiceBusServerBusyError):
            sender.send_messages(ServiceBusMessage("a"))


def test_an_attach_can_be_refused(server: TestServer, courier: Courier) -> None:
    server.fault("refuse-attach", entity=courier.queue, count=2)
    courier.send("a")
    assert courier.drain() == ["a"]


def test_a_management_request_can_fail(server: TestServer, courier: Courier) -> None:
    courier.send("a")
    with server.client(retry_total=0) as hasty:
        with hasty.get_queue_receiver(courier.queue, max_wait_time=2) as receiver:
            (message,) = receiver.receive_messages()
            server.fault("fail-management", entity=courier.queue, status=503)
            with pytest.raises(ServiceBusServerBusyError, match="Status Code: 503"):
                receiver.renew_message_lock(message)
            receiver.renew_message_lock(message)


@pytest.mark.parametrize("over_management", [False, True])
def test_dead_lettering_can_be_refused(
    server: TestServer, courier: Courier, over_management: bool
) -> None:
    courier.send("a")
    with server.client(retry_total=0) as hasty:
        with hasty.get_queue_receiver(courier.queue, max_wait_time=2) as receiver:
            (message,) = receiver.receive_messages()
            if over_management:
                server.fault("drop-connections")
            server.fault("refuse-dead-letter", entity=courier.queue)
            with pytest.raises(ServiceBusError):
                receiver.dead_letter_message(message, reason="Broken")
    assert server.counts(courier.queue)["dead_lettered"] == 0
    assert server.counts(courier.queue)["locked"] == 1


def test_losing_the_connection_while_waiting_is_noticed(server: TestServer, queue: str) -> None:
    with server.client(retry_total=0) as hasty, hasty.get_queue_receiver(queue) as receiver:
        threading.Timer(0.3, server.fault, ["drop-connections"]).start()
        with pytest.raises(ServiceBusConnectionError):
            receiver.receive_messages(max_wait_time=5)


def test_faults_strike_their_entity_only(server: TestServer, courier: Courier) -> None:
    server.fault("reject-send", entity="another", count=9)
    courier.send("a")
    assert courier.drain() == ["a"]
