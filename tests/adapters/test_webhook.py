"""Webhooks as they cross the wire: the payload, the request, and every kind of answer or failure."""

import asyncio
import base64
import json
import os
import socket
import ssl
import struct
import traceback
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.http_client import HttpClient
from adapters.rendering import Renderer
from adapters.webhook import WebhookNotifier, go_time, payload
from domain.alerts import Alert
from domain.configuration import HttpConfig, Secret, TlsConfig, WebhookIntegration
from domain.errors import DomainError, RejectedError, UnavailableError
from domain.labels import fingerprint
from domain.notifications import Notification, NotificationReason, ToldAlert
from domain.quoting import quote_meta
from tests.adapters.receiving import OK, Answer, Authority, Request, receiving, says, status_line

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def closes(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def resets(request: Request, writer: asyncio.StreamWriter) -> None:
    # Without lingering, closing sends a reset.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hangs(request: Request, writer: asyncio.StreamWriter) -> None:
    await asyncio.get_running_loop().create_future()


async def hangs_in_its_body(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nso far")
    await asyncio.get_running_loop().create_future()


async def hangs_after_success(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    await asyncio.get_running_loop().create_future()


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient("0.1.0", lambda: NOON)
    yield client
    await client.close()


@pytest.fixture
def notifier(client: HttpClient) -> WebhookNotifier:
    url = "http://tocsin.example/x"
    return WebhookNotifier(client, Renderer(url, lambda: NOON), url)


def alert(labels: dict[str, str], annotations: dict[str, str], starts_at: datetime = NOON) -> Alert:
    return Alert(fingerprint(labels), labels, annotations, starts_at, starts_at, starts_at)


def notification(alerts: Sequence[ToldAlert] = (), truncated: int = 0) -> Notification:
    return Notification(
        receiver="team.a+b",
        group_key='{}:{alertname="Disk"}',
        group_labels={"alertname": "Disk"},
        route_labels={"team": "a"},
        reason=NotificationReason.SOME_RESOLVED,
        alerts=tuple(alerts or [ToldAlert(alert({"alertname": "Disk"}, {}), True)]),
        truncated=truncated,
    )


def hook(url: str, http: HttpConfig | None = None) -> WebhookIntegration:
    return WebhookIntegration(Secret(url), http=http or HttpConfig())


# The payload.

# Written by Debian's prometheus-alertmanager 0.25 for eight alerts, two of which had resolved.
GOLDEN = r"""
{"receiver":"team\\.a\\+b","status":"firing","alerts":[
{"status":"resolved","labels":{"alertname":"Disk","job":"a","zz":"1","zzz":"ü"},
"annotations":{"empty":"","more":"","summary":"full"},"startsAt":"2026-11-22T03:08:30Z",
"endsAt":"2026-11-22T02:08:33.5-01:00","generatorURL":"","fingerprint":"662f3dc0bc7efd49"},
{"status":"resolved","labels":{"alertname":"Disk","instance":"1","job":"b"},
"annotations":{"empty":"","summary":"full"},"startsAt":"2026-11-22T03:08:30.1Z",
"endsAt":"2026-11-22T03:08:33Z","generatorURL":"","fingerprint":"0f53ae2cb3b1e8a6"},
{"status":"firing","labels":{"alertname":"Disk","instance":"2","job":"b","z":"1"},
"annotations":{"empty":"","summary":"full"},"startsAt":"2026-11-22T05:08:30.123456789+02:00",
"endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://g/?a=1\u0026b=\u003c2\u003e","fingerprint":"cc35af36a2aca49e"},
{"status":"firing","labels":{"alertname":"Disk","job":"b"},
"annotations":{"empty":"","summary":"full"},"startsAt":"2026-11-22T03:08:30Z",
"endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"37a9ef773ec8d490"},
{"status":"firing","labels":{"alertname":"Disk","instance":"0"},
"annotations":{"empty":"","summary":"full"},"startsAt":"2026-11-22T03:08:30Z",
"endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"805d723724ce9000"},
{"status":"firing","labels":{"alertname":"Disk","x":"1"},
"annotations":{"empty":"","summary":"full"},"startsAt":"2026-11-22T03:08:30Z",
"endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"9563306ba532aeb2"},
{"status":"firing","labels":{"alertname":"Disk","q":"9"},
"annotations":{"empty":"","summary":"full"},"startsAt":"2026-11-22T03:08:30Z",
"endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"c83930a708f3dff3"},
{"status":"firing","labels":{"a":"1","alertname":"Disk","b":"2"},
"annotations":{"summary":"full"},"startsAt":"2026-11-22T03:08:30Z",
"endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"4b1171512789878f"}],
"groupLabels":{"alertname":"Disk"},"commonLabels":{"alertname":"Disk"},
"commonAnnotations":{"empty":"","more":"","summary":"full"},"externalURL":"http://am.example:9093/x","version":"4",
"groupKey":"{}:{alertname=\"Disk\"}","truncatedAlerts":0}
"""


def eight_alerts() -> list[ToldAlert]:
    at = datetime(2026, 11, 22, 3, 8, 30, tzinfo=UTC)
    full = {"summary": "full", "empty": ""}
    disk = {"alertname": "Disk"}
    hour = timedelta(hours=1)
    return [
        ToldAlert(
            replace(
                alert(disk | {"job": "a", "zz": "1", "zzz": "ü"}, full | {"more": ""}, at),
                ends_at=datetime(2026, 11, 22, 2, 8, 33, 500_000, timezone(-hour)),
            ),
            False,
        ),
        ToldAlert(
            replace(
                alert(disk | {"job": "b", "instance": "1"}, full, at + timedelta(milliseconds=100)),
                ends_at=at + timedelta(seconds=3),
            ),
            False,
        ),
        ToldAlert(
            replace(
                alert(disk | {"job": "b", "instance": "2", "z": "1"}, full, at),
                starts_text="2026-11-22T05:08:30.123456789+02:00",
                generator_url="http://g/?a=1&b=<2>",
            ),
            True,
        ),
        ToldAlert(alert(disk | {"job": "b"}, full, at), True),
        ToldAlert(alert(disk | {"instance": "0"}, full, at), True),
        ToldAlert(alert(disk | {"x": "1"}, full, at), True),
        ToldAlert(alert(disk | {"q": "9"}, full, at), True),
        ToldAlert(alert(disk | {"a": "1", "b": "2"}, {"summary": "full"}, at), True),
    ]


def test_the_payload_is_alertmanager_s() -> None:
    expected = json.loads(GOLDEN)
    # Alertmanager 0.25 did not have these two yet.
    expected |= {"notification_reason": "some alerts resolved", "routeLabels": {"team": "a"}}
    assert payload(notification(eight_alerts()), "http://am.example:9093/x", 0) == expected


def test_max_alerts_is_what_the_whole_payload_speaks_of() -> None:
    # Observed on 0.25, too: with two of eight, both resolved, the status is resolved although others fire.
    shown = payload(notification(eight_alerts()), "", 2)
    assert [one["fingerprint"] for one in shown["alerts"]] == ["662f3dc0bc7efd49", "0f53ae2cb3b1e8a6"]
    assert shown["truncatedAlerts"] == 6
    assert shown["status"] == "resolved"
    assert shown["commonLabels"] == {"alertname": "Disk"}
    assert shown["commonAnnotations"] == {"summary": "full", "empty": "", "more": ""}


@pytest.mark.parametrize(("max_alerts", "truncated"), [(0, 5), (8, 5), (100, 5), (3, 10)])
def test_truncated_alerts_counts_what_tocsin_and_the_receiver_left_out(max_alerts: int, truncated: int) -> None:
    assert payload(notification(eight_alerts(), truncated=5), "", max_alerts)["truncatedAlerts"] == truncated


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (NOON, "2026-11-22T12:00:00Z"),
        (NOON.replace(microsecond=120_000), "2026-11-22T12:00:00.12Z"),
        (NOON.replace(microsecond=1), "2026-11-22T12:00:00.000001Z"),
        (NOON.replace(tzinfo=timezone(timedelta(0), "GMT")), "2026-11-22T12:00:00Z"),
        (NOON.replace(tzinfo=timezone(timedelta(hours=5, minutes=30))), "2026-11-22T12:00:00+05:30"),
        (NOON.replace(tzinfo=timezone(-timedelta(hours=3, minutes=30))), "2026-11-22T12:00:00-03:30"),
        (NOON.replace(year=1, second=10), "0001-11-22T12:00:10Z"),
    ],
)
def test_go_time(instant: datetime, text: str) -> None:
    assert go_time(instant) == text


def test_quote_meta_escapes_what_go_escapes() -> None:
    assert quote_meta(r"a.b+c*d?e(f)g|h[i]j{k}l^m$n\o") == r"a\.b\+c\*d\?e\(f\)g\|h\[i\]j\{k\}l\^m\$n\\o"
    assert quote_meta("team-a_1/ü #&~ \n") == "team-a_1/ü #&~ \n"


# The request.


async def test_the_request_on_the_wire(notifier: WebhookNotifier) -> None:
    async with receiving(says(OK)) as receiver:
        told = notification(eight_alerts())
        assert await notifier.notify(hook(f"{receiver.url}/a%2Fb?c=d%20e"), told) == "200 OK"
    (request,) = receiver.requests
    assert request.line == "POST /a%2Fb?c=d%20e HTTP/1.1"
    assert dict(request.headers) == {
        "Host": receiver.url.removeprefix("http://"),
        "Content-Type": "application/json",
        "User-Agent": "Alertmanager/0.34.0 Tocsin/0.1.0",
        "Content-Length": str(len(request.body)),
    }
    assert json.loads(request.body) == payload(told, "http://tocsin.example/x", 0)


async def test_a_url_may_be_a_template_that_no_error_repeats(notifier: WebhookNotifier, tmp_path: Path) -> None:
    async with receiving(says(OK)) as receiver:
        await notifier.notify(hook(f"{receiver.url}/{{{{ .GroupLabels.alertname | toLower }}}}"), notification())
        (tmp_path / "url").write_text(f"{receiver.url}/{{{{ .Receiver | urlquery }}}}\n")
        from_file = WebhookIntegration(Secret(file=str(tmp_path / "url")))
        await notifier.notify(from_file, notification())
        with pytest.raises(RejectedError) as caught:
            await notifier.notify(hook(receiver.url + '/s3cret{{ index "" 5 }}'), notification())
    assert [request.line.split()[1] for request in receiver.requests] == ["/disk", "/team%5C.a%5C%2Bb"]
    assert str(caught.value) == "the webhook's url is a template that cannot be rendered for this notification"
    assert caught.value.__cause__ is None


async def test_a_payload_of_one_s_own(notifier: WebhookNotifier) -> None:
    own = {"a": "{{ .Status }}", "b": ["{{ len .Alerts }}", 7, None], "c": "{{ .CommonLabels | toJson }}", "": ""}
    async with receiving(says(OK)) as receiver:
        await notifier.notify(
            replace(hook(receiver.url), payload=json.dumps(own), max_alerts=1), notification(eight_alerts())
        )
    labels = {"alertname": "Disk", "job": "a", "zz": "1", "zzz": "ü"}
    assert json.loads(receiver.requests[0].body) == {"a": "resolved", "b": [1, 7, None], "c": labels, "": ""}


async def test_max_alerts_comes_from_the_integration(notifier: WebhookNotifier) -> None:
    async with receiving(says(OK)) as receiver:
        await notifier.notify(replace(hook(receiver.url), max_alerts=1), notification(eight_alerts()))
    assert len(json.loads(receiver.requests[0].body)["alerts"]) == 1


async def test_a_connection_is_used_again(notifier: WebhookNotifier) -> None:
    answers = says(status_line("200 OK", "x" * 1000), status_line("503 Busy", "y" * 1000), OK)
    async with receiving(answers) as receiver:
        await notifier.notify(hook(receiver.url), notification())
        with pytest.raises(UnavailableError):
            await notifier.notify(hook(receiver.url), notification())
        await notifier.notify(hook(receiver.url), notification())
    assert receiver.connections == 1


async def test_many_hanging_requests_hold_up_no_other(notifier: WebhookNotifier) -> None:
    async with receiving(hangs) as slow, receiving(says(OK)) as quick:
        stuck = [asyncio.create_task(notifier.notify(hook(slow.url), notification())) for _ in range(150)]
        assert await notifier.notify(hook(quick.url), notification()) == "200 OK"
        for task in stuck:
            task.cancel()
        results = await asyncio.gather(*stuck, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.fixture
def folder_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "credentials").write_text("  from file\n")
    (tmp_path / "name").write_text("alice\n")
    (tmp_path / "password").write_text("s3cret\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        pytest.param(HttpConfig(), [], id="none"),
        pytest.param(HttpConfig(bearer=Secret("abc")), ["Bearer abc"], id="bearer"),
        pytest.param(HttpConfig(bearer_type="Token", bearer=Secret("abc")), ["Token abc"], id="another type"),
        pytest.param(
            HttpConfig(bearer=Secret(file="credentials")), ["Bearer from file"], id="credentials_file, trimmed"
        ),
        pytest.param(HttpConfig(username="bob", password=Secret("pässword")), [basic("bob:pässword")], id="basic"),
        pytest.param(HttpConfig(username="bob"), [basic("bob:")], id="basic without a password"),
        pytest.param(
            HttpConfig(username_file="name", password=Secret(file="password")),
            [basic("alice:s3cret")],
            id="basic, files",
        ),
    ],
)
async def test_authorization(
    notifier: WebhookNotifier, http: HttpConfig, expected: list[str], folder_of_secrets: Path
) -> None:
    async with receiving(says(OK)) as receiver:
        await notifier.notify(hook(receiver.url, http), notification())
    assert receiver.requests[0].all("Authorization") == expected


async def test_credentials_in_the_url_come_first(notifier: WebhookNotifier) -> None:
    async with receiving(says(OK)) as receiver:
        url = receiver.url.replace("://", "://bob:p%40ss@")
        await notifier.notify(hook(url, HttpConfig(bearer=Secret("abc"))), notification())
    assert receiver.requests[0].all("Authorization") == [basic("bob:p@ss")]
    assert receiver.requests[0].all("Host") == [receiver.url.removeprefix("http://")]


async def test_a_rotated_credential_and_url_are_read_at_the_next_use(notifier: WebhookNotifier, tmp_path: Path) -> None:
    token, address = tmp_path / "token", tmp_path / "url"
    async with receiving(says(OK)) as receiver:
        integration = WebhookIntegration(Secret(file=str(address)), http=HttpConfig(bearer=Secret(file=str(token))))
        for number in ("1", "2"):
            token.write_text(number)
            address.write_text(f"{receiver.url}/{number}\n")
            await notifier.notify(integration, notification())
    assert [request.all("Authorization") for request in receiver.requests] == [["Bearer 1"], ["Bearer 2"]]
    assert [request.line for request in receiver.requests] == ["POST /1 HTTP/1.1", "POST /2 HTTP/1.1"]


async def test_extra_headers(notifier: WebhookNotifier) -> None:
    headers = (("X-Team", "a"), ("X-Team", "b"), ("X-Key", "k"), ("User-Agent", "mine"))
    async with receiving(says(OK)) as receiver:
        await notifier.notify(hook(receiver.url, HttpConfig(headers=headers)), notification())
    (request,) = receiver.requests
    assert request.all("X-Team") == ["a", "b"]
    assert request.all("X-Key") == ["k"]
    assert request.all("User-Agent") == ["Alertmanager/0.34.0 Tocsin/0.1.0"]


@pytest.mark.parametrize(
    ("secret", "expected", "message"),
    [
        pytest.param(
            Secret(file="/nowhere/url"), UnavailableError, "url cannot be read from /nowhere/url: No such", id="file"
        ),
        pytest.param(Secret(""), RejectedError, "the webhook's url is not an HTTP address", id="empty"),
        pytest.param(Secret("ftp://tok3n/"), RejectedError, "the webhook's url is not an HTTP address", id="scheme"),
        pytest.param(Secret("tok3n/hook"), RejectedError, "the webhook's url is not an HTTP address", id="relative"),
        pytest.param(Secret("http://[tok3n"), RejectedError, "the webhook's url is not an HTTP address", id="broken"),
        pytest.param(Secret("http://a:99999/"), RejectedError, "the webhook's url is not an HTTP address", id="port"),
    ],
)
async def test_an_unusable_url(
    notifier: WebhookNotifier, secret: Secret, expected: type[DomainError], message: str
) -> None:
    with pytest.raises(expected, match=message) as caught:
        await notifier.notify(WebhookIntegration(secret), notification())
    assert "tok3n" not in everything_about(caught.value)


async def test_credentials_that_are_no_text_are_not_quoted(notifier: WebhookNotifier, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"s3cret\xff")
    http = HttpConfig(bearer=Secret(file=str(tmp_path / "token")))
    with pytest.raises(UnavailableError, match="not UTF-8") as caught:
        await notifier.notify(hook("http://127.0.0.1:1/", http), notification())
    assert "s3cret" not in everything_about(caught.value)


async def test_credentials_with_a_line_break_are_refused(notifier: WebhookNotifier) -> None:
    http = HttpConfig(bearer=Secret("s3cret\r\nX-Evil: 1"))
    async with receiving(says(OK)) as receiver:
        with pytest.raises(RejectedError, match="a header or the url holds a character it must not") as caught:
            await notifier.notify(hook(receiver.url, http), notification())
    assert receiver.requests == []
    assert "s3cret" not in everything_about(caught.value)


# Redirects.


@pytest.mark.parametrize(
    ("status", "method"), [("301", "GET"), ("302", "GET"), ("303", "GET"), ("307", "POST"), ("308", "POST")]
)
async def test_redirects_are_followed_as_go_follows_them(notifier: WebhookNotifier, status: str, method: str) -> None:
    answers = says(status_line(f"{status} Elsewhere", "", "Location: /new"), OK)
    async with receiving(answers) as receiver:
        await notifier.notify(hook(receiver.url), notification())
    assert receiver.requests[1].line == f"{method} /new HTTP/1.1"
    assert bool(receiver.requests[1].body) == (method == "POST")


async def test_a_redirect_is_refused_where_none_is_followed(notifier: WebhookNotifier) -> None:
    async with receiving(says(status_line("307 Elsewhere", "", "Location: /tok3n"))) as receiver:
        with pytest.raises(RejectedError, match=r"^answered 307 Elsewhere$"):
            await notifier.notify(hook(receiver.url, HttpConfig(follow_redirects=False)), notification())
    assert len(receiver.requests) == 1


async def test_credentials_do_not_follow_to_another_address(notifier: WebhookNotifier) -> None:
    async with receiving(says(OK)) as other:
        away = status_line("307 Elsewhere", "", f"Location: {other.url}/")
        async with receiving(says(away)) as receiver:
            await notifier.notify(hook(receiver.url, HttpConfig(bearer=Secret("abc"))), notification())
    assert receiver.requests[0].all("Authorization") == ["Bearer abc"]
    assert other.requests[0].all("Authorization") == []


@pytest.mark.parametrize(
    ("location", "message", "requests"),
    [
        pytest.param("/tok3n", "redirected 10 times", 10, id="in a circle"),
        pytest.param(
            "ftp://tok3n/", "redirected to something that is not an HTTP address", 1, id="to another protocol"
        ),
        pytest.param("http://[tok3n", "redirected to something that is not an HTTP address", 1, id="to no address"),
    ],
)
async def test_redirects_that_lead_nowhere(
    notifier: WebhookNotifier, location: str, message: str, requests: int
) -> None:
    async with receiving(says(status_line("307 Elsewhere", "", f"Location: {location}"))) as receiver:
        with pytest.raises(UnavailableError, match=message) as caught:
            await notifier.notify(hook(receiver.url), notification())
    assert len(receiver.requests) == requests
    assert "tok3n" not in everything_about(caught.value)


# Answers.


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content", "299 Whatever"])
async def test_every_2xx_is_success(notifier: WebhookNotifier, status: str) -> None:
    async with receiving(says(status_line(status))) as receiver:
        assert await notifier.notify(hook(receiver.url), notification()) == status


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *(
            (status, UnavailableError)
            for status in ("429 Too Many", "500 Oops", "502 Bad", "503 Busy", "504 Late", "599 ?")
        ),
        *((status, RejectedError) for status in ("300 Many", "304 Same", "400 Bad", "401 Who", "404 None", "499 ?")),
    ],
)
async def test_other_answers(notifier: WebhookNotifier, status: str, expected: type[DomainError]) -> None:
    has_body = not status.startswith("304")
    async with receiving(says(status_line(status, "because\r\n\tof\x00this" if has_body else ""))) as receiver:
        with pytest.raises(DomainError) as caught:
            await notifier.notify(hook(receiver.url), notification())
    assert type(caught.value) is expected
    assert str(caught.value) == f"answered {status}{': because of this' if has_body else ''}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("120", timedelta(minutes=2), id="seconds"),
        pytest.param("0", timedelta(0), id="none to wait"),
        pytest.param("Sun, 22 Nov 2026 12:01:30 GMT", timedelta(seconds=90), id="a date"),
        pytest.param("Sun, 22 Nov 2026 11:00:00 GMT", timedelta(0), id="a date that has passed"),
        pytest.param("Sun, 22 Nov 2026 12:01:30 -0000", timedelta(seconds=90), id="a date of no zone reads as UTC"),
        pytest.param("9" * 5000, timedelta(days=1), id="absurdly many seconds count as a day"),
        pytest.param("172800", timedelta(days=1), id="more than a day counts as a day"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(days=1), id="an absurd date, too"),
        pytest.param("soon", None, id="no time at all"),
        pytest.param("-5", None, id="negative seconds"),
        pytest.param("٣", None, id="other digits"),
        pytest.param("", None, id="empty"),
    ],
)
@pytest.mark.parametrize("status", ["429 Too Many", "503 Busy"])
async def test_retry_after(notifier: WebhookNotifier, status: str, header: str, expected: timedelta | None) -> None:
    async with receiving(says(status_line(status, "", f"Retry-After: {header}"))) as receiver:
        with pytest.raises(UnavailableError) as caught:
            await notifier.notify(hook(receiver.url), notification())
    assert caught.value.retry_after == expected


async def test_an_answer_is_cut_and_made_harmless(notifier: WebhookNotifier) -> None:
    body = "\x1b[31mred\u202e\n" + "é" * 100_000
    async with receiving(says(status_line("500 Oops", body))) as receiver:
        with pytest.raises(UnavailableError) as caught:
            await notifier.notify(hook(receiver.url), notification())
    shown = str(caught.value).removeprefix("answered 500 Oops: ")
    assert shown == "[31mred " + "é" * 191 + "…"
    assert len(shown) == 200


async def test_an_endless_answer_is_read_no_further_than_needed(notifier: WebhookNotifier) -> None:
    written = 0

    async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 500 Oops\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    async with receiving(endless) as receiver:
        with pytest.raises(UnavailableError, match="answered 500 Oops: xxx"):
            await notifier.notify(hook(receiver.url), notification())
    assert written < 20_000_000


async def test_a_body_that_never_ends_hides_no_status(notifier: WebhookNotifier) -> None:
    async with receiving(hangs_in_its_body) as receiver:
        with pytest.raises(UnavailableError, match=r"^answered 500 Oops: so far$"):
            await notifier.notify(hook(receiver.url), notification())


async def test_success_does_not_wait_for_its_body(notifier: WebhookNotifier) -> None:
    async with receiving(hangs_after_success) as receiver:
        assert await notifier.notify(hook(receiver.url), notification()) == "200 OK"


# Failures.


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(
            says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "answered something that is not HTTP", id="another protocol"
        ),
        pytest.param(says(b"\x00\xff\x16\x03 garbage\r\n\r\n"), "answered something that is not HTTP", id="garbage"),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), "answered something that is not HTTP", id="long"
        ),
        pytest.param(closes, "closed the connection without an answer", id="closed"),
        pytest.param(resets, "the connection broke: Connection reset by peer", id="reset"),
    ],
)
async def test_a_receiver_that_does_not_speak(notifier: WebhookNotifier, answer: Answer, message: str) -> None:
    async with receiving(answer) as receiver:
        with pytest.raises(UnavailableError, match=message):
            await notifier.notify(hook(receiver.url), notification())


async def unused_url() -> str:
    async with receiving(says(OK)) as receiver:
        return receiver.url


async def test_a_receiver_that_is_not_there(notifier: WebhookNotifier) -> None:
    with pytest.raises(UnavailableError, match=r"^cannot connect: Connection refused$"):
        await notifier.notify(hook(await unused_url()), notification())


async def test_a_host_that_has_no_address(notifier: WebhookNotifier) -> None:
    with pytest.raises(UnavailableError, match=r"^the host's name cannot be resolved$"):
        await notifier.notify(hook("http://tok3n.invalid/"), notification())


async def test_the_caller_bounds_a_receiver_that_hangs(notifier: WebhookNotifier) -> None:
    async with receiving(hangs) as receiver:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await notifier.notify(hook(receiver.url), notification())
    assert len(receiver.requests) == 1


async def test_after_close_it_opens_anew(client: HttpClient, notifier: WebhookNotifier) -> None:
    async with receiving(says(OK)) as receiver:
        await notifier.notify(hook(receiver.url), notification())
        await client.close()
        await notifier.notify(hook(receiver.url), notification())
    assert receiver.connections == 2


# Secrets.


def everything_about(error: BaseException) -> str:
    return "\n".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])


async def echoes(request: Request, writer: asyncio.StreamWriter) -> None:
    """As debug pages do: all that was sent, in reason and body."""
    decoded = [
        base64.b64decode(value.split()[1]).decode() for value in request.all("Authorization") if "Basic" in value
    ]
    writer.write(status_line(f"500 Cannot {request.line.removesuffix(' HTTP/1.1')}", f"{request.text} {decoded}"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(echoes, id="echo"),
        pytest.param(says(b"garbage\r\n\r\n"), id="garbage"),
        pytest.param(says(b"HTTP/1.1 307 x\r\nLocation: http://[tok3n\r\nContent-Length: 0\r\n\r\n"), id="redirect"),
        pytest.param(closes, id="closed"),
        pytest.param(resets, id="reset"),
    ],
)
@pytest.mark.parametrize(
    "http",
    [
        HttpConfig(bearer=Secret("p4ssword"), headers=(("X-Key", "k3yk3y"),)),
        HttpConfig(username="bobby", password=Secret("p4ssword")),
    ],
    ids=["bearer", "basic"],
)
async def test_no_error_holds_a_secret(notifier: WebhookNotifier, answer: Answer, http: HttpConfig) -> None:
    secrets = ["tok3n", "qu3ry", "p4ssword", basic("bobby:p4ssword").split()[1], "k3yk3y", "127.0.0.1"]
    async with receiving(answer) as receiver:
        integration = hook(f"{receiver.url}/services/tok3n/x?key=qu3ry", http)
        with pytest.raises(DomainError) as caught:
            await notifier.notify(integration, notification())
    for secret in secrets:
        assert secret not in everything_about(caught.value)
        assert secret not in repr(integration)
        assert secret not in repr(vars(notifier))


@pytest.mark.parametrize("url", ["http://u5er:p4ss@tok3n.invalid/x", "http://u5er:p4ss@127.0.0.1:1/tok3n"])
async def test_no_failure_to_connect_holds_a_secret(notifier: WebhookNotifier, url: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        await notifier.notify(hook(url), notification())
    assert not [secret for secret in ("u5er", "p4ss", "tok3n", "127.0.0.1") if secret in everything_about(caught.value)]


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(trustme.CA(), tmp_path_factory.mktemp("authority"))


async def ask(notifier: WebhookNotifier, server: ssl.SSLContext, tls: TlsConfig) -> str:
    async with receiving(says(OK), server) as receiver:
        return await notifier.notify(hook(receiver.url, HttpConfig(tls=tls)), notification())


async def test_tls_trusts_the_given_authority(notifier: WebhookNotifier, authority: Authority) -> None:
    assert await ask(notifier, authority.server(), TlsConfig(ca_file=authority.ca_file)) == "200 OK"
    assert await ask(notifier, authority.server(), TlsConfig(ca=f"# Größe\n{authority.ca_text}")) == "200 OK"


async def test_tls_trusts_no_other(notifier: WebhookNotifier, authority: Authority) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    for tls in (TlsConfig(), TlsConfig(ca=other)):
        with pytest.raises(UnavailableError, match=r"^TLS: the receiver's certificate is not trusted: .*issuer"):
            await ask(notifier, authority.server(), tls)
    assert await ask(notifier, authority.server(), TlsConfig(insecure_skip_verify=True)) == "200 OK"


async def test_tls_checks_the_name(notifier: WebhookNotifier, authority: Authority) -> None:
    server = authority.server("hooks.example.com")
    message = "^TLS: the receiver's certificate is not trusted: IP address mismatch$"
    with pytest.raises(UnavailableError, match=message) as caught:
        await ask(notifier, server, TlsConfig(ca=authority.ca_text))
    assert "127.0.0.1" not in everything_about(caught.value)
    named = TlsConfig(ca=authority.ca_text, server_name="hooks.example.com")
    assert await ask(notifier, server, named) == "200 OK"
    with pytest.raises(UnavailableError, match=r"not trusted: Hostname mismatch$"):
        await ask(notifier, server, replace(named, server_name="tok3n.example.com"))


async def test_tls_client_certificate(notifier: WebhookNotifier, authority: Authority, tmp_path: Path) -> None:
    server = authority.server(wants_client=True)
    cert, key = authority.client()
    (tmp_path / "cert.pem").write_text(cert)
    (tmp_path / "key.pem").write_text(key)
    trusting = TlsConfig(ca=authority.ca_text)
    assert await ask(notifier, server, replace(trusting, cert=cert, key=Secret(key))) == "200 OK"
    files = replace(trusting, cert_file=str(tmp_path / "cert.pem"), key=Secret(file=str(tmp_path / "key.pem")))
    assert await ask(notifier, server, files) == "200 OK"
    with pytest.raises(UnavailableError):
        await ask(notifier, server, trusting)
    stranger_cert, stranger_key = Authority(trustme.CA(), tmp_path).client()
    with pytest.raises(UnavailableError):
        await ask(notifier, server, replace(trusting, cert=stranger_cert, key=Secret(stranger_key)))


async def test_tls_files_are_read_anew_when_they_change(
    notifier: WebhookNotifier, authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    tls = TlsConfig(ca_file=str(path))
    with pytest.raises(UnavailableError, match=r"^tls_config cannot be used: No such file or directory$"):
        await ask(notifier, authority.server(), tls)
    trustme.CA().cert_pem.write_to_path(path)
    with pytest.raises(UnavailableError, match="not trusted"):
        await ask(notifier, authority.server(), tls)
    authority.ca.cert_pem.write_to_path(path)
    # Some file systems count time coarsely, and the two files may be of one size.
    os.utime(path, ns=(0, 0))
    assert await ask(notifier, authority.server(), tls) == "200 OK"


@pytest.mark.parametrize("version", ["TLS10", "TLS11", "TLS12", "TLS13"])
async def test_tls_versions(notifier: WebhookNotifier, authority: Authority, version: str) -> None:
    server = authority.server()
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    tls = TlsConfig(ca=authority.ca_text, min_version=version)
    if version == "TLS13":
        with pytest.raises(UnavailableError, match=r"^TLS: the handshake failed: |^cannot connect: "):
            await ask(notifier, server, tls)
    else:
        assert await ask(notifier, server, tls) == "200 OK"
    server = authority.server()
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(UnavailableError, match=r"^TLS: the handshake failed: |^cannot connect: "):
        await ask(notifier, server, TlsConfig(ca=authority.ca_text, max_version="TLS12"))


def encrypted(key: str) -> str:
    private = load_pem_private_key(key.encode(), None)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p4ssword")).decode()


async def test_tls_settings_that_cannot_be_used(notifier: WebhookNotifier, authority: Authority) -> None:
    cert, key = authority.client()
    other_key = authority.client()[1]
    for tls in (
        TlsConfig(ca="no PEM"),
        TlsConfig(cert=cert, key=Secret("no PEM")),
        TlsConfig(cert=cert, key=Secret(other_key)),
        TlsConfig(cert=cert, key=Secret(encrypted(key))),  # must not ask the terminal for its password
    ):
        with pytest.raises(UnavailableError, match=r"^tls_config cannot be used: "):
            await ask(notifier, authority.server(), tls)


async def test_a_server_that_speaks_no_tls(notifier: WebhookNotifier) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    _, port = server.sockets[0].getsockname()
    with pytest.raises(UnavailableError, match=r"^TLS: the handshake failed: "):
        await notifier.notify(hook(f"https://127.0.0.1:{port}"), notification())
    server.close()
    await server.wait_closed()


# Proxies.


async def test_a_proxy_carries_plain_requests(notifier: WebhookNotifier) -> None:
    async with receiving(says(OK)) as proxy:
        http = HttpConfig(proxy_url=proxy.url.replace("://", "://bob:s3cret@"), bearer=Secret("abc"))
        assert await notifier.notify(hook("http://hooks.example.com/x?y=1", http), notification()) == "200 OK"
    (request,) = proxy.requests
    assert request.line == "POST http://hooks.example.com/x?y=1 HTTP/1.1"
    assert request.all("Proxy-Authorization") == [basic("bob:s3cret")]
    assert request.all("Authorization") == ["Bearer abc"]


async def test_a_proxy_tunnels_tls_under_the_server_s_name(
    client: HttpClient, notifier: WebhookNotifier, authority: Authority
) -> None:
    tunnels: list[Request] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        tunnels.append(
            Request(line, [(name, value.strip()) for name, _, value in (f.partition(":") for f in fields)], b"")
        )
        far_reader, far_writer = await asyncio.open_connection(*line.split()[1].split(":"))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        finally:  # however either end went away
            far_writer.transport.abort()
            writer.transport.abort()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65536):
            sink.write(chunk)
        sink.close()

    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    host, port = proxy.sockets[0].getsockname()
    tls = TlsConfig(ca=authority.ca_text, server_name="hooks.example.com")
    http = HttpConfig(tls=tls, proxy_url=f"http://bob:s3cret@{host}:{port}", bearer=Secret("abc"))
    async with receiving(says(OK), authority.server("hooks.example.com")) as receiver:
        assert await notifier.notify(hook(receiver.url, http), notification()) == "200 OK"
        await client.close()
    proxy.close()
    proxy.abort_clients()
    await proxy.wait_closed()
    (connect,) = tunnels
    assert connect.line == f"CONNECT {receiver.url.removeprefix('https://')} HTTP/1.1"
    assert connect.all("Proxy-Authorization") == [basic("bob:s3cret")]
    assert connect.all("Authorization") == []
    assert receiver.requests[0].all("Authorization") == ["Bearer abc"]
    assert receiver.requests[0].all("Proxy-Authorization") == []


async def test_a_proxy_that_fails(notifier: WebhookNotifier) -> None:
    gone = f"{await unused_url()}/".replace("://", "://bob:s3cret@")
    with pytest.raises(UnavailableError, match=r"^cannot connect to the proxy: Connection refused$") as caught:
        await notifier.notify(hook("http://hooks.example.com/", HttpConfig(proxy_url=gone)), notification())
    assert "s3cret" not in everything_about(caught.value)
    async with receiving(says(status_line("407 Who are you"))) as proxy:
        with pytest.raises(UnavailableError, match=r"^the proxy answered 407$"):
            await notifier.notify(hook("https://hooks.example.com/", HttpConfig(proxy_url=proxy.url)), notification())
    with pytest.raises(RejectedError, match=r"^proxy_url is not the HTTP address of a proxy$"):
        await notifier.notify(hook("http://a/", HttpConfig(proxy_url="socks5://bob:s3cret@a:1")), notification())
