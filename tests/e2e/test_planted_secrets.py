"""Secrets and personal things are planted wherever they come in; then everything that came out is searched for them.

What nobody may read anywhere (`SECRETS`) is in no answer, log line, span or metric.  What alerts and people say of
themselves (`PERSONAL`) is shown to whoever may read alerts, and is in no log line, span or metric either.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.agents.scripted import says
from tests.agents.scripts import answer, claim
from tests.agents.wire import Refusal, Wire
from tests.e2e.planting import plant_dead_letter, plant_message
from tests.e2e.receiver import Behaviour, Receiver
from tests.serving import UNTRIAGED, Answer, Serving, eventually
from tests.standins.collector import Collector

PEPPER = "pepper-8e1f6a0c9b7d4e25a3f0c1d2b4a6978e"
HOOK = "hook-T0KENinURL-4f9b2c"
USER, PASSWORD = "hookuser-77aa", "hookpassword-19fe"
BEARER = "bearer-5d0c7e1b"
HEADER = "header-secret-c0ffee12"
ROUTING = "e93facc04764012d7bfb002500d5d1a6"
SMTP_PASSWORD = "smtp-password-3b9d"
SLACK = "slack-signing-2f6e91"
WRONG_KEY = f"toc_0123456789ab_{'wrong' * 9}"[:60]
IN_QUERY = "token-in-query-6611"
MODEL_KEY = "model-key-41d8"
SIGNED = "whsec_UGxhbnRlZFNlY3JldE9mQVNvdXJjZTEyMzQ1Ng"

LABEL = "label-value-of-ada-b71c"
ANNOTATION = "annotation-of-ada-90ee"
PERSON = "ada.lovelace@people.example"
PAGED = "grace.hopper@people.example"
GARBAGE = "garbage-in-a-body-d2a8"

CONFIGURATION = f"""
route: {{{{receiver: team, group_by: [alertname, person], group_wait: 0s, group_interval: 5s}}}}
receivers:
  - name: team
    webhook_configs:
      - url: "http://{USER}:{PASSWORD}@{{address}}/{HOOK}"
        http_config: {{{{follow_redirects: false}}}}
      - url: "{{url}}/{HOOK}/bearer"
        http_config:
          authorization: {{{{credentials: {BEARER}}}}}
          http_headers: {{{{X-Secret: {{{{values: [{HEADER}]}}}}}}}}
    pagerduty_configs: [{{{{routing_key: {ROUTING}, url: "{{url}}/enqueue"}}}}]
    email_configs:
      - to: {PAGED}
        from: tocsin@people.example
        smarthost: 127.0.0.1:1
        auth_username: {PAGED}
        auth_password: {SMTP_PASSWORD}
        require_tls: false
"""

OWN = f"""
sources:
  - {{kind: cloudevents, key: signed, verify: {{standard_webhooks: {{secrets: ["{SIGNED}"]}}}}}}
"""

SECRETS = (
    *(PEPPER, HOOK, USER, PASSWORD, BEARER, HEADER, ROUTING, SMTP_PASSWORD, SLACK, SIGNED),
    *(WRONG_KEY.rpartition("_")[2], IN_QUERY),
)
PERSONAL = (LABEL, ANNOTATION, PERSON, PAGED, GARBAGE)


def echo(*sent: str) -> Behaviour:
    """A receiver that repeats what it was sent."""
    return Behaviour(500, {}, f"no: {' '.join(sent)} {LABEL} {ANNOTATION} {PERSON}".encode())


def alert(**labels: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": "DiskFull", "person": LABEL, "email": PERSON} | labels,
        "annotations": {"summary": ANNOTATION},
        "generatorURL": f"http://prometheus.example/graph?token={IN_QUERY[:5]}",
    }


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.mark.usefixtures("home")
def test_nothing_planted_comes_out(tmp_path: Path, receiver: Receiver, collector: Collector) -> None:
    receiver.behave(f"/{HOOK}", echo(HOOK, USER, PASSWORD))
    receiver.behave(f"/{HOOK}/bearer", replace(echo(HOOK, BEARER, HEADER), status=400))
    receiver.behave("/enqueue", echo(ROUTING))
    address = receiver.url("").removeprefix("http://")
    (tmp_path / "tocsin.yml").write_text(OWN)
    environment = {
        **collector.environment,
        **UNTRIAGED,
        "TOCSIN_KEY_PEPPER": PEPPER,
        "TOCSIN_SLACK_SIGNING_SECRET": SLACK,
        "TOCSIN_PRIVATE_RECEIVERS": "127.0.0.1",
        "NO_COLOR": "1",
    }
    configuration = CONFIGURATION.format(address=address, url=receiver.url(""))
    arguments = ("--auth", "--log-format", "json", "--log-level", "debug")
    with Serving(tmp_path, configuration, arguments, environment) as tocsin:
        (key,) = re.findall(r"toc_\w+_[\w-]+", tocsin.output)
        answers = list(story(tocsin, key))
        eventually(
            lambda: {"failed", "postponed"} <= outcomes(collector),
            "deliveries that fail, and some that are tried again",
        )
        tocsin.stop()
        plant_message(tocsin, "intake", f'{{"{GARBAGE}": "{PERSON}'.encode())
        plant_dead_letter(tocsin, "intake", GARBAGE.encode(), "planted")
        tocsin.start()
        eventually(lambda: ask(tocsin, key, "/api/v1/dead-letters").json()["dead_letters"][1:], "two dead letters")
        page = ask(tocsin, key, "/metrics")
        ask(tocsin, key, "/metrics")
        answers.append(ask(tocsin, key, "/api/v1/ledger"))
        answers.append(ask(tocsin, key, "/health/ready"))
        eventually(lambda: collector.latest("tocsin.dead_letters", tocsin_queue="intake"), "the count of dead letters")
    # It did come through, and there was much to be found.
    assert f"/{HOOK}" in {one.path for one in receiver.pages()}
    assert {401, 403, 404, 422} <= {answer.status for answer in answers}
    assert {"deliver webhook", "deliver pagerduty", "deliver email"} <= {span.name for span in collector.spans}
    assert any("notifications fail" in log.text for log in collector.logs)
    output = tocsin.output.replace(key, "")  # which is shown once, on purpose
    assert '"logger": "tocsin' in output
    out = {
        "the log": output,
        "spans, metrics and logs sent": "\n".join(collector.received),
        "the metrics page": page.text,
    }
    said = {f"answer {number}": f"{one.status} {one.headers} {one.text}" for number, one in enumerate(answers)}
    secrets = (*SECRETS, key.rpartition("_")[2])
    found = [*search(out, (*secrets, *PERSONAL)), *search(said, secrets)]
    assert not found, "\n".join(map(str, found))


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("home")
async def test_nothing_planted_comes_out_of_triage(tmp_path: Path, receiver: Receiver, collector: Collector) -> None:
    """Nor what a model is told, what it answers, and by which key it is asked."""
    whole = says(answer(summary=[claim(f"{PERSON} did it."), claim(GARBAGE, "t1", f"{LABEL} never said")]))
    echoing = Refusal(401, {"message": f"no: Bearer {MODEL_KEY}, {PERSON}"})
    async with Wire(whole, echoing, echoing, echoing) as model:
        found, tocsin = await asyncio.to_thread(_triaged, tmp_path, receiver, collector, model.url)
    asked = json.dumps(model.requests)
    assert all(one in asked for one in (MODEL_KEY, LABEL, ANNOTATION)), "the model was told nothing of it"
    assert {"tiny", "deterministic"} == {incident["finding"]["made_by"] for incident in found}
    assert {"process triage"} <= {span.name for span in collector.spans}
    assert "tocsin.triage" in tocsin.output
    out = {"the log": tocsin.output, "spans, metrics and logs sent": "\n".join(collector.received)}
    said = {f"incident {number}": json.dumps(one) for number, one in enumerate(found)}
    found_in = [*search(out, (MODEL_KEY, *PERSONAL)), *search(said, (MODEL_KEY,))]
    assert not found_in, "\n".join(map(str, found_in))


def _triaged(folder: Path, receiver: Receiver, collector: Collector, model: str) -> tuple[list[Any], Serving]:
    """Two incidents, looked at by rules and then by a model, and a question about each."""
    environment = {
        **collector.environment,
        "TOCSIN_MODEL": "tiny",
        "TOCSIN_MODEL_ENDPOINT": model,
        "TOCSIN_MODEL_KEY": MODEL_KEY,
        "TOCSIN_MODEL_REVIEW": "false",
    }
    text = f"""
        route: {{receiver: team, group_by: [alertname], group_wait: 0s}}
        receivers: [{{name: team, webhook_configs: [{{url: "{receiver.url("/team")}"}}]}}]
    """
    arguments = ("--log-format", "json", "--log-level", "debug")
    with Serving(folder, text, arguments, environment) as tocsin:
        change = {"summary": f"{PERSON} deployed {GARBAGE}", "service": "db", "source": PERSON}
        assert tocsin.post("/api/v1/changes", change).status < 300
        two = [alert(alertname=name, service="db", severity="critical") for name in ("One", "Two")]
        assert tocsin.post("/api/v2/alerts", two).status == 200

        def looked() -> list[Any]:
            listed = tocsin.get("/api/v1/incidents").json()["incidents"]
            whole = [tocsin.get(f"/api/v1/incidents/{one['id']}").json() for one in listed]
            return (
                whole
                if len(whole) == 2 and all(one["finding"] and one["finding"]["look"] >= 2 for one in whole)
                else []
            )

        found = eventually(looked, "the second looks", seconds=60)
        for incident in found:
            path = f"/api/v1/incidents/{incident['id']}/ask"
            assert tocsin.post(path, {"question": f"was it {PERSON}, who said {GARBAGE}?"}).status < 300
        assert tocsin.stop() == 0
    return found, tocsin


def outcomes(collector: Collector) -> set[str]:
    return {str(one.attributes.get("tocsin.outcome")) for one in collector.spans if one.name.startswith("deliver ")}


def search(texts: Mapping[str, str], planted: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Where each was found, and what stands around it."""
    for where, text in texts.items():
        for one in planted:
            if (at := text.find(one)) >= 0:
                yield where, one, text[max(0, at - 120) : at + 80]


def ask(tocsin: Serving, key: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} | dict(headers or {})
    encoded = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    return tocsin.request("GET" if body is None else "POST", path, encoded, sent)


def story(tocsin: Serving, key: str) -> Iterator[Answer]:
    """Everybody who may come, and what goes wrong with them; the answers."""
    now = datetime.now(UTC)
    yield ask(tocsin, key, "/api/v2/alerts", [alert(), alert(alertname=f"Named{LABEL}")])
    yield ask(tocsin, key, "/api/v2/alerts", [{"labels": {"bad name\n": LABEL}}])
    yield ask(tocsin, key, "/api/v2/alerts", f'[{{"labels": {{"{GARBAGE}'.encode())
    yield ask(tocsin, key, f"/api/v1/sources/webhook/planted?token={IN_QUERY}", GARBAGE.encode())
    yield ask(tocsin, key, "/api/v1/sources/alertmanager/planted", {"alerts": [alert() | {"status": "firing"}]})
    unsigned = {"webhook-id": "1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": "v1,bm8="}
    yield ask(tocsin, "none", "/api/v1/sources/cloudevents/signed", {"data": GARBAGE}, unsigned)
    yield ask(tocsin, WRONG_KEY, "/api/v1/incidents")
    yield tocsin.request("POST", f"/api/v1/sources/grafana/{WRONG_KEY}", b"{}", {"Content-Type": "application/json"})
    yield ask(tocsin, key, f"/no/such/path/{WRONG_KEY}?token={IN_QUERY}")
    yield ask(tocsin, key, "/api/v1/keys", {"name": PERSON, "scopes": ["nonsense"]})
    made = ask(tocsin, key, "/api/v1/keys", {"name": PERSON, "scopes": ["ingest"]}).json()["key"]
    yield ask(tocsin, made, "/api/v1/incidents")
    yield ask(tocsin, key, "/api/v1/configuration", {"configuration": f"receivers: [{{name: {HEADER}"})
    silence = {
        "matchers": [{"name": "person", "value": f"no-{LABEL}", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": PERSON,
        "comment": ANNOTATION,
    }
    yield ask(tocsin, key, "/api/v2/silences", silence)
    yield ask(tocsin, key, "/api/v1/configuration")
    incidents = eventually(lambda: ask(tocsin, key, "/api/v1/incidents").json()["incidents"], "incidents")
    for incident in incidents:
        yield ask(tocsin, key, f"/api/v1/incidents/{incident['id']}")
        yield ask(tocsin, key, f"/api/v1/incidents/{incident['id']}/notes", {"text": f"ask {PERSON}"})
    yield ask(tocsin, key, f"/api/v1/incidents/{GARBAGE}")
    yield ask(tocsin, key, "/api/v1/receivers/team/test", b"")
    for path in ("receivers", "deliveries", "configurations", "audit", "keys", "sources", "arrivals", "groups"):
        yield ask(tocsin, key, f"/api/v1/{path}")
    for path in ("alerts", "alerts/groups", "silences", "status", "receivers"):
        yield ask(tocsin, key, f"/api/v2/{path}")
