"""The server under test, names of its own for every test, and the SDKs in front of both."""

import json
import ssl
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
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys._shared import http_challenge_cache
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared import http_challenge_cache as secrets_challenge_cache

PACKAGE = Path(__file__).resolve().parent.parent
TOKEN = "TOKEN_VALUE"
TENANT = "11111111-2222-3333-4444-555555555555"
SCOPE = "https://vault.azure.net/.default"
API = "api-version=2025-07-01"

_numbers = count(1)


@dataclass
class StaticCredential:
    """A credential that always has the same token, and notes for what it was asked."""

    token: str = TOKEN
    tenant: str | None = None
    scope: str | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The token."""
        self.scope, self.tenant = scopes[0], options.get("tenant_id")
        return AccessToken(self.token, int(time.time()) + 3600)


@dataclass
class TestServer:
    """A running server and its admin side."""

    __test__ = False
    process: subprocess.Popen[str]
    host: str
    port: int
    admin_port: int
    authority_port: int
    imds_port: int
    ca_file: str
    hsm: bool

    @classmethod
    def start(cls, *arguments: str) -> "TestServer":
        """Starts a server on free ports and waits until it is ready."""
        command = [sys.executable, "-m", PACKAGE.name, *arguments]
        process = subprocess.Popen(command, cwd=PACKAGE.parent, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return cls(process, **json.loads(process.stdout.readline()))

    @property
    def url(self) -> str:
        """The address of the vault."""
        return f"https://{self.host}:{self.port}"

    def stop(self) -> None:
        """Stops it as a supervisor would, and checks that it went in good order."""
        self.process.terminate()
        assert self.process.wait(5) == 0

    def admin(self, method: str, path: str, document: Any = None) -> Any:
        """One request to the admin side."""
        _, _, body = plain(f"http://{self.host}:{self.admin_port}{path}", method, document)
        return json.loads(body) if body else None

    def fault(self, action: str, **fields: Any) -> None:
        """Arms a fault."""
        self.admin("POST", "/faults", {"action": action, **fields})

    def counts(self, name: str) -> dict[str, dict[str, int]]:
        """The requests for one object, without those that only ask for the challenge."""
        shown: dict[str, dict[str, int]] = self.admin("GET", f"/requests?name={name}")
        without = {op: {k: v for k, v in by.items() if k != "401"} for op, by in shown.items()}
        return {operation: statuses for operation, statuses in without.items() if statuses}

    def accept(self, **fields: Any) -> StaticCredential:
        """A credential with a new token that the vault accepts."""
        token = f"token-{next(_numbers)}"
        self.admin("POST", "/accepted-tokens", {"token": token, **fields})
        return StaticCredential(token)

    def restricted(self, **permissions: list[str]) -> StaticCredential:
        """A credential that may do no more than this."""
        return self.accept(permissions=permissions)

    def raw(
        self, method: str, path: str, document: Any = None, *, token: str | None = TOKEN
    ) -> tuple[int, Any, Any]:
        """A request without the SDK: status, headers and JSON."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        context = ssl.create_default_context(cafile=self.ca_file)
        url = f"{self.url}{path}"
        status, answered, body = plain(url, method, document, headers, context)
        return status, answered, json.loads(body) if body else None

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return {
            "connection_verify": self.ca_file,
            "verify_challenge_resource": False,
            "retry_total": 0,
            **options,
        }

    def keys(self, credential: Any = None, **options: Any) -> KeyClient:
        """The SDK's client for keys."""
        return KeyClient(self.url, credential or StaticCredential(), **self._options(options))

    def secrets(self, credential: Any = None, **options: Any) -> SecretClient:
        """The SDK's client for secrets."""
        options = {"api_version": "2025-07-01", **options}  # its own default is a later one
        return SecretClient(self.url, credential or StaticCredential(), **self._options(options))

    def remote(
        self, key: KeyVaultKey | str, credential: Any = None, **options: Any
    ) -> CryptographyClient:
        """The SDK's client for operations of a key, all of which it leaves to the vault."""
        identifier = key if isinstance(key, str) else key.id
        client = CryptographyClient(
            identifier, credential or StaticCredential(), **self._options(options)
        )
        client._keys_get_forbidden = True  # else it takes the public key and does half by itself
        return client


def plain(
    url: str,
    method: str = "GET",
    document: Any = None,
    headers: dict[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> tuple[int, Any, bytes]:
    """One request: status, headers and body; a refusal of the admin side is raised."""
    body = document if isinstance(document, bytes) or document is None else json.dumps(document)
    data = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        if context is None and headers is None:
            raise
        return error.code, error.headers, error.read()


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """One server for all tests."""
    started = TestServer.start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def hsm() -> Iterator[TestServer]:
    """A managed HSM for all tests."""
    started = TestServer.start("--hsm")
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Disarms what a test armed and did not set off, and makes the SDKs ask for challenges anew."""
    http_challenge_cache.clear()
    secrets_challenge_cache.clear()
    yield
    if "server" in request.fixturenames:
        request.getfixturevalue("server").admin("DELETE", "/faults")


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"object-{next(_numbers)}"


@pytest.fixture(scope="session")
def keys(server: TestServer) -> KeyClient:
    """The SDK's client for keys, with all permissions."""
    return server.keys()


@pytest.fixture(scope="session")
def secrets(server: TestServer) -> SecretClient:
    """The SDK's client for secrets, with all permissions."""
    return server.secrets()


@pytest.fixture
def key(keys: KeyClient, name: str) -> KeyVaultKey:
    """A key as the service makes one when nothing is chosen."""
    return keys.create_rsa_key(name)


def refused(act: Callable[[], Any]) -> int:
    """The HTTP status of a request to the admin side that must fail."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        act()
    return caught.value.code


def refusal(act: Callable[[], Any]) -> tuple[int, str, str | None]:
    """Status, code and inner code of a request to the vault that must fail."""
    with pytest.raises(HttpResponseError) as caught:
        act()
    assert caught.value.response is not None
    error = json.loads(caught.value.response.text())["error"]
    assert error["message"]
    inner = error.get("innererror", {}).get("code")
    return caught.value.response.status_code, error["code"], inner
