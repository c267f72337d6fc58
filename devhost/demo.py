"""Demo: a short outage, played into a running Tocsin over HTTP, for somebody who has never seen one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web
from rich.console import Console
from rich.text import Text

from adapters.wiring import Ports
from domain.errors import RejectedError

MARK = "# The configuration of `tocsin serve --demo`."

CHECKOUT, REPLICAS, PACKETS = "CheckoutErrors", "ReplicaLag", "PacketLoss"

OUTAGE: dict[str, tuple[str, list[str]]] = {
    PACKETS: ("losing more than 2 % of all packets", ["rack-1", "rack-2", "rack-3"]),
    CHECKOUT: ("5xx answers above 5 %", ["web-1", "web-2", "web-3", "web-4", "web-5"]),
    REPLICAS: ("more than 30 s behind the primary", ["db-1", "db-2", "db-3", "db-4"]),
}
"""The alerts of the story: name, summary, instances."""

SERVICES = {PACKETS: "switch-7", CHECKOUT: "checkout", REPLICAS: "orders-db"}
CHANGE = {"summary": "switch-7 gets firmware 4.2", "service": "switch-7", "source": "demo"}

READING = timedelta(seconds=7)
"""How long a person gets to read a step; the demo's pace shortens it."""

PATIENCE = timedelta(seconds=30)
LOOKED_WITHIN = timedelta(seconds=10)


def configuration(pages_url: str, pace: float) -> str:
    """An alertmanager.yml like anybody's, but in a hurry."""
    group_wait, group_interval = (f"{max(round(seconds * pace * 1000), 1)}ms" for seconds in (2, 5))
    return f"""\
{MARK}
route:
  receiver: on-call
  group_by: [alertname]
  group_wait: {group_wait}
  group_interval: {group_interval}
  repeat_interval: 1h
receivers:
  - name: on-call
    webhook_configs:
      - url: {pages_url}
"""


async def refuse_to_disturb(home: Ports) -> None:
    """Raises RejectedError where a store is in real use: the demo would put its own configuration in force there."""
    version = (await home.policy.get_head()).configuration_version
    if version and not (await home.policy.get_configuration(version)).startswith(MARK):
        raise RejectedError(
            f"{home.settings.data} holds a configuration of yours, which the demo would replace; "
            "leave out --data, and the demo makes a folder of its own"
        )


@dataclass(frozen=True, slots=True)
class PageHeard:
    """A notification that came to the demo's receiver."""

    name: str
    status: str
    reason: str
    firing: int
    resolved: int
    group_key: str


class Demo:
    """The story and its stage: a receiver that hears the pages, and a screen that shows what happens."""

    def __init__(self, address: str, console: Console, pace: float = 1.0, *, looks: bool = True) -> None:
        """With a pace of 0.1 everything takes a tenth of the time; `looks`: whether incidents are looked at."""
        self._looks = looks
        self._address = address
        self._console = console
        self._pace = pace
        self._began_at: dict[tuple[str, str], datetime] = {}
        self._arrived: asyncio.Queue[PageHeard] = asyncio.Queue()
        self._shown = asyncio.Condition()
        self._session: aiohttp.ClientSession
        self.pages: list[PageHeard] = []
        """Those that were shown, in the order in which they came."""

    # --- the stage --------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def on_stage(self) -> AsyncIterator[None]:
        """Have the receiver listen, and Tocsin tell it, as long as the block runs."""
        receiver = web.Application()
        receiver.router.add_post("/pages", self._hear)
        runner = web.AppRunner(receiver, access_log=None)
        async with aiohttp.ClientSession(self._address, raise_for_status=True) as self._session:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            showing = asyncio.create_task(self._show_pages())
            try:
                await site.start()
                assert runner.addresses
                port = runner.addresses[0][1]
                text = configuration(f"http://127.0.0.1:{port}/pages", self._pace)
                await self._session.post("/api/v1/configuration", data=text.encode())
                yield
            finally:
                showing.cancel()
                await runner.cleanup()

    async def _hear(self, request: web.Request) -> web.Response:
        payload = await request.json()
        alerts = payload["alerts"]
        self._arrived.put_nowait(
            PageHeard(
                name=payload["groupLabels"].get("alertname", "alert"),
                status=payload["status"],
                reason=payload["notification_reason"],
                firing=sum(alert["status"] == "firing" for alert in alerts),
                resolved=sum(alert["status"] == "resolved" for alert in alerts),
                group_key=payload["groupKey"],
            )
        )
        return web.Response()

    async def _show_pages(self) -> None:
        while True:
            page = await self._arrived.get()
            colour = "red" if page.status == "firing" else "green"
            counts = [f"{page.firing} firing"] * bool(page.firing) + [f"{page.resolved} resolved"] * bool(page.resolved)
            self._line(
                ("page to on-call  ", "dim"),
                (f"{page.status.upper():8}", f"bold {colour}"),
                (f"  {page.name:14}", "bold"),
                (f"  {', '.join(counts)}  ", ""),
                (f"({page.reason})", "dim"),
            )
            if link := await self._link(page):
                self._line(("                 ", ""), (link, "cyan underline"), time=False)
            async with self._shown:
                self.pages.append(page)
                self._shown.notify_all()

    async def _link(self, page: PageHeard) -> str | None:
        for incident in (await self._get("/api/v1/incidents?limit=20"))["incidents"]:
            if incident["group_key"] == page.group_key:
                return str(incident["url"])
        return None

    async def _get(self, path: str) -> Any:
        async with self._session.get(path) as answer:
            return await answer.json()

    # --- the screen -------------------------------------------------------------------------------------------------

    def _line(self, *parts: tuple[str, str], time: bool = True) -> None:
        clock = f"{datetime.now():%H:%M:%S}  " if time else " " * 10  # noqa: DTZ005 - a person's own clock
        self._console.print(Text.assemble((clock, "dim"), *parts), soft_wrap=True)

    def _say(self, heading: str, *sentences: str) -> None:
        self._console.print()
        self._line((heading, "bold yellow"))
        for sentence in sentences:
            self._line((sentence, ""), time=False)

    async def _pause(self, part: float = 1.0) -> None:
        await asyncio.sleep(READING.total_seconds() * self._pace * part)

    # --- what the story is made of ----------------------------------------------------------------------------------

    async def _report(self, name: str, instances: Iterable[str], *, ended: bool = False, again: bool = False) -> int:
        """Post these alerts as Prometheus does; `again` for those that began earlier.  Returns how many there were."""
        now, alerts = datetime.now(UTC), []
        for instance in instances:
            key = (name, instance)
            began_at = self._began_at.setdefault(key, now) if ended or again else now
            self._began_at[key] = began_at
            alert: dict[str, Any] = {
                "labels": {
                    "alertname": name,
                    "instance": instance,
                    "service": SERVICES[name],
                    "severity": "critical",
                },
                "annotations": {"summary": f"{instance}: {OUTAGE[name][0]}"},
                "startsAt": began_at.isoformat(),
            }
            alerts.append({**alert, "endsAt": now.isoformat()} if ended else alert)
        await self._session.post("/api/v2/alerts", json=alerts)
        return len(alerts)

    async def _pages(self, expected: dict[str, str], send: Callable[[], Awaitable[Any]]) -> None:
        """Do that, and wait until a page of each of these groups, with that status, has come because of it."""
        before = len(self.pages)
        await send()
        missing = dict(expected)

        def has_come() -> bool:
            for page in self.pages[before:]:
                if missing.get(page.name) == page.status:
                    del missing[page.name]
            return not missing

        try:
            async with asyncio.timeout(PATIENCE.total_seconds()), self._shown:
                await self._shown.wait_for(has_come)
        except TimeoutError:
            self._line((f"no page about {', '.join(missing)}: its incident says why", "bold red"))

    async def _finding(self, name: str) -> Any:
        """What was found out about the newest incident of that name; None where nobody has looked in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOKED_WITHIN.total_seconds()):
                while True:
                    for incident in await self._triggered():
                        if incident["title"] == name:
                            finding = (await self._get(f"/api/v1/incidents/{incident['id']}"))["finding"]
                            if finding and finding["causes"]:
                                return finding
                    await asyncio.sleep(0.1)
        return None

    async def _tidy_up(self) -> None:
        """Resolve what an earlier demo on the same data left firing."""
        if not await self._triggered():
            return
        self._say("First, what an earlier demo left firing is resolved.")
        for name, (_, instances) in OUTAGE.items():
            await self._report(name, instances, ended=True)
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while await self._triggered():  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(0.1)

    async def _triggered(self) -> list[Any]:
        found = (await self._get("/api/v1/incidents?status=triggered&limit=1000"))["incidents"]
        return [incident for incident in found if incident["title"] in OUTAGE]

    # --- the story --------------------------------------------------------------------------------------------------

    async def tell(self) -> None:
        """Play it from the first alert to the last resolve, and say what there is to look at."""
        await self._tidy_up()
        told_before = len(self.pages)
        count = sum(len(instances) for _, instances in OUTAGE.values())

        await self._session.post("/api/v1/changes", json=CHANGE)

        async def storm() -> None:
            for name, (_, instances) in OUTAGE.items():
                await self._report(name, instances)

        self._say(
            f"A switch is dying: {count} alerts come in at once.",
            "They are posted to /api/v2/alerts, as Prometheus does. Alerts of one name make one group.",
        )
        await self._pages(dict.fromkeys(OUTAGE, "firing"), storm)
        self._say(
            f"{count} alerts, {len(OUTAGE)} pages: one for each group.",
            "group_wait let the alerts of a group gather before anybody was told.",
        )
        await self._pause()

        if self._looks and (finding := await self._finding(PACKETS)) is not None:
            cause, change = finding["causes"][0], finding["suspected_change"]
            self._say(
                "Meanwhile somebody has looked: the first responder, by rules alone.",
                f"{PACKETS} may come from {cause['service']}, confidence {cause['confidence']}.",
                *([change["claim"]["text"]] if change else []),
            )
            await self._pause()

        absorbed = (await self._get("/api/v1/ledger"))["absorbed"]
        for name, (_, instances) in OUTAGE.items():
            await self._report(name, instances, again=True)
        absorbed = (await self._get("/api/v1/ledger"))["absorbed"] - absorbed
        self._say(
            "Prometheus repeats every alert that still fires. That is no news.",
            f"{absorbed} of {count} re-sends were absorbed at the door, and nobody is paged again.",
        )
        await self._pause()

        async def recover() -> None:
            await self._report(CHECKOUT, OUTAGE[CHECKOUT][1][:3], ended=True)
            await self._report(PACKETS, OUTAGE[PACKETS][1], ended=True)

        self._say(
            "Some of it recovers: the network, and three of five web servers.",
            "Each group is looked at again when its group_interval is over.",
        )
        await self._pages({CHECKOUT: "firing", PACKETS: "resolved"}, recover)
        await self._pause()

        self._say(
            "rack-2 loses packets again.",
            f"The incident {PACKETS} was over, so this is a new one, with a page of its own.",
        )
        await self._pages({PACKETS: "firing"}, lambda: self._report(PACKETS, ["rack-2"]))
        await self._pause()

        async def mend() -> None:
            await self._report(CHECKOUT, OUTAGE[CHECKOUT][1][3:], ended=True)
            await self._report(REPLICAS, OUTAGE[REPLICAS][1], ended=True)
            await self._report(PACKETS, ["rack-2"], ended=True)

        self._say("The switch is replaced: everything resolves.")
        await self._pages(dict.fromkeys(OUTAGE, "resolved"), mend)
        await self._close(len(self.pages) - told_before)

    async def _close(self, pages: int) -> None:
        incidents = (await self._get("/api/v1/incidents?limit=4"))["incidents"]
        ledger = await self._get("/api/v1/ledger")
        self._say(f"That was it: {len(incidents)} incidents, {pages} pages. What to look at now:")
        self._line((f"{self._address}/incidents", "cyan underline"), ("  all of them", "dim"), time=False)
        for incident in incidents:
            self._line(
                (incident["url"], "cyan underline"),
                (f"  {incident['title']}: {incident['pages']} pages, and why", "dim"),
                time=False,
            )
        sums = "balanced" if ledger["balanced"] else "not balanced yet"
        self._line(
            (f"{self._address}/api/v1/ledger", "cyan underline"),
            (f"  {ledger['accepted']} accepted, {ledger['due']} due, {ledger['delivered']} delivered: {sums}", "dim"),
            time=False,
        )
        self._console.print()
        self._line(
            ("Tocsin goes on serving: the pages for alerts of your own come here too. Ctrl-C ends it.", ""), time=False
        )


async def play(address: str, pace: float = 1.0, *, looks: bool = True) -> None:
    """Tell the story on standard output, and go on hearing pages until cancelled."""
    demo = Demo(address, Console(highlight=False), pace, looks=looks)
    async with demo.on_stage():
        await demo.tell()
        await asyncio.Event().wait()
