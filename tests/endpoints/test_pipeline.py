"""The pipeline around every handler: what is asked for, conditions, keys of requests, cursors, other origins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import azure.functions as func
import pytest
import pytest_asyncio

from adapters.wiring import ports
from domain.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    PreconditionError,
    RejectedError,
    UnavailableError,
    UnreadableError,
)
from domain.principals import LOCAL, Principal, Scope
from endpoints import pipeline
from endpoints.conditions import check_match
from endpoints.cursors import cut, read_cursor, read_moment, write_cursor
from endpoints.idempotency import LARGEST_ANSWER_BYTES, LONGEST_KEY, once
from endpoints.pipeline import LAST, accepts, endpoint, refuse_the_rest
from endpoints.problems import KINDS, answer
from endpoints.shapes import Query, Shape, read_body, read_query, show
from tests.functions.worker_check import functions_of

ELSEWHERE = "https://console.example.com"


@pytest_asyncio.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    monkeypatch.setenv("TOCSIN_CORS_ORIGINS", f"{ELSEWHERE}/, https://other.example.com")
    monkeypatch.setenv("TOCSIN_BODY_BYTES", "1024")
    ports.cache_clear()
    yield
    await ports().close()
    ports.cache_clear()


def request(
    method: str = "GET",
    path: str = "/api/v1/things",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    **params: str,
) -> func.HttpRequest:
    return func.HttpRequest(method, f"http://localhost{path}", headers=headers or {}, params=params, body=body)


# --- an app of one resource -----------------------------------------------------------------------------------------


class Thing(Shape):
    """A thing."""

    name: str
    size: int = 0


class ThingsQuery(Query):
    """Which things."""

    size: int = 0


class Things:
    """The functions of an app that has nothing but things."""

    def __init__(self) -> None:
        self.thing = Thing(name="a")
        self.changes = 0
        self.error: Exception | None = None
        self.functions: dict[str, Any] = {}

    async def ask(self, name: str, asked: func.HttpRequest) -> func.HttpResponse:
        response: func.HttpResponse = await self.functions[name](request=asked)
        return response


@contextmanager
def _own_registry() -> Iterator[None]:
    known = list(pipeline.registry)
    pipeline.registry.clear()
    try:
        yield
    finally:
        pipeline.registry[:] = known


@pytest.fixture
def things(home: None) -> Iterator[Things]:
    things, blueprint = Things(), func.Blueprint()  # type: ignore[no-untyped-call]
    with _own_registry():

        @endpoint(
            blueprint,
            "GET",
            "api/v1/things",
            scope=Scope.READ,
            query=ThingsQuery,
            answers={200: Thing},
            conditional=True,
        )
        async def get_thing(request: func.HttpRequest) -> func.HttpResponse:
            """A thing."""
            read_query(ThingsQuery, request)
            return show(things.thing)

        @endpoint(
            blueprint,
            "PUT",
            "api/v1/things",
            scope=Scope.RESPOND,
            body=Thing,
            answers={200: Thing},
            conditional=True,
        )
        async def put_thing(request: func.HttpRequest) -> func.HttpResponse:
            """Change it."""
            thing = read_body(Thing, request)
            check_match(request, things.thing)
            if things.error:
                raise things.error
            things.changes += 1
            await asyncio.sleep(0)
            things.thing = thing
            return show(thing, etag=str(things.changes))

        refuse_the_rest(blueprint)
        app = func.FunctionApp()
        app.register_functions(blueprint)
        things.functions = {str(one.get_function_name()): one.get_user_function() for one in functions_of(app)}
        yield things


def put(body: Any = None, **headers: str) -> func.HttpRequest:
    sent = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return request("PUT", headers=sent, body=json.dumps({"name": "b"} if body is None else body).encode())


def told(response: func.HttpResponse) -> Any:
    return json.loads(response.get_body())


async def test_the_module_keeps_the_plain_function_and_the_app_has_the_guarded_one(things: Things) -> None:
    response = await things.ask("get_thing", request(headers={"x-request-id": "mine"}))
    assert told(response) == {"name": "a", "size": 0}
    assert response.headers["X-Request-Id"] == "mine"
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("given", ["", "a\x7fb", "größe"])
async def test_an_id_that_is_none_is_replaced(things: Things, given: str) -> None:
    response = await things.ask("get_thing", request(headers={"x-request-id": given}))
    assert len(response.headers["X-Request-Id"]) == 32


# --- problems -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "errors"),
    [
        pytest.param(b"{", 400, None, id="no JSON"),
        pytest.param(b"\xff", 400, None, id="no UTF-8"),
        pytest.param(b"[" * 500, 400, None, id="nested too deeply"),
        pytest.param(b"[]", 422, [""], id="no object"),
        pytest.param(b'{"name": 1, "size": "x"}', 422, ["name", "size"], id="two wrong fields"),
        pytest.param(b'{"name": "a", "weight": 1}', 422, ["weight"], id="an unknown field"),
        pytest.param(b" " * 1025, 413, None, id="too long"),
    ],
)
async def test_what_is_wrong_with_a_body_is_named(
    things: Things, body: bytes, status: int, errors: list[str] | None
) -> None:
    response = await things.ask("put_thing", request("PUT", headers={"content-type": "application/json"}, body=body))
    problem = told(response)
    assert (response.status_code, problem["status"], response.mimetype) == (status, status, "application/problem+json")
    assert problem["type"].startswith("/problems/")
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert [error["field"] for error in problem["errors"]] == errors if errors else "errors" not in problem


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_another_type_of_body_is_refused(things: Things, content_type: str) -> None:
    response = await things.ask("put_thing", request("PUT", headers={"content-type": content_type}, body=b"{}"))
    assert response.status_code == 415


async def test_a_type_may_have_parameters(things: Things) -> None:
    response = await things.ask("put_thing", put(content_type="Application/JSON; charset=utf-8"))
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RejectedError("no"), 422),
        (NotFoundError("no"), 404),
        (ConflictError("no"), 409),
        (PreconditionError("no"), 412),
        (UnavailableError("not now"), 503),
        (UnreadableError("what"), 400),
        (KeyError("secret"), 503),
    ],
)
def test_each_error_is_a_problem_of_its_kind(home: None, error: Exception, status: int) -> None:
    response = answer(request(), error)
    assert response.status_code == status
    assert told(response)["type"] in {kind.type for kind in KINDS}
    assert ("Retry-After" in response.headers) == (status == 503)
    assert "secret" not in response.get_body().decode()


def test_wrong_input_of_what_is_no_program_is_a_bad_request(home: None) -> None:
    for path in ("/incidents", "/-/reload"):
        assert answer(request(path=path), InputError("no", (("a", "no"),))).status_code == 400


# --- what is accepted -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "is_taken"),
    [
        ("*/*", True),
        ("", True),
        ("application/json", True),
        ("application/*", True),
        ("text/html, application/json;q=0.1", True),
        ("text/html", False),
        ("application/json;q=0", False),
        ("application/json;q=0, */*", False),
        ("application/problem+json", False),
        ("*/*;q=0.000", False),
    ],
)
def test_accept(accept: str, is_taken: bool) -> None:
    assert accepts(accept, ("application/json",)) is is_taken


# --- conditions -----------------------------------------------------------------------------------------------------


async def test_what_is_known_is_not_sent_again(things: Things) -> None:
    first = await things.ask("get_thing", request())
    tag = first.headers["ETag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = await things.ask("get_thing", request(headers={"if-none-match": known}))
        assert (again.status_code, again.get_body(), again.headers["ETag"]) == (304, b"", tag)
    things.thing = Thing(name="b")
    changed = await things.ask("get_thing", request(headers={"if-none-match": tag}))
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


async def test_a_change_of_what_was_not_seen_is_refused(things: Things) -> None:
    tag = (await things.ask("get_thing", request())).headers["ETag"]
    for wrong in ('"x"', f"W/{tag}", ""):
        assert (await things.ask("put_thing", put(if_match=wrong))).status_code == 412
    assert things.changes == 0
    assert (await things.ask("put_thing", put(if_match=f'"x", {tag}'))).status_code == 200
    assert (await things.ask("put_thing", put(if_match=tag))).status_code == 412
    assert (await things.ask("put_thing", put(if_match="*"))).status_code == 200
    assert (await things.ask("put_thing", put())).status_code == 200


def test_nothing_matches_what_is_not_there() -> None:
    with pytest.raises(PreconditionError):
        check_match(request(headers={"if-match": "*"}), None)
    check_match(request(headers={"if-match": '"7"'}), "7")


# --- keys -----------------------------------------------------------------------------------------------------------


async def test_the_same_request_under_a_key_is_done_once(things: Things) -> None:
    first = await things.ask("put_thing", put(idempotency_key="k"))
    again = await things.ask("put_thing", put(idempotency_key="k"))
    assert things.changes == 1
    assert (again.status_code, again.get_body(), again.mimetype) == (200, first.get_body(), first.mimetype)
    assert (first.headers["ETag"], again.headers["ETag"]) == ('"1"', '"1"')
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await things.ask("put_thing", put(idempotency_key="other"))).status_code == 200
    assert things.changes == 2


async def test_another_request_under_a_key_is_wrong(things: Things) -> None:
    await things.ask("put_thing", put(idempotency_key="k"))
    refused = await things.ask("put_thing", put({"name": "c"}, idempotency_key="k"))
    assert (refused.status_code, told(refused)["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert things.changes == 1


async def test_of_two_at_once_one_is_refused(things: Things) -> None:
    answers = await asyncio.gather(*(things.ask("put_thing", put(idempotency_key="k")) for _ in range(2)))
    assert sorted(one.status_code for one in answers) == [200, 409]
    assert things.changes == 1


@pytest.mark.parametrize(("error", "is_remembered"), [(ConflictError("no"), True), (UnavailableError("no"), False)])
async def test_a_refusal_is_remembered_and_a_failure_is_not(
    things: Things, error: Exception, is_remembered: bool
) -> None:
    things.error = error
    first = await things.ask("put_thing", put(idempotency_key="k"))
    things.error = None
    again = await things.ask("put_thing", put(idempotency_key="k"))
    assert first.status_code in (409, 503)
    assert again.status_code == (409 if is_remembered else 200)


async def test_two_who_choose_the_same_key_do_not_meet(home: None) -> None:
    done: list[str] = []

    async def handler(request: func.HttpRequest) -> func.HttpResponse:
        done.append("once")
        return func.HttpResponse("done")

    for who in (LOCAL, Principal("key:b", "b", frozenset({Scope.ADMIN}))):
        await once("k", who, request("POST"), handler)
    assert len(done) == 2


async def test_a_secret_is_not_remembered(home: None) -> None:
    async def handler(request: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("a secret", status_code=201)

    asked = request("POST")
    assert (await once("k", LOCAL, asked, handler, shown_once=True)).get_body() == b"a secret"
    with pytest.raises(ConflictError, match="only once"):
        await once("k", LOCAL, asked, handler, shown_once=True)


async def test_a_long_answer_is_not_remembered(home: None) -> None:
    async def handler(request: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(b"x" * (LARGEST_ANSWER_BYTES + 1))

    await once("k", LOCAL, request("POST"), handler)
    with pytest.raises(ConflictError):
        await once("k", LOCAL, request("POST"), handler)


async def test_one_that_was_cancelled_may_be_asked_again(home: None) -> None:
    async def handler(request: func.HttpRequest) -> func.HttpResponse:
        raise asyncio.CancelledError

    async def well(request: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("done")

    with pytest.raises(asyncio.CancelledError):
        await once("k", LOCAL, request("POST"), handler)
    assert (await once("k", LOCAL, request("POST"), well)).get_body() == b"done"


@pytest.mark.parametrize("key", ["", "x" * (LONGEST_KEY + 1), "größe", "a\nb"])
async def test_what_is_no_key(things: Things, key: str) -> None:
    assert (await things.ask("put_thing", put(idempotency_key=key))).status_code == 422


# --- other origins --------------------------------------------------------------------------------------------------


def preflight(origin: str, method: str = "PUT") -> func.HttpRequest:
    return request("OPTIONS", headers={"origin": origin, "access-control-request-method": method})


async def test_the_scripts_of_a_listed_origin_may_ask(things: Things) -> None:
    before = await things.ask(LAST, preflight(ELSEWHERE))
    assert (before.status_code, before.headers["Access-Control-Allow-Origin"]) == (204, ELSEWHERE)
    assert before.headers["Access-Control-Allow-Methods"] == "GET, PUT"
    assert "Idempotency-Key" in before.headers["Access-Control-Allow-Headers"]
    shown = await things.ask("get_thing", request(headers={"origin": ELSEWHERE}))
    assert shown.headers["Access-Control-Allow-Origin"] == ELSEWHERE
    assert "ETag" in shown.headers["Access-Control-Expose-Headers"]
    assert "Origin" in shown.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in shown.headers


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://console.example.com", f"{ELSEWHERE}.x"])
async def test_no_others_may(things: Things, origin: str) -> None:
    before = await things.ask(LAST, preflight(origin))
    assert before.status_code == 405
    for response in (before, await things.ask("get_thing", request(headers={"origin": origin}))):
        assert "Access-Control-Allow-Origin" not in response.headers


# --- cursors --------------------------------------------------------------------------------------------------------


def test_a_cursor_is_read_back() -> None:
    cursor = write_cursor("things", "größe/1", 7)
    assert read_cursor(cursor, "things", str, int) == ("größe/1", 7)
    assert read_cursor(None, "things", str) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "größe",
        "!!!!",
        "bm90IEpTT04",
        "e30",
        "W10",
        "A" * 5000,
        write_cursor("others", "a"),
        write_cursor("things", 1),
        write_cursor("things", "a", "b"),
        write_cursor("things"),
    ],
)
def test_what_is_no_cursor_of_the_list_is_refused(cursor: str) -> None:
    with pytest.raises(InputError, match="query parameter 'cursor'") as found:
        read_cursor(cursor, "things", str)
    assert found.value.errors[0][0] == "cursor"


def test_the_instant_of_a_cursor_is_one() -> None:
    assert read_moment("2026-11-22T12:00:00").tzinfo is not None
    with pytest.raises(InputError):
        read_moment("noon")


def test_a_list_is_cut_where_one_more_was_found() -> None:
    assert cut([1, 2, 3], 2, str) == ([1, 2], "2")
    assert cut([1, 2], 2, str) == ([1, 2], None)
