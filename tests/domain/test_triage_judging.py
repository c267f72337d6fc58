from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.triage import (
    Cause,
    Citation,
    Claim,
    Confidence,
    Evidence,
    EvidenceKind,
    Finding,
    NextStep,
    Question,
    Runbook,
    Similar,
    StepKind,
    SuspectedChange,
    claims_of,
    judge,
)
from domain.triage.judging import (
    LONGEST_CLAIM,
    LONGEST_EVIDENCE,
    LONGEST_QUOTE,
    MOST_CAUSES,
    MOST_CLAIMS,
    MOST_STEPS,
)
from domain.triage.text import clean, clean_lines
from tests.builders import incident
from tests.domain.triaging import change, claim, evidence, onset, past, question

ASKED = question(
    onset(service="web", annotations={"runbook_url": "https://runbooks/web"}),
    onset(service="api", annotations={"runbook_url": "javascript:alert(1)"}),
    calls={"web": {"api"}, "api": {"db"}, "billing": {"ledger"}},
    changes=[change("c1")],
    history=[past(3, "HighLatency")],
)
SEEN = [evidence(), evidence("e2", "web is slow\nfor 10 minutes"), evidence("e3", "17")]

FIRST = ASKED.onsets[0].fingerprint
EARLIER = ASKED.history[0].incident.id


def finding(*summary: Claim, **parts: object) -> Finding:
    return replace(Finding(ASKED.incident.id, "a-model", summary), **parts)  # type: ignore[arg-type]


def judged(*summary: Claim, **parts: object) -> Finding:
    return judge(finding(*summary, **parts), SEEN, ASKED)


@pytest.mark.parametrize(
    ("citations", "stands"),
    [
        pytest.param([("e1", "db fires since")], True, id="quotes what is there"),
        pytest.param([("e1", "db fires"), ("e2", "web is slow")], True, id="quotes two"),
        pytest.param([("e2", "slow for 10")], True, id="quotes across a line break"),
        pytest.param([("e2", "web  is\tslow")], True, id="white space counts for nothing"),
        pytest.param([("e3", "17")], True, id="quotes all of something short"),
        pytest.param([("e1", "db fi\u200bres")], True, id="what does not print counts for nothing"),
        pytest.param([], False, id="cites nothing"),
        pytest.param([("e9", "db fires")], False, id="cites what no tool returned"),
        pytest.param([("", "db fires")], False, id="cites nothing by name"),
        pytest.param([("e2", "db fires")], False, id="quotes it from elsewhere"),
        pytest.param([("e1", "db is down")], False, id="misquotes"),
        pytest.param([("e1", "DB fires")], False, id="misquotes by a letter's case"),
        pytest.param([("e1", "db fires"), ("e1", "and all is lost")], False, id="one of two quotes is not there"),
        pytest.param([("e1", "")], False, id="quotes nothing"),
        pytest.param([("e1", " \u200b ")], False, id="quotes what does not print"),
        pytest.param([("e1", "db")], False, id="quotes too little to say anything"),
        pytest.param([("e1", "db fires since 12:00:00" + " " * 999 + "x")], False, id="quotes beyond the end"),
    ],
)
def test_a_claim_stands_if_all_that_it_quotes_is_there(citations: list[tuple[str, str]], stands: bool) -> None:
    told = Claim("The database fires.", tuple(Citation(*one) for one in citations))
    found = judged(told, claim())
    assert [one.text for one in found.summary] == ["The database fires."] * (1 + stands)
    assert found.struck == (not stands)


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        pytest.param("See https://a.example/x.", True, id="quoted"),
        pytest.param("See (https://a.example/x), now.", True, id="quoted, between brackets"),
        pytest.param("See https://a.example", True, id="the beginning of a quoted one"),
        pytest.param("See https://evil.example/x.", False, id="another"),
        pytest.param("See https://a.example/x?token=1", False, id="more than is quoted"),
        pytest.param("See ftp://a.example/x", False, id="by another scheme"),
        pytest.param("Mail mailto:ann@evil.example", False, id="a mailbox"),
        pytest.param("See WWW.evil.example", False, id="without a scheme"),
    ],
)
def test_a_claim_names_no_address_that_it_does_not_quote(text: str, stands: bool) -> None:
    seen = [evidence("e1", "the log says: go to https://a.example/x and read")]
    found = judge(finding(claim(text, "go to https://a.example/x and")), seen, ASKED)
    assert (len(found.summary), found.struck) == (stands, not stands)


@pytest.mark.parametrize(
    ("part", "stands"),
    [
        pytest.param({"causes": (Cause("db", Confidence.LOW, (claim(),)),)}, True, id="a cause that is called"),
        pytest.param({"causes": (Cause("web", Confidence.LOW, (claim(),)),)}, True, id="a cause that fires"),
        pytest.param({"causes": (Cause("ledger", Confidence.LOW, (claim(),)),)}, False, id="a cause from elsewhere"),
        pytest.param({"causes": (Cause("db", Confidence.HIGH, ()),)}, False, id="a cause without a claim"),
        pytest.param(
            {"causes": (Cause("db", Confidence.HIGH, (claim("x", "not there"),)),)}, False, id="a cause that misquotes"
        ),
        pytest.param({"suspected_change": SuspectedChange("c1", claim())}, True, id="a change that there was"),
        pytest.param({"suspected_change": SuspectedChange("c2", claim())}, False, id="a change that nobody made"),
        pytest.param({"suspected_change": SuspectedChange("c1", claim("x", "none"))}, False, id="a change, misquoted"),
        pytest.param({"runbook": Runbook("https://runbooks/web", claim())}, True, id="a runbook that an alert names"),
        pytest.param({"runbook": Runbook("https://evil/web", claim())}, False, id="a runbook that none names"),
        pytest.param({"runbook": Runbook("javascript:alert(1)", claim())}, False, id="a runbook that is a script"),
        pytest.param({"similar": (Similar(EARLIER, 0.9, claim()),)}, True, id="an incident that there was"),
        pytest.param({"similar": (Similar("nowhere-1", 0.9, claim()),)}, False, id="an incident that never was"),
        pytest.param({"blast_radius": (claim(),)}, True, id="a blast radius"),
        pytest.param({"blast_radius": (claim("x", "none"),)}, False, id="a blast radius, misquoted"),
        pytest.param({"next_steps": (NextStep(StepKind.RESTART, "db"),)}, True, id="a step about a service"),
        pytest.param({"next_steps": (NextStep(StepKind.RESTART, "rm -rf /"),)}, False, id="a step about a command"),
        pytest.param({"next_steps": (NextStep(StepKind.RESTART, "ledger"),)}, False, id="a step about another's"),
        pytest.param({"next_steps": (NextStep(StepKind.RESTART, ""),)}, False, id="a step about nothing"),
        pytest.param({"next_steps": (NextStep(StepKind.RESTART, "db\u202e"),)}, False, id="a step about a lookalike"),
        pytest.param({"next_steps": (NextStep(StepKind.ROLL_BACK, "c1"),)}, True, id="a step about a change"),
        pytest.param({"next_steps": (NextStep(StepKind.ROLL_BACK, "db"),)}, False, id="a step about the wrong kind"),
        pytest.param({"next_steps": (NextStep(StepKind.INSPECT_ALERT, FIRST),)}, True, id="a step about an alert"),
        pytest.param({"next_steps": (NextStep(StepKind.COMPARE, EARLIER),)}, True, id="a step about an incident"),
        pytest.param(
            {"next_steps": (NextStep(StepKind.READ_RUNBOOK, "https://evil/web"),)}, False, id="a step about an address"
        ),
    ],
)
def test_what_is_not_of_the_incident_is_struck(part: dict[str, object], stands: bool) -> None:
    found = judged(**part)
    assert [getattr(found, name) for name in part] == (list(part.values()) if stands else [_nothing(part)])
    assert found.struck == (not stands)


def _nothing(part: dict[str, object]) -> object:
    return () if isinstance(next(iter(part.values())), tuple) else None


def test_evidence_is_what_tools_returned_and_is_cited() -> None:
    pretended = evidence("e1", "db fires, and everybody must be paged")
    found = judged(claim(), evidence=(pretended, evidence("e7")))
    assert found.evidence == (SEEN[0],)


def test_of_two_pieces_of_evidence_with_one_id_neither_counts() -> None:
    found = judge(finding(claim()), [evidence(), evidence("e1", "db fires as well")], ASKED)
    assert (found.summary, found.evidence, found.struck) == ((), (), 1)


def test_what_was_struck_before_still_counts() -> None:
    assert judged(claim("x", "none"), struck=2, cut=1) == judged(struck=3, cut=1)


def test_the_finding_is_about_what_was_asked() -> None:
    assert judged(incident="another-1").incident == ASKED.incident.id


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Ignore this.\x1b[2J\nAnd that.", "Ignore this. [2J And that.", id="control characters"),
        pytest.param("a\u202ecod.exe\u202c", "acod.exe", id="direction of text"),
        pytest.param("pass\u200bword\ufeff", "password", id="without width"),
        pytest.param("a\U000e0041\U000e0042\U000e0101", "a", id="tags and selectors that hide text"),
        pytest.param("\ud800\ue000\u0378x", "x", id="nobody's characters"),
        pytest.param("\u2028\u2029a\u00a0b", "a b", id="other white space"),
        pytest.param("\u0646\u0647\u200c\u0634", "\u0646\u0647\u200c\u0634", id="a joiner that a script needs is kept"),
        pytest.param("\u200d", "", id="nothing but a joiner"),
        pytest.param("x" * 500, "x" * 399 + "…", id="too long"),
    ],
)
def test_text_is_cleaned(text: str, shown: str) -> None:
    assert clean(text, LONGEST_CLAIM) == shown
    assert [one.text for one in judged(Claim(text, claim().citations)).summary] == [shown] * bool(shown)


def test_too_much_is_cut_and_counted() -> None:
    causes = tuple(Cause(name, Confidence.LOW, (claim(),)) for name in ("web", "api", "db", "db"))
    steps = [NextStep(kind, name) for kind in (StepKind.INSPECT, StepKind.RESTART, StepKind.SCALE)
             for name in ("web", "api", "db")]  # fmt: skip
    found = judged(*[claim()] * 20, causes=causes, next_steps=(*steps, steps[0]))
    assert (len(found.summary), len(found.causes), len(found.next_steps)) == (MOST_CLAIMS, MOST_CAUSES, MOST_STEPS)
    assert (found.struck, found.cut) == (0, 8 + 1 + 1)


# --- whatever a model says --------------------------------------------------------------------------------------------

# `WALKS=2000 pytest -k triage` looks longer.
WALKS = int(os.environ.get("WALKS", "25"))

HOSTILE = st.text(st.sampled_from("db fires \n\u202e\u200b\u200d…\x00<>`@é\ud800"), max_size=30)
TEXTS = st.one_of(HOSTILE, st.text(max_size=40), st.sampled_from(["db fires", "web is slow", "x" * 5000, "17"]))
IDS = st.one_of(st.sampled_from(["e1", "e2", "e3", "e4", "e1\u200b", ""]), TEXTS)
EVIDENCE = st.lists(st.builds(Evidence, IDS, st.sampled_from(EvidenceKind), TEXTS, TEXTS), max_size=5)
CLAIMS = st.builds(Claim, TEXTS, st.lists(st.builds(Citation, IDS, TEXTS), max_size=8).map(tuple))
THINGS = st.one_of(st.sampled_from(["web", "db", "ledger", "c1", EARLIER, FIRST, "https://runbooks/web"]), TEXTS)


def many[T](of: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(of, max_size=4).map(tuple)


FINDINGS = st.builds(
    Finding,
    TEXTS,
    TEXTS,
    many(CLAIMS),
    many(st.builds(Cause, THINGS, st.sampled_from(Confidence), many(CLAIMS))),
    many(CLAIMS),
    st.none() | st.builds(SuspectedChange, THINGS, CLAIMS),
    many(st.builds(NextStep, st.sampled_from(StepKind), THINGS)),
    st.none() | st.builds(Runbook, THINGS, CLAIMS),
    many(st.builds(Similar, THINGS, st.floats(), CLAIMS)),
    EVIDENCE.map(tuple),
    st.integers(-3, 3),
    st.integers(-3, 3),
    TEXTS,
)


@given(FINDINGS, EVIDENCE)
@settings(deadline=None, max_examples=WALKS)
def test_no_unsupported_claim_survives(made: Finding, seen: list[Evidence]) -> None:
    found = judge(made, seen, ASKED)
    returned = {clean(one.id, 40): " ".join(clean_lines(one.text, LONGEST_EVIDENCE).split()) for one in seen}
    for one in claims_of(found):
        assert one.citations
        for citation in one.citations:
            assert citation.quote
            assert citation.quote in returned[citation.evidence]
            assert citation.evidence in {known.id for known in found.evidence}


@given(FINDINGS, EVIDENCE)
@settings(deadline=None, max_examples=WALKS)
def test_judging_twice_changes_nothing(made: Finding, seen: list[Evidence]) -> None:
    found = judge(made, seen, ASKED)
    assert judge(found, seen, ASKED) == found
    assert judge(found, found.evidence, ASKED) == found


@given(FINDINGS, EVIDENCE)
@settings(deadline=None, max_examples=WALKS)
def test_a_judged_finding_is_bounded_and_prints(made: Finding, seen: list[Evidence]) -> None:
    found = judge(made, seen, ASKED)
    claims = list(claims_of(found))
    assert len(claims) <= 2 * MOST_CLAIMS + MOST_CAUSES * 6 + 5 + 2
    assert all(0 <= one.likeness <= 1 for one in found.similar)
    texts = [found.made_by, found.fallback, *(one.text for one in claims), *(step.target for step in found.next_steps)]
    texts += [citation.quote for one in claims for citation in one.citations]
    for text in texts:
        assert len(text) <= max(LONGEST_CLAIM, LONGEST_QUOTE)
        assert text.replace("\u200d", "").replace("\u200c", "").isprintable()
    for one in found.evidence:
        assert len(one.text) <= LONGEST_EVIDENCE
        assert "\u202e" not in one.text


@given(st.text(max_size=60), st.integers(1, 50))
def test_cleaning_twice_changes_nothing(text: str, longest: int) -> None:
    assert clean(clean(text, longest), longest) == clean(text, longest)
    assert len(clean(text, longest)) <= longest
    assert clean_lines(clean_lines(text, longest), longest) == clean_lines(text, longest)
    assert len(clean_lines(text, longest)) <= longest


def test_a_question_about_nothing_leaves_nothing_to_say() -> None:
    empty = Question(incident(), ASKED.now, ())
    found = judge(finding(claim(), next_steps=(NextStep(StepKind.INSPECT, "web"),)), (), empty)
    assert found == Finding(empty.incident.id, "a-model", struck=2)
