"""Seals and opens QRE1 frames: the second, independent implementation, made for the test vectors.

`seal` is deliberately able to break single rules. Neither half is meant for production.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

MAGIC, VERSION, AES, CHACHA, NAMED, WRAPPED = b"QRE1", 1, 0x01, 0x02, 0b01, 0b10
AEADS: dict[int, type[AESGCM] | type[ChaCha20Poly1305]] = {AES: AESGCM, CHACHA: ChaCha20Poly1305}
LABELS = (b"QRE1/context", b"QRE1/message")
FIXED_END, COMMITMENT_LEN, TAG_LEN, MAX_HEADER, MAX_U16 = 42, 32, 16, 8192, 65_535
QUEUE, MESSAGE_ID, ATTRIBUTE = 3, 6, 64

Field = tuple[int, bytes] | tuple[int, bytes, bytes]
Context = tuple[Field, ...]


class Refused(Exception):
    """A frame or a context was refused; `str()` is the name of the expected outcome."""


def uint(value: int, length: int) -> bytes:
    return value.to_bytes(length, "big")


def field_value(field: Field) -> bytes:
    """The TLV value: an attribute nests its length-prefixed name and value."""
    return field[1] if len(field) == 2 else b"".join(uint(len(p), 2) + p for p in field[1:])


def encode_context(fields: Context) -> bytes:
    """Ordered TLV without the builder's rules, so that a flawed sealer can be imitated."""
    values = [(field[0], field_value(field)) for field in fields]
    return b"".join(uint(tag, 1) + uint(len(value), 2) + value for tag, value in values)


def has_control(text: str) -> bool:
    return any(char < " " or "\x7f" <= char <= "\x9f" for char in text)


def check_context(fields: Context) -> None:
    tags = [field[0] for field in fields]
    names = [field[1] for field in fields if field[0] == ATTRIBUTE]
    if tags != sorted(tags) or names != sorted(names):
        raise ValueError("vector's context is not in canonical order")
    if QUEUE not in tags or MESSAGE_ID not in tags or b"" in names or len(set(names)) < len(names):
        raise Refused("InvalidContext")
    if (QUEUE, b"") in fields or (MESSAGE_ID, b"") in fields:
        raise Refused("InvalidContext")
    if any(b"," in name or has_control(name.decode()) for name in names):
        raise Refused("InvalidContext")
    if any(max(map(len, field[1:])) > MAX_U16 or len(field_value(field)) > MAX_U16 for field in fields):
        raise Refused("InvalidContext")


def derive(key: bytes, fixed: bytes, context: bytes, labels: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """The message key and the commitment to it."""
    ctx_hash = hashlib.sha256(labels[0] + fixed + context).digest()
    okm = HKDFExpand(SHA256(), 64, labels[1] + ctx_hash).derive(key)
    return okm[:32], okm[32:]


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
    derived = derive(m.key, m.fixed if bound is None else bound, context, labels)
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
            text = raw.decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise Refused("Malformed") from None
        require(not has_control(text))
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
