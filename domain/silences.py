"""Silence: a person's muting of whatever some matchers select, for a time; port `SilenceStore`.

Source: silence/silence.go and api/v2/api.go of Alertmanager 0.34 (SI-1 to SI-8), the oracle 0.25 where it is the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from domain.errors import NotFoundError, RejectedError
from domain.labels import Labels, Matcher, MatchType, is_valid_label_name, match_all
from domain.quoting import quote
from domain.times import EPOCH

RETENTION = timedelta(hours=120)
"""So long a silence stays listed after it has ended (SI-6)."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Mutes the alerts that all its matchers select, from `starts_at` until just before `ends_at`."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class PostedSilence:
    """What somebody wants: a new silence, or with an id the change of one that is there."""

    id: str
    """Empty for a new one."""
    matchers: tuple[Matcher, ...]
    starts_at: datetime | None
    """None for at once."""
    ends_at: datetime | None
    """None was posted as Go's zero time: before every start."""
    created_by: str
    comment: str
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


class SilenceState(StrEnum):
    """Where an instant lies in the time of a silence (SI-3), in the order of lists (SI-7)."""

    ACTIVE = "active"
    PENDING = "pending"
    EXPIRED = "expired"


def state(silence: Silence, at: datetime) -> SilenceState:
    """Its state at this instant; at its very end it is over."""
    if at >= silence.ends_at:
        return SilenceState.EXPIRED
    return SilenceState.ACTIVE if at >= silence.starts_at else SilenceState.PENDING


# --- changing them: rules that a store may ask again ------------------------------------------------------------------


def edit(
    existing: Silence | None, posted: PostedSilence, now: datetime, new_id: str, *, may_be_broad: bool
) -> Sequence[Silence]:
    """What to keep on account of a posted silence (SI-2, SI-4).

    History stays as it was: where the change would alter what has been silenced, the existing one ends now and another
    takes its place.

    Args:
        existing: The one of the posted id, None when there is none.
        posted: What is wanted.
        now: What began earlier begins now; nothing may end earlier.
        new_id: The id of whatever does not take the place of the existing one.
        may_be_broad: Whether one without a positive matcher is taken, as Alertmanager does.

    Returns:
        One silence or two, to be kept together; the last is the one that was wanted.

    Raises:
        RejectedError: It is not right.
        NotFoundError: There is none of the posted id.
    """
    ends_at = _check(posted, now)
    if posted.id and existing is None:
        raise NotFoundError("silence not found")
    has_same_matchers = existing is not None and existing.matchers == posted.matchers
    # Who extends a silence has confirmed it before, and amtool could not do it again.
    if not (may_be_broad or has_same_matchers) and is_broad(posted.matchers):
        shown = ", ".join(map(str, posted.matchers))
        raise RejectedError(
            f"a silence of only {shown} mutes nearly everything: add a matcher that says what to mute, such as "
            'alertname="...", or confirm it by posting to /api/v2/silences?confirm=true (with curl: amtool cannot)'
        )
    wanted = Silence(
        id=new_id,
        matchers=posted.matchers,
        starts_at=posted.starts_at or now,
        ends_at=ends_at,
        created_by=posted.created_by,
        comment=posted.comment,
        updated_at=now,
        annotations=posted.annotations,
    )
    if existing is not None and has_same_matchers and _keeps_history(existing, wanted, now):
        return [replace(wanted, id=existing.id)]
    ended = [] if existing is None else expire(existing, now)
    return [*ended, replace(wanted, starts_at=max(wanted.starts_at, now))]


def _keeps_history(existing: Silence, wanted: Silence, now: datetime) -> bool:
    match state(existing, now):
        case SilenceState.ACTIVE:
            # To the second: clients post what they were shown, which lacks the digits behind the milliseconds.
            return existing.starts_at.replace(microsecond=0) == wanted.starts_at.replace(microsecond=0)
        case SilenceState.PENDING:
            return wanted.starts_at >= now
        case SilenceState.EXPIRED:
            return False


def _check(posted: PostedSilence, now: datetime) -> datetime:
    """Refuse what is not right by itself, in the order in which Alertmanager looks; returns the end."""
    # Go's zero time, which stands for no time, lies before all others.
    if posted.ends_at is None or (posted.starts_at is not None and posted.starts_at >= posted.ends_at):
        raise RejectedError("Failed to create silence: start time must be before end time")
    if posted.ends_at < now:
        raise RejectedError("Failed to create silence: end time can't be in the past")
    if not posted.matchers:
        raise RejectedError("invalid silence: at least one matcher required")
    for place, matcher in enumerate(posted.matchers):
        if not is_valid_label_name(matcher.name):
            raise RejectedError(
                f"invalid silence: invalid label matcher {place}: invalid label name {quote(matcher.name)}"
            )
    if all(_takes_absence(matcher) for matcher in posted.matchers):
        raise RejectedError("invalid silence: at least one matcher must not match the empty string")
    return posted.ends_at


def _takes_absence(matcher: Matcher) -> bool:
    # Negative ones pass this check in Alertmanager, whatever they match (SI-2).
    return matcher.type in _POSITIVE and matcher.matches_empty


_POSITIVE = (MatchType.EQUAL, MatchType.REGEX)


def is_broad(matchers: Sequence[Matcher]) -> bool:
    """Whether no matcher asks for a value: each is negative, or takes absence too.

    Alertmanager takes `zone!="a"` alone and mutes whatever has another zone or none, which is seldom meant.
    """
    return all(matcher.type not in _POSITIVE or matcher.matches_empty for matcher in matchers)


def expire(existing: Silence | None, now: datetime) -> Sequence[Silence]:
    """What to keep when it is to end now: nothing when it has ended already (SI-5).

    Raises:
        NotFoundError: There is none.
    """
    if existing is None:
        raise NotFoundError("silence not found")
    match state(existing, now):
        case SilenceState.ACTIVE:
            return [replace(existing, ends_at=now, updated_at=now)]
        case SilenceState.PENDING:
            return [replace(existing, starts_at=now, ends_at=now, updated_at=now)]
        case SilenceState.EXPIRED:
            return []


# --- listing them -----------------------------------------------------------------------------------------------------


def list_selected(
    silences: Iterable[Silence], matchers: Sequence[Matcher], states: Iterable[SilenceState], at: datetime
) -> list[tuple[Silence, SilenceState]]:
    """Those that have all these matchers and are in one of these states, each with its state at that instant.

    A matcher is compared as it is written, not by what it selects (SI-8).  The order is SI-7's: the active ones by
    their ends, the pending ones by their starts, then the expired ones, the last ended first.
    """
    wanted = frozenset(states)
    found = [
        (silence, its_state)
        for silence in silences
        if (its_state := state(silence, at)) in wanted and all(matcher in silence.matchers for matcher in matchers)
    ]
    return sorted(found, key=_listing_order)


def _listing_order(pair: tuple[Silence, SilenceState]) -> tuple[int, timedelta, str]:
    silence, its_state = pair
    match its_state:
        case SilenceState.ACTIVE:
            return 0, silence.ends_at - EPOCH, silence.id
        case SilenceState.PENDING:
            return 1, silence.starts_at - EPOCH, silence.id
        case SilenceState.EXPIRED:
            return 2, EPOCH - silence.ends_at, silence.id


# --- asking them ------------------------------------------------------------------------------------------------------


class Silences:
    """All silences that may still mute, for one version of them; immutable.

    Most silences ask for certain values of some label: they are found by these, so that an alert is held against the
    few that ask for a value it has, and against those that ask for none.
    """

    __slots__ = ("_anywhere", "_by_value")

    def __init__(self, silences: Iterable[Silence]) -> None:
        ordered = sorted(silences, key=lambda silence: silence.id)
        asked = Counter(question for silence in ordered for matcher in silence.matchers for question in _asks(matcher))
        self._by_value: dict[str, dict[str, list[_Candidate]]] = {}
        self._anywhere: list[_Candidate] = []
        for silence in ordered:
            # Whether a value is the same is quickly said; an expression costs a hundred times as much.
            candidate = silence, tuple(sorted(silence.matchers, key=lambda matcher: matcher.type in _EXPRESSIONS))
            # What the fewest ask for tells the most: thousands may share their `cluster`.
            choices = [questions for matcher in silence.matchers if (questions := _asks(matcher))]
            if not choices:
                self._anywhere.append(candidate)
                continue
            for name, value in min(choices, key=lambda questions: sum(asked[question] for question in questions)):
                self._by_value.setdefault(name, {}).setdefault(value, []).append(candidate)

    def muting(self, labels: Labels, at: datetime) -> Sequence[Silence]:
        """Those that are active at `at` and match, by id order; empty for most alerts."""
        found = [
            silence
            for candidates in self._candidates(labels)
            for silence, matchers in candidates
            if silence.starts_at <= at < silence.ends_at and match_all(matchers, labels)
        ]
        found.sort(key=lambda silence: silence.id)
        return found

    def _candidates(self, labels: Labels) -> Iterable[list[_Candidate]]:
        yield self._anywhere
        for name, by_value in self._by_value.items():
            if candidates := by_value.get(labels.get(name, "")):
                yield candidates


type _Candidate = tuple[Silence, tuple[Matcher, ...]]

_EXPRESSIONS = (MatchType.REGEX, MatchType.NOT_REGEX)

_PLAIN = re.compile(r"(?:[^\\.+*?()|\[\]{}^$]|\\[\\.+*?()|\[\]{}^$/-])+")
_ALTERNATIVES = re.compile(rf"\^?(\()?{_PLAIN.pattern}(?:\|{_PLAIN.pattern})*(?(1)\))\$?")


def _asks(matcher: Matcher) -> set[tuple[str, str]]:
    """The label and the values that an alert must have one of, so far as they are easily told; else nothing."""
    if matcher.type is MatchType.EQUAL and matcher.value:
        return {(matcher.name, matcher.value)}
    # Consoles spell a choice of values so: `db|web`, or `^(db|web)$`.
    if matcher.type is MatchType.REGEX and _ALTERNATIVES.fullmatch(matcher.value):
        return {(matcher.name, re.sub(r"\\(.)", r"\1", plain)) for plain in _PLAIN.findall(matcher.value)}
    return set()


NO_SILENCES = Silences(())


# --- where they are kept ----------------------------------------------------------------------------------------------

type ChangeSilence = Callable[[Silence | None], Sequence[Silence]]
"""Given the silence of an id, or None, what to keep in consequence; pure, for a store may ask it again."""


class SilenceStore(Protocol):
    """Where silences are kept, each change under a new version of all of them together.

    The version is `silences_version` of the policy head (rule 12): whoever reads that head first and lists then may
    keep the list for as long as the head says the same.
    """

    async def upsert_silence(self, silence: Silence) -> int:
        """Keep it, in the place of an older one of the same id.

        Returns:
            The new `silences_version`, higher than every one before, in the policy head since the same instant.

        Raises:
            UnavailableError: The store did not answer; if only the answer was lost, it may be written.
        """
        ...

    async def change_silence(self, silence_id: str, decide: ChangeSilence) -> Sequence[Silence]:
        """Ask `decide` about the silence of that id and keep all that it returns under one new version, or nothing.

        No other change comes in between: of two that are asked for at once, one is decided on what the other has left.
        A store that finds itself overtaken asks again about the newer state.  What `decide` raises is passed on, with
        nothing written.

        Returns:
            What it returned, durable now.  When that was nothing there is no new version either, and what it was
            decided on is durable.

        Raises:
            UnavailableError: The store did not answer; if only the answer was lost, it may be written.
        """
        ...

    async def get_silence(self, silence_id: str) -> Silence:
        """Raises NotFoundError when there is none under that id."""
        ...

    async def list_silences(self) -> Sequence[Silence]:
        """All that are kept, ended ones included, in order of their ids; no change that is not durable yet."""
        ...

    async def forget_silences(self, before: datetime) -> None:
        """Those that ended before that instant are gone; safe to repeat.

        There is no new version: they mute nothing any more, so a list that still has them is as good.

        Raises:
            UnavailableError: The store did not answer; none are gone.
        """
        ...
