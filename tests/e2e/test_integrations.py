"""Every kind of integration, from the alert that is posted to the message that arrives; and the page that tries one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.mailbox import Mailbox
from tests.e2e.receiver import Receiver, failing
from tests.serving import ROOT, Serving, eventually

SECRET = "hunter2hunter2"
FILE_SECRET = "swordfish-swordfish"

# All but what is said of resolves is as it comes.
CONFIGURATION = """\
global:
  smtp_from: tocsin@example.com
  smtp_smarthost: 127.0.0.1:{smtp}
  smtp_require_tls: false
  pagerduty_url: {url}/pagerduty
templates: ['*.tmpl']
route:
  receiver: nobody
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
  routes:
  - {{matchers: [team="all"], receiver: all}}
receivers:
- name: nobody
- name: all
  webhook_configs:
  - url: {url}/hook/{{{{ .GroupLabels.alertname }}}}
    payload: {{what: '{{{{ .CommonAnnotations.summary }}}}', how_many: '{{{{ len .Alerts }}}}', is_ours: true}}
  slack_configs:
  - api_url: '${{env:SLACK_URL}}'
    channel: '#ops'
    title: '{{{{ template "our.title" . }}}}'
  - api_url: {url}/slack-resolves/{secret}
    send_resolved: true
  msteamsv2_configs:
  - webhook_url_file: {file}
  pagerduty_configs:
  - routing_key: {secret}
  email_configs:
  - to: ops@example.com
  discord_configs:
  - webhook_url: {url}/discord/{secret}
- name: broken
  webhook_configs:
  - url: {url}/good
  - url: {url}/bad/{secret}
"""

TITLE = """{{ define "our.title" }}{{ .Status | toUpper }}: {{ .GroupLabels.alertname }}{{ end }}"""


@pytest.fixture
def outside() -> Iterator[tuple[Receiver, Mailbox]]:
    with ExitStack() as stack:
        yield stack.enter_context(Receiver()), stack.enter_context(Mailbox())


def serving(folder: Path, receiver: Receiver, mailbox: Mailbox) -> Serving:
    file = folder / "teams-url"
    file.write_text(receiver.url(f"/teams/{FILE_SECRET}\n"))
    (folder / "our.tmpl").write_text(TITLE)
    text = CONFIGURATION.format(smtp=mailbox.port, url=receiver.url(""), file=file, secret=SECRET)
    return Serving(
        folder,
        text,
        arguments=("--ignore-unsupported-receivers",),
        # On Azure nobody makes the secret that links are signed with.
        environment={"SLACK_URL": receiver.url(f"/slack/{SECRET}"), "TOCSIN_KEY_PEPPER": "p" * 40},
    )


def post(tocsin: Serving, *, is_resolved: bool = False) -> None:
    ends_at = datetime.now(UTC) + (timedelta(seconds=-1) if is_resolved else timedelta(minutes=5))
    alert = {
        "labels": {"alertname": "DiskFull", "team": "all"},
        "annotations": {"summary": "the disk is full"},
        "startsAt": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "endsAt": ends_at.isoformat(),
    }
    assert tocsin.post("/api/v2/alerts", [alert]).status == 200


PATHS = {
    "webhook": "/hook/DiskFull",
    "slack": f"/slack/{SECRET}",
    "slack, with resolves": f"/slack-resolves/{SECRET}",
    "teams": f"/teams/{FILE_SECRET}",
    "pagerduty": "/pagerduty",
}


def counts(receiver: Receiver, mailbox: Mailbox) -> dict[str, int]:
    return {name: len(receiver.pages(path)) for name, path in PATHS.items()} | {"email": len(mailbox.messages)}


def test_every_kind_of_integration_is_told(tmp_path: Path, outside: tuple[Receiver, Mailbox]) -> None:
    receiver, mailbox = outside
    with serving(tmp_path, receiver, mailbox) as tocsin:
        post(tocsin)
        once = dict.fromkeys([*PATHS, "email"], 1)
        eventually(lambda: counts(receiver, mailbox) == once, "the pages")
        (incident,) = tocsin.get("/api/v1/incidents").json()["incidents"]
        first = {name: receiver.pages(path)[0].body for name, path in PATHS.items()}
        _check_firing(first, mailbox.messages[0], f"{tocsin.url}/incidents/{incident['id']}")

        post(tocsin, is_resolved=True)
        twice = once | {"webhook": 2, "slack, with resolves": 2, "teams": 2, "pagerduty": 2}
        eventually(lambda: counts(receiver, mailbox) == twice, "the resolves")
        eventually(
            lambda: tocsin.get(f"/api/v1/incidents/{incident['id']}").json()["status"] == "resolved",
            "the end of the incident, after which nobody is told anything",
        )
        assert counts(receiver, mailbox) == twice
        last = {name: receiver.pages(path)[-1].body for name, path in PATHS.items()}
        assert last["slack, with resolves"]["attachments"][0]["color"] == "good"
        assert last["teams"]["attachments"][0]["content"]["body"][0]["color"] == "Good"
        assert (last["pagerduty"]["event_action"], last["pagerduty"]["dedup_key"]) == (
            "resolve",
            first["pagerduty"]["dedup_key"],
        )

        # Each is called by its kind and its place, and none by its secrets.
        told = tocsin.get(f"/api/v1/incidents/{incident['id']}").text
        for name in ("webhook[0]", "slack[1]", "slack[2]", "teams[3]", "pagerduty[4]", "email[5]"):
            assert f"receiver 'all' {name} answered 2" in told
        assert "slack[1] is not told: " in told
        shown = told + tocsin.get("/api/v2/status").text + tocsin.get("/api/v1/receivers").text + tocsin.output
        assert SECRET not in shown
        assert FILE_SECRET not in shown
    assert "receiver 'all': discord is not supported and left out" in tocsin.output


def _check_firing(first: dict[str, Any], mail: EmailMessage, link: str) -> None:
    assert first["webhook"] == {"what": "the disk is full", "how_many": 1, "is_ours": True}
    slack = first["slack"]
    assert slack["channel"] == "#ops"
    assert slack["attachments"][0]["title"] == "FIRING: DiskFull"
    assert slack["attachments"][0]["title_link"] == link
    assert slack["attachments"][0]["color"] == "danger"
    assert "the disk is full" in slack["attachments"][0]["text"]
    card = first["teams"]["attachments"][0]["content"]
    assert card["body"][0]["color"] == "Attention"
    assert "the disk is full" in card["body"][-1]["text"]
    assert [action["title"] for action in card["actions"]] == ["Acknowledge", "Open in Tocsin"]
    assert card["actions"][1]["url"] == link
    event = first["pagerduty"]
    assert (event["routing_key"], event["event_action"], event["client_url"]) == (SECRET, "trigger", link)
    assert event["payload"]["custom_details"]["num_firing"] == 1
    assert mail["To"] == "ops@example.com"
    assert mail["Subject"].startswith("[FIRING:1] DiskFull")
    (html,) = mail.iter_parts()
    assert isinstance(html, EmailMessage)
    assert "the disk is full" in html.get_content()
    assert link in html.get_content()


# --- test pages -----------------------------------------------------------------------------------------------------


def command(tocsin: Serving, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.run(
        [sys.executable, "-m", "devhost.cli", "receivers", *arguments, "--url", tocsin.url],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_test_page_goes_to_every_integration_of_a_receiver(tmp_path: Path, outside: tuple[Receiver, Mailbox]) -> None:
    receiver, mailbox = outside
    receiver.behave(f"/bad/{SECRET}", failing(403))
    with serving(tmp_path, receiver, mailbox) as tocsin:
        done = command(tocsin, "test", "all")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            "webhook[0]: delivered: answered 200 Scripted",
            "slack[1]: delivered: answered 200 Scripted",
            "slack[2]: delivered: answered 200 Scripted",
            "teams[3]: delivered: answered 200 Scripted",
            "pagerduty[4]: delivered: answered 200 Scripted",
            "email[5]: delivered: answered 250 kept",
        ]
        slack = receiver.pages(PATHS["slack"])[0].body["attachments"][0]
        assert slack["title"] == "FIRING: TocsinTest"
        assert slack["title_link"] == tocsin.url
        assert "Test page from Tocsin: no action needed" in slack["text"]
        events = [page.body for page in receiver.pages("/pagerduty")]
        assert [event["event_action"] for event in events] == ["trigger", "resolve"]
        assert len({event["dedup_key"] for event in events}) == 1
        assert tocsin.get("/api/v1/incidents").json()["incidents"] == []

        failed = command(tocsin, "test", "broken")
        assert failed.returncode == 1
        assert failed.stdout.splitlines() == [
            "webhook[0]: delivered: answered 200 Scripted",
            "webhook[1]: NOT delivered: answered 403 Scripted: no",
        ]
        as_json = command(tocsin, "test", "broken", "--json")
        assert as_json.returncode == 1
        assert [result["is_delivered"] for result in json.loads(as_json.stdout)["results"]] == [True, False]

        unknown = command(tocsin, "test", "a/b")
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert "no receiver 'a/b'" in unknown.stderr
        empty = command(tocsin, "test", "nobody")
        assert (empty.returncode, empty.stdout) == (1, "Receiver nobody has no integrations: nobody is told.\n")
        listed = command(tocsin, "list")
        assert "broken" in listed.stdout
        assert "webhook[0], slack[1], slack[2], teams[3], pagerduty[4], email[5]" in listed.stdout
        assert "discord" in listed.stdout
        assert SECRET not in done.stdout + failed.stdout + as_json.stdout + listed.stdout


def test_without_leave_an_unsupported_receiver_starts_nothing(
    tmp_path: Path, outside: tuple[Receiver, Mailbox]
) -> None:
    tocsin = serving(tmp_path, *outside)
    tocsin.configure(tocsin.configuration)
    files = ["--data", str(tocsin.data), "--config", str(tocsin.configuration_file)]
    started = subprocess.run(
        [sys.executable, "-m", "devhost.cli", "serve", "--port", "0", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert started.returncode == 2
    assert 'receivers[1].discord_configs: receiver "all": discord is not supported' in started.stderr
    assert SECRET not in started.stdout + started.stderr
