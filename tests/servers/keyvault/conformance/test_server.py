"""The process: how it starts and stops, its certificate, its admin side, many callers at once."""

import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.keyvault.keys import KeyVaultKey
from azure.keyvault.keys.crypto import KeyWrapAlgorithm

from .conftest import PACKAGE, StaticCredential, TestServer, refused


def test_the_authority_is_new_and_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "for-it"
    started = TestServer.start("--folder", str(folder), "--token", "another")
    try:
        assert Path(started.ca_file) == folder / "ca.pem"
        assert started.admin("GET", "/health") == {"status": "ok", "hsm": False}
        started.keys(StaticCredential("another")).create_ec_key("a")
        assert started.raw("GET", "/keys/a?api-version=7.6")[0] == 401
    finally:
        started.stop()


def test_a_temporary_folder_goes_with_the_server() -> None:
    started = TestServer.start()
    folder = Path(started.ca_file).parent
    assert folder.exists()
    started.stop()
    assert not folder.exists()


def test_a_reset_forgets_everything() -> None:
    started = TestServer.start()
    try:
        token = started.accept()
        started.keys(token).create_ec_key("a")
        started.admin("PUT", "/identities/system", {"managed": True})
        started.fault("fail", name="b")
        started.admin("POST", "/reset")
        assert started.admin("GET", "/requests") == {}
        assert started.admin("GET", "/faults") == []
        assert started.raw("GET", "/keys/a?api-version=7.6")[0] == 404
        assert started.raw("GET", "/keys/a?api-version=7.6", token=token.token)[0] == 401
        started.admin("DELETE", "/requests")
        assert refused(partial(started.admin, "DELETE", "/identities/system")) == 404
    finally:
        started.stop()


def test_an_unknown_authority_is_not_trusted(server: TestServer) -> None:
    with pytest.raises(ServiceRequestError, match=r"(?i)certificate"):
        server.keys(connection_verify=True).get_key("a")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "orders.vault.azure.net"])
def test_the_certificate_is_for_the_names_of_the_service(server: TestServer, name: str) -> None:
    context = ssl.create_default_context(cafile=server.ca_file)
    with socket.create_connection((server.host, server.port), timeout=5) as plain_socket:
        with context.wrap_socket(plain_socket, server_hostname=name) as secured:
            assert secured.version() == "TLSv1.3"


def test_a_silent_peer_keeps_nobody_out(server: TestServer, key: KeyVaultKey) -> None:
    with socket.create_connection((server.host, server.port), timeout=5):
        assert server.keys().get_key(key.name).id == key.id


def test_plain_bytes_do_not_disturb(server: TestServer, key: KeyVaultKey) -> None:
    with socket.create_connection((server.host, server.port), timeout=5) as plain_socket:
        plain_socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert server.keys().get_key(key.name).id == key.id


def test_identifiers_name_the_host_that_was_asked(server: TestServer, key: KeyVaultKey) -> None:
    context = ssl.create_default_context(cafile=server.ca_file)
    with socket.create_connection((server.host, server.port), timeout=5) as plain_socket:
        with context.wrap_socket(plain_socket, server_hostname="v.vault.azure.net") as secured:
            secured.sendall(
                f"GET /keys/{key.name}?api-version=7.6 HTTP/1.1\r\nHost: v.vault.azure.net\r\n"
                "Authorization: Bearer TOKEN_VALUE\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b"".join(iter(lambda: secured.recv(65536), b"")).decode()
    assert f"https://v.vault.azure.net/keys/{key.name}/" in answer


@pytest.mark.parametrize(("header", "status"), [("Content-Length: 2000000", 413)])
def test_a_body_has_a_limit(server: TestServer, header: str, status: int) -> None:
    with socket.create_connection((server.host, server.admin_port), timeout=5) as plain_socket:
        plain_socket.sendall(f"POST /faults HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n".encode())
        assert f" {status} ".encode() in plain_socket.recv(65536)


def test_many_callers_are_served_at_once(server: TestServer, key: KeyVaultKey) -> None:
    client, algorithm = server.remote(key), KeyWrapAlgorithm.rsa_oaep_256

    def round_trip(number: int) -> bool:
        dek = bytes([number] * 32)
        wrapped = client.wrap_key(algorithm, dek).encrypted_key
        return bool(client.unwrap_key(algorithm, wrapped).key == dek)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(round_trip, range(64)))
    assert server.counts(key.name)["keys/unwrapKey"] == {"200": 64}


def test_concurrent_rotations_make_a_version_each(server: TestServer, name: str) -> None:
    keys = server.keys()
    keys.create_ec_key(name)
    with ThreadPoolExecutor(8) as pool:
        made = {key.id for key in pool.map(lambda _: keys.rotate_key(name), range(16))}
    versions = list(keys.list_properties_of_key_versions(name))
    assert (len(made), len(versions)) == (16, 17)


def test_unknown_admin_paths_are_not_found(server: TestServer) -> None:
    assert refused(lambda: server.admin("GET", "/unknown")) == 404
    assert refused(lambda: server.admin("DELETE", "/accepted-tokens/unknown")) == 404


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("POST", "/accepted-tokens", {}),
        ("POST", "/accepted-tokens", {"token": "t", "unknown": 1}),
        ("POST", "/accepted-tokens", {"token": "t", "expires_in_s": -1}),
        ("POST", "/accepted-tokens", {"token": "t", "permissions": {"keys": ["fly"]}}),
        ("POST", "/accepted-tokens", {"token": "t", "permissions": {"certificates": []}}),
        ("POST", "/accepted-tokens", {"token": "t", "permission_model": "none"}),
        ("PUT", "/identities/a", {"managed": 1}),
        ("PUT", "/identities/a", {"secret": ""}),
        ("POST", "/faults", b"not JSON"),
    ],
)
def test_wrong_settings_are_refused(
    server: TestServer, method: str, path: str, document: Any
) -> None:
    assert refused(lambda: server.admin(method, path, document)) == 400


@pytest.mark.parametrize("arguments", [["--host", "0.0.0.0"], ["--unknown"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    command = [sys.executable, "-m", PACKAGE.name, *arguments]
    finished = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, timeout=20)
    assert finished.returncode == 2
