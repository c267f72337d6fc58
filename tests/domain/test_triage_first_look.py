from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.groups import Reason, ReasonCode
from domain.lifecycle import Response, Status
from domain.triage import (
    DETERMINISTIC,
    Change,
    Confidence,
    Finding,
    FirstLook,
    Mute,
    NextStep,
    Past,
    Question,
    StepKind,
    claims_of,
    first_look,
)
from domain.triage.hints import CHANGES_BEFORE
from domain.triage.similarity import most_alike
from tests.builders import HOUR, MINUTE, NOON, SECOND, entry, incident
from tests.domain.triaging import change, onset, past, question

SHOP = {"web": {"api"}, "api": {"db"}}


def outage(**changes: Any) -> Question:
    """The database is first, its callers follow; twelve hosts of one of them."""
    hosts = [onset(service="web", instance=f"web-{number}", after=2 * MINUTE) for number in range(3)]
    database = onset("DiskFull", service="db", severity="critical", annotations={"runbook_url": "https://runbooks/db"})
    return question(*hosts, onset(service="api", after=MINUTE), database, calls=SHOP, **changes)


def said(finding: Finding) -> list[str]:
    return [claim.text for claim in finding.summary]


def test_an_outage_is_told() -> None:
    found = first_look(outage())
    assert said(found) == [
        "5 alerts, 5 firing now; no label is the same in all.",
        "What tells them apart: alertname has 2 values: HighLatency and DiskFull; instance has 3 values: web-0, web-1 "
        "and web-2; service has 3 values: web, db and api.",
        "The first was DiskFull (service=db severity=critical) at 12:00:00.",
        "Services began to fire in this order: 12:00:00 db, 12:01:00 api and 12:02:00 web.",
    ]
    assert [cause.service for cause in found.causes] == ["db", "api", "web"]
    assert found.causes[0].confidence is Confidence.MEDIUM  # api would explain much as well
    assert [claim.text for claim in found.causes[0].claims] == [
        "db began to fire at 12:00:00, and would explain api and web.",
        "api calls db.",
    ]
    assert [claim.text for claim in found.blast_radius] == [
        "3 of 3 services fire now: web (3), db (1) and api (1).",
        "2 of 2 services that reach db have alerts.",
    ]
    assert found.runbook is not None
    assert found.runbook.url == "https://runbooks/db"
    first = outage().onsets[-1].fingerprint
    assert found.next_steps == (
        NextStep(StepKind.READ_RUNBOOK, "https://runbooks/db"),
        NextStep(StepKind.INSPECT, "db"),
        NextStep(StepKind.INSPECT_ALERT, first),
    )
    assert (found.made_by, found.struck, found.cut, found.fallback) == (DETERMINISTIC, 0, 0, "")


def test_whom_an_alert_names_is_told() -> None:
    asked = question(onset("UpstreamErrors", service="web", upstream="api", severity="critical"), calls=SHOP)
    found = first_look(asked)
    assert found.causes[0].service == "api"
    assert [claim.text for claim in found.causes[0].claims] == [
        "api has no alert itself, but would explain web.",
        "Alerts of web name api in a label.",
        "web calls api.",
    ]


async def test_it_is_a_triager() -> None:
    assert await FirstLook().triage(outage()) == first_look(outage())


def test_nothing_is_said_of_nothing() -> None:
    found = first_look(question())
    assert found == Finding(incident().id, DETERMINISTIC)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        pytest.param(
            question(onset("DiskFull", severity="critical")),
            "1 alert, 1 firing now; the same in all: alertname=DiskFull severity=critical.",
            id="one alert",
        ),
        pytest.param(
            question(onset(host="a"), onset(host="b", lasted=MINUTE)),
            "2 alerts, 1 firing now; the same in all: alertname=HighLatency.",
            id="what all share",
        ),
        pytest.param(
            question(onset(host="a"), onset(host="b", after=MINUTE, severity="critical")),
            "The loudest is HighLatency (host=b severity=critical), of severity critical.",
            id="the loudest, where it is not the first",
        ),
        pytest.param(
            question(onset(host="a", firings=4)),
            "1 alert comes and goes: HighLatency began to fire 4 times.",
            id="flapping, by the alert",
        ),
        pytest.param(
            question(
                onset(host="a"),
                entries=[
                    entry(reasons=(Reason(code, fingerprints=(onset(host="a").fingerprint,)),))
                    for code in (ReasonCode.FIRED, ReasonCode.REFIRED, ReasonCode.REFIRED, ReasonCode.RESOLVED)
                ],
            ),
            "1 alert comes and goes: HighLatency began to fire 3 times.",
            id="flapping, by the trail",
        ),
        pytest.param(
            question(
                onset(host="a"),
                onset(host="b"),
                mutes=[Mute("silence", "s-1", "the disk is being replaced", (onset(host="a").fingerprint,))],
            ),
            "Silence s-1 mutes 1 of 2 alerts: the disk is being replaced.",
            id="a silence",
        ),
        pytest.param(
            question(onset(), history=[past(1, "Other", group=1), past(3, "Other", group=1), past(2, "Other")]),
            "It has happened before: 2 earlier incidents of this group, the last at 2026-11-21 12:00:00.",
            id="the same group again",
        ),
    ],
)
def test_it_says(asked: Question, sentence: str) -> None:
    assert sentence in said(first_look(asked))


@pytest.mark.parametrize(
    ("changes", "suspected"),
    [
        pytest.param([], None, id="no change"),
        pytest.param([change("c1")], "c1", id="one that does not say of what"),
        pytest.param([change("c1", service="db")], "c1", id="one of the cause"),
        pytest.param([change("c1", service="ledger")], None, id="one of another service"),
        pytest.param([change("c1", before=CHANGES_BEFORE + SECOND)], None, id="one that is long ago"),
        pytest.param([change("c1", before=-MINUTE)], "c1", id="one about as early as the first alert"),
        pytest.param([change("c1", before=-2 * MINUTE)], None, id="one that came later"),
        pytest.param([change("c1", before=HOUR), change("c2")], "c2", id="the latest of two"),
        pytest.param(
            [change("c1", before=HOUR, service="db"), change("c2", service="web")], "c1", id="the likelier cause's"
        ),
    ],
)
def test_the_suspected_change_is(changes: list[Change], suspected: str | None) -> None:
    found = first_look(outage(changes=changes))
    assert (found.suspected_change and found.suspected_change.change) == suspected
    assert (NextStep(StepKind.REVIEW_CHANGE, suspected or "") in found.next_steps) == (suspected is not None)


def test_a_change_is_told_with_its_distance() -> None:
    found = first_look(outage(changes=[change("c1", service="db")]))
    assert found.suspected_change is not None
    text = found.suspected_change.claim.text
    assert text == "Change c1 of db came at 11:55:00, 5m before the first alert: deploy c1."


BY_ANN = Response(Status.RESOLVED, resolved_at=NOON - HOUR, resolved_by="ann")


@pytest.mark.parametrize(
    ("earlier", "ending"),
    [
        pytest.param(past(1, "DiskFull"), "ended by itself after 20m", id="by itself"),
        pytest.param(past(1, "DiskFull", resolved_at=None), "not over yet", id="not yet"),
        pytest.param(
            past(1, "DiskFull", opened_at=NOON - 2 * HOUR, response=BY_ANN),
            "resolved by ann after 1h",
            id="by a person",
        ),
        pytest.param(past(1, "DiskFull", notes=("a", "grew the disk")), "noted: grew the disk", id="with a note"),
    ],
)
def test_similar_incidents_are_told_with_their_ends(earlier: Past, ending: str) -> None:
    asked = question(onset("DiskFull", host="a"), history=[past(2, "CertificateExpired"), earlier])
    found = first_look(asked)
    assert [one.incident for one in found.similar] == [earlier.incident.id]
    assert ending in found.similar[0].claim.text
    assert NextStep(StepKind.COMPARE, earlier.incident.id) in found.next_steps


def test_only_the_latest_incidents_are_searched() -> None:
    others = [past(number, "CertificateExpired") for number in range(1, 2001)]
    asked = question(onset("DiskFull"), history=[*others, past(2001, "DiskFull")])
    assert first_look(asked).similar == ()


def test_the_likest_comes_first_and_common_words_count_little() -> None:
    others = ["disk full on web", "disk slow on db", "disk full on db", "certificate expired", ""]
    found = most_alike("disk full on db", others, 3, 0.1)
    assert [place for place, _ in found] == [2, 1, 0] or [place for place, _ in found] == [2, 0, 1]
    assert found[0][1] == pytest.approx(1)
    assert most_alike("", ["", "a"], 3, 0.1) == []


@pytest.mark.parametrize(
    ("url", "is_suggested"),
    [
        pytest.param("https://runbooks/db", True, id="an address"),
        pytest.param("javascript:alert(1)", False, id="a script"),
        pytest.param("https://runbooks/\u202edb", False, id="one that reads otherwise than it is"),
        pytest.param("https://runbooks/" + "x" * 400, False, id="one too long to show"),
        pytest.param("runbooks/db", False, id="no address"),
    ],
)
def test_a_runbook_is_suggested(url: str, is_suggested: bool) -> None:
    found = first_look(question(onset(annotations={"runbook_url": url})))
    assert (found.runbook is not None) == is_suggested
    assert found.struck == 0


# `WALKS=2000 pytest -k triage` looks longer.
WALKS = int(os.environ.get("WALKS", "25"))
WORDS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\u202e\u200b\n\x00…")), max_size=12
)
LABELS = st.dictionaries(st.sampled_from(["service", "host", "severity", "team", "job"]), WORDS, max_size=5)
ONSETS = st.builds(
    lambda labels, name, after, firings, url: onset(
        name, after=after, firings=firings, annotations={"runbook_url": url}, **labels
    ),
    LABELS,
    WORDS,
    st.timedeltas(-HOUR, HOUR),
    st.integers(1, 5),
    WORDS.map(lambda word: f"https://runbooks/{word}"),
)


@given(
    st.lists(ONSETS, max_size=6),
    st.lists(st.builds(past, st.integers(1, 9), WORDS, WORDS, notes=st.tuples(WORDS)), max_size=3),
    st.lists(st.builds(Mute, st.just("silence"), WORDS, WORDS), max_size=2),
    st.lists(st.builds(Change, st.just("c1"), st.just(NOON), WORDS), max_size=2),
)
@settings(deadline=None, max_examples=WALKS)
def test_it_supports_all_that_it_says_whatever_senders_write(
    onsets: list[Any], history: list[Past], mutes: list[Mute], changes: list[Change]
) -> None:
    found = first_look(question(*onsets, history=history, mutes=mutes, changes=changes))
    assert found.struck == 0
    assert bool(found.causes) == any(cause.service for cause in found.causes)
    for claim in claims_of(found):
        assert claim.text.replace("\u200d", "").replace("\u200c", "").isprintable()


def test_a_large_incident_is_looked_at_in_time() -> None:
    onsets = [onset(service=f"s{number % 50}", host=f"h{number}", after=number * SECOND) for number in range(5000)]
    calls = {f"s{number}": {f"s{number + 1}"} for number in range(49)}
    found = first_look(question(*onsets, calls=calls, now=NOON + timedelta(hours=2)))
    assert found.causes[0].service == "s49"
    assert found.struck == 0


def test_that_a_rule_fires_because_of_itself_is_no_cause() -> None:
    assert first_look(question(onset("ReplicaLag"))).causes == ()
    assert [one.service for one in first_look(question(onset("ReplicaLag", service="db"))).causes] == ["db"]
    # Of several rules one may be the reason of the others.
    several = first_look(question(onset("ReplicaLag"), onset("SlowQueries", after=MINUTE)))
    assert [one.service for one in several.causes][:1] == ["ReplicaLag"]
