"""Run: scenarios through two systems at the same moments, many at a time, and what the receivers of each got.

A *cell* is one pair of servers.  Scenarios that share a cell begin a fraction of a second after one another, so that
not everything happens at once; one that is alone has a cell to itself.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import aiohttp

from tests.differential import listings
from tests.differential.recording import Page, Recording, answer, normalise
from tests.differential.scenario import (
    SCOPE_LABEL,
    WARM_UP,
    Event,
    ExpireSilence,
    Job,
    Post,
    PutSilence,
    Report,
    render,
)
from tests.differential.systems import NotReadyError, System
from tests.differential.watch import Watch
from tests.e2e.receiver import OK, Behaviour, Receiver, failing

type Side = Callable[[Path, str], System]
"""Makes a system from its folder and its configuration."""

SHARING = 48
"""So many scenarios share one pair of servers.

On two idle cores 48 make the oracle's spread 22 ms and the harness 5 ms late; the servers use a fifth of a core.
"""
CELLS = 4
"""So many pairs run at once."""

SHARING_RELOADS = 16
"""At a reload all groups of a pair are looked at together, so fewer share one."""
AZURE_SHARING = 5
"""The same where Tocsin is on the stand-ins: an operation costs a hundred times what it costs in an SQLite file."""
AZURE_CELLS = 1

WARM_UP_SECONDS = 10.0
STAGGER_SECONDS = 0.9


@dataclass
class _Far:
    """The receivers of one system in one cell, and when each scope began."""

    receiver: Receiver
    jobs: Sequence[Job]
    began_at: dict[str, float] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return self.receiver.url(f"/{path}")

    def behave(self, path: str) -> Behaviour:
        """What the receiver does with a page to this path now; asked in its thread."""
        name, _, rest = path.removeprefix("/").partition("/")
        if name == WARM_UP:
            return OK
        job = next(job for job in self.jobs if job.name == name)
        outage = job.scenario.hook(rest).outage
        if outage is None:
            return OK
        passed = time.monotonic() - self.began_at[name]
        return failing(outage.status) if outage.begins <= passed < outage.ends else OK

    def pages(self, job: Job, unix_at: float) -> tuple[Page, ...]:
        prefix = f"/{job.name}/"
        began_at = self.began_at[job.name]
        return tuple(
            Page(
                round(page.arrived_at - began_at, 3),
                page.path.removeprefix(prefix),
                page.is_taken,
                normalise(job, page.body, unix_at),
            )
            for page in self.receiver.pages()
            if page.path.startswith(prefix)
        )


type Pair = tuple[Recording, Recording]


def run(
    jobs: Sequence[Job], sides: tuple[Side, Side], *, sharing: int = SHARING, at_once: int = CELLS
) -> dict[str, Pair]:
    """What each job, by its name, made the receivers of both systems hear.

    Raises:
        NotReadyError: A system did not start.
    """
    return asyncio.run(_run_all(jobs, sides, sharing, at_once))


async def _run_all(jobs: Sequence[Job], sides: tuple[Side, Side], sharing: int, at_once: int) -> dict[str, Pair]:
    alike: dict[tuple[float, ...], list[Job]] = {}
    for job in jobs:
        if not job.scenario.is_alone:
            alike.setdefault(tuple(change.at for change in job.scenario.changes), []).append(job)
    cells: list[Sequence[Job]] = []
    for moments, shared in alike.items():
        most = min(sharing, SHARING_RELOADS) if moments else sharing
        cells += [shared[at : at + most] for at in range(0, len(shared), most)]
    cells += [[job] for job in jobs if job.scenario.is_alone]
    found: dict[str, Pair] = {}
    for at in range(0, len(cells), at_once):
        for recordings in await _run_cells(cells[at : at + at_once], sides):
            found |= recordings
    return found


async def _run_cells(cells: Sequence[Sequence[Job]], sides: tuple[Side, Side]) -> list[dict[str, Pair]]:
    with tempfile.TemporaryDirectory(prefix="tocsin-differential-") as folder:
        async with AsyncExitStack() as stack:
            ready = []
            # The oracle last: its sweep of emptied groups comes thirty seconds after its start, when all is over.
            for side in (1, 0):
                for number, jobs in enumerate(cells):
                    far = _Far(stack.enter_context(Receiver()), jobs)
                    far.receiver.behave_always(far.behave)
                    system = sides[side](Path(folder) / f"{number}-{side}", render(jobs, far.url))
                    stack.push_async_callback(asyncio.to_thread, system.stop)
                    await asyncio.to_thread(system.start)
                    ready.append((side, number, far, system))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            await asyncio.gather(*(_warm_up(far, system, session) for _, _, far, system in ready))
            watch = Watch([system.pid for _, _, _, system in ready])
            watching = asyncio.create_task(watch.run())
            stack.callback(watching.cancel)
            # A whole second of the wall clock: Alertmanager compares starts of silences by the second (SI-4).
            unix_at = float(int(time.time()) + 1) + 0.05
            mono_at = time.monotonic() + unix_at - time.time()
            runs = []
            for number, jobs in enumerate(cells):
                pair = [(far, system) for side in (0, 1) for s, n, far, system in ready if (s, n) == (side, number)]
                runs.append(_run_cell(jobs, pair, session, unix_at, mono_at, watch))
            return await asyncio.gather(*runs)


async def _warm_up(far: _Far, system: System, session: aiohttp.ClientSession) -> None:
    body = [{"labels": {"alertname": "WarmUp", SCOPE_LABEL: WARM_UP}}]
    async with session.post(f"http://127.0.0.1:{system.port}/api/v2/alerts", json=body) as response:
        response.raise_for_status()
    deadline = time.monotonic() + WARM_UP_SECONDS
    while not far.receiver.pages():
        if time.monotonic() > deadline:
            raise NotReadyError("the first page did not come")
        await asyncio.sleep(0.02)


async def _run_cell(
    jobs: Sequence[Job],
    pair: Sequence[tuple[_Far, System]],
    session: aiohttp.ClientSession,
    unix_at: float,
    mono_at: float,
    watch: Watch,
) -> dict[str, Pair]:
    players = []
    for number, job in enumerate(jobs):
        stagger = _stagger(number, jobs)
        for far, _ in pair:
            far.began_at[job.name] = mono_at + stagger
        for _, system in pair:
            player = _Player(job, system.port, session, unix_at + stagger, mono_at + stagger, watch)
            players.append(asyncio.gather(player.play(), player.look()))
    reloads = [asyncio.create_task(_reload(jobs, *one, mono_at, watch)) for one in pair]
    played = await asyncio.gather(*players)
    await asyncio.gather(*reloads)
    longest = max(job.scenario.horizon for job in jobs)
    await asyncio.sleep(mono_at + 0.95 + longest - time.monotonic())
    found = {}
    for number, job in enumerate(jobs):
        own_unix_at = unix_at + _stagger(number, jobs)
        recordings = [
            Recording(
                tuple(page for page in far.pages(job, own_unix_at) if page.at <= job.scenario.horizon),
                answers=tuple(played[2 * number + side][0]),
                listings=tuple(
                    listings.normalise(job, at, {path: json.loads(text) for path, text in texts.items()}, own_unix_at)
                    for at, texts in played[2 * number + side][1].items()
                ),
                lateness=round(watch.lateness, 3),
                starvation=round(watch.starvation.get(system.pid, 0.0), 3),
            )
            for side, (far, system) in enumerate(pair)
        ]
        found[job.name] = (recordings[0], recordings[1])
    return found


async def _reload(jobs: Sequence[Job], far: _Far, system: System, mono_at: float, watch: Watch) -> None:
    """Put the other configurations in force, one after the other."""
    for number, change in enumerate(jobs[0].scenario.changes, start=1):
        text = render(jobs, far.url, reloads=number)
        await asyncio.sleep(max(0.0, mono_at + change.at - time.monotonic()))
        watch.note(time.monotonic() - mono_at - change.at)
        await asyncio.to_thread(system.reload, text)


def _stagger(number: int, jobs: Sequence[Job]) -> float:
    if jobs[0].scenario.changes:
        return 0.0  # they are reloaded together
    return round(STAGGER_SECONDS * number / len(jobs), 3)


@dataclass
class _Player:
    """Plays the events of one scenario into one system."""

    job: Job
    port: int
    session: aiohttp.ClientSession
    unix_at: float
    mono_at: float
    watch: Watch
    silences: dict[str, str] = field(default_factory=dict)

    async def play(self) -> list[str]:
        answers = []
        for event in self.job.scenario.events:
            await asyncio.sleep(max(0.0, self.mono_at + event.at - time.monotonic()))
            self.watch.note(time.monotonic() - self.mono_at - event.at)
            answers.append(await self._send(event))
        return answers

    async def look(self) -> Mapping[float, Mapping[str, str]]:
        """Ask for the lists at the moments when nothing happens; the texts by these moments, if they came in time."""
        found = {}
        for at in listings.moments(self.job.scenario):
            await asyncio.sleep(max(0.0, self.mono_at + at - time.monotonic()))
            self.watch.note(time.monotonic() - self.mono_at - at)
            questions = listings.questions(self.job)
            texts = {path: (await self._ask("GET", path, None, query))[1] for path, query in questions.items()}
            if time.monotonic() - self.mono_at - at <= listings.IN_TIME:
                found[at] = texts
        return found

    async def _send(self, event: Event) -> str:
        match event:
            case Post():
                reports = [posted(self.job, report, self.unix_at) for report in event.reports]
                status, _ = await self._ask("POST", "alerts", reports)
                return answer(status)
            case PutSilence():
                known_as = self.silences.get(event.name)
                body = silenced(self.job, event, known_as, self.unix_at)
                status, text = await self._ask("POST", "silences", body)
                if status != 200:
                    return answer(status)
                self.silences[event.name] = json.loads(text)["silenceID"]
                return answer(status, known_as, self.silences[event.name])
            case ExpireSilence():
                status, _ = await self._ask("DELETE", f"silence/{self.silences.get(event.name, '-')}", None)
                return answer(status)

    async def _ask(self, method: str, path: str, body: Any, query: Mapping[str, str] | None = None) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}/api/v2/{path}"
        async with self.session.request(method, url, json=body, params=query) as response:
            return response.status, await response.text()


def posted(job: Job, report: Report, unix_at: float) -> dict[str, Any]:
    """The report as one element of the body of `POST /api/v2/alerts`."""
    body: dict[str, Any] = {"labels": job.labels(report.labels)}
    if report.annotations:
        body["annotations"] = dict(report.annotations)
    if report.starts is not None:
        body["startsAt"] = instant(unix_at + report.starts, report.zone)
    if report.ends is not None:
        body["endsAt"] = instant(unix_at + report.ends, report.zone)
    return body


def silenced(job: Job, event: PutSilence, known_as: str | None, unix_at: float) -> dict[str, Any]:
    """The body of `POST /api/v2/silences`; `known_as` is the id that the silence of that name has, if it has one."""
    matchers = [
        {
            "name": one.name,
            "value": one.value,
            "isRegex": "~" in one.operator,
            "isEqual": not one.operator.startswith("!"),
        }
        for one in job.conditions(event.matchers)
    ]
    return {
        **({"id": known_as} if known_as else {}),
        "matchers": matchers,
        "startsAt": instant(unix_at + event.starts),
        "endsAt": instant(unix_at + event.ends),
        "createdBy": "differential",
        "comment": event.name,
    }


def instant(unix: float, zone: int = 0) -> str:
    """With milliseconds, in the zone of so many hours."""
    at = datetime.fromtimestamp(round(unix, 3), UTC if not zone else timezone(timedelta(hours=zone)))
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
