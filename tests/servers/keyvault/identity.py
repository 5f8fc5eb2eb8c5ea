"""Where credentials get tokens: an authority for applications, and managed identities."""

import hmac
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from .http_side import Answer, Request
from .key_material import encode
from .permissions import Permissions
from .service import Desk
from .settings import ServerSettings
from .tokens import Grant, TokenAuthority

SYSTEM_ASSIGNED = "system"
APP_SERVICE_HEADER = "IDENTITY_HEADER_VALUE"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_DISCOVERY = "v2.0/.well-known/openid-configuration"


@dataclass(frozen=True)
class Identity:
    """An application or a managed identity that may ask for tokens."""

    client_id: str
    secret: str | None = None
    assertion: str | None = None
    """The token of a federated workload, compared as it is."""
    managed: bool = False
    token_lifetime_s: int = 3_600
    permissions: Permissions = field(default_factory=Permissions)


class IdentityError(Exception):
    """A refusal in the words of the authority."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        code = re.match(r"AADSTS(\d+)", description)
        document = {
            "error": error,
            "error_description": description,
            "error_codes": [int(code[1])] if code else [],
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
            "trace_id": str(uuid4()),
            "correlation_id": str(uuid4()),
        }
        self.answer = Answer(status, document)


class IdentityService:
    """The identities, and the two ways to ask for a token."""

    def __init__(self, settings: ServerSettings, tokens: TokenAuthority, desk: Desk) -> None:
        self._settings = settings
        self._tokens = tokens
        self._desk = desk
        self.identities: dict[str, Identity] = {}

    def answer_authority(self, request: Request) -> Answer:
        """Answers what a credential asks of the authority host."""
        tenant, _, rest = request.path.strip("/").partition("/")
        if (request.method, rest) == ("GET", _DISCOVERY):
            return self._discover(request.base_url, tenant)
        if (request.method, request.path) == ("GET", "/common/discovery/instance"):
            known = f"{request.base_url}/{self._settings.tenant}/{_DISCOVERY}"
            return Answer(200, {"tenant_discovery_endpoint": known, "metadata": []})
        if (request.method, rest) == ("POST", "oauth2/v2.0/token"):
            form = dict(parse_qsl(request.body.decode("latin-1")))
            client_id = form.get("client_id", "")
            return self._desk.answer(
                "identity/token", client_id, lambda: self._refusable(self._token, tenant, form)
            )
        return Answer(404, {"error": "not_found"})

    def answer_managed(self, request: Request) -> Answer:
        """Answers as the metadata service of a virtual machine does, and as an App Service."""
        client_id = request.query.get("client_id", SYSTEM_ASSIGNED)
        if request.method == "GET" and request.path == "/metadata/identity/oauth2/token":
            present = request.headers.get("Metadata", "").lower() == "true"
            missing = "Required metadata header not specified"
        elif request.method == "GET" and request.path == "/msi/token":
            present = request.headers.get("X-IDENTITY-HEADER", "") == APP_SERVICE_HEADER
            missing = "The identity header is missing or wrong"
        else:
            return Answer(404, {"error": "not_found"})

        def act() -> Answer:
            if not present:
                raise IdentityError(400, "invalid_request", missing)
            return self._managed_token(client_id, request.query)

        return self._desk.answer("identity/managed", client_id, lambda: self._refusable(act))

    @staticmethod
    def _refusable(act: Any, *arguments: Any) -> Answer:
        try:
            answer: Answer = act(*arguments)
            return answer
        except IdentityError as error:
            return error.answer

    def _discover(self, base_url: str, tenant: str) -> Answer:
        if tenant != self._settings.tenant:
            text = f"AADSTS90002: Tenant '{tenant}' not found."
            return IdentityError(400, "invalid_tenant", text).answer
        return Answer(
            200,
            {
                "issuer": f"{base_url}/{tenant}/v2.0",
                "authorization_endpoint": f"{base_url}/{tenant}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base_url}/{tenant}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            },
        )

    def _token(self, tenant: str, form: dict[str, str]) -> Answer:
        if tenant != self._settings.tenant:
            text = f"AADSTS90002: Tenant '{tenant}' not found."
            raise IdentityError(400, "invalid_request", text)
        if form.get("grant_type") != "client_credentials":
            text = "AADSTS70003: The app requested an unsupported grant type."
            raise IdentityError(400, "unsupported_grant_type", text)
        scope = form.get("scope", "").split(" ")[0]
        if not scope.endswith("/.default"):
            text = f"AADSTS70011: The provided value for 'scope' ({scope}) is not valid."
            raise IdentityError(400, "invalid_scope", text)
        identity = self.identities.get(form.get("client_id", ""))
        if identity is None or identity.managed:
            text = "AADSTS700016: Application with identifier was not found in the directory."
            raise IdentityError(400, "unauthorized_client", text)
        self._check_proof(identity, form)
        token = self._issue(identity, scope.removesuffix("/.default"))
        lifetime = identity.token_lifetime_s
        times = {"expires_in": lifetime, "ext_expires_in": lifetime}
        return Answer(200, {"token_type": "Bearer", **times, "access_token": token})

    @staticmethod
    def _check_proof(identity: Identity, form: dict[str, str]) -> None:
        if "client_assertion" in form:
            expected, shown = identity.assertion, form["client_assertion"]
            text = "AADSTS700213: No matching federated identity record found for the assertion."
            if form.get("client_assertion_type") != _ASSERTION_TYPE:
                expected = None
        else:
            expected, shown = identity.secret, form.get("client_secret", "")
            text = "AADSTS7000215: Invalid client secret provided."
        if expected is None or not hmac.compare_digest(expected.encode(), shown.encode()):
            raise IdentityError(401, "invalid_client", text)

    def _managed_token(self, client_id: str, query: dict[str, str]) -> Answer:
        if "resource" not in query or "api-version" not in query:
            raise IdentityError(400, "invalid_request", "resource and api-version are required")
        identity = self.identities.get(client_id)
        if identity is None or not identity.managed:
            raise IdentityError(400, "invalid_request", "Identity not found")
        lifetime = identity.token_lifetime_s
        return Answer(
            200,
            {
                "access_token": self._issue(identity, query["resource"]),
                "client_id": identity.client_id,
                "expires_in": str(lifetime),
                "expires_on": str(int(time.time()) + lifetime),
                "resource": query["resource"],
                "token_type": "Bearer",
            },
        )

    def _issue(self, identity: Identity, audience: str) -> str:
        """A token of random text in the shape of a JWT, which the vault accepts from now on."""
        expires_at = time.time() + identity.token_lifetime_s
        token = ".".join(encode(uuid4().bytes * 2) for _ in range(3))
        grant = Grant(audience, expires_at, identity.client_id, identity.permissions)
        self._tokens.accept(token, grant)
        return token
