"""Killed at random moments under load, again and again: what was acknowledged is kept, and told as it should be.

`TOCSIN_SEED=…` repeats a run's choices (not its timing); `TOCSIN_KILL_SECONDS=…` makes it longer.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.configuration.file import read_configuration
from domain.labels import Fingerprint, fingerprint
from domain.notifications import Delivery
from domain.routing import GroupId
from domain.times import print_instant
from tests.e2e import stored
from tests.e2e.receiver import AlertName, Page, Receiver, slow
from tests.serving import NotServingError, Serving, eventually

BUDGET_SECONDS = float(os.environ.get("TOCSIN_KILL_SECONDS", "60"))
SEED = int(os.environ.get("TOCSIN_SEED") or Random().randrange(2**32))

SENDERS = 2
SERVICES = 15
"""For each sender; with `critical` alerts in all of them, so twice as many groups."""
INSTANCES = 6
LEASE = timedelta(hours=1)
SETTLE_SECONDS = 40.0
QUIET_SECONDS = 3.0
"""More than a group's interval: whatever is due comes within it."""

CONFIGURATION = """\
route:
  receiver: team
  group_by: [service]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 12h
  routes:
    - receiver: audit
      matchers: [severity="critical"]
      continue: true
    - receiver: team
receivers:
  - name: team
    webhook_configs: [{{url: "{team}"}}]
  - name: audit
    webhook_configs: [{{url: "{audit}"}}]
"""

type Place = tuple[str, str]
"""A receiver, and the service that one of its groups is about."""
type Content = tuple[frozenset[AlertName], frozenset[AlertName]]
"""What a page says: the alerts that fire, and those that are resolved."""


@dataclass
class Condition:
    """One alert as its sender sees it."""

    labels: dict[str, str]
    starts_at: datetime | None = None
    is_firing: bool = False

    @cached_property
    def fingerprint(self) -> Fingerprint:
        return fingerprint(self.labels)

    @property
    def places(self) -> list[Place]:
        receivers = ["team", "audit"] if self.labels["severity"] == "critical" else ["team"]
        return [(receiver, self.labels["service"]) for receiver in receivers]


@dataclass
class Sender:
    """A monitoring system: reports changes and repeats itself, and posts again what was not acknowledged."""

    port: int
    random: Random
    services: list[str]
    conditions: list[Condition] = field(default_factory=list)
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    """Every report of a change that was answered 200."""
    posts: int = 0
    repeated: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for service in self.services:
            for number in range(INSTANCES):
                labels = {"alertname": "Down", "service": service, "instance": f"i-{number}"}
                self.conditions.append(Condition({**labels, "severity": "warning" if number % 3 else "critical"}))
        self.connection = HTTPConnection("127.0.0.1", self.port, timeout=10)

    def run(self, over: threading.Event) -> None:
        try:
            while not over.is_set():
                size = 60 if self.random.random() < 0.05 else self.random.randint(1, 12)
                reports, news = self._reports(self.random.sample(self.conditions, size))
                self._post_until_acknowledged(json.dumps(reports).encode())
                self.acknowledged += news
                time.sleep(self.random.uniform(0, 0.05))
        except Exception as error:  # noqa: BLE001 - the thread's top: the test looks at it
            self.problems.append(repr(error))
        finally:
            self.connection.close()

    def _reports(self, conditions: list[Condition]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        reports: list[dict[str, Any]] = []
        news: list[dict[str, Any]] = []
        for condition in conditions:
            now = datetime.now(UTC)
            is_news = not condition.is_firing or self.random.random() < 0.4
            if is_news:
                condition.is_firing = not condition.is_firing
                condition.starts_at = now if condition.is_firing else condition.starts_at
            assert condition.starts_at is not None
            report = {
                "labels": condition.labels,
                "startsAt": print_instant(condition.starts_at),
                "endsAt": print_instant(now + LEASE if condition.is_firing else now),
            }
            reports.append(report)
            if is_news:
                news.append(report)
        return reports, news

    def _post_until_acknowledged(self, body: bytes) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connection.request("POST", "/api/v2/alerts", body, {"Content-Type": "application/json"})
                response = self.connection.getresponse()
                answer = response.read()
                if response.status == 200:
                    self.posts += 1
                    return
                assert response.status == 503, f"{response.status}: {answer!r}"
            except (OSError, HTTPException):
                self.connection.close()
            # Whether it was taken is unknown; whoever hears nothing says it again.
            self.repeated += 1
            assert time.monotonic() < deadline, "not acknowledged for a minute"
            time.sleep(0.02)


@pytest.mark.timeout(BUDGET_SECONDS + 180)
def test_nothing_acknowledged_is_lost_and_little_comes_twice(tmp_path: Path) -> None:
    print(f"TOCSIN_SEED={SEED}")
    random = Random(SEED)
    pauses = Random(SEED + 1)
    with Receiver() as receiver:
        receiver.behave_always(lambda path: slow(pauses.uniform(0, 0.15)))
        configuration = CONFIGURATION.format(team=receiver.url("/team"), audit=receiver.url("/audit"))
        with Serving(tmp_path, configuration) as tocsin:
            senders = [
                Sender(tocsin.port, Random(random.random()), [f"s-{number}-{i}" for i in range(SERVICES)])
                for number in range(SENDERS)
            ]
            killed_at = _kill_under_load(tocsin, senders, random, BUDGET_SECONDS)
            print(f"{len(killed_at)} kills, {sum(s.posts for s in senders)} posts, {len(receiver.pages())} pages")
            conditions = [condition for sender in senders for condition in sender.conditions if condition.starts_at]

            _settle(tocsin, receiver, conditions)
            quiet_from = len(receiver.pages())
            time.sleep(QUIET_SECONDS)
            assert len(receiver.pages()) == quiet_from, "pages came although everything had been told"
            _check_listed(tocsin, conditions)
            ledger = tocsin.get("/api/v1/ledger").json()
            assert ledger["balanced"], ledger
            assert (ledger["waiting"], ledger["parked"], ledger["pending"]) == (0, 0, 0)
            assert tocsin.stop() == 0

        kept = stored.read(tocsin.data)
        replayed = stored.check_replay(kept, configuration)
        _check_acknowledged(kept, senders, configuration)
        assert ledger["folded"] == kept.ledger["folded"] == kept.ledger["accepted"] == ledger["accepted"]

        sequences: dict[Place, list[Page]] = defaultdict(list)
        for page in receiver.pages():
            sequences[page.body["receiver"], page.group["service"]].append(page)
        for place, pages in sequences.items():
            _check_repetitions(place, pages, killed_at)
        _check_due(sequences, replayed)


def _kill_under_load(tocsin: Serving, senders: list[Sender], random: Random, seconds: float) -> list[float]:
    """Kill and start it until the time is over; returns when it was dead each time."""
    over = threading.Event()
    threads = [threading.Thread(target=sender.run, args=(over,)) for sender in senders]
    for thread in threads:
        thread.start()
    killed_at: list[float] = []
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline and not any(sender.problems for sender in senders):
            # Now and then as long as it takes to move rows from the redo log to their tables.
            most = random.choices((0.4, 2.0, 7.0), weights=(4, 4, 1))[0]
            time.sleep(random.uniform(0.7 * most if most > 5 else 0, most))
            tocsin.kill()
            killed_at.append(time.monotonic())
            while random.random() < 0.2:
                _kill_while_starting(tocsin, random.uniform(0, 2))
                killed_at.append(time.monotonic())
            tocsin.start()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert [problem for sender in senders for problem in sender.problems] == []
    return killed_at


def _kill_while_starting(tocsin: Serving, after_seconds: float) -> None:
    def start() -> None:
        try:
            tocsin.start()
        except NotServingError as error:
            # Killed, as this wants it.  Anything else is a start that failed by itself.
            if "exit code -9" not in str(error):
                failures.append(error)

    failures: list[NotServingError] = []
    starting = threading.Thread(target=start)
    starting.start()
    time.sleep(after_seconds)
    tocsin.kill()
    starting.join()
    tocsin.kill()  # where it had not yet begun
    assert not failures, failures


# --- at the end -----------------------------------------------------------------------------------------------------


def _settle(tocsin: Serving, receiver: Receiver, conditions: list[Condition]) -> None:
    """Wait until every group's last page says what its alerts say, and nothing is under way."""
    # Not since when: an alert that resolves and fires again between two flushes is no news (DD-3).
    expected: dict[Place, set[Fingerprint]] = defaultdict(set)
    for condition in conditions:
        for place in condition.places:
            expected[place] |= {condition.fingerprint} if condition.is_firing else set()

    def differences() -> list[str]:
        told = {
            (page.body["receiver"], page.group["service"]): {name for name, _ in page.firing}
            for page in receiver.pages()
        }
        found = [
            f"{place}: told {told.get(place)}, but {firing} fire"
            for place, firing in expected.items()
            if told.get(place, set()) != firing
        ]
        ledger = tocsin.get("/api/v1/ledger").json()
        return found + [f"{ledger[count]} {count}" for count in ("waiting", "pending") if ledger[count]]

    try:
        eventually(lambda: not differences(), "everything to be told", seconds=SETTLE_SECONDS)
    except AssertionError as error:
        error.add_note("\n".join(differences()))
        raise
    for place, firing in expected.items():
        if not firing:
            pages = [page for page in receiver.pages() if (page.body["receiver"], page.group["service"]) == place]
            assert not pages or pages[-1].status == "resolved"


def _check_listed(tocsin: Serving, conditions: list[Condition]) -> None:
    listed = {
        (alert["fingerprint"], tuple(sorted(each["name"] for each in alert["receivers"])))
        for alert in tocsin.get("/api/v2/alerts").json()
    }
    expected = {
        (condition.fingerprint, tuple(sorted(receiver for receiver, _ in condition.places)))
        for condition in conditions
        if condition.is_firing
    }
    assert listed == expected


def _check_acknowledged(kept: stored.Stored, senders: list[Sender], text: str) -> None:
    """Every acknowledged report of a change was folded into each of its groups."""
    configuration = read_configuration(text, name="alertmanager.yml")
    folded: set[tuple[GroupId, Fingerprint, str, str]] = {
        (id, alert.fingerprint, print_instant(alert.starts_at), print_instant(alert.ends_at))
        for id, entries in kept.entries.items()
        for entry in entries
        if entry.reported is not None
        for alert in (*entry.reported.alerts, *entry.reported.further)
    }
    lost = [
        report
        for sender in senders
        for report in sender.acknowledged
        for address in configuration.group_addresses(report["labels"])
        if (address.group_id, fingerprint(report["labels"]), report["startsAt"], report["endsAt"]) not in folded
    ]
    assert lost == []


def _check_repetitions(place: Place, pages: list[Page], killed_at: list[float]) -> None:
    """Whatever came twice in a row came again after a kill, and no kill brought more than one page of this group."""
    charged: set[float] = set()
    for page, again in pairwise(pages):
        if (page.firing, page.resolved) == (again.firing, again.resolved):
            # What a process had written arrives even if it is killed at once; a busy machine lets it arrive late.
            causes = [at for at in killed_at if page.arrived_at - 1.0 < at < again.arrived_at and at not in charged]
            assert causes, f"{place} was told twice at {page.arrived_at:.2f} and {again.arrived_at:.2f}: {killed_at}"
            charged.add(causes[0])


def _check_due(sequences: dict[Place, list[Page]], replayed: dict[GroupId, stored.Replayed]) -> None:
    """What came, repetitions left out, is what the pure core says was due; only what was given up may be missing."""
    due: dict[Place, list[tuple[Content, bool]]] = {}
    for group in replayed.values():
        assert group.state.head is not None
        place = group.state.head.receiver, group.state.head.labels["service"]
        due[place] = [(_content(delivery), delivery.id in group.delivered) for delivery in group.deliveries]
    for place, pages in sequences.items():
        came = _without_repetitions([(page.firing, page.resolved) for page in pages])
        # All the numbers of pages that may have come when the deliveries up to here have been looked at.
        counts = {0}
        for place_in_order, (content, was_delivered) in enumerate(due[place]):
            more = {count + 1 for count in counts if count < len(came) and came[count] == content}
            is_repetition = place_in_order > 0 and due[place][place_in_order - 1][0] == content
            counts = more | (set() if was_delivered and not is_repetition else counts)
            assert counts, f"{place}: delivery {place_in_order} of {due[place]} is not among {came}"
        assert len(came) in counts, f"{place}: {came} is not what was due: {due[place]}"
    assert {place for place, deliveries in due.items() if any(delivered for _, delivered in deliveries)} <= set(
        sequences
    )


def _content(delivery: Delivery) -> Content:
    told = delivery.notification.alerts
    named = [((one.alert.fingerprint, print_instant(one.alert.starts_at)), one.is_firing) for one in told]
    return (
        frozenset(name for name, is_firing in named if is_firing),
        frozenset(name for name, is_firing in named if not is_firing),
    )


def _without_repetitions(contents: list[Content]) -> list[Content]:
    return [content for number, content in enumerate(contents) if number == 0 or contents[number - 1] != content]
