"""How often each operation was asked for and what was answered."""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class RequestCounts:
    """Counts by operation, object and status."""

    _counts: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def add(self, operation: str, name: str, status: int) -> None:
        """Counts one request; a connection that is cut before the answer has status 0."""
        with self._lock:
            self._counts[operation, name, status] += 1

    def clear(self) -> None:
        """Begins again."""
        with self._lock:
            self._counts.clear()

    def document(self, name: str | None) -> dict[str, dict[str, int]]:
        """The counts by operation and status, of one object or of all."""
        shown: dict[str, dict[str, int]] = {}
        with self._lock:
            for (operation, its_name, status), count in sorted(self._counts.items()):
                if name in (None, its_name):
                    statuses = shown.setdefault(operation, {})
                    statuses[str(status)] = statuses.get(str(status), 0) + count
        return shown
