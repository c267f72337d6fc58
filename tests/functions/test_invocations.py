"""The real worker library invokes every function of the app: on one machine's home, and on Azure's with stand-ins."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

import function_app
from adapters.documents import encode
from adapters.wiring import Ports, ports
from devhost.pumps import ChangeFeed, LocalBroker
from domain.groups import Tick
from domain.queues import QueueName
from endpoints import openapi
from endpoints.pipeline import LAST, registry
from tests.builders import MINUTE, alert, events, reported, tick
from tests.e2e.receiver import Receiver
from tests.functions.worker import Message, Worker, worker
from tests.standins.azure import AzureStandIn, azure
from tests.standins.servicebus.messages import State

ROOT = Path(__file__).parents[2]

CONFIGURATION = """
route: {{receiver: team, group_by: [alertname], group_wait: 1m}}
receivers:
  - name: team
    webhook_configs: [{{url: "{url}"}}]
"""

# Critical, so that it is looked at however late this machine comes to it.
ALERTS = json.dumps([{"labels": {"alertname": "DiskFull", "instance": "db1", "severity": "critical"}}]).encode()
WAIT_SECONDS = 10.0

JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Azure:
    """The app in the worker, and all around it."""

    worker: Worker
    home: Ports
    stand_in: AzureStandIn | None
    webhook: Receiver

    def waiting(self, queue: QueueName) -> Sequence[Message]:
        """What may be handed out of this queue now, each message at most once."""
        if self.stand_in is None:
            local, found = cast(LocalBroker, self.home.broker), []
            while held := local.receive(queue):
                found.append(Message(held.body or b"", held.id or str(held.number), held.session, {"size": held.size}))
                local.complete(held)
            return found
        bus = self.stand_in.service_bus
        bus.advance(0)
        stored = [one.content for one in bus.peek(queue) if one.state is State.ACTIVE]
        if stored:
            bus.purge(queue)
        return [Message(one.body, one.message_id, one.session_id, one.application_properties) for one in stored]

    async def post(self) -> None:
        """An alert comes in."""
        answer = await self.worker.request("receive_alerts", "POST", "api/v2/alerts", headers=JSON, body=ALERTS)
        assert answer.status == 200, answer.body

    async def handle(self, queue: QueueName, function: str) -> int:
        """The function gets what waits in the queue, once there is something."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not (messages := self.waiting(queue)):
            assert time.monotonic() < deadline, f"nothing came into {queue}"
            await asyncio.sleep(0.01)
        for message in messages:
            await self.worker.receive(function, message)
        return len(messages)

    async def flush(self) -> None:
        """The tick of the only group comes, a minute too early: a tick may, and flushes by its own due time."""
        due_at = self.home.clock() + 2 * MINUTE
        [group_id] = await self.home.groups.list_overdue(due_at, limit=10)
        await self.worker.receive("flush_group", Message(encode(Tick(group_id, due_at)), "1", None, {"size": 0}))

    async def until_sent(self) -> None:
        """Until no outbox holds anything: one machine's home clears them with its next commit."""
        deadline = time.monotonic() + WAIT_SECONDS
        while left := self.unsent(await self.written()):
            assert time.monotonic() < deadline, f"unsent: {left}"
            await asyncio.sleep(0.01)

    @staticmethod
    def unsent(documents: Sequence[dict[str, Any]]) -> Sequence[str]:
        """The kinds of what lies in an outbox, of these documents."""
        return [document["kind"] for document in documents if document["type"] == "outbox"]

    async def written(self) -> Sequence[dict[str, Any]]:
        """What the change feed shows, from its beginning."""
        documents, _ = await cast(ChangeFeed, self.home.groups).changes("", limit=1000)
        return documents


@pytest.fixture(scope="module")
def webhook() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def settings() -> dict[str, str]:
    """App settings beside those of the home; a test may have its own."""
    return {}


@pytest.fixture(params=["sqlite", "azure"])
async def app(
    request: pytest.FixtureRequest,
    settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    webhook: Receiver,
) -> AsyncIterator[Azure]:
    webhook.forget()
    stand_in = None
    environment = {"TOCSIN_HOME": "sqlite", "TOCSIN_DATA": str(tmp_path)}
    file = tmp_path / "alertmanager.yml"
    file.write_text(CONFIGURATION.format(url=webhook.url("/team")))
    async with AsyncExitStack() as stack:
        if request.param == "azure":
            stand_in = await stack.enter_async_context(azure(time.time))
            environment = stand_in.environment
        for name, value in (environment | settings | {"TOCSIN_CONFIGURATION": str(file)}).items():
            monkeypatch.setenv(name, value)
        ports.cache_clear()
        stack.callback(ports.cache_clear)
        started = await stack.enter_async_context(worker(function_app.app, ROOT))
        home = ports()
        stack.push_async_callback(home.close)
        await home.policy.heard(home.clock(), resumed=True)
        await home.configurations.push(file.read_text(), name=file.name)
        yield Azure(started, home, stand_in, webhook)


# --- queues, feed, timer ----------------------------------------------------------------------------------------------


async def test_one_alert_from_http_to_a_webhook_through_the_worker(app: Azure) -> None:
    await app.post()
    await app.handle("groups", "fold_groups")
    await app.flush()
    await app.handle("deliveries", "deliver")
    [page] = app.webhook.taken("/team")
    assert page.names("instance") == {"db1"}
    await app.handle("triage", "look_first")

    documents = await app.written()
    await app.worker.feed("write_history", documents)
    await app.worker.feed("relay_outbox", documents)
    [incident] = await app.home.groups.list_incidents()
    assert incident.title == "DiskFull"
    look = await app.home.findings.get_look(incident.id, incident.looks)
    assert look is not None
    assert look.finding.summary
    assert not app.waiting("reactions"), "a document of the feed was not understood, and parked"
    assert not await app.home.queues.list_dead()


async def test_an_alert_on_the_intake_queue(app: Azure) -> None:
    await app.worker.receive("take_in", Message(ALERTS, "1", None, {}))
    await app.handle("groups", "fold_groups")
    assert not await app.home.queues.list_dead()


async def test_what_can_never_be_accepted_is_parked_and_the_host_completes_it(app: Azure) -> None:
    wrong = Message(b'{"labels": 1}', "1", None, {"size": 1})
    handlers = {"take_in", "fold_groups", "flush_group", "deliver", "look_first", "react_again"}
    for name in handlers - {"react_again"}:
        await app.worker.receive(name, wrong)
    await app.worker.receive("react_again", Message(b"[]", "1", None, {}))
    dead = await app.home.queues.list_dead()
    assert sorted(letter.queue for letter in dead) == ["deliveries", "groups", "intake", "reactions", "ticks", "triage"]


async def test_what_a_crash_left_in_an_outbox_is_relayed(app: Azure) -> None:
    await app.post()
    unsent: list[Any] = []

    class NoSending:
        async def send(self, committed: Sequence[Any]) -> None:
            unsent.extend(committed)

    with pytest.MonkeyPatch.context() as crash:
        crash.setattr(function_app, "ports", lambda: _Crashing(app.home, NoSending()))
        await app.handle("groups", "fold_groups")
    assert unsent
    assert app.unsent(await app.written())
    await app.worker.feed("relay_outbox", await app.written())
    await app.until_sent()


async def test_a_document_that_nobody_understands_is_parked_and_its_batch_goes_on(app: Azure) -> None:
    await app.worker.feed("relay_outbox", [{"id": "x", "type": "outbox"}, {"id": "y", "type": "outbox"}])
    parked = await app.home.queues.list_dead()
    assert [(letter.queue, letter.kind) for letter in parked] == [("reactions", "parked")] * 2


async def test_a_document_that_was_parked_is_reacted_to_again(app: Azure) -> None:
    await app.post()
    await app.handle("groups", "fold_groups")
    for document in await app.written():
        await app.worker.receive("react_again", Message(json.dumps(document).encode(), "1", None, {}))
    assert not await app.home.queues.list_dead()


async def test_the_sweep(app: Azure) -> None:
    await app.worker.tick("sweep")
    head = await app.home.policy.get_head()
    assert head.heard_at is not None


async def test_the_comparison_with_azure(app: Azure) -> None:
    await app.worker.tick("reconcile")
    assert await app.home.receipts.get_reconciliation() is None, "no subscription is named"


async def test_a_tick_for_a_group_that_is_gone(app: Azure) -> None:
    await app.worker.receive("flush_group", Message(encode(tick(7)), "1", None, {"size": 0}))
    await app.worker.receive("fold_groups", Message(encode(events(reported(alert()))), "1", "1", {"size": 1}))


@dataclass(frozen=True, slots=True)
class _Crashing:
    """The home, but its process ends before it has sent what it committed."""

    home: Ports
    outbox: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.home, name)


# --- HTTP -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    status: int = 200
    route: dict[str, str] = field(default_factory=dict)
    body: Any = None


NOBODY = "00000000-0000-0000-0000-000000000000"
FINGERPRINT = "00000000000000ff"
SILENCE = {
    "matchers": [{"name": "alertname", "value": "DiskFull", "isRegex": False, "isEqual": True}],
    "startsAt": "2026-01-01T00:00:00Z",
    "endsAt": "2100-01-01T00:00:00Z",
    "createdBy": "ada",
    "comment": "the disk is being replaced",
}
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

REQUESTS = {
    "check_healthy": Asked("GET", "-/healthy"),
    "check_ready": Asked("GET", "-/ready"),
    "show_health": Asked("GET", "health"),
    "show_readiness": Asked("GET", "health/ready"),
    "expire_silence": Asked("DELETE", "api/v2/silence/" + NOBODY, 404, {"id": NOBODY}),
    "explain_alert": Asked("GET", f"api/v1/alerts/{FINGERPRINT}/explain", 404, {"fingerprint": FINGERPRINT}),
    "explain_alert_page": Asked("GET", f"alerts/{FINGERPRINT}", 404, {"fingerprint": FINGERPRINT}),
    "get_alert_groups": Asked("GET", "api/v2/alerts/groups"),
    "get_alerts": Asked("GET", "api/v2/alerts"),
    "get_receivers": Asked("GET", "api/v2/receivers"),
    "get_silence": Asked("GET", "api/v2/silence/" + NOBODY, 404, {"id": NOBODY}),
    "get_silences": Asked("GET", "api/v2/silences"),
    "get_status": Asked("GET", "api/v2/status"),
    "list_dead_letters": Asked("GET", "api/v1/dead-letters"),
    "list_incidents": Asked("GET", "api/v1/incidents"),
    "list_incidents_page": Asked("GET", "incidents"),
    "list_receivers": Asked("GET", "api/v1/receivers"),
    "post_silence": Asked("POST", "api/v2/silences", body=SILENCE),
    "push_configuration": Asked("POST", "api/v1/configuration", body={}, status=422),
    "reload_configuration": Asked("POST", "-/reload"),
    "replay_dead_letter": Asked("POST", "api/v1/dead-letters/9/replay", 404, {"id": "9"}),
    "show_configuration": Asked("GET", "api/v1/configuration"),
    "show_dead_letter": Asked("GET", "api/v1/dead-letters/9", 404, {"id": "9"}),
    "show_home": Asked("GET", "", 302),
    "show_incident": Asked("GET", "api/v1/incidents/9", 404, {"id": "9"}),
    "show_incident_page": Asked("GET", "incidents/9", 404, {"id": "9"}),
    "show_ledger": Asked("GET", "api/v1/ledger"),
    "show_shadow": Asked("GET", "api/v1/shadow", 409),
    "show_shadow_page": Asked("GET", "shadow", 409),
    "take_alertmanager_webhook": Asked("POST", "api/v1/shadow/alertmanager", 409, body=WEBHOOK),
    "test_receiver": Asked("POST", "api/v1/receivers/team/test", route={"name": "team"}),
    LAST: Asked("GET", "api/v1/nowhere", 404, {"path": "api/v1/nowhere"}),
    # Last: a listing waits until what this process has taken in is folded, and here nobody folds it.
    "receive_alerts": Asked("POST", "api/v2/alerts", body=json.loads(ALERTS)),
}
MESSAGES = {"take_in", "fold_groups", "flush_group", "deliver", "look_first", "react_again"}
FEEDS = {"relay_outbox", "write_history"}
TIMERS = {"sweep", "reconcile"}


async def test_every_http_function_answers(app: Azure) -> None:
    """In one test: an app is loaded once, and its functions share the process on Azure too."""
    answered = {}
    for name, asked in REQUESTS.items():
        body = b"" if asked.body is None else json.dumps(asked.body).encode()
        answer = await app.worker.request(
            name, asked.method, asked.path, route=asked.route, headers=JSON if body else None, body=body
        )
        answered[name] = answer.status
    assert answered == {name: asked.status for name, asked in REQUESTS.items()}


@pytest.mark.parametrize("settings", [{"TOCSIN_SHADOW": "true"}])
async def test_the_functions_of_a_shadow_answer(app: Azure) -> None:
    for name in ("show_shadow", "show_shadow_page", "take_alertmanager_webhook"):
        asked = REQUESTS[name]
        body = b"" if asked.body is None else json.dumps(asked.body).encode()
        answer = await app.worker.request(name, asked.method, asked.path, headers=JSON if body else None, body=body)
        assert (answer.status, answer.headers["Tocsin-Mode"]) == (200, "shadow"), (name, answer.body)


async def test_every_path_answers_other_methods(app: Azure) -> None:
    for path in {entry.path for entry in registry}:
        methods = {entry.method for entry in registry if entry.path == path}
        path = re.sub(r"\{\w+\}", "9", path)
        answer = await app.worker.request(LAST, "PATCH", path, route={"path": path})
        assert answer.status == 405, path
        # `silences/preview` is also a silence of that name, for the methods that a silence takes.
        assert methods <= set(answer.headers["Allow"].split(", ")), path


async def test_every_other_http_function_answers_as_documented(app: Azure) -> None:
    """Asked for what is not there, with no body; what they do is told to them elsewhere, in tests/endpoints."""
    paths = openapi.document()["paths"]
    documented = {one["operationId"]: one["responses"] for item in paths.values() for one in item.values()}
    others = [entry for entry in registry if entry.name in app.worker.functions and entry.name not in REQUESTS]
    assert others
    for entry in others:
        path = re.sub(r"\{\w+\}", "9", entry.path)
        route = dict.fromkeys(re.findall(r"\{(\w+)\}", entry.path), "9")
        answer = await app.worker.request(entry.name, entry.method, path, route=route)
        assert str(answer.status) in documented[entry.name], (entry.name, answer.status, answer.body)


async def test_no_function_is_left_out(app: Azure) -> None:
    rest = set(app.worker.functions)
    http = {entry.name for entry in registry} | REQUESTS.keys()
    assert rest - http == MESSAGES | FEEDS | TIMERS
    assert REQUESTS.keys() <= rest
