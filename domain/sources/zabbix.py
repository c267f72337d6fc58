"""Zabbix: what a webhook media type sends that posts its parameters as one JSON object.

The pages: https://www.zabbix.com/documentation/current/en/manual/appendix/macros/supported_by_location for what each
macro stands for, https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook for the
script, and templates/media/ in zabbix/zabbix for how Zabbix's own scripts tell problem, update and recovery apart.

The user chooses the parameters' names, so any spelling of the macro is read: `EVENT.ID`, `event_id` and `eventid` are
one.  Needed are TRIGGER.ID and EVENT.VALUE; better are HOST.HOST, TRIGGER.NAME.ORIG, TRIGGER.NSEVERITY, EVENT.NAME,
EVENT.TAGSJSON, EVENT.TIMESTAMP and EVENT.RECOVERY.TIMESTAMP too.

Identity: the trigger and the host, and `source_key`, for every Zabbix counts its triggers from 1; each machine under a
template has triggers of its own.  Where there is no trigger (services, items), the event's id, which a problem and its
recovery share.  Not labels:

* EVENT.NAME and TRIGGER.NAME, which show values, the latter those of the recovery; only TRIGGER.NAME.ORIG is stable.
* EVENT.NSEVERITY, which people change while a problem lasts; the trigger's own severity is the label.
* Tags but for those of `ROUTED_TAGS`: media types add theirs to the problem after its first message.

EVENT.DATE and EVENT.TIME have no offset and stand in the annotation `since` only; instants come from the timestamps.
A problem update (EVENT.UPDATE.STATUS 1) is the same firing alert, acknowledged or not.  A trigger that generates
several problems at once is one alert, and the first recovery ends it.

A problem is told once, or in escalation steps that the user sets, and its recovery once: an alert fires for
`UNTIL_RESOLVED`, or for the source's time to live.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from domain.errors import RejectedError
from domain.labels import Labels
from domain.sources.bodies import instant_of, label_name, parse_json, plain, text_of, with_own
from domain.sources.pairs import letters, spelt
from domain.sources.reading import Identity, Payload, Reading, Reception, make_alert, remembered, remembered_text

KIND = "zabbix"

ALERTNAME = "ZabbixProblem"
"""Where the trigger's unexpanded name is not sent."""

SEVERITIES = {
    "0": "low",
    "1": "info",
    "2": "warning",
    "3": "warning",
    "4": "high",
    "5": "critical",
    "not classified": "low",
    "information": "info",
    "warning": "warning",
    "average": "warning",
    "high": "high",
    "disaster": "critical",
}

ROUTED_TAGS = frozenset(
    {"application", "class", "component", "env", "environment", "location", "owner", "project", "scope", "service"}
    | {"target", "team"}
)
"""Tags that become labels."""

_EXPECTED = "a JSON object of a Zabbix webhook's parameters"
_SOURCES = {"1": "discovery", "2": "autoregistration", "3": "internal", "4": "service"}
_PROBLEM = frozenset({"1", "problem"})
_RECOVERED = frozenset({"0", "ok", "resolved"})
_UNKNOWN = re.compile(r"\*UNKNOWN\*|UNKNOWN|\{[A-Z$?][^{}]{0,200}\}")
_UNKNOWN_BEGINS = "*{U"
_PARAMETERS_READ = 1000
_LONGEST_NAME = 200
_TAGS_READ = 200


def read(payload: Payload, reception: Reception) -> Reading:
    """The alert of one message.

    Raises:
        RejectedError: It is no JSON object, or says neither what it is about nor whether that is a problem.
    """
    value = parse_json(payload.body, _EXPECTED)
    if not isinstance(value, dict):
        raise RejectedError(f"the body is not {_EXPECTED}: Input should be an object")
    found = _parameters(value)
    get = found.get
    kind = _SOURCES.get(get("eventsource", ""), "")
    if kind in ("discovery", "autoregistration"):
        raise RejectedError(f"EVENT.SOURCE is {kind}: such events neither fire nor resolve; only problems are taken")
    is_firing = _is_firing(found)
    known = _known(found, kind, reception.key)
    annotations = {
        "summary": get("eventname", "") or get("alertsubject", "") or get("triggername", ""),
        "description": get("triggerdescription", "") or get("description", "") or get("alertmessage", ""),
        "severity_now": _severity(found, "eventupdatenseverity", "eventnseverity", "eventseverity", "severity"),
        "value": get("eventopdata", "") or get("opdata", "") or get("itemvalue", ""),
        "since": f"{get('eventdate', '')} {get('eventtime', '')}".strip(),
        "acknowledged": get("eventackstatus", "") or get("eventack", ""),
        "update": f"{get('eventupdateaction', '')} {get('eventupdatemessage', '')}".strip(),
        "runbook_url": get("triggerurl", ""),
        "tags": get("eventtagsjson", "") or get("eventtags", ""),
        "host_ip": get("hostip", ""),
        "event_id": get("eventid", ""),
    }
    alert = make_alert(
        reception,
        known,
        annotations,
        is_firing=is_firing,
        starts_at=instant_of(get("eventtimestamp")),
        ends_at=instant_of(get("eventrecoverytimestamp")),
        url=_url(found),
    )
    return Reading([alert])


def _parameters(value: dict[str, Any]) -> dict[str, str]:
    """The parameters by their macro's letters; macros that Zabbix could not resolve, and what is empty, left out."""
    if dict not in set(map(type, value.values())):  # as of nearly all media types
        return {
            name: text
            for name, item in spelt(value)
            if (text := item.strip() if isinstance(item, str) else text_of(item))
            and not (text[0] in _UNKNOWN_BEGINS and _UNKNOWN.fullmatch(text))
        }
    found: dict[str, str] = {}
    _gather(value, "", found, 3)
    return found


def _gather(value: Mapping[str, Any], above: str, found: dict[str, str], depth: int) -> None:
    for name, item in value.items():
        if len(found) >= _PARAMETERS_READ or len(name) > _LONGEST_NAME:
            continue
        if isinstance(item, dict) and depth > 1:
            _gather(item, f"{above}{name}.", found, depth - 1)
            continue
        text = item.strip() if isinstance(item, str) else text_of(item)
        if text and not (text[0] in _UNKNOWN_BEGINS and _UNKNOWN.fullmatch(text)):
            found.setdefault(letters(above + name), text)


def _is_firing(found: Mapping[str, str]) -> bool:
    get = found.get
    if get("eventrecoveryvalue") == "0":
        return False
    for name in ("eventvalue", "eventstatus", "triggervalue", "triggerstatus", "status"):
        word = get(name, "").lower()
        if word in _PROBLEM:
            return True
        if word in _RECOVERED:
            return False
    said = (get("eventvalue", "") or get("eventstatus", ""))[:40]
    raise RejectedError(f"EVENT.VALUE: {said!r} found, 1 (problem) or 0 (recovery) expected")


def _known(found: Mapping[str, str], kind: str, key: str) -> Identity:
    get = found.get
    trigger, event = get("triggerid", ""), get("eventid", "")
    if not trigger and not event:
        raise RejectedError("TRIGGER.ID is expected: without it no two problems can be told apart")
    return _known_by(
        key,
        # What Zabbix says of a trigger itself, that it cannot be evaluated, is another alert than the trigger's.
        kind,
        trigger,
        "" if trigger else event,
        get("triggernameorig", ALERTNAME),
        _severity(found, "triggernseverity", "triggerseverity"),
        get("hosthost", "") or get("hostname", "") or get("host", ""),
        get("triggerhostgroupname", ""),
        get("eventtagsjson", "") or get("eventtags", "") or get("tags", ""),
    )


@remembered
def _known_by(
    key: str, kind: str, trigger: str, event: str, name: str, severity: str, host: str, group: str, tags: str
) -> Labels:
    own = {
        "alertname": name,
        "source": KIND,
        "source_key": key,
        "severity": severity,
        "host": host,
        "trigger_id": trigger,
        "event_id": event,
        "hostgroup": group,
        "event_source": kind,
    }
    return with_own(dict(_tag_labels(tags)), own)


@remembered_text  # a host's problems have the same tags
def _tag_labels(text: str) -> Mapping[str, str]:
    if not text.startswith("["):
        return {}
    try:
        tags = parse_json(text.encode(), "a list of tags")
    except RejectedError:
        return {}
    texts: dict[str, set[str]] = {}
    for tag in tags[:_TAGS_READ] if isinstance(tags, list) else ():
        if isinstance(tag, dict) and isinstance(name := tag.get("tag"), str) and name.lower() in ROUTED_TAGS:
            texts.setdefault(label_name(name.lower()), set()).add(plain(tag.get("value")))
    return {name: ",".join(sorted(filter(None, values))) for name, values in texts.items()}


def _severity(found: Mapping[str, str], *names: str) -> str:
    for name in names:
        if severity := SEVERITIES.get(found.get(name, "").lower()):
            return severity
    return ""


def _url(found: Mapping[str, str]) -> str:
    get = found.get
    base = (get("zabbixurl", "") or get("url", "")).rstrip("/")
    trigger, event = get("triggerid", ""), get("eventid", "")
    if not base.startswith(("https://", "http://")):
        return ""
    if "?" in base or not (trigger.isdecimal() and event.isdecimal()):
        return base
    return f"{base}/tr_events.php?triggerid={trigger}&eventid={event}"
