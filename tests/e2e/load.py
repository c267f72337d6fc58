"""Load: monitoring systems that report changes and repeat themselves, and remember what was acknowledged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from random import Random
from typing import Any

from domain.labels import Fingerprint, fingerprint
from domain.times import print_instant

INSTANCES = 6
LEASE = timedelta(hours=1)

REFUSED_SECONDS = 0.3
"""After a 503; shorter than its Retry-After, but no siege."""

SEVERITIES = ("critical", "warning", "warning")
"""Of the instances, in turn."""

RECEIVERS = {"critical": ("team", "audit"), "warning": ("team",), "info": ("dead",)}
"""Who is told, by the severity."""

type Place = tuple[str, str]
"""A receiver, and the service that one of its groups is about."""


def configuration(urls: dict[str, str], *, interval: str = "2s", rest: str = "") -> str:
    """An alertmanager.yml that tells the receivers at these addresses; `dead` may be missing."""
    dead = '    - {receiver: dead, matchers: [severity="info"]}\n' if "dead" in urls else ""
    receivers = "".join(f'  - {{name: {name}, webhook_configs: [{{url: "{url}"}}]}}\n' for name, url in urls.items())
    return (
        "route:\n  receiver: team\n  group_by: [service]\n"
        f"  group_wait: 1s\n  group_interval: {interval}\n  repeat_interval: 12h\n  routes:\n"
        f'{dead}    - {{receiver: audit, matchers: [severity="critical"], continue: true}}\n    - {{receiver: team}}\n'
        f"receivers:\n{receivers}{rest}"
    )


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
        return [(receiver, self.labels["service"]) for receiver in RECEIVERS[self.labels["severity"]]]


@dataclass
class Sender:
    """A monitoring system: reports changes and repeats itself, and posts again what was not acknowledged."""

    port: int
    random: Random
    services: Sequence[str]
    severities: Sequence[str] = SEVERITIES
    longest_pause_seconds: float = 0.05
    patience_seconds: float = 60.0
    answer_seconds: float = 10.0
    """How long it waits for an answer, before it says it again."""
    more_labels: Mapping[str, str] = field(default_factory=dict)
    annotation: str = ""
    """On the alerts of every other post."""
    conditions: list[Condition] = field(default_factory=list)
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    """Every report of a change that was answered 200."""
    sent: list[dict[str, str]] = field(default_factory=list)
    """The labels of every report, for each time that it was sent."""
    posts: int = 0
    refused: int = 0
    """How often it was answered 503."""
    unanswered: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for service in self.services:
            for number in range(INSTANCES):
                labels = {"alertname": "Down", "service": service, "instance": f"i-{number}"}
                severity = self.severities[number % len(self.severities)]
                self.conditions.append(Condition({**labels, "severity": severity, **self.more_labels}))
        self.connection = HTTPConnection("127.0.0.1", self.port, timeout=self.answer_seconds)

    @property
    def known(self) -> list[Condition]:
        """The conditions that were ever reported."""
        return [condition for condition in self.conditions if condition.starts_at]

    def run(self, over: threading.Event) -> None:
        try:
            while not over.is_set():
                size = 60 if self.random.random() < 0.05 else self.random.randint(1, 12)
                size = min(size, len(self.conditions))
                reports, news = self._reports(self.random.sample(self.conditions, size))
                self._post_until_acknowledged(reports)
                self.acknowledged += news
                time.sleep(self.random.uniform(0, self.longest_pause_seconds))
        except Exception as error:  # noqa: BLE001 - the thread's top: the test looks at it
            self.problems.append(repr(error))
        finally:
            self.connection.close()

    def _reports(self, conditions: list[Condition]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        reports: list[dict[str, Any]] = []
        news: list[dict[str, Any]] = []
        annotation = self.annotation if self.annotation and self.random.random() < 0.5 else ""
        for condition in conditions:
            now = datetime.now(UTC)
            is_news = not condition.is_firing or self.random.random() < 0.4
            if is_news:
                condition.is_firing = not condition.is_firing
                condition.starts_at = now if condition.is_firing else condition.starts_at
            assert condition.starts_at is not None
            report: dict[str, Any] = {
                "labels": condition.labels,
                "startsAt": print_instant(condition.starts_at),
                "endsAt": print_instant(now + LEASE if condition.is_firing else now),
            }
            if annotation:
                report["annotations"] = {"text": annotation}
            reports.append(report)
            if is_news:
                news.append(report)
        return reports, news

    def _post_until_acknowledged(self, reports: list[dict[str, Any]]) -> None:
        body = json.dumps(reports).encode()
        began_at = time.monotonic()
        while True:
            self.sent += [report["labels"] for report in reports]
            try:
                self.connection.request("POST", "/api/v2/alerts", body, {"Content-Type": "application/json"})
                response = self.connection.getresponse()
                answer = response.read()
                if response.status == 200:
                    self.posts += 1
                    return
                assert response.status == 503, f"{response.status}: {answer!r}"
                assert int(response.headers["Retry-After"]) > 0
                self.refused += 1
                time.sleep(REFUSED_SECONDS)
            except (OSError, HTTPException):
                self.unanswered += 1
                self.connection.close()
            # Whether it was taken is unknown; whoever hears nothing says it again.
            assert time.monotonic() - began_at < self.patience_seconds, (
                f"not acknowledged for {self.patience_seconds:g} s"
            )
            time.sleep(0.02)


@contextmanager
def sending(senders: Sequence[Sender]) -> Iterator[None]:
    """They report until the block ends; then everything that they have said is acknowledged.

    Raises:
        AssertionError: One of them was not acknowledged in time, or was answered as nobody should be.
    """
    over = threading.Event()
    threads = [threading.Thread(target=sender.run, args=(over,)) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        yield
    except BaseException:
        for sender in senders:
            sender.patience_seconds = 0.0
        raise
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert [problem for sender in senders for problem in sender.problems] == []
