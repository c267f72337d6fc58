"""The door: what becomes of alerts between their source and the queue; absorbs plain re-sends, routes the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.alerts import Alert, later
from domain.groups import GroupEvents, Reported, shard
from domain.labels import Fingerprint
from domain.routing import GroupAddress, GroupId
from domain.situations import Situation

ALERTS_REMEMBERED = 200_000
INSTANT = timedelta(microseconds=1)


ALERTS_AN_EVENT = 1000
"""What one request brings to one group is folded in steps of so many: a store has limits for what it writes at once."""


@dataclass(slots=True)
class _Share:
    address: GroupAddress
    alerts: list[Alert]
    further: list[Alert]

    def parts(self) -> Iterator[tuple[tuple[Alert, ...], tuple[Alert, ...]]]:
        """The alerts and the further ones, mostly all at once."""
        most = max(len(self.alerts), len(self.further))
        for begin in range(0, most, ALERTS_AN_EVENT):
            end = begin + ALERTS_AN_EVENT
            yield tuple(self.alerts[begin:end]), tuple(self.further[begin:end])


@dataclass(frozen=True, slots=True)
class Admission:
    """What one request comes to: a message for each shard, and how many of its alerts needed none."""

    messages: Sequence[GroupEvents]
    alerts: Sequence[Alert]
    """Those in the messages; the door may absorb their re-sends once they are durable (`remember`)."""
    absorbed: int


class Door:
    """One process's memory of what it last made durable for each alert (rule 6).

    A re-send that only moves `endsAt` is absorbed until half of the lease since that copy is used; the copy is read as
    ending half a lease later than it says, so nothing resolves early.  Forgetting is always safe: it costs a message.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        """Unique to the process, so that a group knows which of its events it has folded."""
        self.absorbed = 0
        self._number = 0
        self._last_received_at: datetime | None = None
        self._durable: dict[Fingerprint, Alert] = {}
        self._configuration_version = ""

    def receive(self, now: datetime) -> datetime:
        """The stamp of a request that arrives now: later than any this door has given, whatever the clock does."""
        if self._last_received_at is not None and now <= self._last_received_at:
            now = self._last_received_at + INSTANT
        self._last_received_at = now
        return now

    def admit(self, alerts: Sequence[Alert], situation: Situation) -> Admission:
        """Leave out the plain re-sends, and address the rest to their groups."""
        configuration = situation.configuration
        if configuration.version != self._configuration_version:
            # Under another configuration an alert may belong elsewhere: what is durable no longer says that it is.
            self._configuration_version = configuration.version
            self._durable.clear()
        if situation.is_strict or not self._durable:
            fresh = alerts
        else:
            fresh = [alert for alert in alerts if not self._is_absorbed(alert)]
        self.absorbed += len(alerts) - len(fresh)
        return Admission(self.route(fresh, situation), fresh, len(alerts) - len(fresh))

    def route(self, alerts: Sequence[Alert], situation: Situation) -> Sequence[GroupEvents]:
        """One message for each shard that these alerts, all received at once, concern."""
        if not alerts:
            return ()
        configuration = situation.configuration
        shares: dict[GroupId, _Share] = {}
        for alert in alerts:
            is_leading = True
            for address in configuration.group_addresses(alert.labels):
                share = shares.get(address.group_id)
                if share is None:
                    share = shares[address.group_id] = _Share(address, [], [])
                (share.alerts if is_leading else share.further).append(alert)
                is_leading = False
        events: dict[int, list[Reported]] = {}
        first, last = self._number + 1, self._number + 1
        for share in shares.values():
            group_events = events.setdefault(shard(share.address.group_id), [])
            for number, (leading, further) in enumerate(share.parts(), start=first):
                group_events.append(
                    Reported(
                        group=share.address,
                        door=self.name,
                        number=number,
                        received_at=alerts[0].received_at,
                        alerts=leading,
                        further=further,
                    )
                )
                last = max(last, number)
        self._number = last
        return [GroupEvents(configuration.version, tuple(reported)) for reported in events.values()]

    def route_anew(self, events: GroupEvents, situation: Situation) -> Sequence[GroupEvents]:
        """The same alerts, addressed under another configuration than the one the message was made with (rule 12)."""
        return self.route(events.alerts, situation)

    def remember(self, alerts: Sequence[Alert]) -> None:
        """These are durable now: their plain re-sends need not be."""
        durable = self._durable
        for alert in alerts:
            known = durable.pop(alert.fingerprint, None)
            # A request that came later may have become durable first.
            durable[alert.fingerprint] = known if known is not None and known.received_at > alert.received_at else alert
        while len(durable) > ALERTS_REMEMBERED:
            del durable[next(iter(durable))]

    def _is_absorbed(self, alert: Alert) -> bool:
        known = self._durable.get(alert.fingerprint)
        if (
            known is None
            or known.starts_at != alert.starts_at
            or known.labels != alert.labels
            or known.annotations != alert.annotations
            or known.generator_url != alert.generator_url
            or known.is_timeout != alert.is_timeout
            or alert.ends_at <= alert.received_at
            or alert.ends_at < known.ends_at
        ):
            return False
        lease = known.ends_at - known.received_at
        # The absorbed lease may not reach past the one and a half that the durable copy is read as having.
        return (
            lease > timedelta(0)
            and alert.received_at - known.received_at < lease / 2
            and alert.ends_at <= later(known.ends_at, lease / 2)
        )
