"""Sentry's webhooks: what an integration is told of issues and of metric alerts.

Source: https://docs.sentry.io/integrations/integration-platform/webhooks/ and, below it, `issue-alerts`, `issues`,
`metric-alerts`, `errors` and `activity-alerts`.  What kind a payload is, its own shape says; the header
`sentry-hook-resource` says the same, and is lost in a queue.

Identity of an issue: the instance (the host of Sentry's API: two of one's own count their issues each from 1), the
project's slug and the issue's ID, which is all that the alert of a rule (`event_alert`) and the later message of the
issue's state (`issue`: resolved, archived, unresolved) have in common.  So one rule or five make one alert of an issue,
and `alertname` is always `Sentry issue`.  The title and the level are those of the last event, so they are annotations,
the severity made of it too.  An event is not an alert: its own ID counts nowhere.

Identity of a metric alert: the instance, the rule's ID, its name, projects and environment.  Critical and warning
alternate while it fires, so `severity` is an annotation here as well.

An archived issue is over until Sentry says `unresolved` again.  Rules alone never resolve: for that the integration
must have the webhook `issue` switched on.  So what a rule or an error tells fires for the source's time to live, by
default `TIME_TO_LIVE` after the last message; what an issue or a metric alert tells, for `UNTIL_RESOLVED`.  The younger
message counts: who has both sets a time to live as long as that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.errors import RejectedError
from domain.labels import Labels
from domain.quoting import quote
from domain.sources.bodies import instant_of, plain
from domain.sources.pairs import cut_url, elements, mapping, parse_object, texts
from domain.sources.reading import (
    TIME_TO_LIVE,
    UNTIL_RESOLVED,
    Identity,
    Payload,
    Reading,
    Reception,
    make_alert,
    remembered,
)

KIND = "sentry"

TAGS_SHOWN = 50

_SEVERITIES = {
    "fatal": "critical",
    "critical": "critical",
    "error": "high",
    "warning": "warning",
    "info": "info",
    "log": "info",
    "debug": "low",
    "sample": "low",
}
_ACTIONS = {"created": True, "unresolved": True, "resolved": False, "archived": False, "ignored": False}
_METRIC_ACTIONS = {"critical": True, "warning": True, "resolved": False}
_HOST = re.compile(r"https?://(?:[^/?#@]*@)?([^/?#@]+)")
_PROJECT = re.compile(r"/projects/[^/]+/(?P<slug>[^/]+)/")
_ISSUE = re.compile(r"/(?:issues|groups?)/(?P<id>\d+)(?:/|$)")


def read(payload: Payload, reception: Reception) -> Reading:
    """Read one webhook.

    Returns:
        The alert; without alerts, and with the reason, what is true of Sentry and says nothing of what fires: a
        comment, an assignment, an installation.

    Raises:
        RejectedError: It is no webhook of Sentry, or does not say what it is about.
        UnreadableError: It is no JSON.
    """
    body = parse_object(payload.body, "a webhook of Sentry")
    action = plain(body.get("action"))
    data = mapping(body.get("data"))
    if metric := mapping(data.get("metric_alert")):
        return _read_metric(action, metric, data, reception)
    if event := mapping(data.get("event")) or mapping(data.get("error")):
        return _read_event(event, data, reception)
    if (issue := mapping(data.get("issue"))) and "activity" not in data and "comment" not in data:
        return _read_issue(action, issue, reception)
    if "event" in body and "project_slug" in body:
        return _read_legacy(body, reception)
    resource = payload.headers.get("sentry-hook-resource", "")
    if action and (data or resource):
        return Reading((), (f"{quote(resource[:50])} {quote(action[:50])} says nothing of what fires",))
    raise RejectedError("expected data.event, data.error, data.issue or data.metric_alert of a webhook of Sentry")


# --- issues -----------------------------------------------------------------------------------------------------------


def _read_event(event: dict[str, Any], data: dict[str, Any], reception: Reception) -> Reading:
    issue = plain(event.get("issue_id")) or _found(_ISSUE, "id", event.get("issue_url"))
    rule = plain(data.get("triggered_rule")) or plain(mapping(data.get("issue_alert")).get("title"))
    project = _found(_PROJECT, "slug", event.get("url")) or plain(event.get("project_slug"))
    known = _known(issue, project or plain(event.get("project")), event.get("url"), event.get("issue_url"))
    tags = _tags(event.get("tags"))
    annotations = {
        **_told(event),
        "rule": rule,
        "release": plain(event.get("release")),
        "environment": plain(event.get("environment")) or dict(tags).get("environment", ""),
        "tags": _shown(tags),
    }
    started = instant_of(event.get("datetime")) or instant_of(event.get("timestamp"))
    url = cut_url(event.get("web_url"))
    return _fired(reception, known, annotations, started, url)


def _fired(
    reception: Reception, known: Identity, annotations: dict[str, str], started: datetime | None, url: str
) -> Reading:
    lease = reception.lease(TIME_TO_LIVE)
    alert = make_alert(reception, known, annotations, is_firing=True, lease=lease, starts_at=started, url=url)
    return Reading((alert,))


def _read_issue(action: str, issue: dict[str, Any], reception: Reception) -> Reading:
    if action == "assigned":
        return Reading((), ("an issue was assigned: that says nothing of whether it fires",))
    is_firing = _ACTIONS.get(action)
    if is_firing is None:
        raise RejectedError(f"action is {quote(action[:100])}: expected {', '.join(_ACTIONS)} or assigned")
    project = mapping(issue.get("project"))
    slug = plain(project.get("slug")) or plain(project.get("id")) or plain(issue.get("project"))
    known = _known(plain(issue.get("id")), slug, issue.get("url"))
    annotations = {
        **_told(issue),
        "short_id": plain(issue.get("shortId")),
        "substatus": plain(issue.get("substatus")),
        "priority": plain(issue.get("priority")),
        "count": plain(issue.get("count")),
        "users": plain(issue.get("userCount")),
        "project_name": plain(project.get("name")),
        "issue_category": plain(issue.get("issueCategory")),
    }
    # What comes back has been quiet since: it starts anew.
    started = instant_of(issue.get("lastSeen" if action == "unresolved" else "firstSeen"))
    url = cut_url(issue.get("web_url")) or cut_url(issue.get("permalink"))
    alert = make_alert(
        reception, known, annotations, is_firing=is_firing, lease=UNTIL_RESOLVED, starts_at=started, url=url
    )
    return Reading((alert,))


def _read_legacy(body: dict[str, Any], reception: Reception) -> Reading:
    """The webhook of a project's legacy integration, which knows only what fires."""
    event = mapping(body.get("event"))
    issue = plain(body.get("id")) or _found(_ISSUE, "id", body.get("url"))
    known = _known(issue, plain(body.get("project_slug")), body.get("url"))
    rules = ", ".join(texts(body.get("triggering_rules"))[:TAGS_SHOWN])
    annotations = {
        **_told({**event, **{name: body[name] for name in ("level", "culprit", "message") if plain(body.get(name))}}),
        "rule": rules,
        "project_name": plain(body.get("project_name")),
        "environment": plain(event.get("environment")),
        "tags": _shown(_tags(event.get("tags"))),
    }
    return _fired(reception, known, annotations, instant_of(event.get("timestamp")), cut_url(body.get("url")))


def _known(issue: str, project: str, *api_urls: object) -> Identity:
    if not issue:
        raise RejectedError("the ID of the issue is missing: nothing says which one it is")
    return _known_by(issue, project, _host(*api_urls))


@remembered
def _known_by(issue: str, project: str, instance: str) -> Labels:
    return {"alertname": "Sentry issue", "source": KIND, "instance": instance, "project": project, "issue": issue}


def _told(said: Mapping[str, Any]) -> dict[str, str]:
    """The annotations of what events and issues both say."""
    level = plain(said.get("level")).lower()
    metadata = mapping(said.get("metadata"))
    message = plain(said.get("message")) or plain(metadata.get("value"))
    title = plain(said.get("title")) or plain(metadata.get("title")) or message
    culprit = plain(said.get("culprit"))
    return {
        "summary": title,
        "description": "\n".join(part for part in (culprit, message) if part and part != title),
        "level": level,
        "severity": _SEVERITIES.get(level, ""),
        "platform": plain(said.get("platform")),
    }


def _tags(value: object) -> list[tuple[str, str]]:
    """Pairs of `[["browser", "Chrome"]]`, or of `[{"key": "browser", "value": "Chrome"}]`."""
    found = []
    for tag in elements(value)[:TAGS_SHOWN]:
        if isinstance(tag, list) and len(tag) == 2:
            found.append((plain(tag[0]), plain(tag[1])))
        elif isinstance(tag, dict):
            found.append((plain(tag.get("key")), plain(tag.get("value"))))
    return found


def _shown(tags: Sequence[tuple[str, str]]) -> str:
    return ", ".join([f"{name}={text}" for name, text in tags if name])


# --- metric alerts ----------------------------------------------------------------------------------------------------


def _read_metric(action: str, metric: dict[str, Any], data: dict[str, Any], reception: Reception) -> Reading:
    is_firing = _METRIC_ACTIONS.get(action)
    if is_firing is None:
        raise RejectedError(f"action is {quote(action[:100])}: expected {', '.join(_METRIC_ACTIONS)}")
    rule = mapping(metric.get("alert_rule"))
    name, rule_id = plain(rule.get("name")), plain(rule.get("id"))
    if not name and not rule_id:
        raise RejectedError("data.metric_alert.alert_rule has neither id nor name: nothing says which rule it is")
    name = name or f"Sentry rule {rule_id}"
    known = _metric_known_by(
        name,
        _host(data.get("web_url")),
        plain(rule.get("organization_id")) or plain(metric.get("organization_id")),
        rule_id,
        plain(rule.get("environment")),
        *texts(rule.get("projects") or metric.get("projects")),
    )
    annotations = {
        "summary": plain(data.get("description_title")) or name,
        "description": plain(data.get("description_text")),
        "severity": _SEVERITIES.get(action, ""),
        "aggregate": plain(rule.get("aggregate")),
        "query": plain(rule.get("query")),
    }
    alert = make_alert(
        reception,
        known,
        annotations,
        is_firing=is_firing,
        lease=UNTIL_RESOLVED,
        starts_at=instant_of(metric.get("date_started")) or instant_of(metric.get("date_detected")),
        ends_at=instant_of(metric.get("date_closed")),
        url=cut_url(data.get("web_url")),
    )
    return Reading((alert,))


@remembered
def _metric_known_by(
    name: str, instance: str, organization: str, rule: str, environment: str, *projects: str
) -> Labels:
    return {
        "alertname": name,
        "source": KIND,
        "instance": instance,
        "organization_id": organization,
        "rule_id": rule,
        "project": ",".join(sorted(set(projects))),
        "environment": environment,
    }


def _found(pattern: re.Pattern[str], group: str, url: object) -> str:
    match = pattern.search(cut_url(url))
    return match[group] if match else ""


def _host(*urls: object) -> str:
    for url in urls:
        if host := _HOST.match(cut_url(url)):
            return host[1].lower()
    return ""
