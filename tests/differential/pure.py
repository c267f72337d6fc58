"""Pure: a scenario through the domain alone, on a virtual clock, in milliseconds.

The same bodies are read, the same payloads are written; only queues, store and network are left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from adapters.webhook import payload
from domain.configuration import WebhookIntegration
from domain.errors import RejectedError
from domain.notifications import Delivery
from domain.routing import GroupId
from domain.silence_api import read_silence
from domain.silences import Silence, edit, expire
from domain.sources.alertmanager_api import read_alerts
from tests.builders import NOON
from tests.differential.recording import EXTERNAL_URL, Page, Recording, answer, normalise
from tests.differential.run import posted, silenced
from tests.differential.scenario import Event, ExpireSilence, Job, Post, PutSilence, render
from tests.domain.story import FAILS, Answer, Story, read

ARRIVAL = timedelta(microseconds=3210)
"""How long a request is on its way; what the door stamps is then known by its fraction of a second."""
LATENCY = timedelta(milliseconds=2)
"""Between a flush and the receiver's answer: not none, or a repeat would never fall due at its own tick."""
RETRIED_AFTER = timedelta(seconds=1)
"""How long after a failure has ended the next attempt comes."""


def _url(path: str) -> str:
    return f"http://receiver/{path}"


class PureStory(Story):
    """A story whose receivers answer as the hooks of a scenario do."""

    def __init__(self, job: Job, *, is_strict: bool = True) -> None:
        super().__init__(render([job], _url), is_strict=is_strict)
        self.job = job
        self.heard: list[Page] = []
        self.answered: list[str] = []
        self.group_ids: dict[tuple[str, str], GroupId] = {}
        """The group that a page is about, by its path and its group key."""
        self._versions = {self.configuration.version: self.configuration}
        self._ids: dict[str, str] = {}
        """The id of each silence, by its name in the scenario."""

    def play(self) -> Recording:
        """The whole scenario."""
        for event in self.job.scenario.events:
            self.at(NOON + timedelta(seconds=event.at) + ARRIVAL, partial(self._take, event))
        for number, change in enumerate(self.job.scenario.changes, start=1):
            self.at(NOON + timedelta(seconds=change.at) + ARRIVAL, partial(self._change, number))
        self.run(timedelta(seconds=self.job.scenario.horizon))
        return Recording(tuple(sorted(self.heard, key=lambda page: page.at)), tuple(self.answered))

    def _take(self, event: Event) -> None:
        match event:
            case Post():
                body = json.dumps([posted(self.job, report, NOON.timestamp()) for report in event.reports]).encode()
                reading = read_alerts(body, self.door.receive(self.now), self.configuration.resolve_timeout)
                assert not reading.problems
                self.post(*reading.alerts)
                self.answered.append(answer(200))
            case PutSilence():
                self._put(event)
            case ExpireSilence():
                self._keep(expire(self.silences[self._ids[event.name]], self.now))
                self.answered.append(answer(200))

    def _change(self, number: int) -> None:
        text = render([self.job], _url, reloads=number)
        self._versions[read(text).version] = read(text)
        self.reload(text)

    def _put(self, event: PutSilence) -> None:
        known_as = self._ids.get(event.name)
        wanted = read_silence(json.dumps(silenced(self.job, event, known_as, NOON.timestamp())).encode())
        existing = self.silences[known_as] if known_as else None
        try:
            # Unless strict, a person has to confirm a broad one; this person does.
            kept = edit(existing, wanted, self.now, f"silence-{len(self.silences) + 1}", may_be_broad=True)
        except RejectedError:
            self.answered.append(answer(400))
            return
        self._ids[event.name] = kept[-1].id
        self.answered.append(answer(200, known_as, kept[-1].id))
        self._keep(kept)

    def _keep(self, silences: Sequence[Silence]) -> None:
        """As the store does, and wakes the groups that hold what they match: now, at their starts and at their ends."""
        for silence in silences:
            self.silences[silence.id] = silence
            self._wake(silence, "changed")
            for instant in (silence.starts_at, silence.ends_at):
                self.at(instant, partial(self._passed, silence.id, instant), is_ours=True)

    def _passed(self, id: str, instant: datetime) -> None:
        silence = self.silences[id]
        if instant in (silence.starts_at, silence.ends_at):
            self._wake(silence, "began or ended")

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
        configuration = self._versions[delivery.configuration_version]  # a farewell is of one that is over
        integration = configuration.receiver(told.receiver).integrations[delivery.integration]
        assert isinstance(integration, WebhookIntegration)
        body = payload(told, EXTERNAL_URL, integration.max_alerts)
        at = (self.now - NOON) / timedelta(seconds=1)
        normal = normalise(self.job, json.loads(json.dumps(body)), NOON.timestamp())
        page = Page(round(at, 3), self._path(delivery), is_taken, normal)
        self.heard.append(page)
        self.group_ids[page.path, page.group_key] = delivery.group_id

    def _path(self, delivery: Delivery) -> str:
        name = delivery.notification.receiver
        if self.job.scope:
            name = name.removeprefix(f"{self.job.scope}.")
        return f"{name}/{delivery.integration}"
