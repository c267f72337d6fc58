"""Replaying: kept payloads read again with the mapping of now, and what of that is news.

The order in which things were said is that of the payloads, but what a replay sends is received now, after everything
else (rule 7).  So nothing is sent payload by payload: all that is kept of the source is folded first, what is to be
replayed and what came before and after it, and of each alert only the last word counts.

- An alert that fires by its last word is sent if nobody has it yet: its lease ends when it would have ended.
- One that the old mapping made, and the new mapping makes of no payload, is resolved where it still fires.
- Whatever has ended or was reported by something else since then is left alone: a replay corrects what a mapping did,
  and knows nothing else.
- What cannot be read again, and what the new mapping refuses, changes nothing.

Whoever replays a second time finds that everything is as it should be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from domain.alerts import Alert, combine
from domain.arrivals import Arrival, ArrivedAlert
from domain.errors import RejectedError
from domain.labels import Fingerprint
from domain.sources.keeping import Reader, outcome_of
from domain.sources.reading import Payload, Reading
from domain.sources.redaction import MASK

OTHER_MASK = "[withheld]"

type ReplayVerdict = Literal["unchanged", "changed", "accepted", "rejected", "still_rejected", "unreadable"]
"""What reading it again came to; `accepted` and `rejected` are told of what was the other before."""

type Action = Literal["fires", "updates", "resolves", "left"]


# --- reading again --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reread:
    """One arrival, and what is made of it now."""

    arrival: Arrival
    verdict: ReplayVerdict
    reading: Reading | None = None
    """None where nothing could be made of it."""
    why: str = ""
    """Why nothing could."""

    @property
    def after(self) -> Sequence[ArrivedAlert]:
        """What is made of it now, as far as it is shown."""
        return outcome_of(self.reading).alerts if self.reading else ()

    def renewed(self, now: datetime) -> Arrival:
        """The arrival as it is kept from now on."""
        made = outcome_of(self.reading or Reading(()))
        return replace(
            self.arrival,
            alerts=made.alerts,
            further=made.further,
            alert_count=made.alert_count,
            problems=made.problems,
            rejection=made.rejection,
            replayed_at=now,
        )


def read_again(arrival: Arrival, read: Reader) -> Reread:
    """What the mapping of now makes of an arrival, as of when it came."""
    if arrival.is_cut:
        return Reread(arrival, "unreadable", why=f"it was too long to be kept whole ({arrival.size} bytes)")
    if arrival.is_identity_masked:
        return Reread(arrival, "unreadable", why=f"what was masked identifies its alerts ({_places(arrival)})")
    payload = arrival.payload()
    try:
        reading = read(payload, arrival.received_at)
    except RejectedError as error:
        if arrival.redacted and not arrival.rejection:
            return Reread(arrival, "unreadable", why=f"without what was masked ({_places(arrival)}): {error}")
        return Reread(arrival, "still_rejected" if arrival.rejection else "rejected", why=str(error))
    if arrival.redacted and not _is_same(reading, _with_other_mask(payload, arrival.received_at, read)):
        return Reread(arrival, "unreadable", why=f"what was masked identifies its alerts ({_places(arrival)})")
    if arrival.rejection:
        return Reread(arrival, "accepted", reading)
    before = [(alert.fingerprint, alert.is_firing) for alert in arrival.alerts]
    made = outcome_of(reading)
    after = [(alert.fingerprint, alert.is_firing) for alert in made.alerts]
    is_same = before == after and arrival.further == made.further
    return Reread(arrival, "unchanged" if is_same else "changed", reading)


def _with_other_mask(payload: Payload, received_at: datetime, read: Reader) -> Reading | None:
    headers = {name: text.replace(MASK, OTHER_MASK) for name, text in payload.headers.items()}
    other = Payload(payload.body.replace(MASK.encode(), OTHER_MASK.encode()), headers)
    try:
        return read(other, received_at)
    except RejectedError:
        return None


def _is_same(reading: Reading, other: Reading | None) -> bool:
    """Whether both are about the same alerts: then no mask has a part in what identifies them."""
    if other is None:
        return False
    return [alert.fingerprint for alert in reading.alerts] == [alert.fingerprint for alert in other.alerts]


def _places(arrival: Arrival) -> str:
    shown = ", ".join(arrival.redacted[:3])
    return f"{shown} and more" if len(arrival.redacted) > 3 else shown


# --- what of it is news ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one alert."""

    action: Action
    alert: Alert
    """To be sent, received now; where it is left, as it stands."""
    why: str
    arrival_id: str
    """The payload whose word this is; the last one."""


@dataclass(slots=True)
class _Identity:
    """What all payloads together say of one alert."""

    last: Alert | None = None
    """By the mapping of now; its end is that of the last word."""
    last_id: str = ""
    is_over: bool = False
    is_wanted: bool = False
    """Whether one of the payloads to be replayed makes it, or one that made what those made before."""
    is_kept: bool = False
    """Whether a payload that cannot be read again, or that is refused now, is about it."""
    was_made_by: str = ""
    """The last of the payloads to be replayed that made it before, and was read again."""
    has_fired: bool = False
    """Whether it was ever taken in as firing."""
    stamps: set[datetime] = field(default_factory=set)
    """When those payloads were taken in: whatever bears another stamp was reported by something else."""


def plan(
    selected: Sequence[Reread], others: Sequence[Reread], standing: Mapping[Fingerprint, Alert], now: datetime
) -> list[Step]:
    """What has to be sent so that what fires is what the mapping of now says.

    Args:
        selected: The arrivals to be replayed.
        others: All others of the same source, as far back as they are kept.
        standing: What fires now, whoever reported it.
        now: The door's stamp for what is sent.

    Returns:
        The steps, in the order of the payloads whose words they are; `left` for what a reader might expect and does
        not get.
    """
    chosen = {reread.arrival.id for reread in selected}
    # Of what one wrong identity stood for, a part may be in other payloads: it is all sent, or the rest would be lost.
    touched = {name for reread in selected if reread.reading for name in reread.arrival.fingerprints}
    chosen_too = {one.arrival.id for one in others if not touched.isdisjoint(one.arrival.fingerprints)}
    identities: dict[Fingerprint, _Identity] = {}
    for reread in sorted([*selected, *others], key=lambda one: one.arrival.id):
        id = reread.arrival.id
        _fold(identities, reread, is_selected=id in chosen, is_wanted=id in chosen or id in chosen_too)
    steps = [
        step
        for name, identity in identities.items()
        if (step := _step(name, identity, standing.get(name), now)) is not None
    ]
    return sorted(steps, key=lambda step: (step.arrival_id, step.alert.fingerprint))


def _fold(identities: dict[Fingerprint, _Identity], reread: Reread, *, is_selected: bool, is_wanted: bool) -> None:
    arrival = reread.arrival
    firing = {alert.fingerprint: alert.is_firing for alert in arrival.alerts}
    for name in arrival.fingerprints:
        known = identities.setdefault(name, _Identity())
        known.stamps.add(arrival.received_at)
        if arrival.replayed_at is not None:
            known.stamps.add(arrival.replayed_at)
        known.has_fired = known.has_fired or firing.get(name, True)
        if reread.reading is None:
            # It was taken in so, and nothing corrects it.
            known.is_kept, known.last_id = True, arrival.id
            known.is_over = not firing.get(name, True)
        elif is_selected:
            known.was_made_by = arrival.id
    for alert in reread.reading.alerts if reread.reading else ():
        known = identities.setdefault(alert.fingerprint, _Identity())
        known.last = alert if known.last is None else combine(known.last, alert)
        known.last_id = arrival.id
        known.is_over = alert.ends_at <= alert.received_at
        known.is_wanted = known.is_wanted or is_wanted


def _step(name: Fingerprint, identity: _Identity, stands: Alert | None, now: datetime) -> Step | None:
    last = identity.last
    is_ours = stands is not None and stands.received_at in identity.stamps
    if last is None:
        if stands is None or identity.is_kept or not identity.was_made_by:
            return None
        if not is_ours:
            return _left(stands, "something else has reported it since", identity.was_made_by)
        ended = replace(stands, ends_at=now, ends_text="", received_at=now, is_timeout=False)
        return Step("resolves", ended, "no payload becomes this alert any more", identity.was_made_by)
    if not identity.is_wanted:
        return None
    is_over = identity.is_over or last.ends_at <= now
    if is_over and stands is None:
        return None
    if is_over:
        if stands is None or not identity.is_over:
            return None  # its time to live is over: so it ends by itself
        if stands.received_at > last.received_at and not is_ours:
            return _left(stands, "something else has reported it since", identity.last_id)
        ended = replace(last, received_at=now, ends_at=min(last.ends_at, now), is_timeout=False)
        return Step("resolves", ended, "its last payload says that it is over", identity.last_id)
    sent = replace(last, received_at=now)
    if stands is None:
        if identity.has_fired:
            return _left(last, "it was taken in before, and has ended since then", identity.last_id)
        return Step(
            "fires", sent, "its last payload says that it fires, and was read otherwise before", identity.last_id
        )
    if stands.ends_at > sent.ends_at:
        sent = replace(sent, ends_at=stands.ends_at, ends_text=stands.ends_text, is_timeout=stands.is_timeout)
    if (stands.annotations == sent.annotations and stands.generator_url == sent.generator_url) or _is_masked(sent):
        return None
    return Step("updates", sent, "it fires, and says something else now", identity.last_id)


def _is_masked(alert: Alert) -> bool:
    """Whether what describes it was masked: what stands knows it better."""
    return any(MASK in text for text in (alert.generator_url, *alert.annotations.values()))


def _left(alert: Alert, why: str, arrival_id: str) -> Step:
    return Step("left", alert, why, arrival_id)
