"""Whether a model is asked, what that may take, and which incidents are looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.lifecycle import Response, severity_rank
from domain.triage import NO_MODEL, NOTHING_SPENT, Allowance, Limits, Past, Question, TriageRules, Usage
from domain.triage.budgeting import KINDS, LEAST_SECONDS, LEAST_TOKENS, allow, severity_of
from tests.builders import HOUR, MINUTE, NOON, incident
from tests.domain.triaging import AT_TEN_PAST, onset, past, question

WORDS = ("", "odd", "info", "low", "warning", "high", "critical", "page")
"""From the least."""

RULES = TriageRules(
    per_incident=Limits(tokens=60_000, calls=20, seconds=90),
    per_hour=Limits(tokens=600_000, calls=200),
    per_day=Limits(tokens=3_000_000, calls=1_000),
)


def about(severity: str = "critical", *history: Past, **changes: Any) -> Question:
    return question(onset("DiskFull", service="db"), incident=incident(severity=severity), history=history, **changes)


def asked(
    severity: str = "critical",
    *history: Past,
    rules: TriageRules = RULES,
    incident: Usage = NOTHING_SPENT,
    hour: Usage = NOTHING_SPENT,
    day: Usage = NOTHING_SPENT,
    last: datetime | None = None,
    look: int = 1,
    model: bool = True,
    waiting: int = 1,
) -> Allowance:
    return allow(about(severity, *history, rules=rules), incident, hour, day, last, look, model, waiting)


def tokens(number: int) -> Usage:
    return Usage(input_tokens=number)


# --- whether --------------------------------------------------------------------------------------------------------


def test_a_model_is_asked_and_told_what_it_may_take() -> None:
    allowance = asked("critical", hour=Usage(1000, 200, 3), day=Usage(10_000, 2000, 30))
    assert allowance == Allowance(
        True,
        "its severity is critical; it may take up to 60,000 tokens, 20 calls and 90 s; spent before: "
        "this incident 0 tokens of 60,000, 0 calls of 20 and 0 s of 90, "
        "this hour 1,200 tokens of 600,000 and 3 calls of 200, today 12,000 tokens of 3,000,000 and 30 calls of 1,000",
        Limits(tokens=60_000, calls=20, seconds=90),
    )


def test_without_a_model_nothing_else_counts() -> None:
    assert asked(model=False, hour=tokens(10**9), last=NOON) == NO_MODEL


@pytest.mark.parametrize(
    ("severity", "least", "refused"),
    [
        pytest.param("warning", "warning", "", id="the least"),
        pytest.param("Sev: ?", "warning", "it has no severity that is known", id="an odd one"),
        pytest.param("", "info", "it has no severity that is known", id="none"),
        pytest.param("", "none", "", id="none, and none is needed"),
        pytest.param("minor", "warning", "its severity is low", id="another word for low"),
        pytest.param("critical", "page", "its severity is critical", id="only pages"),
    ],
)
def test_by_severity(severity: str, least: str, refused: str) -> None:
    allowance = asked(severity, rules=replace(RULES, least_severity=least))
    assert allowance.is_asked is not bool(refused)
    if refused:
        assert allowance.reason == f"{refused}, and a model is asked from {least} on (least_severity)"


@pytest.mark.parametrize(
    ("changes", "alerts", "expected"),
    [
        pytest.param({}, [], "warning", id="the incident's"),
        pytest.param({"severity": ""}, [{"severity": "critical"}], "critical", id="an alert's that no flush has seen"),
        pytest.param({}, [{"severity": "page", "lasted": MINUTE}], "warning", id="none of an alert that is over"),
        pytest.param({"response": Response(severity="info")}, [{"severity": "page"}], "info", id="a person's word"),
    ],
)
def test_whose_severity_counts(changes: dict[str, Any], alerts: list[dict[str, Any]], expected: str) -> None:
    made = [onset("A", **labels) for labels in alerts]
    assert severity_of(question(*made, incident=incident(**({"severity": "warning"} | changes)))) == expected


@pytest.mark.parametrize(
    ("ago", "cool_down", "is_asked"),
    [
        pytest.param(None, 15 * MINUTE, True, id="never"),
        pytest.param(15 * MINUTE, 15 * MINUTE, True, id="just over"),
        pytest.param(14 * MINUTE, 15 * MINUTE, False, id="not yet"),
        pytest.param(-MINUTE, 15 * MINUTE, False, id="by a clock that is ahead"),
        pytest.param(timedelta(0), timedelta(0), True, id="without a cool-down"),
    ],
)
def test_by_when_a_model_was_last_asked(ago: timedelta | None, cool_down: timedelta, is_asked: bool) -> None:
    last = None if ago is None else AT_TEN_PAST - ago
    allowance = asked("page", rules=replace(RULES, cool_down=cool_down), last=last)
    assert allowance.is_asked is is_asked
    if ago == 14 * MINUTE:
        assert allowance.reason == (
            "a model was asked about this group 14m ago, and is not asked again within 15m (cool_down)"
        )


def test_not_about_what_is_over() -> None:
    over = question(onset(), incident=incident(severity="page", resolved_at=NOON), rules=RULES)
    allowance = allow(over, NOTHING_SPENT, NOTHING_SPENT, NOTHING_SPENT, None, 1, True, 1)
    assert allowance == Allowance(False, "the incident is over")


def alike(days: int = 1, **changes: Any) -> Past:
    """An incident that reads the same."""
    return past(days, "DiskFull", "DiskFull db", notes=("the log was not rotated",), **changes)


NOT_OVER: dict[str, Any] = {"opened_at": NOON - HOUR, "resolved_at": None}


@pytest.mark.parametrize(
    ("severity", "before", "is_asked"),
    [
        pytest.param("warning", alike(), False, id="it has been so yesterday, and people know why"),
        pytest.param("high", alike(), False, id="and of a high severity too"),
        pytest.param("critical", alike(), True, id="but a critical one is asked about"),
        pytest.param("warning", replace(alike(), notes=()), True, id="nobody noted how it ended"),
        pytest.param("warning", alike(8), True, id="it is long ago"),
        pytest.param("warning", alike(**NOT_OVER), True, id="it is not over"),
        pytest.param("warning", past(1, "CertExpires", "edge-7", notes=("renewed",)), True, id="it reads otherwise"),
        pytest.param("warning", replace(alike(), incident=incident(resolved_at=NOON)), True, id="it is the same one"),
    ],
)
def test_by_novelty(severity: str, before: Past, is_asked: bool) -> None:
    allowance = asked(severity, past(2, "Other", "of no matter"), before)
    assert allowance.is_asked is is_asked
    if not is_asked:
        assert allowance.reason == (
            f"it is little news: incident {before.incident.id}, 100% alike, ended 23h50m ago and people noted how; of "
            f"what is known a model is asked from critical on, and its severity is {severity}"
        )


@pytest.mark.parametrize(
    ("waiting", "asked_about"),
    [(0, 4), (19, 4), (20, 3), (99, 3), (100, 2), (10_000, 2)],
)
def test_by_how_many_wait(waiting: int, asked_about: int) -> None:
    found = [asked(severity, waiting=waiting) for severity in ("warning", "high", "critical", "page")]
    assert sum(one.is_asked for one in found) == asked_about
    if asked_about == 2:
        assert found[0].reason == (
            f"{waiting:,} incidents wait, so a model is asked from critical on, and its severity is warning"
        )


# --- budgets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "spent", "reason"),
    [
        pytest.param(
            "page",
            {"incident": tokens(59_500)},
            "this incident 59,500 tokens of 60,000 are spent: too little is left for a look",
            id="the incident's tokens",
        ),
        pytest.param(
            "page",
            {"incident": Usage(seconds=89.5)},
            "this incident 89.5 s of 90 are spent: too little is left for a look",
            id="the incident's seconds",
        ),
        pytest.param(
            "page",
            {"hour": Usage(calls=200)},
            "this hour 200 calls of 200 are spent: too little is left for a look",
            id="the hour's calls",
        ),
        pytest.param(
            "page",
            {"day": tokens(3_100_000)},
            "today 3,100,000 tokens of 3,000,000 are spent: too little is left for a look",
            id="more than the day's tokens",
        ),
        pytest.param(
            "warning",
            {"hour": tokens(400_000)},
            "this hour 400,000 tokens of 600,000 are spent, and what is left is kept for high and above; "
            "its severity is warning",
            id="what is kept of the hour",
        ),
        pytest.param(
            "warning",
            {"hour": tokens(500_000)},
            "this hour 500,000 tokens of 600,000 are spent, and what is left is kept for critical and above; "
            "its severity is warning",
            id="the last part of the hour",
        ),
        pytest.param(
            "high",
            {"day": Usage(calls=900)},
            "today 900 calls of 1,000 are spent, and what is left is kept for critical and above; its severity is high",
            id="the last part of the day",
        ),
        pytest.param(
            "warning",
            {"hour": tokens(599_900)},
            "this hour 599,900 tokens of 600,000 are spent: too little is left for a look",
            id="nothing is left for anybody",
        ),
    ],
)
def test_what_is_spent(severity: str, spent: dict[str, Usage], reason: str) -> None:
    assert asked(severity, **spent) == Allowance(False, reason)  # type: ignore[arg-type]


def test_money() -> None:
    rules = TriageRules(per_incident=Limits(), per_hour=Limits(money=1.0), per_day=Limits(money=10.0))
    allowance = asked(rules=rules, hour=Usage(money=0.25), day=Usage(money=9.5))
    assert allowance.limits == Limits(money=0.5)
    assert allowance.reason == (
        "its severity is critical; it may take up to 0.5 of money; spent before: this incident no limit, "
        "this hour 0.25 of money of 1, today 9.5 of money of 10"
    )
    assert not asked(rules=rules, day=Usage(money=10.0)).is_asked


def test_without_budgets_it_takes_what_it_needs() -> None:
    rules = TriageRules(per_incident=Limits(), per_hour=Limits(), per_day=Limits())
    allowance = asked(rules=rules, hour=tokens(10**12), look=2)
    assert allowance.limits == Limits()
    assert allowance.reason.startswith("look 2 at this incident; its severity is critical; it may take what it needs;")


def test_the_smallest_of_each_kind_that_is_left() -> None:
    allowance = asked("critical", incident=Usage(10_000, calls=1), hour=Usage(calls=190), day=tokens(2_980_000))
    assert allowance.limits == Limits(tokens=20_000, calls=10, seconds=90)


# --- for all --------------------------------------------------------------------------------------------------------

# Mostly enough is left, or every question would be refused.
amounts = st.one_of(st.none(), st.integers(0, 1_000_000), st.integers(500_000, 1_000_000))
spans = st.one_of(st.none(), st.floats(0, 1e4), st.floats(5e3, 1e4))
limits = st.builds(Limits, tokens=amounts, calls=amounts, seconds=spans, money=spans)
usages = st.builds(
    Usage,
    input_tokens=st.integers(0, 200_000),
    output_tokens=st.integers(0, 200_000),
    calls=st.integers(0, 200_000),
    seconds=st.floats(0, 3e3),
    money=st.floats(0, 3e3),
)
situations = st.fixed_dictionaries(
    {
        "rules": st.builds(
            TriageRules,
            per_incident=limits,
            per_hour=limits,
            per_day=limits,
            least_severity=st.sampled_from(("none", *WORDS[2:5])),
            cool_down=st.timedeltas(timedelta(0), HOUR),
        ),
        "incident": usages,
        "hour": usages,
        "day": usages,
        "last": st.one_of(st.none(), st.timedeltas(-6 * HOUR, HOUR).map(lambda after: NOON + after)),
        "look": st.integers(1, 9),
        "waiting": st.one_of(st.integers(0, 19), st.integers(0, 200)),
    }
)
histories = st.sampled_from([(), (alike(),)])
words = st.sampled_from(WORDS[::-1])


@given(words, histories, situations)
def test_it_is_never_over_a_budget(severity: str, history: tuple[Past, ...], situation: dict[str, Any]) -> None:
    allowance = asked(severity, *history, **situation)
    assert allowance.reason
    assert allowance.reason.isprintable()
    if not allowance.is_asked:
        return
    rules = situation["rules"]
    for budget, spent in (
        (rules.per_incident, situation["incident"]),
        (rules.per_hour, situation["hour"]),
        (rules.per_day, situation["day"]),
    ):
        for kind in KINDS:
            limit, taken = getattr(budget, kind), getattr(allowance.limits, kind)
            if limit is not None:
                assert taken > 0
                assert taken + getattr(spent, kind) <= limit * (1 + 1e-9)
    assert allowance.limits.tokens is None or allowance.limits.tokens >= LEAST_TOKENS
    assert allowance.limits.seconds is None or allowance.limits.seconds >= LEAST_SECONDS


@given(words, words, histories, situations)
def test_a_higher_severity_is_never_worse_off(
    one: str, other: str, history: tuple[Past, ...], situation: dict[str, Any]
) -> None:
    low, high = sorted((one, other), key=severity_rank)
    lower, higher = asked(low, *history, **situation), asked(high, *history, **situation)
    assert higher.is_asked or not lower.is_asked
    if lower.is_asked:
        for kind in KINDS:
            less, more = getattr(lower.limits, kind), getattr(higher.limits, kind)
            assert (less is None) == (more is None)
            assert less is None or less <= more
