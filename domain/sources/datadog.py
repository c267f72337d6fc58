"""Datadog's webhook: what a monitor tells, in a payload whose fields the user names in the integration's template.

Source: https://docs.datadoghq.com/integrations/webhooks/ for the variables and their values.

Fields are found by the name of the variable that fills them, in any case and with or without underscores, at the top
or one object further in; a variable that Datadog did not fill (`$ALERT_SCOPE`) counts as missing.  Best is:

    {"alert_id": "$ALERT_ID", "alert_scope": "$ALERT_SCOPE", "alert_transition": "$ALERT_TRANSITION",
     "alert_priority": "$ALERT_PRIORITY", "alert_type": "$ALERT_TYPE", "alert_title": "$ALERT_TITLE",
     "alert_query": "$ALERT_QUERY", "alert_metric": "$ALERT_METRIC", "event_title": "$EVENT_TITLE",
     "text_only_msg": "$TEXT_ONLY_MSG", "tags": "$TAGS", "hostname": "$HOSTNAME", "org_id": "$ORG_ID",
     "org_name": "$ORG_NAME", "date": "$DATE", "link": "$LINK", "snapshot": "$SNAPSHOT"}

Datadog's default template tells neither the monitor nor the transition: then the event's title must, which begins with
`[P2] [Triggered on {host:a}]`.

Identity: the organisation, the monitor and the scope, that is the tags of the group that fired, each of which is a
label.  Where the scope is missing, the host.  Not `$AGGREG_KEY`, which no page says to be stable, nor
`$ALERT_CYCLE_KEY`, which is new for each firing.  The title is no label where the monitor's ID is known, for it may
hold values (`{{value}}`): `alertname` is the monitor's tag `alertname` if it has one, else `Datadog monitor <id>`.  Of
the other tags `env`, `service` and `team` are labels; all are in the annotation `tags`, for a host's tags do change
while something fires (`version`, after the rollback).  `severity` is the monitor's priority; a monitor without one has
no such label, for Triggered and Warn alternate while it fires.  IDs count within Datadog itself, not for each customer,
so the source's key is not part of it.

A monitor tells once that it triggers and once that it recovers, so an alert fires for `UNTIL_RESOLVED`, or for the
source's time to live.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from domain.errors import RejectedError
from domain.quoting import quote
from domain.sources.bodies import first_of, instant_of, plain
from domain.sources.pairs import cut_url, gather, labelled, parse_object
from domain.sources.reading import Payload, Reading, Reception, make_alert

KIND = "datadog"

MOST_FIELDS = 1_000

_FIRING = frozenset({"triggered", "alert", "nodata", "warn", "renotify"})
_RESOLVED = frozenset({"recovered", "ok"})
_SEVERITIES = {"p1": "critical", "p2": "high", "p3": "warning", "p4": "info", "p5": "low"}
_TYPES = {"success": False, "error": True, "warning": True}
_ROUTED_TAGS = ("env", "service", "team")

_NO_LETTER = re.compile(r"[^a-z0-9]")

# [TEST] [P2] [Re-Triggered on {host:a,env:b}] CPU is high
_TITLE = re.compile(
    r"\s*(?:\[TEST\]\s*)?(?:\[(?P<priority>P[1-5])\]\s*)?"
    r"(?:\[(?P<transition>(?:Re-)?(?:Triggered|Recovered|Warn|No Data|Alert|OK)|Renotify)"
    r"(?: on \{(?P<scope>.*?)\})?\]\s*)?(?P<name>.*)",
    re.DOTALL | re.IGNORECASE,
)


def read(payload: Payload, reception: Reception) -> Reading:
    """Read one notification of a monitor.

    Raises:
        RejectedError: It does not say which monitor it is about, or not whether it fires.
        UnreadableError: It is no JSON.
    """
    fields = _fields(parse_object(payload.body, "a notification of Datadog"))
    title, parts = _title(fields)
    transition = _first(fields, "alerttransition", "transition") or parts["transition"]
    if _spelt(transition) == "muted":
        return Reading((), ("Muted: Datadog does not say whether the monitor still fires",))
    is_firing = _is_firing(transition, fields.get("alerttype", ""))
    monitor = _first(fields, "alertid", "monitorid")
    name = parts["name"].strip() or title
    if not monitor and not name:
        raise RejectedError("nothing says which monitor it is about: have the template send alert_id: $ALERT_ID")
    scope = _tags_of(_first(fields, "alertscope", "scope", "scopes") or parts["scope"])
    tags = _tags_of(_first(fields, "tags", "eventtags"))
    priority = first_of(
        text.lower()
        for text in (_first(fields, "alertpriority", "severity"), parts["priority"], fields.get("priority", ""))
        if text.lower() in _SEVERITIES
    )
    own = {
        "alertname": tags.get("alertname", "") or (f"Datadog monitor {monitor}" if monitor else name),
        "source": KIND,
        "severity": _SEVERITIES.get(priority, ""),
        "monitor_id": monitor,
        "org_id": _first(fields, "orgid"),
    }
    theirs = {tag: tags[tag] for tag in _ROUTED_TAGS if tag in tags}
    theirs.update(scope)
    if not scope and (host := _first(fields, "hostname", "host")):
        theirs["host"] = host
    annotations = {
        "summary": title or own["alertname"],
        "description": _first(fields, "textonlymsg", "eventmsg", "message", "msg", "body"),
        "transition": transition,
        "status": _first(fields, "alertstatus"),
        "query": _first(fields, "alertquery"),
        "metric": _first(fields, "alertmetric"),
        "tags": _first(fields, "tags", "eventtags"),
        "org_name": _first(fields, "orgname"),
        "image_url": cut_url(_first(fields, "snapshot")),
    }
    happened = instant_of(_first(fields, "date", "lastupdated", "lastupdatedposix"))
    return Reading(
        (
            make_alert(
                reception,
                labelled(own, theirs),
                annotations,
                is_firing=is_firing,
                starts_at=happened if is_firing else None,
                ends_at=happened,
                url=cut_url(_first(fields, "link", "eventurl", "url")),
            ),
        )
    )


_LONGEST_TITLE = 2_000


def _fields(body: dict[str, Any]) -> dict[str, str]:
    """The payload's texts by the letters and digits of their names; those at the top count first."""
    fields: dict[str, str] = {}
    for name, value in body.items():
        if isinstance(value, str):
            if (text := value.strip()) and text[0] != "$":
                fields.setdefault(_letters(name[:100]), text)
        elif not isinstance(value, dict):
            _put(fields, name, _joined(value))
    if len(fields) > MOST_FIELDS:
        raise RejectedError(f"the notification has more than {MOST_FIELDS} fields")
    for outer, value in body.items():
        if isinstance(value, dict):
            for name, inner in value.items():
                _put(fields, name, _joined(inner))
                _put(fields, f"{outer}{name}", _joined(inner))  # org: {id, name}
    return fields


def _put(fields: dict[str, str], name: str, text: str) -> None:
    if len(fields) >= MOST_FIELDS:
        raise RejectedError(f"the notification has more than {MOST_FIELDS} fields")
    if text and not text.startswith("$"):
        fields.setdefault(_letters(name[:100]), text)


@lru_cache(maxsize=4096)
def _letters(name: str) -> str:
    """The letters and digits of a name, in lower case: `ALERT_ID` and `alertId` are both `alertid`."""
    return _NO_LETTER.sub("", name.lower())


def _joined(value: object) -> str:
    """A list of tags as Datadog writes it, where the template made an array of it."""
    if isinstance(value, list):
        return ",".join(filter(None, map(plain, value)))
    return plain(value)


def _first(fields: dict[str, str], *names: str) -> str:
    for name in names:
        if text := fields.get(name):
            return text
    return ""


def _tags_of(text: str) -> Mapping[str, str]:
    if not text:
        return {}
    return _read_kept(text) if len(text) <= _LONGEST_KEPT else _read_tags(text)


def _read_tags(text: str) -> Mapping[str, str]:
    return gather(_tags(text))


# A monitor's notifications have the same tags, and so have a host's.
_read_kept = lru_cache(maxsize=1024)(_read_tags)
_LONGEST_KEPT = 2_000
"""In characters: what is cached must not hold a thousand long texts."""


def _tags(text: str) -> Iterator[tuple[str, str]]:
    """`env:prod, role:web, monitor` as pairs; a bare tag is one of the name `tag`, and `*` is everything: none."""
    for tag in text.split(","):
        name, colon, value = tag.strip().partition(":")
        if colon:
            yield name.strip(), value.strip()
        elif name and name != "*":
            yield "tag", name


def _spelt(transition: str) -> str:
    """`Re-No Data` as `nodata`."""
    return _letters(transition[:100].lower().removeprefix("re-"))


def _title(fields: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The title that tells most, and its parts: `$ALERT_TITLE` has been seen with and without what fired."""
    found = ("", dict.fromkeys(_TITLE.groupindex, ""))
    for name in ("alerttitle", "eventtitle", "title"):
        title = fields.get(name, "")
        if title and (said := _TITLE.fullmatch(title[:_LONGEST_TITLE])):
            parts = said.groupdict("")
            if parts["transition"]:
                return title, parts
            found = found if found[0] else (title, parts)
    return found


def _is_firing(transition: str, alert_type: str) -> bool:
    spelt = _spelt(transition)
    if spelt in _FIRING or spelt in _RESOLVED:
        return spelt in _FIRING
    if alert_type.lower() in _TYPES:
        return _TYPES[alert_type.lower()]
    if transition:
        raise RejectedError(f"the transition {quote(transition[:100])} says neither that it fires nor that it is over")
    raise RejectedError(
        "nothing says whether it fires: have the template send alert_transition: $ALERT_TRANSITION "
        "or title: $EVENT_TITLE"
    )
