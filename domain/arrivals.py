"""Arrival: one payload of a source as it came, without its secrets, and what was made of it; port `ArrivalStore`.

Kept so that a mapping can be corrected and the payloads read again (`domain.sources.replaying`), and so that wrong
merges and splits can be found (`domain.sources.collisions`).  A copy for people, not a promise: an alert is taken in
whether or not its payload could be kept.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from domain.labels import Fingerprint
from domain.times import EPOCH
from domain.values import value

if TYPE_CHECKING:
    from domain.sources.reading import Payload

MOST_ARRIVALS = 100_000
"""So many are kept on one machine, the latest."""

BUCKETS = 64

_ID = re.compile(r"[0-9]{16}-[0-9a-f]{2}-[0-9a-z]{1,32}")


@value
class ArrivedAlert:
    """What one alert of an arrival was, when it was read."""

    fingerprint: Fingerprint
    labels: Mapping[str, str]
    """For people: secrets are masked in them and long ones cut, so they need not hash to the fingerprint."""
    is_firing: bool


@value
class Arrival:
    """One payload, and what was made of it."""

    id: str
    """Sorts by time; see `arrival_id`."""
    kind: str
    key: str
    received_at: datetime
    """The door's stamp, which its alerts have too."""
    headers: Mapping[str, str]
    body: str
    encoding: Literal["text", "base64"]
    size: int
    """Bytes of the body as it came."""
    is_cut: bool = False
    """Whether the body, or a header, was too long to be kept whole: it cannot be read again."""
    redacted: tuple[str, ...] = ()
    """Some of the places that were masked; empty where none was."""
    is_identity_masked: bool = False
    """Whether its alerts would be others with what was masked: then it cannot be read again."""
    alerts: tuple[ArrivedAlert, ...] = ()
    """What was made of it, the first few hundred, in the payload's order."""
    further: tuple[Fingerprint, ...] = ()
    """Of the others."""
    alert_count: int = 0
    problems: tuple[str, ...] = ()
    rejection: str = ""
    """Why nothing was made of it; empty where something was."""
    replayed_at: datetime | None = None
    """When it was last read again; then all the above is what was made of it then."""

    @property
    def source(self) -> str:
        """`kind/key`."""
        return f"{self.kind}/{self.key}"

    @property
    def fingerprints(self) -> Sequence[Fingerprint]:
        """Of all its alerts, as far as they are kept."""
        return [*(alert.fingerprint for alert in self.alerts), *self.further]

    def payload(self) -> Payload:
        """What a reader is given; with the masks in it, and cut where it was cut."""
        from domain.sources.reading import Payload

        body = base64.b64decode(self.body) if self.encoding == "base64" else self.body.encode()
        return Payload(body, self.headers)


@value
class ArrivalFilter:
    """Which arrivals are wanted; everything empty wants all."""

    kind: str = ""
    key: str = ""
    is_rejected: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Half-open: not those of that very instant."""

    def bounds(self) -> tuple[str, str]:
        """Between which ids theirs are: from the first one to before the second."""
        return place_of(self.since) if self.since else "", place_of(self.until) if self.until else "~"

    def matches(self, arrival: Arrival) -> bool:
        """Whether it is one of those."""
        first, end = self.bounds()
        return (
            (not self.kind or arrival.kind == self.kind)
            and (not self.key or arrival.key == self.key)
            and (self.is_rejected is None or bool(arrival.rejection) == self.is_rejected)
            and first <= arrival.id < end
        )


class ArrivalStore(Protocol):
    """Where arrivals are kept, for a time."""

    async def record_arrival(self, arrival: Arrival) -> None:
        """Keep it; returns when it is durable.  One of the same id takes the place of what was kept of it.

        Raises:
            UnavailableError: It is not kept, or may have been.
        """
        ...

    async def list_arrivals(
        self,
        wanted: ArrivalFilter,
        *,
        beyond: str = "",
        newest_first: bool = True,
        limit: int = 100,
        with_bodies: bool = False,
    ) -> Sequence[Arrival]:
        """Those that are wanted, in the order of their ids or against it; the body is empty unless asked for.

        The next part begins behind `beyond`, the id of the last one of the part before; that one may be forgotten by
        now.
        """
        ...

    async def get_arrival(self, arrival_id: str) -> Arrival:
        """All of it.  Raises NotFoundError when there is none under that id, or it is forgotten by now."""
        ...

    async def forget_arrivals(self, before: datetime, *, most: int) -> None:
        """Remove those that came before, and the oldest of more than `most`.

        A store that does the former by itself does neither: what its owner pays for is the owner's to bound.
        """
        ...


# --- how one is made ------------------------------------------------------------------------------------------------


def place_of(at: datetime) -> str:
    """How the ids of what came at that instant begin."""
    micros = (at.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
    return f"{min(max(0, micros), 10**16 - 1):016d}"  # until the year 2286, and never longer


def arrival_id(kind: str, key: str, received_at: datetime, salt: str) -> str:
    """Its id: when it came, in which of `BUCKETS` its source lies, and a few characters that tell it from others."""
    return f"{place_of(received_at)}-{bucket_of(kind, key):02x}-{salt}"


def bucket_of(kind: str, key: str) -> int:
    """Spreads sources over a store, and keeps each of them together."""
    return zlib.crc32(f"{kind}/{key}".encode("utf-8", "surrogatepass")) % BUCKETS


def received_at_of(arrival_id: str) -> datetime:
    """When the arrival of this id came.

    Raises:
        ValueError: It is no id of an arrival.
    """
    if not _ID.fullmatch(arrival_id):
        raise ValueError(f"no arrival {arrival_id[:100]!r}")
    return EPOCH + timedelta(microseconds=int(arrival_id[:16]))
