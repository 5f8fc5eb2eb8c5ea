"""Duplicate detection: the message ids seen within a window of time."""

from collections import OrderedDict
from typing import Any

from .settings import QueueSettings


class DuplicateWindow:
    """Remembers message ids for as long as the window is open."""

    def __init__(self, settings: QueueSettings) -> None:
        self._enabled = settings.requires_duplicate_detection
        self._window_ms = settings.duplicate_detection_window_ms
        self._seen: OrderedDict[Any, int] = OrderedDict()

    def seen(self, message_id: Any, now: int) -> bool:
        """Whether the id came before within the window; notes it if not."""
        if not self._enabled or message_id is None:
            return False
        while self._seen and next(iter(self._seen.values())) + self._window_ms <= now:
            self._seen.popitem(last=False)
        if message_id in self._seen:
            return True
        self._seen[message_id] = now
        return False
