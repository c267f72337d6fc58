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
from typing import Any

from domain.errors import RejectedError
from domain.labels import Labels
from domain.quoting import quote
from domain.sources.bodies import instant_of, plain
from domain.sources.pairs import cut_url, gather, labelled, letters, parse_object, spelt
from domain.sources.reading import Payload, Reading, Reception, make_alert, remembered, remembered_text

KIND = "datadog"

MOST_FIELDS = 1_000

_FIRING = frozenset({"triggered", "alert", "nodata", "warn", "renotify"})
_RESOLVED = frozenset({"recovered", "ok"})
_SEVERITIES = {"p1": "critical", "p2": "high", "p3": "warning", "p4": "info", "p5": "low"}
_TYPES = {"success": False, "error": True, "warning": True}
_ROUTED_TAGS = ("env", "service", "team")

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
    get = fields.get
    title, parts = _title(fields)
    transition = get("alerttransition") or get("transition") or parts["transition"]
    word = _plain_word(transition)
    if word == "muted":
        return Reading((), ("Muted: Datadog does not say whether the monitor still fires",))
    is_firing = _is_firing(word, transition, get("alerttype", ""))
    monitor = get("alertid") or get("monitorid") or ""
    name = parts["name"].strip() or title
    if not monitor and not name:
        raise RejectedError("nothing says which monitor it is about: have the template send alert_id: $ALERT_ID")
    scope = get("alertscope") or get("scope") or get("scopes") or parts["scope"]
    tags = get("tags") or get("eventtags") or ""
    known = _known_by(
        monitor,
        "" if monitor else name,
        get("orgid", ""),
        _severity(get("alertpriority") or get("severity"), parts["priority"], get("priority")),
        scope,
        tags,
        get("hostname") or get("host") or "",
    )
    annotations = {
        "summary": title or known[1]["alertname"],
        "description": get("textonlymsg") or get("eventmsg") or get("message") or get("msg") or get("body") or "",
        "transition": transition,
        "status": get("alertstatus", ""),
        "query": get("alertquery", ""),
        "metric": get("alertmetric", ""),
        "tags": tags,
        "org_name": get("orgname", ""),
        "image_url": cut_url(get("snapshot")),
    }
    happened = instant_of(get("date") or get("lastupdated") or get("lastupdatedposix"))
    return Reading(
        (
            make_alert(
                reception,
                known,
                annotations,
                is_firing=is_firing,
                starts_at=happened if is_firing else None,
                ends_at=happened,
                url=cut_url(get("link") or get("eventurl") or get("url")),
            ),
        )
    )


def _severity(*words: str | None) -> str:
    for word in words:
        if word and (severity := _SEVERITIES.get(word.lower())):
            return severity
    return ""


@remembered
def _known_by(monitor: str, name: str, org: str, severity: str, scope: str, tags: str, host: str) -> Labels:
    all_tags, of_scope = _tags_of(tags), _tags_of(scope)
    own = {
        "alertname": all_tags.get("alertname", "") or (f"Datadog monitor {monitor}" if monitor else name),
        "source": KIND,
        "severity": severity,
        "monitor_id": monitor,
        "org_id": org,
    }
    theirs = {tag: all_tags[tag] for tag in _ROUTED_TAGS if tag in all_tags}
    theirs.update(of_scope)
    if not of_scope and host:
        theirs["host"] = host
    return labelled(own, theirs)


_LONGEST_TITLE = 2_000


def _fields(body: dict[str, Any]) -> dict[str, str]:
    """The payload's texts by the letters and digits of their names; those at the top count first."""
    fields = {
        name: text
        for name, value in spelt(body)
        if not isinstance(value, dict)
        and (text := value.strip() if isinstance(value, str) else _joined(value))
        and text[0] != "$"
    }
    if len(fields) < len(body):
        for outer, value in body.items():
            if isinstance(value, dict):
                for name, inner in value.items():
                    if (text := _joined(inner)) and text[0] != "$":
                        fields.setdefault(letters(name[:100]), text)
                        fields.setdefault(letters(f"{outer}{name}"[:100]), text)  # org: {id, name}
    if len(fields) > MOST_FIELDS:
        raise RejectedError(f"the notification has more than {MOST_FIELDS} fields")
    return fields


def _joined(value: object) -> str:
    """A list of tags as Datadog writes it, where the template made an array of it."""
    if isinstance(value, list):
        return ",".join(filter(None, map(plain, value)))
    return plain(value)


@remembered_text  # the tags of a host, and of a monitor
def _tags_of(text: str) -> Mapping[str, str]:
    return gather(_tags(text))


def _tags(text: str) -> Iterator[tuple[str, str]]:
    """`env:prod, role:web, monitor` as pairs; a bare tag is one of the name `tag`, and `*` is everything: none."""
    for tag in text.split(","):
        name, colon, value = tag.strip().partition(":")
        if colon:
            yield name.strip(), value.strip()
        elif name and name != "*":
            yield "tag", name


def _plain_word(transition: str) -> str:
    """`Re-No Data` as `nodata`."""
    return letters(transition[:100].lower().removeprefix("re-"))


def _title(fields: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """The title that tells most, and its parts: `$ALERT_TITLE` has been seen with and without what fired."""
    found: tuple[str, Mapping[str, str]] = ("", _NO_PARTS)
    for name in ("alerttitle", "eventtitle", "title"):
        if title := fields.get(name):
            parts = _parts(title[:_LONGEST_TITLE])
            if parts["transition"]:
                return title, parts
            if not found[0]:
                found = title, parts
    return found


@remembered_text  # a monitor's title is mostly the same each time
def _parts(title: str) -> Mapping[str, str]:
    said = _TITLE.fullmatch(title)
    return said.groupdict("") if said else _NO_PARTS


_NO_PARTS = dict.fromkeys(_TITLE.groupindex, "")


def _is_firing(word: str, transition: str, alert_type: str) -> bool:
    if word in _FIRING or word in _RESOLVED:
        return word in _FIRING
    if alert_type.lower() in _TYPES:
        return _TYPES[alert_type.lower()]
    if transition:
        raise RejectedError(f"the transition {quote(transition[:100])} says neither that it fires nor that it is over")
    raise RejectedError(
        "nothing says whether it fires: have the template send alert_transition: $ALERT_TRANSITION "
        "or title: $EVENT_TITLE"
    )
