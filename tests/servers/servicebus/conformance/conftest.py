"""The server under test, an entity of its own for every test, and the SDK in front of both."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceiver,
    _servicebus_receiver,
    _servicebus_sender,
)
from azure.servicebus._pyamqp import _connection, client, session

PACKAGE = Path(__file__).resolve().parent.parent
KEY_NAME = "RootManageSharedAccessKey"
KEY = "SAS_KEY_VALUE"

SHORT_WAIT = {"socket_timeout": 0.05}

_numbers = count(1)


class QuickClient(ServiceBusClient):
    """The SDK's client, with links that wait no longer than they must on a local socket."""

    def get_queue_sender(self, *args: Any, **options: Any) -> Any:
        """A sender for a queue."""
        return super().get_queue_sender(*args, **SHORT_WAIT | options)

    def get_queue_receiver(self, *args: Any, **options: Any) -> Any:
        """A receiver for a queue."""
        return super().get_queue_receiver(*args, **SHORT_WAIT | options)

    def get_topic_sender(self, *args: Any, **options: Any) -> Any:
        """A sender for a topic."""
        return super().get_topic_sender(*args, **SHORT_WAIT | options)

    def get_subscription_receiver(self, *args: Any, **options: Any) -> Any:
        """A receiver for a subscription."""
        return super().get_subscription_receiver(*args, **SHORT_WAIT | options)


@dataclass
class TestServer:
    """A running server and its admin side."""

    __test__ = False
    process: subprocess.Popen[str]
    host: str
    amqp_port: int
    admin_port: int

    @classmethod
    def start(cls, *arguments: str) -> "TestServer":
        """Starts a server on free ports and waits until it is ready."""
        command = [sys.executable, "-m", PACKAGE.name, *arguments]
        process = subprocess.Popen(command, cwd=PACKAGE.parent, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        return cls(process, ready["host"], ready["amqp_port"], ready["admin_port"])

    def stop(self) -> None:
        """Stops it as a supervisor would, and checks that it went in good order."""
        self.process.terminate()
        assert self.process.wait(5) == 0

    def admin(self, method: str, path: str, document: Any = None) -> Any:
        """One request to the admin side."""
        body = None if document is None else json.dumps(document).encode()
        url = f"http://{self.host}:{self.admin_port}{path}"
        request = urllib.request.Request(url, body, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def fault(self, action: str, **fields: Any) -> None:
        """Does a fault, or arms one."""
        self.admin("POST", "/faults", {"action": action, **fields})

    def connection_string(self, *, key: str = KEY, key_name: str = KEY_NAME) -> str:
        """What a user of the emulator would be given."""
        return (
            f"Endpoint=sb://{self.host}:{self.amqp_port};SharedAccessKeyName={key_name};"
            f"SharedAccessKey={key};UseDevelopmentEmulator=true"
        )

    def client(self, **options: Any) -> ServiceBusClient:
        """A client with little patience."""
        string = self.connection_string(
            key=options.pop("key", KEY), key_name=options.pop("key_name", KEY_NAME)
        )
        options = {"retry_backoff_factor": 0.01, **options}
        return QuickClient.from_connection_string(string, **options)

    def counts(self, queue: str) -> dict[str, int]:
        """How many messages of each kind a queue has."""
        answer: dict[str, dict[str, int]] = self.admin("GET", f"/queues/{queue}")
        return answer["counts"]


class ShortNaps:
    """The module `time` for the SDK, which else sleeps half a second to open or close a link."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleeps, but not for long."""
        time.sleep(min(seconds, 0.01))


@pytest.fixture(scope="session", autouse=True)
def short_naps() -> Iterator[None]:
    """Lets the SDK look at its socket more often than it would."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (_servicebus_receiver, _servicebus_sender, client, _connection, session):
            patch.setattr(module, "time", ShortNaps())
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """One server for all tests."""
    started = TestServer.start()
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Disarms what a test armed and did not set off."""
    yield
    if "server" in request.fixturenames:
        request.getfixturevalue("server").admin("DELETE", "/faults")


@pytest.fixture
def make_queue(server: TestServer) -> Callable[..., str]:
    """Makes a queue with the given settings and returns its name."""

    def make(**settings: Any) -> str:
        name = f"queue-{next(_numbers)}"
        server.admin("PUT", f"/queues/{name}", settings)
        return name

    return make


@pytest.fixture
def queue(make_queue: Callable[..., str]) -> str:
    """A queue with the settings the service has when none are chosen."""
    return make_queue()


@pytest.fixture
def sdk(server: TestServer) -> Iterator[ServiceBusClient]:
    """The SDK's client."""
    with server.client() as opened:
        yield opened


@dataclass
class Courier:
    """Sends to and receives from one queue, for tests whose subject is something else."""

    client: ServiceBusClient
    queue: str

    def send(self, *bodies: str | bytes, **properties: Any) -> None:
        """Sends messages one by one."""
        with self.client.get_queue_sender(self.queue) as sender:
            for body in bodies:
                sender.send_messages(ServiceBusMessage(body, **properties))

    def receiver(self, **options: Any) -> ServiceBusReceiver:
        """A receiver that does not wait long."""
        return self.client.get_queue_receiver(self.queue, **{"max_wait_time": 2, **options})

    def is_empty(self) -> bool:
        """Whether there is nothing to receive."""
        with self.receiver() as receiver:
            return not receiver.receive_messages(max_wait_time=0.3)

    def drain(self, number: int = 100, **options: Any) -> list[str]:
        """Completes what is there and returns the bodies."""
        with self.receiver(**options) as receiver:
            messages = receiver.receive_messages(number, max_wait_time=1)
            for message in messages:
                receiver.complete_message(message)
        return [str(message) for message in messages]


@pytest.fixture
def courier(sdk: ServiceBusClient, queue: str) -> Courier:
    """The courier of a queue with default settings."""
    return Courier(sdk, queue)


def body_of(message: Any) -> bytes:
    """The body as bytes."""
    return b"".join(message.body)


def refused(act: Callable[[], Any]) -> int:
    """The HTTP status of a request that must fail."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        act()
    return caught.value.code
