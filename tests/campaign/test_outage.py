"""An outage of the store, and one of the queues, under load: waited out, not dead-lettered (rule 15).

`TOCSIN_OUTAGE_SECONDS=600` is the ten minutes that are promised.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.campaign.ending import check_stored, repetitions, settle_and_check
from tests.e2e.load import Sender, configuration, sending
from tests.e2e.receiver import Page, Receiver
from tests.serving import Serving, eventually
from tests.standins.processes import AzureProcesses

OUTAGE_SECONDS = float(os.environ.get("TOCSIN_OUTAGE_SECONDS", "15"))
SEED = int(os.environ.get("TOCSIN_SEED") or Random().randrange(2**32))

BEFORE_SECONDS = 4.0
SETTLE_SECONDS = 60.0
"""From the end of the outage to the last page."""
ANSWER_SECONDS = 60.0
"""Longer than any POST may take, so that each of them is seen to be answered."""


@pytest.mark.parametrize("what", ["store", "queues"])
@pytest.mark.timeout(OUTAGE_SECONDS + SETTLE_SECONDS + 180)
def test_an_outage_is_waited_out(tmp_path: Path, what: str) -> None:
    print(f"TOCSIN_SEED={SEED}")
    random = Random(SEED)
    with Receiver() as receiver, AzureProcesses(tmp_path / "azure") as azure:
        text = configuration({name: receiver.url(f"/{name}") for name in ("team", "audit")})
        with Serving(tmp_path / "tocsin", text, home="sqlite", environment=azure.environment) as tocsin:
            senders = [
                Sender(
                    tocsin.port,
                    Random(random.random()),
                    [f"{name}-{number}" for number in range(5)],
                    longest_pause_seconds=0.5,
                    patience_seconds=OUTAGE_SECONDS + 120,
                    answer_seconds=ANSWER_SECONDS,
                )
                for name in "abc"
            ]

            def told() -> Sequence[Page]:
                return receiver.taken()

            with sending(senders):
                eventually(lambda: len(told()) > 10, "the first pages", seconds=30)
                time.sleep(BEFORE_SECONDS)
                before = len(told())
                _break(azure, what)
                deliveries = _most_deliveries(azure)
                azure.mend()
                over_at = time.monotonic()
                meanwhile = len(told()) - before
            settle_and_check(tocsin, azure, told, senders, SETTLE_SECONDS - (time.monotonic() - over_at))
            last = max(page.arrived_at for page in told()) - over_at
            ledger = tocsin.get("/api/v1/ledger").json()
            assert tocsin.stop() == 0
        replayed = check_stored(azure, text, senders, told(), ledger)
        twice = repetitions(receiver.pages(), replayed)
        print(
            f"{what} away for {OUTAGE_SECONDS:g} s: {sum(one.posts for one in senders)} posts acknowledged,"
            f" {sum(one.refused for one in senders)} answered 503, {before} pages before, {meanwhile} meanwhile,"
            f" {len(told())} in all, the last {last:.1f} s after its end; a message was delivered {deliveries} times;"
            f" twice: {dict(twice)}"
        )
        assert sum(one.refused for one in senders) > 0
        assert sum(one.unanswered for one in senders) == 0


def _break(azure: AzureProcesses, what: str) -> None:
    """Take it away, and return when the time is over."""
    if what == "queues":
        azure.order("down")
        time.sleep(OUTAGE_SECONDS)
        return
    azure.cosmos_outage("throttled")
    time.sleep(OUTAGE_SECONDS / 2)
    azure.cosmos_outage("down")
    time.sleep(OUTAGE_SECONDS / 2)


def _most_deliveries(azure: AzureProcesses) -> int:
    """How often any message that waits now was delivered in vain; a thousand times makes it a dead letter."""
    messages = [message for queue in ("groups", "ticks", "deliveries") for message in azure.order("peek", queue=queue)]
    return max((int(message["delivery_count"]) for message in messages), default=0)
