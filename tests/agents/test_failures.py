"""What each failure of a model's service comes to: a finding that says so, over a real connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from agent_framework import Content

from adapters.agents.models import Model, ServiceClient, address_of
from adapters.agents.scripted import Turn, asks, says
from adapters.agents.triager import AgentTriager
from adapters.identity import Identity
from domain.errors import UnavailableError
from domain.triage import DETERMINISTIC, Limits, first_look
from tests.agents.scripts import ASKED, NoSources, answer, claim, reply, review, slow_orders, triager
from tests.agents.wire import FILTERED, Refusal, Wire, rate_limited

QUESTION = slow_orders()
GROUND = first_look(QUESTION)

type Connect = Callable[..., Awaitable[tuple[AgentTriager, Wire]]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def connected(*turns: Turn | Refusal, is_reviewed: bool = False) -> tuple[AgentTriager, Wire]:
            server = await stack.enter_async_context(Wire(*turns))
            model = Model("tiny", server.url, "the-key", is_reviewed=is_reviewed)
            triager = AgentTriager(model, ServiceClient(model, Identity()), NoSources())
            stack.push_async_callback(triager.close)
            return triager, server

        yield connected


FAILURES = [
    pytest.param(FILTERED, "content filter refused to show", 0, id="the prompt is filtered"),
    pytest.param(says("", "content_filter"), "content filter held back", 120, id="the answer is filtered"),
    pytest.param(says(answer()[:50], "length"), "cut off", 120, id="the answer is too long"),
    pytest.param(says(answer(), ""), "could not be reached, or broke off", 1, id="the connection is cut"),
    pytest.param(rate_limited(), "no more requests for now", 0, id="429 without a time"),
    pytest.param(rate_limited("3600"), "no more requests for another 3600 s", 0, id="429 for an hour"),
    pytest.param(Refusal(401, {"message": "no"}), "did not let Tocsin in (401)", 0, id="401"),
    pytest.param(Refusal(403, {"message": "no"}), "did not let Tocsin in (403)", 0, id="403"),
    pytest.param(Refusal(404, {"code": "DeploymentNotFound"}), "knows no model 'tiny'", 0, id="404"),
    pytest.param(Refusal(400, {"message": "schema"}), "refused the request (400)", 0, id="400"),
    pytest.param(Refusal(500, {"message": "boom"}), "trouble of its own (500)", 0, id="500"),
    pytest.param(Refusal(502, raw=b"<html>gateway</html>"), "trouble of its own (502)", 0, id="a gateway's page"),
    pytest.param(Refusal(302, headers={"location": "http://127.0.0.1:1/"}), "(302)", 0, id="a redirect"),
    pytest.param(Refusal(200, raw=b"<html>hello</html>"), "asking the model failed", 1, id="200 that is no JSON"),
    pytest.param(Turn((), "tool_calls"), "asked for more looks", 120, id="no end"),
    pytest.param(Turn(seconds=9), "had not answered after 0.5 s", 1, id="no answer in time"),
]


@pytest.mark.parametrize(("turn", "words", "least_tokens"), FAILURES)
async def test_a_failure_ends_in_the_first_look_that_says_why(
    connect: Connect, turn: Turn | Refusal, words: str, least_tokens: int
) -> None:
    asked, server = await connect(turn)
    finding = await asked.triage(QUESTION, replace(ASKED, limits=replace(ASKED.limits, seconds=0.5)))
    assert words in finding.fallback
    assert replace(finding, fallback="", usage=GROUND.usage) == GROUND
    assert finding.usage.calls == len(server.requests) == 1, "nothing is asked a second time"
    assert (finding.usage.tokens > 0) == (least_tokens > 0), finding.usage


@pytest.mark.parametrize(("turn", "words", "least_tokens"), FAILURES)
async def test_a_failure_of_a_reply_ends_in_one_that_says_why(
    connect: Connect, turn: Turn | Refusal, words: str, least_tokens: int
) -> None:
    asked, server = await connect(turn)
    hurried = replace(ASKED, limits=replace(ASKED.limits, seconds=0.5))
    (last,) = [one async for one in asked.reply(QUESTION, "Is the database slow?", (), hurried)]
    cut = isinstance(turn, Turn) and not turn.finish_reason
    unread = isinstance(turn, Refusal) and turn.status == 200
    assert ("the model's answer broke off" if cut or unread else words) in last.fallback
    assert last.made_by == DETERMINISTIC
    assert last.claims
    assert len(server.requests) == 1


async def test_a_reply_that_is_cut_keeps_what_it_had_said(connect: Connect) -> None:
    said = reply(*(claim(f"Claim {number}.") for number in range(4)))
    asked, _ = await connect(says(said[: len(said) - 20], ""))
    replies = [one async for one in asked.reply(QUESTION, "Why?", (), ASKED)]
    assert [one.text for one in replies[-1].claims] == ["Claim 0.", "Claim 1.", "Claim 2."]
    assert replies[-1].fallback == "the model's answer broke off; so far it had said this"
    assert replies[-1].made_by == "tiny"
    assert replies[-1].usage.tokens > 0


async def test_a_text_that_a_service_says_again_as_a_whole_is_not_doubled() -> None:
    said = reply(claim("It fires."))
    twice = Turn((Content.from_text(said), Content.from_text(said, merge_mode="replace")))
    replies = [one async for one in triager(twice).reply(QUESTION, "Why?", (), ASKED)]
    assert [one.text for one in replies[-1].claims] == ["It fires."]
    assert replies[-1].fallback == ""


@pytest.mark.parametrize(
    ("refusal", "after"),
    [
        pytest.param(rate_limited("7"), 7.0, id="seconds"),
        pytest.param(rate_limited("7", "250"), 0.25, id="milliseconds are more exact"),
        pytest.param(Refusal(503, {"message": "busy"}, {"retry-after": "30"}), 30.0, id="503"),
    ],
)
async def test_it_is_worth_asking_again_where_the_service_says_soon(
    connect: Connect, refusal: Refusal, after: float
) -> None:
    asked, _ = await connect(refusal, refusal)
    with pytest.raises(UnavailableError) as raised:
        await asked.triage(QUESTION, ASKED)
    assert raised.value.retry_after == timedelta(seconds=after)
    with pytest.raises(UnavailableError):
        _ = [one async for one in asked.reply(QUESTION, "Why?", (), ASKED)]


async def test_what_has_been_paid_for_is_not_asked_for_again(connect: Connect) -> None:
    asked, _ = await connect(asks("recent_changes"), rate_limited("7"))
    finding = await asked.triage(QUESTION, ASKED)
    assert "another 7 s" in finding.fallback
    assert finding.usage.tokens == 120
    assert finding.usage.calls == 2


async def test_nobody_is_there() -> None:
    model = Model("tiny", "http://127.0.0.1:9/v1")
    asked = AgentTriager(model, ServiceClient(model, Identity()), NoSources())
    finding = await asked.triage(QUESTION, ASKED)
    await asked.close()
    assert "could not be reached" in finding.fallback
    assert finding.usage.tokens == 0


async def test_trouble_of_the_reviewer_leaves_what_was_judged(connect: Connect) -> None:
    for trouble in (FILTERED, rate_limited("1"), says("nonsense"), says(review(), "length")):
        asked, _ = await connect(says(answer()), trouble, is_reviewed=True)
        finding = await asked.triage(QUESTION, ASKED)
        assert finding.fallback == ""
        assert finding.made_by == "tiny"


async def test_a_reviewer_that_is_too_slow_leaves_what_was_judged() -> None:
    asked = triager(says(answer()), Turn(seconds=30), model=Model("tiny", ""))
    finding = await asked.triage(QUESTION, replace(ASKED, limits=Limits(seconds=0.5)))
    assert finding.fallback == ""
    assert finding.made_by == "tiny"
    assert finding.summary[0].text == "Orders are slow, and so is the database."


async def test_a_look_that_is_given_up_lets_go_of_the_service(connect: Connect) -> None:
    asked, server = await connect(Turn(seconds=60))
    task = asyncio.create_task(asked.triage(QUESTION, ASKED))
    deadline = time.monotonic() + 10
    while not server.requests:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while not server.aborted:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_an_unknown_tool_and_wrong_arguments_are_answered_in_words(connect: Connect) -> None:
    asked, server = await connect(asks("rm_rf", path="/"), asks("recent_changes", hours="many"), says(answer()))
    finding = await asked.triage(QUESTION, ASKED)
    assert finding.made_by == "tiny"
    told = [one["content"] for one in server.requests[-1]["messages"] if one["role"] == "tool"]
    assert len(told) == 2
    assert all("rror" in one for one in told), told


# --- on the wire ------------------------------------------------------------------------------------------------------


async def test_what_is_sent(connect: Connect) -> None:
    asked, server = await connect(asks("recent_changes"), says(answer()), says(review("c1")), is_reviewed=True)
    finding = await asked.triage(QUESTION, ASKED)
    first, second, third = server.requests
    assert first["path"] == "/v1/chat/completions"
    assert first["headers"]["Authorization"] == "Bearer the-key"
    assert "OpenAI-Organization" not in first["headers"]
    assert (first["model"], first["temperature"], first["seed"]) == ("tiny", 0, 1)
    assert 0 < first["max_completion_tokens"] <= 4_000
    assert first["response_format"]["json_schema"]["strict"] is True
    assert {one["function"]["name"] for one in first["tools"]} == {
        "similar_incidents",
        "recent_changes",
        "alert_history",
    }
    assert second["messages"][-1]["role"] == "tool"
    assert "tools" not in third, "a reviewer reads what it is shown"
    assert finding.struck == 1
    assert finding.summary == GROUND.summary


async def test_a_reasoning_model_is_told_no_temperature() -> None:
    async with Wire(says(answer())) as server:
        model = Model("tiny", server.url, is_reviewed=False, is_reasoning=True)
        asked = AgentTriager(model, ServiceClient(model, Identity()), NoSources())
        finding = await asked.triage(QUESTION, ASKED)
        await asked.close()
    assert finding.made_by == "tiny"
    assert not {"temperature", "seed"} & server.requests[0].keys()
    assert server.requests[0]["max_completion_tokens"] == 16_000


@pytest.mark.parametrize(
    ("endpoint", "base", "has_scope"),
    [
        pytest.param("https://x.openai.azure.com", "https://x.openai.azure.com/openai/v1/", True, id="Azure OpenAI"),
        pytest.param("https://x.openai.azure.com/", "https://x.openai.azure.com/openai/v1/", True, id="with a slash"),
        pytest.param(
            "https://x.services.ai.azure.com", "https://x.services.ai.azure.com/openai/v1/", True, id="Foundry"
        ),
        pytest.param("https://x.openai.azure.com/other/", "https://x.openai.azure.com/other/", True, id="its own path"),
        pytest.param("http://localhost:8080/v1", "http://localhost:8080/v1", False, id="this machine"),
        pytest.param(
            "https://x.openai.azure.com.evil.example", "https://x.openai.azure.com.evil.example", False, id="not Azure"
        ),
    ],
)
def test_where_a_model_is_asked(endpoint: str, base: str, *, has_scope: bool) -> None:
    found, scope = address_of(endpoint)
    assert (found, bool(scope)) == (base, has_scope)
