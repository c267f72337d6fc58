"""What port `StatisticsStore` promises, asked of every adapter: what the groups' commits bring is counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from adapters.wiring import Ports
from devhost.pumps import ChangeFeed
from domain.groups import Decision, LogEntry, Reason, ReasonCode, Tally, Transaction
from domain.labels import Fingerprint
from domain.statistics import Counts, merged
from tests.builders import MINUTE, NOON, alert, entry, group_id, head, incident, member, reported
from tests.contract.conftest import Clock

DAY = timedelta(days=1)
TODAY = NOON.date()
DB = member(alert(instance="db"))


def reason(code: ReasonCode, *fingerprints: Fingerprint) -> Reason:
    return Reason(code, fingerprints=fingerprints or (DB.alert.fingerprint,))


def fired(at: datetime = NOON, group: int = 1) -> LogEntry:
    return entry(group, at=at, reported=reported(DB.alert, group=group), reasons=(reason(ReasonCode.FIRED),))


async def commit(
    home: Ports, said: LogEntry, number: int = 1, decision: Decision | None = None, **changes: Any
) -> None:
    whole = replace(decision or Decision(), head=head(number, **changes), entry=said)
    await home.groups.transact([Transaction(group_id(number), lambda _: whole)])


async def counted(home: Ports, feed: ChangeFeed, days: int = 1, *, times: int = 1) -> Mapping[date, Counts]:
    """The days up to today, when the feed has been shown so many times from its start."""
    for _ in range(times):
        documents, _ = await feed.changes("", limit=10_000)
        for document in documents:
            if document["type"] != "outbox":
                await home.project(document)
    return await home.statistics.list_days(TODAY - (days - 1) * DAY, TODAY)


async def test_nothing_is_known_at_first(home: Ports, feed: ChangeFeed) -> None:
    assert await counted(home, feed, days=92) == {}


@pytest.mark.parametrize("times", [1, 3])
async def test_an_entry_counts_once_however_often_the_feed_shows_it(home: Ports, feed: ChangeFeed, times: int) -> None:
    await commit(home, fired())
    await commit(home, replace(fired(), reasons=(reason(ReasonCode.REFIRED),), revision=2))
    await counted(home, feed)
    await commit(home, replace(fired(), revision=3), decision=Decision(members=[DB]))
    days = await counted(home, feed, times=times)
    assert days == {TODAY: {("rule", "DiskFull", "fired"): 3, ("rule", "DiskFull", "refires"): 1}}


async def test_what_only_goes_on_is_no_news_to_it(home: Ports, feed: ChangeFeed) -> None:
    await commit(home, replace(fired(), reasons=(reason(ReasonCode.UPDATED),)))
    assert await counted(home, feed) == {}


async def test_pages_count_for_the_receiver_and_the_rule(home: Ports, feed: ChangeFeed) -> None:
    told = entry(incident=f"{group_id(1)}-1", tally=Tally(delivered=1))
    await commit(home, told)
    await commit(home, replace(told, tally=Tally(failed=1, superseded=1), revision=2))
    await commit(home, replace(told, group_id=group_id(2)), 2, receiver="other", labels={})
    assert await counted(home, feed) == {
        TODAY: {
            ("receiver", "team", "delivered"): 1,
            ("receiver", "team", "failed"): 2,
            ("receiver", "other", "delivered"): 1,
            ("rule", "DiskFull", "pages"): 1,
        }
    }


async def test_the_time_to_resolve_counts_on_the_day_of_the_end(home: Ports, feed: ChangeFeed, clock: Clock) -> None:
    over = incident(opened_at=NOON - DAY, resolved_at=NOON)
    await commit(home, entry(at=NOON - DAY, incident=over.id, reasons=(reason(ReasonCode.INCIDENT_OPENED),)))
    ended = entry(at=NOON, incident=over.id, reasons=(reason(ReasonCode.INCIDENT_RESOLVED),))
    await commit(home, ended, decision=Decision(incident=over))
    assert await counted(home, feed, days=2) == {
        TODAY - DAY: {("incidents", "", "opened"): 1},
        TODAY: {("incidents", "", "resolved"): 1, ("incidents", "", "resolved_seconds"): 86_400},
    }


async def test_leases_that_ended_count_for_their_rules_in_a_group_of_several(home: Ports, feed: ChangeFeed) -> None:
    members = [member(alert(alertname=f"rule-{number % 2}", instance=str(number))) for number in range(150)]
    ended = reason(ReasonCode.LEASE_ENDED, *[one.alert.fingerprint for one in members])
    said = entry(incident=f"{group_id(1)}-1", reasons=(ended,))
    await commit(home, said, decision=Decision(members=members), labels={"team": "db"})
    assert await counted(home, feed) == {TODAY: {("rule", f"rule-{n}", "resolved"): 75 for n in range(2)}}


async def test_days_are_listed_from_the_first_to_the_last(home: Ports, feed: ChangeFeed, clock: Clock) -> None:
    for back in (0, 1, 3, 9):
        await commit(home, fired(NOON - back * DAY))
    days = await counted(home, feed, days=4)
    assert list(days) == [TODAY - 3 * DAY, TODAY - DAY, TODAY]
    assert await home.statistics.list_days(TODAY + DAY, TODAY) == {}


async def test_a_day_that_is_over_is_the_same_ever_after(home: Ports, feed: ChangeFeed, clock: Clock) -> None:
    for number in range(1, 4):
        await commit(home, fired(group=number), number)
    before = await counted(home, feed)
    clock.advance(5 * DAY)
    for _ in range(2):
        assert await home.statistics.list_days(TODAY, TODAY + 5 * DAY) == before
    assert merged(before.values()) == {("rule", "DiskFull", "fired"): 3}


async def test_two_readers_of_the_feed_count_no_entry_twice(home: Ports, feed: ChangeFeed) -> None:
    for revision in range(1, 9):
        await commit(home, replace(fired(), revision=revision))
    documents, _ = await feed.changes("", limit=1000)

    async def read() -> None:
        for document in documents:
            await home.project(document)

    await asyncio.gather(read(), read())
    assert await counted(home, feed) == {TODAY: {("rule", "DiskFull", "fired"): 8}}


async def test_a_day_ends_at_midnight_utc(home: Ports, feed: ChangeFeed, clock: Clock) -> None:
    midnight = NOON - 12 * timedelta(hours=1)
    await commit(home, fired(midnight))
    await commit(home, fired(midnight - MINUTE / 60))
    assert list(await counted(home, feed, days=2)) == [TODAY - DAY, TODAY]


@pytest.mark.parametrize("home", ["memory", "sqlite"], indirect=True)
async def test_old_days_are_forgotten(home: Ports, feed: ChangeFeed) -> None:
    """On Azure the service does it, by their time to live."""
    for back in range(3):
        await commit(home, fired(NOON - back * DAY))
    await counted(home, feed)
    for _ in range(2):
        await home.statistics.forget_days(TODAY - DAY)
        assert list(await home.statistics.list_days(TODAY - 9 * DAY, TODAY)) == [TODAY - DAY, TODAY]
