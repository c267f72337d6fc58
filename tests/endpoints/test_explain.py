"""Explain over HTTP: why an alert was told or was not, now and when it is over; as JSON, and as pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.labels import fingerprint
from tests.e2e.receiver import Receiver, failing
from tests.endpoints.test_incidents import Tags
from tests.serving import Serving, eventually

CONFIGURATION = """\
route:
  receiver: team
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - {matchers: [alertname="Two"], receiver: audit, continue: true}
    - {matchers: [alertname="Two"], receiver: team}
    - {matchers: [alertname="Night"], receiver: team, mute_time_intervals: [always]}
    - {matchers: [alertname="Slow"], receiver: team, group_wait: 1h}
    - {matchers: [alertname="Short"], receiver: team, group_wait: 2s}
    - {matchers: [alertname="Broken"], receiver: broken}
inhibit_rules:
  - source_matchers: [alertname="ClusterDown"]
    target_matchers: [alertname=~"Target|LateTarget"]
    equal: [cluster]
time_intervals:
  - name: always
    time_intervals: [{years: ["2000:2099"]}]
receivers:
  - name: team
    webhook_configs: [{url: URL/team}]
  - name: audit
    webhook_configs: [{url: URL/audit}]
  - name: broken
    webhook_configs: [{url: URL/broken}]
"""

ORDER = ["received", "enriched", "routed", "grouped", "inhibition", "hours", "silences", "notification", "delivery"]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        receiver.behave("/broken", failing(400))
        yield receiver


@pytest.fixture(scope="module")
def tocsin(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("explain"), CONFIGURATION.replace("URL", receiver.url(""))) as tocsin:
        yield tocsin


def send(tocsin: Serving, name: str, *, ended: bool = False, **labels: str) -> None:
    alert: dict[str, Any] = {"labels": {"alertname": name, **labels}}
    if ended:
        alert["endsAt"] = datetime.now(UTC).isoformat()
    assert tocsin.post("/api/v2/alerts", [alert]).status == 200


def explain(tocsin: Serving, name: str, **labels: str) -> Any:
    path = f"/api/v1/alerts/{fingerprint({'alertname': name, **labels})}/explain"
    # The answer waits for a second at most for what was acknowledged before, which a busy machine may exceed.
    found: Any = eventually(lambda: (answer := tocsin.get(path)).status == 200 and answer.json(), path)
    return found


def says(tocsin: Serving, words: str, name: str, **labels: str) -> Any:
    """Wait until the summary says so."""
    found: Any = eventually(lambda: words in (said := explain(tocsin, name, **labels))["summary"] and said, words)
    for group in found["groups"]:
        stages = [step["stage"] for step in group["steps"]]
        assert stages == sorted(stages, key=ORDER.index)
    return found


def steps(found: Any, stage: str) -> list[Any]:
    (group,) = found["groups"]
    return [step for step in group["steps"] if step["stage"] == stage]


def silence(tocsin: Serving, name: str) -> str:
    now = datetime.now(UTC)
    body = {
        "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "ann",
        "comment": "deploy",
    }
    return str(tocsin.post("/api/v2/silences", body).json()["silenceID"])


def test_what_a_source_sent_and_what_was_made_of_it_is_told(tocsin: Serving) -> None:
    sent = {"labels": {"alertname": "Enriched", "severity": "crit"}, "title": "91 %"}
    assert tocsin.post("/api/v1/sources/generic/shop", sent).status == 202
    labels = {"source": "generic", "source_key": "shop", "severity": "critical"}
    (step,) = steps(explain(tocsin, "Enriched", **labels), "enriched")
    change = 'severity "crit" became "critical" (the usual words)'
    assert step["words"] == f"Came from source generic/shop; {change}"
    assert step["facts"] == {"source": "generic/shop", "changes": [change]}
    assert (
        "Came from source generic/shop; "
        in tocsin.get(f"/alerts/{fingerprint({'alertname': 'Enriched', **labels})}").text
    )


# --- now ------------------------------------------------------------------------------------------------------------


def test_one_that_was_told(tocsin: Serving) -> None:
    send(tocsin, "Told", instance="db1")
    found = says(tocsin, "nothing new since", "Told", instance="db1")
    assert found["summary"].startswith("Told at ")
    assert found["summary"].endswith(" by webhook[0]: first notification; nothing new since")
    assert found["labels"] == {"alertname": "Told", "instance": "db1"}
    (group,) = found["groups"]
    assert (group["state"], group["is_told"], group["receiver"]) == ("firing", True, "team")
    assert tocsin.get(f"/api/v1/incidents/{group['incident']}").status == 200
    (delivery,) = steps(found, "delivery")
    assert delivery["verdict"] == "told"
    facts = delivery["facts"]
    assert (facts["kind"], facts["outcome"], facts["attempts"], facts["is_about_it"]) == (
        "webhook",
        "delivered",
        1,
        True,
    )
    assert "200" in facts["answer"]
    (asked,) = steps(found, "notification")
    assert (asked["verdict"], asked["facts"]["reason"], asked["facts"]["is_due"]) == ("told", "no_news", False)


def test_one_that_is_silenced(tocsin: Serving) -> None:
    id = silence(tocsin, "Quiet")
    send(tocsin, "Quiet")
    found = eventually(
        lambda: (said := explain(tocsin, "Quiet"))["groups"][0]["steps"][2]["facts"]["looks"] and said, "a look"
    )
    assert found["summary"].startswith("Not told: silenced by ann until ")
    assert found["summary"].endswith(" (deploy)")
    (step,) = steps(found, "silences")
    assert step["verdict"] == "stops"
    assert {**step["facts"], "ends_at": None, "looks": None} == {
        "silence": id,
        "created_by": "ann",
        "comment": "deploy",
        "ends_at": None,
        "looks": None,
    }


def test_one_that_is_inhibited(tocsin: Serving) -> None:
    send(tocsin, "ClusterDown", cluster="a")
    send(tocsin, "Target", cluster="a")
    found = says(tocsin, "inhibited by", "Target", cluster="a")
    assert found["summary"] == "Not told: inhibited by ClusterDown (cluster=a)"
    (step,) = steps(found, "inhibition")
    assert step["facts"]["source"] == fingerprint({"alertname": "ClusterDown", "cluster": "a"})
    assert step["facts"]["source_labels"] == {"alertname": "ClusterDown", "cluster": "a"}
    assert step["facts"]["seconds_late"] is None


def test_one_whose_source_came_after_the_flush(tocsin: Serving) -> None:
    send(tocsin, "LateTarget", cluster="b")
    says(tocsin, "Told at", "LateTarget", cluster="b")
    send(tocsin, "ClusterDown", cluster="b")
    found = says(tocsin, "now inhibited by", "LateTarget", cluster="b")
    (step,) = steps(found, "inhibition")
    assert 0 < step["facts"]["seconds_late"] < 60
    assert "s after the flush at" in step["words"]


def test_one_that_is_out_of_hours(tocsin: Serving) -> None:
    send(tocsin, "Night")
    found = says(tocsin, "muted by always", "Night")
    assert found["summary"] == "Not told: muted by always, inside a mute interval"
    (step,) = steps(found, "hours")
    assert (step["verdict"], step["facts"]["intervals"]) == ("stops", ["always"])


def test_one_that_waits_for_group_wait(tocsin: Serving) -> None:
    send(tocsin, "Slow")
    found = explain(tocsin, "Slow")
    assert found["summary"].startswith("Not told yet: the first look at its group is at ")
    assert found["summary"].endswith(" (group_wait 1h)")
    (asked,) = steps(found, "notification")
    assert (asked["verdict"], asked["facts"]["reason"], asked["facts"]["is_due"]) == ("waits", "notify", True)


def test_one_whose_receiver_refuses(tocsin: Serving) -> None:
    send(tocsin, "Broken")
    found = says(tocsin, "Not told: webhook[0] (tried ", "Broken")
    assert "answered 400" in found["summary"]
    assert steps(found, "delivery")[0]["verdict"] == "failed"
    assert steps(found, "delivery")[0]["facts"]["outcome"] == "failed"


def test_one_that_two_routes_take(tocsin: Serving) -> None:
    send(tocsin, "Two")
    found = says(tocsin, "Receiver team: told at", "Two")
    assert [group["receiver"] for group in found["groups"]] == ["audit", "team"]
    routed = [step["facts"] for group in found["groups"] for step in group["steps"] if step["stage"] == "routed"]
    assert [facts["is_first"] for facts in routed] == [True, False]
    assert [facts["route"] for facts in routed] == ['{}/{alertname="Two"}'] * 2


# --- when it is over ------------------------------------------------------------------------------------------------


def test_one_that_resolved_before_the_first_look(tocsin: Serving) -> None:
    send(tocsin, "Short")
    send(tocsin, "Short", ended=True)
    found = says(tocsin, "it was over before its group first looked", "Short")
    assert "nobody was told" in found["summary"]
    assert found["summary"].endswith("(group_wait 2s)")


def test_one_that_is_long_over_and_was_told(tocsin: Serving) -> None:
    send(tocsin, "Past")
    says(tocsin, "Told at", "Past")
    send(tocsin, "Past", ended=True)
    found = says(tocsin, "(all alerts resolved)", "Past")
    assert found["summary"].startswith("It fired from ")
    (group,) = found["groups"]
    assert (group["state"], group["is_told"]) == ("over", True)
    assert [step["verdict"] for step in steps(found, "delivery")] == ["told", "told"]


def test_one_that_is_over_and_was_silenced_is_explained_after_a_restart(tmp_path: Any, receiver: Receiver) -> None:
    with Serving(tmp_path, CONFIGURATION.replace("URL", receiver.url(""))) as tocsin:
        silence(tocsin, "Hushed")
        send(tocsin, "Hushed")
        eventually(lambda: explain(tocsin, "Hushed")["groups"][0]["steps"][2]["facts"]["looks"], "a look")
        send(tocsin, "Hushed", ended=True)
        eventually(lambda: explain(tocsin, "Hushed")["groups"][0]["state"] == "over", "its end")
        before = explain(tocsin, "Hushed")
        tocsin.kill()
        tocsin.start()
        after = explain(tocsin, "Hushed")
    assert " and nobody was told: silenced by ann until " in before["summary"]
    assert after | {"as_of": ""} == before | {"as_of": ""}


# --- what is no alert -----------------------------------------------------------------------------------------------


def test_an_unknown_alert_says_how_far_back_was_looked(tocsin: Serving) -> None:
    answer = tocsin.get("/api/v1/alerts/0123456789abcdef/explain")
    assert answer.status == 404
    assert answer.json()["detail"].startswith(
        "no alert '0123456789abcdef': no group holds it, and none of the latest 200,000"
    )


@pytest.mark.parametrize("text", ["123", "0123456789abcdeg", "0123456789abcdef0"])
def test_what_is_no_fingerprint_is_refused(tocsin: Serving, text: str) -> None:
    answer = tocsin.get(f"/api/v1/alerts/{text}/explain")
    assert answer.status == 422
    assert "is no fingerprint: sixteen hexadecimal digits" in answer.json()["detail"]


def test_a_fingerprint_may_be_written_in_capitals(tocsin: Serving) -> None:
    send(tocsin, "Capitals")
    its = fingerprint({"alertname": "Capitals"})
    assert tocsin.get(f"/api/v1/alerts/{its.upper()}/explain").json()["fingerprint"] == its


# --- pages ----------------------------------------------------------------------------------------------------------


def test_the_page_of_an_alert_says_the_same_in_words(tocsin: Serving) -> None:
    send(tocsin, "Paged", instance="<script>alert(1)</script>")
    labels = {"alertname": "Paged", "instance": "<script>alert(1)</script>"}
    found = says(tocsin, "nothing new since", "Paged", instance=labels["instance"])
    page = Tags(tocsin.get(f"/alerts/{found['fingerprint']}").text)
    assert found["summary"] in page.text
    for step in found["groups"][0]["steps"]:
        assert step["stage"] in page.text
    assert steps(found, "routed")[0]["words"] in page.text
    assert "script" not in {tag for tag, _ in page.tags}
    assert f"../api/v1/alerts/{found['fingerprint']}/explain" in page.links
    assert f"../incidents/{found['groups'][0]['incident']}" in page.links


def test_the_page_of_no_alert_says_so(tocsin: Serving) -> None:
    answer = tocsin.get("/alerts/0123456789abcdef")
    assert answer.status == 404
    assert "No such alert" in answer.text


def test_an_incident_says_why_of_each_of_its_alerts(tocsin: Serving) -> None:
    send(tocsin, "Many", instance="db1")
    send(tocsin, "Many", instance="db2")
    found = says(tocsin, "nothing new since", "Many", instance="db1")
    incident = found["groups"][0]["incident"]
    alerts = tocsin.get(f"/api/v1/incidents/{incident}").json()["current_alerts"]
    assert [alert["why"] for alert in alerts] == [
        explain(tocsin, "Many", instance=name)["summary"] for name in ("db1", "db2")
    ]
    page = Tags(tocsin.get(f"/incidents/{incident}").text)
    assert found["summary"] in page.text
    assert f"../alerts/{found['fingerprint']}" in page.links
