"""Lists in pages, each with a link to the next."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

from . import errors
from .http_side import Request
from .settings import MAX_PAGE_SIZE


def page(request: Request, entries: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """One page of entries, which come with the key they are sorted by.

    The link names the last key and not a position, so that what is added or removed between two
    pages lets no other entry be left out.
    """
    size = request.query.get("maxresults", str(MAX_PAGE_SIZE))
    if not size.isdigit() or not 1 <= int(size) <= MAX_PAGE_SIZE:
        raise errors.bad_parameter(f"maxresults must be between 1 and {MAX_PAGE_SIZE}")
    after = request.query.get("$skiptoken", "")
    rest = [(key, entry) for key, entry in entries if key > after]
    shown = rest[: int(size)]
    link = _link(request, shown[-1][0]) if len(rest) > len(shown) else None
    return {"value": [entry for _, entry in shown], "nextLink": link}


def _link(request: Request, last_key: str) -> str:
    query = {**request.query, "$skiptoken": last_key}
    return f"{request.base_url}{request.path}?{urlencode(query, quote_via=quote, safe='$')}"
