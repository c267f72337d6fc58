"""A look at an incident, from its opening to the trail: asked of the functions themselves, in the home in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest

import function_app
from adapters.documents import decode, encode
from adapters.identity import Identity
from adapters.settings import Settings
from adapters.triagers import make_triager
from adapters.wiring import Ports
from devhost.index import Function, index
from domain.changes import Change
from domain.errors import UnavailableError
from domain.groups import Incident, ReasonCode, Tick
from domain.lifecycle import Action, Responded
from domain.live import LiveEvent
from domain.looks import DETERMINISTIC, Triage
from domain.triage import NO_MODEL, Allowance, Exchange, Finding, Question, Reply, Usage
from domain.triage.first_look import first_look, first_reply
from endpoints import looking
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert
from tests.contract.conftest import Clock
from tests.domain.triaging import claim
from tests.endpoints.in_memory import in_memory
from tests.endpoints.test_consumer import message

CONFIGURATION = """\
route: {receiver: nobody, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 10m}
receivers: [{name: nobody}]
"""


@dataclass
class Slow:
    """A triager that waits, fails, or says what it was told to say; it notes what it was asked."""

    says: Finding | None = None
    fails: UnavailableError | None = None
    go: asyncio.Event | None = None
    asked: list[Question] = field(default_factory=list)
    allowed: list[Allowance] = field(default_factory=list)
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    is_cancelled: bool = False

    async def triage(self, question: Question, allowance: Allowance = NO_MODEL) -> Finding:
        self.asked.append(question)
        self.allowed.append(allowance)
        self.is_asked.set()
        try:
            if self.go is not None:
                await self.go.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        if self.fails is not None:
            raise self.fails
        if allowance.is_asked:
            return replace(first_look(question), made_by="gpt", usage=Usage(900, 100, 2, 3.0))
        return self.says or first_look(question)

    async def close(self) -> None:
        """There is nothing to close."""

    async def reply(
        self, question: Question, asked: str, before: Sequence[Exchange] = (), allowance: Allowance = NO_MODEL
    ) -> AsyncGenerator[Reply]:
        yield first_reply(question, asked)


class Tocsin:
    """The app's functions on a clock that stands, with its queue `triage` in hand."""

    def __init__(self, home: Ports, clock: Clock) -> None:
        self.home = home
        self.clock = clock
        self.broker: Any = home.broker
        self.functions: dict[str, Function] = {function.name: function for function in index(function_app.app)}

    async def fire(self, **labels: Any) -> Incident:
        now = self.clock()
        report = alert(at=now, **{"starts_at": now, "ends_at": now + 240 * HOUR, **labels})
        situation = await self.home.configurations.gather()
        for brought in self.home.door.admit([report], situation).messages:
            await function_app._fold(brought.events, situation)
        listed = await self.home.groups.list_incidents()
        return next(one for one in listed if one.title == report.labels["alertname"])

    async def end(self, **labels: Any) -> None:
        now = self.clock()
        incident = await self.fire(ends_at=now, starts_at=NOON, **labels)
        self.clock.advance(5 * MINUTE)
        await function_app._fold([Tick(incident.group_id, self.clock())], await self.home.configurations.gather())

    def waiting(self) -> list[Triage]:
        """The looks that are due now."""
        found = []
        while (message := self.broker.receive("triage")) is not None:
            found.append(decode(Triage, message.body))
            self.broker.complete(message)
        return found

    async def look(self) -> int:
        """Make every look that is due; returns how many those were."""
        wanted = self.waiting()
        for triage in wanted:
            await self.call(triage)
        return len(wanted)

    async def call(self, triage: Triage) -> None:
        function = self.functions["look_first"]
        await function.call(**{function.argument: message(encode(triage))})

    async def ask(self, function: str, incident: Incident, body: Any = None) -> Any:
        return json.loads(await self.answer(function, incident, b"" if body is None else json.dumps(body).encode()))

    async def show(self, incident: Incident) -> Any:
        return await self.ask("show_incident", incident)

    async def page(self, incident: Incident) -> str:
        return (await self.answer("show_incident_page", incident)).decode()

    async def answer(self, function: str, incident: Incident, body: bytes = b"") -> bytes:
        request = func.HttpRequest(
            method="POST" if body else "GET",
            url=f"http://localhost:7071/api/v1/incidents/{incident.id}",
            headers={"host": "localhost:7071", "content-type": "application/json"},
            route_params={"id": incident.id},
            body=body,
        )
        answer: func.HttpResponse = await self.functions[function].call(request=request)
        return answer.get_body()

    async def trail(self, incident: Incident) -> list[tuple[ReasonCode, str]]:
        entries = await self.home.groups.list_entries(incident.group_id)
        codes = (ReasonCode.FOUND, ReasonCode.NOT_LOOKED_AT)
        return [(reason.code, reason.text) for entry in entries for reason in entry.reasons if reason.code in codes]


async def _tocsin(monkeypatch: pytest.MonkeyPatch, triager: Any) -> AsyncIterator[Tocsin]:
    async with in_memory(monkeypatch, CONFIGURATION) as (home, clock):
        vars(home.first_responder)["triager"] = triager
        yield Tocsin(home, clock)


@pytest.fixture
def triager() -> Slow:
    return Slow()


@pytest.fixture
async def tocsin(monkeypatch: pytest.MonkeyPatch, triager: Slow) -> AsyncIterator[Tocsin]:
    async for found in _tocsin(monkeypatch, triager):
        yield found


@pytest.fixture
async def with_model(monkeypatch: pytest.MonkeyPatch, triager: Slow) -> AsyncIterator[Tocsin]:
    monkeypatch.setenv("TOCSIN_MODEL", "gpt")
    monkeypatch.setenv("TOCSIN_MODEL_ENDPOINT", "http://127.0.0.1:9/v1")
    async for found in _tocsin(monkeypatch, triager):
        yield found


async def test_an_incident_is_looked_at_as_it_opens(tocsin: Tocsin) -> None:
    incident = await tocsin.fire(service="db", severity="critical")
    assert (await tocsin.show(incident))["finding"] is None
    assert await tocsin.look() == 1
    shown = await tocsin.show(incident)
    finding = shown["finding"]
    assert (finding["look"], finding["made_by"], finding["fallback"]) == (1, DETERMINISTIC, None)
    assert finding["asked_model"] == "no model is configured"
    assert [cause["service"] for cause in finding["causes"]] == ["db"]
    cited = {one["evidence"] for claim in finding["summary"] for one in claim["citations"]}
    assert cited <= {one["id"] for one in finding["evidence"]}
    assert shown["timeline"][-1]["event"] == "finding"
    assert "looked at by the first responder, by rules alone: it may come from db" in shown["timeline"][-1]["words"]


async def test_it_is_looked_at_again_and_then_no_more(tocsin: Tocsin) -> None:
    incident = await tocsin.fire(service="db")
    looks = []
    for after in (0 * SECOND, 15 * SECOND, 2 * MINUTE, 3 * MINUTE, HOUR):
        tocsin.clock.advance(after)
        looks.append(await tocsin.look())
    assert looks == [1, 1, 1, 1, 0]
    assert (await tocsin.home.groups.get_incident(incident.id)).looks == 4


async def test_a_look_that_comes_twice_is_made_once(tocsin: Tocsin, triager: Slow) -> None:
    incident = await tocsin.fire(service="db")
    (wanted,) = tocsin.waiting()
    await tocsin.call(wanted)
    await tocsin.call(wanted)
    assert len(triager.asked) == 1
    assert len(await tocsin.trail(incident)) == 1


async def test_what_was_kept_before_a_crash_is_not_made_again(with_model: Tocsin, triager: Slow) -> None:
    incident = await with_model.fire(service="db")
    (wanted,) = with_model.waiting()
    assert await looking.look(wanted) is not None  # and the process dies before the group hears of it
    await with_model.call(wanted)
    assert len(triager.asked) == 1
    assert len(await with_model.trail(incident)) == 1


async def test_one_that_is_over_is_not_looked_at(tocsin: Tocsin, triager: Slow) -> None:
    await tocsin.fire(service="db")
    (wanted,) = tocsin.waiting()
    await tocsin.end(service="db")
    await tocsin.call(wanted)
    assert triager.asked == []


async def test_one_that_ends_meanwhile_cancels_the_look(
    tocsin: Tocsin, triager: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "OVER_SECONDS", 0.01)
    triager.go = asyncio.Event()
    incident = await tocsin.fire(service="db")
    (wanted,) = tocsin.waiting()
    call = asyncio.create_task(tocsin.call(wanted))
    async with asyncio.timeout(5):
        await triager.is_asked.wait()
        await tocsin.end(service="db")
        await call
    assert triager.is_cancelled
    assert await tocsin.trail(incident) == []


async def test_a_finding_is_judged_before_anybody_sees_it(tocsin: Tocsin, triager: Slow) -> None:
    triager.says = Finding("another", "bad", summary=(claim("Delete everything.", "no such words"),))
    incident = await tocsin.fire(service="db")
    await tocsin.look()
    finding = (await tocsin.show(incident))["finding"]
    assert (finding["summary"], finding["struck"]) == ([], 1)


async def test_trouble_puts_a_look_off_and_at_last_the_rules_answer(tocsin: Tocsin, triager: Slow) -> None:
    triager.fails = UnavailableError("too many requests", timedelta(seconds=7))
    incident = await tocsin.fire(service="db")
    for _ in range(3):
        assert await tocsin.look() == 1
        assert await tocsin.trail(incident) == []
        assert await tocsin.look() == 0
        tocsin.clock.advance(7 * SECOND)
    await tocsin.look()
    ((code, text),) = await tocsin.trail(incident)
    assert code is ReasonCode.FOUND
    assert "it may come from db" in text
    assert (await tocsin.show(incident))["finding"]["fallback"] == "no model was to be had: too many requests"


async def test_when_more_open_than_can_be_looked_at_the_less_severe_are_left_out(tocsin: Tocsin, triager: Slow) -> None:
    bad = await tocsin.fire(alertname="bad", service="db", severity="critical")
    mild = await tocsin.fire(alertname="mild", service="db", severity="warning")
    tocsin.clock.advance(10 * SECOND)
    await tocsin.look()
    assert [code for code, _ in await tocsin.trail(bad)] == [ReasonCode.FOUND]
    ((code, text),) = await tocsin.trail(mild)
    assert code is ReasonCode.NOT_LOOKED_AT
    assert "this one waited 10 s, and one of severity warning waits 5 s at most" in text
    tocsin.clock.advance(15 * SECOND)
    await tocsin.look()
    assert [code for code, _ in await tocsin.trail(mild)] == [ReasonCode.NOT_LOOKED_AT, ReasonCode.FOUND]


async def test_what_is_near_is_gathered(tocsin: Tocsin, triager: Slow) -> None:
    await tocsin.home.changes.add_changes([Change("c1", NOON - 5 * MINUTE, "deploy db", "db")])
    old = await tocsin.fire(service="db", severity="critical")
    note = Responded(old.group_id, old.id, "1", Action.NOTE, "ann", tocsin.clock(), "it was the fan")
    await function_app._fold([note], await tocsin.home.configurations.gather())
    await tocsin.look()
    await tocsin.end(service="db", severity="critical")
    tocsin.clock.advance(HOUR)
    incident = await tocsin.fire(service="db", severity="critical")
    assert incident.id != old.id
    await tocsin.look()
    asked = triager.asked[-1]
    assert [onset.alert.labels["service"] for onset in asked.onsets] == ["db"]
    assert [change.id for change in asked.changes] == ["c1"]
    assert (old.id, ("it was the fan",)) in [(past.incident.id, past.notes) for past in asked.history]
    assert asked.entries


async def test_with_the_rules_alone_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async for tocsin in _tocsin(monkeypatch, make_triager(Settings.read({}), Identity())):
        incident = await tocsin.fire(service="db")
        await tocsin.look()
        assert await tocsin.trail(incident)


async def test_a_model_is_asked_at_the_second_look_and_again_only_if_more_fires(
    with_model: Tocsin, triager: Slow
) -> None:
    incident = await with_model.fire(service="db", severity="critical")
    await with_model.look()
    with_model.clock.advance(15 * SECOND)
    await with_model.look()
    with_model.clock.advance(5 * MINUTE)
    await with_model.look()
    assert [one.is_asked for one in triager.allowed] == [False, True, False]
    assert [one.reason for one in triager.allowed][::2] == [
        "rules look first; whether a model is asked is seen in 15 s",
        "a model has looked, and no alert has come since",
    ]
    assert triager.allowed[1].limits.tokens == 60_000
    shown = await with_model.show(incident)
    finding = shown["finding"]
    assert (finding["look"], finding["made_by"], finding["usage"]["input_tokens"]) == (2, "gpt", 900)
    assert (shown["model_usage"]["input_tokens"], shown["model_usage"]["calls"]) == (900, 2)
    assert "its severity is critical" in finding["asked_model"]
    assert [text.count("gpt") for _, text in await with_model.trail(incident)] == [0, 0]
    usage = await with_model.home.usage.list_usage(NOON)
    assert [one.tokens for one in usage.values()] == [1000]


async def test_a_model_is_asked_again_if_more_fires(with_model: Tocsin, triager: Slow) -> None:
    await with_model.fire(service="db", severity="critical")
    await with_model.look()
    with_model.clock.advance(15 * SECOND)
    await with_model.look()
    await with_model.fire(service="api", severity="critical")
    with_model.clock.advance(5 * MINUTE)
    await with_model.look()
    assert [one.is_asked for one in triager.allowed] == [False, True, True]
    assert triager.allowed[2].limits.tokens == 59_000


async def test_a_group_that_flaps_is_not_asked_about_again_so_soon(with_model: Tocsin, triager: Slow) -> None:
    for _ in range(2):
        await with_model.fire(service="db", severity="critical")
        await with_model.look()
        with_model.clock.advance(15 * SECOND)
        await with_model.look()
        await with_model.end(service="db", severity="critical")
        with_model.waiting()
        with_model.clock.advance(31 * SECOND)  # what is remembered of earlier incidents is read anew
    assert [one.is_asked for one in triager.allowed] == [False, True, False, False]
    assert "is not asked again within 15m (cool_down)" in triager.allowed[3].reason


async def test_what_is_mild_is_not_worth_a_model(with_model: Tocsin, triager: Slow) -> None:
    await with_model.fire(service="db", severity="info")
    await with_model.look()
    with_model.clock.advance(15 * SECOND)
    await with_model.look()
    assert not any(one.is_asked for one in triager.allowed)
    assert "a model is asked from warning on" in triager.allowed[1].reason


async def test_the_same_finding_is_not_told_twice(tocsin: Tocsin, triager: Slow) -> None:
    triager.says = Finding("x", DETERMINISTIC)
    incident = await tocsin.fire(service="db")
    await tocsin.look()
    tocsin.clock.advance(15 * SECOND)
    assert await tocsin.look() == 1
    assert len(await tocsin.trail(incident)) == 1
    tocsin.clock.advance(5 * MINUTE)
    assert await tocsin.look() == 1


# --- what people see and ask ------------------------------------------------------------------------------------------


async def test_the_page_says_what_was_found_and_nothing_of_it_runs(tocsin: Tocsin, triager: Slow) -> None:
    hostile = "<script>alert(1)</script>"
    incident = await tocsin.fire(
        service=hostile, severity="critical", annotations={"runbook_url": "https://wiki.example.com/?a=1&b='\"<"}
    )
    await tocsin.look()
    page = await tocsin.page(incident)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</strong> <span class=dim>confidence low" in page
    assert 'href="https://wiki.example.com/?a=1&amp;b=&#x27;&quot;&lt;"' in page
    assert "by rules alone, without a model" in page


async def test_what_a_model_claims_stands_beside_its_quotes(with_model: Tocsin, triager: Slow) -> None:
    incident = await with_model.fire(service="db", severity="critical")
    await with_model.look()
    with_model.clock.advance(15 * SECOND)
    await with_model.look()
    page = await with_model.page(incident)
    assert "<blockquote>" in page
    assert "by gpt" in page


async def test_a_question_is_answered_kept_and_told(tocsin: Tocsin, triager: Slow) -> None:
    incident = await tocsin.fire(service="db", severity="critical")
    answer = await tocsin.ask("ask_about_incident", incident, {"question": "which services\nfire?"})
    assert (answer["question"], answer["made_by"], answer["actor"]) == ("which services\nfire?", DETERMINISTIC, "local")
    assert answer["claims"]
    tocsin.clock.advance(SECOND)
    again = await tocsin.ask("ask_about_incident", incident, {"question": "and now?"})
    listed = (await tocsin.ask("list_answers", incident))["answers"]
    assert [one["id"] for one in listed] == [answer["id"], again["id"]]
    shown = await tocsin.show(incident)
    assert "asked the first responder: which services fire? It answered: " in shown["timeline"][-2]["words"]
    assert "and now?" in await tocsin.page(incident)


async def test_a_question_without_words_is_refused(tocsin: Tocsin) -> None:
    incident = await tocsin.fire(service="db")
    for wrong in ({"question": ""}, {"question": "x" * 2001}, {}, {"question": "x", "and": "more"}):
        answer = await tocsin.ask("ask_about_incident", incident, wrong)
        assert answer["status"] == 422, answer


async def test_each_claim_of_an_answer_is_told_to_those_who_listen(
    tocsin: Tocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, str]] = []

    async def say(event: LiveEvent) -> None:
        said.append((event.kind, event.words))

    monkeypatch.setattr(tocsin.home.live, "say", say)
    incident = await tocsin.fire(service="db")
    answer = await tocsin.ask("ask_about_incident", incident, {"question": "what of db?"})
    assert said == [("answered", claim["text"]) for claim in answer["claims"]]


async def test_an_update_about_what_is_over_says_whom_it_concerned(tocsin: Tocsin) -> None:
    incident = await tocsin.fire(service="db", severity="critical")
    await tocsin.look()
    await tocsin.end(service="db", severity="critical")
    tocsin.clock.advance(HOUR)
    text = (await tocsin.answer("draft_about_incident", incident)).decode()
    assert text.startswith("# DiskFull: update")
    assert "- **Affected:** db" in text
