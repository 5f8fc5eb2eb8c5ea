"""The command line of moto, with a KMS and a Secrets Manager that tests can rely on."""

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

from moto.core.responses import BaseResponse
from moto.server import main


def one_at_a_time(operation: Callable[..., Any]) -> Callable[..., Any]:
    """moto serves requests side by side and guards nothing: who uses an alias while another request
    makes a key gets a 500, because moto goes through the keys to find it."""
    lock = threading.Lock()

    @functools.wraps(operation)
    def alone(*arguments: Any) -> Any:
        with lock:
            return operation(*arguments)

    return alone


BaseResponse.call_action = one_at_a_time(BaseResponse.call_action)
sys.exit(main())
