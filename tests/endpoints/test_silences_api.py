"""Alertmanager's API of silences: asked of the dev host over HTTP, and of the real Alertmanager what is the same."""

import json
import re
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlencode

import azure.functions as func
import pytest
import pytest_asyncio

import function_app
from adapters.settings import Settings
from adapters.wiring import Ports, wire
from domain.silence_api import LARGEST_BYTES, MOST_MATCHERS
from endpoints import silences, silencing
from endpoints.alertmanager import MANY
from endpoints.pipeline import answer
from tests.builders import silence
from tests.serving import Answer, Serving, eventually

JSON = {"Content-Type": "application/json"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Server(Protocol):
    """Tocsin or Alertmanager."""

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer: ...


class Alertmanager:
    """The real one, at some port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("mended")) as serving:
        yield serving


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("strict"), arguments=("--compat", "strict")) as serving:
        yield serving


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], Path]) -> Iterator[Alertmanager]:
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(program("prometheus-alertmanager")),
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data'}",
                "--cluster.listen-address=",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        address = re.compile(r"Listening on.*address=127\.0\.0\.1:(\d+)")
        (port,) = eventually(lambda: address.findall(log.read_text()), "the port of Alertmanager")
        yield Alertmanager(int(port))
    finally:
        process.kill()
        process.wait()


# --- one request, one answer ----------------------------------------------------------------------------------------


def matcher(name: Any = "a", value: Any = "b", *, isRegex: Any = False, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "isRegex": isRegex, **more}


POSTED: dict[str, Any] = {
    "matchers": [matcher()],
    "startsAt": "2020-01-01T00:00:00Z",
    "endsAt": "2099-01-01T00:00:00Z",
    "createdBy": "ada",
    "comment": "",
}


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in POSTED.items() if field != name}


class Asked(NamedTuple):
    """One request; a body that is not bytes is posted as JSON."""

    name: str
    body: Any = None
    method: str = "POST"
    path: str = "/api/v2/silences"
    headers: Mapping[str, str] = JSON

    def of(self, server: Server) -> tuple[int, str]:
        """The status, and the shape of the body."""
        body = self.body if self.body is None or isinstance(self.body, bytes) else json.dumps(self.body).encode()
        given = server.request(self.method, self.path, body, {} if body is None else self.headers)
        return given.status, shape(given.body)


def shape(body: bytes) -> str:
    """A code where one is told, else what kind of value it is."""
    if not body:
        return "empty"
    match json.loads(body):
        case {"code": code, "message": str()}:
            return f"code {code}"
        case {"silenceID": str() as id}:
            return "id" if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id) else id
        case str():
            return "text"
        case list():
            return "list"
        case other:
            return str(other)


def changed(name: str, **changes: Any) -> Asked:
    return Asked(name, POSTED | changes)


def matched(name: str, *matchers: Any) -> Asked:
    return changed(name, matchers=list(matchers))


OF_ONE = f"/api/v2/silence/{UNKNOWN}"

ALIKE: Mapping[tuple[int, str], Sequence[Asked]] = {
    (200, "id"): [
        changed("a new one"),
        changed("no id", id=""),
        changed("a null for an id", id=None),
        changed("no author", createdBy=""),
        changed("unknown fields", foo=1, status={"state": "x"}, updatedAt="never"),
        changed("an offset", endsAt="2098-12-31T00:00:00.123456789+02:00"),
        changed("Go's zero time as start", startsAt="0001-01-01T00:00:00Z"),
        changed("an empty start", startsAt=""),
        changed("a start before the calendar", startsAt="0000-12-31T23:59:59Z"),
        Asked("fields in any case", {field.upper(): value for field, value in POSTED.items()}),
        Asked("garbage behind it", json.dumps(POSTED).encode() + b" garbage"),
        Asked("a field twice", json.dumps(POSTED).encode()[:-1] + b', "comment": "second"}'),
        Asked("no UTF-8", json.dumps(POSTED | {"comment": "XX"}).encode().replace(b"XX", b"\xff\xfe")),
        Asked("a lone surrogate", POSTED | {"comment": "\ud800"}),
        Asked("a charset", POSTED, headers={"Content-Type": "application/json; charset=utf-8"}),
        matched("operators by flags", matcher(isEqual=False), matcher(isEqual=True), matcher(isEqual=None)),
        matched("an absence beside a value", matcher(value=""), matcher()),
        matched("an expression", matcher(value="x|y.*", isRegex=True)),
        matched("what RE2 alone can read", matcher(value=r"\pL(?i)x\z", isRegex=True)),
        matched("no expression, but none is meant", matcher(value="[")),
        matched("negative ones only", matcher(isEqual=False)),
        matched("a negative expression for anything", matcher(value=".*", isRegex=True, isEqual=False)),
        matched("presence", matcher(value="", isEqual=False)),
        matched("an absence beside a negative one", matcher(value=""), matcher("c", isEqual=False)),
    ],
    (422, "code 602"): [
        *[Asked(f"no {field}", without(field)) for field in POSTED],
        *[changed(f"a null for {field}", **{field: None}) for field in POSTED],
        Asked("nothing in it", {}),
        Asked("a null", b"null"),
        Asked("an empty body", b""),
        Asked("white space", b" \n"),
        Asked("no body at all"),
        matched("no flag", {"name": "a", "value": "b"}),
        matched("no value", {"name": "a", "isRegex": False}),
        matched("no name", {"value": "b", "isRegex": False}),
        matched("a second one without a flag", matcher(), {"name": "a", "value": "b"}),
    ],
    (422, "code 612"): [matched("no matchers")],
    (400, "code 400"): [
        Asked("no JSON", b"{"),
        Asked("an array", []),
        Asked("a text", "x"),
        changed("a number for a comment", comment=1),
        changed("a number for an id", id=1),
        changed("a number for a time", startsAt=1),
        changed("no time", startsAt="yesterday"),
        changed("an object for matchers", matchers={}),
        matched("a text for a matcher", "a=b"),
        matched("a number for a name", matcher(1)),
        matched("a text for a flag", matcher(isRegex="true")),
        Asked("no media type", POSTED, headers={"Content-Type": "application/json, text/plain"}),
    ],
    (415, "code 415"): [
        Asked("another media type", POSTED, headers={"Content-Type": "text/plain"}),
        Asked("none told", POSTED, headers={}),
        Asked("a body of another type to delete", b"x", "DELETE", OF_ONE, {"Content-Type": "text/plain"}),
    ],
    (400, "text"): [
        changed("no time between", startsAt="2098-01-01T00:00:00Z", endsAt="2098-01-01T00:00:00Z"),
        changed("an end before the start", startsAt="2098-01-01T00:00:00Z", endsAt="2097-01-01T00:00:00Z"),
        changed("all of it past", endsAt="2021-01-01T00:00:00Z"),
        changed("Go's zero time as end", endsAt="0001-01-01T00:00:00Z"),
        changed("all of it past, and an unknown id", endsAt="2021-01-01T00:00:00Z", id=UNKNOWN),
        matched("an empty name", matcher("")),
        matched("an absence", matcher(value="")),
        matched("two absences", matcher(value=""), matcher("c", "")),
        matched("an expression for anything", matcher(value=".*", isRegex=True)),
        matched("no expression", matcher(value="[", isRegex=True)),
        matched("an expression between anchors only", matcher(value="x)|(?:b", isRegex=True)),
        Asked("a filter that is none", method="GET", path="/api/v2/silences?filter=a"),
        Asked("an empty filter", method="GET", path="/api/v2/silences?filter="),
        Asked("a filter of two", method="GET", path=f"/api/v2/silences?filter={quote('{a=b}')}"),
        Asked("a filter with a bad expression", method="GET", path=f"/api/v2/silences?filter={quote('a=~"["')}"),
    ],
    (404, "text"): [changed("an unknown id", id=UNKNOWN), changed("an id that is none", id="x")],
    (404, "empty"): [
        Asked("an unknown one", method="GET", path=OF_ONE),
        Asked("an unknown one without hyphens", method="GET", path=OF_ONE.replace("-", "")),
    ],
    (422, "code 601"): [
        Asked("an id that is none to get", method="GET", path="/api/v2/silence/x"),
        Asked("an id that is none to delete", method="DELETE", path="/api/v2/silence/x"),
    ],
    (404, "code 404"): [
        Asked("no id", method="GET", path="/api/v2/silence/"),
        Asked("two ids", method="GET", path="/api/v2/silence/x/y"),
    ],
    (405, "code 405"): [
        Asked("all to delete", method="DELETE"),
        Asked("one to put", POSTED, "PUT"),
        Asked("one to post", POSTED, path=OF_ONE),
    ],
    (200, "list"): [
        Asked("all", method="GET"),
        Asked("those of a filter", method="GET", path=f"/api/v2/silences?filter={quote('a="b"')}&filter=c!%3Dd"),
    ],
}

DIFFERENT: Mapping[str, tuple[Asked, tuple[int, str], tuple[int, str] | None]] = {
    "0.34 knows a silence that is unknown from its own faults": (
        Asked("", method="DELETE", path=OF_ONE),
        (404, "empty"),
        (500, "text"),
    ),
    "0.34 looks for the silence when it has been found right": (
        changed("", id=UNKNOWN, matchers=[matcher(value="")]),
        (400, "text"),
        (404, "text"),
    ),
    "0.34 takes any UTF-8 for a name": (matched("", matcher("größe 1")), (200, "id"), (400, "text")),
    "0.34 reads a date without a time": (changed("", endsAt="2099-01-01"), (200, "id"), (400, "code 400")),
    "0.34 stores any year": (changed("", endsAt="9999-12-31T23:59:59Z"), (200, "id"), (400, "text")),
    "0.34 and 0.25 alike die of it": (matched("", None), (422, "code 602"), None),
    "0.34 and 0.25 alike take an expression that cannot be anchored, and mute nothing": (
        matched("", matcher(value=r"a\Qb", isRegex=True)),
        (400, "text"),
        (200, "id"),
    ),
}


def each(server: Server) -> dict[str, tuple[int, str]]:
    """How the requests that both answer alike are answered, by their names."""
    return {asked.name: asked.of(server) for several in ALIKE.values() for asked in several}


EXPECTED = {asked.name: expected for expected, several in ALIKE.items() for asked in several}


# One test for all: the servers are started for each process that runs one.
def test_requests_are_answered(strict: Serving) -> None:
    assert each(strict) == EXPECTED
    assert {why: asked.of(strict) for why, (asked, _, _) in DIFFERENT.items()} == {
        why: expected for why, (_, expected, _) in DIFFERENT.items()
    }


@pytest.mark.needs("prometheus-alertmanager")
def test_alertmanager_answers_alike(alertmanager: Alertmanager) -> None:
    assert each(alertmanager) == EXPECTED


@pytest.mark.needs("prometheus-alertmanager")
@pytest.mark.parametrize(
    ("asked", "expected"), [pytest.param(row[0], row[2], id=why) for why, row in DIFFERENT.items()]
)
def test_alertmanager_025_answers_otherwise(
    alertmanager: Alertmanager, asked: Asked, expected: tuple[int, str] | None
) -> None:
    try:
        given = asked.of(alertmanager)
    except ConnectionError:
        assert expected is None
    else:
        assert given == expected


# --- several requests -----------------------------------------------------------------------------------------------


def instant(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def post(server: Server, path: str = "/api/v2/silences", **changes: Any) -> str:
    """The id that a posted silence is kept under."""
    given = server.request("POST", path, json.dumps(POSTED | changes).encode(), JSON)
    assert given.status == 200, given.text
    id: str = given.json()["silenceID"]
    return id


def shown(server: Server, id: str) -> dict[str, Any]:
    given = server.request("GET", f"/api/v2/silence/{id}")
    assert given.status == 200
    silence: dict[str, Any] = given.json()
    return silence


def listed(server: Server, *filters: str, **flags: str) -> list[str]:
    """The comments of those that these matchers find."""
    query = urlencode([*[("filter", text) for text in filters], *flags.items()])
    given = server.request("GET", f"/api/v2/silences?{query}")
    assert given.status == 200
    return [silence["comment"] for silence in given.json()]


def edits(server: Server, name: str) -> list[tuple[str, bool, str]]:
    """What becomes of silences that are changed: the change, whether the id stayed, and the state of the old one."""
    told: list[tuple[str, bool, str]] = []
    matchers = [matcher(name, "x"), matcher(name, "y")]

    def change(what: str, id: str, **changes: Any) -> str:
        answered = post(server, id=id, **({"matchers": matchers, "startsAt": shown(server, id)["startsAt"]} | changes))
        told.append((what, answered == id, shown(server, id)["status"]["state"]))
        return answered

    id = post(server, matchers=matchers)
    id = change("a later end", id, endsAt=instant(7200))
    id = change("an earlier end", id, endsAt=instant(3600))
    id = change("another comment", id, comment="changed")
    id = change("another order", id, matchers=matchers[::-1])
    id = change("other matchers", id, matchers=matchers[:1])
    id = change("a later start", id, matchers=matchers[:1], startsAt=instant(1000))
    id = change("a still later start", id, matchers=matchers[:1], startsAt=instant(2000))
    pending = id
    id = change("a start in the past", id, matchers=matchers[:1], startsAt=instant(-5))
    change("an expired one", pending, matchers=matchers[:1], startsAt=instant(1000))
    for what, ended in (("ended", id), ("ended twice", id)):
        before = shown(server, ended)["endsAt"]
        assert server.request("DELETE", f"/api/v2/silence/{ended}").status == 200
        told.append((what, shown(server, ended)["endsAt"] == before, shown(server, ended)["status"]["state"]))
    return told


EDITED = [
    ("a later end", True, "active"),
    ("an earlier end", True, "active"),
    ("another comment", True, "active"),
    ("another order", False, "expired"),
    ("other matchers", False, "expired"),
    ("a later start", False, "expired"),
    ("a still later start", True, "pending"),
    ("a start in the past", False, "expired"),
    ("an expired one", False, "expired"),
    ("ended", False, "expired"),
    ("ended twice", True, "expired"),
]


def test_a_change_keeps_history(strict: Serving) -> None:
    assert edits(strict, "edited") == EDITED


@pytest.mark.needs("prometheus-alertmanager")
def test_alertmanager_keeps_history_alike(alertmanager: Alertmanager) -> None:
    assert edits(alertmanager, "edited") == EDITED


def lists(server: Server) -> list[list[str]]:
    """The comments of silences that several filters find, in their order."""
    ordered = [matcher("listed", "x"), matcher("by", ".+", isRegex=True)]
    for comment, start, end in (
        ("active, ends last", -5, 3000),
        ("pending, starts last", 2000, 3000),
        ("active, ends first", -5, 1000),
        ("pending, starts first", 1000, 4000),
        ("expired first", -5, 1000),
        ("expired last", 500, 1000),
    ):
        id = post(server, matchers=ordered, comment=comment, startsAt=instant(start), endsAt=instant(end))
        if comment.startswith("expired"):
            assert server.request("DELETE", f"/api/v2/silence/{id}").status == 200
            time.sleep(0.002)
    return [
        listed(server, 'listed="x"'),
        listed(server, 'by=~".+"', "listed=x"),
        listed(server, 'listed=~"x"'),
        listed(server, 'by="y"'),
    ]


LISTED = [
    "active, ends first",
    "active, ends last",
    "pending, starts first",
    "pending, starts last",
    "expired last",
    "expired first",
]


def test_lists_have_alertmanagers_order(strict: Serving) -> None:
    assert lists(strict) == [LISTED, LISTED, [], []]
    assert listed(strict, 'listed="x"', expired="false") == LISTED[:4]
    assert listed(strict, 'listed="x"', active="0", expired="false") == LISTED[2:4]
    assert listed(strict, 'listed="x"', active="no", pending="false", expired="true") == LISTED[4:]
    assert listed(strict, 'listed="x"', active="", pending="", expired="") == LISTED


@pytest.mark.needs("prometheus-alertmanager")
def test_alertmanagers_lists_are_alike(alertmanager: Alertmanager) -> None:
    assert lists(alertmanager) == [LISTED, LISTED, [], []]


def test_a_silence_is_shown_with_alertmanagers_fields(tocsin: Serving) -> None:
    matchers = [matcher("shown", "x|y", isRegex=True), matcher("größe 1", "\n", isEqual=False)]
    ends_at = instant(3600)
    id = post(tocsin, matchers=matchers, endsAt=ends_at, comment="why ✓", annotations={"ticket": "OPS-1"})
    silence = shown(tocsin, id)
    (same,) = tocsin.get(f"/api/v2/silences?filter={quote('shown=~"x|y"')}").json()
    assert same == silence
    updated_at = silence["updatedAt"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", updated_at)
    assert abs(datetime.fromisoformat(updated_at) - datetime.now(UTC)) < timedelta(minutes=1)
    assert silence == {
        "id": id,
        "status": {"state": "active"},
        "updatedAt": updated_at,
        "annotations": {"ticket": "OPS-1"},
        "comment": "why ✓",
        "createdBy": "ada",
        "endsAt": f"{ends_at[:23]}Z",
        "matchers": [
            {"isEqual": True, "isRegex": True, "name": "shown", "value": "x|y"},
            {"isEqual": False, "isRegex": False, "name": "größe 1", "value": "\n"},
        ],
        "startsAt": updated_at,
    }


@pytest.mark.needs("prometheus-alertmanager")
def test_alertmanager_shows_the_same_fields(tocsin: Serving, alertmanager: Alertmanager) -> None:
    ours, theirs = (shown(server, post(server)) for server in (tocsin, alertmanager))
    assert ours.pop("annotations") == {}  # since 0.32
    assert list(ours) == list(theirs)
    assert [ours[name] for name in POSTED if name != "startsAt"] == [
        theirs[name] for name in POSTED if name != "startsAt"
    ]
    assert ours["status"] == theirs["status"]


def test_silences_outlive_a_crash(tmp_path: Path) -> None:
    with Serving(tmp_path) as serving:
        id = post(serving, annotations={"a": "b"})
        before = shown(serving, id)
        serving.kill()
        serving.start()
        assert shown(serving, id) == before


def test_of_two_who_change_one_at_once_neither_is_lost(tocsin: Serving) -> None:
    matchers = [matcher("contended", "x")]
    id = post(tocsin, matchers=matchers)
    starts_at = shown(tocsin, id)["startsAt"]

    def replace(number: int) -> str:
        return post(tocsin, id=id, matchers=[matcher("contended", str(number))], startsAt=starts_at)

    with ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(replace, range(8)))
    assert len(set(answered)) == 8
    states = [silence["status"]["state"] for silence in tocsin.get("/api/v2/silences").json() if silence["id"] == id]
    assert states == ["expired"]
    assert [shown(tocsin, new)["matchers"][0]["value"] for new in answered] == [str(number) for number in range(8)]


# --- what Tocsin does otherwise -------------------------------------------------------------------------------------


def test_a_silence_of_negative_matchers_only_must_be_confirmed(tocsin: Serving) -> None:
    broad: dict[str, Any] = POSTED | {"matchers": [matcher("zone", "a", isEqual=False)]}
    refused = tocsin.post("/api/v2/silences", broad)
    assert refused.status == 400
    assert 'a silence of only zone!="a" mutes nearly everything' in refused.json()
    assert "confirm=true" in refused.json()
    assert tocsin.post("/api/v2/silences?confirm=false", broad).status == 400
    id = post(tocsin, "/api/v2/silences?confirm=true", **broad)
    assert post(tocsin, **broad, id=id) != id, "its start was posted in another second"
    tocsin.request("DELETE", f"/api/v2/silence/{id}")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"matchers": [matcher()] * MOST_MATCHERS}, 200, id="as many matchers as may be"),
        pytest.param({"matchers": [matcher()] * (MOST_MATCHERS + 1)}, 400, id="one more"),
        pytest.param({"comment": "x" * (LARGEST_BYTES - 1000)}, 200, id="a long comment"),
        pytest.param({"comment": "x" * LARGEST_BYTES}, 413, id="too long a one"),
    ],
)
def test_the_limits(tocsin: Serving, changes: dict[str, Any], status: int) -> None:
    assert tocsin.post("/api/v2/silences", POSTED | changes).status == status


# --- the handlers, called as plain functions ------------------------------------------------------------------------


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def home(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ports]:
    home = wire(Settings.read({"TOCSIN_DATA": str(tmp_path)}), clock)
    for module in (silences, silencing, function_app):
        monkeypatch.setattr(module, "ports", lambda: home)
    yield home
    await home.close()


async def ask(method: str, path: str, body: Any = None, **parameters: str) -> tuple[int, Any]:
    handlers = {"POST": silences.post_silence, "DELETE": silences.expire_silence}
    handler = handlers.get(method) or (silences.get_silence if parameters else silences.get_silences)
    request = func.HttpRequest(
        method,
        f"http://127.0.0.1{path}",
        headers=JSON,
        body=b"" if body is None else json.dumps(body).encode(),
        route_params=parameters,
    )
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - as the pipeline does
        response = answer(request, error)
    return response.status_code, json.loads(response.get_body() or b"null")


async def test_the_state_follows_the_clock(home: Ports, clock: Clock) -> None:
    now = clock.now
    times = {"startsAt": (now + timedelta(hours=1)).isoformat(), "endsAt": (now + timedelta(hours=2)).isoformat()}
    _, posted = await ask("POST", "/api/v2/silences", POSTED | times)
    states = []
    for hours in (0, 1, 2):
        clock.now = now + timedelta(hours=hours)
        _, silence = await ask("GET", "/api/v2/silence/x", id=posted["silenceID"])
        states.append(silence["status"]["state"])
    assert states == ["pending", "active", "expired"]


async def test_many_silences_are_shown(home: Ports) -> None:
    now = home.clock()
    for number in range(MANY):
        await home.silences.upsert_silence(silence(f"{number:05}", starts_at=now, ends_at=now + timedelta(hours=1)))
    status, found = await ask("GET", "/api/v2/silences")
    assert (status, len(found)) == (200, MANY)


async def test_each_change_wakes_the_groups_that_hold_what_it_matches(
    home: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[list[str]] = []

    async def note(changed: Sequence[Any]) -> None:
        woken.append([one.id for one in changed])

    monkeypatch.setattr(home.configurations, "silences_changed", note)
    _, first = await ask("POST", "/api/v2/silences", POSTED)
    id = first["silenceID"]
    _, second = await ask("POST", "/api/v2/silences", POSTED | {"id": id, "matchers": [matcher("other")]})
    await ask("DELETE", "/api/v2/silence/x", id=second["silenceID"])
    await ask("DELETE", "/api/v2/silence/x", id=second["silenceID"])
    assert woken == [[id], [id, second["silenceID"]], [second["silenceID"]], []]


async def test_the_sweep_forgets_what_ended_five_days_ago(
    home: Ports, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = function_app.sweep._function.get_user_function()  # the decorators leave the builder of a trigger
    now = clock.now
    await home.silences.upsert_silence(silence(UNKNOWN, starts_at=now, ends_at=now + timedelta(hours=1)))
    for hours, count in ((120, 1), (121, 1), (122, 0)):
        clock.now = now + timedelta(hours=hours)
        await sweep(None)
        assert (await ask("GET", "/api/v2/silences"))[1] == count * [
            (await ask("GET", "/api/v2/silence/x", id=UNKNOWN))[1]
        ]
