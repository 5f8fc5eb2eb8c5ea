"""Entities: made, looked at, emptied and removed at run time."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.servicebus.exceptions import MessagingEntityNotFoundError, ServiceBusError

from .conftest import PACKAGE, Courier, TestServer, refused


def test_unknown_queues_are_not_found(server: TestServer) -> None:
    with server.client(retry_total=0) as client:
        with pytest.raises(MessagingEntityNotFoundError, match="'missing' could not be found"):
            with client.get_queue_sender("missing"):
                pass
        with pytest.raises(MessagingEntityNotFoundError):
            with client.get_queue_receiver("missing"):
                pass


def test_names_may_have_slashes_and_any_case(server: TestServer, sdk: ServiceBusClient) -> None:
    server.admin("PUT", "/queues/Site%2FOrders", {})
    Courier(sdk, "site/orders").send("a")
    assert Courier(sdk, "SITE/Orders").drain() == ["a"]


def test_removing_a_queue_detaches_its_links(server: TestServer, queue: str) -> None:
    with server.client(retry_total=0) as client, client.get_queue_receiver(queue) as receiver:
        server.admin("DELETE", f"/queues/{queue}")
        with pytest.raises(MessagingEntityNotFoundError):
            receiver.receive_messages(max_wait_time=2)
    assert refused(lambda: server.admin("GET", f"/queues/{queue}")) == 404
    assert refused(lambda: server.admin("DELETE", f"/queues/{queue}")) == 404


def test_a_queue_made_anew_is_empty(server: TestServer, courier: Courier) -> None:
    courier.send("old")
    server.admin("PUT", f"/queues/{courier.queue}", {})
    assert courier.is_empty()


def test_a_full_queue_takes_all_of_a_batch_or_nothing(
    server: TestServer, make_queue: Callable[..., str]
) -> None:
    queue = make_queue(max_messages=3)
    with server.client(retry_total=0) as client, client.get_queue_sender(queue) as sender:
        sender.send_messages([ServiceBusMessage("a"), ServiceBusMessage("b")])
        with pytest.raises(ServiceBusError, match="maximum entity size"):
            sender.send_messages([ServiceBusMessage("c"), ServiceBusMessage("d")])
        due = datetime.now(UTC) + timedelta(minutes=1)
        sender.schedule_messages(ServiceBusMessage("e"), due)
        with pytest.raises(ServiceBusError, match="maximum entity size"):
            sender.schedule_messages(ServiceBusMessage("f"), due)
        assert Courier(client, queue).drain() == ["a", "b"]
        sender.send_messages([ServiceBusMessage("c"), ServiceBusMessage("d")])


def test_removing_a_topic_removes_its_subscriptions(server: TestServer) -> None:
    server.admin("PUT", "/topics/t", {})
    server.admin("PUT", "/topics/t/subscriptions/s", {})
    server.admin("DELETE", "/topics/t")
    assert refused(lambda: server.admin("GET", "/topics/t/subscriptions/s")) == 404
    assert refused(lambda: server.admin("PUT", "/topics/t/subscriptions/s", {})) == 404


def test_a_subscription_can_be_removed(server: TestServer, sdk: ServiceBusClient) -> None:
    server.admin("PUT", "/topics/t2", {})
    server.admin("PUT", "/topics/t2/subscriptions/s", {})
    server.admin("DELETE", "/topics/t2/subscriptions/s")
    with sdk.get_topic_sender("t2") as sender:
        sender.send_messages(ServiceBusMessage("to nobody"))


def test_a_queue_can_be_emptied_and_counted(server: TestServer, courier: Courier) -> None:
    courier.send("a", "b", "c")
    with courier.receiver() as receiver:
        receiver.receive_messages(1)
        counts = {"active": 3, "locked": 1, "deferred": 0, "scheduled": 0, "dead_lettered": 0}
        assert server.counts(courier.queue) == counts
    server.admin("DELETE", f"/queues/{courier.queue}/messages")
    assert set(server.counts(courier.queue).values()) == {0}


@pytest.mark.parametrize(
    "settings",
    [
        {"unknown": 1},
        {"lock_duration_ms": 0},
        {"lock_duration_ms": "1"},
        {"lock_duration_ms": None},
        {"requires_session": 1},
        {"max_delivery_count": True},
        [],
    ],
)
def test_wrong_settings_are_refused(server: TestServer, settings: Any) -> None:
    assert refused(lambda: server.admin("PUT", "/queues/wrong", settings)) == 400
    assert refused(lambda: server.admin("GET", "/queues/wrong")) == 404


def test_wrong_rules_are_refused(server: TestServer) -> None:
    server.admin("PUT", "/topics/t3", {})
    wrong: list[Any] = [{}, [{}], [1], [{"unknown": 1}], [{"properties": 1}]]
    for rules in wrong:
        put = partial(server.admin, "PUT", "/topics/t3/subscriptions/s", {"rules": rules})
        assert refused(put) == 400


@pytest.mark.parametrize(
    "fault",
    [
        {},
        [],
        {"action": "unknown"},
        {"action": "outage"},
        {"action": "reject-send", "unknown": 1},
        {"action": "lose-locks", "entity": "missing"},
    ],
)
def test_wrong_faults_are_refused(server: TestServer, fault: Any) -> None:
    assert refused(lambda: server.admin("POST", "/faults", fault)) in (400, 404)


def test_unknown_paths_are_not_found(server: TestServer) -> None:
    assert refused(lambda: server.admin("GET", "/unknown")) == 404


def test_a_file_can_state_the_entities(tmp_path: Path) -> None:
    entities = {
        "queues": {"orders": {"lock_duration_ms": 5_000}},
        "topics": {"events": {"subscriptions": {"audit": {"rules": [True]}}}},
    }
    path = tmp_path / "entities.json"
    path.write_text(json.dumps(entities))
    started = TestServer.start("--entities", str(path))
    try:
        settings = started.admin("GET", "/queues/orders")["settings"]
        assert settings["lock_duration_ms"] == 5_000
        assert started.admin("GET", "/topics/events/subscriptions/audit")["counts"]["active"] == 0
        assert started.admin("GET", "/health") == {"status": "ok", "connections": 0}
        started.admin("POST", "/reset")
        assert refused(lambda: started.admin("GET", "/queues/orders")) == 404
    finally:
        started.stop()


@pytest.mark.parametrize("arguments", [["--host", "0.0.0.0"], ["--tls-cert", "x"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    command = [sys.executable, "-m", PACKAGE.name, *arguments]
    finished = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, timeout=20)
    assert finished.returncode == 2


def test_queues_keep_apart_what_they_hold(
    server: TestServer, sdk: ServiceBusClient, make_queue: Callable[..., str]
) -> None:
    one, other = make_queue(), make_queue()
    Courier(sdk, one).send("a")
    assert (server.counts(one)["active"], server.counts(other)["active"]) == (1, 0)
