"""Tokens: what is accepted, what they allow, and what happens when they expire."""

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.credentials import AccessToken, AzureNamedKeyCredential
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.servicebus._base_handler import generate_sas_token
from azure.servicebus._pyamqp import cbs
from azure.servicebus.exceptions import (
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusConnectionError,
    ServiceBusError,
)

from .conftest import KEY, KEY_NAME, Courier, QuickClient, TestServer


class ShortLived:
    """A credential whose signatures do not live long."""

    token_type = b"servicebus.windows.net:sastoken"

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self.issued = 0

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A fresh token."""
        self.issued += 1
        expiry = int(time.time()) + self._seconds
        return AccessToken(generate_sas_token(scopes[0], KEY_NAME, KEY, expiry), expiry)


class Fixed:
    """A credential that always has the same token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_: Any) -> AccessToken:
        """The token."""
        return AccessToken(self._token, int(time.time()) + 3600)


def jwt(expires_in: float = 3600, **claims: Any) -> str:
    """Something in the shape of a JWT."""
    claims["exp"] = int(time.time() + expires_in)
    parts = [{"alg": "none"}, claims, {}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join(part.rstrip("=") for part in encoded)


def client_with(server: TestServer, credential: Any) -> ServiceBusClient:
    """A client with a credential in the place of a connection string."""
    namespace = f"{server.host}:{server.amqp_port}"
    return QuickClient(namespace, credential, use_tls=False, retry_total=0)


def send(client: ServiceBusClient, queue: str) -> None:
    """Sends one message."""
    with client.get_queue_sender(queue) as sender:
        sender.send_messages(ServiceBusMessage("x"))


@pytest.mark.parametrize("wrong", [{"key": "wrong"}, {"key_name": "unknown"}])
def test_a_wrong_key_or_name_is_refused(
    server: TestServer, queue: str, wrong: dict[str, str]
) -> None:
    with server.client(retry_total=0, **wrong) as client:
        with pytest.raises(ServiceBusAuthenticationError):
            send(client, queue)


def test_a_named_key_is_accepted(server: TestServer, queue: str) -> None:
    with client_with(server, AzureNamedKeyCredential(KEY_NAME, KEY)) as client:
        send(client, queue)


def test_a_signature_that_has_expired_is_refused(server: TestServer, queue: str) -> None:
    uri = f"sb://{server.host}:{server.amqp_port}/{queue}"
    expired = generate_sas_token(uri, KEY_NAME, KEY, int(time.time()) - 10)
    with client_with(server, Fixed(expired)) as client:
        with pytest.raises(ServiceBusAuthenticationError):
            send(client, queue)


def test_a_signature_holds_for_its_entity_and_what_is_below(
    server: TestServer, make_queue: Callable[..., str]
) -> None:
    mine, other = make_queue(), make_queue()
    uri = f"sb://{server.host}:{server.amqp_port}/{mine}"
    token = generate_sas_token(uri, KEY_NAME, KEY, int(time.time()) + 60)
    with client_with(server, Fixed(token)) as client:
        send(client, mine)
        with client.get_queue_receiver(mine, sub_queue="deadletter"):
            pass
        with pytest.raises(ServiceBusAuthenticationError):
            send(client, other)


def test_a_signature_for_the_namespace_holds_everywhere(server: TestServer, queue: str) -> None:
    uri = f"sb://{server.host}:{server.amqp_port}/"
    token = generate_sas_token(uri, KEY_NAME, KEY, int(time.time()) + 60)
    with client_with(server, Fixed(token)) as client:
        send(client, queue)


def test_a_policy_allows_only_its_rights(server: TestServer, queue: str) -> None:
    server.admin("PUT", "/sas-rules/sender", {"key": "k", "rights": ["Send"]})
    server.admin("PUT", "/sas-rules/listener", {"key": "k", "rights": ["Listen"]})
    with server.client(key_name="sender", key="k", retry_total=0) as client:
        send(client, queue)
        with pytest.raises(ServiceBusAuthorizationError, match=r"'Listen' claim\(s\)"):
            with client.get_queue_receiver(queue):
                pass
    with server.client(key_name="listener", key="k", retry_total=0) as client:
        with client.get_queue_receiver(queue) as receiver:
            receiver.complete_message(receiver.receive_messages(max_wait_time=2)[0])
        with pytest.raises(ServiceBusError, match=r"'Send' claim\(s\)"):
            send(client, queue)


def test_links_go_on_when_the_token_is_renewed_in_time(
    server: TestServer, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK renews in the last tenth of a token's life, in whole seconds: here, in the last."""
    status = cbs.check_expiration_and_refresh_status
    monkeypatch.setattr(
        cbs, status.__name__, lambda expires, window: status(expires, max(window, 1))
    )
    credential = ShortLived(seconds=3)
    with client_with(server, credential) as client:
        courier = Courier(client, queue)
        with courier.receiver() as receiver, client.get_queue_sender(queue) as sender:
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                sender.send_messages(ServiceBusMessage("x"))
                receiver.complete_message(receiver.receive_messages(max_wait_time=2)[0])
                time.sleep(0.02)
    assert credential.issued > 2


def test_links_are_detached_when_the_token_expires(server: TestServer, queue: str) -> None:
    with client_with(server, ShortLived(seconds=3600)) as client:
        with client.get_queue_receiver(queue) as receiver:
            threading.Timer(0.3, server.fault, ["expire-tokens"]).start()
            with pytest.raises(ServiceBusConnectionError, match="Code: RenewToken") as caught:
                receiver.receive_messages(max_wait_time=5)
            assert "amqp:link:detach-forced" in str(caught.value)
            assert "'Listen' claim(s)" in str(caught.value)


def test_the_condition_of_that_detach_can_be_chosen(server: TestServer, queue: str) -> None:
    with server.client(retry_total=0) as client, client.get_queue_receiver(queue) as receiver:
        server.fault("expire-tokens", condition="amqp:unauthorized-access")
        with pytest.raises(ServiceBusAuthorizationError):
            receiver.receive_messages(max_wait_time=5)


def test_a_client_recovers_from_an_expired_token(server: TestServer, queue: str) -> None:
    with server.client() as client, client.get_queue_receiver(queue) as receiver:
        server.fault("expire-tokens")
        Courier(client, queue).send("after")
        (message,) = receiver.receive_messages(max_wait_time=5)
        receiver.complete_message(message)


def test_a_jwt_is_accepted_only_if_it_was_announced(server: TestServer, queue: str) -> None:
    token = jwt(subject=queue)
    with client_with(server, Fixed(token)) as client:
        with pytest.raises(ServiceBusAuthenticationError):
            send(client, queue)
        server.admin("POST", "/accepted-jwts", {"token": token})
        send(client, queue)


def test_a_jwt_expires_when_it_says_so(server: TestServer, queue: str) -> None:
    token = jwt(expires_in=2)
    server.admin("POST", "/accepted-jwts", {"token": token})
    with client_with(server, Fixed(token)) as client:
        with client.get_queue_receiver(queue) as receiver:
            with pytest.raises(ServiceBusConnectionError, match="Code: RenewToken"):
                receiver.receive_messages(max_wait_time=5)
        with pytest.raises(ServiceBusAuthenticationError):
            send(client, queue)
