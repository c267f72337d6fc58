"""CloudEvents 1.0 over HTTP or a queue: one event in binary or structured mode, or a batch.

The pages: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md for the attributes,
bindings/http-protocol-binding.md for the modes and what headers hold, formats/json-format.md for the JSON, and
bindings/amqp-protocol-binding.md for the names of application properties (`cloudEvents:type`, `cloudEvents_type`).
The handshake that Event Grid asks for (http-webhook.md) is the door's affair.

Identity: `source`, `subject`, and `type` without the state that it ends in, so that `com.acme.disk.full.firing` and
`com.acme.disk.full.resolved` are one alert; and what the sender adds to it: the extension attributes of
`ROUTED_ATTRIBUTES`, `severity` among them, and the texts of `data.labels`, which all events of one alert must repeat.
`id` and `time` are new in each event.  `data.severity` may change while it fires and is the annotation `severity_now`.

State: the last part of `type`, else the attribute `status`, else `data.status`, `data.state` or
`data.monitorCondition`.  What is told to fire does so for `UNTIL_RESOLVED`, for whoever has a word for it has one for
its end; an event that tells no state fires for the source's time to live, by default `TIME_TO_LIVE`.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from domain.alerts import Alert
from domain.errors import RejectedError, UnreadableError
from domain.labels import Labels
from domain.sources.bodies import (
    check_count,
    check_size,
    instant_of,
    outcome,
    parse_json,
    plain,
    put_own,
    text_of,
    valid_names,
    with_own,
)
from domain.sources.reading import (
    LONGEST_TEXT,
    TIME_TO_LIVE,
    UNTIL_RESOLVED,
    Identity,
    Payload,
    Reading,
    Reception,
    make_alert,
    paired,
    remembered,
)

KIND = "cloudevents"

VERSION = "1.0"

ROUTED_ATTRIBUTES = (
    "cluster",
    "component",
    "environment",
    "host",
    "namespace",
    "project",
    "region",
    "service",
    "team",
    "tenant",
)
"""Extension attributes that become labels; others (`traceparent`, `sequence`) are new in each event."""

SEVERITIES = {
    "critical": "critical",
    "fatal": "critical",
    "emergency": "critical",
    "high": "high",
    "error": "high",
    "major": "high",
    "warning": "warning",
    "warn": "warning",
    "medium": "warning",
    "minor": "warning",
    "info": "info",
    "information": "info",
    "informational": "info",
    "notice": "info",
    "low": "low",
    "debug": "low",
}

FIRING = frozenset(
    {"active", "activated", "alarm", "alerting", "down", "failed", "fired", "firing", "open", "opened", "problem"}
    | {"raised", "triggered", "unhealthy"}
)
RESOLVED = frozenset(
    {"cleared", "closed", "deactivated", "healthy", "inactive", "normal", "ok", "recovered", "resolved", "succeeded"}
    | {"up"}
)

_STATES = FIRING | RESOLVED
_LABEL_ATTRIBUTES = frozenset({*ROUTED_ATTRIBUTES, "severity"})
_LONGEST_KEPT = 200

_REQUIRED = ("id", "source", "specversion", "type")
_STRUCTURED = "application/cloudevents"
_BATCH = "application/cloudevents-batch"
_JSON = re.compile(r"[\w!#$&^.+-]{1,100}/(?:[\w!#$&^.-]{1,100}\+)?json\s*(?:;|$)", re.ASCII | re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})")
_STATE = re.compile(r"(?P<stem>.+)[./:](?P<state>[A-Za-z]{2,20})", re.DOTALL)
_HTTP_PREFIX = "ce-"
_PREFIXES = ("cloudevents:", "cloudevents_")
"""Of application properties; equally long."""
_MOST_LABELS = 100


def read(payload: Payload, reception: Reception) -> Reading:
    """The alerts of one event or one batch; an empty batch has none.

    Raises:
        RejectedError: It is no CloudEvent of version 1.0, or no event of the batch is.
    """
    check_size(payload.body)
    events = _events(payload)
    check_count(len(events))
    alerts: list[Alert] = []
    problems: list[str] = []
    for place, event in enumerate(events):
        try:
            alerts.append(_read_one(event, reception))
        except ValueError as error:
            problems.append(f"event {place}: {error}")
    return outcome(alerts, problems)


def _events(payload: Payload) -> list[Any]:
    """The events of any of the three modes, each as the JSON format has it."""
    kind = payload.headers.get("content-type", "").strip().lower()
    if kind.startswith(_BATCH):
        return _batch(parse_json(payload.body, "a batch of CloudEvents"))
    if kind.startswith(_STRUCTURED):
        if kind.partition(";")[0].strip() not in (_STRUCTURED, f"{_STRUCTURED}+json"):
            raise RejectedError(f"content-type: {kind[:80]!r}: of the event formats only JSON is taken")
        return [parse_json(payload.body, "a CloudEvent")]
    attributes = _attributes_of(payload.headers)
    if "specversion" in attributes or "type" in attributes:
        return [_binary(attributes, kind, payload.body)]
    # A queue's message may have lost its content type.
    value = parse_json(payload.body, "a CloudEvent (no ce- headers were found, so JSON is expected)")
    return _batch(value) if isinstance(value, list) else [value]


def _batch(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise RejectedError("a batch of CloudEvents is a JSON array")
    return value


def _attributes_of(headers: Mapping[str, str]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for header, text in headers.items():
        if header.startswith(_HTTP_PREFIX):
            attributes[header[len(_HTTP_PREFIX) :]] = _unescaped(header, text)
        elif header.startswith(_PREFIXES):
            attributes[header[len(_PREFIXES[0]) :]] = _utf8(text)
    return attributes


def _utf8(text: str) -> str:
    """A property of a message, which is not escaped as HTTP's headers are."""
    try:
        return text.encode("utf-8").decode("utf-8")
    except UnicodeError:
        raise RejectedError("an application property is not UTF-8") from None


def _unescaped(header: str, text: str) -> str:
    text = text.strip(" \t")
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _ESCAPED.sub(r"\1", text[1:-1])
    if "%" not in text and text.isascii():
        return text
    if _ESCAPES.search(text):
        raise RejectedError(f"{header}: there is a % that no two hexadecimal digits follow")
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        raise RejectedError(f"{header}: what is percent-encoded is not UTF-8") from None


def _binary(attributes: dict[str, Any], kind: str, body: bytes) -> dict[str, Any]:
    event = {**attributes, "datacontenttype": kind}
    event.pop("data", None)
    event.pop("data_base64", None)
    if not body:
        return event
    if _JSON.match(kind):
        event["data"] = parse_json(body, "what its content type says, JSON")
    elif kind.startswith("text/"):
        event["data"] = body[: 4 * LONGEST_TEXT].decode("utf-8", "replace")
    elif body.startswith(b"{"):
        # The SDKs name no content type where the event names none, and some HTTP clients then name one of their own.
        with suppress(UnreadableError):
            event["data"] = parse_json(body)
    return event


# --- one event ------------------------------------------------------------------------------------------------------


def _read_one(event: Any, reception: Reception) -> Alert:
    if not isinstance(event, dict):
        raise ValueError("it is no JSON object")
    for name in _REQUIRED:
        text = event.get(name)
        if not text or not isinstance(text, str):
            raise ValueError(f"{name}: a text that is not empty is expected")
    if event["specversion"] != VERSION:
        raise ValueError(f"specversion: {event['specversion'][:20]!r} found, {VERSION!r} expected")
    data = _data_of(event)
    fields = data if isinstance(data, dict) else {}
    stem, state = _split_type(event["type"])
    told = _told_state(state, event, fields)
    at = instant_of(event["time"]) if "time" in event else None
    since, until = fields.get("startsAt"), fields.get("endsAt")
    return make_alert(
        reception,
        _known(event, fields, stem),
        _annotations(event, data, stem),
        is_firing=told is not False,
        lease=UNTIL_RESOLVED if told else reception.lease(TIME_TO_LIVE),
        starts_at=(instant_of(since) if since else None) or at,
        ends_at=(instant_of(until) if until else None) or at,
        url=_url(fields.get("url")) or _url(fields.get("link")) or _url(event["source"]),
    )


def _data_of(event: Mapping[str, Any]) -> Any:
    encoded = event.get("data_base64")
    if not isinstance(encoded, str):
        return event.get("data")
    kind = event.get("datacontenttype")
    if isinstance(kind, str) and not _JSON.match(kind):
        return None
    try:
        return parse_json(b64decode(encoded, validate=True))
    except (Base64Error, ValueError, UnreadableError):
        raise ValueError("data_base64: it is not JSON in Base64") from None


def _split_type(type_: str) -> tuple[str, str]:
    """The type without its state, and the state; all of it and nothing where it does not end in one."""
    return _split_kept(type_) if len(type_) <= _LONGEST_KEPT else _split(type_)


def _split(type_: str) -> tuple[str, str]:
    match = _STATE.fullmatch(type_)
    if match is None or (state := match["state"].lower()) not in _STATES:
        return type_, ""
    return match["stem"], state


# Types are few.
_split_kept = lru_cache(maxsize=1024)(_split)


def _told_state(state: str, event: Mapping[str, Any], fields: Mapping[str, Any]) -> bool | None:
    """Whether it fires; None where nothing tells."""
    words = (state, event.get("status"), fields.get("status"), fields.get("state"), fields.get("monitorCondition"))
    for word in words:
        said = word.lower() if isinstance(word, str) else ""
        if said in RESOLVED:
            return False
        if said in FIRING:
            return True
    return None


def _known(event: Mapping[str, Any], fields: Mapping[str, Any], stem: str) -> Identity:
    told = {name: text for name in _LABEL_ATTRIBUTES & event.keys() if (text := plain(event[name]))}
    sent = fields.get("labels")
    theirs = {}
    if isinstance(sent, dict):
        if len(sent) > _MOST_LABELS:
            raise ValueError(f"data.labels: there are {len(sent)}; at most {_MOST_LABELS} are taken")
        theirs = {name: text for name, value in sent.items() if (text := plain(value))}
    subject = plain(event.get("subject"))
    return _known_by(stem, event["source"], subject, *told, *told.values(), "", *theirs, *theirs.values())


@remembered
def _known_by(stem: str, source: str, subject: str, *more: str) -> Labels:
    """By attributes too, and, after an empty text, by labels of theirs: all names, then all values."""
    end = more.index("")
    own = {"alertname": stem, "source": KIND, "event_source": source, "subject": subject}
    labels = with_own(valid_names(paired(more[end + 1 :])), own)
    for name, text in paired(more[:end]).items():
        put_own(labels, name, text)
    if word := labels.get("severity"):
        labels["severity"] = SEVERITIES.get(word.lower(), word)
    return labels


def _annotations(event: Mapping[str, Any], data: Any, stem: str) -> dict[str, str]:
    fields = data if isinstance(data, dict) else {}
    get = fields.get
    subject = plain(event.get("subject"))
    usual = f"{stem}: {subject}" if subject else stem
    text = data if isinstance(data, str) else ""
    own = {
        "summary": plain(get("summary")) or plain(get("title")) or usual,
        "description": plain(get("description")) or plain(get("message")) or text,
        "runbook_url": plain(get("runbook_url")),
        "dashboard_url": plain(get("dashboard_url")),
        "value": text_of(get("value")),
        "severity_now": plain(get("severity")),
        "event_id": event["id"],
        "dataschema": plain(event.get("dataschema")),
    }
    if isinstance(sent := get("annotations"), dict):
        found = {name: text for name, value in list(sent.items())[:_MOST_LABELS] if (text := text_of(value))}
        own.update(valid_names(found))
    return own


def _url(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else ""
