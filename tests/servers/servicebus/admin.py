"""The HTTP side: entities, faults and keys, changed while the server runs."""

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from . import browsing, errors
from .message_queue import MessageQueue
from .rules import parse_rules
from .server import Server
from .settings import QueueSettings, SettingsError, TopicSettings
from .tokens import ALL_RIGHTS, SasRule, TokenError, jwt_expiry

_TIMEOUT_SECONDS = 10
_MAX_BODY_BYTES = 1024 * 1024

Answer = tuple[int, Any]


class AdminApi:
    """The requests and what they do; runs on the thread of the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        name = r"([^/]+)"
        self._routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", "/health", self._health),
            ("POST", "/reset", self._reset),
            ("POST", "/faults", self._inject),
            ("DELETE", "/faults", self._disarm),
            ("PUT", f"/queues/{name}", self._put_queue),
            ("GET", f"/queues/{name}", self._show),
            ("DELETE", f"/queues/{name}", self._delete),
            ("DELETE", f"/queues/{name}/messages", self._clear),
            ("PUT", f"/topics/{name}", self._put_topic),
            ("DELETE", f"/topics/{name}", self._delete),
            ("PUT", f"/topics/{name}/subscriptions/{name}", self._put_subscription),
            ("GET", f"/topics/{name}/subscriptions/{name}", self._show_subscription),
            ("DELETE", f"/topics/{name}/subscriptions/{name}", self._delete_subscription),
            ("PUT", f"/sas-rules/{name}", self._put_sas_rule),
            ("POST", "/accepted-jwts", self._accept_jwt),
        ]

    def handle(self, method: str, path: str, document: Any) -> Answer:
        """Answers one request."""
        for route_method, pattern, act in self._routes:
            match = re.fullmatch(pattern, path)
            if match and method == route_method:
                names = [unquote(part) for part in match.groups()]
                try:
                    return act(*names, _object(document))
                except (ValueError, KeyError, TypeError, TokenError) as error:
                    return 400, {"error": str(error)}
                except errors.ServiceError as error:
                    return error.status, {"error": error.description}
        return 404, {"error": f"there is no {method} {path}"}

    def _health(self, _document: dict[str, Any]) -> Answer:
        return 200, {"status": "ok", "connections": len(self._server.connections)}

    def _reset(self, _document: dict[str, Any]) -> Answer:
        self._server.reset()
        return 204, None

    def _inject(self, document: dict[str, Any]) -> Answer:
        self._server.inject(document)
        return 204, None

    def _disarm(self, _document: dict[str, Any]) -> Answer:
        self._server.faults.armed.clear()
        return 204, None

    def create_all(self, document: dict[str, Any]) -> None:
        """Creates the entities of a file."""
        for name, settings in document.get("queues", {}).items():
            self._put_queue(name, settings)
        for name, settings in document.get("topics", {}).items():
            subscriptions = settings.pop("subscriptions", {})
            self._put_topic(name, settings)
            for subscription, subscription_settings in subscriptions.items():
                self._put_subscription(name, subscription, subscription_settings)

    def _put_queue(self, name: str, document: dict[str, Any]) -> Answer:
        settings = QueueSettings.parse(document)
        self._server.broker.delete(name)
        self._server.broker.create_queue(name, settings)
        self._server.detach_orphans()
        return 201, asdict(settings)

    def _put_topic(self, name: str, document: dict[str, Any]) -> Answer:
        settings = TopicSettings.parse(document)
        self._server.broker.create_topic(name, settings)
        self._server.detach_orphans()
        return 201, asdict(settings)

    def _put_subscription(self, topic: str, name: str, document: dict[str, Any]) -> Answer:
        document = dict(document)
        rules = parse_rules(document.pop("rules", [True]))
        settings = QueueSettings.parse(document)
        self._server.broker.create_subscription(topic, name, settings, rules)
        self._server.detach_orphans()
        return 201, asdict(settings)

    def _show(self, name: str, _document: dict[str, Any]) -> Answer:
        queue: MessageQueue = self._server.broker.find_queue(name)
        return 200, {"settings": asdict(queue.settings), "counts": browsing.counts(queue)}

    def _show_subscription(self, topic: str, name: str, document: dict[str, Any]) -> Answer:
        return self._show(f"{topic}/Subscriptions/{name}", document)

    def _delete(self, name: str, _document: dict[str, Any]) -> Answer:
        if not self._server.broker.delete(name):
            raise errors.entity_not_found(name)
        self._server.detach_orphans()
        return 204, None

    def _delete_subscription(self, topic: str, name: str, document: dict[str, Any]) -> Answer:
        return self._delete(f"{topic}/Subscriptions/{name}", document)

    def _clear(self, name: str, _document: dict[str, Any]) -> Answer:
        browsing.clear(self._server.broker.find_queue(name))
        return 204, None

    def _put_sas_rule(self, name: str, document: dict[str, Any]) -> Answer:
        rights = frozenset(document.get("rights", ALL_RIGHTS))
        if not rights <= ALL_RIGHTS:
            raise SettingsError(f"rights are some of {sorted(ALL_RIGHTS)}")
        self._server.authority.sas_rules[name] = SasRule(document["key"], rights)
        return 201, {"rights": sorted(rights)}

    def _accept_jwt(self, document: dict[str, Any]) -> Answer:
        token = document["token"]
        jwt_expiry(token)
        self._server.authority.accepted_jwts.add(token)
        return 204, None


def _object(document: Any) -> dict[str, Any]:
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError("the body must be a JSON object")
    return document


def serve(api: AdminApi, host: str, port: int, loop: asyncio.AbstractEventLoop) -> int:
    """Answers HTTP on a thread of its own and returns the port."""

    class Handler(BaseHTTPRequestHandler):
        """One HTTP request: read here, answered on the server's thread."""

        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), _MAX_BODY_BYTES)
            body = self.rfile.read(length)
            try:
                document = json.loads(body) if body else None
                status, content = self._on_loop(urlsplit(self.path).path, document)
            except json.JSONDecodeError as error:
                status, content = 400, {"error": f"not JSON: {error}"}
            answer = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _on_loop(self, path: str, document: Any) -> Answer:
            future: Future[Answer] = Future()

            def run() -> None:
                try:
                    future.set_result(api.handle(self.command, path, document))
                except Exception as error:  # noqa: BLE001 - the caller must get an answer
                    future.set_result((500, {"error": repr(error)}))

            loop.call_soon_threadsafe(run)
            return future.result(_TIMEOUT_SECONDS)

        do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - named by the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Says nothing: the answers say it all."""

    http = ThreadingHTTPServer((host, port), Handler)
    http.daemon_threads = True
    Thread(target=http.serve_forever, name="admin", daemon=True).start()
    return int(http.server_address[1])
