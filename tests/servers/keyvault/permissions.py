"""What a caller may do, and the words of the refusal under either permission model."""

from dataclasses import dataclass
from typing import Any

from . import errors
from .errors import ServiceError
from .operations import Operation
from .settings import SettingsError

KEY_PERMISSIONS = frozenset(
    [
        "get",
        "list",
        "update",
        "create",
        "delete",
        "recover",
        "purge",
        "rotate",
        "encrypt",
        "decrypt",
        "wrapKey",
        "unwrapKey",
    ]
)
SECRET_PERMISSIONS = frozenset(["get", "list", "set", "delete", "recover", "purge"])

# The permission of an operation, where it has not the operation's own name.
_PERMISSIONS = {
    "keys/listVersions": "list",
    "keys/getDeleted": "get",
    "keys/listDeleted": "list",
    "secrets/update": "set",
    "secrets/listVersions": "list",
    "secrets/getDeleted": "get",
    "secrets/listDeleted": "list",
}

# The data action of a role, where it is not "OPERATION/action".
_DATA_ACTIONS = {
    "keys/get": "keys/read",
    "keys/list": "keys/read",
    "keys/listVersions": "keys/read",
    "keys/getDeleted": "keys/read",
    "keys/listDeleted": "keys/read",
    "keys/delete": "keys/delete",
    "keys/wrapKey": "keys/wrap/action",
    "keys/unwrapKey": "keys/unwrap/action",
    "secrets/get": "secrets/getSecret/action",
    "secrets/set": "secrets/setSecret/action",
    "secrets/list": "secrets/readMetadata/action",
    "secrets/listVersions": "secrets/readMetadata/action",
    "secrets/getDeleted": "secrets/getSecret/action",
    "secrets/listDeleted": "secrets/readMetadata/action",
    "secrets/delete": "secrets/delete",
}

ACCESS_POLICY = "access-policy"
RBAC = "rbac"


@dataclass(frozen=True)
class Permissions:
    """The permissions of one caller."""

    keys: frozenset[str] = KEY_PERMISSIONS
    secrets: frozenset[str] = SECRET_PERMISSIONS
    model: str = ACCESS_POLICY

    @classmethod
    def parse(cls, document: Any, model: Any) -> "Permissions":
        """Reads `{"keys": [...], "secrets": [...]}`; a kind that is left out has none."""
        if model not in (ACCESS_POLICY, RBAC):
            raise SettingsError(f"'permission_model' is '{ACCESS_POLICY}' or '{RBAC}'")
        if document is None:
            return cls(model=model)
        if not isinstance(document, dict) or not document.keys() <= {"keys", "secrets"}:
            raise SettingsError("'permissions' is an object of 'keys' and 'secrets'")
        keys = _some_of(KEY_PERMISSIONS, document.get("keys", []))
        return cls(keys, _some_of(SECRET_PERMISSIONS, document.get("secrets", [])), model)

    def check(self, operation: Operation, caller: str, tenant: str) -> None:
        """Raises the service's refusal when the operation is not allowed."""
        permission = _PERMISSIONS.get(operation.id, operation.action)
        if permission not in (self.keys if operation.kind == "keys" else self.secrets):
            raise self._refusal(operation, permission, caller, tenant)

    def _refusal(
        self, operation: Operation, permission: str, caller: str, tenant: str
    ) -> ServiceError:
        identity = f"appid={caller};oid={caller};iss=https://sts.windows.net/{tenant}/"
        if self.model == ACCESS_POLICY:
            text = (
                f"The user, group or application '{identity}' does not have {operation.kind} "
                f"{permission} permission on key vault 'test;location=local'. For help resolving "
                "this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"
            )
            return errors.forbidden(text, "AccessDenied")
        action = _DATA_ACTIONS.get(operation.id, f"{operation.id}/action")
        text = (
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny "
            "assignments or role definitions were changed recently, please observe propagation "
            f"time.\r\nCaller: {identity}\r\nAction: 'Microsoft.KeyVault/vaults/{action}'\r\n"
            "Resource: '/subscriptions/test/resourcegroups/test/providers/microsoft.keyvault/"
            f"vaults/test/{operation.kind}/{operation.name}'\r\nAssignment: (not found)\r\n"
            "DenyAssignmentId: null\r\nDecisionReason: null\r\nVault: test;location=local\r\n"
        )
        return errors.forbidden(text, "ForbiddenByRbac")


def _some_of(known: frozenset[str], names: Any) -> frozenset[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SettingsError("permissions are lists of names")
    if "all" in names:
        return known
    spellings = {name.lower(): name for name in known}
    if unknown := {name for name in names if name.lower() not in spellings}:
        raise SettingsError(f"{sorted(unknown)} are none of {sorted(known)}")
    return frozenset(spellings[name.lower()] for name in names)
