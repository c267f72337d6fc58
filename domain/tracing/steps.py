"""Steps: the values that a trace is made of; each says one thing in words, and the same as facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from domain.alerts import Alert
from domain.labels import Fingerprint
from domain.routing import GroupId
from domain.tracing.life import End, Outcome

type Verdict = Literal["passes", "stops", "waits", "told", "failed", "info"]
"""What a step did to the alert.

- `passes`: nothing here kept anybody from being told;
- `stops`: because of this somebody was not, or is not, told of it;
- `waits`: not decided yet, or under way;
- `told`: somebody heard of it;
- `failed`: somebody should have heard of it, and a delivery did not arrive;
- `info`: good to know, and without an effect on this alert.
"""


class Stage(StrEnum):
    """The stages of the way, in their order."""

    RECEIVED = "received"
    ENRICHED = "enriched"
    ROUTED = "routed"
    GROUPED = "grouped"
    INHIBITION = "inhibition"
    HOURS = "hours"
    SILENCES = "silences"
    NOTIFICATION = "notification"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Received:
    """When and by whom it was reported."""

    stage: ClassVar[Stage] = Stage.RECEIVED
    first_at: datetime | None
    """When the first report of this occurrence came in; None where the entries do not go so far back."""
    last_at: datetime
    """When the last report came in that was stored; plain re-sends are absorbed."""
    door: str
    """Which process took the first report in."""
    starts_at: datetime
    """Since when it fires, by the sender's word."""
    lease_until: datetime | None
    """While it fires: from when on it counts as resolved unless it is reported again."""
    occurrence: int | None
    """How often it has begun to fire in this group; None where that is no longer known."""
    ended_at: datetime | None
    end: End | None


@dataclass(frozen=True, slots=True)
class Enriched:
    """Which source sent it, in a form of its own, and what was made of its labels and annotations."""

    stage: ClassVar[Stage] = Stage.ENRICHED
    source: str
    """`kind/key`."""
    changes: tuple[str, ...]
    """A line each, in their order, as of the last report that was stored."""


@dataclass(frozen=True, slots=True)
class Routed:
    """Which route led it into this group."""

    stage: ClassVar[Stage] = Stage.ROUTED
    route: str | None
    """The route's key; None where no route of that configuration leads here."""
    is_first: bool
    """Whether it is the alert's first matching route, which alone opens incidents."""
    receiver: str
    configuration_version: str


@dataclass(frozen=True, slots=True)
class Grouped:
    """The group, and when it looks."""

    stage: ClassVar[Stage] = Stage.GROUPED
    labels: Mapping[str, str]
    others: int
    """How many other alerts it holds now."""
    group_wait_seconds: float | None
    group_interval_seconds: float | None
    repeat_interval_seconds: float | None
    looks: int
    """How often it has looked at the alert in this occurrence."""
    first_look_at: datetime | None
    last_look_at: datetime | None
    next_look_at: datetime | None


@dataclass(frozen=True, slots=True)
class Inhibited:
    """One inhibit rule that aims at it, or none."""

    stage: ClassVar[Stage] = Stage.INHIBITION
    rule: str | None
    source: Fingerprint | None = None
    source_labels: Mapping[str, str] | None = None
    source_heard_at: datetime | None = None
    """When Tocsin first heard of it, in the occurrence in question."""
    seconds_late: float | None = None
    """How long after the last look that told of the alert the source was heard of; None where it was not late."""
    looks: int = 0
    """At how many looks it was inhibited so."""


@dataclass(frozen=True, slots=True)
class HoursSeen:
    """What the intervals of the route say."""

    stage: ClassVar[Stage] = Stage.HOURS
    intervals: tuple[str, ...] = ()
    """Those that mute."""
    looks: int = 0


@dataclass(frozen=True, slots=True)
class Silenced:
    """One silence, or none."""

    stage: ClassVar[Stage] = Stage.SILENCES
    silence: str | None = None
    created_by: str = ""
    comment: str = ""
    ends_at: datetime | None = None
    looks: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether one integration is, or was, due to hear of the group."""

    stage: ClassVar[Stage] = Stage.NOTIFICATION
    integration: int | None
    """Its number among the receiver's; None where there is none."""
    kind: str
    reason: str
    """A code of the trail's, such as `notify`, `no_news` or `unsettled`; `muted`, or empty where it was not asked."""
    is_due: bool
    told_at: datetime | None = None
    """When it last heard of the group, while it is held."""
    repeats_after: datetime | None = None
    """After which instant it is told again, if nothing changes."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One delivery of the group since the alert's occurrence began, or several that failed alike."""

    stage: ClassVar[Stage] = Stage.DELIVERY
    id: str
    integration: int
    kind: str
    reason: str
    is_about_it: bool
    """Whether it tells of this alert, not only of others of its group."""
    due_at: datetime
    outcome: Outcome
    settled_at: datetime | None
    attempts: int
    answer: str
    times: int = 1
    """How many deliveries failed alike, and are told of together; all else is about the last of them."""
    first_at: datetime | None = None
    """When the first of them failed; None where it is the only one."""


type Facts = Received | Enriched | Routed | Grouped | Inhibited | HoursSeen | Silenced | Asked | Delivered


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way: what it did, and why."""

    verdict: Verdict
    words: str
    """One sentence, without control characters; instants are UTC."""
    facts: Facts
    at: datetime | None = None
    """Of when it speaks; None where of no instant."""

    @property
    def stage(self) -> Stage:
        """Which part of the way it is about."""
        return self.facts.stage


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of one alert in one group."""

    group_id: GroupId
    receiver: str
    group_labels: Mapping[str, str]
    alert: Alert
    """As it was reported last."""
    state: Literal["firing", "resolved", "over"]
    """`resolved` while the group still holds it, `over` when it has let it go."""
    incident: str
    """The incident that it was part of last; empty where there is none."""
    is_told: bool
    """Whether anybody was told of it in this occurrence."""
    summary: str
    """One sentence; what must be known if nothing else is read."""
    steps: tuple[Step, ...]
    is_cut: bool
    """Whether what is kept does not go back to the beginning."""
