"""Pages: incidents as plain HTML for people; no script, nothing loaded from elsewhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from urllib.parse import quote, urlsplit

import azure.functions as func

from adapters.wiring import ports
from domain.alerts import Alert
from domain.explaining import EventName, Explained, Folded, clock, fold_failures, reported_alerts
from domain.groups import Incident, Member
from domain.labels import Fingerprint
from domain.lifecycle import Status
from domain.tracing import Step, Trace
from endpoints.html import chips_of, instant_of, prose_of, text_of

STYLE = """
:root { color-scheme: light dark; --text: #1d2430; --dim: #5c6675; --line: #dde2ea; --card: #fff; --back: #f5f6f8;
  --bad: #b3261e; --good: #1b6e3c; --link: #1f5fbf; --chip: #eceff4; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e7ec; --dim: #98a2b3; --line: #2d3542; --card: #181d26;
  --back: #10141b; --bad: #ff8a80; --good: #6fd08c; --link: #8ab4f8; --chip: #262d39; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 52rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; overflow-wrap: anywhere; }
a { color: var(--link); }
nav { font-size: .875rem; color: var(--dim); }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.0625rem; margin: 2rem 0 .5rem; }
h2 small, .dim { color: var(--dim); font-weight: normal; font-size: .875rem; }
.status { font-weight: 600; }
.triggered, .firing { color: var(--bad); }
.resolved { color: var(--good); }
.acknowledged { color: var(--link); }
.buttons { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; margin: 1rem 0; }
.buttons form { display: flex; flex-wrap: wrap; gap: .375rem; align-items: center; }
.buttons input { flex: 1 1 12rem; }
.buttons button, .buttons select, .buttons input { font: inherit; font-size: .875rem; padding: .1875rem .5rem; }
.chips { display: flex; flex-wrap: wrap; gap: .375rem; margin: .5rem 0; padding: 0; list-style: none; }
.chips li { background: var(--chip); border-radius: .25rem; padding: .0625rem .4375rem; font-size: .8125rem;
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .125rem 1rem; margin: .75rem 0; }
dt { color: var(--dim); }
dd { margin: 0; }
.cards, .timeline { list-style: none; margin: 0; padding: 0; }
.cards > li { background: var(--card); border: 1px solid var(--line); border-left: .25rem solid var(--line);
  border-radius: .375rem; padding: .625rem .875rem; margin: .5rem 0; }
.cards > li.is-triggered, .cards > li.is-firing { border-left-color: var(--bad); }
.cards > li.is-resolved { border-left-color: var(--good); }
.cards > li.is-acknowledged { border-left-color: var(--link); }
.cards p { margin: .25rem 0; }
.timeline { border-left: 2px solid var(--line); margin-left: .375rem; }
.timeline > li { position: relative; padding: 0 0 1rem 1.125rem; }
.timeline > li::before { content: ""; position: absolute; left: -.4375rem; top: .4375rem; width: .75rem; height: .75rem;
  border-radius: 50%; background: var(--dim); border: 2px solid var(--back); }
.timeline > li.is-received::before, .timeline > li.is-response::before,
.timeline > li.is-finding::before { background: var(--link); }
.timeline > li.is-delivered::before { background: var(--good); }
.timeline > li.is-failed::before { background: var(--bad); }
.timeline time { font-variant-numeric: tabular-nums; font-weight: 600; }
.timeline ul { margin: .125rem 0; padding-left: 1.125rem; }
.why { font-weight: 600; }
.steps { list-style: none; margin: .5rem 0; padding: 0; counter-reset: step; }
.steps > li { display: grid; grid-template-columns: 1.5rem 9rem 1fr; gap: 0 .625rem; padding: .3125rem .625rem;
  border-left: .25rem solid var(--line); counter-increment: step; }
.steps > li::before { content: counter(step); color: var(--dim); text-align: right; }
.steps > li.is-told { border-left-color: var(--good); }
.steps > li.is-stops, .steps > li.is-failed { border-left-color: var(--bad); }
.steps > li.is-waits { border-left-color: var(--link); }
.steps > li > span:last-child { grid-column: 3; }
@media (max-width: 36rem) { .steps > li { grid-template-columns: 1.5rem 1fr; }
  .steps > li > span:last-child { grid-column: 2; } }
details { margin: .25rem 0 0; font-size: .875rem; }
summary { color: var(--dim); cursor: pointer; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .8125rem; }
footer { margin-top: 2.5rem; color: var(--dim); font-size: .8125rem; }
.finding blockquote { margin: .125rem 0 .375rem .75rem; padding-left: .625rem; border-left: 2px solid var(--line);
  color: var(--dim); font-size: .8125rem; }
.finding pre { white-space: pre-wrap; margin: .25rem 0; font-size: .8125rem; }
.banner { background: var(--chip); border-radius: .375rem; padding: .5rem .875rem; margin: 0 0 1rem; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; "
    f"style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    # With `no-referrer` a browser would not tell where our own buttons are: see `responding.check_same_origin`.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Only our own style sheet takes effect, whatever else got into the page; and no other site learns where we are."""

ENTRY_ALERTS_SHOWN = 50

_EVENTS: Mapping[EventName, str] = {
    "received": "alerts came in",
    "tick": "the group fell due",
    "result": "a delivery ended",
    "woken": "looked at again",
    "response": "somebody responded",
    "finding": "the first responder looked",
}


def page(html: str, status: int = 200) -> func.HttpResponse:
    """The page as an answer that nothing foreign can run in; that of a shadow says that it is one."""
    settings = ports().settings
    if settings.shadow:
        html = html.replace("<main>", f"<main>{_shadow_banner(settings.external_url)}", 1)
    return func.HttpResponse(html, status_code=status, mimetype="text/html", charset="utf-8", headers=HEADERS)


def _shadow_banner(external_url: str) -> str:
    return (
        '<p class="banner"><strong>This Tocsin is a shadow: it sends nothing to anybody.</strong>'
        f' <a href="{escape(external_url.rstrip("/"))}/shadow">Compare it with Alertmanager</a></p>'
    )


def list_page(incidents: Sequence[Incident], following: str | None, *, now: datetime, up: str) -> str:
    """The incidents given, the newest first.

    Args:
        incidents: Those to show.
        following: The `before` of the next page; None where there is none.
        now: For how long a triggered one has lasted.
        up: What leads to the folder that holds `incidents`.
    """
    firing = sum(incident.status is Status.TRIGGERED for incident in incidents)
    cards = "".join([_listed(incident, now, up) for incident in incidents])
    older = f'<p><a href="{up}incidents?before={quote(following)}">Older incidents</a></p>' if following else ""
    return document(
        "Incidents",
        f"<h1>Incidents</h1><p class=dim>{firing} of {len(incidents)} triggered, the newest first; times are UTC</p>"
        + (f'<ul class="cards">{cards}</ul>' if cards else "<p>None yet: no alert has fired.</p>")
        + older,
        refresh_seconds=10,
    )


def incident_page(
    incident: Incident,
    trail: Sequence[Explained],
    members: Sequence[Member],
    why: Mapping[Fingerprint, str],
    *,
    now: datetime,
    is_cut: bool,
    up: str,
    finding: str = "",
) -> str:
    """One incident: what it is, which alerts it has now, and why everything happened; the latest first.

    Args:
        incident: The one to show.
        trail: Its trail in words, the oldest first.
        members: Its alerts, if it is not over.
        why: Of some of these in a sentence why they were told or were not.
        now: For how long it has lasted.
        is_cut: Whether the trail goes further back than what is given.
        up: What leads to the folder that holds `incidents`.
        finding: What was found when it was looked at, as HTML.
    """
    status, standing = incident.status, incident.standing
    facts = [
        ("status", f'<span class="status {status}">{status}</span>, {_lasted(incident, now)}{_by(incident, now)}'),
        ("severity", text_of(standing.severity or incident.severity)),
        ("assigned to", text_of(standing.assignee)),
        ("opened", instant_of(incident.opened_at)),
        ("resolved", instant_of(incident.resolved_at) if incident.resolved_at else ""),
        ("alerts", f"{incident.firing} firing of {incident.alerts}"),
        ("receiver", text_of(incident.receiver)),
        ("notifications", _told(incident)),
        ("group", f"<code>{text_of(incident.group_key)}</code>"),
    ]
    listed = "".join([f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts if value])
    alerts = "".join(
        [
            _alert(member.alert, is_firing=member.is_firing, up=up, why=why.get(member.alert.fingerprint, ""))
            for member in members
        ]
    )
    entries = "".join([_entry(folded, up) for folded in reversed(fold_failures(trail))])
    earlier = "<p class=dim>There are earlier entries than these.</p>" if is_cut else ""
    return document(
        f"{incident.title} ({status})",
        f'<nav><a href="{up}incidents">Incidents</a></nav>'
        f"<h1>{text_of(incident.title)}</h1>{_group_chips(incident)}<dl>{listed}</dl>{_buttons(incident, up)}{finding}"
        + (f'<h2>Alerts now</h2><ul class="cards">{alerts}</ul>' if alerts else "")
        + f"<h2>What happened, and why <small>the latest first, times are UTC</small></h2>"
        f'<ol class="timeline">{entries}</ol>{earlier}',
        footer=f'<a href="{up}api/v1/incidents/{quote(incident.id)}">the same as JSON</a>',
    )


def _listed(incident: Incident, now: datetime, up: str) -> str:
    status = incident.status
    return (
        f'<li class="is-{status}"><a href="{up}incidents/{quote(incident.id)}">{text_of(incident.title)}</a>'
        f' <span class="status {status}">{status}</span>{_group_chips(incident)}'
        f"<p class=dim>opened {instant_of(incident.opened_at)}, {status} {_lasted(incident, now)}{_by(incident, now)};"
        f" {incident.firing} firing of {incident.alerts}; {_told(incident)}, receiver {text_of(incident.receiver)}"
        "</p></li>"
    )


def _by(incident: Incident, now: datetime) -> str:
    """Who has it in hand, and until when."""
    standing = incident.standing
    if incident.resolved_at is not None:
        return ""
    words = ""
    if standing.acknowledged_by:
        words = f" by {text_of(standing.acknowledged_by)}"
        if standing.until:
            words += f", until {clock(standing.until, now)}"
    if standing.resolved_by:
        words = f" by {text_of(standing.resolved_by)}, while {incident.firing} still fire"
    if standing.snoozed_until:
        words += f"; snoozed by {text_of(standing.snoozed_by)} until {clock(standing.snoozed_until, now)}"
    return words


_WHY = '<input name="reason" placeholder="why, if you like" aria-label="why" maxlength="1000">'


def _buttons(incident: Incident, up: str) -> str:
    """What people can do about it now; plain forms, which work without a script."""
    standing = incident.standing
    forms = []

    def form(action: str, words: str, fields: str = "") -> None:
        url = f"{up}incidents/{quote(incident.id)}/{action}"
        forms.append(f'<form method="post" action="{url}">{fields}<button>{words}</button></form>')

    if incident.resolved_at is None:
        if incident.status is Status.TRIGGERED:
            form("acknowledge", "Acknowledge", _WHY + _choice("until it is over", "30m", "1h", "4h", "8h", "1d"))
        if incident.status is Status.ACKNOWLEDGED:
            form("unacknowledge", "Take the acknowledgement back")
        if standing.snoozed_until:
            form("unsnooze", "End the snooze")
        elif incident.status is not Status.RESOLVED:
            form("snooze", "Snooze", _choice("", "30m", "1h", "4h", "8h", "1d", "7d"))
        if incident.status is Status.RESOLVED:
            form("reopen", "Reopen")
        else:
            form("resolve", "Resolve")
    form("notes", "Add a note", '<input name="reason" aria-label="note" maxlength="10000" required>')
    return f'<div class="buttons">{"".join(forms)}</div>'


def _choice(forever: str, *durations: str) -> str:
    first = f'<option value="">{forever}</option>' if forever else ""
    options = "".join([f"<option>{duration}</option>" for duration in durations])
    return f'<select name="duration" aria-label="for how long">{first}{options}</select>'


def _told(incident: Incident) -> str:
    """How many notifications arrived, and how many did not."""
    told = f"{incident.pages} notification{'' if incident.pages == 1 else 's'} told"
    return f'{told}, <strong class="triggered">{incident.failed} failed</strong>' if incident.failed else told


def alert_page(traces: Sequence[Trace], summary: str, *, now: datetime, up: str) -> str:
    """One alert: why it was told or was not, step by step, in each of its groups.

    Args:
        traces: At least one.
        summary: The sentence for them all.
        now: As of when all of it is.
        up: What leads to the folder that holds `incidents`.
    """
    alert = traces[0].alert
    title = alert.labels.get("alertname") or "alert"
    state = "firing" if any(one.state == "firing" for one in traces) else "resolved"
    sections = "".join([_trace(one, up, is_alone=len(traces) == 1) for one in traces])
    return document(
        f"Why: {title} ({state})",
        f'<nav><a href="{up}incidents">Incidents</a></nav><h1>{text_of(title)}</h1>'
        f"{chips_of(alert.labels, without=('alertname',))}"
        f'<p><span class="status {state}">{state}</span>'
        f" <span class=dim>as of {instant_of(now)}, times are UTC</span></p>"
        f"<p class=why>{text_of(summary)}</p>{_annotations(alert)}{_source(alert)}{sections}",
        footer=f'<a href="{up}api/v1/alerts/{alert.fingerprint}/explain">the same as JSON</a>',
    )


def _trace(trace: Trace, up: str, *, is_alone: bool) -> str:
    incident = f' <small><a href="{up}incidents/{quote(trace.incident)}">incident</a></small>' if trace.incident else ""
    cut = "<p class=dim>What is kept does not go back to the beginning.</p>" if trace.is_cut else ""
    summary = "" if is_alone else f"<p>{text_of(trace.summary)}</p>"
    steps = "".join([_step(step) for step in trace.steps])
    return f'<h2>Receiver {text_of(trace.receiver)}{incident}</h2>{summary}{cut}<ol class="steps">{steps}</ol>'


def _step(step: Step) -> str:
    # Not by its colour alone.
    verdict = "" if step.verdict in ("passes", "info") else f" <strong>{step.verdict}</strong>"
    stage = f"<span class=dim>{step.stage}{verdict}</span>"
    return f'<li class="is-{step.verdict}">{stage}<span>{text_of(step.words)}</span></li>'


def no_such_alert_page(detail: str, *, up: str) -> str:
    """Says that nothing is known of an alert, and how far back was looked."""
    return document(
        "No such alert",
        f'<nav><a href="{up}incidents">Incidents</a></nav><h1>No such alert</h1><p>{text_of(detail)}</p>',
    )


def _alert(alert: Alert, *, is_firing: bool, up: str, why: str = "") -> str:
    status = "firing" if is_firing else "resolved"
    name = text_of(alert.labels.get("alertname", "alert"))
    said = f"<p class=why>{text_of(why)}</p>" if why else ""
    return (
        f'<li class="is-{status}"><strong>{name}</strong>'
        f' <span class="status {status}">{status}</span>'
        f" <span class=dim>since {instant_of(alert.starts_at)}</span>"
        f' <a href="{up}alerts/{alert.fingerprint}">why</a>'
        f"{said}{chips_of(alert.labels, without=('alertname',))}{_annotations(alert)}{_source(alert)}</li>"
    )


def _source(alert: Alert) -> str:
    if _scheme(alert.generator_url) not in ("http", "https"):
        return ""
    return f'<p><a href="{escape(alert.generator_url)}" rel="noreferrer noopener nofollow">source</a></p>'


def _entry(folded: Folded, up: str) -> str:
    explained = folded.last
    entry = explained.entry
    outcome = ""
    if entry.settled is not None:
        outcome = "delivered" if entry.settled.is_delivered else "failed"
    elif explained.event == "received":
        outcome = "received"
    clauses = "".join([f"<li>{text_of(clause)}</li>" for clause in explained.clauses])
    at = entry.at.astimezone(UTC)
    often = f", {folded.times} times from {clock(folded.first_at, at)} to {at:%H:%M:%S}" if folded.times > 1 else ""
    return (
        f'<li class="is-{outcome or explained.event}">'
        f'<time datetime="{at.isoformat()}" title="{at:%Y-%m-%d %H:%M:%S.%f}">{at:%H:%M:%S}</time>'
        f" <span class=dim>{at:%Y-%m-%d}, {_EVENTS[explained.event]}{often}</span><ul>{clauses}</ul>"
        f"{_details(explained, up)}</li>"
    )


def _details(explained: Explained, up: str) -> str:
    alerts = reported_alerts(explained.entry)
    if not alerts:
        return ""
    shown = "".join(
        [_alert(alert, is_firing=alert.ends_at > alert.received_at, up=up) for alert in alerts[:ENTRY_ALERTS_SHOWN]]
    )
    more = f"<p class=dim>and {len(alerts) - ENTRY_ALERTS_SHOWN} more</p>" if len(alerts) > ENTRY_ALERTS_SHOWN else ""
    said = f"{len(alerts)} alert{'' if len(alerts) == 1 else 's'} as reported"
    return f'<details><summary>{said}</summary><ul class="cards">{shown}</ul>{more}</details>'


def _annotations(alert: Alert) -> str:
    return "".join(
        [
            f"<p><span class=dim>{text_of(name)}</span> {prose_of(value)}</p>"
            for name, value in alert.annotations.items()
        ]
    )


def _group_chips(incident: Incident) -> str:
    labels = incident.group_labels
    return chips_of(labels, without=("alertname",) if labels.get("alertname") == incident.title else ())


def _lasted(incident: Incident, now: datetime) -> str:
    if incident.resolved_at is None:
        return f"for {_duration(now - incident.opened_at)}"
    return f"after {_duration(incident.resolved_at - incident.opened_at)}"


def _duration(duration: timedelta) -> str:
    seconds = max(int(duration.total_seconds()), 0)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def _scheme(url: str) -> str:
    """The scheme of what a sender gave as a URL; empty where it is none."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def document(title: str, body: str, *, footer: str = "", refresh_seconds: int = 0) -> str:
    """The HTML of a page with this body, which is HTML already; the title is a plain text."""
    refresh = f'<meta http-equiv="refresh" content="{refresh_seconds}">' if refresh_seconds else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{refresh}<title>{text_of(title)} · Tocsin</title><style>{STYLE}</style></head>"
        f"<body><main>{body}<footer>Tocsin{' · ' + footer if footer else ''}</footer></main></body></html>"
    )


NO_SUCH_INCIDENT = document(
    "No such incident", '<nav><a href="../incidents">Incidents</a></nav><h1>No such incident</h1>'
)
