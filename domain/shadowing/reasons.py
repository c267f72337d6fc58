"""Reasons: why Tocsin would have told something else than Alertmanager did, as far as Tocsin's trail knows.

Of what Alertmanager thought nothing is known but what it sent.  So the trail of the group here is asked, alert by
alert; what is left when it has no answer is said to be unexplained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import groupby

from domain.configuration import Configuration
from domain.explaining import clock, printable
from domain.groups import WITHHELD, Reason, ReasonCode
from domain.labels import Fingerprint, Labels
from domain.notifications import NotificationReason
from domain.routing import Route, group_key
from domain.shadowing import SLACK, ShadowRecord, routes_of, window
from domain.shadowing.pairing import Comparison, Notice, Pair, PairVerdict
from domain.shadowing.trail import BEGAN, ENDED, Trail, called

NAMED = 3
"""A reason names so many alerts; of more it says how many."""

NOTED = timedelta(seconds=2)
"""A pair that says the same is explained where its two sides are further apart than this."""

OLD_GRID = timedelta(seconds=30)
"""How often Alertmanager 0.25 lets go of emptied groups."""


_OWN_CLOCK = "each side repeats on a clock of its own"


class Cause(StrEnum):
    """What kind of thing a reason is."""

    MUTED = "muted"
    """Something mutes it here."""
    INPUT = "input"
    """The two did not get the same alerts."""
    CONFIGURATION = "configuration"
    """They route or tell differently."""
    MENDED = "mended"
    """Tocsin means to do it otherwise; under `compat: strict` it does not."""
    TOLD = "told"
    """Tocsin would have told of it before."""
    NOISE = "noise"
    """It comes at another time, by chance or by version; nobody would be told of more or of less."""
    START = "start"
    """It comes of beginning to compare."""
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Why:
    """One reason, in words: plain text without control characters, instants in UTC."""

    cause: Cause
    words: str


@dataclass(frozen=True, slots=True)
class Context:
    """What may explain a pair."""

    configuration: Configuration
    comparison: Comparison
    trail: Trail
    """Of the groups that the pair can be about."""
    heard_since: datetime | None
    """Since when Alertmanager's notifications come."""
    now: datetime
    is_strict: bool = False
    """Whether nothing is mended here, so that no difference comes of that."""


def why(pair: Pair, context: Context) -> list[Why]:
    """Why the pair is no pair, or its two sides are not the same; one reason at least for each difference.

    Of what is the same it says why one came later, where it came much later.
    """
    asked = _Asked(pair, context)
    match pair.verdict:
        case PairVerdict.SAME:
            return list(asked.why_apart())
        case PairVerdict.WAITING:
            return []
        case PairVerdict.UNCOMPARED:
            return [asked.why_uncompared()]
        case PairVerdict.ONLY_ALERTMANAGER:
            return _unique(asked.why_not_here())
        case PairVerdict.ONLY_TOCSIN:
            return _unique(asked.why_only_here())
        case PairVerdict.DIFFERS:
            return _unique(asked.why_different())


def _unique(found: Iterable[Why]) -> list[Why]:
    reasons = list(dict.fromkeys(found))
    if len(reasons) > 1:
        # Where one alert of several is not explained, the others' reasons are still worth more.
        reasons.sort(key=lambda reason: reason.cause is Cause.UNEXPLAINED)
    return reasons or [Why(Cause.UNEXPLAINED, "unexplained: nothing in the trail tells why")]


type _Answer = tuple[Cause, str]
"""A cause, and what follows the name of the alert."""


class _Asked:
    """One pair, and what is asked about it."""

    def __init__(self, pair: Pair, context: Context) -> None:
        self.pair = pair
        self.context = context
        self.trail = context.trail
        self.at = pair.theirs.at if pair.theirs else pair.at
        key = pair.any.receiver, pair.any.group_key
        self.ours = context.comparison.ours.get(key, ())
        self.theirs = context.comparison.theirs.get(key, ())
        routes = routes_of(context.configuration, *key, pair.any.group_labels)
        self.route: Route | None = routes[0] if routes else None
        self.within = window(self.route or context.configuration.root)
        self.labels: dict[str, Labels] = {
            **context.trail.labels,
            **{name: labels for one in (pair.ours, pair.theirs) if one for name, labels in one.record.labels.items()},
        }

    # --- one side is missing ----------------------------------------------------------------------------------------

    def why_uncompared(self) -> Why:
        """Why there is nothing to compare with."""
        receiver = printable(self.pair.any.receiver)
        if self.context.heard_since is None:
            return Why(Cause.START, "nothing has come from Alertmanager yet: are its webhooks pointed here?")
        if self.pair.at < self.context.heard_since:
            return Why(Cause.START, f"before the first webhook of Alertmanager came, at {self._time(self._since)}")
        return Why(
            Cause.START,
            f"nothing has come from Alertmanager for receiver {receiver} yet: does that have a webhook pointed here?",
        )

    @property
    def _since(self) -> datetime:
        return self.context.heard_since or self.at

    def why_not_here(self) -> Iterator[Why]:
        """Why Tocsin would not have told what Alertmanager told."""
        theirs = self.pair.theirs
        assert theirs is not None
        if (stranger := self._why_no_such_group(theirs.record)) is not None:
            yield stranger
            return
        yield from self._of_news(theirs, self.theirs, self._not_told_here)

    def why_only_here(self) -> Iterator[Why]:
        """Why Alertmanager did not tell what Tocsin would have told."""
        ours = self.pair.ours
        assert ours is not None
        yield from self._of_news(ours, self.ours, self._not_told_there)

    # --- both are there ---------------------------------------------------------------------------------------------

    def why_different(self) -> Iterator[Why]:
        """Why the two say different things."""
        found = self.pair.difference
        yield from self._each(found.firing_there, partial(self._not_told_here, is_firing=True))
        yield from self._each(found.firing_here, partial(self._not_told_there, is_firing=True))
        resolved = found.resolved_there - found.firing_here
        yield from self._each(resolved, partial(self._not_told_here, is_firing=False))
        resolved = found.resolved_here - found.firing_there
        yield from self._each(resolved, partial(self._not_told_there, is_firing=False))
        if found.count:
            yield Why(Cause.UNEXPLAINED, "they count differently many alerts, and not all of them are named")

    def why_apart(self) -> Iterator[Why]:
        """Why one of two that say the same came later."""
        ours, theirs, offset = self.pair.ours, self.pair.theirs, self.pair.offset
        if ours is None or theirs is None or offset is None or abs(offset) <= NOTED:
            return
        wait = self.route.group_wait if self.route else timedelta(0)
        if ours.record.reason == NotificationReason.REPEAT:
            yield Why(
                Cause.NOISE, "a repeat comes at one tick or the next, by chance, and each side counts from its own"
            )
        elif offset > timedelta(0) and (came_at := self._came_since(theirs.at, ours)) is not None:
            yield Why(Cause.INPUT, f"it came here only at {self._time(came_at)}, {self._relative(came_at)}")
        elif (
            not self.context.is_strict
            and offset > timedelta(0)
            and ours.record.reason == NotificationReason.FIRST
            and ours.record.since is not None
            and ours.record.since + wait < theirs.at
            and offset <= wait + NOTED
        ):
            yield Why(
                Cause.MENDED,
                "Alertmanager tells at once of an alert that is older than group_wait; Tocsin waits for others first",
            )
        elif offset > timedelta(0) and self._is_old_grid(theirs):
            yield Why(
                Cause.NOISE,
                "Alertmanager 0.25 keeps the grid of a group that had emptied; Tocsin, as 0.34, begins anew",
            )

    def _came_since(self, instant: datetime, ours: Notice) -> datetime | None:
        """When the last of what it tells of began to fire here, if that was only after that instant."""
        began = [
            at
            for name in ours.firing
            for at, reason in self.trail.history(name)
            if at <= ours.at and reason.code in (ReasonCode.FIRED, ReasonCode.REFIRED)
        ]
        return max(began) if began and max(began) > instant else None

    def _is_old_grid(self, theirs: Notice) -> bool:
        """Whether Alertmanager's group had emptied shortly before."""
        before = _last(self.theirs, theirs.at)
        return before is not None and not before.firing and theirs.at - before.at <= OLD_GRID + self.within

    def _of_news(self, notice: Notice, notices: Sequence[Notice], ask: Callable[..., _Answer]) -> Iterator[Why]:
        """The answers for what a notification says that the one before did not; for all of it where that is nothing."""
        firing, resolved = _news(notice, notices)
        if not firing and not resolved:
            firing, resolved = notice.firing, notice.resolved if not notice.firing else frozenset()
        yield from self._each(firing, partial(ask, is_firing=True))
        yield from self._each(resolved, partial(ask, is_firing=False))

    # --- alert by alert ---------------------------------------------------------------------------------------------

    def _each(self, names: Iterable[Fingerprint], ask: Callable[[Fingerprint], _Answer]) -> Iterator[Why]:
        """The answers, each with the names of all alerts that it holds for."""
        answered = sorted([(ask(name), self._name(name)) for name in names])
        for (cause, words), run in groupby(answered, key=lambda pair: pair[0]):
            called = [name for _, name in run]
            more = f" and {len(called) - NAMED} more" if len(called) > NAMED else ""
            yield Why(cause, f"{', '.join(called[:NAMED])}{more}: {words}")

    def _not_told_here(self, name: Fingerprint, *, is_firing: bool) -> _Answer:
        """Why Tocsin's trail has no such notification of this alert at that time."""
        theirs = self.pair.theirs
        assert theirs is not None
        history = [step for step in self.trail.history(name) if step[0] <= theirs.at + self.within]
        if not history:
            if elsewhere := self._elsewhere(self.labels.get(name)):
                return Cause.CONFIGURATION, elsewhere
            return Cause.INPUT, "has not come here: Alertmanager was sent what Tocsin was not"
        if muted := self.trail.muted(name, theirs.at, self.within):
            return Cause.MUTED, muted
        if (told := self._told_near(self.ours, name, is_firing=is_firing)) is not None:
            return Cause.NOISE, f"would have been told {self._relative(told.at)}, in another notification"
        at, reason = next((step for step in reversed(history) if step[0] <= theirs.at + NOTED), history[0])
        later = next((step for step in history if step[0] > theirs.at + NOTED and step[1].code in BEGAN), None)
        if reason.code is ReasonCode.MOVED:
            return Cause.CONFIGURATION, f"belongs to another group here since {self._time(at)}"
        if is_firing and later and (at > theirs.at + NOTED or reason.code in ENDED):
            return Cause.INPUT, f"came here only {self._relative(later[0])}"
        if is_firing and reason.code in ENDED:
            return Cause.INPUT, self._ended(at, reason)
        if not is_firing and reason.code in BEGAN:
            return Cause.INPUT, f"still fires here: no resolve had come by then (last heard of {self._relative(at)})"
        return self._not_due(theirs, name, is_firing=is_firing)

    def _not_due(self, theirs: Notice, name: Fingerprint, *, is_firing: bool) -> _Answer:
        """It is known here and not muted: so it was told already, or has to wait, or nobody is there to tell."""
        near = [entry for entry in self.trail.entries if abs(entry.at - theirs.at) <= self.within]
        said = {reason.code for entry in near for reason in entry.reasons}
        if ReasonCode.NOT_SENT in said and not is_firing:
            return Cause.CONFIGURATION, "its receiver wants no resolves in Tocsin's configuration"
        if not said.isdisjoint(WITHHELD):
            return Cause.MUTED, "was held back here: a person has its incident in hand"
        if ReasonCode.NEVER_TOLD in said:
            return Cause.NOISE, "resolved here before its group was due, so nobody would have heard that it fired"
        told = _last(self.ours, theirs.at, lambda one: name in _of(one, is_firing))
        if told is not None:
            if name not in _news_of(theirs, self.theirs, is_firing) and self._repeats(self.ours, name, theirs.at):
                return Cause.NOISE, f"would have been told {self._relative(told.at)}: {_OWN_CLOCK}"
            return Cause.TOLD, f"would have been told {self._relative(told.at)} already, so it is no news here"
        waiting = [entry for entry in self.trail.entries if entry.at <= theirs.at + NOTED and entry.next_due_at]
        if waiting and (due := waiting[-1].next_due_at) and due > theirs.at:
            return Cause.NOISE, f"its group here waits until {self._time(due)}"
        return Cause.UNEXPLAINED, "unexplained: it was known here, and nothing muted it"

    def _not_told_there(self, name: Fingerprint, *, is_firing: bool) -> _Answer:
        """Why Alertmanager may have sent no such notification of this alert at that time."""
        ours = self.pair.ours
        assert ours is not None
        if is_firing and self._is_newcomer(ours):
            return Cause.START, "is older than the comparison: Alertmanager had told of it before"
        if mended := self._mended(name, ours):
            return Cause.MENDED, mended
        if (told := self._told_near(self.theirs, name, is_firing=is_firing)) is not None:
            return Cause.NOISE, f"Alertmanager told of it {self._relative(told.at)}, in another notification"
        told = _last(self.theirs, ours.at, lambda one: name in _of(one, is_firing))
        if told is not None and ours.record.reason == NotificationReason.REPEAT:
            if self._repeats(self.theirs, name, ours.at):
                return Cause.NOISE, f"told by Alertmanager {self._relative(told.at)}: {_OWN_CLOCK}"
            return Cause.UNEXPLAINED, f"unexplained: Alertmanager told of it {self._relative(told.at)}, and not again"
        ends = [step for step in self.trail.history(name) if step[0] <= ours.at and step[1].code in ENDED]
        if not is_firing and ends and ends[-1][1].code is ReasonCode.LEASE_ENDED:
            return Cause.INPUT, self._ended(*ends[-1])
        last = f" (it last told of it {self._relative(told.at)})" if told else ""
        return (
            Cause.UNEXPLAINED,
            "unexplained here: Tocsin knows of no silence, inhibition or interval that mutes it;"
            f" Alertmanager may have a silence that Tocsin does not, or was not sent the alert{last}",
        )

    def _repeats(self, notices: Sequence[Notice], name: Fingerprint, at: datetime) -> bool:
        """Whether that side repeats as often as it should around that time: then only the moments differ."""
        route = self.route or self.context.configuration.root
        longest = route.repeat_interval + 2 * route.group_interval + SLACK
        told = [one.at for one in notices if name in one.firing]
        before = max((instant for instant in told if instant <= at), default=None)
        after = min((instant for instant in told if instant > at), default=self.context.now)
        return before is not None and after - before <= longest

    def _is_newcomer(self, ours: Notice) -> bool:
        """Whether Tocsin learned only lately what Alertmanager had known and told before its webhooks came here."""
        since, fires_since = self.context.heard_since, ours.record.since
        is_first = ours.record.reason == NotificationReason.FIRST and _last(self.ours, ours.at) is None
        is_old = since is not None and fires_since is not None and fires_since < since
        return is_first and is_old and _last(self.theirs, ours.at) is None

    def _mended(self, name: Fingerprint, ours: Notice) -> str:
        """What Tocsin does on purpose where Alertmanager keeps quiet; empty where that is not it."""
        began = _last(self.ours, ours.at, lambda one: name in one.firing)
        for entry in reversed(self.trail.entries):
            if entry.at > ours.at or (began and entry.at < began.at):
                continue
            for reason in entry.reasons:
                if reason.code is ReasonCode.FAREWELL and abs(entry.at - ours.at) <= self.within:
                    return "a new configuration did away with its group, and Tocsin says so to whom it told of it"
                if reason.code is ReasonCode.FORGOTTEN and name in reason.fingerprints:
                    return (
                        f"was muted when it resolved or fired on, at {self._time(entry.at)}: Tocsin tells of it anew,"
                        " where Alertmanager keeps quiet until repeat_interval"
                    )
        return ""

    # --- what both sides told, and where Tocsin routes it -----------------------------------------------------------

    def _ended(self, at: datetime, reason: Reason) -> str:
        if reason.code is ReasonCode.LEASE_ENDED:
            return f"counts as resolved here since {self._time(at)}: no re-send came"
        return f"had resolved here {self._relative(at)}"

    def _told_near(self, notices: Sequence[Notice], name: Fingerprint, *, is_firing: bool) -> Notice | None:
        """A notification of that side to which the alert was news, close to this one, and to no partner of its."""

        def is_free(one: Notice) -> bool:
            partner = self.context.comparison.partners.get(one.record.id)
            others = self.theirs if notices is self.ours else self.ours
            return partner is None or name not in _news_of(partner, others, is_firing)

        near = [
            one
            for one in notices
            if abs(one.at - self.at) <= self.within and name in _news_of(one, notices, is_firing) and is_free(one)
        ]
        return min(near, key=lambda one: abs(one.at - self.at), default=None)

    def _why_no_such_group(self, record: ShadowRecord) -> Why | None:
        configuration, receiver = self.context.configuration, printable(record.receiver)
        if record.receiver not in {one.name for one in configuration.receivers}:
            return Why(Cause.CONFIGURATION, f"Tocsin's configuration has no receiver {receiver}")
        if not configuration.receiver(record.receiver).integrations:
            return Why(Cause.CONFIGURATION, f"receiver {receiver} has no integrations in Tocsin's configuration")
        if self.route is None:
            return Why(
                Cause.CONFIGURATION,
                f"no route of Tocsin's configuration to receiver {receiver} has a group {printable(record.group_key)}:"
                " the two configurations differ",
            )
        return None

    def _elsewhere(self, labels: Labels | None) -> str:
        """Where Tocsin routes it, if not to this group; empty where it would come here, or nobody knows."""
        if labels is None:
            return ""
        configuration = self.context.configuration
        found = []
        for address in configuration.group_addresses(labels):
            route = configuration.routes[address.route_id]
            key = group_key(route, address.labels)
            if (route.receiver, key) == (self.pair.any.receiver, self.pair.any.group_key):
                return ""
            found.append(f"receiver {printable(route.receiver)}, group {printable(key)}")
        return f"Tocsin's configuration routes it elsewhere: {'; '.join(found)}"

    # --- words ------------------------------------------------------------------------------------------------------

    def _name(self, name: Fingerprint) -> str:
        labels = self.labels.get(name)
        return called(name, labels, self.pair.any.group_labels)

    def _time(self, instant: datetime) -> str:
        return clock(instant, self.at)

    def _relative(self, instant: datetime) -> str:
        """How long before or after this notification that was."""
        apart = instant - self.at
        if abs(apart) > timedelta(hours=1):
            return f"at {self._time(instant)}"
        return f"{abs(apart).total_seconds():.1f} s {'later' if apart > timedelta(0) else 'earlier'}"


def _of(notice: Notice, is_firing: bool) -> frozenset[Fingerprint]:
    return notice.firing if is_firing else notice.resolved


def _news(notice: Notice, notices: Sequence[Notice]) -> tuple[frozenset[Fingerprint], frozenset[Fingerprint]]:
    """What it says fires, and is resolved, that the one before did not say."""
    before = _last(notices, notice.at)
    if before is None:
        return notice.firing, notice.resolved
    return notice.firing - before.firing, notice.resolved - before.resolved


def _news_of(notice: Notice, notices: Sequence[Notice], is_firing: bool) -> frozenset[Fingerprint]:
    return _news(notice, notices)[0 if is_firing else 1]


def _last(
    notices: Sequence[Notice], before: datetime, is_wanted: Callable[[Notice], bool] = lambda one: True
) -> Notice | None:
    return next((one for one in reversed(notices) if one.at < before and is_wanted(one)), None)
