"""What the programs of the tests share: clients of the vendor, and the parts of a wrapped form."""

import hashlib
import hmac
import os
import sys
import time

from azure.core.credentials import AccessToken
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from azure.keyvault.secrets import SecretClient

URL, TOKEN, CA, *ARGS = sys.argv[1:]
HEADER = b"QRE1\x01\0\0\0"


class Given:
    """A token that the test was given."""

    def get_token(self, *_scopes, **_options):
        """The token."""
        return AccessToken(TOKEN, int(time.time()) + 3600)


OPTIONS = {"credential": Given(), "verify_challenge_resource": False, "connection_verify": CA}
keys = KeyClient(URL, **OPTIONS)
secrets = SecretClient(URL, api_version="2025-07-01", **OPTIONS)


def crypto(name, version):
    """A client that wraps and unwraps in the vault."""
    return CryptographyClient(f"{URL}/keys/{name}/{version}", **OPTIONS)


def associated_data(tenant, scope="orders", environment="test"):
    """The context of a wrap, as the format writes it."""
    pairs = [("format", "QRE1"), ("environment", environment), ("tenant", tenant), ("scope", scope)]
    parts = [
        len(name).to_bytes(2, "big") + name.encode() + len(value).to_bytes(4, "big") + value.encode()
        for name, value in pairs
    ]
    return b"".join(parts)


def head(scheme, version, salt=None):
    """What stands before the ciphertext, of version 1."""
    return bytes([scheme]) + (1).to_bytes(4, "big") + bytes.fromhex(version) + (salt or os.urandom(16))


def inner(dek, form_head, tenant):
    """What is wrapped."""
    label = b"sealmq-keys-azure/binding/v1"
    return HEADER + dek + hashlib.sha256(label + form_head + associated_data(tenant)).digest()


def authenticated(form_head, ciphertext, key_id, key, tenant):
    """A form with its MAC."""
    form = form_head + ciphertext + key_id.encode() + bytes([len(key_id)])
    text = b"sealmq-keys-azure/wrap-mac/v1" + len(form).to_bytes(8, "big") + form
    return form + hmac.digest(key, text + associated_data(tenant), "sha256")
