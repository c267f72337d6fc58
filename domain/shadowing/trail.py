"""Trail: what the logs of some groups say about one alert, for whoever asks why it was or was not told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from domain.explaining import printable, reported_alerts
from domain.groups import WITHHELD, LogEntry, Reason, ReasonCode
from domain.labels import Fingerprint, Labels

BEGAN = (ReasonCode.FIRED, ReasonCode.REFIRED, ReasonCode.UPDATED)
ENDED = (ReasonCode.RESOLVED, ReasonCode.LEASE_ENDED, ReasonCode.SEEN_RESOLVED)

_MUTED = (ReasonCode.SILENCED, ReasonCode.INHIBITED, ReasonCode.OUT_OF_HOURS)

_LOOKED = (
    *_MUTED,
    ReasonCode.NOTIFY,
    ReasonCode.NO_NEWS,
    ReasonCode.NEVER_TOLD,
    ReasonCode.NOT_SENT,
    ReasonCode.UNSETTLED,
    *WITHHELD,
)
"""What is said when a group falls due and looks at its alerts."""

LONGEST_NAME = 80

type Said = tuple[datetime, Reason]
"""One clause, and when it was said."""


class Trail:
    """The trails of the groups that a notification can be about, as one."""

    def __init__(self, entries: Iterable[LogEntry]) -> None:
        self.entries: Sequence[LogEntry] = sorted(entries, key=lambda entry: (entry.at, entry.revision))
        self.labels: Mapping[str, Labels] = {
            alert.fingerprint: alert.labels for entry in self.entries for alert in reported_alerts(entry)
        }

    def history(self, name: Fingerprint) -> list[Said]:
        """How the alert began, ended and moved, the oldest first."""
        codes = (*BEGAN, *ENDED, ReasonCode.MOVED)
        return [(at, reason) for at, reason in self._said(codes) if name in reason.fingerprints]

    def incident(self, at: datetime) -> str:
        """The incident that the last entry before that time belongs to; empty where there is none."""
        return next((entry.incident for entry in reversed(self.entries) if entry.at <= at), "")

    def muted(self, name: Fingerprint, at: datetime, within: timedelta) -> str:
        """What muted it in the last look before that time, or in the first one after; empty where nothing did."""
        looks = [
            entry
            for entry in self.entries
            if abs(entry.at - at) <= within and any(reason.code in _LOOKED for reason in entry.reasons)
        ]
        after = [entry for entry in looks if entry.at > at][:1]
        for entry in [*after, *[entry for entry in looks if entry.at <= at][-1:]]:
            said = [_muting(one) for one in entry.reasons if one.code in _MUTED and name in one.fingerprints]
            if said:
                return "; ".join(said)
        return ""

    def _said(self, codes: Sequence[ReasonCode]) -> Iterator[Said]:
        for entry in self.entries:
            for reason in entry.reasons:
                if reason.code in codes:
                    yield entry.at, reason


def called(name: str, labels: Labels | None, group_labels: Labels) -> str:
    """What to call an alert of this group: its name, and the labels that tell it from the others."""
    if labels is None:
        return f"alert {name}"
    shown = [f"{label}={text}" for label, text in sorted(labels.items()) if label != "alertname"]
    told = [text for text in shown if text.partition("=")[0] not in group_labels] or shown
    alertname = labels.get("alertname", "an alert")
    text = printable(f"{alertname} ({' '.join(told[:3])})" if told else alertname)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def _muting(reason: Reason) -> str:
    by, text = printable(reason.by), printable(reason.text)
    match reason.code:
        case ReasonCode.SILENCED:
            return f"silenced here by {by} ({text})"
        case ReasonCode.INHIBITED:
            return f"inhibited here by {by} (rule {text})"
        case _:
            return f"muted here by {by}: {text}"
