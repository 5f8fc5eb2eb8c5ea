"""Writes the QRE1 test vectors from a second, independent implementation of the frame.

Usage: python generate.py OUT_DIR

Every byte follows from the vectors' names, so two runs give identical files. Each vector is opened
again by the strict reader below before it is written; a surprise stops the run.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

MAGIC, VERSION, AES, CHACHA, NAMED, WRAPPED = b"QRE1", 1, 0x01, 0x02, 0b01, 0b10
AEADS = {AES: AESGCM, CHACHA: ChaCha20Poly1305}
FIXED_END, COMMITMENT_LEN, TAG_LEN, MAX_HEADER, MAX_U16 = 42, 32, 16, 8192, 65_535
QUEUE, MESSAGE_ID, ATTRIBUTE = 3, 6, 64

Field = tuple[int, bytes] | tuple[int, bytes, bytes]
Context = tuple[Field, ...]


class Refused(Exception):
    """A frame or a context was refused; `str()` is the expected outcome's name."""


# ---- the format ---------------------------------------------------------------------------------

def uint(value: int, length: int) -> bytes:
    return value.to_bytes(length, "big")


def field_value(field: Field) -> bytes:
    """The TLV value: an attribute nests its length-prefixed name and value."""
    return field[1] if len(field) == 2 else b"".join(uint(len(p), 2) + p for p in field[1:])


def encode_context(fields: Context) -> bytes:
    """Ordered TLV without the builder's rules, so that a flawed sealer can be imitated."""
    values = [(field[0], field_value(field)) for field in fields]
    return b"".join(uint(tag, 1) + uint(len(value), 2) + value for tag, value in values)


def check_context(fields: Context) -> None:
    tags = [field[0] for field in fields]
    names = [field[1] for field in fields if field[0] == ATTRIBUTE]
    if tags != sorted(tags) or names != sorted(names):
        raise ValueError("vector's context is not in canonical order")
    if QUEUE not in tags or MESSAGE_ID not in tags or b"" in names or len(set(names)) < len(names):
        raise Refused("InvalidContext")
    if any(max(map(len, field[1:])) > MAX_U16 or len(field_value(field)) > MAX_U16 for field in fields):
        raise Refused("InvalidContext")


def derive(key: bytes, fixed: bytes, context: bytes, labels: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """The message key and the commitment to it."""
    ctx_hash = hashlib.sha256(labels[0] + fixed + context).digest()
    okm = HKDFExpand(SHA256(), 64, labels[1] + ctx_hash).derive(key)
    return okm[:32], okm[32:]


LABELS = (b"QRE1/context", b"QRE1/message")


@dataclass(frozen=True)
class Message:
    """What the sealer is given; `prefix` is the frame's first eight bytes."""
    suite: int
    encrypted_at: int
    key: bytes
    nonce: bytes
    key_ref: bytes
    plaintext: bytes
    context: Context
    prefix: bytes

    @property
    def fixed(self) -> bytes:
        return self.prefix + uint(self.encrypted_at, 8) + self.nonce

    @property
    def commitment_at(self) -> int:
        return FIXED_END + len(self.key_ref)

    @property
    def header_len(self) -> int:
        return self.commitment_at + COMMITMENT_LEN

    @property
    def tag_at(self) -> int:
        return self.header_len + len(self.plaintext)


def seal(m: Message, *, bound: bytes | None = None, context: bytes | None = None, aead: int | None = None,
         labels: tuple[bytes, bytes] = LABELS, aead_nonce: bytes = bytes(12), aad: bytes | None = None,
         message_key: bytes | None = None, commitment: bytes | None = None) -> bytes:
    """The frame; each keyword makes the sealer deviate from the format in that one step."""
    context = encode_context(m.context) if context is None else context
    derived = derive(m.key, bound or m.fixed, context, labels)
    message_key, commitment = message_key or derived[0], commitment or derived[1]
    aad = m.fixed + commitment if aad is None else aad
    body = AEADS[aead or m.suite](message_key).encrypt(aead_nonce, m.plaintext, aad)
    return m.prefix + uint(m.header_len, 2) + m.fixed[8:] + m.key_ref + commitment + body


def require(condition: bool, outcome: str = "Malformed") -> None:
    if not condition:
        raise Refused(outcome)


class Reader:
    """A cursor that refuses to run over the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def take(self, length: int) -> bytes:
        require(self.at + length <= len(self.data))
        self.at += length
        return self.data[self.at - length:self.at]

    def length(self, size: int, most: int) -> int:
        value = int.from_bytes(self.take(size), "big")
        require(1 <= value <= most)
        return value

    def text(self) -> bytes:
        raw = self.take(self.length(1, 64))
        try:
            require(all(unicodedata.category(char) != "Cc" for char in raw.decode("utf-8", "strict")))
        except UnicodeDecodeError:
            raise Refused("Malformed") from None
        return raw


def key_reference_end(frame: bytes, mode: int) -> int:
    reader = Reader(frame, FIXED_END)
    if mode == NAMED:
        reader.text()
        return reader.at
    aliases = []
    for _ in range(reader.length(1, 4)):
        aliases.append(reader.text())
        reader.take(reader.length(2, 4096))
    require(len(set(aliases)) == len(aliases))
    return reader.at


def open_frame(frame: bytes, key: bytes, context: Context) -> bytes:
    """The plaintext, or `Refused`; the order of the checks is part of the format."""
    check_context(context)
    require(frame.startswith(MAGIC), "NotAFrame")
    require(len(frame) > 4)
    require(frame[4] == VERSION, "UnsupportedVersion")
    require(len(frame) >= FIXED_END)
    suite, flags, reserved, header_len = frame[5], frame[6], frame[7], int.from_bytes(frame[8:10], "big")
    require(flags in (NAMED, WRAPPED))
    require(reserved == 0)
    require(suite in AEADS, "UnsupportedSuite")
    require(header_len <= MAX_HEADER)
    commitment_at = key_reference_end(frame, flags)
    require(header_len == commitment_at + COMMITMENT_LEN)
    require(len(frame) >= header_len + TAG_LEN)
    fixed, commitment = frame[:8] + frame[10:FIXED_END], frame[commitment_at:header_len]
    message_key, expected = derive(key, fixed, encode_context(context), LABELS)
    require(hmac.compare_digest(commitment, expected), "AuthenticationFailed")
    try:
        return AEADS[suite](message_key).decrypt(bytes(12), frame[header_len:], fixed + commitment)
    except InvalidTag:
        raise Refused("AuthenticationFailed") from None


# ---- material for the vectors -------------------------------------------------------------------

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


def ctx(values: dict[str, str | None], attributes: Iterable[tuple[str, str]] = (), **changes: str | None) -> Context:
    """A context in canonical order; `None` leaves a field out."""
    merged = {name: value for name, value in (values | changes).items() if value is not None}
    plain = sorted((TAGS[name], value.encode()) for name, value in merged.items())
    return (*plain, *sorted((ATTRIBUTE, name.encode(), value.encode()) for name, value in attributes))


FULL_CONTEXT = ctx(FULL, ATTRIBUTES)
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
                 "plaintext": m.plaintext.hex(), "context": context, "frame": self.frame.hex(), "expect": self.expect}
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
         context: Context = ctx(BASIC), expected: Context | None = None, size: int = 33, wrong_key: bool = False,
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


# ---- the conditions -----------------------------------------------------------------------------
