"""A shadow over HTTP: nothing leaves it, and it shows what would have, beside what Alertmanager sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devhost import cli
from domain.labels import fingerprint
from tests.e2e.receiver import Receiver
from tests.serving import ROOT, Serving, eventually

CONFIGURATION = """\
route:
  receiver: team.a
  group_by: [alertname]
  group_wait: 50ms
  group_interval: 500ms
  repeat_interval: 1h
receivers:
  - name: team.a
    webhook_configs: [{{url: "{url}"}}]
    slack_configs: [{{api_url: "{url}", channel: "#a"}}]
    pagerduty_configs: [{{url: "{url}", routing_key: key}}]
    email_configs: [{{to: a@example.org, from: b@example.org, smarthost: "127.0.0.1:{port}", require_tls: false}}]
"""

WITHIN = "within=1s"
"""So that a test need not wait for half a minute."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def tocsin(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    text = CONFIGURATION.format(url=receiver.url("/team"), port=receiver.port)
    with Serving(tmp_path_factory.mktemp("shadow"), text, ("--shadow",)) as tocsin:
        yield tocsin


def send(tocsin: Serving, name: str, *, ended: bool = False) -> None:
    alert = {"labels": {"alertname": name, "instance": "db-1"}}
    if ended:
        alert["endsAt"] = datetime.now(UTC).isoformat()  # type: ignore[assignment]
    assert tocsin.post("/api/v2/alerts", [alert]).status == 200


def webhook(name: str, status: str = "firing", **changes: Any) -> dict[str, Any]:
    """What Alertmanager sends about the alert."""
    labels = {"alertname": name, "instance": "db-1"}
    now = datetime.now(UTC)
    alert = {
        "status": status,
        "labels": labels,
        "annotations": {},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else now.isoformat(),
        "generatorURL": "",
        "fingerprint": fingerprint(labels),
    }
    return {
        "receiver": "team\\.a",
        "status": status,
        "alerts": [alert],
        "groupLabels": {"alertname": name},
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "truncatedAlerts": 0,
        **changes,
    }


def pairs(tocsin: Serving, name: str, asked: str = WITHIN) -> list[Any]:
    """Those about the alert, the newest first."""
    answer = tocsin.get(f"/api/v1/shadow?{asked}&limit=1000")
    assert answer.status == 200, answer.text
    return [pair for pair in answer.json()["pairs"] if pair["group_labels"].get("alertname") == name]


def pair_of(tocsin: Serving, name: str, verdict: str) -> Any:
    return eventually(
        lambda: next((pair for pair in pairs(tocsin, name) if pair["verdict"] == verdict), None), f"{name}: {verdict}"
    )


def test_nothing_leaves_it_and_all_is_recorded(tocsin: Serving, receiver: Receiver) -> None:
    send(tocsin, "Untold")
    (fired,) = eventually(lambda: pairs(tocsin, "Untold"), "the record")
    send(tocsin, "Untold", ended=True)
    eventually(lambda: len(pairs(tocsin, "Untold")) == 2, "the resolve")
    resolved, _ = pairs(tocsin, "Untold")
    assert (fired["tocsin"]["status"], fired["tocsin"]["firing"]) == ("firing", 1)
    assert fired["tocsin"]["reason"] == "first notification"
    assert fired["tocsin"]["integration"] == "webhook[0]"
    assert (resolved["tocsin"]["status"], resolved["tocsin"]["resolved"]) == ("resolved", 1)
    # Every integration has been through its delivery by now: Slack and e-mail of the first page, PagerDuty of both.
    ledger = eventually(
        lambda: (said := tocsin.get("/api/v1/ledger").json())["pending"] == 0 and said, "all to be settled"
    )
    assert ledger["balanced"]
    assert ledger["delivered"] >= 6
    assert not receiver.pages()


def test_what_would_be_told_says_so(tocsin: Serving) -> None:
    send(tocsin, "Worded")
    (pair,) = eventually(lambda: pairs(tocsin, "Worded"), "the record")
    path = pair["incident_url"].removeprefix(tocsin.url)

    def words() -> str:
        timeline = tocsin.get(f"/api/v1{path}").json()["timeline"]
        return " / ".join(entry["words"] for entry in timeline)

    eventually(lambda: "recorded, not sent" in words(), "the delivery")
    assert "webhook[0] would be told of 1 firing: first notification" in words()
    assert "receiver 'team.a' webhook[0] would be told (shadow: recorded, not sent)" in words()
    assert "is told" not in words()
    assert "delivered" not in words()
    assert "would be told of 1 firing" in tocsin.get(path).text


def test_it_says_everywhere_that_it_is_a_shadow(tocsin: Serving) -> None:
    assert f"shadow: sends nothing to anybody; {tocsin.url}/shadow" in tocsin.output
    assert f"{tocsin.url}/api/v1/shadow/alertmanager" in tocsin.output
    assert "Would tell team.a" in tocsin.output
    for path in ("/incidents", "/shadow", "/incidents/nothing"):
        assert "This Tocsin is a shadow: it sends nothing to anybody." in tocsin.get(path).text
    for path in ("/-/ready", "/api/v1/ledger", "/api/v2/status", "/api/v1/incidents/nothing"):
        assert tocsin.get(path).headers["tocsin-mode"] == "shadow"


def test_it_sends_no_test_page(tocsin: Serving, receiver: Receiver) -> None:
    answer = tocsin.post("/api/v1/receivers/team.a/test")
    assert answer.status == 409
    assert "this Tocsin is a shadow: it sends nothing to anybody, also no test page" in answer.json()["detail"]
    assert cli.main(["receivers", "test", "team.a", "--url", tocsin.url]) == 1
    assert not receiver.pages()


def test_before_anything_comes_from_alertmanager_nothing_is_compared(tmp_path: Path, receiver: Receiver) -> None:
    text = CONFIGURATION.format(url=receiver.url("/team"), port=receiver.port)
    with Serving(tmp_path, text, ("--shadow",)) as tocsin:
        send(tocsin, "Alone")
        (pair,) = eventually(lambda: pairs(tocsin, "Alone"), "the record")
        assert pair["verdict"] == "uncompared"
        assert pair["why"][0]["words"] == "nothing has come from Alertmanager yet: are its webhooks pointed here?"
        answer = tocsin.get("/api/v1/shadow").json()
        assert (answer["heard_since"], answer["counts"]["uncompared"]) == (None, 1)
        assert "one more webhook" in tocsin.get("/shadow").text
        # What was recorded is there after a restart.
        tocsin.restart()
        assert len(pairs(tocsin, "Alone")) == 1


def test_what_both_say_is_the_same(tocsin: Serving) -> None:
    send(tocsin, "Both")
    eventually(lambda: pairs(tocsin, "Both"), "the record")
    answer = tocsin.post("/api/v1/shadow/alertmanager", webhook("Both"))
    assert (answer.status, answer.json()) == (200, {"recorded": True, "fed": 0, "problems": []})
    (pair,) = pairs(tocsin, "Both")
    assert (pair["verdict"], pair["receiver"], pair["why"]) == ("same", "team.a", [])
    assert -5 < pair["offset_seconds"] < 0
    assert not [one for one in pairs(tocsin, "Both", f"{WITHIN}&only=differences") if one["verdict"] == "same"]
    assert "Both" in tocsin.get("/shadow").text


def test_what_only_one_says_is_told_with_its_reason(tocsin: Serving) -> None:
    assert tocsin.post("/api/v1/shadow/alertmanager", webhook("OnlyThere")).status == 200
    send(tocsin, "OnlyHere")
    there = pair_of(tocsin, "OnlyThere", "only_alertmanager")
    assert there["why"] == [
        {
            "cause": "input",
            "words": "OnlyThere (instance=db-1): has not come here: Alertmanager was sent what Tocsin was not",
        }
    ]
    assert (there["tocsin"], there["incident_url"]) == (None, None)
    here = pair_of(tocsin, "OnlyHere", "only_tocsin")
    (reason,) = here["why"]
    assert "Tocsin knows of no silence" in reason["words"]
    assert here["incident_url"].startswith(f"{tocsin.url}/incidents/")
    page = tocsin.get(f"/shadow?{WITHIN}&only=differences").text
    assert "Tocsin knows of no silence" in page
    assert here["incident_url"] in page


def test_a_receiver_of_another_name_is_shown_as_such(tocsin: Serving) -> None:
    assert tocsin.post("/api/v1/shadow/alertmanager", webhook("Strange", receiver="<b>other</b>")).status == 200
    pair = pair_of(tocsin, "Strange", "only_alertmanager")
    assert pair["receiver"] == "<b>other</b>"
    assert pair["why"] == [{"cause": "configuration", "words": "Tocsin's configuration has no receiver <b>other</b>"}]
    assert "<b>other" not in tocsin.get("/shadow").text


def test_alertmanagers_webhooks_may_be_all_there_is(tocsin: Serving) -> None:
    answer = tocsin.post("/api/v1/shadow/alertmanager?feed=true", webhook("Fed"))
    assert answer.json() == {"recorded": True, "fed": 1, "problems": []}
    same = pair_of(tocsin, "Fed", "same")
    assert same["tocsin"]["firing"] == 1
    (alert,) = [one for one in tocsin.get("/api/v2/alerts").json() if one["labels"]["alertname"] == "Fed"]
    lease = datetime.fromisoformat(alert["endsAt"]) - datetime.now(UTC)
    assert timedelta(hours=1) < lease < timedelta(hours=3, minutes=1), "two repeats and a tick, half as long again"
    answer = tocsin.post("/api/v1/shadow/alertmanager?feed=true", webhook("Fed", "resolved"))
    assert answer.json()["fed"] == 1
    eventually(
        lambda: [pair["verdict"] for pair in pairs(tocsin, "Fed")] == ["same", "same"], "the resolve to be told alike"
    )


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        pytest.param("", {"version": "4"}, 422, "receiver: Field required", id="no payload"),
        pytest.param("", webhook("X", version="9"), 422, "version '9'", id="another version"),
        pytest.param("?fed=true", webhook("X"), 422, "query parameter 'fed' is not known", id="a misspelt question"),
        pytest.param("", webhook("X", alerts=[{}] * 30_000), 422, "alerts.0", id="too many of nothing"),
    ],
)
def test_a_bad_webhook_is_refused_by_name(tocsin: Serving, path: str, body: Any, status: int, detail: str) -> None:
    answer = tocsin.post(f"/api/v1/shadow/alertmanager{path}", body)
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (status, "application/problem+json")
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ("since=noon", "query parameter 'since': 'noon' is neither a time"),
        ("until=1x", "query parameter 'until'"),
        ("within=1x", "query parameter 'within': not a valid duration"),
        ("only=same", "query parameter 'only'"),
        ("since=9999y", "query parameter 'since'"),
    ],
)
def test_a_bad_question_is_refused_by_name(tocsin: Serving, asked: str, detail: str) -> None:
    answer = tocsin.get(f"/api/v1/shadow?{asked}")
    assert answer.status == 422
    assert detail in answer.json()["detail"]


def test_the_time_asked_for_is_kept_to(tocsin: Serving) -> None:
    send(tocsin, "Timed")
    eventually(lambda: pairs(tocsin, "Timed"), "the record")
    assert pairs(tocsin, "Timed", f"since={(datetime.now(UTC) - timedelta(hours=1)).strftime('%Y-%m-%dT%H:%M:%SZ')}")
    assert not pairs(tocsin, "Timed", "since=2d&until=1d")


def test_the_command_line_shows_them(tocsin: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    assert tocsin.post("/api/v1/shadow/alertmanager", webhook("Printed")).status == 200
    pair_of(tocsin, "Printed", "only_alertmanager")
    arguments = ["shadow", "--url", tocsin.url, "--since", "1h", "--within", "1s", "--differences"]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert "only in Alertmanager" in said.splitlines()[0]
    assert 'ONLY ALERTMANAGER  team.a  {}:{alertname="Printed"}' in said
    assert "    Printed (instance=db-1): has not come here" in said
    assert "  same  " not in said
    assert cli.main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shadow"] is True


def test_what_still_waits_is_counted_and_said_not_to_be_listed_among_differences(
    tocsin: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tocsin.post("/api/v1/shadow/alertmanager", webhook("Young")).status == 200
    assert cli.main(["shadow", "--url", tocsin.url, "--since", "1h", "--within", "1h", "--differences"]) == 0
    said = capsys.readouterr().out
    assert " waiting (not listed: no differences yet)" in said.splitlines()[0]
    assert "Young" not in said
    assert "may still come; not listed here" in tocsin.get("/shadow?only=differences&within=1h").text


def test_one_that_is_no_shadow_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Serving(tmp_path) as tocsin:
        for answer in (
            tocsin.get("/api/v1/shadow"),
            tocsin.post("/api/v1/shadow/alertmanager", webhook("X")),
        ):
            assert answer.status == 409
            assert "this Tocsin is no shadow" in answer.json()["detail"]
        page = tocsin.get("/shadow")
        assert page.status == 409
        assert "tocsin serve --shadow" in page.text
        assert cli.main(["shadow", "--url", tocsin.url]) == 1
        assert "this Tocsin is no shadow" in capsys.readouterr().err
        assert "tocsin-mode" not in tocsin.get("/-/ready").headers
        assert "is a shadow" not in tocsin.get("/incidents").text


def test_a_demo_is_no_shadow() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    ended = subprocess.run(
        [sys.executable, "-m", "devhost.cli", "serve", "--demo", "--shadow"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, "leave out one of them" in ended.stderr) == (2, True)
