"""Stopped and started again: time in which nobody listened counts against no lease (rule 8), and a stop is clean."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.e2e.receiver import OK, Receiver, slow
from tests.serving import Serving, eventually

LEASE_SECONDS = {"sqlite": 3.0, "azure": 8.0}
"""On Azure a start takes three seconds, in which it listens already but does not answer."""
STOP_SECONDS = 5.0
"""How long a stop may take on a busy machine, when no receiver keeps it waiting: half of what it waits for at most."""

CONFIGURATION = """\
route:
  receiver: team
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 12h
receivers:
  - name: team
    webhook_configs: [{{url: "{url}"}}]
"""


def report(tocsin: Serving, starts_at: datetime, *names: str) -> None:
    """As Prometheus repeats what fires: from the same start, and vouched for a while from now."""
    ends_at = datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS[tocsin.home])
    alerts = [
        {"labels": {"alertname": name}, "startsAt": starts_at.isoformat(), "endsAt": ends_at.isoformat()}
        for name in names
    ]
    answer = tocsin.post("/api/v2/alerts", alerts)
    assert answer.status == 200, answer.text


def write_behind(tocsin: Serving) -> None:
    """Have something written behind all that has happened: whatever comes before it is on the disk then.

    A result shows before its delivery's message is gone from the queue; killed in between, Tocsin tells it again.
    """
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "alertname", "value": "nothing of this name", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "mutes nothing",
    }
    assert tocsin.post("/api/v2/silences", silence).status == 200


def statuses(receiver: Receiver) -> list[tuple[str, str]]:
    return sorted((page.group["alertname"], page.status) for page in receiver.taken())


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_stop_of_twice_the_lease_pages_nobody(tmp_path: Path, receiver: Receiver, end: str) -> None:
    names = ("DiskFull", "Down", "Slow")
    starts_at = datetime.now(UTC)
    firing = sorted((name, "firing") for name in names)
    with Serving(tmp_path, CONFIGURATION.format(url=receiver.url("/team"))) as tocsin:
        lease_seconds = LEASE_SECONDS[tocsin.home]
        report(tocsin, starts_at, *names)
        eventually(lambda: statuses(receiver) == firing, "one page for each group")
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["pending"] == 0, "the pages to be settled")
        write_behind(tocsin)
        ended_at = time.monotonic()
        tocsin.stop() if end == "stop" else tocsin.kill()
        time.sleep(2 * lease_seconds - (time.monotonic() - ended_at))

        tocsin.start()
        started_at = time.monotonic()
        # The first report only when most of the lease is over, then as often as Prometheus would, for two leases more.
        while (passed := time.monotonic() - started_at) < 2.7 * lease_seconds:
            if passed > 0.55 * lease_seconds:
                report(tocsin, starts_at, *names)
            time.sleep(0.2 * lease_seconds)
            assert statuses(receiver) == firing
        # Silence alone would prove little: it still knows what fires, and when that ends.
        resolved = sorted([*firing, *((name, "resolved") for name in names)])
        eventually(lambda: statuses(receiver) == resolved, "the resolves, once nobody vouches any more", seconds=20)


@pytest.mark.usefixtures("home")
def test_a_clean_stop_is_quick_loses_nothing_and_tells_nothing_twice(tmp_path: Path, receiver: Receiver) -> None:
    receiver.behave("/team", slow(0.5))
    acknowledged: list[str] = []
    starts_at = datetime.now(UTC)

    with Serving(tmp_path, CONFIGURATION.format(url=receiver.url("/team"))) as tocsin:

        def report_until_refused() -> None:
            number = 0
            while True:
                name = f"Alert{number}"
                try:
                    labels = {"alertname": name}
                    answer = tocsin.post("/api/v2/alerts", [{"labels": labels, "startsAt": starts_at.isoformat()}])
                except (OSError, HTTPException):
                    return
                if answer.status == 200:
                    acknowledged.append(name)
                    number += 1
                time.sleep(0.02)

        reporting = threading.Thread(target=report_until_refused)
        reporting.start()
        # Some pages are on their way then, some are still to come, and more alerts are being posted.
        eventually(lambda: len(receiver.pages()) > 5, "the first pages")
        begun_at = time.monotonic()
        assert tocsin.stop() == 0
        took_seconds = time.monotonic() - begun_at
        reporting.join()
        assert took_seconds < STOP_SECONDS

        receiver.behave("/team", OK)
        tocsin.start()
        expected = sorted((name, "firing") for name in acknowledged)
        eventually(lambda: len(receiver.pages()) >= len(expected), "a page for everything acknowledged", seconds=20)
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["pending"] == 0, "the pages to be settled")
        time.sleep(2)  # two intervals in which nothing more may come
        assert sorted((page.group["alertname"], page.status) for page in receiver.pages()) == expected
        eventually(lambda: tocsin.get("/api/v1/ledger").json()["balanced"], "the ledger to be balanced")


@pytest.mark.usefixtures("home")
def test_a_stop_waits_for_a_page_under_way_that_is_answered_in_time(tmp_path: Path, receiver: Receiver) -> None:
    receiver.behave("/team", slow(2))
    with Serving(tmp_path, CONFIGURATION.format(url=receiver.url("/team"))) as tocsin:
        report(tocsin, datetime.now(UTC), "DiskFull")
        eventually(receiver.pages, "the page")
        assert tocsin.stop() == 0
        tocsin.start()
        ledger = tocsin.get("/api/v1/ledger").json()
        assert (ledger["due"], ledger["delivered"], ledger["pending"]) == (1, 1, 0)
        assert len(receiver.pages()) == 1
