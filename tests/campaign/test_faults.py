"""The fault campaign: under load every kind of call to Cosmos DB and Service Bus fails, in every way, by a seed.

`TOCSIN_FAULTS=100` takes a minute, `TOCSIN_FAULTS=1000` some six, with nothing beside it on the machine: a storm that
finds no processor time is no test of anything.  `TOCSIN_SEED=…` draws the same faults again, at other moments.

What may come twice, judged page by page from what the receivers heard: a page whose first copy was not answered with
success, for nobody could know that it had been read; and one whose result could not be recorded before the next flush,
which the pure core then calls due again, as the replay shows.  Nothing else may.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.campaign.ending import check_stored, repetitions, settle_and_check
from tests.campaign.faults import Storm
from tests.e2e.load import Sender, configuration, sending
from tests.e2e.receiver import CUT, Behaviour, Page, Receiver, failing, slow
from tests.serving import Serving
from tests.standins.processes import AzureProcesses

FAULTS = int(os.environ.get("TOCSIN_FAULTS") or 0)
SEED = int(os.environ.get("TOCSIN_SEED") or Random().randrange(2**32))

STILL_SECONDS = 60.0
"""Without a fault: longer than everything under way may take together."""
SETTLE_SECONDS = 180.0
PATIENCE_SECONDS = 90.0
"""Of those who post: so long they may be told to come again."""

LOCK_SECONDS = 10.0
"""Of a message, instead of a minute: what was lost comes again while somebody looks.

Half of it is how long the host may stand still: a lock that runs out means that the work is done again.
"""

NAMES = ("intake", "ticks", "triage", "reactions")
QUEUES = {
    **{name: {"max_delivery_count": 1000, "lock_seconds": LOCK_SECONDS} for name in NAMES},
    "groups": {"max_delivery_count": 1000, "lock_seconds": LOCK_SECONDS, "sessions": True},
    "deliveries": {"max_delivery_count": 1000, "lock_seconds": LOCK_SECONDS, "duplicate_window_seconds": 600},
}

INTERVAL = "5s"
"""Of the groups.  A machine that is late by more than this flushes for each tick that came twice."""

INHIBITION = (
    "inhibit_rules: [{source_matchers: [alertname=Outage], target_matchers: [alertname=Down], equal: [zone]}]\n"
)
"""Mutes nobody, for only the sources have a zone; yet each is stored, and each flush asks for them."""


@pytest.mark.skipif(not FAULTS, reason="a campaign of its own: TOCSIN_FAULTS=100")
@pytest.mark.timeout(3 * FAULTS + SETTLE_SECONDS + 240)
def test_whatever_fails_nothing_is_lost_and_all_is_told(tmp_path: Path) -> None:
    print(f"TOCSIN_SEED={SEED} TOCSIN_FAULTS={FAULTS}")
    random = Random(SEED)
    moods = Random(SEED + 1)
    with Receiver() as receiver, Receiver() as dead, AzureProcesses(tmp_path / "azure", QUEUES, SEED) as azure:
        receiver.behave_always(lambda path: _mood(moods))
        urls = {"team": receiver.url("/team"), "audit": receiver.url("/audit"), "dead": dead.url("/dead")}
        dead.refuse()
        text = configuration(urls, interval=INTERVAL, rest=INHIBITION)
        with Serving(tmp_path / "tocsin", text, home="sqlite", environment=azure.environment) as tocsin:
            senders = _senders(tocsin.port, random)
            storm = Storm(azure, random, FAULTS)
            began_at = time.monotonic()
            with sending(senders), storm.blowing():
                storm.wait(STILL_SECONDS)
            took_seconds = time.monotonic() - began_at
            receiver.behave_always(lambda path: slow(0))
            dead.listen()

            def told() -> Sequence[Page]:
                return [*receiver.taken(), *dead.taken()]

            try:
                settle_and_check(tocsin, azure, told, senders, SETTLE_SECONDS)
            except AssertionError as error:
                error.add_note(f"what had struck: {dict(storm.struck)}")
                raise
            settled_seconds = time.monotonic() - began_at - took_seconds
            ledger = tocsin.get("/api/v1/ledger").json()
            assert tocsin.stop() == 0

        replayed = check_stored(azure, text, senders, told(), ledger)
        twice = repetitions([*receiver.pages(), *dead.pages()], replayed)
        print(
            f"{storm.count} faults in {took_seconds:.0f} s, settled {settled_seconds:.0f} s later;"
            f" {sum(one.posts for one in senders)} posts acknowledged, {sum(one.refused for one in senders)} refused,"
            f" {sum(one.unanswered for one in senders)} unanswered; {len(told())} pages, twice: {dict(twice)}"
        )
        for name, count in sorted(storm.struck.items()):
            print(f"{count:5} {name}")
        assert twice["for no reason"] == 0


def _senders(port: int, random: Random) -> list[Sender]:
    def sender(services: Sequence[str], **options: Any) -> Sender:
        return Sender(port, Random(random.random()), services, patience_seconds=PATIENCE_SECONDS, **options)

    return [
        *[sender([f"{name}-{number}" for number in range(6)], longest_pause_seconds=3.0) for name in "ab"],
        sender(
            [f"e-{number}" for number in range(4)],
            severities=("info", "critical", "warning"),
            longest_pause_seconds=3.0,
        ),
        sender(["sources"], longest_pause_seconds=1.0, more_labels={"alertname": "Outage", "zone": "a"}),
        # Its messages are too long for Service Bus.
        sender(["large"], longest_pause_seconds=2.0, annotation="x" * 40_000),
    ]


def _mood(random: Random) -> Behaviour:
    """What a receiver does: mostly it answers, soon; now and then it fails, or takes a page without saying so."""
    chance = random.random()
    if chance < 0.02:
        return CUT
    return failing(503) if chance < 0.04 else slow(random.uniform(0, 0.1))
