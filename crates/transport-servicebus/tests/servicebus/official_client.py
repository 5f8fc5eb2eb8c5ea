"""Microsoft's client, told by arguments what to do; what it sees it prints as JSON."""

import json
import os
import sys
from typing import Any

from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
)

WAIT_SECONDS = 10
FIELDS = (
    "message_id",
    "session_id",
    "correlation_id",
    "reply_to",
    "subject",
    "content_type",
    "delivery_count",
    "dead_letter_reason",
    "dead_letter_error_description",
)


def text(value: Any) -> Any:
    """What bytes stand for, as the client leaves it to its users to know."""
    return value.decode() if isinstance(value, bytes) else value


def shown(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    """A message as JSON."""
    properties = message.application_properties or {}
    lifetime = message.time_to_live
    return {
        **{field: text(getattr(message, field)) for field in FIELDS},
        "body": b"".join(message.body).hex(),
        "properties": {text(name): text(value) for name, value in properties.items()},
        "time_to_live_seconds": None if lifetime is None else lifetime.total_seconds(),
    }


def send(client: ServiceBusClient, queue: str, documents: list[dict[str, Any]]) -> None:
    """Sends the messages as one batch, or alone if there is one."""
    messages = [
        ServiceBusMessage(bytes.fromhex(document.pop("body")), **document)
        for document in documents
    ]
    with client.get_queue_sender(queue) as sender:
        sender.send_messages(messages[0] if len(messages) == 1 else messages)


def receive(client: ServiceBusClient, queue: str, wanted: dict[str, Any]) -> Any:
    """Receives so many messages, and settles them as is wanted."""
    options: dict[str, Any] = {"sub_queue": wanted.get("sub_queue")}
    if "session" in wanted:
        options["session_id"] = wanted["session"] or NEXT_AVAILABLE_SESSION
    messages: list[ServiceBusReceivedMessage] = []
    with client.get_queue_receiver(queue, max_wait_time=WAIT_SECONDS, **options) as receiver:
        while len(messages) < wanted["count"]:
            batch = receiver.receive_messages(wanted["count"] - len(messages))
            if not batch:
                raise SystemExit(f"of {wanted['count']} messages {len(messages)} came")
            messages += batch
        for message in messages:
            if reason := wanted.get("dead_letter"):
                receiver.dead_letter_message(
                    message, reason=reason[0], error_description=reason[1]
                )
            else:
                receiver.complete_message(message)
        answer: dict[str, Any] = {"messages": [shown(message) for message in messages]}
        if "session" in wanted:
            answer["state"] = text(receiver.session.get_state())
            receiver.session.set_state(wanted.get("state"))
    return answer


def main() -> None:
    """`send QUEUE MESSAGES` or `receive QUEUE WANTED`."""
    action, queue, document = sys.argv[1:]
    string = os.environ["SEALMQ_SERVICEBUS_CONNECTION_STRING"]
    with ServiceBusClient.from_connection_string(string) as client:
        if action == "send":
            send(client, queue, json.loads(document))
        else:
            print(json.dumps(receive(client, queue, json.loads(document))))


if __name__ == "__main__":
    main()
