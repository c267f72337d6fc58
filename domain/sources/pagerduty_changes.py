"""PagerDuty's change events: what `/v2/change/enqueue` takes, one change each.

The page: https://developer.pagerduty.com/docs/send-change-event.  An event names no service, since at PagerDuty its
routing key stands for one.  Here the service is the one that `custom_details` names, or else the one of the source's
labels in the `tocsin.yml`; without either the change concerns nothing in particular.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from domain.changes import (
    LONGEST_NAME,
    LONGEST_SUMMARY,
    LONGEST_URL,
    LONGEST_VALUE,
    MOST_LABELS,
    Change,
    made_id,
    time_fault,
)
from domain.errors import RejectedError
from domain.sources.bodies import instant_of, parse, text_of
from domain.sources.definitions import Source
from domain.sources.pagerduty import LARGEST_EVENT_BYTES
from domain.sources.reading import Payload
from domain.sources.redaction import redact

SERVICE = "service"
"""Which of `custom_details`, or of a source's labels, says what the change concerns."""

_URL = re.compile(r"https?://[!-~]+")


class _Details(BaseModel):
    """The event's `payload`; unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")

    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    source: str | None = None
    timestamp: str | None = None
    custom_details: Any = None


class _Event(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    payload: _Details
    links: list[Any] | None = Field(None)


_EVENT = TypeAdapter(_Event)


def read_change(payload: Payload, source: Source, received_at: datetime) -> Change:
    """The change of one event, without its secrets; the same bytes are the same change.

    Args:
        payload: The request.
        source: Whose event it is: what its `redact` names is masked, and its labels are on the change.
        received_at: When it came; also when it happened, where the event has no time that can be read.

    Raises:
        RejectedError: It is no such event, or too old to be kept; the sender is answered 400.
    """
    body = redact(payload.body.decode(errors="replace"), source.redacted).text.encode()
    event = parse(_EVENT, body, "a change event of PagerDuty's", LARGEST_EVENT_BYTES)
    details = event.payload
    told_at = instant_of(details.timestamp) if details.timestamp else None
    if told_at is not None and (fault := time_fault(told_at, received_at)):
        raise RejectedError(f"payload.timestamp: {fault}")
    labels = _labels(details.custom_details)
    known = {name: _cut(text, LONGEST_VALUE) for name, text in source.labels.items()}
    labels = labels | known if source.override else known | labels
    change = Change(
        id="",
        at=(told_at or received_at).astimezone(UTC),
        summary=_cut(details.summary, LONGEST_SUMMARY),
        service=_cut(labels.pop(SERVICE, ""), LONGEST_NAME),
        source=_cut(details.source or "", LONGEST_NAME),
        url=next((url for link in event.links or () if (url := _url(link))), ""),
        labels=dict(list(labels.items())[:MOST_LABELS]),
    )
    # Two sources that say the same mean two things: at PagerDuty, changes of two services.
    whose = replace(change, source=f"{source.name} {change.source}")
    return replace(change, id=made_id(whose, is_timed=told_at is not None))


def _labels(details: Any) -> dict[str, str]:
    if not isinstance(details, Mapping):
        return {"details": _cut(text, LONGEST_VALUE)} if (text := text_of(details)) else {}
    return {_cut(name, LONGEST_NAME): _cut(text_of(value), LONGEST_VALUE) for name, value in details.items()}


def _url(link: Any) -> str:
    url = link.get("href") if isinstance(link, Mapping) else None
    return url if isinstance(url, str) and len(url) <= LONGEST_URL and _URL.fullmatch(url) else ""


def _cut(text: str, longest: int) -> str:
    text = text.strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"
