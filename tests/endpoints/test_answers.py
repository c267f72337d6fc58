"""Every answer that the document promises really occurs: each 2xx, 3xx and 4xx of every route, and 503 once a kind.

What the pipeline says no with is generated from the registry; the rest is one story, told to the app in this process.
What the document promises and neither has seen is a failure, so a new route must be added to the story.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import azure.functions as func
import pytest
import pytest_asyncio

from adapters.live.hub import Hub
from adapters.wiring import ports
from devhost.host import _functions, _pumping, _pumps
from devhost.sharing import Loop
from domain.idempotency import KnownRequest
from domain.labels import fingerprint
from domain.links import Invitation, sign
from domain.principals import Scope
from endpoints.openapi import document
from endpoints.pipeline import LAST, Endpoint
from tests.builders import NOON
from tests.e2e.receiver import Receiver
from tests.endpoints.asking import bearer, functions, give_key, route, routes
from tests.serving import Answer

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SECRET = "of the Slack app"
NOTHING = "application/x-nothing"
NOBODY = "00000000-0000-0000-0000-000000000000"
BODY_BYTES = 16 * 1024

Promised = tuple[str, int]
"""The name of a route, and a status."""


async def ask(
    name: str,
    path: Mapping[str, str] | None = None,
    *,
    query: str = "",
    body: bytes | Any = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Call the function as the host does; a body that is no bytes is sent as JSON, with its content type."""
    entry, parameters = route(name), dict(path or {})
    parameters = {part: parameters.get(part, "x") for part in re.findall(r"\{(\w+)\}", entry.path)}
    sent = {"host": "tocsin.example.com", **(headers or {})}
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("content-type", JSON)
    url = re.sub(r"\{(\w+)\}", lambda match: parameters[match[1]], entry.path).lstrip("/")
    answer = await functions()[name](
        request=func.HttpRequest(
            entry.method,
            f"https://tocsin.example.com/{url}{'?' if query else ''}{query}",
            headers=sent,
            params=dict(parse_qsl(query, keep_blank_values=True)),
            route_params=parameters,
            body=body,
        )
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    named = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status_code, named, answer.get_body())


def promised() -> dict[Promised, Any]:
    """All that the document says, but 503, which comes of faults."""
    return {
        (operation["operationId"], int(status)): answer
        for item in document()["paths"].values()
        for operation in item.values()
        for status, answer in operation["responses"].items()
        if status != "503"
    }


# --- what the pipeline says no with ---------------------------------------------------------------------------------


def generated(entry: Endpoint) -> dict[int, dict[str, Any]]:
    """What to ask a route for each refusal that is the pipeline's, whoever the handler is."""
    taken = next(iter(entry.body), JSON)
    found: dict[int, dict[str, Any]] = {}
    if entry.scope is not None:
        found |= {401: {"headers": {}}, 403: {}, 429: {}}
    if entry.produces:
        found[406] = {"headers": {"accept": NOTHING}}
    if entry.is_ours and "shadow" not in entry.path and not entry.takes_any_form:
        found[422] = {"query": "nonsense=1"}
    if entry.body:
        found[413] = {"body": b" " * (BODY_BYTES + 1), "headers": {"content-type": taken}}
        found[415] = {"body": b"{}", "headers": {"content-type": NOTHING}}
    if any(shape for shape in entry.body.values()):
        found[400] = {"body": b"{", "headers": {"content-type": JSON}}
    if entry.takes_key:
        found[409] = {"headers": {"idempotency-key": "under way"}}
    return found


@pytest_asyncio.fixture
async def closed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The app in memory, with `--auth`, for whoever asks once a second."""
    limits = {f"{kind}_{limit}": "1" for kind in ("INGEST", "REQUESTS") for limit in ("BURST", "PER_SECOND")}
    async with _home(monkeypatch, AUTH="true", BODY_BYTES=str(BODY_BYTES), **limits):
        yield


@asynccontextmanager
async def _home(monkeypatch: pytest.MonkeyPatch, **settings: str) -> AsyncIterator[None]:
    for name, value in {"HOME": "memory", **settings}.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)
    ports.cache_clear()
    try:
        yield
    finally:
        await ports().close()
        ports.cache_clear()


async def test_the_pipeline_says_no_as_the_document_says(closed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def under_way(request: KnownRequest) -> KnownRequest:
        return request

    monkeypatch.setattr(ports().requests, "begin_request", under_way)
    known, wrong = promised(), list[str]()
    for entry in routes():
        for status, asked in generated(entry).items():
            if (entry.name, status) not in known:
                wrong.append(f"{entry.name}: {status} is not documented")
                continue
            headers = await _credentials(entry, status)
            if status == 429:
                await ask(entry.name, headers=headers)
            answer = await ask(entry.name, **{**asked, "headers": {**headers, **asked.get("headers", {})}})
            if answer.status != status:
                wrong.append(f"{entry.name}: {answer.status} for {status}: {answer.body[:100]!r}")
            elif fault := _fault(entry, answer):
                wrong.append(f"{entry.name}: {status}: {fault}")
    assert not wrong, "\n".join(wrong)


async def _credentials(entry: Endpoint, status: int) -> dict[str, str]:
    if entry.scope is None or status == 401:
        return {}
    lacking = Scope.READ if entry.scope is Scope.INGEST else Scope.INGEST
    return bearer(await give_key(lacking if status == 403 else entry.scope))


def _fault(entry: Endpoint, answer: Answer) -> str:
    """What is wrong with the form of a refusal."""
    told = answer.json()
    if entry.path.startswith("api/v2/"):
        return "" if told["code"] == answer.status else "not Alertmanager's form"
    if told["status"] != answer.status or told["request_id"] != answer.headers["x-request-id"]:
        return f"a problem that does not say so: {told}"
    if answer.status == 401 and not answer.headers.get("www-authenticate"):
        return "no challenge"
    if answer.status == 429 and int(answer.headers["retry-after"]) < 1:
        return "no time to wait"
    return ""


async def test_other_methods_are_answered_with_those_there_are(closed: None) -> None:
    for path in {entry.path for entry in routes()}:
        url = "https://tocsin.example.com/" + re.sub(r"\{\w+\}", "x", path).lstrip("/")
        answer = await functions()[LAST](request=func.HttpRequest("PATCH", url, body=b""))
        assert answer.status_code == 405, path
        assert {entry.method for entry in routes() if entry.path == path} <= set(answer.headers["Allow"].split(", "))


# --- the rest: a story ----------------------------------------------------------------------------------------------

CONFIGURATION = """\
route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers: [{{name: team, webhook_configs: [{{url: "{url}"}}]}}]
"""

ALERT = {"labels": {"alertname": "DiskFull", "severity": "critical"}}
FINGERPRINT = fingerprint(ALERT["labels"])

WEBHOOK = {
    "version": "4",
    "groupKey": "{}:{}",
    "status": "firing",
    "receiver": "team",
    "groupLabels": {},
    "commonLabels": {},
    "commonAnnotations": {},
    "externalURL": "",
    "truncatedAlerts": 0,
    "alerts": [],
}

ELSEWHERE: set[Promised] = {
    ("follow_events", 410),  # tests/contract/test_live_log.py: a cursor of two days ago
    ("get_reconciliation", 200),  # tests/endpoints/test_reconciliation.py: with an Azure to ask
    ("run_reconciliation", 200),
    # tests/endpoints/test_enqueue.py: with `--auth`, or beyond what may be sent
    *((name, status) for name in ("enqueue_event", "enqueue_change") for status in (401, 403, 413, 429)),
    ("receive_from_source", 200),  # tests/endpoints/test_handshake.py: Event Grid's validation
    ("show_readiness", 503),  # tests/endpoints/test_health.py: with a part that is ill
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest_asyncio.fixture
async def open_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Path]:
    """The app in memory, with its queues running, for everybody; the path of its configuration."""
    file = tmp_path / "alertmanager.yml"
    async with _home(monkeypatch, CONFIGURATION=str(file), DATA=str(tmp_path), SLACK_SIGNING_SECRET=SECRET):
        cast(Hub, ports().live.publisher).is_open = True  # as the dev host says when it serves
        async with _pumping(_pumps(_functions(), ports(), Loop())):
            yield file


class Story:
    """Asks, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: set[Promised] = set()

    async def __call__(self, status: int, name: str, path: Mapping[str, str] | str = "", **asked: Any) -> Answer:
        """Ask, expect this status, and remember that it occurs."""
        if isinstance(path, str):
            path = dict.fromkeys(re.findall(r"\{(\w+)\}", route(name).path), path)
        answer = await ask(name, path, **asked)
        assert answer.status == status, (name, answer.status, answer.body[:400])
        self.seen.add((name, status))
        return answer

    async def seen_before(self, name: str, path: Mapping[str, str] | str = "", **asked: Any) -> Answer:
        """Ask twice: the second time knowing the ETag of the first answer."""
        answer = await self(200, name, path, **asked)
        await self(304, name, path, headers={"if-none-match": answer.headers["etag"]}, **asked)
        return answer


async def test_whatever_the_document_promises_occurs(open_home: Path, receiver: Receiver) -> None:
    tell = Story()
    await _health_and_configuration(tell, open_home, receiver.url("/"))
    await _alertmanager(tell)
    incident = await _alerts_and_groups(tell)
    await _deliveries(tell, incident)
    await _responses(tell, incident)
    await _first_responder(tell, incident)
    await _links(tell, incident)
    await _silences(tell)
    await _keys_and_audit(tell)
    await _dead_letters(tell)
    await _sources(tell)
    await _reconciliation(tell)
    await _pagerduty(tell)
    await _arrivals(tell)
    await _changes(tell)
    await _documentation(tell)
    generic = {(entry.name, status) for entry in routes() for status in generated(entry)}
    never = promised().keys() - tell.seen - generic - ELSEWHERE - SHADOW
    assert not never, f"documented, and never seen: {sorted(never)}"


async def _health_and_configuration(tell: Story, file: Path, url: str) -> None:
    await tell(200, "check_healthy")
    await tell(200, "show_health")
    assert (await ask("check_ready")).status in (200, 503)
    await ports().policy.heard(ports().clock(), resumed=True)
    await tell(200, "check_ready")
    await tell(200, "show_readiness")
    await tell(302, "show_home")
    yaml = {"content-type": "application/yaml"}
    text = CONFIGURATION.format(url=url).encode()
    await tell(200, "push_configuration", body=text, headers=yaml)
    await tell(400, "push_configuration", body=b"\xff", headers=yaml)
    await tell(412, "push_configuration", body=text, headers={**yaml, "if-match": '"other"'})
    await tell(400, "reload_configuration")
    await asyncio.to_thread(file.write_bytes, text)
    await tell(200, "reload_configuration")
    version = (await tell.seen_before("show_configuration")).json()["version"]
    await tell(200, "list_configurations")
    await tell.seen_before("show_configuration_version", version)
    await tell(404, "show_configuration_version", "none")
    await tell.seen_before("list_receivers")
    await tell.seen_before("show_receiver", "team")
    await tell(404, "show_receiver", "nobody")
    await tell(200, "test_receiver", "team")
    await tell(404, "test_receiver", "nobody")
    await tell(200, "show_ledger")
    await tell.seen_before("show_statistics")


async def _alertmanager(tell: Story) -> None:
    await tell(200, "receive_alerts", body=[ALERT])
    await tell(422, "receive_alerts")
    await tell(400, "receive_alerts", body=b"{", headers={"content-type": JSON})
    await tell(415, "receive_alerts", body=b"{}", headers={"content-type": NOTHING})
    await tell(413, "receive_alerts", body=b" " * (5 * 1024 * 1024 + 1), headers={"content-type": JSON})
    for name in ("get_alerts", "get_alert_groups", "get_receivers", "get_silences"):
        wrong = "receiver_matchers" if name == "get_receivers" else "filter"
        await tell(200, name)
        await tell(400, name, query=f"{wrong}=%3D")
    await tell(200, "get_status")
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "instance", "value": "db-2", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "ada",
        "comment": "the disk is being replaced",
    }
    id = (await tell(200, "post_silence", body=silence)).json()["silenceID"]
    await tell(404, "post_silence", body={**silence, "id": NOBODY})
    await tell(422, "post_silence", body={})
    await tell(400, "post_silence", body=b"{", headers={"content-type": JSON})
    await tell(200, "get_silence", id)
    await tell(200, "expire_silence", id)
    for name in ("get_silence", "expire_silence"):
        await tell(404, name, NOBODY)
        await tell(422, name, "x")
    await tell(400, "expire_silence", id, body=b"{}", headers={"content-type": f"{JSON}; charset"})
    for name in ("post_silence", "expire_silence"):
        await tell(415, name, id, body=b"{}", headers={"content-type": NOTHING})
        await tell(413, name, id, body=b" " * (5 * 1024 * 1024 + 1), headers={"content-type": JSON})


async def _alerts_and_groups(tell: Story) -> str:
    await tell(200, "list_live_alerts")
    await tell.seen_before("show_live_alert", FINGERPRINT)
    await tell(200, "explain_alert", FINGERPRINT)
    await tell(200, "explain_alert_page", FINGERPRINT)
    await tell(400, "explain_alert_page", "x")
    for name in ("show_live_alert", "explain_alert", "explain_alert_page"):
        await tell(404, name, "f" * 16)
    (group,) = (await tell(200, "list_live_groups")).json()["groups"]
    await tell.seen_before("show_group", group["id"])
    await tell(404, "show_group", "f" * 32)
    (incident,) = (await tell(200, "list_incidents")).json()["incidents"]
    id = str(incident["id"])
    await tell.seen_before("show_incident", id)
    await tell(404, "show_incident", "nothing")
    await tell(200, "list_incidents_page")
    await tell(400, "list_incidents_page", query="limit=x")
    await tell(200, "show_incident_page", id)
    await tell(404, "show_incident_page", "nothing")
    await tell(400, "show_incident_page", id, query="limit=x")
    await tell(200, "follow_events")
    await tell(200, "negotiate_listening", body={})
    return id


async def _deliveries(tell: Story, incident: str) -> None:
    found = (await tell(200, "list_deliveries", query=f"incident={incident}")).json()["deliveries"]
    await tell(404, "list_deliveries", query="incident=nothing")
    await tell.seen_before("show_delivery", found[0]["id"])
    await tell(404, "show_delivery", "nothing")


RESPONSES: dict[str, Any] = {
    "acknowledge_incident": {"reason": "I see to it", "duration": "1h"},
    "unacknowledge_incident": {},
    "snooze_incident": {"duration": "1h"},
    "unsnooze_incident": {},
    "assign_incident": {"assignee": "ada"},
    "change_severity": {"severity": "warning"},
    "add_note": {"note": "It was the fan again"},
    "resolve_incident": {},
    "reopen_incident": {},
}


async def _responses(tell: Story, incident: str) -> None:
    for name, body in RESPONSES.items():
        await tell(200, name, incident, body=body)
        await tell(404, name, "nothing", body=body)
        await tell(412, name, incident, body=body, headers={"if-match": '"other"'})
    page = {"content-type": FORM, "sec-fetch-site": "same-origin"}
    button = {"id": incident, "action": "acknowledge"}
    await tell(303, "press_button", button, body=b"duration=1h", headers=page)
    await tell(400, "press_button", button, body=b"duration=never", headers=page)
    await tell(404, "press_button", {"id": incident, "action": "explode"}, body=b"a=b", headers=page)
    await tell(409, "press_button", {"id": incident, "action": "reopen"}, body=b"a=b", headers=page)


async def _first_responder(tell: Story, incident: str) -> None:
    await tell(200, "ask_about_incident", incident, body={"question": "what fires?"})
    await tell(404, "ask_about_incident", "nothing", body={"question": "what fires?"})
    await tell.seen_before("list_answers", incident)
    await tell(404, "list_answers", "nothing")
    await tell(200, "draft_about_incident", incident)
    await tell(200, "draft_about_incident", incident, query="kind=postmortem")
    await tell(404, "draft_about_incident", "nothing")


async def _links(tell: Story, incident: str) -> None:
    links = ports().links
    token, lost = links.invite(incident, "team"), links.invite("nothing", "team")
    old = sign(Invitation(incident, "team", NOON), ports().keyring.pepper)
    await tell(200, "show_link", token)
    await tell(303, "follow_link", token)
    for name in ("show_link", "follow_link"):
        await tell(404, name, lost)
        await tell(410, name, old)
    await tell(200, "press_slack_button", **_pressed({"actions": [{"name": "acknowledge", "value": token}]}))
    await tell(400, "press_slack_button", **_pressed({}))
    await tell(401, "press_slack_button", body=b"payload=", headers={"content-type": FORM})
    await ask("receive_alerts", body=[{**ALERT, "endsAt": NOON.isoformat()}])
    async with asyncio.timeout(10):
        while (await ask("show_incident", {"id": incident})).json()["status"] != "resolved":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await tell(409, "follow_link", token)


def _pressed(what: dict[str, Any]) -> dict[str, Any]:
    body = urlencode({"payload": json.dumps({"user": {"name": "ada"}, **what})}).encode()
    at = str(int(ports().clock().timestamp()))
    signature = hmac.digest(SECRET.encode(), b"v0:" + at.encode() + b":" + body, "sha256").hex()
    signed = {"x-slack-request-timestamp": at, "x-slack-signature": f"v0={signature}"}
    return {"body": body, "headers": {"content-type": FORM, **signed}}


async def _silences(tell: Story) -> None:
    wanted = {"matchers": ['alertname="Other"'], "duration": "1h", "comment": "meant"}
    made = (await tell(201, "create_silence", body=wanted)).json()
    changed = {**wanted, "id": made["id"], "comment": "meant so"}
    await tell(200, "create_silence", body=changed)
    await tell(404, "create_silence", body={**wanted, "id": NOBODY})
    await tell(412, "create_silence", body=changed, headers={"if-match": '"other"'})
    await tell(200, "list_silences")
    await tell.seen_before("show_silence", made["id"])
    await tell(200, "foresee_silence", body={"matchers": ['alertname="Other"']})
    await tell(200, "show_digest", made["id"])
    await tell(412, "stop_silence", made["id"], headers={"if-match": '"other"'})
    await tell(200, "stop_silence", made["id"])
    for name in ("show_silence", "show_digest", "stop_silence"):
        await tell(404, name, NOBODY)


async def _keys_and_audit(tell: Story) -> None:
    made = (await tell(201, "create_key", body={"name": "berlin", "scopes": ["ingest"]})).json()
    await tell(200, "list_keys")
    await tell.seen_before("show_key", made["id"])
    await tell(201, "rotate_key", made["id"], body={})
    await tell(200, "revoke_key", made["id"])
    for name in ("show_key", "rotate_key", "revoke_key"):
        await tell(404, name, "nothing", **({"body": {}} if name == "rotate_key" else {}))
    await tell(200, "list_audit")
    await tell(200, "export_audit")


async def _dead_letters(tell: Story) -> None:
    await ports().queues.park("ticks", b"{}", "not a tick")
    (letter,) = (await tell(200, "list_dead_letters")).json()["dead_letters"]
    await tell.seen_before("show_dead_letter", letter["id"])
    await tell(200, "replay_dead_letter", letter["id"])
    for name in ("show_dead_letter", "replay_dead_letter"):
        await tell(404, name, "12345")


async def _sources(tell: Story) -> None:
    source = {"kind": "uptimerobot", "key": "berlin"}
    await tell(
        202, "receive_from_source", source, body={"monitorID": "7", "monitorFriendlyName": "shop", "alertType": 1}
    )
    await tell(404, "receive_from_source", {"kind": "nagios", "key": "berlin"}, body={})
    await tell(422, "receive_from_source", source, body={})
    await tell(400, "receive_from_source", source, body=b"{")
    await tell(413, "receive_from_source", source, body=b" " * (5 * 1024 * 1024 + 1))


async def _reconciliation(tell: Story) -> None:
    await tell(404, "get_reconciliation")
    await tell(409, "run_reconciliation")


async def _pagerduty(tell: Story) -> None:
    event = {"event_action": "trigger", "payload": {"summary": "s", "source": "h", "severity": "info"}}
    for name in ("enqueue_event", "enqueue_change"):
        await tell(202, name, body=event)  # the one shape has all that the other needs
        await tell(400, name, body=b"{" * 600_000, headers={"content-type": JSON})


async def _arrivals(tell: Story) -> None:
    await ask("receive_from_source", {"kind": "zabbix", "key": "x"}, body={})
    (arrival, *_) = (await tell(200, "list_arrivals")).json()["arrivals"]
    await tell.seen_before("show_arrival", arrival["id"])
    await tell(404, "show_arrival", "nothing")
    await tell(200, "replay_arrivals", body={"source": "zabbix/x", "dry_run": True})
    await tell(404, "replay_arrivals", body={"source": "zabbix/x", "ids": ["nothing"]})
    await tell(200, "list_collisions")


async def _changes(tell: Story) -> None:
    await tell(201, "report_changes", body={"summary": "deployed cart 7", "service": "cart"})
    await tell(200, "list_changes")


async def _documentation(tell: Story) -> None:
    for name in ("show_openapi", "show_docs", "show_redoc"):
        await tell.seen_before(name)
    await tell.seen_before("show_asset", "docs.js")
    await tell(404, "show_asset", "nothing")
    await tell(200, "explain_problem", "input")
    await tell(404, "explain_problem", "nothing")


# --- beside an Alertmanager -----------------------------------------------------------------------------------------

SHADOW = {
    (name, status)
    for name in ("show_shadow", "show_shadow_page", "take_alertmanager_webhook")
    for status in (200, 400, 409, 422)
}
"""Seen by the two tests below."""


async def test_a_shadow_answers_as_the_document_says(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = Story()
    async with _home(monkeypatch):
        for name in ("show_shadow", "show_shadow_page"):
            await tell(409, name)
        await tell(409, "take_alertmanager_webhook", body=WEBHOOK)
    async with _home(monkeypatch, SHADOW="true"):
        await tell(200, "show_shadow")
        await tell(200, "show_shadow_page")
        await tell(400, "show_shadow_page", query="since=never")
        await tell(200, "take_alertmanager_webhook", body=WEBHOOK)
        await tell(400, "take_alertmanager_webhook", body=b"{", headers={"content-type": JSON})
        await tell(422, "take_alertmanager_webhook", body={})
        await tell(422, "show_shadow", query="since=never")
    assert SHADOW & promised().keys() == tell.seen


async def test_whoever_cannot_be_served_now_is_told_when(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 once a kind: of a handler, of a fault in the store, and of a fault in the program."""
    async with _home(monkeypatch):
        assert (await ask("check_ready")).headers["retry-after"] == "5"
        for fault in (OSError("the disk"), KeyError("a bug")):

            async def fail(*_: Any, fault: Exception = fault, **__: Any) -> Any:
                raise fault

            monkeypatch.setattr(ports().queues, "list_dead", fail)
            answer = await ask("list_dead_letters")
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert "the disk" not in answer.text
            assert "a bug" not in answer.text
