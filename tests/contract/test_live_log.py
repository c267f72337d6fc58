"""What port `LiveLog` promises, asked of every home."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.live.cursors import Cursor
from adapters.wiring import Ports
from domain.errors import RejectedError
from domain.groups import Decision, GroupState, Reason, ReasonCode, Transaction
from domain.live import RETENTION, LiveEvent, LiveLog, LivePage, TooOldError
from tests.builders import SECOND, entry, group_id, head, incident
from tests.contract.conftest import Clock

AT_ONCE = timedelta(0)
LONG = timedelta(seconds=20)
OPENED, FIRED, NOTIFY, UPDATED = (
    Reason(code) for code in (ReasonCode.INCIDENT_OPENED, ReasonCode.FIRED, ReasonCode.NOTIFY, ReasonCode.UPDATED)
)


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.cosmos.live.POLL_SECONDS", 0.02)


@pytest.fixture
def log(home: Ports) -> LiveLog:
    return home.live.log


def saying(home: Ports, number: int, *reasons: Reason, **changes: Any) -> Callable[[GroupState], Decision]:
    def decide(state: GroupState) -> Decision:
        before = state.head or head(number, revision=0)
        after = replace(before, revision=before.revision + 1)
        known: dict[str, Any] = {"at": home.clock(), "incident": f"{group_id(number)}-1", "reasons": reasons}
        said = entry(number, after.revision, **(known | changes))
        is_first = state.head is None
        return Decision(after, incident=incident(number, opened_at=home.clock()) if is_first else None, entry=said)

    return decide


async def say(home: Ports, number: int = 1, *reasons: Reason, **changes: Any) -> None:
    await home.groups.transact([Transaction(group_id(number), saying(home, number, *reasons, **changes))])


def brief(page: LivePage) -> list[tuple[str, str]]:
    return [(event.group_id[7], event.kind) for event in page.events]


async def read_all(log: LiveLog, after: str, *, limit: int = 100) -> list[LiveEvent]:
    """Everything behind that cursor, page by page, each event once."""
    events: dict[str, LiveEvent] = {}
    while (page := await log.read(after, limit=limit, wait=AT_ONCE)).events:
        events.update((event.id, event) for event in page.events)
        after = page.cursor
    return list(events.values())


async def test_from_now_on_shows_nothing_of_before(home: Ports, log: LiveLog) -> None:
    await say(home, 1, OPENED)
    page = await log.read(None, limit=10, wait=AT_ONCE)
    assert page.events == ()
    await say(home, 1, NOTIFY)
    assert brief(await log.read(page.cursor, limit=10, wait=LONG)) == [("1", "paged")]


async def test_an_event_says_what_it_is_about(home: Ports, log: LiveLog) -> None:
    cursor = (await log.read(None, limit=10, wait=AT_ONCE)).cursor
    await say(home, 1, OPENED, FIRED)
    (event,) = (await log.read(cursor, limit=10, wait=LONG)).events
    assert event.incident_id == f"{group_id(1)}-1"
    assert (event.kind, event.status, event.receiver, event.title) == ("opened", "triggered", "team", "DiskFull")
    assert event.at == home.clock()


async def test_a_group_without_an_incident_has_a_receiver(home: Ports, log: LiveLog) -> None:
    cursor = (await log.read(None, limit=10, wait=AT_ONCE)).cursor
    await say(home, 1, NOTIFY, incident="")
    (event,) = (await log.read(cursor, limit=10, wait=LONG)).events
    assert (event.incident_id, event.receiver) == (None, "team")


async def test_whoever_waits_is_woken(home: Ports, log: LiveLog) -> None:
    cursor = (await log.read(None, limit=10, wait=AT_ONCE)).cursor
    waiting = asyncio.create_task(log.read(cursor, limit=10, wait=LONG))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await say(home, 1, OPENED)
    assert brief(await asyncio.wait_for(waiting, 5)) == [("1", "opened")]


async def test_what_is_no_event_wakes_nobody(home: Ports, log: LiveLog) -> None:
    cursor = (await log.read(None, limit=10, wait=AT_ONCE)).cursor
    waiting = asyncio.create_task(log.read(cursor, limit=10, wait=0.2 * SECOND))
    await say(home, 1, UPDATED)
    page = await waiting
    assert page.events == ()
    await say(home, 1, NOTIFY)
    assert brief(await log.read(page.cursor, limit=10, wait=LONG)) == [("1", "paged")]


async def test_every_event_comes_in_the_order_of_its_group(home: Ports, log: LiveLog) -> None:
    cursor = (await log.read(None, limit=10, wait=AT_ONCE)).cursor
    for number in range(1, 8):
        await say(home, number % 3 + 1, NOTIFY if number > 3 else OPENED)
    for limit in (1, 2, 100):
        events = await read_all(log, cursor, limit=limit)
        assert len({event.id for event in events}) == 7
        for group in range(1, 4):
            revisions = [int(event.id.split("-")[1]) for event in events if event.group_id == group_id(group)]
            assert revisions == sorted(revisions)


async def test_whoever_resumes_at_an_event_misses_none(home: Ports, log: LiveLog) -> None:
    cursor = (await log.read(None, limit=10, wait=AT_ONCE)).cursor
    for _ in range(3):
        await say(home, 1, OPENED, NOTIFY)
    events = await read_all(log, cursor)
    assert [event.kind for event in events] == ["opened", "paged"] * 3
    for place, event in enumerate(events):
        assert event.cursor is not None
        rest = {later.id for later in await read_all(log, event.cursor)}
        assert {later.id for later in events[place + 1 :]} <= rest


async def test_an_old_cursor_is_good_after_everything_was_forgotten(home: Ports) -> None:
    """As after a restart, or in another instance: nothing is known of whom the cursor was given to."""
    cursor = (await home.live.log.read(None, limit=10, wait=AT_ONCE)).cursor
    await say(home, 1, OPENED)
    await say(home, 2, OPENED)
    await home.live.log.close()
    del home.live.log
    events = await read_all(home.live.log, cursor)
    assert sorted(event.group_id[7] for event in events) == ["1", "2"]


async def test_two_hundred_wait_for_the_price_of_one(home: Ports, log: LiveLog) -> None:
    cursor = (await log.read(None, limit=10, wait=AT_ONCE)).cursor
    waiting = [asyncio.create_task(log.read(cursor, limit=10, wait=LONG)) for _ in range(200)]
    await asyncio.sleep(0)
    asked = 0
    source: Any = log
    read = source._source.read

    async def counting(*args: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        return await read(*args, **options)

    source._source.read = counting
    await say(home, 1, OPENED)
    pages = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert {tuple(brief(page)) for page in pages} == {(("1", "opened"),)}
    assert asked < 20


async def test_closing_lets_them_go(log: LiveLog) -> None:
    waiting = [asyncio.create_task(log.read(None, limit=10, wait=LONG)) for _ in range(3)]
    await asyncio.sleep(0.05)
    await log.close()
    pages = await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert [page.events for page in pages] == [()] * 3
    assert (await asyncio.wait_for(log.read(pages[0].cursor, limit=10, wait=LONG), 5)).events == ()


async def test_a_cursor_ages_only_while_nobody_asks(log: LiveLog, clock: Clock) -> None:
    cursor = (await log.read(None, limit=10, wait=AT_ONCE)).cursor
    clock.advance(RETENTION - SECOND)
    fresh = (await log.read(cursor, limit=10, wait=AT_ONCE)).cursor
    clock.advance(2 * SECOND)
    with pytest.raises(TooOldError):
        await log.read(cursor, limit=10, wait=AT_ONCE)
    assert (await log.read(fresh, limit=10, wait=AT_ONCE)).events == ()


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="unknown kind"),
        pytest.param("p!!!", id="no base64"),
        pytest.param("pAAAA", id="no time"),
        pytest.param("zAAAA", id="not compressed"),
        pytest.param("p" + "A" * 9000, id="too long"),
        pytest.param("größe", id="not ascii"),
    ],
)
async def test_what_is_no_cursor_is_refused(log: LiveLog, cursor: str) -> None:
    with pytest.raises(RejectedError):
        await log.read(cursor, limit=10, wait=AT_ONCE)


@pytest.mark.parametrize("place", ["", "-1", "999999999", "9" * 30, "[]", "[[{}, 1]]", '[[{}, ""]]', "other.5"])
async def test_a_cursor_of_another_store_is_too_old(log: LiveLog, clock: Clock, place: str) -> None:
    with pytest.raises(TooOldError):
        await log.read(str(Cursor(place, clock())), limit=10, wait=AT_ONCE)
