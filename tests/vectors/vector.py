"""One vector: its deterministic material, its frame, the check of its outcome and its JSON text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from qre1 import (AES, ATTRIBUTE, CHACHA, MAGIC, NAMED, VERSION, WRAPPED, Context, Message, Refused, open_frame, seal,
                  uint)


def stream(seed: str, length: int) -> bytes:
    """`length` bytes that follow from the seed: SHA-256(seed/0) ‖ SHA-256(seed/1) ‖ …"""
    blocks = (hashlib.sha256(f"{seed}/{i}".encode()).digest() for i in range(-(-length // 32)))
    return b"".join(blocks)[:length]


def named(key_id: str | bytes, length: int | None = None) -> bytes:
    raw = key_id.encode() if isinstance(key_id, str) else key_id
    return uint(len(raw) if length is None else length, 1) + raw


def wrapped(*entries: tuple[str | bytes, int | bytes], count: int | None = None) -> bytes:
    """A wrapped-DEK reference; a number stands for that many bytes of wrapped DEK."""
    parts = [uint(len(entries) if count is None else count, 1)]
    for alias, dek in entries:
        blob = stream(f"wrapped DEK/{alias!r}", dek) if isinstance(dek, int) else dek
        parts += [named(alias), uint(len(blob), 2), blob]
    return b"".join(parts)


TAGS = {"environment": 1, "tenant": 2, "queue": 3, "message_type": 4, "content_type": 5, "message_id": 6,
        "session_id": 7, "correlation_id": 8, "reply_to": 9}
BASIC = {"environment": "production", "tenant": "tenant-a", "queue": "orders", "message_id": "msg-0001"}
FULL = BASIC | {"message_type": "order.created", "content_type": "application/json", "session_id": "customer-42",
                "correlation_id": "corr-0001", "reply_to": "orders-replies"}
ATTRIBUTES = (("priority", "high"), ("region", "eu-1"))


def ctx(values: Mapping[str, str | None], attributes: Iterable[tuple[str, str]] = (), /,
        **changes: str | None) -> Context:
    """A context in canonical order; `None` leaves a field out."""
    merged = {name: value for name, value in {**values, **changes}.items() if value is not None}
    plain = sorted((TAGS[name], value.encode()) for name, value in merged.items())
    return (*plain, *sorted((ATTRIBUTE, name.encode(), value.encode()) for name, value in attributes))


BASIC_CONTEXT, FULL_CONTEXT = ctx(BASIC), ctx(FULL, ATTRIBUTES)
KEY_REFS = {NAMED: named("orders-2026a"), WRAPPED: wrapped(("kek-primary", 60), ("kek-standby", 40))}
Profile = tuple[int, int]
PROFILES: tuple[Profile, ...] = ((AES, NAMED), (CHACHA, WRAPPED))
ALL_PROFILES: tuple[Profile, ...] = (*PROFILES, (AES, WRAPPED), (CHACHA, NAMED))
AN, CW = PROFILES
Edit = Callable[[Message, bytes], bytes]


def unchanged(_: Message, frame: bytes) -> bytes:
    return frame


@dataclass(frozen=True)
class Vector:
    """`message` is what was sealed, `frame` what arrives, `receiver_*` what the receiver opens it with."""
    name: str
    comment: str
    expect: str
    message: Message
    frame: bytes
    receiver_context: Context
    receiver_key: bytes

    def as_json(self) -> str:
        m = self.message
        context = [[field[0], *(part.hex() for part in field[1:])] for field in self.receiver_context]
        pairs = {"name": self.name, "comment": self.comment, "suite": m.suite, "encrypted_at": m.encrypted_at,
                 "key": self.receiver_key.hex(), "nonce": m.nonce.hex(), "key_ref": m.key_ref.hex(),
                 "plaintext": m.plaintext.hex(), "context": context, "frame": self.frame.hex(),
                 "expect": self.expect}
        return "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in pairs.items()) + "\n}\n"

    def verify(self) -> None:
        try:
            opened = open_frame(self.frame, self.receiver_key, self.receiver_context)
            outcome = "open" if opened == self.message.plaintext and seal(self.message) == self.frame else "differs"
        except Refused as refusal:
            outcome = str(refusal)
        if outcome != self.expect:
            raise SystemExit(f"{self.name}: expected {self.expect}, got {outcome}")


def case(stem: str, expect: str, comment: str, profile: Profile = AN, *, edit: Edit = unchanged,
         sealer: Callable[[Message], bytes] = seal, forged: dict[int, int] | None = None,
         context: Context = BASIC_CONTEXT, expected: Context | None = None, size: int = 33, wrong_key: bool = False,
         plaintext: bytes | None = None, key_ref: bytes | None = None, encrypted_at: int = 1_767_225_600_000) -> Vector:
    """Seals (with `forged` bytes in the prefix), then edits; `expected` is the receiver's context."""
    suite, mode = profile
    name = f"{stem}-{'aes' if suite == AES else 'chacha'}-{'named' if mode == NAMED else 'wrapped'}"
    prefix = bytearray(MAGIC + bytes([VERSION, suite, mode, 0]))
    for offset, byte in (forged or {}).items():
        prefix[offset] = byte
    message = Message(suite, encrypted_at, stream(f"{name}/key", 32), stream(f"{name}/nonce", 24),
                      KEY_REFS[mode] if key_ref is None else key_ref,
                      stream(f"{name}/plaintext", size) if plaintext is None else plaintext, context, bytes(prefix))
    frame = edit(message, sealer(message))
    receiver_key = stream(f"{name}/another key", 32) if wrong_key else message.key
    return Vector(name, comment, expect, message, frame, context if expected is None else expected, receiver_key)


def other(m: Message) -> Message:
    """A second good message of the same key, context and length."""
    return replace(m, nonce=stream(m.nonce.hex(), 24), plaintext=stream(m.nonce.hex() + "/plaintext", len(m.plaintext)),
                   encrypted_at=m.encrypted_at + 1)


def whole(change: Callable[[bytes], bytes]) -> Edit:
    return lambda _, frame: change(frame)


def put(at: int | Callable[[Message], int], data: bytes) -> Edit:
    def edit(m: Message, frame: bytes) -> bytes:
        offset = at if isinstance(at, int) else at(m)
        return frame[:offset] + data + frame[offset + len(data):]
    return edit


def flip(at: int | Callable[[Message], int], bit: int) -> Edit:
    def edit(m: Message, frame: bytes) -> bytes:
        offset = (at if isinstance(at, int) else at(m)) % len(frame)
        return put(offset, bytes([frame[offset] ^ 1 << bit]))(m, frame)
    return edit


def swap(start: Callable[[Message], int], end: Callable[[Message], int]) -> Edit:
    """Replaces one stretch of the frame with that of another good frame."""
    return lambda m, frame: frame[:start(m)] + seal(other(m))[start(m):end(m)] + frame[end(m):]
