"""Who may do what: shared access signatures, checked for real, and a list of accepted JWTs."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from .broker import address_path

SEND = frozenset({"Send"})
LISTEN = frozenset({"Listen"})
ALL_RIGHTS = SEND | LISTEN | {"Manage"}

_TOKEN_TYPES = ("servicebus.windows.net:sastoken", "jwt")
_SAS_PREFIX = "SharedAccessSignature "


class TokenError(Exception):
    """A token that is refused; the text is the status description of the answer."""


@dataclass(frozen=True)
class Grant:
    """What a valid token allows: rights on every address below a path, until it expires."""

    path: str
    rights: frozenset[str]
    expires_at: float

    def covers(self, address: str) -> bool:
        """Whether the address is the path of the grant or below it."""
        path, wanted = self.path.lower(), address.lower()
        return path == "" or wanted == path or wanted.startswith(path + "/")


@dataclass(frozen=True)
class SasRule:
    """A shared access policy of the namespace."""

    key: str
    rights: frozenset[str] = ALL_RIGHTS


@dataclass
class TokenAuthority:
    """The policies and tokens that the namespace accepts."""

    sas_rules: dict[str, SasRule]
    accepted_jwts: set[str] = field(default_factory=set)

    def check(self, token: str, token_type: str, audience: str) -> Grant:
        """The grant of a token for an audience; raises `TokenError` when it is not valid.

        A signature is known by its looks: some of Microsoft's clients call it a JWT.
        """
        if token_type not in _TOKEN_TYPES:
            raise TokenError(f"UnsupportedTokenType: '{token_type}' is not supported.")
        if token.startswith(_SAS_PREFIX):
            return self._check_sas(token, address_path(audience))
        return self._check_jwt(token, address_path(audience))

    def rights_of(self, rule_name: str, key: str) -> frozenset[str] | None:
        """The rights of a policy when the key is right, as SASL PLAIN asks."""
        rule = self.sas_rules.get(rule_name)
        return rule.rights if rule and hmac.compare_digest(rule.key, key) else None

    def _check_sas(self, token: str, audience: str) -> Grant:
        body = token.removeprefix(_SAS_PREFIX)
        fields = dict(parse_qsl(body, keep_blank_values=True))
        if not {"sr", "sig", "se", "skn"} <= fields.keys() or not fields["se"].isdigit():
            raise TokenError("MalformedToken: The token is malformed.")
        rule = self.sas_rules.get(fields["skn"])
        # The signature covers the resource as it is spelled in the token.
        resource = next(p.removeprefix("sr=") for p in body.split("&") if p.startswith("sr="))
        expected = sas_signature(rule.key if rule else "", resource, fields["se"])
        if rule is None or not hmac.compare_digest(expected, fields["sig"]):
            raise TokenError("InvalidSignature: The token has an invalid signature.")
        grant = Grant(address_path(unquote_plus(resource)), rule.rights, float(fields["se"]))
        if not grant.covers(audience):
            raise TokenError("InvalidAudience: The token is not valid for this audience.")
        return self._unexpired(Grant(audience, grant.rights, grant.expires_at))

    def _check_jwt(self, token: str, audience: str) -> Grant:
        if token not in self.accepted_jwts:
            raise TokenError("InvalidSignature: The token has an invalid signature.")
        return self._unexpired(Grant(audience, ALL_RIGHTS, jwt_expiry(token)))

    @staticmethod
    def _unexpired(grant: Grant) -> Grant:
        if grant.expires_at <= time.time():
            raise TokenError("ExpiredToken: The token is expired.")
        return grant


def sas_signature(key: str, resource: str, expiry: str) -> str:
    """The signature over a resource and an expiry, both as they are spelled in the token."""
    text = f"{resource}\n{expiry}".encode()
    return base64.b64encode(hmac.digest(key.encode(), text, hashlib.sha256)).decode()


def jwt_expiry(token: str) -> float:
    """The expiry that a JWT states, which is all that is read of it."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise TokenError("MalformedToken: The token is malformed.") from error
