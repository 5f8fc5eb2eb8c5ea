"""Faults that wait for their moment: each strikes a number of times, then is gone."""

from dataclasses import dataclass, field
from typing import Any

from .errors import ServiceError
from .settings import SettingsError

# What strikes at which moment. The other faults are done at once, by the server.
ARMED_ACTIONS = frozenset(
    {
        "cut-before-store",
        "cut-after-store",
        "cut-before-settle",
        "cut-after-settle",
        "silent-settle",
        "refuse-dead-letter",
        "reject-send",
        "refuse-attach",
        "fail-management",
    }
)


@dataclass
class ArmedFault:
    """A fault at one entity, or at any."""

    action: str
    entity: str | None
    remaining: int
    condition: str
    description: str
    status: int

    def error(self) -> ServiceError:
        """What the service answers, for the faults that are an answer."""
        return ServiceError(self.condition, self.description, self.status)


@dataclass
class Faults:
    """The faults that have not struck yet."""

    armed: list[ArmedFault] = field(default_factory=list)
    outage: bool = False
    """Whether new connections are cut at once."""

    def arm(self, document: dict[str, Any]) -> None:
        """Arms a fault from JSON."""
        known = {"action", "entity", "count", "condition", "description", "status"}
        if unknown := document.keys() - known:
            raise SettingsError(f"unknown fields {sorted(unknown)}")
        fault = ArmedFault(
            action=document["action"],
            entity=document.get("entity"),
            remaining=int(document.get("count", 1)),
            condition=document.get("condition", "com.microsoft:server-busy"),
            description=document.get("description", "The server is busy."),
            status=int(document.get("status", 503)),
        )
        self.armed.append(fault)

    def take(self, action: str, entity: str) -> ArmedFault | None:
        """The fault that strikes now, if there is one."""
        for fault in self.armed:
            anywhere = fault.entity is None
            here = fault.entity is not None and fault.entity.lower() == entity.lower()
            if fault.action == action and (anywhere or here):
                fault.remaining -= 1
                if fault.remaining <= 0:
                    self.armed.remove(fault)
                return fault
        return None
