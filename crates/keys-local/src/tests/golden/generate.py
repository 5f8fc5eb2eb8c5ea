"""Makes the golden keyrings by a second implementation, from the documentation of FileKeyring alone.

Run once; the files are kept for ever: `python3 generate.py`. Needs the `cryptography` package.
"""

import base64
import json
import os
import pathlib
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

HERE = pathlib.Path(__file__).parent
PASSPHRASE = "correct horse battery staple"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def key(byte: int) -> bytes:
    return bytes([byte]) * 32


PAYLOAD = {
    "current_key": "orders-2",
    "named_keys": [
        {"id": "orders-2", "key": b64(key(0x22))},
        {"id": "orders-1", "key": b64(key(0x11))},
    ],
    "retired_keys": ["orders-0"],
    "tenants": [
        {
            "tenant": "acme \"ü\"",
            "versions": [
                {"version": 1, "key": b64(key(0xA1))},
                {"version": 2, "key": b64(key(0xA2))},
            ],
        }
    ],
    "shredded_tenants": ["gone"],
}


def write(name: str, document: dict) -> None:
    (HERE / name).write_text(json.dumps(document, indent=2))


def pairs(*items: tuple[str, str]) -> bytes:
    data = b""
    for name, value in items:
        n, v = name.encode(), value.encode()
        data += struct.pack(">H", len(n)) + n + struct.pack(">I", len(v)) + v
    return data


def wrapped(version: int, kek: bytes, dek: bytes, context: bytes) -> bytes:
    nonce = os.urandom(12)
    label = b"sealmq-keys-local/kek-wraps-dek/aes-256-gcm/v1"
    head = struct.pack(">I", version)
    return head + nonce + AESGCM(kek).encrypt(nonce, dek, label + head + context)


write(
    "v1-in-the-clear.json",
    {"format": "sealmq-keyring", "version": 1, "protection": "none", "payload": PAYLOAD},
)

memory, iterations, lanes, salt, nonce = 19 * 1024, 2, 1, os.urandom(16), os.urandom(12)
derived = Argon2id(
    salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory
).derive(PASSPHRASE.encode())
aad = b"sealmq-keyring/v1/argon2id/aes-256-gcm" + struct.pack(">III", memory, iterations, lanes) + salt
write(
    "v1-passphrase.json",
    {
        "format": "sealmq-keyring",
        "version": 1,
        "protection": "passphrase",
        "kdf": {
            "algorithm": "argon2id",
            "memory_kib": memory,
            "iterations": iterations,
            "parallelism": lanes,
            "salt": b64(salt),
        },
        "aead": {"algorithm": "aes-256-gcm", "nonce": b64(nonce)},
        "payload": b64(AESGCM(derived).encrypt(nonce, json.dumps(PAYLOAD).encode(), aad)),
    },
)

context = pairs(
    ("format", "QRE1"), ("environment", "test"), ("tenant", "acme \"ü\""), ("scope", "orders")
)
write("v1-wrapped-dek.json", {"wrapped": wrapped(1, key(0xA1), key(0xDE), context).hex()})
