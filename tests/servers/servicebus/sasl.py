"""The SASL layer: anonymous connections, and those that bring a policy's name and key."""

from collections.abc import Callable

from proton import Data, symbol, ubyte

from . import wire
from .frames import SASL_HEADER, FramingError, sasl_fields, sasl_frame

_MECHANISMS = ("MSSBCBS", "PLAIN", "ANONYMOUS")
_SASL_MECHANISMS = 0x40
_SASL_INIT = 0x41
_SASL_OUTCOME = 0x44
_OK, _AUTH_FAILED = 0, 1

CheckPlain = Callable[[str, str], frozenset[str] | None]


class SaslLayer:
    """One negotiation, from the client's header to the outcome."""

    def __init__(self, check_plain: CheckPlain) -> None:
        self._check_plain = check_plain
        self._header_seen = False
        self.done = False
        self.failed = False
        self.rights: frozenset[str] = frozenset()
        """What the connection may do without tokens."""

    def receive(self, unit: bytes) -> bytes:
        """Takes a header or a frame of the client and returns the answer."""
        if not self._header_seen:
            self._header_seen = True
            if unit != SASL_HEADER:
                self.failed = True
                return SASL_HEADER
            mechanisms = wire.array(Data.SYMBOL, [symbol(name) for name in _MECHANISMS])
            return SASL_HEADER + sasl_frame(_SASL_MECHANISMS, [mechanisms])
        code, fields = sasl_fields(unit)
        if code != _SASL_INIT:
            raise FramingError("a SASL initiation was due")
        accepted = self._accepts(str(fields[0]), fields[1] if len(fields) > 1 else None)
        self.done, self.failed = accepted, not accepted
        return sasl_frame(_SASL_OUTCOME, [ubyte(_OK if accepted else _AUTH_FAILED)])

    def _accepts(self, mechanism: str, response: bytes | None) -> bool:
        if mechanism != "PLAIN":
            return mechanism in _MECHANISMS
        parts = (response or b"").split(b"\0")
        if len(parts) != 3:
            return False
        rights = self._check_plain(parts[1].decode(), parts[2].decode())
        self.rights = rights or frozenset()
        return rights is not None
