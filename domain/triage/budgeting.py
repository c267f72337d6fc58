"""Budgeting: whether an incident is worth asking a model about, and what that may take.

A model is asked in the order of what its answer may be worth: by severity, then by novelty, and only as long as every
budget has enough left.  As a budget runs down its last parts are kept for the worse incidents.  Whatever is decided, a
sentence says why, with the numbers; no text of an alert stands in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain.lifecycle import SEVERITY_LABEL, highest_severity, severity_rank
from domain.tracing.words import joined, span
from domain.triage.questions import HISTORY_SEARCHED, Past, Question
from domain.triage.rules import Limits, TriageRules
from domain.triage.similarity import most_alike
from domain.triage.spending import NO_MODEL, Allowance, Usage
from domain.values import value

OF_LATE = timedelta(days=7)
"""An ending of so long ago says little of what is happening now."""

ALIKE = 0.75
"""Two incidents that read so much alike are taken for the same thing."""

LITTLE_NEWS = 2
"""So many steps higher an incident must stand that is no news: one like it ended of late, and people noted how."""

RESERVED = ((4, 0.4), (5, 0.2))
"""Of an hour's and a day's budget, which share is kept for incidents of this rank (`severity_rank`) and higher ones."""

CROWDED = ((4, 20), (5, 100))
"""From so many waiting incidents on a model is asked only about those of this rank and higher ones."""

LEAST_TOKENS = 1_000
LEAST_SECONDS = 1.0
"""With less than this a model cannot answer."""

KINDS = ("tokens", "calls", "seconds", "money")
"""Of a `Limits`, and of a `Usage`."""

_WORDS = ("none", "info", "low", "warning", "high", "critical", "page")
"""A word for each rank."""


# --- whether a model is asked ---------------------------------------------------------------------------------------


def allow(
    question: Question,
    spent_on_incident: Usage,
    spent_this_hour: Usage,
    spent_today: Usage,
    last_asked_at: datetime | None,
    look: int,
    has_model: bool,
    waiting: int,
) -> Allowance:
    """Whether a model is asked, and what it may take: never more than what any budget has left.

    Of two questions that differ in nothing but the severity, the higher one is asked if the lower one is, and may take
    at least as much.  What looks at the same time take is not known here: several can together exceed a budget.

    Args:
        question: The incident; its history says whether it is news, its rules what the configuration says.
        spent_on_incident: By all looks at this incident.
        spent_this_hour: By everything; see `UsageStore`.
        spent_today: By everything.
        last_asked_at: When a model was last asked about an incident of this group; None if never.
        look: Which look at this incident it is, from 1 on.
        has_model: Whether there is one.
        waiting: How many incidents wait for their look.
    """
    if not has_model:
        return NO_MODEL
    if question.incident.resolved_at is not None:
        return Allowance(False, "the incident is over")
    rules, rank = question.rules, severity_rank(severity_of(question))
    if refusal := (
        _too_low(rank, rules)
        or _too_soon(question.now, last_asked_at, rules.cool_down)
        or _no_news(question, rank, rules)
        or _crowded(rank, waiting)
    ):
        return Allowance(False, refusal)
    kept = _share_kept(rank)
    budgets = (
        _Budget("this incident", rules.per_incident, spent_on_incident),
        _Budget("this hour", rules.per_hour, spent_this_hour, kept),
        _Budget("today", rules.per_day, spent_today, kept),
    )
    if refusal := next(filter(None, (budget.refusal(rank) for budget in budgets)), ""):
        return Allowance(False, refusal)
    limits = _least_of([budget.left for budget in budgets])
    again = f"look {look} at this incident; " if look > 1 else ""
    spent = ", ".join(f"{budget.name} {budget.told}" for budget in budgets)
    reason = f"{again}{_called(rank)}; it may take {_amounts(limits)}; spent before: {spent}"
    return Allowance(True, reason, limits)


def severity_of(question: Question) -> str:
    """A person's word for how bad it is; else the highest of what its alerts say."""
    said = question.incident.standing.severity
    labels = (onset.alert.labels.get(SEVERITY_LABEL, "") for onset in question.onsets if onset.ended_at is None)
    return said or highest_severity([question.incident.severity, *labels])


def _too_low(rank: int, rules: TriageRules) -> str:
    least = severity_rank(rules.least_severity)
    if rank >= least or least <= 0:
        return ""
    return f"{_called(rank)}, and a model is asked from {_word(least)} on (least_severity)"


def _too_soon(now: datetime, last_asked_at: datetime | None, cool_down: timedelta) -> str:
    if last_asked_at is None or now - last_asked_at >= cool_down:
        return ""
    ago = span(max(timedelta(0), now - last_asked_at))
    return f"a model was asked about this group {ago} ago, and is not asked again within {span(cool_down)} (cool_down)"


def _no_news(question: Question, rank: int, rules: TriageRules) -> str:
    needed = max(0, severity_rank(rules.least_severity)) + LITTLE_NEWS
    if rank >= min(needed, len(_WORDS) - 1):
        return ""
    known = [past for past in question.history[:HISTORY_SEARCHED] if _is_known_ending(past, question)]
    alike = most_alike(question.reads, [past.reads for past in known], 1, ALIKE, is_whole=True)
    if not alike:
        return ""
    place, likeness = alike[0]
    past = known[place].incident
    ago = span(question.now - (past.resolved_at or past.opened_at))
    return (
        f"it is little news: incident {past.id}, {likeness:.0%} alike, ended {ago} ago and people noted how; "
        f"of what is known a model is asked from {_word(needed)} on, and {_called(rank)}"
    )


def _is_known_ending(past: Past, question: Question) -> bool:
    ended_at = past.incident.resolved_at
    if ended_at is None or not past.notes or past.incident.id == question.incident.id:
        return False
    return timedelta(0) <= question.now - ended_at <= OF_LATE


def _crowded(rank: int, waiting: int) -> str:
    least = max((bar for bar, many in CROWDED if waiting >= many), default=-1)
    if rank >= least:
        return ""
    return f"{waiting:,} incidents wait, so a model is asked from {_word(least)} on, and {_called(rank)}"


# --- what it may take -----------------------------------------------------------------------------------------------


@value
class _Budget:
    """One of the budgets, and what has been spent of it."""

    name: str
    limits: Limits
    spent: Usage
    kept: float = 0.0
    """The share of it that is kept for others."""

    @property
    def left(self) -> Limits:
        """What may still be taken; less than nothing where more was spent."""
        limits, spent, open = self.limits, self.spent, 1 - self.kept
        return Limits(
            tokens=None if limits.tokens is None else int(limits.tokens * open) - spent.tokens,
            calls=None if limits.calls is None else int(limits.calls * open) - spent.calls,
            seconds=None if limits.seconds is None else limits.seconds * open - spent.seconds,
            money=None if limits.money is None else limits.money * open - spent.money,
        )

    def refusal(self, rank: int) -> str:
        """Why there is not enough left for one of this rank; empty where there is."""
        kind = _lacks(self.left)
        if not kind:
            return ""
        told = f"{self.name} {self._told_of(kind)} are spent"
        for bar, _ in RESERVED:
            if bar > rank and not _lacks(replace(self, kept=min(self.kept, _share_kept(bar))).left):
                return f"{told}, and what is left is kept for {_word(bar)} and above; {_called(rank)}"
        return f"{told}: too little is left for a look"

    @property
    def told(self) -> str:
        """What is spent of it, of each kind that has a limit."""
        return joined([self._told_of(kind) for kind in KINDS if getattr(self.limits, kind) is not None]) or "no limit"

    def _told_of(self, kind: str) -> str:
        return f"{_amount(kind, getattr(self.spent, kind))} of {_number(kind, getattr(self.limits, kind))}"


def _share_kept(rank: int) -> float:
    return max((share for bar, share in RESERVED if rank < bar), default=0.0)


def _lacks(left: Limits) -> str:
    """Of which kind there is too little for a look; empty where there is enough of each."""
    if left.tokens is not None and left.tokens < LEAST_TOKENS:
        return "tokens"
    if left.calls is not None and left.calls < 1:
        return "calls"
    if left.seconds is not None and left.seconds < LEAST_SECONDS:
        return "seconds"
    if left.money is not None and left.money <= 0:
        return "money"
    return ""


def _least_of(all_left: Sequence[Limits]) -> Limits:
    return Limits(
        tokens=min((left.tokens for left in all_left if left.tokens is not None), default=None),
        calls=min((left.calls for left in all_left if left.calls is not None), default=None),
        seconds=min((left.seconds for left in all_left if left.seconds is not None), default=None),
        money=min((left.money for left in all_left if left.money is not None), default=None),
    )


# --- words ----------------------------------------------------------------------------------------------------------


def _called(rank: int) -> str:
    return f"its severity is {_word(rank)}" if rank >= 0 else "it has no severity that is known"


def _word(rank: int) -> str:
    return _WORDS[min(rank, len(_WORDS) - 1)]


def _amounts(limits: Limits) -> str:
    told = [_amount(kind, amount) for kind in KINDS if (amount := getattr(limits, kind)) is not None]
    return f"up to {joined(told)}" if told else "what it needs"


def _amount(kind: str, amount: float) -> str:
    return f"{_number(kind, amount)} {'of money' if kind == 'money' else 's' if kind == 'seconds' else kind}"


def _number(kind: str, amount: float) -> str:
    return f"{amount:,.4g}" if kind in ("seconds", "money") and amount < 1000 else f"{amount:,.0f}"
