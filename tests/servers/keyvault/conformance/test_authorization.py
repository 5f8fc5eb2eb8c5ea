"""Tokens: the challenge, what is accepted, and what a caller with few permissions may do."""

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys.crypto import KeyWrapAlgorithm
from azure.keyvault.secrets import SecretClient

from .conftest import API, SCOPE, TENANT, StaticCredential, TestServer, refusal

WRAP = KeyWrapAlgorithm.rsa_oaep_256
DENIED = (403, "Forbidden", "AccessDenied")


def test_the_challenge_names_tenant_and_resource(server: TestServer, name: str) -> None:
    status, headers, answer = server.raw("GET", f"/keys/{name}?{API}", token=None)
    assert (status, answer["error"]["code"]) == (401, "Unauthorized")
    assert headers["WWW-Authenticate"] == (
        f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", '
        'resource="https://vault.azure.net"'
    )


def test_the_sdk_takes_tenant_and_scope_from_the_challenge(
    server: TestServer, key: KeyVaultKey
) -> None:
    credential = StaticCredential()
    assert server.keys(credential).get_key(key.name).id == key.id
    assert (credential.tenant, credential.scope) == (TENANT, SCOPE)


def test_the_sdk_finds_that_the_resource_is_not_of_this_host(server: TestServer) -> None:
    with pytest.raises(ValueError, match="does not match the requested domain"):
        server.keys(verify_challenge_resource=True).get_key("any")


def test_an_unknown_token_is_refused(server: TestServer, name: str) -> None:
    with pytest.raises(ClientAuthenticationError):
        server.keys(StaticCredential("unknown")).get_key(name)


def test_a_token_is_accepted_until_it_expires(server: TestServer, key: KeyVaultKey) -> None:
    assert server.keys(server.accept()).get_key(key.name).id == key.id
    with pytest.raises(ClientAuthenticationError):
        server.keys(server.accept(expires_in_s=0)).get_key(key.name)


def test_a_token_can_be_revoked(server: TestServer, key: KeyVaultKey) -> None:
    credential = server.accept()
    client = server.keys(credential)
    client.get_key(key.name)
    server.admin("DELETE", f"/accepted-tokens/{credential.token}")
    with pytest.raises(ClientAuthenticationError):
        client.get_key(key.name)


def test_a_token_for_another_audience_is_refused(server: TestServer, name: str) -> None:
    credential = server.accept(audience="https://management.azure.com")
    with pytest.raises(ClientAuthenticationError, match="AKV10022"):
        server.keys(credential).get_key(name)


def test_another_scheme_is_no_token(server: TestServer, name: str) -> None:
    assert server.raw("GET", f"/keys/{name}?{API}", token="")[0] == 401


KEY_CALLS: dict[str, Callable[[KeyClient, str], Any]] = {
    "get": lambda client, name: client.get_key(name),
    "list": lambda client, name: list(client.list_properties_of_key_versions(name)),
    "update": lambda client, name: client.update_key_properties(name, tags={"a": "b"}),
    "create": lambda client, name: client.create_ec_key(f"{name}-new"),
    "rotate": lambda client, name: client.rotate_key(name),
    "delete": lambda client, name: client._client.delete_key(name),
    "recover": lambda client, name: client._client.recover_deleted_key(name),
    "purge": lambda client, name: client._client.purge_deleted_key(name),
}


@pytest.mark.parametrize("permission", sorted(KEY_CALLS))
def test_a_key_permission_allows_its_operation_and_no_other(
    server: TestServer, keys: KeyClient, name: str, permission: str
) -> None:
    keys.create_ec_key(name)
    if permission in ("recover", "purge"):
        keys._client.delete_key(name)
    call = KEY_CALLS[permission]
    others = sorted(KEY_CALLS.keys() - {permission})
    without = server.keys(server.restricted(keys=others))
    assert refusal(lambda: call(without, name)) == DENIED
    call(server.keys(server.restricted(keys=[permission])), name)


SECRET_CALLS: dict[str, Callable[[SecretClient, str], Any]] = {
    "get": lambda client, name: client.get_secret(name),
    "list": lambda client, _name: list(client.list_properties_of_secrets()),
    "set": lambda client, name: client.set_secret(name, "two"),
    "delete": lambda client, name: client._client.delete_secret(name),
    "recover": lambda client, name: client._client.recover_deleted_secret(name),
    "purge": lambda client, name: client._client.purge_deleted_secret(name),
}


@pytest.mark.parametrize("permission", sorted(SECRET_CALLS))
def test_a_secret_permission_allows_its_operation_and_no_other(
    server: TestServer, secrets: SecretClient, name: str, permission: str
) -> None:
    secrets.set_secret(name, "one")
    if permission in ("recover", "purge"):
        secrets._client.delete_secret(name)
    call = SECRET_CALLS[permission]
    others = sorted(SECRET_CALLS.keys() - {permission})
    without = server.secrets(server.restricted(secrets=others))
    assert refusal(lambda: call(without, name)) == DENIED
    call(server.secrets(server.restricted(secrets=[permission])), name)


def test_a_producer_needs_to_wrap_and_nothing_else(server: TestServer, key: KeyVaultKey) -> None:
    producer = server.remote(key, server.restricted(keys=["wrapKey"]))
    consumer = server.remote(key, server.restricted(keys=["unwrapKey"]))
    wrapped = producer.wrap_key(WRAP, b"dek").encrypted_key
    assert consumer.unwrap_key(WRAP, wrapped).key == b"dek"
    assert refusal(lambda: producer.unwrap_key(WRAP, wrapped)) == DENIED
    assert refusal(lambda: consumer.wrap_key(WRAP, b"dek")) == DENIED


def test_without_get_the_sdk_leaves_the_work_to_the_vault(
    server: TestServer, key: KeyVaultKey
) -> None:
    client = server.remote(key, server.restricted(keys=["wrapKey"]))
    client._keys_get_forbidden = False
    client.wrap_key(WRAP, b"dek")
    assert server.counts(key.name)["keys/get"] == {"403": 1}
    assert server.counts(key.name)["keys/wrapKey"] == {"200": 1}


def test_a_refusal_names_caller_and_permission(server: TestServer, key: KeyVaultKey) -> None:
    credential = server.accept(permissions={}, caller="orders")
    text = r"appid=orders;.* does not have keys get permission"
    with pytest.raises(Exception, match=text):
        server.keys(credential).get_key(key.name)


def test_a_refusal_by_role_names_the_action(server: TestServer, key: KeyVaultKey) -> None:
    credential = server.accept(permissions={"keys": ["get"]}, permission_model="rbac")
    client = server.remote(key, credential)
    by_role = (403, "Forbidden", "ForbiddenByRbac")
    assert refusal(lambda: client.wrap_key(WRAP, b"dek")) == by_role
    with pytest.raises(Exception, match=r"Action: 'Microsoft.KeyVault/vaults/keys/wrap/action'"):
        client.wrap_key(WRAP, b"dek")


def test_who_may_not_look_learns_nothing_of_what_is_there(
    server: TestServer, key: KeyVaultKey, name: str
) -> None:
    client = server.keys(server.restricted(keys=["list"]))
    assert refusal(lambda: client.get_key(key.name)) == DENIED
    assert refusal(lambda: client.get_key(f"{name}-missing")) == DENIED


@pytest.mark.parametrize("version", ["7.0", "7.4", "7.6", "7.6-preview.2", "2025-07-01"])
def test_api_versions_that_are_accepted(server: TestServer, key: KeyVaultKey, version: str) -> None:
    assert server.raw("GET", f"/keys/{key.name}?api-version={version}")[0] == 200


@pytest.mark.parametrize("query", ["", "api-version=", "api-version=6.0", "api-version=2016-10-01"])
def test_api_versions_that_are_not(server: TestServer, key: KeyVaultKey, query: str) -> None:
    status, _, answer = server.raw("GET", f"/keys/{key.name}?{query}")
    assert (status, answer["error"]["code"]) == (400, "BadParameter")


def test_an_unknown_path_is_no_operation(server: TestServer, key: KeyVaultKey) -> None:
    assert server.raw("POST", f"/keys/{key.name}/fly?{API}")[0] == 400
    assert server.raw("GET", f"/certificates?{API}")[0] == 400
