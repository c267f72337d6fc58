"""The contract of `Triager`, over rules alone, a scripted model, and one behind a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import pytest
from agent_framework import Message

from adapters.agents.models import Model, ServiceClient
from adapters.agents.scripted import Turn, asks, says
from adapters.agents.triager import AgentTriager
from adapters.identity import Identity
from domain.triage import (
    DETERMINISTIC,
    NO_MODEL,
    NOTHING_SPENT,
    Allowance,
    Exchange,
    FirstLook,
    Limits,
    Prices,
    Question,
    Triager,
    claims_of,
    first_look,
    judge,
    judge_reply,
)
from tests.agents.scripts import (
    ASKED,
    NoSources,
    answer,
    claim,
    documents,
    reply,
    review,
    slow_orders,
    text_of,
    triager,
)
from tests.agents.wire import Wire
from tests.builders import incident

type Kind = Literal["first_look", "scripted", "wire"]
type Make = Callable[..., Awaitable[Triager]]

QUESTION = slow_orders()
GOOD = (asks("recent_changes", hours=2), says(answer()), says(review()))


@pytest.fixture(params=["first_look", "scripted", "wire"])
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


@pytest.fixture
async def make(kind: Kind) -> AsyncIterator[Make]:
    """Makes a triager of that kind whose model, if it has one, answers with these turns."""
    async with AsyncExitStack() as stack:

        async def made(*turns: Turn) -> Triager:
            if kind == "first_look":
                return FirstLook()
            if kind == "scripted":
                found = triager(*turns, model=Model("tiny", "http://127.0.0.1:1"))
            else:
                server = await stack.enter_async_context(Wire(*turns))
                model = Model("tiny", server.url)
                found = AgentTriager(model, ServiceClient(model, Identity()), NoSources())
            stack.push_async_callback(found.close)
            return found

        yield made


class TestTriager:
    """What holds for whoever looks."""

    async def test_a_finding_is_about_its_incident_and_judging_it_again_changes_nothing(self, make: Make) -> None:
        finding = await (await make(*GOOD)).triage(QUESTION, ASKED)
        assert finding.incident == QUESTION.incident.id
        assert [*claims_of(finding)]
        assert finding.fallback == ""
        assert finding.causes[0].service == "db"
        assert judge(finding, finding.evidence, QUESTION) == finding

    async def test_no_model_is_asked_where_the_allowance_does_not_say_so(self, make: Make) -> None:
        finding = await (await make()).triage(QUESTION, NO_MODEL)
        assert finding == first_look(QUESTION)
        assert finding.made_by == DETERMINISTIC
        assert finding.usage == NOTHING_SPENT

    async def test_claims_that_rest_on_nothing_do_not_survive(self, make: Make) -> None:
        invented = [
            claim("Aliens did it.", "t9"),
            claim("The disk is full.", "t1", "no space left on device"),
            claim("A."),
        ]
        turns = (says(answer(summary=invented)), says(review()))
        finding = await (await make(*turns)).triage(QUESTION, ASKED)
        assert not {"Aliens did it.", "The disk is full."} & {one.text for one in claims_of(finding)}
        assert judge(finding, finding.evidence, QUESTION) == finding

    async def test_an_incident_without_alerts_is_answered_too(self, make: Make) -> None:
        empty = replace(QUESTION, onsets=(), history=(), changes=())
        finding = await (await make(says(answer()), says(review()))).triage(empty, ASKED)
        assert finding.incident == empty.incident.id

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="nothing"),
            pytest.param("I think it is the network.", id="prose"),
            pytest.param(answer()[:60], id="half an answer"),
            pytest.param("[1, 2, 3]", id="another shape"),
            pytest.param(answer(causes=[{"service": "db", "confidence": "99%", "claims": []}]), id="an unknown word"),
        ],
    )
    async def test_what_cannot_be_read_twice_ends_in_the_first_look(self, make: Make, kind: Kind, text: str) -> None:
        finding = await (await make(says(text), says(text))).triage(QUESTION, ASKED)
        assert replace(finding, fallback="", usage=NOTHING_SPENT) == first_look(QUESTION)
        assert ("could not be read" in finding.fallback) == (kind != "first_look")

    async def test_an_answer_may_be_repaired_once(self, make: Make, kind: Kind) -> None:
        finding = await (await make(says("Well..."), says(answer()), says(review()))).triage(QUESTION, ASKED)
        assert finding.fallback == ""
        assert finding.made_by == (DETERMINISTIC if kind == "first_look" else "tiny")

    async def test_no_answer_takes_longer_than_it_may(self, make: Make, kind: Kind) -> None:
        hurried = replace(ASKED, limits=Limits(seconds=0.3))
        finding = await (await make(Turn(seconds=30))).triage(QUESTION, hurried)
        assert [*claims_of(finding)]
        assert finding.usage.seconds < 5
        assert ("0.3 s" in finding.fallback) == (kind != "first_look")

    async def test_usage_is_counted_also_where_the_model_fails(self, make: Make, kind: Kind) -> None:
        finding = await (await make(*GOOD[:1], says("no"), says("no"))).triage(QUESTION, ASKED)
        assert finding.usage.calls == (0 if kind == "first_look" else 3)
        assert finding.usage.tokens == 120 * finding.usage.calls

    @pytest.mark.parametrize(
        ("limits", "word"),
        [
            pytest.param(Limits(calls=1), "1 calls", id="calls"),
            pytest.param(Limits(tokens=10), "10 tokens", id="tokens"),
            pytest.param(Limits(money=1e-9), "1e-09 in money", id="money"),
        ],
    )
    async def test_the_next_call_is_refused_over_budget(
        self, make: Make, kind: Kind, limits: Limits, word: str
    ) -> None:
        priced = replace(QUESTION, rules=replace(QUESTION.rules, prices=Prices(1, 2)))
        finding = await (await make(*GOOD)).triage(priced, Allowance(True, "", limits))
        assert finding.usage.calls <= 1
        assert (word in finding.fallback) == (kind != "first_look")

    async def test_a_reply_grows_and_its_last_is_the_answer(self, make: Make) -> None:
        said = reply(*(claim(f"Claim {number}.") for number in range(4)))
        asked = await make(asks("alert_history", name="db"), says(said))
        replies = [one async for one in asked.reply(QUESTION, "Is the database slow?", (), ASKED)]
        assert replies
        assert replies[-1].claims
        for before, after in pairwise(replies):
            assert set(before.claims) <= set(after.claims)
        for one in replies:
            assert judge_reply(one, one.evidence, QUESTION) == one

    async def test_a_reply_comes_also_where_the_model_says_nothing_of_use(self, make: Make) -> None:
        asked = await make(says("Hm."), says("Hm."))
        before = [Exchange("What is slow?", ())]
        (last,) = [one async for one in asked.reply(QUESTION, "Why?", before, ASKED)]
        assert last.claims
        assert last.fallback
        assert last.made_by == DETERMINISTIC

    async def test_who_stops_listening_leaves_nothing_behind(self, make: Make) -> None:
        said = reply(*(claim(f"Claim {number}.") for number in range(40)))
        replies = (await make(says(said))).reply(QUESTION, "Why?", (), ASKED)
        assert (await anext(replies)).claims
        await replies.aclose()


async def test_questions_that_are_asked_at_once_know_nothing_of_each_other() -> None:
    def asked(name: str) -> Question:
        return replace(slow_orders(), incident=incident(number=len(name), title=name))

    def answering(messages: Sequence[Message], options: Mapping[str, Any]) -> Turn:
        title = documents(messages)[0]["incident"]["title"]
        if messages[-1].role != "tool":
            return replace(asks("alert_history", name="db"), seconds=0.02)
        assert [one for one in names if one in text_of(messages)] == [title]
        return says(answer(summary=[claim(f"It is {title}.")]))

    names = ["Aaaa", "Bbbbb", "Cccccc", "Ddddddd"]
    shared = triager(*[answering] * 2 * len(names))
    findings = await asyncio.gather(*(shared.triage(asked(name), ASKED) for name in names))
    assert [one.summary[0].text for one in findings] == [f"It is {name}." for name in names]
    assert [one.usage.calls for one in findings] == [2] * len(names)


async def test_no_look_is_held_up_by_what_a_name_is_long() -> None:
    model = Model("m" * 500, "http://127.0.0.1:9/v1")
    asked = AgentTriager(model, ServiceClient(model, Identity()), NoSources())
    finding = await asked.triage(QUESTION, ASKED)
    await asked.close()
    assert judge(finding, finding.evidence, QUESTION) == finding
