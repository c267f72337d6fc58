"""Muting as the world sees it: sources that are acknowledged in time are seen, silences end with a page where mended.

Each group holds a witness that nothing mutes: its page tells that the flush was made, and who is missing from it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.receiver import Page, Receiver
from tests.serving import Serving, eventually

NOISE = {"sqlite": 5_000, "azure": 300}
"""Groups before the one that is looked at: some seconds of work."""
NOISE_AT_ONCE = 500

RULE = "inhibit_rules: [{source_matchers: [role=source], target_matchers: [role=target], equal: [cluster]}]\n"


def configuration(receiver: Receiver, rest: str = "", *, wait: str = "2s", route: str = "") -> str:
    """Everything goes to `team`, but what says that it is noise."""
    return f"""
route:
  receiver: nobody
  group_by: [alertname]
  group_wait: {wait}
  group_interval: 1s
  repeat_interval: 12h
  routes:
    - {{receiver: team, matchers: [noise=""]{route}}}
receivers:
  - name: nobody
  - {{name: team, webhook_configs: [{{url: "{receiver.url("/team")}"}}]}}
{rest}"""


def labels(instance: str, alertname: str = "Slow", **more: str) -> dict[str, str]:
    return {"alertname": alertname, "instance": instance, "cluster": "a", **more}


SOURCE = labels("source", "Outage", role="source")
TARGET = labels("target", role="target")
WITNESS = labels("witness")


def fire(tocsin: Serving, *alerts: dict[str, str], resolved: bool = False) -> None:
    times = {"endsAt": datetime.now(UTC).isoformat()} if resolved else {}
    answer = tocsin.post("/api/v2/alerts", [{"labels": each, **times} for each in alerts])
    assert answer.status == 200, answer.text


def pages_of(receiver: Receiver, alertname: str = "Slow") -> Sequence[Page]:
    return [page for page in receiver.taken("/team") if page.group["alertname"] == alertname]


def page_with(receiver: Receiver, instance: str) -> Page:
    """The first page that tells that this one fires; waits for it."""

    def find() -> Page | None:
        return next((page for page in pages_of(receiver) if instance in page.names("instance")), None)

    page = eventually(lambda: find(), f"a page about {instance}", seconds=30)
    assert page is not None
    return page


def names(receiver: Receiver) -> list[set[str]]:
    """Who fires, by each page of the group."""
    return [page.names("instance") for page in pages_of(receiver)]


# --- inhibition -----------------------------------------------------------------------------------------------------


def make_noise(tocsin: Serving, begun: threading.Event) -> None:
    count = NOISE[tocsin.home]
    for first in range(0, count, NOISE_AT_ONCE):
        last = min(first + NOISE_AT_ONCE, count)
        fire(tocsin, *[labels(str(n), f"Noise-{n}", noise="x") for n in range(first, last)])
        begun.set()


def test_a_source_acknowledged_before_the_flush_is_seen_under_a_backlog(tmp_path: Path, receiver: Receiver) -> None:
    with Serving(tmp_path, configuration(receiver, RULE)) as tocsin:
        begun = threading.Event()
        noise = threading.Thread(target=make_noise, args=(tocsin, begun))
        noise.start()
        try:
            assert begun.wait(30)
            fire(tocsin, TARGET, WITNESS)
            fire(tocsin, SOURCE)  # two seconds before the flush, and thousands of alerts are in its way
            page = page_with(receiver, "witness")
            assert page.names("instance") == {"witness"}
        finally:
            noise.join()
        assert tocsin.get("/api/v1/ledger").json()["accepted"] >= NOISE[tocsin.home]
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["waiting"] == 0, "the backlog", seconds=60)
        assert names(receiver) == [{"witness"}]
        fire(tocsin, SOURCE, resolved=True)
        assert page_with(receiver, "target").names("instance") == {"target", "witness"}


@pytest.mark.usefixtures("home")
def test_a_source_outlives_the_process_that_took_it_in(tmp_path: Path, receiver: Receiver) -> None:
    with Serving(tmp_path, configuration(receiver, RULE)) as tocsin:
        fire(tocsin, SOURCE)
        tocsin.kill()
        tocsin.start()
        fire(tocsin, TARGET, WITNESS)
        assert page_with(receiver, "witness").names("instance") == {"witness"}
        shown = {each["labels"]["instance"]: each["status"] for each in tocsin.get("/api/v2/alerts").json()}
        source = next(
            each["fingerprint"]
            for each in tocsin.get("/api/v2/alerts").json()
            if each["labels"]["instance"] == "source"
        )
        assert (shown["target"]["state"], shown["target"]["inhibitedBy"]) == ("suppressed", [source])
        assert shown["witness"]["state"] == "active"


def test_a_reload_that_brings_a_rule_while_both_fire(tmp_path: Path, receiver: Receiver) -> None:
    with Serving(tmp_path, configuration(receiver)) as tocsin:
        fire(tocsin, SOURCE, TARGET, WITNESS)
        assert page_with(receiver, "witness").names("instance") == {"target", "witness"}
        tocsin.configure(configuration(receiver, RULE))
        assert tocsin.post("/-/reload").status == 200
        fire(tocsin, labels("target-2", role="target"), labels("witness-2"))
        assert page_with(receiver, "witness-2").names("instance") == {"witness", "witness-2"}
        fire(tocsin, SOURCE, resolved=True)
        assert page_with(receiver, "target-2").names("instance") == {"target", "witness", "target-2", "witness-2"}


# --- silences -------------------------------------------------------------------------------------------------------


def silence(tocsin: Serving, instance: str, **changes: Any) -> str:
    now = datetime.now(UTC)
    posted = {
        "matchers": [{"name": "instance", "value": instance, "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "ann",
        "comment": "being replaced",
    }
    answer = tocsin.post("/api/v2/silences", posted | changes)
    assert answer.status == 200, answer.text
    return str(answer.json()["silenceID"])


@pytest.mark.parametrize(
    ("compat", "again"),
    [
        pytest.param((), [{"db", "early"}], id="mended: the end of the silence is followed by a page"),
        pytest.param(("--compat", "strict"), [], id="strict: nothing, until something else is news"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_silence_that_ends_while_the_alert_fires(
    tmp_path: Path, receiver: Receiver, compat: Sequence[str], again: list[set[str]]
) -> None:
    with Serving(tmp_path, configuration(receiver, wait="1s"), compat) as tocsin:
        fire(tocsin, labels("db"))
        page_with(receiver, "db")
        id = silence(tocsin, "db")
        fire(tocsin, labels("early"))
        # The group had gone quiet: its next flush sees the silence.
        assert page_with(receiver, "early").names("instance") == {"early"}
        fire(tocsin, labels("early"), resolved=True)
        eventually(lambda: pages_of(receiver)[-1].names("instance", "resolved") == {"early"}, "the resolve")
        fire(tocsin, labels("early"))
        eventually(lambda: len(pages_of(receiver)) == 4, "its page")
        assert tocsin.request("DELETE", f"/api/v2/silence/{id}").status == 200
        # What follows the end of the silence comes at the next point of the grid, before anything that fires later.
        if again:
            eventually(lambda: len(pages_of(receiver)) == 5, "the page after the silence")
        fire(tocsin, labels("late"))
        assert page_with(receiver, "late").names("instance") == {"db", "early", "late"}
        assert names(receiver)[4:-1] == again


def test_what_resolves_under_a_silence_and_fires_again_is_paged(tmp_path: Path, receiver: Receiver) -> None:
    with Serving(tmp_path, configuration(receiver, wait="1s")) as tocsin:
        fire(tocsin, labels("db"))
        page_with(receiver, "db")
        id = silence(tocsin, "db")
        fire(tocsin, labels("db"), resolved=True)
        groups = "/api/v2/alerts/groups"
        eventually(lambda: tocsin.get(groups).json() == [], "the group to be empty")
        fire(tocsin, labels("witness"))
        page_with(receiver, "witness")
        assert tocsin.request("DELETE", f"/api/v2/silence/{id}").status == 200
        fire(tocsin, labels("db"))
        eventually(lambda: names(receiver)[-1] == {"db", "witness"}, "the page about the refire")


def test_silences_and_sources_are_known_after_a_crash(tmp_path: Path, receiver: Receiver) -> None:
    with Serving(tmp_path, configuration(receiver, RULE)) as tocsin:
        silence(tocsin, "db")
        fire(tocsin, labels("db"), TARGET, SOURCE, WITNESS)
        tocsin.kill()
        tocsin.start()
        assert page_with(receiver, "witness").names("instance") == {"witness"}


# --- time intervals -------------------------------------------------------------------------------------------------

ALWAYS = "time_intervals: [{name: always, time_intervals: [{years: ['1970:9999']}]}]\n"


def test_a_route_out_of_hours_keeps_silent_until_its_hours_change(tmp_path: Path, receiver: Receiver) -> None:
    out = configuration(receiver, ALWAYS, route=", mute_time_intervals: [always]")
    with Serving(tmp_path, out) as tocsin:
        fire(tocsin, WITNESS)
        alerts = "/api/v2/alerts"

        def state() -> str:
            return json.dumps([each["status"] for each in tocsin.get(alerts).json()])

        eventually(lambda: "always" in state(), "the interval to show")
        eventually(lambda: is_flushed(tocsin), "a flush")
        assert pages_of(receiver) == []
        tocsin.configure(configuration(receiver, ALWAYS))
        assert tocsin.post("/-/reload").status == 200
        assert page_with(receiver, "witness").names("instance") == {"witness"}


def is_flushed(tocsin: Serving) -> bool:
    """Whether the trail of the one incident says that it was looked at."""
    incidents = tocsin.get("/api/v1/incidents").json()["incidents"]
    return any("always" in tocsin.get(f"/api/v1/incidents/{incident['id']}").text for incident in incidents)
