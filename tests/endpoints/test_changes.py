"""Changes: what a pipeline may report, what is kept of it, and how it is listed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from adapters.wiring import Ports, ports, wire
from domain.changes import CHANGES_KEPT
from domain.errors import UnavailableError
from domain.principals import Scope
from tests.builders import HOUR, MINUTE, NOON
from tests.contract.conftest import Clock
from tests.endpoints.asking import ask, bearer, give_key
from tests.serving import Answer

DEPLOY = {
    "id": "shop/deploys#7",
    "at": "2026-11-22T11:30:00+00:00",
    "summary": "cart 7 is deployed",
    "service": "cart",
    "source": "GitHub",
    "url": "https://git.example.com/shop/7",
    "labels": {"environment": "prod"},
}


@pytest_asyncio.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ports]:
    """The app in memory, with `--auth`, at noon."""
    from adapters.settings import Settings

    settings = Settings.read({"TOCSIN_HOME": "memory", "TOCSIN_AUTH": "true"})
    made = wire(settings, Clock())
    ports.cache_clear()
    monkeypatch.setattr("adapters.wiring.wire", lambda *_: made)
    yield ports()
    await made.close()
    ports.cache_clear()


async def report(body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    key = bearer(await give_key(Scope.INGEST))
    return await ask("report_changes", {**key, **(headers or {})}, body=body)


async def listed(query: str = "") -> Any:
    answer = await ask("list_changes", bearer(await give_key(Scope.READ)), query=query)
    assert answer.status == 200, answer.body
    return answer.json()


async def ids(query: str = "") -> list[str]:
    return [change["id"] for change in (await listed(query))["changes"]]


class TestReporting:
    async def test_one_is_kept_as_it_is(self, home: Ports) -> None:
        answer = await report(DEPLOY)
        (taken,) = answer.json()["changes"]
        assert (answer.status, taken) == (201, {**DEPLOY, "at": "2026-11-22T11:30:00Z", "is_new": True})
        assert await listed() == {"changes": [{**DEPLOY, "at": "2026-11-22T11:30:00Z"}], "next": None}

    async def test_the_least_is_a_summary(self, home: Ports) -> None:
        (taken,) = (await report({"summary": " restarted \n"})).json()["changes"]
        assert (taken["at"], taken["summary"], taken["service"]) == ("2026-11-22T12:00:00Z", "restarted", "")
        assert len(taken["id"]) == 32

    async def test_a_list_is_kept_in_its_order(self, home: Ports) -> None:
        answer = await report([DEPLOY, {"summary": "b"}, {**DEPLOY, "summary": "other"}])
        assert [change["is_new"] for change in answer.json()["changes"]] == [True, True, False]
        assert len(await ids()) == 2

    async def test_what_is_sent_again_is_known(self, home: Ports) -> None:
        await report(DEPLOY)
        answer = await report({**DEPLOY, "summary": "other", "at": "2026-11-22T11:45:00Z"})
        assert (answer.status, answer.json()["changes"][0]["is_new"]) == (201, False)
        assert [change["summary"] for change in (await listed())["changes"]] == ["cart 7 is deployed"]

    @pytest.mark.parametrize(
        ("second", "later", "is_new"),
        [
            pytest.param({}, MINUTE, False, id="the same, a minute later"),
            pytest.param({}, HOUR, True, id="the same, an hour later"),
            pytest.param({"service": "cart"}, MINUTE, True, id="another service"),
            pytest.param({"labels": {"a": "b"}}, MINUTE, True, id="another label"),
            pytest.param({"at": "2026-11-22T12:00:00Z"}, MINUTE, True, id="with a time"),
        ],
    )
    async def test_without_an_id_what_it_says_counts(
        self, home: Ports, second: dict[str, Any], later: timedelta, is_new: bool
    ) -> None:
        await report({"summary": "deployed"})
        clock: Any = home.clock
        clock.advance(later)
        assert (await report({"summary": "deployed", **second})).json()["changes"][0]["is_new"] is is_new

    async def test_with_a_time_it_is_the_same_whenever_it_comes(self, home: Ports) -> None:
        timed = {"summary": "deployed", "at": "2026-11-22T13:00:00+01:00"}
        await report(timed)
        clock: Any = home.clock
        clock.advance(100 * HOUR)
        again = await report({**timed, "at": "2026-11-22T12:00:00Z"})
        assert again.json()["changes"][0]["is_new"] is False

    async def test_under_an_idempotency_key_it_is_answered_again(self, home: Ports) -> None:
        token = bearer(await give_key(Scope.INGEST))
        answers = [
            await ask("report_changes", {**token, "idempotency-key": "run 7"}, body={"summary": "deployed"})
            for _ in range(2)
        ]
        assert answers[0].json() == answers[1].json()
        assert answers[1].headers["idempotency-replayed"] == "true"

    async def test_what_is_secret_by_its_name_is_masked(self, home: Ports) -> None:
        (taken,) = (await report({"summary": "s", "labels": {"api_key": "hunter2", "env": "prod"}})).json()["changes"]
        assert taken["labels"] == {"api_key": "[redacted]", "env": "prod"}
        assert "hunter2" not in str(await listed())

    async def test_trouble_is_to_be_sent_again(self, home: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fail(*_: Any) -> None:
            raise UnavailableError("the store is away")

        monkeypatch.setattr(home.changes, "add_changes", fail)
        answer = await report(DEPLOY)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")


class TestRefusing:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            pytest.param({}, "summary", id="nothing"),
            pytest.param({"summary": "  "}, "summary", id="a summary that says nothing"),
            pytest.param({"summary": "x" * 1025}, "summary", id="a long summary"),
            pytest.param({"summary": 7}, "summary", id="no text"),
            pytest.param({"summary": "s", "id": ""}, "id", id="an empty id"),
            pytest.param({"summary": "s", "id": "x" * 201}, "id", id="a long id"),
            pytest.param({"summary": "s", "id": "a b"}, "id", id="an id with a space"),
            pytest.param({"summary": "s", "at": "yesterday"}, "at", id="no time"),
            pytest.param({"summary": "s", "at": "2026-11-22T11:30:00"}, "at", id="a time of nowhere"),
            pytest.param({"summary": "s", "at": "2026-10-22T11:30:00Z"}, "at", id="long ago"),
            pytest.param({"summary": "s", "at": "2026-11-24T11:30:00Z"}, "at", id="far ahead"),
            pytest.param({"summary": "s", "url": "javascript:alert(1)"}, "url", id="no address"),
            pytest.param({"summary": "s", "url": "https://a b"}, "url", id="an address with a space"),
            pytest.param({"summary": "s", "service": "x" * 201}, "service", id="a long service"),
            pytest.param({"summary": "s", "labels": {"a": 1}}, "labels.a", id="a label that is no text"),
            pytest.param({"summary": "s", "labels": {"a": "x" * 501}}, "labels.a", id="a long label"),
            pytest.param({"summary": "s", "labels": {str(n): "" for n in range(41)}}, "labels", id="many labels"),
            pytest.param({"summary": "s", "Service": "cart"}, "Service", id="an unknown field"),
            pytest.param([{"summary": "s"}, {}], "1.summary", id="the second of two"),
            pytest.param([{"summary": "s", "at": "2020-01-01T00:00:00Z"}], "0.at", id="the first, long ago"),
        ],
    )
    async def test_the_field_is_named_and_nothing_is_kept(self, home: Ports, body: Any, field: str) -> None:
        answer = await report(body)
        assert (answer.status, answer.json()["type"]) == (422, "/problems/input")
        assert [fault["field"] for fault in answer.json()["errors"]] == [field]
        assert answer.json()["errors"][0]["message"].startswith(f"{field}: ")
        assert await ids() == []

    @pytest.mark.parametrize("body", [[], 7, "x", [7], [{"summary": "s"}] * 101])
    async def test_neither_a_change_nor_a_list(self, home: Ports, body: Any) -> None:
        assert (await report(body)).status == 422
        assert await ids() == []

    async def test_no_json(self, home: Ports) -> None:
        answer = await ask(
            "report_changes", {**bearer(await give_key(Scope.INGEST)), "content-type": "text/plain"}, body=DEPLOY
        )
        assert answer.status == 415


class TestListing:
    async def test_pages_of_a_service_and_a_time(self, home: Ports) -> None:
        for number in range(6):
            at = (NOON - number * HOUR).isoformat()
            await report({"id": str(number), "at": at, "summary": "s", "service": f"cart-{number % 2}"})
        assert await ids() == list("012345")
        assert await ids("service=cart-1") == list("135")
        assert await ids("since=2h") == list("012")
        assert await ids("until=2h") == list("345")
        assert await ids("since=2026-11-22T11:00:00Z&service=cart-1") == ["1"]
        first = await listed("limit=2&service=cart-0")
        assert [change["id"] for change in first["changes"]] == ["0", "2"]
        assert await ids(f"limit=2&service=cart-0&cursor={first['next']}") == ["4"]

    async def test_a_long_id_has_a_cursor(self, home: Ports) -> None:
        for letter in "ab":
            await report({"id": letter * 200, "summary": "s"})
        page = await listed("limit=1")
        assert await ids(f"cursor={page['next']}") == ["b" * 200]

    async def test_a_cursor_whose_change_is_forgotten(self, home: Ports) -> None:
        await report([{"id": "a", "summary": "s"}, {"id": "b", "summary": "s"}])
        cursor = (await listed("limit=1"))["next"]
        clock: Any = home.clock
        clock.advance(CHANGES_KEPT + MINUTE)
        await home.changes.forget_changes(clock() - CHANGES_KEPT)
        answer = await ask("list_changes", bearer(await give_key(Scope.READ)), query=f"cursor={cursor}")
        assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "cursor")

    @pytest.mark.parametrize("query", ["since=never", "until=x", "limit=0", "cursor=x", "name=cart"])
    async def test_what_cannot_be_asked(self, home: Ports, query: str) -> None:
        answer = await ask("list_changes", bearer(await give_key(Scope.READ)), query=query)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (422, query.partition("=")[0])


class TestWhoMay:
    async def test_a_key_that_sends_reports_and_does_not_read(self, home: Ports) -> None:
        assert (await ask("list_changes", bearer(await give_key(Scope.INGEST)))).status == 403
        assert (await ask("report_changes", bearer(await give_key(Scope.RESPOND)), body=DEPLOY)).status == 403

    async def test_a_key_of_one_source_does_not_report(self, home: Ports) -> None:
        key = bearer(await give_key(Scope.INGEST, source="grafana/berlin"))
        assert (await ask("report_changes", key, body=DEPLOY)).status == 403
