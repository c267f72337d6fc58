"""What tools read, over real connections: Prometheus, runbooks, Log Analytics; and where they refuse to read."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from azure.core.credentials import AccessToken

from adapters.agents.fencing import fence_for, masked
from adapters.agents.fetching import Fetcher, ToolError
from adapters.agents.logs import LogAnalytics, make_log_client
from adapters.agents.prometheus import Series, query_prometheus, told
from adapters.agents.runbooks import PART, allowed_address, read_runbook
from adapters.agents.toolbox import MOST_LOOKED_AT, Toolbox
from adapters.guard import Guard
from domain.addresses import Allowance
from domain.groups import Reason, ReasonCode
from domain.triage import Evidence, EvidenceKind, PrometheusSource, Runbooks
from tests.agents.scripts import ALL_TOOLS, NoSources, slow_orders, with_rules
from tests.builders import MINUTE, NOON, entry
from tests.domain.triaging import AT_TEN_PAST, change, past

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
type Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> str:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handler)
            runner = web.AppRunner(app)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            scheme = "https" if tls else "http"
            return f"{scheme}://localhost:{runner.addresses[0][1]}"

        yield serving


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    found = Fetcher(most_bytes=100_000, seconds=2)
    yield found
    await found.close()


def answering(document: object, status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        text = document if isinstance(document, str) else json.dumps(document)
        kind = "application/json" if not isinstance(document, str) else "text/plain"
        return web.Response(text=text, status=status, headers=headers, content_type=kind)

    return handler


# --- Prometheus -------------------------------------------------------------------------------------------------------


def matrix(*rows: tuple[dict[str, str], list[tuple[float, str]]]) -> dict[str, Any]:
    return {"data": {"resultType": "matrix", "result": [{"metric": m, "values": v} for m, v in rows]}}


async def test_prometheus_is_asked_for_an_instant_and_for_a_range(
    serve: Serve, fetcher: Fetcher, tmp_path: Path
) -> None:
    asked: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        vector = {"resultType": "vector", "result": [{"metric": {"__name__": "up", "job": "db"}, "value": [1, "0"]}]}
        return web.json_response({"status": "success", "data": vector})

    (tmp_path / "token").write_text("abc\n")
    source = PrometheusSource(await serve(handler) + "/prom/", str(tmp_path / "token"))
    lines = await query_prometheus(fetcher, source, 'up{job="db"} & more', AT_TEN_PAST)
    assert lines == ["1 series", "up{job=db}: 0"]
    await query_prometheus(fetcher, source, "up", AT_TEN_PAST, minutes=100_000)
    instant, range_ = asked
    assert instant.path == "/prom/api/v1/query"
    assert dict(instant.query) == {"query": 'up{job="db"} & more', "time": f"{AT_TEN_PAST.timestamp():.3f}"}
    assert instant.headers["Authorization"] == "Bearer abc"
    assert range_.path == "/prom/api/v1/query_range"
    assert float(range_.query["end"]) - float(range_.query["start"]) == 24 * 3600
    assert int(range_.query["step"]) == 216


def points(*numbers: float) -> list[tuple[float, float]]:
    return [(NOON.timestamp() + 60 * at, number) for at, number in enumerate(numbers)]


@pytest.mark.parametrize(
    ("numbers", "threshold", "line"),
    [
        pytest.param([5.0], None, "{}: 5", id="one point"),
        pytest.param([1.0, 2.0], None, "{}: 12:00:00 1, 12:01:00 2", id="a few are told one by one"),
        pytest.param(
            [1, 1, 1, 1, 1, 1, 9, 9, 9],
            None,
            "{}: from 12:00:00 to 12:08:00 min 1 max 9 mean 3.667 last 9, first unusual at 12:06:00 with 9",
            id="when it became unusual",
        ),
        pytest.param(
            [1, 1, 1, 1, 1, 1, 1, 1, 1.05],
            None,
            "{}: from 12:00:00 to 12:08:00 min 1 max 1.05 mean 1.006 last 1.05, never far from what it was at first",
            id="rounding is not unusual",
        ),
        pytest.param(
            [1, 2, 3, 4, 5, 6, 7],
            4.5,
            "{}: from 12:00:00 to 12:06:00 min 1 max 7 mean 4 last 7, first above 4.5 at 12:04:00 with 5",
            id="when it came above a threshold",
        ),
        pytest.param([1.0, 2.0], 7.0, "{}: 12:00:00 1, 12:01:00 2, never above 7", id="never"),
        pytest.param(
            [1.0, float("nan"), float("inf")], None, "{}: 1, 2 points without a number", id="what is no number is said"
        ),
        pytest.param([], None, "{}: no number", id="nothing"),
    ],
)
def test_a_series_is_told_as_a_person_would(numbers: list[float], threshold: float | None, line: str) -> None:
    assert told([Series({}, points(*numbers))], AT_TEN_PAST, threshold)[1:] == [line]


def test_what_moved_most_is_told_first() -> None:
    calm = [Series({"__name__": "calm", "n": str(number)}, points(*[1.0] * 20)) for number in range(40)]
    moved = Series({"__name__": "moved"}, points(*[1.0] * 15, *[7.0] * 5))
    lines = told([*calm, moved], AT_TEN_PAST)
    assert lines[0] == "41 series, the 30 that moved most"
    assert lines[1].startswith("moved{}: ")
    assert len(lines) == 31


@pytest.mark.parametrize(
    ("document", "status", "words"),
    [
        pytest.param({"error": "parse error at char 3"}, 400, "400: parse error at char 3", id="a wrong query"),
        pytest.param("<html>", 200, "cannot be read", id="a page"),
        pytest.param(
            {"data": {"resultType": "matrix", "result": [{"metric": 1}]}}, 200, "cannot be read", id="a shape"
        ),
        pytest.param("x" * 200_000, 200, "larger than 100000 bytes", id="too much"),
    ],
)
async def test_trouble_with_prometheus_is_told(
    serve: Serve, fetcher: Fetcher, document: object, status: int, words: str
) -> None:
    source = PrometheusSource(await serve(answering(document, status)))
    with pytest.raises(ToolError, match=words):
        await query_prometheus(fetcher, source, "up", AT_TEN_PAST)


async def test_a_redirect_is_not_followed(serve: Serve, fetcher: Fetcher) -> None:
    reached: list[str] = []

    async def inner(request: web.Request) -> web.StreamResponse:
        reached.append(request.path)
        return web.Response(text="secret")

    url = await serve(answering("", 302, Location=await serve(inner)))
    with pytest.raises(ToolError, match="redirects are not followed"):
        await query_prometheus(fetcher, PrometheusSource(url), "up", AT_TEN_PAST)
    with pytest.raises(ToolError, match="redirects are not followed"):
        await read_runbook(fetcher, Runbooks(addresses=(f"{url}/",)), f"{url}/page")
    assert not reached


async def test_a_guarded_address_is_not_asked(serve: Serve) -> None:
    reached: list[str] = []

    async def inner(request: web.Request) -> web.StreamResponse:
        reached.append(request.path)
        return web.Response(text="secret")

    url = await serve(inner)
    guarded = Fetcher(Guard(Allowance()))
    for address in (url, url.replace("localhost", "127.0.0.1"), "http://169.254.169.254"):
        with pytest.raises(ToolError, match=r"was not asked|could not be reached"):
            await query_prometheus(guarded, PrometheusSource(address), "up", AT_TEN_PAST)
    await guarded.close()
    assert not reached


# --- runbooks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "runbooks"
    (found / "team").mkdir(parents=True)
    (found / "db.md").write_text("# Database\nRestart the pool.")
    (found / "team" / "page.html").write_text(
        "<head><title>x</title></head><script>evil()</script><p>One</p><p>Two</p>"
    )
    (tmp_path / "outside.md").write_text("nobody's business")
    (found / "link.md").symlink_to(tmp_path / "outside.md")
    return found


async def test_a_runbook_is_read_from_the_folder(fetcher: Fetcher, folder: Path) -> None:
    where = Runbooks(str(folder))
    lines = await read_runbook(fetcher, where, "db.md")
    assert lines == ["runbook db.md, part 1 of 1", "# Database", "Restart the pool."]
    assert [one for one in await read_runbook(fetcher, where, "team/page.html") if one][1:] == ["One", "Two"]


async def test_runbooks_are_listed(fetcher: Fetcher, folder: Path) -> None:
    (folder / "team" / "up").symlink_to(folder.parent)
    (folder / ".git").write_text("")
    lines = await read_runbook(fetcher, Runbooks(str(folder)), "")
    assert lines == ["2 runbooks", "db.md", "team/page.html"]


async def test_a_long_runbook_is_read_in_parts(fetcher: Fetcher, folder: Path) -> None:
    (folder / "long.md").write_text("x" * (PART + 1))
    assert (await read_runbook(fetcher, Runbooks(str(folder)), "long.md", 2)) == ["runbook long.md, part 2 of 2", "x"]
    with pytest.raises(ToolError, match="parts 1 to 2"):
        await read_runbook(fetcher, Runbooks(str(folder)), "long.md", 3)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.md",
        "link.md",
        "/etc/passwd",
        "team/../../outside.md",
        "missing.md",
        "team",
        ".",
        "a\0b",
        "x" * 5_000,
    ],
)
async def test_there_is_no_way_out_of_the_folder(fetcher: Fetcher, folder: Path, name: str) -> None:
    with pytest.raises(ToolError, match="no such runbook"):
        await read_runbook(fetcher, Runbooks(str(folder)), name)


async def test_without_a_folder_nothing_is_read(fetcher: Fetcher) -> None:
    with pytest.raises(ToolError, match="no folder"):
        await read_runbook(fetcher, Runbooks(), "pyproject.toml")


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        pytest.param("https://wiki.example/books/db", True, id="below it"),
        pytest.param("https://wiki.example/books/db?page=2#top", True, id="with a query"),
        pytest.param("https://wiki.example/books/a/../db", True, id="still below it"),
        pytest.param("https://WIKI.example/books/db", True, id="hosts have no case"),
        pytest.param("https://wiki.example/books/../admin", False, id="out of it"),
        pytest.param("https://wiki.example/books/%2e%2e/admin", False, id="out of it, written otherwise"),
        pytest.param("https://wiki.example/books/..%2fadmin", False, id="a slash, written otherwise"),
        pytest.param("https://wiki.example/books\\..\\admin", False, id="backslashes"),
        pytest.param("https://wiki.example/booksandmore", False, id="another path that begins alike"),
        pytest.param("https://wiki.example.evil.example/books/", False, id="another host that begins alike"),
        pytest.param("https://wiki.example@evil.example/books/", False, id="a user"),
        pytest.param("https://evil@wiki.example/books/", False, id="a user of the right host"),
        pytest.param("https://wiki.example:444/books/", False, id="another port"),
        pytest.param("http://wiki.example/books/", False, id="another scheme"),
        pytest.param("file:///etc/passwd", False, id="a file"),
        pytest.param("https://wiki.example/books/\nHost: evil.example", False, id="a line break"),
        pytest.param("https://[::1", False, id="no address"),
    ],
)
def test_only_addresses_below_a_configured_one_are_asked(address: str, *, is_allowed: bool) -> None:
    where = Runbooks(addresses=("https://wiki.example/books/", "https://wiki.example/bo"))
    assert (allowed_address(where, address) is not None) == is_allowed


async def test_a_runbook_is_read_from_its_address(serve: Serve, fetcher: Fetcher) -> None:
    url = await serve(answering("Restart the pool."))
    where = Runbooks(addresses=(f"{url}/books/",))
    assert (await read_runbook(fetcher, where, f"{url}/books/db"))[1:] == ["Restart the pool."]
    missing = await serve(answering("no", 404))
    with pytest.raises(ToolError, match="answered 404"):
        await read_runbook(fetcher, Runbooks(addresses=(f"{missing}/",)), f"{missing}/db")


# --- Log Analytics ----------------------------------------------------------------------------------------------------


class Credential:
    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(f"token for {scopes[0]}", int(time.time()) + 3_600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Credential:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@pytest.fixture
async def logs(serve: Serve, tmp_path: Path) -> AsyncIterator[tuple[LogAnalytics, list[dict[str, Any]]]]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    asked: list[dict[str, Any]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked.append({**body, "path": request.path, "authorization": request.headers["Authorization"]})
        if "Nothing" in body["query"]:
            return web.json_response({"error": {"code": "SyntaxError", "message": "secret"}}, status=400)
        columns = [{"name": "TimeGenerated", "type": "datetime"}, {"name": "Message", "type": "string"}]
        rows = [["2026-07-01T12:00:00Z", f"timeout {number}"] for number in range(41)]
        return web.json_response({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}]})

    url = await serve(handler, tls)
    found = LogAnalytics(
        lambda: make_log_client(Credential(), endpoint=url, connection_verify=str(tmp_path / "ca.pem"))
    )
    yield found, asked
    await found.close()


async def test_logs_are_asked_for_the_first_rows(logs: tuple[LogAnalytics, list[dict[str, Any]]]) -> None:
    asker, asked = logs
    lines = await asker.query("w-1", "AppTraces | where Message has 'timeout';", AT_TEN_PAST, 30)
    assert lines[0] == "more than 40 rows"
    assert lines[1].endswith("Message=timeout 0")
    assert len(lines) == 41
    (one,) = asked
    assert one["path"] == "/v1/workspaces/w-1/query"
    assert one["query"] == "AppTraces | where Message has 'timeout'\n| take 41"
    assert one["timespan"].startswith((AT_TEN_PAST - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S"))
    with pytest.raises(ToolError, match="Log Analytics answered with") as raised:
        await asker.query("w-1", "Nothing", AT_TEN_PAST, 30)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "query",
    [
        "externaldata(x:string)['https://evil.example/x']",
        "let x = ExternalData (y:string) [h'https://evil.example']; x",
        "workspace('other').Heartbeat",
        "union Heartbeat, app ('other').requests",
        "cluster('help').database('Samples').Storms",
        "T | evaluate http_request('https://evil.example')",
        "adx('https://help.kusto.windows.net/Samples').Storms",
        "arg('').Resources",
        ".show tables",
        "T\n  .drop table T",
        "",
        "x" * 2_001,
    ],
)
async def test_a_query_reads_this_workspace_and_nothing_else(
    logs: tuple[LogAnalytics, list[dict[str, Any]]], query: str
) -> None:
    asker, asked = logs
    with pytest.raises(ToolError):
        await asker.query("w-1", query, AT_TEN_PAST, 30)
    assert not asked


async def test_aggregates_with_like_names_may_be_used(logs: tuple[LogAnalytics, list[dict[str, Any]]]) -> None:
    asker, _ = logs
    assert await asker.query("w", "T | summarize arg_max(TimeGenerated, *) by Computer", AT_TEN_PAST, 30)


# --- the box ----------------------------------------------------------------------------------------------------------


def box(*lines: str, **rules: Any) -> Toolbox:
    asked = with_rules(
        slow_orders(
            changes=[
                change("c7", service="db"),
                change("c8", service="web"),
                change("c1", before=3 * 24 * 60 * MINUTE),
            ],
            history=[past(2, "HighLatency", "orders db", notes=("restarted the pool",)), past(3, "DiskFull", "logs")],
        ),
        **(rules or ALL_TOOLS),
    )
    return Toolbox(masked(asked), fence_for(asked), NoSources(*lines))


def seen(tools: Toolbox) -> Evidence:
    return tools.evidence[-1]


async def test_tools_are_offered_where_there_is_something_to_ask() -> None:
    every = {one.name for one in box().tools()}
    assert every == {
        "similar_incidents",
        "recent_changes",
        "alert_history",
        "query_prometheus",
        "runbook",
        "query_logs",
    }
    assert {one.name for one in box(log_workspace="").tools()} == every - {"query_prometheus", "runbook", "query_logs"}


async def test_the_past_is_told_with_how_it_ended() -> None:
    tools = box()
    await tools.similar_incidents("high latency of orders")
    first, note, *_ = seen(tools).text.splitlines()
    assert "ended by itself: HighLatency" in first
    assert note.endswith("restarted the pool")


async def test_changes_are_told_by_service_and_time() -> None:
    tools = box()
    await tools.recent_changes("db", 24)
    assert seen(tools).text == "change c7 at 11:55:00 of db: deploy c7"
    await tools.recent_changes("", 24 * 7)
    assert [line.split()[1] for line in seen(tools).text.splitlines()] == ["c7", "c8", "c1"]
    await tools.recent_changes("nobody")
    assert seen(tools).text == "no change is known"


async def test_an_alert_is_told_by_its_service_or_its_name() -> None:
    tools = box()
    await tools.alert_history("db")
    assert "SlowQueries" in seen(tools).text
    assert "HighLatency" not in seen(tools).text
    await tools.alert_history("HighLatency")
    assert "SlowQueries" not in seen(tools).text


async def test_what_prometheus_asked_and_what_the_trail_says_is_told_of_an_alert() -> None:
    tools = box()
    (first, *others) = tools.question.onsets
    link = "http://prometheus:9090/graph?g0.expr=rate%28x%5B5m%5D%29+%3E+1&g0.tab=1"
    fired = entry(reasons=(Reason(ReasonCode.FIRED, "it fires", fingerprints=(first.fingerprint,)),))
    tools.question = replace(
        tools.question,
        onsets=(replace(first, alert=replace(first.alert, generator_url=link)), *others),
        entries=(fired,),
    )
    await tools.alert_history("db")
    lines = seen(tools).text.splitlines()
    assert f"expression of {first.fingerprint}: rate(x[5m]) > 1" in lines
    assert lines[-1] == f"12:00:00 {ReasonCode.FIRED}: it fires"


async def test_what_a_tool_returns_is_evidence_under_our_own_ids() -> None:
    tools = box("up{} 1", "token: abcdefgh")
    first, second = await tools.query_prometheus("up"), await tools.runbook("db.md")
    assert '"id": "t1"' in first
    assert '"id": "t2"' in second
    assert [(one.id, one.kind) for one in tools.evidence] == [
        ("t1", EvidenceKind.METRICS),
        ("t2", EvidenceKind.RUNBOOK),
    ]
    assert tools.evidence[0].text == "up{} 1\ntoken: [redacted]"
    assert [one.evidence for one in tools.calls] == ["t1", "t2"]


async def test_what_a_tool_could_not_find_is_no_evidence() -> None:
    tools = box()
    assert "nothing is there" in await tools.query_logs("T")
    assert not tools.evidence
    assert tools.calls[0].error == "nothing is there"


async def test_there_is_an_end_of_looking() -> None:
    tools = box("up{} 1")
    answers = [await tools.query_prometheus("up") for _ in range(MOST_LOOKED_AT + 3)]
    assert "enough has been looked at" in answers[-1]
    assert len(tools.evidence) == MOST_LOOKED_AT


async def test_a_tool_that_hangs_or_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bad(NoSources):
        async def prometheus(self, *_: Any) -> list[str]:
            await asyncio.sleep(60)
            return []

        async def logs(self, *_: Any) -> list[str]:
            raise ZeroDivisionError("secret")

    monkeypatch.setattr("adapters.agents.toolbox.TOOL_SECONDS", 0.05)
    tools = box()
    tools.sources = Bad()
    assert "no answer within 0.05 s" in await tools.query_prometheus("up")
    assert "failed: ZeroDivisionError" in (answer := await tools.query_logs("T"))
    assert "secret" not in answer
