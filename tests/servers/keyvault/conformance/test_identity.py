"""Credentials of azure-identity against the authority and the managed identities."""

import json
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.keys import KeyVaultKey

from .conftest import SCOPE, TENANT, TestServer, plain, refusal, refused


@pytest.fixture
def authority(server: TestServer) -> dict[str, Any]:
    """What a credential must be told to use this authority."""
    return {
        "authority": f"https://{server.host}:{server.authority_port}",
        "connection_verify": server.ca_file,
        "disable_instance_discovery": True,
        "retry_total": 0,
    }


@pytest.fixture
def add_identity(server: TestServer, name: str) -> Callable[..., str]:
    """Makes an identity and returns its client id."""

    def add(**fields: Any) -> str:
        client_id = f"client-of-{name}"
        server.admin("PUT", f"/identities/{client_id}", fields)
        return client_id

    return add


def test_a_client_secret_gets_a_token(
    server: TestServer,
    key: KeyVaultKey,
    authority: dict[str, Any],
    add_identity: Callable[..., str],
) -> None:
    client_id = add_identity(secret="s3cret", permissions={"keys": ["get"]})
    credential = ClientSecretCredential(TENANT, client_id, "s3cret", **authority)
    client = server.keys(credential)
    assert client.get_key(key.name).id == key.id
    assert refusal(lambda: client.rotate_key(key.name))[2] == "AccessDenied"
    client.get_key(key.name)
    assert server.counts(client_id) == {"identity/token": {"200": 1}}


@pytest.mark.parametrize(
    ("tenant", "client_id", "secret", "code"),
    [
        (TENANT, None, "wrong", "AADSTS7000215"),
        (TENANT, "missing", "s3cret", "AADSTS700016"),
        ("22222222-2222-3333-4444-555555555555", None, "s3cret", "tenant name or GUID"),
    ],
)
def test_a_wrong_secret_client_or_tenant_gets_none(
    authority: dict[str, Any],
    add_identity: Callable[..., str],
    tenant: str,
    client_id: str | None,
    secret: str,
    code: str,
) -> None:
    known = add_identity(secret="s3cret")
    credential = ClientSecretCredential(tenant, client_id or known, secret, **authority)
    with pytest.raises((ClientAuthenticationError, ValueError), match=code):
        credential.get_token(SCOPE)


def test_a_token_for_another_resource_does_not_open_the_vault(
    server: TestServer,
    authority: dict[str, Any],
    add_identity: Callable[..., str],
    name: str,
) -> None:
    client_id = add_identity(secret="s3cret")
    credential = ClientSecretCredential(TENANT, client_id, "s3cret", **authority)
    token = credential.get_token("https://management.azure.com/.default").token
    assert server.raw("GET", f"/keys/{name}?api-version=7.6", token=token)[0] == 401


def test_a_short_life_is_told(
    authority: dict[str, Any], add_identity: Callable[..., str], server: TestServer, name: str
) -> None:
    client_id = add_identity(secret="s3cret", token_lifetime_s=0)
    form = (
        f"grant_type=client_credentials&client_id={client_id}&client_secret=s3cret"
        "&scope=https://vault.azure.net/.default"
    )
    status, answer = post_form(server, form)
    assert (status, answer["expires_in"], answer["token_type"]) == (200, 0, "Bearer")
    token = answer["access_token"]
    assert server.raw("GET", f"/keys/{name}?api-version=7.6", token=token)[0] == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("grant_type=password", "unsupported_grant_type"),
        ("grant_type=client_credentials&scope=x", "invalid_scope"),
    ],
)
def test_other_grants_are_refused(server: TestServer, form: str, error: str) -> None:
    status, answer = post_form(server, form)
    assert (status, answer["error"]) == (400, error)


def post_form(server: TestServer, form: str) -> tuple[int, dict[str, Any]]:
    """A token request without the SDK."""
    context = ssl.create_default_context(cafile=server.ca_file)
    url = f"https://{server.host}:{server.authority_port}/{TENANT}/oauth2/v2.0/token"
    status, _, body = plain(url, "POST", form.encode(), {}, context)
    return status, json.loads(body)


def test_an_assertion_gets_a_token(
    server: TestServer,
    key: KeyVaultKey,
    authority: dict[str, Any],
    add_identity: Callable[..., str],
) -> None:
    client_id = add_identity(assertion="a.b.c")
    credential = ClientAssertionCredential(TENANT, client_id, lambda: "a.b.c", **authority)
    assert server.keys(credential).get_key(key.name).id == key.id
    wrong = ClientAssertionCredential(TENANT, client_id, lambda: "a.b.d", **authority)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700213"):
        wrong.get_token(SCOPE)


def test_a_workload_exchanges_the_token_of_its_file(
    server: TestServer,
    key: KeyVaultKey,
    authority: dict[str, Any],
    add_identity: Callable[..., str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "token"
    file.write_text("service.account.token")
    client_id = add_identity(assertion="service.account.token")
    credential = WorkloadIdentityCredential(
        tenant_id=TENANT, client_id=client_id, token_file_path=str(file), **authority
    )
    assert server.keys(credential).get_key(key.name).id == key.id


@pytest.fixture
def imds(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets managed identities be looked for at the server."""
    host = f"http://{server.host}:{server.imds_port}"
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", host)


@pytest.mark.usefixtures("imds")
def test_a_user_assigned_identity_gets_a_token(
    server: TestServer, key: KeyVaultKey, add_identity: Callable[..., str]
) -> None:
    client_id = add_identity(managed=True)
    credential = ManagedIdentityCredential(client_id=client_id, retry_total=0)
    assert server.keys(credential).get_key(key.name).id == key.id
    assert server.counts(client_id) == {"identity/managed": {"200": 1}}


@pytest.mark.usefixtures("imds")
def test_a_system_assigned_identity_gets_a_token(server: TestServer, key: KeyVaultKey) -> None:
    server.admin("PUT", "/identities/system", {"managed": True})
    credential = ManagedIdentityCredential(retry_total=0)
    assert server.keys(credential).get_key(key.name).id == key.id


@pytest.mark.usefixtures("imds")
def test_an_unknown_managed_identity_gets_none(name: str) -> None:
    credential = ManagedIdentityCredential(client_id=name, retry_total=0)
    with pytest.raises(ClientAuthenticationError, match="Identity not found"):
        credential.get_token(SCOPE)


def test_an_app_service_has_its_own_endpoint(
    server: TestServer,
    key: KeyVaultKey,
    add_identity: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client_id = add_identity(managed=True)
    endpoint = f"http://{server.host}:{server.imds_port}/msi/token"
    monkeypatch.setenv("IDENTITY_ENDPOINT", endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", "IDENTITY_HEADER_VALUE")
    credential = ManagedIdentityCredential(client_id=client_id, retry_total=0)
    assert server.keys(credential).get_key(key.name).id == key.id


def test_the_metadata_header_is_required(server: TestServer) -> None:
    base = f"http://{server.host}:{server.imds_port}"
    query = "api-version=2018-02-01&resource=https://vault.azure.net"
    for path in ("/metadata/identity/oauth2/token", "/msi/token"):
        assert refused(partial(plain, f"{base}{path}?{query}")) == 400


def test_an_identity_can_be_removed(
    server: TestServer, authority: dict[str, Any], add_identity: Callable[..., str]
) -> None:
    client_id = add_identity(secret="s3cret")
    server.admin("DELETE", f"/identities/{client_id}")
    with pytest.raises(ClientAuthenticationError, match="AADSTS700016"):
        ClientSecretCredential(TENANT, client_id, "s3cret", **authority).get_token(SCOPE)


def test_the_authority_can_fail(
    server: TestServer, authority: dict[str, Any], add_identity: Callable[..., str]
) -> None:
    client_id = add_identity(secret="s3cret")
    server.fault("fail", operation="identity/token", name=client_id, status=503)
    with pytest.raises(ClientAuthenticationError, match="503"):
        ClientSecretCredential(TENANT, client_id, "s3cret", **authority).get_token(SCOPE)
    # Another credential, because MSAL remembers a failure for a while.
    assert ClientSecretCredential(TENANT, client_id, "s3cret", **authority).get_token(SCOPE).token
