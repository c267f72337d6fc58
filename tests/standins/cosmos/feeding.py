"""Change feed: what was written to one physical partition after an LSN, each item once, at its latest place.

Only the mode "latest version": deletes and what has expired cannot be seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.standins.cosmos import charges
from tests.standins.cosmos.queries import DEFAULT_PAGE_ITEMS
from tests.standins.cosmos.refusals import Refusal, unsupported
from tests.standins.cosmos.store import Container, Scope, Store


@dataclass(frozen=True, slots=True)
class Changes:
    documents: Sequence[Mapping[str, Any]]
    """In the order of their LSNs; empty for the answer 304."""
    etag: str
    charge: float


def read_changes(
    store: Store, container: Container, range_number: int, as_of: int, headers: Mapping[str, str], most: int
) -> Changes:
    """At most so many changes, and more where one transaction has them: it is never split.

    Raises:
        Refusal: The mode or the start is not supported.
    """
    if headers["a-im"] != "Incremental Feed":
        raise unsupported(f"the change feed's mode {headers['a-im']}")
    if "if-modified-since" in headers:
        raise unsupported('a change feed from a point in time: start from "Beginning" or "Now"')
    known = headers.get("if-none-match")
    if known == "*":
        return Changes([], f'"{as_of}"', charges.POLL)
    since = _lsn(known) if known is not None else 0
    scope = Scope(range_number, as_of, since=since)
    low, high = headers.get("x-ms-start-epk"), headers.get("x-ms-end-epk")
    changed = sorted(store.select(container, scope), key=lambda item: (item.lsn, item.number))
    meant = [item for item in changed if (low is None or item.epk >= low) and (high is None or item.epk < high)]
    limit = most if most > 0 else DEFAULT_PAGE_ITEMS
    page = meant[:limit]
    page += [item for item in meant[limit:] if item.lsn == page[-1].lsn]
    reached = page[-1].lsn if len(page) < len(meant) else as_of
    loaded = [item.size for item in changed if item.lsn <= reached]
    documents = [{**item.document(container), "_lsn": item.lsn} for item in page]
    return Changes(documents, f'"{max(reached, since)}"', charges.poll(loaded))


def _lsn(etag: str) -> int:
    try:
        return int(etag.strip('"'))
    except ValueError:
        raise Refusal(400, f"The change feed's continuation {etag} is invalid.") from None
