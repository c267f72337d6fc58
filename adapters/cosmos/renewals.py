"""Renewals: leases that moved since their member's document was written, kept together in the head's document.

Prometheus says again every minute that an alert fires, and the door lets that through when half of the lease is used.
Such a report moves nothing but the lease, so its member's document is not written anew: the head, which every fold
writes anyway, holds for each member the newer lease, and a reader puts it over the document.  Members have numbers
(slots) for that, so that thousands of them that came with one request take a byte or so each.
See docs/decisions/0013.
"""

from __future__ import annotations

import base64
import zlib
from datetime import datetime
from typing import NamedTuple, Self

from adapters.documents import decode, encode
from domain.alerts import Alert
from domain.errors import RejectedError
from domain.groups import Member

MOST_CHARACTERS = 64_000
"""Of what a head holds of them, packed: some 30,000 members; what is beyond is written to the members' documents."""

NONE = 0
FREE = 1
_FIRST = 2


class Renewal(NamedTuple):
    """A later lease of an alert that is in all else as its document says."""

    received_at: datetime
    ends_at: datetime
    leased_at: datetime
    is_timeout: bool
    ends_text: str

    def over(self, member: Member) -> Member:
        """The member with this lease; as it is where its own is as new, since its document was written later."""
        if self.received_at <= member.alert.received_at:
            return member
        known = member.alert
        # Spelled out, for `dataclasses.replace` takes three times as long, and a list has 30,000 of them.
        alert = Alert(
            known.fingerprint,
            known.labels,
            known.annotations,
            known.starts_at,
            self.ends_at,
            self.received_at,
            known.generator_url,
            self.is_timeout,
            known.starts_text,
            self.ends_text,
            known.origin,
        )
        return Member(alert, member.is_firing, self.leased_at, member.occurrence, member.is_leading, member.dropped_at)


def renewal_in(known: Member, after: Member) -> Renewal | None:
    """What makes the one of the other, if it is a newer lease and nothing else, to the last byte."""
    alert = after.alert
    if alert.received_at <= known.alert.received_at:
        return None
    renewal = Renewal(alert.received_at, alert.ends_at, after.leased_at, alert.is_timeout, alert.ends_text)
    # Values that are equal may still differ as stored: in the order of labels, in the offset of an instant.
    return renewal if encode(renewal.over(known)) == encode(after) else None


class Renewals:
    """Which renewal each slot has: none, or that it is nobody's, or the place of one among those that differ."""

    def __init__(self, packed: str = "") -> None:
        """
        Raises:
            RejectedError: `pack` never wrote that.
        """
        self._places: dict[bytes, int] = {}
        self._renewals: list[Renewal] = []
        self._slots: list[int] = []
        if not packed:
            return
        try:
            table, _, slots = zlib.decompress(base64.b64decode(packed)).partition(b"\n")
        except (ValueError, zlib.error) as error:
            raise RejectedError(f"not packed renewals: {error}") from error
        self._renewals = decode(list[Renewal], table)
        if len(self._renewals) + _FIRST <= 256:
            self._slots = list(slots)
        else:
            half = len(slots) // 2
            self._slots = [low + (high << 8) for low, high in zip(slots[:half], slots[half:], strict=True)]

    def over(self, member: Member, slot: int | None) -> Member:
        """The member of that slot as it is now, given its document."""
        # A document that is newer than the head it is read beside may have a slot that the head does not know yet.
        if slot is None or slot >= len(self._slots) or (place := self._slots[slot]) < _FIRST:
            return member
        return self._renewals[place - _FIRST].over(member)

    # --- changing ---------------------------------------------------------------------------------------------------

    def take_slot(self) -> int:
        """A slot for a member that has none."""
        try:
            slot = self._slots.index(FREE)
        except ValueError:
            slot = len(self._slots)
        self._put(slot, NONE)
        return slot

    def renew(self, slot: int, renewal: Renewal) -> None:
        """Keep this as the newest lease of that slot's member."""
        if not self._places:
            self._places = {encode(known): place for place, known in enumerate(self._renewals, start=_FIRST)}
        place = self._places.setdefault(encode(renewal), len(self._renewals) + _FIRST)
        if place == len(self._renewals) + _FIRST:
            self._renewals.append(renewal)
        self._put(slot, place)

    def clear(self, slot: int) -> None:
        """The member's document says all."""
        self._put(slot, NONE)

    def free(self, slot: int) -> None:
        """The member has this slot no longer."""
        self._put(slot, FREE)

    def _put(self, slot: int, place: int) -> None:
        if (missing := slot + 1 - len(self._slots)) > 0:
            self._slots.extend([NONE] * missing)
        self._slots[slot] = place

    def pack(self) -> str:
        """All of it as text; empty where there is no slot."""
        while self._slots and self._slots[-1] == FREE:
            self._slots.pop()
        if not self._slots:
            return ""
        # Only those that a slot still has, in the order of their places.
        used = sorted(set(self._slots) - {NONE, FREE})
        moved = {NONE: NONE, FREE: FREE, **{place: new for new, place in enumerate(used, start=_FIRST)}}
        slots = [moved[place] for place in self._slots]
        table = encode([self._renewals[place - _FIRST] for place in used])
        if len(used) + _FIRST <= 256:
            planes = bytes(slots)
        else:
            planes = bytes([place & 255 for place in slots]) + bytes([place >> 8 for place in slots])
        return base64.b64encode(zlib.compress(b"\n".join((table, planes)))).decode()

    @classmethod
    def of(cls, head: dict[str, object] | None) -> Self:
        """Those that this document of a head holds; none where it is older than they are."""
        packed = head.get("renewals", "") if head else ""
        return cls(packed if isinstance(packed, str) else "")
