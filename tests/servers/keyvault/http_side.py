"""HTTP and HTTPS on a loopback port: requests in, answers out, and the ways to spoil an answer."""

import json
import logging
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_LOG = logging.getLogger(__name__)
_MAX_BODY_BYTES = 1024 * 1024
_IDLE_SECONDS = 60
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes

    @property
    def base_url(self) -> str:
        """How the caller names the server, which may be through a proxy."""
        return f"https://{self.headers.get('Host', 'localhost')}"


@dataclass(frozen=True)
class Delivery:
    """How an answer gets to the caller, or does not."""

    delay_ms: int = 0
    drip_ms: int = 0
    """The pause before each byte of the body."""
    cut: str = ""
    """`before` resets the connection instead of answering, `mid-body` after half of the body."""


@dataclass
class Answer:
    """One HTTP answer; a body of bytes is sent as it is, everything else as JSON."""

    status: int
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery()

    def body(self) -> bytes:
        """The body as bytes."""
        if isinstance(self.content, bytes):
            return self.content
        return b"" if self.content is None else json.dumps(self.content).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.tls is not None:
            # The handshake is left to the thread of the connection: a silent peer must not keep
            # others out.
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        _LOG.debug("connection of %s ended", client_address, exc_info=True)


def serve(
    answer_to: Callable[[Request], Answer], host: str, port: int, tls: ssl.SSLContext | None = None
) -> int:
    """Answers requests on threads of its own and returns the port."""

    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS
        disable_nagle_algorithm = True
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            if isinstance(self.connection, ssl.SSLSocket):
                self.connection.do_handshake()

        def _answer(self) -> None:
            length = self.headers.get("Content-Length") or "0"
            if not length.isdigit() or int(length) > _MAX_BODY_BYTES:
                self.close_connection = True
                self._send(Answer(413))
                return
            if self.headers.get("Transfer-Encoding"):
                self.close_connection = True
                self._send(Answer(411))
                return
            parts = urlsplit(self.path if not self.path.startswith("//") else f"//{self.path}")
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            body = self.rfile.read(int(length))
            self._send(answer_to(Request(self.command, parts.path, query, self.headers, body)))

        def _send(self, answer: Answer) -> None:
            delivery, body = answer.delivery, answer.body()
            time.sleep(delivery.delay_ms / 1000)
            if delivery.cut == "before":
                self._reset()
                return
            self.send_response(answer.status)
            headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if delivery.cut == "mid-body":
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                self._reset()
            elif delivery.drip_ms:
                self._drip(body, delivery.drip_ms)
            else:
                self.wfile.write(body)

        def _drip(self, body: bytes, pause_ms: int) -> None:
            for byte in body:
                self.wfile.flush()
                time.sleep(pause_ms / 1000)
                self.wfile.write(bytes([byte]))

        def _reset(self) -> None:
            """Ends the connection with a TCP reset, without a word of TLS."""
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            socket.close(self.connection.detach())

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - named by the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Says nothing: the answers say it all, and a path may hold a token."""

    http = _Server((host, port), Handler)
    http.tls = tls
    Thread(target=http.serve_forever, name=f"http-{port}", daemon=True).start()
    return int(http.server_address[1])
