"""`python -m bench.renewals [GROUPS [ALERTS]]`: what a list of live alerts a minute costs on Azure, and the folds.

Prometheus fires all of them, sends each every minute by 64 in random order, and the door lets half of that through.
Request units are the model's of the stand-in for Cosmos DB; the table is that of docs/decisions/0013.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched
from random import Random

from adapters.cosmos.groups import CosmosGroupStore
from adapters.cosmos.metering import Meter
from adapters.memory.sources import MemorySourceStore
from domain.alerts import Alert
from domain.configuration.file import read_configuration
from domain.door import Door
from domain.groups import Transaction
from domain.incidents import decide
from domain.labels import fingerprint
from domain.situations import Situation
from tests.cosmos_database import Database, cosmos_database

MINUTES = 5
"""Members are written in the first two; from the fourth on there is nothing but renewals."""

BATCH = 64

CONFIGURATION = """\
route: {receiver: team, group_by: [alertname], group_wait: 10s, group_interval: 5m}
receivers: [{name: team, webhook_configs: [{url: "http://team"}]}]
"""


class Measured:
    """Prometheus, one instance of the app that folds, and one that is asked for the list."""

    def __init__(self, database: Database, groups: int, alerts: int) -> None:
        self.now = self.begun_at = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self._random = Random(1)
        self._database = database
        self._situation = Situation(read_configuration(CONFIGURATION, name="alertmanager.yml"), self.now)
        self._door = Door("door")
        self._rules = [[_labels(rule, number) for number in range(alerts // groups)] for rule in range(groups)]
        # When each is evaluated: the second of each minute, and whether its first minute is the second one.
        self._plan = [(self._random.randrange(60), self._random.random() < 0.5) for _ in self._rules]
        self._store, self._bill = self.open()

    def open(self) -> tuple[CosmosGroupStore, Meter]:
        """An instance of the app."""
        cosmos = self._database.connect()
        return CosmosGroupStore(cosmos, MemorySourceStore(), lambda: self.now), cosmos.meter

    async def run(self) -> None:
        view, bill = self.open()
        for minute in range(MINUTES):
            before, folds = self._bill.total.request_units, 0
            for second in range(60):
                for rule, (at, is_late) in zip(self._rules, self._plan, strict=True):
                    if at == second and (minute or not is_late):
                        folds += await self._evaluate(rule)
                self.now += timedelta(seconds=1)
            folded, before = self._bill.total.request_units - before, bill.total.request_units
            listed = await view.list_members()
            await view.list_heads()
            listing = bill.total.request_units - before
            print(
                f"minute {minute}: {folds} folds, {folded / folds:.0f} RU each; list of {len(listed)}: {listing:.0f} RU"
            )
        for what, pause in (("asked again at once", 0), ("nothing written for a minute", 60)):
            self.now += timedelta(seconds=pause)
            before = bill.total.request_units
            await view.list_members()
            print(f"{what}: {bill.total.request_units - before:.0f} RU")
        for _ in range(2):
            first, bill = self.open()
            await first.list_members()
            print(f"the first list of a process: {bill.total.request_units:.0f} RU")

    async def _evaluate(self, rule: Sequence[Mapping[str, str]]) -> int:
        """All that the rule finds is sent; how many folds it led to."""
        folds = 0
        ends_at = self.now + timedelta(minutes=4)
        for labels in batched(self._random.sample(rule, len(rule)), BATCH, strict=False):
            at = self._door.receive(self.now + timedelta(microseconds=self._random.randrange(900_000)))
            alerts = [_alert(each, self.begun_at, ends_at, at) for each in labels]
            admission = self._door.admit(alerts, self._situation)
            for event in [event for message in admission.messages for event in message.events]:
                decision = partial(decide, event=event, situation=self._situation, now=event.received_at)
                sent = await self._store.transact([Transaction(event.group_id, decision, event.names)])
                await self._store.clear_outbox(sent)
                folds += 1
            self._door.remember(admission.alerts)
        return folds


def _labels(rule: int, number: int) -> Mapping[str, str]:
    instance = f"10.{number // 250}.{number % 250}.7:9100"
    return {
        "alertname": f"Rule{rule}",
        "cluster": "prod-eu-1",
        "instance": instance,
        "job": "node",
        "severity": "warning",
    }


def _alert(labels: Mapping[str, str], starts_at: datetime, ends_at: datetime, at: datetime) -> Alert:
    annotations = {
        "summary": f"disk of {labels['instance']} is nearly full",
        "runbook": "https://runbooks.example/disk",
    }
    url = "http://prometheus/graph?g0.expr=disk"
    return Alert(fingerprint(labels), labels, annotations, starts_at, ends_at, at, url)


async def main(groups: int, alerts: int) -> None:
    """Print what is measured."""
    measured: Measured | None = None

    def clock() -> float:
        return measured.now.timestamp() if measured else 0.0

    async with cosmos_database(partitions=3, clock=clock) as database:
        measured = Measured(database, groups, alerts)
        await measured.run()


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    asyncio.run(main(*(given + [100, 30_000][len(given) :])))
