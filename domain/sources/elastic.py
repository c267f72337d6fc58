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

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from domain.alerts import Alert
from domain.errors import RejectedError, UnreadableError
from domain.labels import Labels
from domain.sources.bodies import (
    check_count,
    first_of,
    instant_of,
    outcome,
    parse_json,
    plain,
    put_own,
    valid_names,
)
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
_BETWEEN = " \t\r\n,"
_GAP = re.compile(f"[{_BETWEEN}]*")


def read(payload: Payload, reception: Reception) -> Reading:
    """The alerts of one body of any of the three shapes.

    Raises:
        RejectedError: It is none of them, or not one alert in it says which it is.
    """
    found = list(_entries(_values(payload.body)))
    check_count(len(found))
    alerts: list[Alert] = []
    problems: list[str] = []
    for place, entry in enumerate(found):
        try:
            alerts.append(_read_one(entry, reception))
        except ValueError as error:
            problems.append(f"alert {place}: {error}")
    return outcome(alerts, problems)


class _Fields:
    """One JSON object whose fields may be nested, dotted, or both."""

    __slots__ = ("_dotted", "_nested", "_object")

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._object = value
        self._nested = tuple([f"{name}." for name, inner in value.items() if isinstance(inner, dict)])
        self._dotted = [name for name in value if "." in name]

    def __call__(self, path: str) -> Any:
        """What stands at the path, or None."""
        found = self._object.get(path)
        return self._within(path) if found is None and path.startswith(self._nested) else found

    def text(self, *paths: str) -> str:
        """The first text or number that stands at one of the paths; of a list, its first."""
        for path in paths:
            value = self._object.get(path)
            if value is None and path.startswith(self._nested):
                value = self._within(path)
            if value is not None and (text := value.strip() if isinstance(value, str) else _text(value)):
                return text
        return ""

    def texts(self, name: str) -> dict[str, str]:
        """The `text` of each field of the object that has this name."""
        inner = self._object.get(name)
        found = {}
        if isinstance(inner, dict):
            found = {key: value.strip() if isinstance(value, str) else _text(value) for key, value in inner.items()}
        for key in self._dotted:
            if key.startswith(f"{name}."):
                found[key[len(name) + 1 :]] = _text(self._object[key])
        return found

    def _within(self, path: str) -> Any:
        if not self._dotted:  # as mostly
            name, _, rest = path.partition(".")
            inner = self._object[name]
            if rest in inner:
                return inner[rest]
        return _find(self._object, path)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and value:
        value = value[0]
    return plain(value)


def _find(value: Any, path: str) -> Any:
    """Dotted names are tried from the longest: `kibana.alert` may hold `rule.name`."""
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    at = path.rfind(".")
    while at > 0:
        inner = value.get(path[:at])
        if inner is not None:
            found = _find(inner, path[at + 1 :])
            if found is not None:
                return found
        at = path.rfind(".", 0, at)
    return None


# --- which shape ----------------------------------------------------------------------------------------------------


def _values(body: bytes) -> list[Any]:
    """The JSON values of the body: one, or several objects after each other."""
    try:
        return [parse_json(body)]
    except UnreadableError as error:
        values = _split(body)
        if len(values) < 2:
            raise error from None
        return values


def _split(body: bytes) -> list[Any]:
    """The values that stand after each other, or what is before the first that cannot be read: then less than two."""
    decoder = json.JSONDecoder()
    values: list[Any] = []
    try:
        text = body.decode("utf-8").strip(_BETWEEN)
        at = 0
        while at < len(text):
            _, after = decoder.raw_decode(text, at)
            # Read again: what a strict reader refuses (lone surrogates) may not pass here either.
            values.append(parse_json(text[at:after].encode()))
            check_count(len(values))
            at = _GAP.match(text, after).end()  # type: ignore[union-attr]  # it matches the empty text
    except (ValueError, RecursionError, UnreadableError):
        return []
    return values


def _entries(values: list[Any]) -> Iterator[tuple[str, _Fields, str]]:
    """The shape, the object and the status that its place tells, of each alert in the values."""
    for value in values:
        if isinstance(value, list):
            check_count(len(value))
            for element in value:
                yield _entry(element)
            continue
        if isinstance(value, dict):
            value = _unwrapped(value)
            listed = value.get("alerts")
            if isinstance(listed, list):
                check_count(len(listed))
                for element in listed:
                    yield _entry(element)
                continue
            if isinstance(listed, dict) and not listed.keys().isdisjoint(_SUMMARY):
                yield from _summary(value, listed)
                continue
        yield _entry(value)


_SUMMARY = ("new", "ongoing", "recovered")


def _summary(value: dict[str, Any], listed: dict[str, Any]) -> Iterator[tuple[str, _Fields, str]]:
    rule = value.get("rule")
    for name in _SUMMARY:
        part = _opened(listed.get(name))
        documents = _opened(part.get("data")) if isinstance(part, dict) else part
        if not isinstance(documents, list):
            continue
        check_count(len(documents))
        for document in documents:
            if isinstance(document, dict):
                # The documents of a summary leave the rule to the rule's own variables.
                yield "document", _Fields({"rule": _opened(rule), **document}), name
            else:
                yield "none", _Fields({}), ""


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """A rule's action without `webhook_body` and its `…_info` texts, which are JSON."""
    if value.keys().isdisjoint(_WRAPPINGS) and str not in {type(value.get(name)) for name in _PARTS}:
        return value
    inner = _opened(value.get("webhook_body", value))
    if not isinstance(inner, dict):
        return value
    result = dict(inner)
    for name in _PARTS:
        found = inner.get(name, inner.get(f"{name}_info"))
        if found is not None:
            result[name] = _opened(found)
    return result


_PARTS = ("rule", "alert", "context", "alerts")
_WRAPPINGS = frozenset({"webhook_body", *(f"{name}_info" for name in _PARTS)})


def _opened(value: Any) -> Any:
    """The object or list in a text that is JSON; anything else as it is."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return parse_json(value.encode("utf-8"))
    except RejectedError:
        return value


def _entry(value: Any) -> tuple[str, _Fields, str]:
    if not isinstance(value, dict):
        return "none", _Fields({}), ""
    watch = _opened(value.get("ctx", value.get("payload")))
    if isinstance(watch, dict) and "watch_id" in watch:
        return "watch", _Fields(watch), plain(value.get("status"))
    if "watch_id" in value:
        return "watch", _Fields(value), plain(value.get("status"))
    fields = _Fields(value)
    if fields("kibana.alert") is not None or fields.text("kibana.alert.rule.uuid", "kibana.alert.uuid"):
        return "document", fields, ""
    if fields.text("rule.id", "rule.name"):
        return "action", fields, plain(value.get("status"))
    return "none", fields, ""


def _read_one(entry: tuple[str, _Fields, str], reception: Reception) -> Alert:
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


def _read_action(fields: _Fields, status: str, reception: Reception) -> Alert:
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


def _read_document(fields: _Fields, status: str, reception: Reception) -> Alert:
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


def _read_watch(fields: _Fields, status: str, reception: Reception) -> Alert:
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
