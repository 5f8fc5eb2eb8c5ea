"""Faults that wait for their moment: each strikes a number of times, then is gone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from . import errors
from .http_side import Answer, Delivery
from .operations import OPERATION_IDS
from .settings import SettingsError, check_fields, text, whole_number

IDENTITY_OPERATIONS = frozenset({"identity/token", "identity/managed"})

_FIELDS = frozenset(
    [
        "action",
        "operation",
        "name",
        "count",
        "status",
        "code",
        "message",
        "retry_after_s",
        "delay_ms",
        "body_bytes",
        "location",
        "content",
    ]
)


@dataclass
class Fault:
    """A fault at one operation or any, on one object or any."""

    action: str
    operation: str | None
    name: str | None
    remaining: int
    strike: Callable[[Callable[[], Answer]], Answer]
    """What is answered; it calls its argument when the operation is carried out."""

    def document(self) -> dict[str, Any]:
        """What is shown of it."""
        shown = {"action": self.action, "operation": self.operation, "name": self.name}
        return {**shown, "remaining": self.remaining}


@dataclass
class Faults:
    """The faults that have not struck yet."""

    armed: list[Fault] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def arm(self, document: dict[str, Any]) -> None:
        """Arms a fault from JSON."""
        check_fields(document, _FIELDS)
        operation = document.get("operation")
        if operation is not None and operation not in OPERATION_IDS | IDENTITY_OPERATIONS:
            raise SettingsError(f"unknown operation '{operation}'")
        action = text(document, "action")
        if action not in _ACTIONS:
            raise SettingsError(f"unknown action '{action}'")
        count = whole_number(document, "count", 1, least=1)
        strike = _ACTIONS[action](document)
        with self._lock:
            self.armed.append(Fault(action, operation, document.get("name"), count, strike))

    def clear(self) -> None:
        """Disarms all."""
        with self._lock:
            self.armed.clear()

    def take(self, operation: str, name: str) -> Fault | None:
        """The fault that strikes now, if there is one."""
        with self._lock:
            for fault in self.armed:
                if fault.operation not in (None, operation) or fault.name not in (None, name):
                    continue
                fault.remaining -= 1
                if fault.remaining <= 0:
                    self.armed.remove(fault)
                return fault
        return None


Strike = Callable[[Callable[[], Answer]], Answer]


def _throttle(document: dict[str, Any]) -> Strike:
    error = errors.throttled()
    if document.get("retry_after_s", 1) is None:
        return lambda _act: Answer(429, error.document())
    seconds = whole_number(document, "retry_after_s", 1)
    return lambda _act: Answer(429, error.document(), {"Retry-After": str(seconds)})


def _fail(document: dict[str, Any]) -> Strike:
    status = whole_number(document, "status", 503, least=400)
    code = text(document, "code", "ServiceUnavailable")
    message = text(document, "message", "The service is unavailable for a test.")
    error = errors.ServiceError(status, code, message)
    return lambda _act: Answer(status, error.document())


def _reset(_document: dict[str, Any]) -> Strike:
    return lambda _act: Answer(0, delivery=Delivery(cut="before"))


def _reset_after(_document: dict[str, Any]) -> Strike:
    return lambda act: _delivered(act(), Delivery(cut="before"))


def _cut_body(_document: dict[str, Any]) -> Strike:
    return lambda act: _delivered(act(), Delivery(cut="mid-body"))


def _delay(document: dict[str, Any]) -> Strike:
    delay_ms = whole_number(document, "delay_ms", 1_000)
    return lambda act: _delivered(act(), Delivery(delay_ms=delay_ms))


def _drip(document: dict[str, Any]) -> Strike:
    delay_ms = whole_number(document, "delay_ms", 100, least=1)
    return lambda act: _delivered(act(), Delivery(drip_ms=delay_ms))


def _oversize(document: dict[str, Any]) -> Strike:
    size = whole_number(document, "body_bytes", 8 * 1024 * 1024)

    def strike(act: Callable[[], Answer]) -> Answer:
        answer = act()
        # Valid JSON of a member more, so that nothing but its size is wrong.
        padding = b'{"padding": "' + b"a" * max(0, size - len(answer.body())) + b'", '
        return Answer(answer.status, padding + answer.body().lstrip(b"{"), answer.headers)

    return strike


def _garble(document: dict[str, Any]) -> Strike:
    content = text(document, "content", "<html>not JSON</html>").encode()
    return lambda _act: Answer(200, content)


def _redirect(document: dict[str, Any]) -> Strike:
    location = text(document, "location")
    return lambda _act: Answer(307, headers={"Location": location})


def _delivered(answer: Answer, delivery: Delivery) -> Answer:
    answer.delivery = delivery
    return answer


_ACTIONS: dict[str, Callable[[dict[str, Any]], Strike]] = {
    "throttle": _throttle,
    "fail": _fail,
    "reset": _reset,
    "reset-after": _reset_after,
    "cut-body": _cut_body,
    "delay": _delay,
    "drip": _drip,
    "oversize": _oversize,
    "garble": _garble,
    "redirect": _redirect,
}
