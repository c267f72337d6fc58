"""Elastic: what Kibana's rules, its alert documents (Elastic Security, summaries) and Watcher send by webhook.

Nobody but the user writes these bodies: Kibana and Watcher render a template.  Three shapes are read:

1. **A rule's action**, for each alert: the variables `rule`, `alert`, `context` and `date`, each an object or the JSON
   that `{{.}}` renders into a text, at the top or under `webhook_body`; or one by one, `"rule.id": "{{rule.id}}"`.
   https://www.elastic.co/docs/explore-analyze/alerts-cases/alerts/rule-action-variables
2. **Alert documents** with the fields `kibana.alert.*`, dotted or nested: one, a list, several after each other (as
   `{{#context.alerts}}{{{.}}}{{/context.alerts}}` renders them), or a summary of alerts (`alerts.new.data` and so on).
   https://www.elastic.co/docs/reference/security/fields-and-object-schemas/alert-schema
3. **Watcher's** execution context, `{"payload": {{#toJson}}ctx{{/toJson}}}`, also under `ctx`, also as a text.
   https://www.elastic.co/docs/explore-analyze/alerts-cases/watcher/how-watcher-works

Identity: `source_key`, for rules and watches keep their ids where they are copied from one cluster to another, the rule
(its id and space) and `alert.id`, in documents `kibana.alert.instance.id`, which is the same each
time the rule finds the same host or group; the alert's UUID is new at each occurrence and no label.  The action group
is how bad it is now and changes until it is `recovered`, so a rule without a severity of its own has the label
`severity` only by a tag, `severity: high`.  Detection rules of Elastic Security have no instances, and nothing
resolves what they find: their identity is the rule and whom it is about (host, user, source address), else the
document's UUID, which is made from the event.  The watch is all the identity that Watcher has; its metadata are
written by the watch's author.  Tags of the form `key: value` or `key=value` become labels; changing a rule's name or
tags while it fires makes another alert.

A rule tells that it recovers, so its alerts fire for `UNTIL_RESOLVED`.  Nobody resolves a detection, and a watch only
says that its condition is met: those fire for the source's time to live, by default `TIME_TO_LIVE`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from domain.alerts import Alert
from domain.labels import Labels
from domain.sources.bodies import (
    check_count,
    first_of,
    instant_of,
    outcome,
    put_own,
    valid_names,
)
from domain.sources.elastic.fields import Fields
from domain.sources.elastic.shapes import Entry, entries_of
from domain.sources.reading import (
    LONGEST_REMEMBERED,
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

KIND = "elastic"

SEVERITIES = {
    "critical": "critical",
    "high": "high",
    "major": "high",
    "medium": "warning",
    "moderate": "warning",
    "minor": "warning",
    "warning": "warning",
    "low": "low",
    "info": "info",
    "informational": "info",
}

_RECOVERED = frozenset({"recovered", "resolved", "ok", "closed", "untracked"})
_EXPECTED = "one of: a rule action's `rule` and `alert`, documents with `kibana.alert.*`, Watcher's `ctx`"
_TAG = re.compile(r"(?P<name>[A-Za-z_][\w.-]{0,100})\s*[:=]\s*(?P<text>(?!//)\S.{0,500})", re.ASCII)
_TAGS_READ = 100
_OWN = frozenset(
    {"alertname", "source", "source_key", "severity", "rule_id", "alert_id", "space", "host", "user", "source_ip"}
    | {"watch_id"}
)


def read(payload: Payload, reception: Reception) -> Reading:
    """The alerts of one body of any of the three shapes.

    Raises:
        RejectedError: It is none of them, or not one alert in it says which it is.
    """
    found = list(entries_of(payload.body))
    check_count(len(found))
    alerts: list[Alert] = []
    problems: list[str] = []
    for place, entry in enumerate(found):
        try:
            alerts.append(_read_one(entry, reception))
        except ValueError as error:
            problems.append(f"alert {place}: {error}")
    return outcome(alerts, problems)


def _read_one(entry: Entry, reception: Reception) -> Alert:
    shape, fields, status = entry
    match shape:
        case "action":
            return _read_action(fields, status, reception)
        case "document":
            return _read_document(fields, status, reception)
        case "watch":
            return _read_watch(fields, status, reception)
        case _:
            raise ValueError(f"it is not {_EXPECTED}")


# --- a rule's action ------------------------------------------------------------------------------------------------


def _read_action(fields: Fields, status: str, reception: Reception) -> Alert:
    of_rule, of_alert, context = fields.texts("rule").get, fields.texts("alert").get, fields.texts("context").get
    rule, alert = of_rule("id"), of_alert("id") or of_alert("uuid")
    if not rule or not alert:
        raise ValueError("rule.id and alert.id are expected: without them no two alerts can be told apart")
    words = (status, of_alert("actionGroup", ""), of_alert("actionGroupName", ""))
    is_firing = _RECOVERED.isdisjoint([word.lower() for word in words])
    name = of_rule("name") or rule
    known = _known(
        fields("rule.tags"),
        source_key=reception.key,
        alertname=name,
        rule_id=rule,
        alert_id=alert,
        space=of_rule("spaceId") or of_rule("space_id") or "",
    )
    at = instant_of(context("timestamp") or fields.text("date"))
    annotations = {
        "summary": context("title") or f"{name}: {alert}",
        "description": context("reason") or context("message") or "",
        "action_group": first_of(words),
        "value": context("value", ""),
        "dashboard_url": context("alertDetailsUrl") or context("viewInAppUrl") or context("link") or "",
        "runbook_url": context("runbookUrl") or fields.text("rule.params.runbook_url"),
    }
    return make_alert(
        reception,
        known,
        annotations,
        is_firing=is_firing,
        lease=UNTIL_RESOLVED,
        # `date` is when the action was scheduled, the same for what has fired for hours.
        starts_at=None if is_firing else at,
        ends_at=at,
        url=of_rule("url", ""),
    )


# --- an alert document ----------------------------------------------------------------------------------------------


def _read_document(fields: Fields, status: str, reception: Reception) -> Alert:
    rule = fields.text("kibana.alert.rule.uuid", "rule.id")
    if not rule:
        raise ValueError("kibana.alert.rule.uuid is expected: without it no two rules can be told apart")
    name = fields.text("kibana.alert.rule.name", "rule.name") or rule
    space = fields.text("kibana.space_ids", "rule.spaceId")
    is_detection = fields.text("kibana.alert.rule.rule_type_id").startswith("siem.")
    instance = "" if is_detection else fields.text("kibana.alert.instance.id")
    about = {"alert_id": instance}
    if not instance:
        about = {
            "host": fields.text("host.name", "host.hostname"),
            "user": fields.text("user.name"),
            "source_ip": fields.text("source.ip"),
        }
        if not any(about.values()):
            about = {"alert_id": fields.text("kibana.alert.uuid")}
            if not about["alert_id"]:
                raise ValueError("kibana.alert.instance.id or kibana.alert.uuid is expected")
    state = (fields.text("kibana.alert.status") or status).lower()
    is_over = fields.text("kibana.alert.workflow_status").lower() == "closed"
    is_firing = status != "recovered" and state not in _RECOVERED and not is_over
    # A rule may raise an event's severity by mapping; the rule's own is the same for all that it finds.
    severity = fields.text("kibana.alert.rule.severity", "kibana.alert.rule.parameters.severity").lower()
    now = fields.text("kibana.alert.severity").lower()
    tags, note = fields("kibana.alert.rule.tags"), fields.text("kibana.alert.rule.note")
    known = _known(
        fields("rule.tags") if tags is None else tags,
        source_key=reception.key,
        alertname=name,
        rule_id=rule,
        space=space,
        severity=SEVERITIES.get(severity or (now if is_detection else ""), ""),
        **about,
    )
    annotations = {
        "summary": fields.text("kibana.alert.reason") or name,
        "description": fields.text("kibana.alert.rule.description", "kibana.alert.rule.parameters.description"),
        "severity_now": now,
        "risk_score": fields.text("kibana.alert.risk_score"),
        "value": fields.text("kibana.alert.evaluation.value"),
        "dashboard_url": fields.text("kibana.alert.url"),
        "runbook_url": note if _is_url(note) else "",
        "alert_uuid": fields.text("kibana.alert.uuid"),
    }
    return make_alert(
        reception,
        known,
        annotations,
        is_firing=is_firing,
        lease=reception.lease(TIME_TO_LIVE) if is_detection else UNTIL_RESOLVED,
        starts_at=instant_of(fields.text("kibana.alert.start", "kibana.alert.original_time", "@timestamp")),
        ends_at=instant_of(fields.text("kibana.alert.end")),
        url=fields.text("kibana.alert.url", "rule.url"),
    )


# --- a watch --------------------------------------------------------------------------------------------------------


def _read_watch(fields: Fields, status: str, reception: Reception) -> Alert:
    watch = fields.text("watch_id")
    if not watch:
        raise ValueError("watch_id is expected")
    is_firing = status.lower() not in _RECOVERED
    name = fields.text("metadata.name") or watch
    known = _known(
        fields("metadata.tags"),
        source_key=reception.key,
        alertname=name,
        watch_id=watch,
        severity=SEVERITIES.get(fields.text("metadata.severity").lower(), ""),
        team=fields.text("metadata.team"),
        service=fields.text("metadata.service"),
        environment=fields.text("metadata.environment"),
        project=fields.text("metadata.project"),
    )
    at = instant_of(fields.text("trigger.triggered_time", "execution_time"))
    annotations = {
        "summary": fields.text("metadata.summary") or name,
        "description": fields.text("metadata.description", "metadata.message"),
        "value": fields.text("payload.hits.total.value", "payload.hits.total"),
        "runbook_url": fields.text("metadata.runbook_url"),
        "dashboard_url": fields.text("metadata.dashboard_url"),
    }
    lease = reception.lease(TIME_TO_LIVE)
    return make_alert(reception, known, annotations, is_firing=is_firing, lease=lease, starts_at=at, ends_at=at)


# --- labels ---------------------------------------------------------------------------------------------------------


def _known(tags: Any, **identity: str) -> Identity:
    """By these labels, and those that tags name."""
    if isinstance(tags, str):
        tags = tags.split(",")
    elif not isinstance(tags, list):
        tags = ()
    said = [text for tag in tags[:_TAGS_READ] if isinstance(tag, str) and (text := tag.strip())]
    told = {name: text for name, text in identity.items() if text}
    return _known_by(*told, *told.values(), "", *said)


@remembered
def _known_by(*texts: str) -> Labels:
    """By all names, then all texts, then nothing, then tags; several tags of one name are joined, in order."""
    end = texts.index("")
    identity = paired(texts[:end])
    tags = texts[end + 1 :]
    labels = dict(_tags_kept(tags) if len("".join(tags)) <= LONGEST_REMEMBERED else _tag_labels(tags))
    told = SEVERITIES.get(labels.get("severity", "").lower(), "")
    if told:
        del labels["severity"]
    # Also where ours is empty: a tag must not pass for the rule's id.
    for name in labels.keys() & _OWN:
        put_own(labels, name, "")
    for name, text in {"severity": told, **identity, "source": KIND}.items():
        put_own(labels, name, text)
    return labels


def _tag_labels(tags: tuple[str, ...]) -> Labels:
    found: dict[str, set[str]] = {}
    for tag in tags:
        match = _TAG.fullmatch(tag)
        name, text = match.groups() if match else ("tags", tag)
        found.setdefault(name, set()).add(text)
    return valid_names({name: ",".join(sorted(several)) for name, several in found.items()})


# All alerts of a rule have its tags.
_tags_kept = lru_cache(maxsize=1024)(_tag_labels)


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://")) and " " not in text
