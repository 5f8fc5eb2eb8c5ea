"""Bodies, properties and annotations: what is sent comes back as it was."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusMessageState,
    ServiceBusReceivedMessage,
)
from azure.servicebus._pyamqp.utils import amqp_long_value
from azure.servicebus.amqp import AmqpAnnotatedMessage, AmqpMessageBodyType

from .conftest import Courier, body_of


def round_trip(sdk: ServiceBusClient, courier: Courier, message: Any) -> ServiceBusReceivedMessage:
    """Sends a message and completes what comes back."""
    with sdk.get_queue_sender(courier.queue) as sender:
        sender.send_messages(message)
    with courier.receiver() as receiver:
        (received,) = receiver.receive_messages()
        receiver.complete_message(received)
    return received


@pytest.mark.parametrize(
    "body",
    [b"", b"\0", bytes(range(256)), b"QRE1" + bytes(100), "\u00e4\u6f22\U0001f511".encode()],
    ids=["empty", "one zero", "every byte", "binary", "utf-8"],
)
def test_bodies_come_back_byte_for_byte(
    sdk: ServiceBusClient, courier: Courier, body: bytes
) -> None:
    assert body_of(round_trip(sdk, courier, ServiceBusMessage(body))) == body


def test_a_body_of_several_frames_comes_back(sdk: ServiceBusClient, courier: Courier) -> None:
    body = bytes(number % 251 for number in range(150_000))
    assert body_of(round_trip(sdk, courier, ServiceBusMessage(body))) == body


def test_system_properties_come_back(sdk: ServiceBusClient, courier: Courier) -> None:
    sent = {
        "message_id": "id \u00e4",
        "session_id": "ignored without sessions",
        "subject": "a subject",
        "to": "somewhere",
        "reply_to": "the reply queue",
        "reply_to_session_id": "reply session",
        "correlation_id": "correlation",
        "content_type": "application/vnd.example",
    }
    received = round_trip(sdk, courier, ServiceBusMessage(b"", **sent))
    assert {name: getattr(received, name) for name in sent} == sent


def test_application_properties_keep_their_types(sdk: ServiceBusClient, courier: Courier) -> None:
    sent = {
        "text": "v\u00e4lue",
        "empty": "",
        "true": True,
        "int": 42,
        "negative": -1,
        "double": 1.5,
        "uuid": uuid.UUID(int=7),
        "long": amqp_long_value(-(2**40)),
        "time": datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC),
        "none": None,
    }
    message = ServiceBusMessage(b"", application_properties=dict(sent))
    received = round_trip(sdk, courier, message)
    properties = {key.decode(): value for key, value in received.application_properties.items()}
    assert properties.pop("long") == -(2**40)
    assert properties["text"] == "v\u00e4lue".encode()
    assert properties["time"] == int(sent["time"].timestamp() * 1000)
    plain = {key for key in sent if key in ("true", "int", "negative", "double", "uuid", "none")}
    assert {key: properties[key] for key in plain} == {key: sent[key] for key in plain}


def test_user_annotations_and_other_bodies_come_back(
    sdk: ServiceBusClient, courier: Courier
) -> None:
    message = AmqpAnnotatedMessage(
        value_body={"list": [1, 2], "text": "x"},
        annotations={"x-opt-mine": "kept", "x-opt-sequence-number": 999},
        delivery_annotations={"x-opt-hop": "dropped"},
        footer={"x-opt-end": 1},
        properties={"user_id": b"\x00\xff", "group_sequence": 5, "content_encoding": "none"},
        header={"priority": 7, "durable": True},
    )
    received = round_trip(sdk, courier, message).raw_amqp_message
    assert received.body_type == AmqpMessageBodyType.VALUE
    assert received.body == {b"list": [1, 2], b"text": b"x"}
    assert received.annotations[b"x-opt-mine"] == b"kept"
    assert received.annotations[b"x-opt-sequence-number"] == 1
    assert not received.delivery_annotations
    assert received.footer == {b"x-opt-end": 1}
    assert received.properties.user_id == b"\x00\xff"
    assert received.properties.group_sequence == 5
    assert received.properties.content_encoding == b"none"
    assert received.header.priority == 7
    assert received.header.durable is True


def test_sequence_bodies_come_back(sdk: ServiceBusClient, courier: Courier) -> None:
    message = AmqpAnnotatedMessage(sequence_body=[[1, 2, 3], [4]])
    received = round_trip(sdk, courier, message).raw_amqp_message
    assert received.body_type == AmqpMessageBodyType.SEQUENCE
    assert list(received.body) == [[1, 2, 3], [4]]


def test_the_service_states_what_it_knows(sdk: ServiceBusClient, courier: Courier) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    courier.send("a", "b")
    with courier.receiver() as receiver:
        first, second = receiver.receive_messages(2)
        now = datetime.now(UTC)
        assert (first.sequence_number, second.sequence_number) == (1, 2)
        assert before <= first.enqueued_time_utc <= now
        assert first.enqueued_sequence_number == 0
        assert first.delivery_count == 0
        assert first.state == ServiceBusMessageState.ACTIVE
        assert timedelta(seconds=25) < first.locked_until_utc - now <= timedelta(seconds=30)
        assert isinstance(first.lock_token, uuid.UUID)
        assert first.lock_token != second.lock_token
        assert first.dead_letter_reason is None


def test_the_service_states_when_a_message_expires(sdk: ServiceBusClient, courier: Courier) -> None:
    lifetime = timedelta(minutes=5)
    received = round_trip(sdk, courier, ServiceBusMessage(b"", time_to_live=lifetime))
    assert received.time_to_live == lifetime
    assert received.expires_at_utc == received.enqueued_time_utc + lifetime
    stated = received.raw_amqp_message.properties.absolute_expiry_time
    assert stated == round(received.expires_at_utc.timestamp() * 1000)


def test_partition_keys_come_back(sdk: ServiceBusClient, courier: Courier) -> None:
    received = round_trip(sdk, courier, ServiceBusMessage(b"", partition_key="north"))
    assert received.partition_key == "north"
