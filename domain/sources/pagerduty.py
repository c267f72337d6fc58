"""PagerDuty's Events API v2: what `/v2/enqueue` takes, a trigger, an acknowledgement or a resolve of one alert.

The pages: https://developer.pagerduty.com/docs/send-alert-event and reference/events-v2/openapiv3.json in
PagerDuty/api-schema.  Where PagerDuty answers 400, this refuses.

Identity: `dedup_key` and which source it came to (PagerDuty's routing key), and nothing else, because the key is all
that an acknowledgement and a resolve carry: PagerDuty itself folds every trigger of one key into one alert, whatever
its severity, source or text.  So those are annotations: a label of theirs would keep a resolve from closing anything.
`PagerdutyEvent.details` names them as labels for a caller that remembers what it made of a key's first trigger.  So no
route can ask for the severity of such an alert; who must route by it sends each severity to a source of its own, and
routes by the label `integration`, which is the source's key.

A trigger without a key opens an alert that nobody can resolve by key; it gets the one that the caller proposes, which
the answer must tell the sender.

An event is sent once, so an alert fires for `UNTIL_RESOLVED`, or for the source's time to live: PagerDuty's services
may be set to resolve by themselves (auto-resolution), and nothing in an event says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from domain.alerts import Alert
from domain.errors import RejectedError
from domain.labels import Fingerprint, Labels
from domain.sources.bodies import instant_of, parse, text_of
from domain.sources.reading import Payload, Reading, Reception, make_alert, remembered
from domain.values import value

KIND = "pagerduty"

ALERTNAME = "PagerdutyEvent"

LARGEST_EVENT_BYTES = 512 * 1024

LONGEST_DEDUP_KEY = 255

_LINKS_KEPT = 20

SEVERITIES = {"critical": "critical", "error": "high", "warning": "warning", "info": "info"}


class _Details(BaseModel):
    """The event's `payload`; unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")

    summary: str
    source: str
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: str | None = None
    component: str | None = None
    group: str | None = None
    kind: Annotated[str | None, Field(alias="class")] = None
    custom_details: Any = None


class _Event(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    event_action: Literal["trigger", "acknowledge", "resolve"]
    routing_key: str | None = None
    dedup_key: str | None = None
    payload: _Details | None = None
    client: str | None = None
    client_url: str | None = None
    links: list[Any] | None = None
    images: list[Any] | None = None


_EVENT = TypeAdapter(_Event)


@value
class PagerdutyEvent:
    """What one event asks for, and of which alert."""

    action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: str
    routing_key: str
    """From the body, or from the header `X-Routing-Key`; empty where the address alone names the source."""
    fingerprint: Fingerprint
    """The alert that the action is about, acknowledged ones too."""
    alert: Alert | None
    """None for an acknowledgement, which says nothing of the condition."""
    details: Mapping[str, str]
    """What a trigger said that people route on: `severity`, `host`, `component`, `group`, `class`."""
    problems: tuple[str, ...] = ()

    def answer(self) -> dict[str, str]:
        """The body that goes with 202."""
        return {"status": "success", "message": "Event processed", "dedup_key": self.dedup_key}


def read(payload: Payload, reception: Reception) -> Reading:
    """The alert of a trigger or a resolve; none for an acknowledgement: see `read_event`.

    The same bytes without a key are the same alert: a sender repeats what it had no answer to.

    Raises:
        RejectedError: It is no such event.
    """
    event = read_event(payload, reception)
    return Reading([] if event.alert is None else [event.alert], event.problems)


def new_key_of(payload: Payload) -> str:
    """The `dedup_key` of a trigger that has none."""
    return sha256(payload.body).hexdigest()[:32]


def read_event(payload: Payload, reception: Reception, new_key: str = "") -> PagerdutyEvent:
    """The event, and the alert that it fires or resolves.

    Args:
        payload: The request.
        reception: Whose source it came to, and when.
        new_key: What a trigger's `dedup_key` is where it has none; by default `new_key_of` the payload.

    Raises:
        RejectedError: It is no such event; the sender is answered 400.
    """
    event = parse(_EVENT, payload.body, "an event of PagerDuty's Events API v2", LARGEST_EVENT_BYTES)
    key = event.dedup_key or ""
    if not key and event.event_action != "trigger":
        raise RejectedError(f"dedup_key: {event.event_action} needs the key of a trigger")
    key = key or new_key or new_key_of(payload)
    if len(key) > LONGEST_DEDUP_KEY:
        raise RejectedError(f"dedup_key: it has {len(key)} characters; at most {LONGEST_DEDUP_KEY} are taken")
    if event.event_action == "trigger" and event.payload is None:
        raise RejectedError("payload: a trigger needs summary, source and severity")
    known = _known_by(reception.key, key)
    details = {} if event.payload is None else _details_of(event.payload)
    alert = None
    problems: tuple[str, ...] = ()
    if event.event_action != "acknowledge":
        starts_at = None
        if event.payload is not None and event.payload.timestamp:
            starts_at = instant_of(event.payload.timestamp)
            if starts_at is None:
                problems = (f"payload.timestamp: {event.payload.timestamp[:40]!r} is no date-time with an offset",)
        alert = make_alert(
            reception,
            known,
            _annotations_of(event, details),
            is_firing=event.event_action == "trigger",
            starts_at=starts_at,
            ends_at=starts_at,
            url=event.client_url or "",
        )
    return PagerdutyEvent(
        action=event.event_action,
        dedup_key=key,
        routing_key=event.routing_key or payload.headers.get("x-routing-key", ""),
        fingerprint=known[0],
        alert=alert,
        details=details,
        problems=problems,
    )


@remembered
def _known_by(integration: str, dedup_key: str) -> Labels:
    return {"alertname": ALERTNAME, "source": KIND, "integration": integration, "dedup_key": dedup_key}


def _details_of(found: _Details) -> dict[str, str]:
    details = {
        "severity": SEVERITIES[found.severity],
        "host": found.source,
        "component": found.component or "",
        "group": found.group or "",
        "class": found.kind or "",
    }
    return {name: text for name, text in details.items() if text}


def _annotations_of(event: _Event, details: Mapping[str, str]) -> dict[str, str]:
    annotations = {**details, "client": event.client or ""}
    if event.payload is not None:
        annotations["severity_now"] = annotations.pop("severity")
        annotations["summary"] = event.payload.summary
        annotations["description"] = text_of(event.payload.custom_details)
    if event.links:
        annotations["links"] = _joined(event.links, "href")
    if event.images:
        annotations["images"] = _joined(event.images, "src")
    return annotations


def _joined(found: Sequence[Any], key: str) -> str:
    return " ".join([text_of(item[key]) for item in found[:_LINKS_KEPT] if isinstance(item, dict) and item.get(key)])
