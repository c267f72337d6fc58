"""Replaying: payloads that were kept are read again by the mapping of now, and what of it is news is taken in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.errors import InputError, NotFoundError
from domain.principals import Scope
from endpoints.arrivals import ArrivedAlertShape, read_arrivals, read_filter, shown_alert
from endpoints.folds import await_folds
from endpoints.ingest import admit
from endpoints.later import later
from endpoints.pipeline import endpoint
from endpoints.shapes import Shape, read_body, show

if TYPE_CHECKING:
    from domain.alerts import Alert
    from domain.arrivals import Arrival
    from domain.labels import Fingerprint
    from domain.situations import Situation
    from domain.sources.replaying import Action, ReplayVerdict, Reread, Step
else:
    Action, ReplayVerdict = later("domain.sources.replaying", "Action", "ReplayVerdict")

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

MOST_READ = 10_000
"""So many payloads of a source, the latest, are read again at once."""
READ_AT_ONCE = 50
SENT_AT_ONCE = 1000

ARRIVALS_SHOWN = 1000
STEPS_SHOWN = 1000
ALERTS_SHOWN = 50


# --- shapes ---------------------------------------------------------------------------------------------------------


class WantedReplay(Shape):
    """What is to be read again."""

    source: str = Field(
        pattern="^[^/]+/.+$", max_length=200, description="`kind/key`: one sender.", examples=["grafana/production"]
    )
    since: str | None = Field(
        None, max_length=100, description="From when on: an instant, or how long ago.", examples=["2h"]
    )
    until: str | None = Field(None, max_length=100, description="Until when; by default until now.")
    ids: list[str] | None = Field(None, max_length=1000, description="Only these; by default all of that time.")
    dry_run: bool = Field(False, description="Say what it would do, and send nothing.")


class ReplayedArrival(Shape):
    """One payload, and what the mapping of now makes of it."""

    id: str
    received_at: datetime
    verdict: ReplayVerdict
    why: str
    """Why nothing was made of it."""
    before: list[ArrivedAlertShape]
    after: list[ArrivedAlertShape]


class ReplayStep(Shape):
    """What is done about one alert; `left` where something might be expected and nothing is done."""

    action: Action
    fingerprint: str
    labels: dict[str, str]
    why: str
    arrival: str
    """The id of the payload that has the last word about it."""


class ReplayCounts(Shape):
    """How many payloads there were of each kind."""

    unchanged: int = 0
    changed: int = 0
    accepted: int = 0
    """They were refused before."""
    rejected: int = 0
    """They were accepted before; what they became is left as it is."""
    still_rejected: int = 0
    unreadable: int = 0
    """They were cut, or what was masked in them is needed to read them."""


class Replay(Shape):
    """What a replay did, or would do."""

    dry_run: bool
    source: str
    counts: ReplayCounts
    also_read: int
    """How many other payloads of the source were read, so that what they ended does not fire again."""
    steps: list[ReplayStep]
    """In the order of the payloads; no more than a thousand."""
    arrivals: list[ReplayedArrival]
    """Those that are read otherwise than before, or not at all, the oldest first; no more than a thousand."""
    is_cut: bool
    """Whether there are more of any than are shown; all of them were sent."""


# --- the handler ----------------------------------------------------------------------------------------------------


@endpoint(
    blueprint,
    "POST",
    "api/v1/arrivals/replay",
    scope=Scope.ADMIN,
    body=WantedReplay,
    answers={200: Replay},
    problems=(404,),
)
async def replay_arrivals(request: func.HttpRequest) -> func.HttpResponse:
    """Read payloads again with the mapping of now, and correct what fires by them; harmless when done twice.

    Of each alert only the last word of all that is kept of the source is sent, as received now.  What the mapping of
    now makes of no payload any more is resolved, unless something else has reported it.
    """
    from domain.sources.replaying import plan

    wanted = read_body(WantedReplay, request)
    selected, others = await _read_again(wanted)
    await await_folds()
    situation = await ports().configurations.gather()
    standing = await _standing(situation)
    now = ports().door.receive(ports().clock())
    steps = await asyncio.to_thread(plan, selected, others, standing, now)
    if not wanted.dry_run:
        await _send(steps, situation)
        await _renew(selected, now)
    told = [one for one in selected if one.verdict != "unchanged"]
    return show(
        Replay(
            dry_run=wanted.dry_run,
            source=wanted.source,
            counts=ReplayCounts(**_counts(selected)),
            also_read=len(others),
            steps=[_step(step) for step in steps[:STEPS_SHOWN]],
            arrivals=[_arrival(one) for one in told[:ARRIVALS_SHOWN]],
            is_cut=len(steps) > STEPS_SHOWN or len(told) > ARRIVALS_SHOWN,
        )
    )


async def _read_again(wanted: WantedReplay) -> tuple[list[Reread], list[Reread]]:
    """Those to be replayed, and all others of the source."""
    from domain.sources.receiving import read_source
    from domain.sources.replaying import read_again

    kind, _, key = wanted.source.partition("/")
    source = ports().configurations.own.sources.find(kind, key)
    chosen = read_filter(wanted.source, wanted.since, wanted.until)
    arrivals, is_cut = await read_arrivals(read_filter(wanted.source, None, None), MOST_READ)
    if is_cut and (chosen.since is None or chosen.since < arrivals[0].received_at):
        first = f"{arrivals[0].received_at:%Y-%m-%dT%H:%M:%SZ}"
        words = f"only the latest {len(arrivals)} payloads can be read again, the first of them of {first}"
        raise InputError(f"since: {words}", (("since", words),))
    if missing := set(wanted.ids or ()) - {arrival.id for arrival in arrivals}:
        raise NotFoundError(f"{wanted.source} has no arrival {min(missing)[:100]!r}")
    ids = set(wanted.ids) if wanted.ids is not None else None
    selected: list[Reread] = []
    others: list[Reread] = []
    for number, arrival in enumerate(arrivals):
        reread = read_again(arrival, partial(read_source, source))
        is_selected = chosen.matches(arrival) and (ids is None or arrival.id in ids)
        (selected if is_selected else others).append(reread)
        if number % READ_AT_ONCE == 0:
            await asyncio.sleep(0)
    return selected, others


async def _standing(situation: Situation) -> Mapping[Fingerprint, Alert]:
    """What fires now, in whatever group."""
    now = ports().clock()
    return {
        member.alert.fingerprint: member.alert
        for _, member in await ports().groups.list_members()
        if member.is_firing and situation.lease_end(member.alert, member.leased_at) > now
    }


async def _send(steps: Sequence[Step], situation: Situation) -> None:
    alerts = [step.alert for step in steps if step.action != "left"]
    for first in range(0, len(alerts), SENT_AT_ONCE):
        await admit(alerts[first : first + SENT_AT_ONCE], situation)


async def _renew(selected: Sequence[Reread], now: datetime) -> None:
    """Note what the payloads became; were this lost, the next replay would find the same again, and send nothing."""
    for one in selected:
        if one.verdict in ("changed", "accepted"):
            await ports().arrivals.store.record_arrival(one.renewed(now))


# --- showing --------------------------------------------------------------------------------------------------------


def _counts(selected: Sequence[Reread]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in selected:
        counts[one.verdict] = counts.get(one.verdict, 0) + 1
    return counts


def _step(step: Step) -> ReplayStep:
    alert = step.alert
    return ReplayStep(
        action=step.action,
        fingerprint=alert.fingerprint,
        labels=dict(alert.labels),
        why=step.why,
        arrival=step.arrival_id,
    )


def _arrival(one: Reread) -> ReplayedArrival:
    arrival: Arrival = one.arrival
    return ReplayedArrival(
        id=arrival.id,
        received_at=arrival.received_at,
        verdict=one.verdict,
        why=one.why,
        before=[shown_alert(alert) for alert in arrival.alerts[:ALERTS_SHOWN]],
        after=[shown_alert(alert) for alert in one.after[:ALERTS_SHOWN]],
    )
