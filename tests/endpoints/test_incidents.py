"""Incidents over HTTP: the list, the timeline with its reasons, and the pages for people."""

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.e2e.receiver import Receiver, failing
from tests.serving import UNTRIAGED, Serving, eventually

CONFIGURATION = """\
route:
  receiver: nobody
  group_by: [alertname]
  group_wait: 50ms
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - matchers: [alertname=~"Paged.*"]
      receiver: team
receivers:
  - name: nobody
  - name: team
    webhook_configs:
      - url: {url}
"""

HOSTILE = "<script>alert(1)</script>&'\""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def tocsin(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    text = CONFIGURATION.format(url=receiver.url("/team"))
    with Serving(tmp_path_factory.mktemp("incidents"), text, environment=UNTRIAGED) as tocsin:
        yield tocsin


def send(tocsin: Serving, name: str, *, ended: bool = False, **changes: Any) -> None:
    alert = {"labels": {"alertname": name, "instance": "db-1"}, **changes}
    if ended:
        alert["endsAt"] = datetime.now(UTC).isoformat()
    assert tocsin.post("/api/v2/alerts", [alert]).status == 200


def incidents(tocsin: Serving, name: str) -> list[Any]:
    answer = tocsin.get("/api/v1/incidents?limit=1000").json()
    return [incident for incident in answer["incidents"] if incident["title"] == name]


def detail(tocsin: Serving, incident: Any) -> Any:
    return tocsin.get(f"/api/v1/incidents/{incident['id']}").json()


def codes(incident: Any) -> list[str]:
    return [reason["code"] for entry in incident["timeline"] for reason in entry["reasons"]]


def test_an_acknowledged_alert_is_an_incident_at_once(tocsin: Serving) -> None:
    send(tocsin, "AtOnce", annotations={"summary": "full"}, generatorURL="http://prometheus/graph")
    (incident,) = incidents(tocsin, "AtOnce")
    assert incident["status"] == "triggered"
    assert incident["url"] == f"{tocsin.url}/incidents/{incident['id']}"
    assert (incident["receiver"], incident["firing"], incident["alerts"]) == ("nobody", 1, 1)
    assert incident["group_labels"] == {"alertname": "AtOnce"}
    (current,) = detail(tocsin, incident)["current_alerts"]
    assert (current["status"], current["annotations"]) == ("firing", {"summary": "full"})
    assert current["generator_url"] == "http://prometheus/graph"


def test_the_timeline_tells_a_life_from_the_first_alert_to_the_last_answer(tocsin: Serving) -> None:
    send(tocsin, "PagedLife")
    (incident,) = incidents(tocsin, "PagedLife")
    eventually(lambda: "delivered" in codes(detail(tocsin, incident)), "the first page's answer")
    send(tocsin, "PagedLife", ended=True)
    over = eventually(
        lambda: (found := detail(tocsin, incident))["status"] == "resolved" and found, "the end of the incident"
    )
    assert over["resolved_at"] >= over["opened_at"]
    assert (over["firing"], over["alerts"], over["pages"]) == (0, 1, 2)
    assert over["current_alerts"] == []
    assert codes(over) == [
        *("opened", "incident_opened", "fired"),
        "notify",
        "delivered",
        "resolved",
        "notify",
        *("delivered", "dropped", "incident_resolved"),
    ]
    events = [entry["event"] for entry in over["timeline"]]
    assert events == ["received", "tick", "result", "received", "tick", "result"]
    first, second, third, *_ = over["timeline"]
    assert first["words"].startswith("PagedLife began to fire; the group is new: first look after group_wait, at ")
    assert first["alerts"][0]["labels"] == {"alertname": "PagedLife", "instance": "db-1"}
    assert second["words"].startswith("webhook[0] is told of 1 firing: first notification; next look at ")
    assert (third["result"]["is_delivered"], third["result"]["attempts"]) == (True, 1)
    assert third["result"]["answer"].startswith("receiver 'team' webhook[0] answered 200")
    assert not over["is_timeline_cut"]


def test_the_timeline_says_why_nobody_was_told(tocsin: Serving) -> None:
    send(tocsin, "Untold")
    (incident,) = incidents(tocsin, "Untold")
    eventually(lambda: "no_integration" in codes(detail(tocsin, incident)), "the group's first look")
    said = [entry["words"] for entry in detail(tocsin, incident)["timeline"]]
    assert said[1].startswith("nobody is told: receiver nobody has no integrations")


def test_the_timeline_has_the_answers_of_a_receiver_that_refuses(tocsin: Serving, receiver: Receiver) -> None:
    def results() -> list[Any]:
        found = [entry for entry in detail(tocsin, incident)["timeline"] if entry["result"]]
        return found if len(found) > 1 else []

    receiver.behave_always(lambda path: failing(400))
    try:
        send(tocsin, "PagedInVain")
        (incident,) = incidents(tocsin, "PagedInVain")
        found = eventually(results, "two results")
        page = tocsin.get(f"/incidents/{incident['id']}").text
        (incident,) = incidents(tocsin, "PagedInVain")
    finally:
        receiver.behave_always(lambda path: failing(200))
    assert incident["pages"] == 0
    assert incident["failed"] >= 2
    assert re.search(r"0 notifications told, <strong[^>]*>\d+ failed</strong>", page)
    # What failed alike, and what led to it, is one entry each.
    assert re.search(r"a delivery ended, \d+ times from \d\d:\d\d:\d\d to \d\d:\d\d:\d\d</span>", page)
    assert page.count("not delivered: ") == 1
    assert "Not told: webhook[0] (tried " in page
    assert not found[0]["result"]["is_delivered"]
    assert "400" in found[0]["result"]["answer"]
    assert found[0]["words"].startswith("not delivered: receiver 'team' webhook[0] ")


def test_a_refire_is_an_incident_of_its_own(tocsin: Serving) -> None:
    send(tocsin, "PagedAgain")
    (first,) = incidents(tocsin, "PagedAgain")
    eventually(lambda: "delivered" in codes(detail(tocsin, first)), "the first page's answer")
    send(tocsin, "PagedAgain", ended=True)
    eventually(lambda: detail(tocsin, first)["status"] == "resolved", "the end of the first")
    send(tocsin, "PagedAgain")
    again, same = incidents(tocsin, "PagedAgain")
    assert (again["status"], same["id"]) == ("triggered", first["id"])
    assert again["opened_at"] > same["opened_at"]
    triggered = tocsin.get("/api/v1/incidents?status=triggered&limit=1000").json()["incidents"]
    assert again["id"] in [incident["id"] for incident in triggered]
    resolved = tocsin.get("/api/v1/incidents?status=resolved&limit=1000").json()["incidents"]
    assert same["id"] in [incident["id"] for incident in resolved]
    assert again["id"] not in [incident["id"] for incident in resolved]


@pytest.mark.parametrize("wanted", ["", "&status=triggered"])
def test_pages_of_the_list_hold_each_incident_once(tocsin: Serving, wanted: str) -> None:
    for number in range(5):
        send(tocsin, f"Listed{number}")
    whole = tocsin.get(f"/api/v1/incidents?limit=1000{wanted}").json()
    assert whole["next"] is None
    instants = [incident["opened_at"] for incident in whole["incidents"]]
    assert instants == sorted(instants, reverse=True)
    seen: list[str] = []
    before = ""
    while True:
        part = tocsin.get(f"/api/v1/incidents?limit=2{wanted}{before}").json()
        assert len(part["incidents"]) <= 2
        seen += [incident["id"] for incident in part["incidents"]]
        if part["next"] is None:
            break
        before = f"&before={part['next']}"
    assert seen == [incident["id"] for incident in whole["incidents"]]


@pytest.mark.parametrize(
    ("query", "status", "named"),
    [
        ("limit=0", 422, "'limit'"),
        ("limit=1001", 422, "'limit'"),
        ("limit=many", 422, "'limit'"),
        ("limit=1&limit=2", 422, "'limit'"),
        ("status=open", 422, "'status'"),
        ("before=nothing", 422, "'before'"),
        ("colour=red", 422, "'colour'"),
    ],
)
def test_a_wrong_parameter_is_named(tocsin: Serving, query: str, status: int, named: str) -> None:
    answer = tocsin.get(f"/api/v1/incidents?{query}")
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (status, "application/problem+json")
    assert f"query parameter {named}" in answer.json()["detail"]


def test_an_unknown_incident_is_a_problem(tocsin: Serving) -> None:
    answer = tocsin.get("/api/v1/incidents/nothing")
    assert answer.status == 404
    assert answer.json()["detail"] == "no incident 'nothing'"
    assert answer.json()["request_id"]


def test_a_long_timeline_is_cut_at_its_beginning(tocsin: Serving) -> None:
    send(tocsin, "Long")
    (incident,) = incidents(tocsin, "Long")
    eventually(lambda: len(detail(tocsin, incident)["timeline"]) > 1, "a second entry")
    cut = tocsin.get(f"/api/v1/incidents/{incident['id']}?limit=1").json()
    assert (len(cut["timeline"]), cut["is_timeline_cut"]) == (1, True)
    assert cut["timeline"][0]["event"] == "tick"
    assert "There are earlier entries" in tocsin.get(f"/incidents/{incident['id']}?limit=1").text


# --- pages for people -----------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str]:
        return [attributes["href"] or "" for tag, attributes in self.tags if tag == "a"]


def test_the_root_leads_to_the_list(tocsin: Serving) -> None:
    answer = tocsin.get("/")
    assert (answer.status, answer.headers["location"]) == (302, "incidents")


def test_the_list_leads_to_each_incident(tocsin: Serving) -> None:
    send(tocsin, "LinkedTo")
    (incident,) = incidents(tocsin, "LinkedTo")
    assert f"incidents/{incident['id']}" in Tags(tocsin.get("/incidents").text).links
    assert f"../incidents/{incident['id']}" in Tags(tocsin.get("/incidents/").text).links
    older = [link for link in Tags(tocsin.get("/incidents?limit=1").text).links if "before=" in link]
    assert tocsin.get(f"/{older[0]}").status == 200


def test_what_alerts_say_stays_text(tocsin: Serving) -> None:
    send(
        tocsin,
        HOSTILE,
        annotations={HOSTILE: f"one\n{HOSTILE}\x1b[31m"},
        generatorURL="javascript:alert(1)",
        labels={"alertname": HOSTILE, "team": HOSTILE},
    )
    (incident,) = incidents(tocsin, HOSTILE)
    for path in ("/incidents", f"/incidents/{incident['id']}"):
        answer = tocsin.get(path)
        page = Tags(answer.text)
        assert "script" not in {tag for tag, _ in page.tags}
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        assert not [link for link in page.links if link.startswith("javascript:")]
        assert HOSTILE in page.text
        assert "\x1b" not in answer.text


def test_a_page_lets_nothing_foreign_run(tocsin: Serving) -> None:
    answer = tocsin.get("/incidents")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_the_page_of_an_incident_tells_what_happened_and_why(tocsin: Serving) -> None:
    send(tocsin, "PagedAndRead", generatorURL="https://prometheus/graph?a=1&b=2")
    (incident,) = incidents(tocsin, "PagedAndRead")
    eventually(lambda: "delivered" in codes(detail(tocsin, incident)), "the page's answer")
    page = Tags(tocsin.get(f"/incidents/{incident['id']}").text)
    for words in ("triggered", "began to fire", "webhook[0] is told of 1 firing: first notification", "answered 200"):
        assert words in page.text
    assert "https://prometheus/graph?a=1&b=2" in page.links
    assert f"../api/v1/incidents/{incident['id']}" in page.links


def test_the_page_of_no_incident_says_so(tocsin: Serving) -> None:
    answer = tocsin.get("/incidents/nothing")
    assert answer.status == 404
    assert "No such incident" in answer.text
