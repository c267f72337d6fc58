"""The resources under /api/v1 over HTTP: live alerts, groups, deliveries, receivers, configurations, statistics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from domain.labels import fingerprint
from tests.e2e.receiver import Receiver, failing
from tests.serving import Serving, eventually

CONFIGURATION = """\
route:
  receiver: nobody
  group_by: [alertname]
  group_wait: 50ms
  group_interval: 200ms
  repeat_interval: 1h
  routes:
    - matchers: [severity="page"]
      receiver: team
      continue: true
    - matchers: [severity="page"]
      receiver: second
    - matchers: [severity="fails"]
      receiver: deaf
      group_interval: 1h
receivers:
  - name: nobody
  - name: team
    webhook_configs:
      - url: {team}
  - name: second
    webhook_configs:
      - url: {second}
  - name: deaf
    webhook_configs:
      - url: {deaf}
"""

JSON = {"Content-Type": "application/json"}
TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Receiver() as receiver:
        receiver.behave("/deaf", *[failing(400)] * 9)
        urls = {name: receiver.url(f"/{name}") for name in ("team", "second", "deaf")}
        with Serving(tmp_path_factory.mktemp("resources"), CONFIGURATION.format(**urls)) as tocsin:
            for name in ("One", "Two", "Three"):
                send(tocsin, name, "db1", "page")
                send(tocsin, name, "db2", "page")
            send(tocsin, "Quiet", "db1", "none")
            send(tocsin, "Deaf", "db1", "fails")
            # Each receiver hears of both machines, at once or one after the other; then nothing more is due.
            eventually(lambda: all(hears_of_both(receiver, path) for path in ("/team", "/second")), "the pages")
            eventually(lambda: tocsin.get("/api/v1/ledger").json()["pending"] == 0, "their results")
            eventually(lambda: deliveries(tocsin, status="failed"), "the page that is refused")
            yield tocsin


def hears_of_both(receiver: Receiver, path: str) -> bool:
    pages = receiver.pages(path)
    told = {name for page in pages if page.names("instance") == {"db1", "db2"} for name in page.names("alertname")}
    return told == {"One", "Two", "Three"}


def send(tocsin: Serving, name: str, instance: str, severity: str, *, ended: bool = False) -> None:
    alert: dict[str, Any] = {"labels": labels(name, instance, severity)}
    if ended:
        alert["endsAt"] = datetime.now(UTC).isoformat()
    assert tocsin.post("/api/v2/alerts", [alert]).status == 200


def labels(name: str, instance: str, severity: str) -> dict[str, str]:
    return {"alertname": name, "instance": instance, "severity": severity}


def get(tocsin: Serving, path: str, *asked: tuple[str, Any], **more: Any) -> Any:
    answer = tocsin.get(f"/api/v1/{path}?{urlencode([*asked, *more.items()])}")
    assert answer.status == 200, answer.text
    return answer.json()


def deliveries(tocsin: Serving, **asked: Any) -> list[Any]:
    found: list[Any] = get(tocsin, "deliveries", **asked)["deliveries"]
    return found


def refused(tocsin: Serving, path: str) -> tuple[int, list[str]]:
    answer = tocsin.get(f"/api/v1/{path}")
    return answer.status, [error["field"] for error in answer.json().get("errors", [])]


def paged(tocsin: Serving, resource: str, limit: int, **asked: Any) -> list[list[Any]]:
    """All parts of a list."""
    parts, cursor = [], None
    while True:
        answer = get(tocsin, resource, limit=limit, **asked, **({"cursor": cursor} if cursor else {}))
        parts.append(answer[resource])
        cursor = answer["next"]
        if cursor is None:
            return parts
        assert len(parts) < 100


# --- lists ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "key", "asked"),
    [
        ("alerts", "fingerprint", {}),
        ("groups", "id", {}),
        ("deliveries", "id", {}),
        ("deliveries", "id", {"status": "delivered"}),
        ("incidents", "id", {}),
    ],
)
def test_a_list_in_parts_is_the_whole_list(tocsin: Serving, resource: str, key: str, asked: dict[str, Any]) -> None:
    whole = [one[key] for one in get(tocsin, resource, limit=1000, **asked)[resource]]
    assert len(whole) == len(set(whole)) > 2
    for limit in (1, 2, len(whole)):
        parts = paged(tocsin, resource, limit, **asked)
        assert [one[key] for part in parts for one in part] == whole
        assert all(len(part) <= limit for part in parts)


@pytest.mark.parametrize("resource", ["alerts", "groups", "deliveries", "silences", "configurations"])
def test_a_wrong_question_is_refused(tocsin: Serving, resource: str) -> None:
    assert refused(tocsin, f"{resource}?limit=0") == (422, ["limit"])
    assert refused(tocsin, f"{resource}?cursor=x") == (422, ["cursor"])
    assert refused(tocsin, f"{resource}?unknown=1") == (422, ["unknown"])


def test_a_cursor_of_another_list_is_refused(tocsin: Serving) -> None:
    cursor = get(tocsin, "alerts", limit=1)["next"]
    assert refused(tocsin, f"groups?cursor={cursor}") == (422, ["cursor"])


# --- alerts ---------------------------------------------------------------------------------------------------------


def names(tocsin: Serving, *filters: str, **asked: Any) -> list[str]:
    found = get(tocsin, "alerts", *[("filter", text) for text in filters], **asked)["alerts"]
    return [one["labels"]["alertname"] for one in found]


def test_live_alerts_are_chosen_by_matchers(tocsin: Serving) -> None:
    assert names(tocsin, 'alertname="One"') == ["One", "One"]
    assert sorted(names(tocsin, 'severity="page"', "instance=db1")) == ["One", "Three", "Two"]
    assert names(tocsin, 'alertname=~"One|Two"', "alertname!=One", "instance=db2") == ["Two"]
    assert names(tocsin, receiver="deaf") == ["Deaf"]
    assert refused(tocsin, "alerts?filter=a%3D~(") == (422, ["filter"])


def test_a_live_alert_says_who_holds_it_and_what_mutes_it(tocsin: Serving) -> None:
    name = fingerprint(labels("One", "db1", "page"))
    before = get(tocsin, f"alerts/{name}")
    assert (before["state"], before["silenced_by"], before["receivers"]) == ("active", [], ["team", "second"])
    assert len(before["groups"]) == 2
    made = tocsin.request("POST", "/api/v1/silences", b'{"matchers": ["alertname=One"], "duration": "1h"}', JSON)
    silence = made.json()["id"]
    after = get(tocsin, f"alerts/{name}")
    assert (after["state"], after["silenced_by"]) == ("suppressed", [silence])
    assert names(tocsin, 'alertname=~"One|Two"', state="active") == ["Two", "Two"]
    assert names(tocsin, state="suppressed") == ["One", "One"]
    assert tocsin.request("DELETE", f"/api/v1/silences/{silence}").json()["state"] == "expired"
    assert tocsin.get("/api/v1/alerts/nobody").status == 404


# --- groups ---------------------------------------------------------------------------------------------------------


def test_groups_are_chosen_by_their_labels(tocsin: Serving) -> None:
    (one,) = get(tocsin, "groups", ("filter", 'alertname="One"'), receiver="team")["groups"]
    assert (one["labels"], one["firing"], one["alerts"]) == ({"alertname": "One"}, 2, 2)
    assert one["incident"].startswith(one["id"])
    assert len(get(tocsin, "groups", filter="alertname=One")["groups"]) == 2
    assert get(tocsin, "groups", receiver="no one")["groups"] == []


def test_a_group_tells_its_alerts_and_its_log(tocsin: Serving) -> None:
    (one,) = get(tocsin, "groups", filter="alertname=Two", receiver="team")["groups"]
    whole = get(tocsin, f"groups/{one['id']}")
    assert [(one["labels"]["instance"], one["leads"]) for one in whole["members"]] == [("db1", True), ("db2", True)]
    assert whole["is_live"]
    assert not whole["is_log_cut"]
    assert whole["log"][-1]["words"].startswith("instance=db1 began to fire; the group is new")
    revisions = [entry["revision"] for entry in whole["log"]]
    assert revisions == sorted(revisions, reverse=True)
    cut = get(tocsin, f"groups/{one['id']}", limit=1)
    assert (cut["log"], cut["is_log_cut"]) == (whole["log"][:1], True)
    assert tocsin.get(f"/api/v1/groups/{'0' * 32}").status == 404


def test_a_group_that_is_over_is_still_told_of(tocsin: Serving) -> None:
    send(tocsin, "Brief", "db1", "none")
    (one,) = get(tocsin, "groups", filter="alertname=Brief")["groups"]
    send(tocsin, "Brief", "db1", "none", ended=True)
    eventually(lambda: not get(tocsin, "groups", filter="alertname=Brief")["groups"], "the end of the group")
    over = get(tocsin, f"groups/{one['id']}")
    assert (over["is_live"], over["members"], over["incident"]) == (False, [], None)


# --- deliveries -----------------------------------------------------------------------------------------------------


def test_deliveries_are_chosen_by_what_became_of_them(tocsin: Serving) -> None:
    assert {one["receiver"] for one in deliveries(tocsin, status="delivered")} == {"team"}
    assert {one["receiver"] for one in deliveries(tocsin, status="failed")} == {"deaf"}
    assert deliveries(tocsin, status="delivered", receiver="deaf") == []
    failed = deliveries(tocsin, receiver="deaf")[-1]
    assert (failed["status"], failed["integration_name"], failed["attempts"]) == ("failed", "webhook[0]", 1)
    assert "400" in failed["answer"]
    assert get(tocsin, f"deliveries/{failed['id']}") == failed
    assert deliveries(tocsin, incident=failed["incident"], limit=1000)[-1] == failed


def test_what_belongs_to_no_incident_is_asked_for_by_its_group(tocsin: Serving) -> None:
    (group,) = get(tocsin, "groups", filter="alertname=One", receiver="second")["groups"]
    assert group["incident"] is None
    first = deliveries(tocsin, group=group["id"])[-1]
    assert (first["receiver"], first["incident"]) == ("second", None)
    assert get(tocsin, f"deliveries/{first['id']}")["id"] == first["id"]


@pytest.mark.parametrize(
    "path", ["deliveries/x", f"deliveries/{'0' * 32}-1-0", f"deliveries?group={'0' * 32}", "deliveries?incident=x"]
)
def test_there_is_no_such_delivery(tocsin: Serving, path: str) -> None:
    assert refused(tocsin, path)[0] == 404


# --- incidents, receivers, configurations ---------------------------------------------------------------------------


def test_incidents_are_chosen_by_matchers(tocsin: Serving) -> None:
    titles = [one["title"] for one in get(tocsin, "incidents", filter="alertname=~One|Two")["incidents"]]
    assert sorted(titles) == ["One", "Two"]
    found = get(tocsin, "incidents", ("filter", "alertname!=One"), ("filter", "alertname!=Two"))["incidents"]
    assert {"Three", "Deaf"} <= {one["title"] for one in found}
    assert refused(tocsin, "incidents?filter=x") == (422, ["filter"])


def test_a_receiver_says_how_telling_it_went(tocsin: Serving) -> None:
    deaf = get(tocsin, "receivers/deaf")
    assert (deaf["integrations"], deaf["pages"]["delivered"]) == (["webhook[0]"], 0)
    assert deaf["pages"]["failed"] >= 1
    assert get(tocsin, "receivers/team")["pages"]["delivered"] >= 3
    assert tocsin.get("/api/v1/receivers/no-one").status == 404


def test_a_configuration_is_shown_without_its_secrets(tocsin: Serving) -> None:
    (known,) = get(tocsin, "configurations")["configurations"]
    assert known["is_in_force"]
    whole = get(tocsin, f"configurations/{known['version']}")
    assert whole["receivers"] == ["nobody", "team", "second", "deaf"]
    assert "127.0.0.1" not in whole["text"]
    assert "repeat_interval: 1h" in whole["text"]
    assert tocsin.get("/api/v1/configurations/nothing").status == 404


# --- statistics -----------------------------------------------------------------------------------------------------


def test_statistics_tell_the_days_and_all_of_them(tocsin: Serving) -> None:
    whole = get(tocsin, "statistics")
    assert (len(whole["days"]), whole["days"][-1]["day"]) == (7, whole["last_day"])
    totals = whole["totals"]
    assert totals["incidents"]["opened"] >= 5
    assert totals["pages"]["delivered"] >= 6
    rules = {rule["alertname"]: rule for rule in totals["rules"]}
    assert rules["One"]["fired"] == 2
    assert rules["One"]["pages"] >= 1  # more where the machine was busy, and the second alert came after a page
    assert {one["receiver"] for one in totals["receivers"]} >= {"team", "second", "deaf"}
    only = get(tocsin, "statistics", alertname="One", receiver="deaf")["totals"]
    assert [rule["alertname"] for rule in only["rules"]] == ["One"]
    assert [one["receiver"] for one in only["receivers"]] == ["deaf"]
    assert only["pages"]["delivered"] == 0
    assert len(get(tocsin, "statistics", top=1)["totals"]["rules"]) == 1


def test_a_time_to_resolve_is_told(tocsin: Serving) -> None:
    before = get(tocsin, "statistics")["totals"]["incidents"]["resolved"]
    send(tocsin, "Resolved", "db1", "none")
    send(tocsin, "Resolved", "db1", "none", ended=True)
    eventually(lambda: get(tocsin, "statistics")["totals"]["incidents"]["resolved"] > before, "the end")
    assert 0 < get(tocsin, "statistics")["totals"]["incidents"]["mean_seconds_to_resolve"] < 60


def test_statistics_of_a_time(tocsin: Serving) -> None:
    past = get(tocsin, "statistics", ("from", TODAY - timedelta(days=100)), to=TODAY - timedelta(days=9))
    assert len(past["days"]) == 92
    assert past["totals"]["rules"] == []
    for asked, field in (
        (f"from={TODAY - timedelta(days=92)}&to={TODAY}", "from"),
        (f"from={TODAY}&to={TODAY - timedelta(days=1)}", "from"),
        ("to=yesterday", "to"),
        ("from=0001-01-01", "from"),
        ("top=0", "top"),
    ):
        assert refused(tocsin, f"statistics?{asked}") == (422, [field])
