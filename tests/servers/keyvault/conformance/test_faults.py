"""Faults on demand, how the SDK takes them, and the counts that tell of it."""

import time
from typing import Any

import pytest
from azure.core.exceptions import (
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.keyvault.keys import KeyVaultKey
from azure.keyvault.keys.crypto import KeyWrapAlgorithm
from azure.keyvault.secrets import SecretClient

from .conftest import TestServer, plain, refusal

WRAP = KeyWrapAlgorithm.rsa_oaep_256
CUT = (ServiceRequestError, ServiceResponseError, IncompleteReadError, HttpResponseError)


def test_throttling_says_when_to_come_back(server: TestServer, key: KeyVaultKey) -> None:
    server.fault("throttle", name=key.name, retry_after_s=7)
    with pytest.raises(HttpResponseError) as caught:
        server.keys().get_key(key.name)
    assert caught.value.response is not None
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "7"
    assert caught.value.error is not None
    assert caught.value.error.code == "Throttled"
    assert server.keys().get_key(key.name).id == key.id


def test_throttling_may_leave_the_time_out(server: TestServer, key: KeyVaultKey) -> None:
    server.fault("throttle", name=key.name, retry_after_s=None)
    with pytest.raises(HttpResponseError) as caught:
        server.keys().get_key(key.name)
    assert caught.value.response is not None
    assert "Retry-After" not in caught.value.response.headers


def test_the_sdk_waits_as_long_as_it_is_told(server: TestServer, key: KeyVaultKey) -> None:
    server.fault("throttle", name=key.name, retry_after_s=1)
    started = time.monotonic()
    assert server.keys(retry_total=1).get_key(key.name).id == key.id
    assert time.monotonic() - started >= 1
    assert server.counts(key.name)["keys/get"] == {"200": 1, "429": 1}


@pytest.mark.parametrize("status", [500, 503, 504])
def test_the_sdk_tries_again_after_a_failure(
    server: TestServer, key: KeyVaultKey, status: int
) -> None:
    server.fault("fail", operation="keys/wrapKey", name=key.name, status=status, count=2)
    client = server.remote(key, retry_total=2, retry_backoff_factor=0.01)
    client.wrap_key(WRAP, b"dek")
    assert server.counts(key.name)["keys/wrapKey"] == {"200": 1, str(status): 2}


def test_a_failure_has_the_code_that_was_chosen(server: TestServer, key: KeyVaultKey) -> None:
    server.fault("fail", name=key.name, status=403, code="Forbidden", message="Client address")
    assert refusal(lambda: server.keys().get_key(key.name)) == (403, "Forbidden", None)


def test_a_reset_before_it_is_done_changes_nothing(
    server: TestServer, secrets: SecretClient, name: str
) -> None:
    secrets.set_secret(name, "one")
    server.fault("reset", operation="secrets/set", name=name)
    with pytest.raises(CUT):
        secrets.set_secret(name, "two")
    assert secrets.get_secret(name).value == "one"
    assert server.counts(name)["secrets/set"] == {"200": 1, "0": 1}


@pytest.mark.parametrize("action", ["reset-after", "cut-body"])
def test_a_reset_after_it_is_done_hides_the_change(
    server: TestServer, secrets: SecretClient, name: str, action: str
) -> None:
    secrets.set_secret(name, "one")
    server.fault(action, operation="secrets/set", name=name)
    with pytest.raises(CUT):
        secrets.set_secret(name, "two")
    assert secrets.get_secret(name).value == "two"


def test_the_sdk_gets_over_a_reset(server: TestServer, key: KeyVaultKey) -> None:
    server.fault("reset", name=key.name)
    client = server.keys(retry_total=1, retry_backoff_factor=0.01)
    assert client.get_key(key.name).id == key.id


def test_a_slow_answer_runs_into_the_timeout(server: TestServer, key: KeyVaultKey) -> None:
    server.fault("delay", name=key.name, delay_ms=1_000)
    with pytest.raises(ServiceResponseError, match="timed out"):
        server.keys(read_timeout=0.2).get_key(key.name)
    assert server.keys().get_key(key.name).id == key.id


def test_a_dripping_answer_arrives_in_the_end(
    server: TestServer, secrets: SecretClient, name: str
) -> None:
    secrets.set_secret(name, "one")
    server.fault("drip", operation="secrets/get", name=name, delay_ms=1)
    started = time.monotonic()
    assert secrets.get_secret(name).value == "one"
    assert time.monotonic() - started > 0.2


def test_an_oversized_answer_is_as_large_as_was_asked_for(
    server: TestServer, key: KeyVaultKey
) -> None:
    server.fault("oversize", name=key.name, body_bytes=300_000, count=2)
    assert server.keys().get_key(key.name).id == key.id
    _, headers, answer = server.raw("GET", f"/keys/{key.name}?api-version=7.6")
    assert int(headers["Content-Length"]) > 300_000
    assert answer["key"]["kid"] == key.id


def test_a_garbled_answer_is_no_json(server: TestServer, key: KeyVaultKey) -> None:
    server.fault("garble", name=key.name)
    with pytest.raises((DecodeError, HttpResponseError)):
        server.keys().get_key(key.name)


def test_a_redirect_can_be_answered(server: TestServer, key: KeyVaultKey) -> None:
    location = "https://localhost:1/stolen"
    server.fault("redirect", name=key.name, location=location)
    with pytest.raises(HttpResponseError) as caught:
        server.keys(permit_redirects=False).get_key(key.name)
    assert caught.value.response is not None
    assert caught.value.response.headers["Location"] == location


def test_faults_strike_what_they_name_as_often_as_they_say(
    server: TestServer, key: KeyVaultKey, name: str
) -> None:
    server.fault("fail", name=f"{name}-other", count=9)
    server.fault("fail", name=key.name, operation="keys/wrapKey", count=2)
    shown = server.admin("GET", "/faults")
    armed = {"action": "fail", "operation": "keys/wrapKey", "name": key.name, "remaining": 2}
    assert armed in shown
    keys, client = server.keys(), server.remote(key)
    assert keys.get_key(key.name)
    assert [refusal(lambda: client.wrap_key(WRAP, b"x"))[0] for _ in range(2)] == [503, 503]
    assert client.wrap_key(WRAP, b"x").encrypted_key


def test_requests_are_counted_by_operation_and_status(server: TestServer, key: KeyVaultKey) -> None:
    client = server.remote(key)
    for _ in range(3):
        client.wrap_key(WRAP, b"x")
    refusal(lambda: client.unwrap_key(WRAP, b"x"))
    counts = server.counts(key.name)
    assert (counts["keys/wrapKey"], counts["keys/unwrapKey"]) == ({"200": 3}, {"400": 1})
    assert "keys/wrapKey" in server.admin("GET", "/requests")


def test_a_request_without_a_token_sets_off_no_fault(server: TestServer, key: KeyVaultKey) -> None:
    server.fault("fail", name=key.name)
    path = f"/keys/{key.name}?api-version=7.6"
    assert server.raw("GET", path, token=None)[0] == 401
    assert server.raw("GET", path)[0] == 503


@pytest.mark.parametrize(
    "fault",
    [
        {},
        [],
        {"action": "unknown"},
        {"action": "fail", "unknown": 1},
        {"action": "fail", "count": 0},
        {"action": "fail", "status": 200},
        {"action": "fail", "operation": "keys/fly"},
        {"action": "redirect"},
        {"action": "throttle", "retry_after_s": "1"},
    ],
)
def test_wrong_faults_are_refused(server: TestServer, fault: Any) -> None:
    url = f"http://{server.host}:{server.admin_port}/faults"
    assert plain(url, "POST", fault, {"X": "y"})[0] == 400
