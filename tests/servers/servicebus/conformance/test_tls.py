"""TLS: the same service behind a certificate, and one that wants a certificate of the client."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.servicebus import ServiceBusMessage, TransportType
from azure.servicebus.exceptions import ServiceBusError

from .conftest import KEY, KEY_NAME, Courier, QuickClient, TestServer


@dataclass
class Authority:
    """A certificate authority with a certificate for each side, as files."""

    ca: Path
    server_cert: Path
    server_key: Path
    client_pem: Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority of its own."""
    folder = tmp_path_factory.mktemp("tls")
    files = Authority(*(folder / name for name in ("ca.pem", "cert.pem", "key.pem", "client.pem")))
    made = trustme.CA()
    made.cert_pem.write_to_path(files.ca)
    issued = made.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(files.server_key)
    for number, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(files.server_cert, append=number > 0)
    made.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(
        files.client_pem
    )
    return files


def connect(server: TestServer, **options: Any) -> Any:
    """A client that speaks TLS on a port other than the service's."""
    string = f"Endpoint=sb://localhost;SharedAccessKeyName={KEY_NAME};SharedAccessKey={KEY}"
    return QuickClient.from_connection_string(
        string,
        custom_endpoint_address=f"sb://localhost:{server.amqp_port}",
        transport_type=TransportType.Amqp,
        retry_total=0,
        **options,
    )


@pytest.fixture(scope="module")
def tls_server(authority: Authority) -> Iterator[TestServer]:
    """A server with a certificate."""
    started = TestServer.start(
        "--tls-cert", str(authority.server_cert), "--tls-key", str(authority.server_key)
    )
    started.admin("PUT", "/queues/q", {})
    yield started
    started.stop()


def test_messages_go_over_tls(tls_server: TestServer, authority: Authority) -> None:
    with connect(tls_server, connection_verify=str(authority.ca)) as client:
        body = b"x" * 100_000
        with client.get_queue_sender("q") as sender:
            sender.send_messages(ServiceBusMessage(body))
        assert Courier(client, "q").drain() == [body.decode()]


def test_an_unknown_authority_is_not_trusted(tls_server: TestServer) -> None:
    with connect(tls_server) as client, pytest.raises(ServiceBusError):
        with client.get_queue_sender("q"):
            pass


def test_a_client_certificate_can_be_required(authority: Authority) -> None:
    server = TestServer.start(
        "--tls-cert",
        str(authority.server_cert),
        "--tls-key",
        str(authority.server_key),
        "--tls-client-ca",
        str(authority.ca),
    )
    try:
        server.admin("PUT", "/queues/q", {})
        with connect(server, connection_verify=str(authority.ca)) as client:
            with pytest.raises(ServiceBusError):
                with client.get_queue_sender("q"):
                    pass
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.load_cert_chain(authority.client_pem)
        with connect(server, ssl_context=context) as client:
            with client.get_queue_sender("q") as sender:
                sender.send_messages(ServiceBusMessage("with a certificate"))
    finally:
        server.stop()


def test_plain_bytes_do_not_disturb_a_tls_server(
    tls_server: TestServer, authority: Authority
) -> None:
    with socket.create_connection((tls_server.host, tls_server.amqp_port), timeout=5) as plain:
        plain.sendall(b"AMQP\x00\x01\x00\x00")
    with connect(tls_server, connection_verify=str(authority.ca)) as client:
        with client.get_queue_sender("q") as sender:
            sender.send_messages(ServiceBusMessage("x"))
