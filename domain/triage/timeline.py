"""Timeline: what of an incident's trail a reader wants to know afterwards, each thing once, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from domain.alerts import Alert
from domain.explaining import Explained, clock, explain, fold_failures
from domain.groups import WITHHELD, LogEntry, Reason, ReasonCode
from domain.labels import Fingerprint
from domain.tracing.failures import folded
from domain.tracing.life import MUTING, Outcome, Sent
from domain.tracing.words import answer_words, of_what
from domain.values import value

type Called = Mapping[str, Sequence[str]]
"""By the version of the configuration, what the receiver's integrations are called: `slack[1]`."""

UNKNOWN: Called = MappingProxyType({})

_OF_DELIVERIES = frozenset(
    {
        ReasonCode.NOTIFY,
        ReasonCode.DELIVERED,
        ReasonCode.FAILED,
        ReasonCode.LATE,
        ReasonCode.SUPERSEDED,
        ReasonCode.FAREWELL,
    }
)
_LEFT_OUT = frozenset(
    {
        *_OF_DELIVERIES,
        *WITHHELD,
        ReasonCode.OPENED,
        ReasonCode.UPDATED,
        ReasonCode.SEEN_RESOLVED,
        ReasonCode.WOKEN,
        ReasonCode.ALL_MUTED,
        ReasonCode.FORGOTTEN,
        ReasonCode.WAITING,
        ReasonCode.NO_NEWS,
        ReasonCode.NEVER_TOLD,
        ReasonCode.NOT_SENT,
        ReasonCode.UNSETTLED,
        ReasonCode.DROPPED,
    }
)
"""What goes on as before, or follows from what is told anyway.  Whatever is not named here is told."""


@value
class Moment:
    """One thing that happened."""

    at: datetime
    words: str
    """Plain text; what senders and people wrote may stand in it."""
    rank: int = 0
    """Of two at one instant, the lower is told first: what happened, who was told, and that it is over."""


def timeline(
    entries: Sequence[LogEntry],
    known: Iterable[Alert] = (),
    *,
    seen_from: datetime,
    called: Called = UNKNOWN,
    is_shadow: bool = False,
) -> list[Moment]:
    """What happened, the oldest first; what failed alike again and again is one moment.

    Args:
        entries: Of one incident, the oldest first.
        known: Alerts that the entries may not report, so that they can be called by name.
        seen_from: Instants within the words have no date if it is this day's, in UTC.
        called: What the integrations are called.
        is_shadow: Whether nobody was told, and all of it is what would have been.
    """
    said = explain(_of_note(entries), known, is_shadow=is_shadow, called=called)
    found = [
        Moment(one.first_at, one.last.words + (f" (so {one.times} times)" if one.times > 1 else ""), _rank(one.last))
        for one in fold_failures([explained for explained in said if explained.clauses])
    ]
    versions = {entry.revision: entry.configuration_version for entry in entries}
    for run in folded(deliveries(entries)):
        names = called.get(versions.get(_revision(run[-1]), ""), ())
        words = _delivery_words(run, _name(run[-1].integration, names), seen_from, is_shadow=is_shadow)
        found.append(Moment(run[0].settled_at or run[0].at, words, 1))
    return sorted(found, key=lambda moment: (moment.at, moment.rank))


def _rank(explained: Explained) -> int:
    return 2 if any(one.code is ReasonCode.INCIDENT_RESOLVED for one in explained.entry.reasons) else 0


def _of_note(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """The entries without what goes on as before: what mutes alerts is said at every look, and told for new ones."""
    found = []
    muted: dict[tuple[ReasonCode, str], set[Fingerprint]] = {}

    def is_news(reason: Reason) -> bool:
        if reason.code not in MUTING:
            return reason.code not in _LEFT_OUT
        known = muted.setdefault((reason.code, reason.text), set())
        is_new = not known.issuperset(reason.fingerprints)
        known.update(reason.fingerprints)
        return is_new

    for entry in entries:
        found.append(replace(entry, reasons=tuple([one for one in entry.reasons if is_news(one)]), next_due_at=None))
    return found


def deliveries(entries: Iterable[LogEntry]) -> list[Sent]:
    """Every notification that was decided, and how it ended as far as the entries know."""
    found: dict[str, Sent] = {}
    for entry in entries:
        for reason in entry.reasons:
            match reason.code:
                case ReasonCode.NOTIFY | ReasonCode.FAREWELL if reason.integration is not None:
                    id = f"{entry.group_id}-{entry.revision}-{reason.integration}"  # as `flushing` names them
                    why = reason.text if reason.code is ReasonCode.NOTIFY else "its group is over"
                    found[id] = Sent(id, reason.integration, entry.at, why, is_about_it=True, is_firing=True)
                case ReasonCode.SUPERSEDED if reason.text in found:
                    found[reason.text] = replace(
                        found[reason.text],
                        outcome=Outcome.GIVEN_UP,
                        settled_at=entry.at,
                        answer="no result by its deadline",
                    )
                case ReasonCode.DELIVERED | ReasonCode.FAILED | ReasonCode.LATE:
                    settled = entry.settled
                    if settled is not None and settled.delivery_id in found:
                        found[settled.delivery_id] = replace(
                            found[settled.delivery_id],
                            outcome=Outcome.DELIVERED if settled.is_delivered else Outcome.FAILED,
                            settled_at=settled.settled_at,
                            attempts=settled.attempts,
                            answer=settled.detail or reason.text,
                        )
                case _:
                    """About no delivery."""
    return list(found.values())


def _revision(sent: Sent) -> int:
    return int(sent.id.rsplit("-", 2)[1])


def _name(integration: int, called: Sequence[str]) -> str:
    return called[integration] if integration < len(called) else f"integration {integration}"


def _delivery_words(run: Sequence[Sent], who: str, seen_from: datetime, *, is_shadow: bool) -> str:
    """What became of a notification, or of several that failed alike."""
    sent = run[-1]
    again = f" ({len(run)} times, the last at {clock(sent.settled_at or sent.at, seen_from)})" if len(run) > 1 else ""
    answer = answer_words(sent.answer, who)
    answer = f": {answer}" if answer else ""
    tries = f", after {sent.attempts} attempts" if sent.attempts > 1 else ""
    what = f"{of_what(sent.why)}{answer}{tries}{again}"
    match sent.outcome:
        case _ if is_shadow:
            return f"{who} would have been told of {of_what(sent.why)}"
        case Outcome.DELIVERED:
            return f"{who} was told of {what}"
        case Outcome.FAILED:
            return f"{who} could not be told of {what}"
        case Outcome.GIVEN_UP:
            return f"telling {who} was given up: {what}"
        case Outcome.UNDER_WAY:
            return f"{who} was to be told of {of_what(sent.why)}: no answer is known yet"
