"""Pairing: which of Tocsin's notifications corresponds to which of Alertmanager's, and what only one of them says."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from domain.configuration import Configuration
from domain.labels import Fingerprint
from domain.notifications import NotificationReason, unpack
from domain.shadowing import Heard, ShadowRecord, repeat_window, routes_of, window

COPIES_APART = timedelta(seconds=10)
"""Two equal notifications of one side that are closer are one: a receiver with two webhooks, or identical routes."""


class PairVerdict(StrEnum):
    """What comes of comparing."""

    SAME = "same"
    DIFFERS = "differs"
    ONLY_TOCSIN = "only_tocsin"
    ONLY_ALERTMANAGER = "only_alertmanager"
    WAITING = "waiting"
    """Without a partner, and young enough for one to come."""
    UNCOMPARED = "uncompared"
    """Nothing has come from Alertmanager that this could be compared with."""

    @property
    def is_difference(self) -> bool:
        """Whether somebody should look at it."""
        return self in (PairVerdict.DIFFERS, PairVerdict.ONLY_TOCSIN, PairVerdict.ONLY_ALERTMANAGER)


@dataclass(frozen=True)
class Notice:
    """A record, opened for comparing."""

    record: ShadowRecord

    @cached_property
    def firing(self) -> frozenset[Fingerprint]:
        """The firing alerts that it names."""
        return unpack(self.record.firing)

    @cached_property
    def resolved(self) -> frozenset[Fingerprint]:
        """The resolved alerts that it names."""
        return unpack(self.record.resolved)

    @property
    def at(self) -> datetime:
        """When."""
        return self.record.at

    def is_like(self, other: Notice) -> bool:
        """Whether both say the same, as far as either is not truncated."""
        return not Difference.between(self, other)


@dataclass(frozen=True, slots=True)
class Difference:
    """What only one of two notifications says; false when they say the same."""

    firing_here: frozenset[Fingerprint] = frozenset()
    firing_there: frozenset[Fingerprint] = frozenset()
    resolved_here: frozenset[Fingerprint] = frozenset()
    resolved_there: frozenset[Fingerprint] = frozenset()
    status: bool = False
    count: bool = False
    """Whether they count differently many alerts, some of them unnamed."""

    def __bool__(self) -> bool:
        here_or_there = self.firing_here or self.firing_there or self.resolved_here or self.resolved_there
        return bool(here_or_there) or self.status or self.count

    @staticmethod
    def between(ours: Notice, theirs: Notice) -> Difference:
        """Of what one names and the other may have left out nothing is said."""
        cut_here, cut_there = ours.record.truncated, theirs.record.truncated
        nothing: frozenset[Fingerprint] = frozenset()
        named = len(ours.firing) + len(ours.resolved), len(theirs.firing) + len(theirs.resolved)
        return Difference(
            firing_here=nothing if cut_there else ours.firing - theirs.firing,
            firing_there=nothing if cut_here else theirs.firing - ours.firing,
            resolved_here=nothing if cut_there else ours.resolved - theirs.resolved,
            resolved_there=nothing if cut_here else theirs.resolved - ours.resolved,
            # The status is that of the alerts shown: where some are cut off it may differ by that alone.
            status=ours.record.status != theirs.record.status and not cut_here and not cut_there,
            count=bool(cut_here or cut_there) and named[0] + cut_here != named[1] + cut_there,
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """A notification of Tocsin's and the one of Alertmanager's that it corresponds to; at least one of them."""

    ours: Notice | None
    theirs: Notice | None
    verdict: PairVerdict
    difference: Difference = Difference()

    @property
    def any(self) -> ShadowRecord:
        """Whichever there is; what both share may be read from it."""
        one = self.ours or self.theirs
        assert one is not None
        return one.record

    @property
    def at(self) -> datetime:
        """When the earlier one was."""
        return min(one.at for one in (self.ours, self.theirs) if one)

    @property
    def offset(self) -> timedelta | None:
        """How much later than Alertmanager's Tocsin's is; negative where it is earlier."""
        return self.ours.at - self.theirs.at if self.ours and self.theirs else None


type Key = tuple[str, str]
"""Receiver and group key: what a notification of either side is about."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was compared."""

    pairs: Sequence[Pair]
    """In the order of time."""
    ours: Mapping[Key, Sequence[Notice]]
    """All that Tocsin would have told about each group, in the order of time, copies left out."""
    theirs: Mapping[Key, Sequence[Notice]]
    partners: Mapping[str, Notice]
    """By a record's id, its partner where it has one."""

    def counts(self, since: datetime, until: datetime) -> dict[PairVerdict, int]:
        """How many pairs of that time there are of each verdict."""
        counts = dict.fromkeys(PairVerdict, 0)
        for pair in self.pairs:
            if since <= pair.at < until:
                counts[pair.verdict] += 1
        return counts


def compare(
    ours: Iterable[ShadowRecord],
    theirs: Iterable[ShadowRecord],
    configuration: Configuration,
    now: datetime,
    heard: Heard,
    *,
    within: timedelta | None = None,
) -> Comparison:
    """Pair what Tocsin would have sent with what Alertmanager did send.

    Args:
        ours: Tocsin's records in the order of time.
        theirs: Alertmanager's, in the order of time.
        configuration: The one in force: its timers say how far apart partners may be.
        now: What is younger than that may still find its partner.
        heard: What has come from Alertmanager at all: without it nothing can be compared.
        within: How far apart partners may be, in the place of what the timers say.
    """
    ours_by_key = _by_key(record for record in ours if record.counts)
    theirs_by_key = _by_key(theirs)
    pairs: list[Pair] = []
    for key in list(ours_by_key | theirs_by_key):
        of_key = _Pairing(key, ours_by_key.get(key, ()), theirs_by_key.get(key, ()), configuration, within)
        pairs += of_key.pairs(now, heard)
        ours_by_key[key], theirs_by_key[key] = of_key.ours, of_key.theirs
    pairs.sort(key=lambda pair: (pair.at, pair.any.receiver, pair.any.group_key))
    partners: dict[str, Notice] = {}
    for pair in pairs:
        if pair.ours and pair.theirs:
            partners |= {pair.ours.record.id: pair.theirs, pair.theirs.record.id: pair.ours}
    return Comparison(pairs, ours_by_key, theirs_by_key, partners)


def _by_key(records: Iterable[ShadowRecord]) -> dict[Key, Sequence[Notice]]:
    notices: dict[Key, list[Notice]] = {}
    for record in records:
        notices.setdefault((record.receiver, record.group_key), []).append(Notice(record))
    return {**notices}


class _Pairing:
    """The notifications of one receiver and group key."""

    def __init__(
        self,
        key: Key,
        ours: Sequence[Notice],
        theirs: Sequence[Notice],
        configuration: Configuration,
        within: timedelta | None,
    ) -> None:
        receiver, text = key
        labels = next(iter([*ours, *theirs])).record.group_labels
        route = next(iter(routes_of(configuration, receiver, text, labels)), configuration.root)
        self.within = window(route) if within is None else within
        self.repeats_within = repeat_window(route) if within is None else within
        apart = min(route.group_interval / 2, COPIES_APART)
        self.ours, self.theirs = _without_copies(ours, apart), _without_copies(theirs, apart)
        self._matches: list[tuple[int, int]] = []
        """The places of partners, in order of either: they never cross."""

    def pairs(self, now: datetime, heard: Heard) -> list[Pair]:
        """Every notification, with its partner where there is one."""
        repeats = _repeats(self.ours), _repeats(self.theirs)
        self._match(self.within, lambda i, j: self.ours[i].is_like(self.theirs[j]))
        self._match(
            self.repeats_within,
            lambda i, j: i in repeats[0] and j in repeats[1] and self.ours[i].is_like(self.theirs[j]),
        )
        self._match(self.within, lambda i, j: _shares_alert(self.ours[i], self.theirs[j]))
        pairs = [self._paired(i, j) for i, j in self._matches]
        matched = {i for i, _ in self._matches}, {j for _, j in self._matches}
        for i, one in enumerate(self.ours):
            if i not in matched[0]:
                pairs.append(Pair(one, None, self._alone(one, now, heard, is_repeat=i in repeats[0])))
        for j, one in enumerate(self.theirs):
            if j not in matched[1]:
                is_young = now - one.at < (self.repeats_within if j in repeats[1] else self.within)
                pairs.append(Pair(None, one, PairVerdict.WAITING if is_young else PairVerdict.ONLY_ALERTMANAGER))
        return pairs

    def _alone(self, one: Notice, now: datetime, heard: Heard, *, is_repeat: bool) -> PairVerdict:
        is_before = heard.since is None or one.at < heard.since - self.within
        if is_before or one.record.receiver not in heard.receivers:
            return PairVerdict.UNCOMPARED
        is_young = now - one.at < (self.repeats_within if is_repeat else self.within)
        return PairVerdict.WAITING if is_young else PairVerdict.ONLY_TOCSIN

    def _paired(self, i: int, j: int) -> Pair:
        ours, theirs = self.ours[i], self.theirs[j]
        difference = Difference.between(ours, theirs)
        return Pair(ours, theirs, PairVerdict.DIFFERS if difference else PairVerdict.SAME, difference)

    def _match(self, within: timedelta, may: Callable[[int, int], bool]) -> None:
        """Match those that may be, the nearest first, where neither has a partner and no other match is crossed."""
        taken = {i for i, _ in self._matches}, {j for _, j in self._matches}
        free = [j for j in range(len(self.theirs)) if j not in taken[1]]
        times = [self.theirs[j].at for j in free]
        near: list[tuple[timedelta, int, int]] = []
        for i, one in enumerate(self.ours):
            if i in taken[0]:
                continue
            for place in range(bisect_left(times, one.at - within), len(free)):
                if (apart := times[place] - one.at) > within:
                    break
                if may(i, free[place]):
                    near.append((abs(apart), i, free[place]))
        for _, i, j in sorted(near):
            if i not in taken[0] and j not in taken[1] and self._crosses_none(i, j):
                insort(self._matches, (i, j))
                taken[0].add(i)
                taken[1].add(j)

    def _crosses_none(self, i: int, j: int) -> bool:
        place = bisect_left(self._matches, (i, j))
        before = self._matches[place - 1][1] if place else -1
        after = self._matches[place][1] if place < len(self._matches) else len(self.theirs)
        return before < j < after


def _without_copies(notices: Sequence[Notice], apart: timedelta) -> Sequence[Notice]:
    kept: list[Notice] = []
    for notice in notices:
        recent = (one for one in reversed(kept[-4:]) if notice.at - one.at < apart)
        if not any(_is_copy(one, notice) for one in recent):
            kept.append(notice)
    return kept


def _is_copy(one: Notice, other: Notice) -> bool:
    return one.firing == other.firing and one.resolved == other.resolved


def _repeats(notices: Sequence[Notice]) -> set[int]:
    """The places of those that say what was said before."""
    return {
        place
        for place, notice in enumerate(notices)
        if notice.record.reason == NotificationReason.REPEAT
        or (not notice.record.reason and place and _is_copy(notices[place - 1], notice))
    }


def _shares_alert(one: Notice, other: Notice) -> bool:
    return not (one.firing | one.resolved).isdisjoint(other.firing | other.resolved)
