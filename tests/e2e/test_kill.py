"""Killed at random moments under load, again and again: what was acknowledged is kept, and told as it should be.

`TOCSIN_SEED=…` repeats a run's choices (not its timing); `TOCSIN_KILL_SECONDS=…` makes it longer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from tests.e2e import stored
from tests.e2e.accounts import (
    again_due_in,
    by_place,
    check_acknowledged,
    check_due,
    check_folded,
    check_listed,
    wait_until_quiet,
    wait_until_settled,
)
from tests.e2e.load import Place, Sender, configuration, sending
from tests.e2e.receiver import Page, Receiver, slow
from tests.serving import NotServingError, Serving, eventually

BUDGET_SECONDS = {
    "sqlite": float(os.environ.get("TOCSIN_KILL_SECONDS", "60")),
    "azure": float(os.environ.get("TOCSIN_KILL_SECONDS", "25")),
}
SEED = int(os.environ.get("TOCSIN_SEED") or Random().randrange(2**32))

LONGEST_LIVES = {"sqlite": (0.4, 2.0, 7.0), "azure": (2.0, 5.0, 8.0)}
"""Seconds from ready to killed, at most; on Azure it takes a second or two to have all links open."""

SENDERS = 2
SERVICES = 15
"""For each sender; with `critical` alerts in all of them, so twice as many groups."""
SETTLE_SECONDS = {"sqlite": 40.0, "azure": 100.0}
"""What a killed Tocsin had locked in a queue of Service Bus without sessions comes again after a minute, not before."""
QUIET_SECONDS = 3.0
"""More than a group's interval: whatever is due comes within it."""


def _is_any_left(tocsin: Serving) -> bool:
    return any(message["state"] != "scheduled" for message in tocsin.azure.order("peek", queue="deliveries"))


@pytest.mark.timeout(max(BUDGET_SECONDS.values()) + 240)
def test_nothing_acknowledged_is_lost_and_little_comes_twice(tmp_path: Path, home: str) -> None:
    print(f"TOCSIN_SEED={SEED}")
    random = Random(SEED)
    pauses = Random(SEED + 1)
    with Receiver() as receiver:
        receiver.behave_always(lambda path: slow(pauses.uniform(0, 0.15)))
        text = configuration({name: receiver.url(f"/{name}") for name in ("team", "audit")})
        with Serving(tmp_path, text) as tocsin:
            senders = [
                Sender(tocsin.port, Random(random.random()), [f"s-{number}-{i}" for i in range(SERVICES)])
                for number in range(SENDERS)
            ]
            with sending(senders):
                killed_at = _kill_again_and_again(tocsin, senders, random, BUDGET_SECONDS[home])
            print(f"{len(killed_at)} kills, {sum(s.posts for s in senders)} posts, {len(receiver.pages())} pages")

            wait_until_settled(tocsin, receiver.pages, senders, SETTLE_SECONDS[home])
            if home == "azure":
                # What a killed one had sent, and could not say so, comes again when its lock is over: then those who
                # may have heard another word than the last are told once more.
                eventually(lambda: not _is_any_left(tocsin), "the deliveries of the dead", seconds=90)
            wait_until_quiet(receiver.pages, QUIET_SECONDS, seconds=SETTLE_SECONDS[home])
            wait_until_settled(tocsin, receiver.pages, senders, SETTLE_SECONDS[home])
            check_listed(tocsin, senders)
            ledger = tocsin.get("/api/v1/ledger").json()
            assert ledger["balanced"], ledger
            assert (ledger["waiting"], ledger["parked"], ledger["pending"]) == (0, 0, 0)
            assert tocsin.stop() == 0

        kept = stored.read(tocsin)
        replayed = stored.check_replay(kept, text)
        check_acknowledged(kept, senders, text)
        check_folded(kept, senders, text)
        assert ledger["folded"] == kept.ledger["folded"] == ledger["accepted"]
        if home == "sqlite":
            assert kept.ledger["accepted"] == ledger["accepted"]

        sequences = by_place(receiver.pages())
        check_due(sequences, replayed)
        for group in replayed.values():
            assert group.state.head is not None
            place = group.state.head.receiver, group.state.head.labels["service"]
            _check_repetitions(place, sequences[place], killed_at, group)


def _kill_again_and_again(tocsin: Serving, senders: Sequence[Sender], random: Random, seconds: float) -> list[float]:
    """Kill and start it until the time is over; returns when it was dead each time."""
    killed_at: list[float] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not any(sender.problems for sender in senders):
        # Now and then as long as it takes to move rows from the redo log to their tables.
        most = random.choices(LONGEST_LIVES[tocsin.home], weights=(4, 4, 1))[0]
        time.sleep(random.uniform(0.7 * most if most > 5 else 0, most))
        tocsin.kill()
        killed_at.append(time.monotonic())
        while random.random() < 0.2:
            _kill_while_starting(tocsin, random.uniform(0, 2))
            killed_at.append(time.monotonic())
        tocsin.start()
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


def _check_repetitions(place: Place, pages: Sequence[Page], killed_at: Sequence[float], group: stored.Replayed) -> None:
    """Whatever came twice in a row came again after a kill, and no kill brought more than one page of this group.

    Where a result was not folded before the next flush, as on a machine that is much too busy, the core itself tells it
    again: that repetition is recorded as due.
    """
    again_due = again_due_in(group)
    charged: set[float] = set()
    for page, again in pairwise(pages):
        content = (page.firing, page.resolved)
        if content == (again.firing, again.resolved):
            # What a process had written arrives even if it is killed at once; a busy machine lets it arrive late.
            causes = [at for at in killed_at if page.arrived_at - 1.0 < at < again.arrived_at and at not in charged]
            if causes:
                charged.add(causes[0])
                continue
            assert content in again_due, (
                f"{place} was told twice at {page.arrived_at:.2f} and {again.arrived_at:.2f}: {killed_at}"
            )
            again_due.remove(content)
