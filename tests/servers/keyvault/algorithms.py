"""The algorithms: wrapping and unwrapping, encrypting and decrypting with one key."""

import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from . import errors
from .key_material import Material, decode

_PADDINGS: dict[str, AsymmetricPadding] = {
    "RSA-OAEP": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
    "RSA-OAEP-256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
    "RSA1_5": padding.PKCS1v15(),
}
_FORWARD = frozenset({"wrapKey", "encrypt"})
_GCM_IV_BYTES = 12
_GCM_TAG_BYTES = 16


def perform(action: str, material: Material, document: dict[str, Any]) -> dict[str, bytes]:
    """Does an operation of a key on a value and returns the members of the result."""
    algorithm, value = document.get("alg"), decode(document, "value")
    try:
        if isinstance(material, rsa.RSAPrivateKey) and algorithm in _PADDINGS:
            return {"value": _rsa(action, material, _PADDINGS[algorithm], value)}
        if isinstance(material, bytes):
            bits = len(material) * 8
            if algorithm == f"A{bits}KW" and action in ("wrapKey", "unwrapKey"):
                return {"value": _key_wrap(action, material, value)}
            if algorithm == f"A{bits}GCM" and action in ("encrypt", "decrypt"):
                return _gcm(action, material, value, document)
    except (ValueError, InvalidUnwrap, InvalidTag) as error:
        # One answer for all failures: more would make an oracle of it.
        raise errors.bad_parameter() from error
    raise errors.bad_parameter("Property alg has invalid value")


def _rsa(action: str, key: rsa.RSAPrivateKey, scheme: AsymmetricPadding, value: bytes) -> bytes:
    if action in _FORWARD:
        return key.public_key().encrypt(value, scheme)
    return key.decrypt(value, scheme)


def _key_wrap(action: str, key: bytes, value: bytes) -> bytes:
    return aes_key_wrap(key, value) if action in _FORWARD else aes_key_unwrap(key, value)


def _gcm(action: str, key: bytes, value: bytes, document: dict[str, Any]) -> dict[str, bytes]:
    associated = decode(document, "aad") if document.get("aad") is not None else None
    if action in _FORWARD:
        iv = secrets.token_bytes(_GCM_IV_BYTES)  # the service chooses it, never the caller
        sealed = AESGCM(key).encrypt(iv, value, associated)
        members = {"value": sealed[:-_GCM_TAG_BYTES], "tag": sealed[-_GCM_TAG_BYTES:], "iv": iv}
        return members if associated is None else {**members, "aad": associated}
    iv, tag = decode(document, "iv"), decode(document, "tag")
    if len(tag) != _GCM_TAG_BYTES:
        raise errors.bad_parameter("Property tag has invalid value")
    return {"value": AESGCM(key).decrypt(iv, value + tag, associated)}
