"""The page of the shadow: how often Tocsin and Alertmanager agree, and each difference with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from domain.shadowing import WEBHOOK_PATH, Heard, ShadowRecord
from domain.shadowing.pairing import Pair, PairVerdict
from domain.shadowing.reasons import Why
from endpoints.html import chips_of, instant_of, text_of
from endpoints.pages import document

_WORDS = {
    PairVerdict.SAME: ("same", "resolved"),
    PairVerdict.DIFFERS: ("differs", "firing"),
    PairVerdict.ONLY_TOCSIN: ("only Tocsin", "firing"),
    PairVerdict.ONLY_ALERTMANAGER: ("only Alertmanager", "firing"),
    PairVerdict.WAITING: ("waiting for its partner", ""),
    PairVerdict.UNCOMPARED: ("nothing to compare with", ""),
}
"""What a verdict is called, and the class that gives it its colour."""

_EXPLAINED = (
    (PairVerdict.SAME, "would have been told just as Alertmanager told"),
    (PairVerdict.DIFFERS, "told by both, but not the same"),
    (PairVerdict.ONLY_TOCSIN, "Tocsin would have told; Alertmanager did not"),
    (PairVerdict.ONLY_ALERTMANAGER, "Alertmanager told; Tocsin would not have"),
    (PairVerdict.WAITING, "young; the other side's may still come"),
    (PairVerdict.UNCOMPARED, "nothing came from Alertmanager to compare with"),
)

_SPANS = ("1h", "24h", "7d")


@dataclass(frozen=True, slots=True)
class Shown:
    """One pair with what is known about it."""

    pair: Pair
    reasons: Sequence[Why]
    incident: str
    """The one that it belongs to here; empty where there is none."""


def shadow_page(
    pairs: Sequence[Shown],
    counts: Mapping[PairVerdict, int],
    heard: Heard,
    *,
    asked: str,
    is_only_differences: bool,
    is_cut: bool,
    url: str,
) -> str:
    """The comparison of the time asked for, the newest pair first.

    Args:
        pairs: Those to show, with their reasons.
        counts: Of all pairs of that time.
        heard: What has come from Alertmanager at all.
        asked: The time asked for, as the address has it.
        is_only_differences: Whether only those are shown.
        is_cut: Whether earlier ones are left out, there being too many.
        url: Under which people reach Tocsin.
    """
    total = sum(counts.values())
    rows = "".join(
        [
            f'<dt><span class="{_WORDS[verdict][1] if counts[verdict] else ""}">{counts[verdict]}</span></dt>'
            f"<dd>{_WORDS[verdict][0]} <span class=dim>{words}"
            f"{'; not listed here' if is_only_differences and verdict is PairVerdict.WAITING else ''}</span></dd>"
            for verdict, words in _EXPLAINED
            if counts[verdict] or verdict not in (PairVerdict.WAITING, PairVerdict.UNCOMPARED)
        ]
    )
    cards = "".join([_card(shown, url) for shown in pairs])
    nothing = "<p>No difference.</p>" if is_only_differences and total else "<p>No notification yet.</p>"
    cut = "<p class=dim>There were too many to compare them all; the earlier ones are left out.</p>" if is_cut else ""
    more = "" if len(pairs) >= total or is_only_differences else f"<p class=dim>The newest {len(pairs)} of {total}.</p>"
    return document(
        "Shadow",
        f'<nav><a href="{url}/incidents">Incidents</a></nav>'
        "<h1>What Tocsin would have sent, beside Alertmanager</h1>"
        f"<p class=dim>{_links(asked, is_only_differences=is_only_differences)}; times are UTC</p>"
        f"<dl>{rows}</dl>{_how_to_begin(heard, url)}{cut}"
        f"<h2>{'Differences' if is_only_differences else 'Notifications'} <small>the newest first</small></h2>"
        + (f'<ul class="cards">{cards}</ul>{more}' if cards else nothing),
        footer=f'<a href="{url}/api/v1/shadow?since={quote(asked)}">the same as JSON</a>',
        refresh_seconds=30,
    )


def _links(asked: str, *, is_only_differences: bool) -> str:
    only = "&amp;only=differences" if is_only_differences else ""
    spans = [
        f"<strong>{span}</strong>" if span == asked else f'<a href="shadow?since={span}{only}">{span}</a>'
        for span in _SPANS
    ]
    if asked not in _SPANS:
        spans.append(f"<strong>{text_of(asked)}</strong>")
    here = quote(asked)
    switch = (
        f'<a href="shadow?since={here}">all notifications</a>'
        if is_only_differences
        else f'<a href="shadow?since={here}&amp;only=differences">only the differences</a>'
    )
    return f"since {' · '.join(spans)}; {switch}"


def _how_to_begin(heard: Heard, url: str) -> str:
    if heard.since is not None:
        receivers = ", ".join([text_of(name) for name in sorted(heard.receivers)])
        return f"<p class=dim>Alertmanager’s webhooks come since {instant_of(heard.since)}, for {receivers}.</p>"
    return (
        "<p>Nothing has come from Alertmanager yet, so there is nothing to compare with. Give each of its receivers"
        f" one more webhook: <code>webhook_configs: [{{url: {text_of(url + WEBHOOK_PATH)}}}]</code></p>"
    )


def _card(shown: Shown, url: str) -> str:
    pair = shown.pair
    record = pair.any
    name, colour = _WORDS[pair.verdict]
    labels = record.group_labels
    title = text_of(labels.get("alertname") or record.group_key)
    if shown.incident:
        title = f'<a href="{url}/incidents/{quote(shown.incident)}">{title}</a>'
    said = "".join([f"<li>{text_of(reason.words)}</li>" for reason in shown.reasons])
    return (
        f'<li class="is-{colour}"><strong>{title}</strong> <span class="status {colour}">{name}</span>'
        f" <span class=dim>to {text_of(record.receiver)}, {instant_of(pair.at)}</span>"
        f"{chips_of(labels, without=('alertname',))}<p class=dim>{_sides(pair)}</p>"
        + (f"<ul>{said}</ul>" if said else "")
        + "</li>"
    )


def _sides(pair: Pair) -> str:
    ours = f"Tocsin would have told of {_counted(pair.ours.record)}" if pair.ours else "Tocsin would have told nothing"
    theirs = f"Alertmanager told of {_counted(pair.theirs.record)}" if pair.theirs else "Alertmanager told nothing"
    if pair.verdict is PairVerdict.SAME:
        assert pair.theirs is not None
        return f"Both say: {_counted(pair.theirs.record)}; {_apart(pair.offset)}"
    if pair.offset is not None:
        return f"{ours}; {theirs}; {_apart(pair.offset)}"
    return f"{ours}; {theirs}" if pair.verdict.is_difference else ours if pair.ours else theirs


def _counted(record: ShadowRecord) -> str:
    firing, resolved = len(record.firing) // 8, len(record.resolved) // 8
    parts = [f"{count} {word}" for count, word in ((firing, "firing"), (resolved, "resolved")) if count]
    parts += [f"{record.truncated} more"] if record.truncated else []
    reason = f" ({text_of(record.reason)})" if record.reason else ""
    return (" and ".join(parts) or "no alerts") + reason


def _apart(offset: timedelta | None) -> str:
    seconds = offset.total_seconds() if offset else 0.0
    if abs(seconds) < 0.1:
        return "at the same time"
    return f"Tocsin {abs(seconds):.1f} s {'later' if seconds > 0 else 'earlier'}"


NO_SHADOW_PAGE = document(
    "No shadow",
    '<nav><a href="incidents">Incidents</a></nav><h1>This Tocsin is no shadow</h1>'
    "<p>It tells whom its configuration names. Start it with <code>tocsin serve --shadow</code> to have it send nothing"
    " and show what it would have sent.</p>",
)
