"""Pure: a scenario through the domain alone, on a virtual clock, in milliseconds.

The same bodies are read, the same payloads are written; only queues, store and network are left out.
"""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

from adapters.webhook import payload
from domain.configuration import WebhookIntegration
from domain.notifications import Delivery
from domain.sources.alertmanager_api import read_alerts
from tests.builders import NOON
from tests.differential.recording import EXTERNAL_URL, Page, Recording, normalise
from tests.differential.run import posted
from tests.differential.scenario import Job, Post, render
from tests.domain.story import FAILS, Answer, Story

ARRIVAL = timedelta(microseconds=3210)
"""How long a request is on its way; what the door stamps is then known by its fraction of a second."""
LATENCY = timedelta(milliseconds=2)
"""Between a flush and the receiver's answer: not none, or a repeat would never fall due at its own tick."""
RETRIED_AFTER = timedelta(seconds=1)
"""How long after a failure has ended the next attempt comes."""


class PureStory(Story):
    """A story whose receivers answer as the hooks of a scenario do."""

    def __init__(self, job: Job) -> None:
        super().__init__(render([job], lambda path: f"http://receiver/{path}"), is_strict=True)
        self.job = job
        self.heard: list[Page] = []

    def play(self) -> Recording:
        """The whole scenario."""
        assert not self.job.scenario.is_muting, "the domain's own stories know no muting yet"
        for event in self.job.scenario.events:
            if isinstance(event, Post):
                self.at(NOON + timedelta(seconds=event.at) + ARRIVAL, partial(self._take, event))
        self.run(timedelta(seconds=self.job.scenario.horizon))
        return Recording(tuple(sorted(self.heard, key=lambda page: page.at)))

    def _take(self, event: Post) -> None:
        body = json.dumps([posted(self.job, report, NOON.timestamp()) for report in event.reports]).encode()
        reading = read_alerts(body, self.door.receive(self.now), self.configuration.resolve_timeout)
        assert not reading.problems
        self.post(*reading.alerts)

    def _answer(self, delivery: Delivery) -> Answer:
        hook = self.job.scenario.hook(self._path(delivery))
        passed = (self.now - NOON) / timedelta(seconds=1)
        outage = hook.outage
        if outage is None or not outage.begins <= passed < outage.ends:
            return Answer(after=LATENCY)
        if outage.status < 500:
            self._note(delivery, is_taken=False)
            return FAILS
        return Answer(after=timedelta(seconds=outage.ends - passed) + RETRIED_AFTER)

    def _hear(self, delivery: Delivery) -> None:
        super()._hear(delivery)
        self._note(delivery, is_taken=True)

    def _note(self, delivery: Delivery, *, is_taken: bool) -> None:
        told = delivery.notification
        integration = self.configuration.receiver(told.receiver).integrations[delivery.integration]
        assert isinstance(integration, WebhookIntegration)
        body = payload(told, EXTERNAL_URL, integration.max_alerts)
        at = (self.now - NOON) / timedelta(seconds=1)
        normal = normalise(self.job, json.loads(json.dumps(body)), NOON.timestamp())
        self.heard.append(Page(round(at, 3), self._path(delivery), is_taken, normal))

    def _path(self, delivery: Delivery) -> str:
        name = delivery.notification.receiver
        if self.job.scope:
            name = name.removeprefix(f"{self.job.scope}.")
        return f"{name}/{delivery.integration}"
