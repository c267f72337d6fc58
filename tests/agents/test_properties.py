"""Whatever a model says, triage ends in a finding of which every claim is supported, or says why it fell back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.agents.draft import FindingDraft, MalformedError, read_draft, schema_of
from adapters.agents.scripted import Turn, asks, says
from domain.triage import DETERMINISTIC, TARGETS, Finding, Reply, claims_of, judge, judge_reply, targets
from domain.triage.judging import supports
from tests.agents.scripts import ASKED, answer, claim, reply, slow_orders, triager

QUESTION = slow_orders()
BELONGS = targets(QUESTION)
SOME = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

words = st.text(max_size=200) | st.sampled_from(
    [
        "db",
        "orders",
        "t1",
        "e1",
        "e2",
        "t9",
        "fires since",
        "high",
        "low",
        "inspect",
        "restart",
        "",
        "https://x.example",
    ]
)
claims = st.fixed_dictionaries(
    {"text": words, "citations": st.lists(st.fixed_dictionaries({"evidence": words, "quote": words}), max_size=3)}
)
drafts = st.fixed_dictionaries(
    {},
    optional={
        "summary": st.lists(claims, max_size=4),
        "causes": st.lists(st.fixed_dictionaries({"service": words, "confidence": words, "claims": st.lists(claims)})),
        "blast_radius": st.lists(claims, max_size=3),
        "suspected_changes": st.lists(st.fixed_dictionaries({"change": words, "claim": claims}), max_size=2),
        "next_steps": st.lists(st.fixed_dictionaries({"kind": words, "target": words}), max_size=9),
    },
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)
GOOD = answer()


def _mutated(place: int, put: str, drop: int) -> str:
    at = place % len(GOOD)
    return GOOD[:at] + put + GOOD[at + drop :]


texts = (
    st.text(max_size=500)
    | st.binary(max_size=500).map(lambda body: body.decode("utf-8", "replace"))
    | st.integers(0, len(GOOD)).map(lambda end: GOOD[:end])
    | st.builds(_mutated, st.integers(0, 10_000), st.text(max_size=20), st.integers(0, 20))
    | drafts.map(json.dumps)
    | anything.map(json.dumps)
)


def holds(answered: Finding | Reply) -> None:
    """Every claim is supported, letter by letter; and who made it is said."""
    known = {one.id: one for one in answered.evidence}
    said = answered.claims if isinstance(answered, Reply) else [*claims_of(answered)]
    for one in said:
        assert one.citations
        for citation in one.citations:
            assert supports(known[citation.evidence], citation.quote)
    assert answered.made_by == (DETERMINISTIC if answered.fallback else "tiny")


@SOME
@given(text=texts, finish=st.sampled_from(["stop", "length", "content_filter", "", "tool_calls"]))
def test_any_text_ends_in_a_finding_that_holds(text: str, finish: str) -> None:
    turn = says(text, finish)
    finding = asyncio.run(triager(turn, turn).triage(QUESTION, ASKED))
    holds(finding)
    assert judge(finding, finding.evidence, QUESTION) == finding
    assert [*claims_of(finding)]
    assert all(one.target in BELONGS[TARGETS[one.kind]] for one in finding.next_steps)
    assert finding.usage.calls >= 1


@SOME
@given(text=texts | st.lists(claims, max_size=5).map(lambda said: reply(*said)), finish=st.sampled_from(["stop", ""]))
def test_any_text_ends_in_a_reply_that_holds(text: str, finish: str) -> None:
    async def collect() -> list[Reply]:
        turn = says(text, finish)
        return [one async for one in triager(turn, turn).reply(QUESTION, "Why?", (), ASKED)]

    replies = asyncio.run(collect())
    for one in replies:
        assert judge_reply(one, one.evidence, QUESTION) == one
    *growing, last = replies
    for one in growing:
        assert one.made_by == "tiny"
        assert set(one.claims) <= set(last.claims)
    assert last.claims


arguments = st.dictionaries(st.sampled_from(["words", "service", "hours", "name", "x"]), anything, max_size=3)


@SOME
@given(calls=st.lists(st.tuples(st.sampled_from(["similar_incidents", "recent_changes", "alert_history"]), arguments)))
def test_any_use_of_tools_ends_in_a_finding_that_holds(calls: list[tuple[str, dict[str, Any]]]) -> None:
    turns: list[Turn] = [asks(tool, f"call_{number}", **given) for number, (tool, given) in enumerate(calls)]
    finding = asyncio.run(triager(*turns, says(GOOD), says(GOOD)).triage(QUESTION, ASKED))
    holds(finding)


# --- the draft --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD, id="as asked for"),
        pytest.param(f"Here you are:\n```json\n{GOOD}\n```\nAnything else?", id="in a code fence"),
        pytest.param(f"Sure! {GOOD} I hope that helps.", id="between words"),
        pytest.param(json.dumps({**json.loads(GOOD), "mood": "confident"}), id="with more than was asked"),
    ],
)
def test_a_draft_is_found(text: str) -> None:
    assert read_draft(FindingDraft, text) == read_draft(FindingDraft, GOOD)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("no", "no JSON object", id="prose"),
        pytest.param("{" * 100_000, "longer", id="too long"),
        pytest.param('{"a":' * 9_000 + "1" + "}" * 9_000, "json_invalid", id="too deep"),
        pytest.param('{"summary": 3}', "summary: tuple_type", id="another kind"),
        pytest.param(answer(summary=[claim("x" * 2_001)]), "string_too_long", id="too long a sentence"),
        pytest.param(answer(summary=[claim("x")] * 41), "too_long", id="too many"),
        pytest.param('{"summary": [{"text": "S3cret", "citations": 1}]}', "citations", id="nothing is quoted"),
    ],
)
def test_a_fault_of_a_draft_is_told_without_its_words(text: str, words: str) -> None:
    with pytest.raises(MalformedError, match=words) as raised:
        read_draft(FindingDraft, text)
    assert "S3cret" not in str(raised.value)


def test_the_schema_is_of_the_strict_subset() -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            assert not {"maxLength", "maxItems", "default", "title"} & {*node}
            if node.get("type") == "object":
                assert node["additionalProperties"] is False
                assert node["required"] == [*node["properties"]]
            for one in node.values():
                walk(one)
        if isinstance(node, list):
            for one in node:
                walk(one)

    schema = schema_of(FindingDraft, "finding")
    walk({name: part for name, part in schema["json_schema"]["schema"].items() if name != "$defs"})
    for part in schema["json_schema"]["schema"]["$defs"].values():
        walk(part)
