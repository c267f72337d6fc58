"""What port `SourceStore` promises, asked of every adapter; and that a decision is shown its documents."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from adapters.settings import Settings
from adapters.sqlite import sources as sources_module
from adapters.wiring import Ports, wire
from domain.alerts import END_OF_TIME, TOMBSTONE_RETENTION
from domain.errors import UnavailableError
from domain.groups import Decision, GroupState, GroupStore, Transaction, Wanted
from domain.inhibition import (
    LAPSED_SOURCE_RETENTION,
    InhibitRule,
    Source,
    SourceKey,
    Sources,
    SourceStore,
    with_reports,
)
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert, group_id, head

KEY, OTHER = SourceKey("0" * 32), SourceKey("1" * 32)


def source(name: str = "db", minute: int = 0, *, is_over: bool = False, is_two_sided: bool = False) -> Source:
    """A report of that minute; a resolved one ended just then."""
    at = NOON + minute * MINUTE
    ends_at = at if is_over else at + 4 * MINUTE
    return Source(alert(at=at, starts_at=NOON, ends_at=ends_at, instance=name, größe='a|"b"'), is_two_sided)


def names(document: Sources) -> list[str]:
    assert all(name == one.alert.fingerprint for name, one in document.items())
    return sorted(one.alert.labels["instance"] for one in document.values())


async def look(store: GroupStore, *wants: Wanted) -> list[GroupState]:
    """What a rule sees that wants one after the other of these."""
    seen: list[GroupState] = []
    left = list(wants)

    def decide(state: GroupState) -> Decision | Wanted:
        seen.append(state)
        return left.pop(0) if left else Decision()

    await store.transact([Transaction(group_id(1), decide)])
    return seen


class TestSourceStore:
    async def test_what_was_never_written_is_empty(self, sources: SourceStore) -> None:
        assert await sources.get_sources([KEY, OTHER]) == {KEY: {}, OTHER: {}}
        assert await sources.get_sources([]) == {}

    async def test_what_is_reported_is_read_back_as_it_was(self, sources: SourceStore) -> None:
        written = [source("db"), source("web", is_two_sided=True), source("api", is_over=True)]
        await sources.report_sources({KEY: written[:2], OTHER: written[2:]}, NOON)
        found = await sources.get_sources([KEY, OTHER])
        assert sorted(found[KEY].values(), key=lambda one: one.is_two_sided) == written[:2]
        assert list(found[OTHER].values()) == written[2:]
        assert names(found[KEY]) == ["db", "web"]

    async def test_an_instant_keeps_its_offset_and_its_microseconds(self, sources: SourceStore) -> None:
        there = datetime(2026, 11, 22, 17, 29, 59, 123456, timezone(timedelta(hours=5, minutes=30)))
        one = source()
        odd = replace(one, alert=replace(one.alert, starts_at=there, ends_at=END_OF_TIME))
        await sources.report_sources({KEY: [odd]}, NOON)
        ((kept,),) = [document.values() for document in (await sources.get_sources([KEY])).values()]
        assert kept == odd
        assert (kept.alert.starts_at.isoformat(), kept.alert.ends_at) == (there.isoformat(), END_OF_TIME)

    async def test_a_document_may_hold_thousands(self, sources: SourceStore) -> None:
        many = [source(f"{number}-{'x' * 100}") for number in range(2000)]
        await sources.report_sources({KEY: many}, NOON)
        assert (await sources.get_sources([KEY]))[KEY] == with_reports({}, many, NOON)

    async def test_nothing_reported_is_nothing_written(self, sources: SourceStore) -> None:
        await sources.report_sources({}, NOON)
        assert await sources.get_sources([KEY]) == {KEY: {}}

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    async def test_reports_are_safe_in_any_order_and_again(self, sources: SourceStore, order: Sequence[int]) -> None:
        reports = [source(minute=0), source(minute=2), source(minute=3, is_over=True)]
        for place in [*order, *order]:
            await sources.report_sources({KEY: [reports[place]]}, NOON + 3 * MINUTE)
        (only,) = (await sources.get_sources([KEY]))[KEY].values()
        assert only.alert == reports[2].alert

    async def test_several_reports_of_one_source_come_at_once(self, sources: SourceStore) -> None:
        await sources.report_sources({KEY: [source(minute=0), source(minute=1)]}, NOON + MINUTE)
        assert (await sources.get_sources([KEY]))[KEY] == with_reports({}, [source(minute=1)], NOON)

    async def test_reports_at_once_lose_none(self, sources: SourceStore) -> None:
        await asyncio.gather(
            *(sources.report_sources({KEY: [source(str(n))], OTHER: [source("x", n)]}, NOON) for n in range(9))
        )
        found = await sources.get_sources([KEY, OTHER])
        assert names(found[KEY]) == [str(n) for n in range(9)]
        (only,) = found[OTHER].values()
        assert only.alert.received_at == NOON + 8 * MINUTE

    async def test_what_ended_long_ago_goes_with_the_next_report_to_its_document(self, sources: SourceStore) -> None:
        await sources.report_sources({KEY: [source("over", is_over=True), source("lapsed")]}, NOON)
        await sources.report_sources({OTHER: [source("over", is_over=True)]}, NOON)
        over, lapsed = NOON + TOMBSTONE_RETENTION, NOON + 4 * MINUTE + LAPSED_SOURCE_RETENTION
        for now, expected in (
            (over, ["lapsed", "over"]),
            (over + SECOND, ["lapsed"]),
            (lapsed, ["lapsed"]),
            (lapsed + SECOND, []),
        ):
            await sources.report_sources({KEY: [source("new", minute=2 * 24 * 60)]}, now)
            assert names((await sources.get_sources([KEY]))[KEY]) == sorted([*expected, "new"])
        assert names((await sources.get_sources([OTHER]))[OTHER]) == ["over"], "nobody reported to that one"

    async def test_the_sweep_forgets_what_is_long_over_and_nothing_else(self, sources: SourceStore) -> None:
        reports = {KEY: [source("over", is_over=True), source("lapsed")], OTHER: [source("over", is_over=True)]}
        await sources.report_sources(reports, NOON)
        await sources.forget_sources(NOON + TOMBSTONE_RETENTION)
        assert names((await sources.get_sources([KEY]))[KEY]) == ["lapsed", "over"]
        await sources.forget_sources(NOON + TOMBSTONE_RETENTION + SECOND)
        found = await sources.get_sources([KEY, OTHER])
        assert [names(found[key]) for key in (KEY, OTHER)] == [["lapsed"], []]

    async def test_a_rule_that_was_not_in_force_has_no_documents(self, sources: SourceStore) -> None:
        rule = InhibitRule((), (), ("zone",))
        other = InhibitRule((), (), ("rack",))
        keys = [each.key({"zone": zone}) for each in (rule, other) for zone in "ab"]
        await sources.report_sources({key: [source()] for key in keys}, NOON)
        await sources.forget_rules([rule])
        found = await sources.get_sources(keys)
        assert [names(found[key]) for key in keys] == [[], [], ["db"], ["db"]]
        await sources.forget_rules([])

    async def test_what_was_read_does_not_change_afterwards(self, sources: SourceStore) -> None:
        await sources.report_sources({KEY: [source()]}, NOON)
        seen = (await sources.get_sources([KEY]))[KEY]
        await sources.report_sources({KEY: [source("web")]}, NOON)
        assert names(seen) == ["db"]


class TestWhatDecisionsAreShown:
    """`Wanted.sources`, of port `GroupStore`."""

    async def test_no_document_is_loaded_unasked(self, home: Ports) -> None:
        await home.sources.report_sources({KEY: [source()]}, NOON)
        first, second = await look(home.groups, Wanted())
        assert first.sources == second.sources == {}

    @pytest.mark.parametrize("is_known", [False, True])
    async def test_those_that_are_wanted_come_in_addition(self, home: Ports, is_known: bool) -> None:
        await home.sources.report_sources({KEY: [source()]}, NOON)
        if is_known:
            await home.groups.transact([Transaction(group_id(1), lambda state: Decision(head()))])
        wants = Wanted(), Wanted(frozenset(), frozenset({KEY})), Wanted(frozenset(), frozenset({OTHER}))
        *_, third, fourth = await look(home.groups, *wants)
        assert list(third.sources) == [KEY]
        assert {key: names(document) for key, document in fourth.sources.items()} == {KEY: ["db"], OTHER: []}
        assert third.is_complete
        assert fourth.is_complete, "what was loaded stays loaded"

    async def test_what_was_acknowledged_is_seen(self, home: Ports) -> None:
        for number in range(20):
            await home.sources.report_sources({KEY: [source(str(number))]}, NOON)
            *_, last = await look(home.groups, Wanted(frozenset(), frozenset({KEY})))
            assert str(number) in names(last.sources[KEY])


# --- what only a file can show --------------------------------------------------------------------------------------


def reopened(folder: Path) -> Ports:
    return wire(Settings.read({"TOCSIN_HOME": "sqlite", "TOCSIN_DATA": str(folder)}))


async def test_sqlite_keeps_them_over_a_restart(tmp_path: Path) -> None:
    before = reopened(tmp_path)
    await before.sources.report_sources({KEY: [source("db"), source("web")], OTHER: [source("db")]}, NOON)
    await before.sources.report_sources({KEY: [source("db", minute=1, is_over=True)]}, NOON + MINUTE)
    # An hour later nothing of it is left in the file either.
    await before.sources.report_sources({KEY: [source("web", minute=61)]}, NOON + HOUR + MINUTE)
    kept = await before.sources.get_sources([KEY, OTHER])
    await before.close()
    after = reopened(tmp_path)
    assert await after.sources.get_sources([KEY, OTHER]) == kept
    assert names(kept[KEY]) == ["web"]
    await after.close()
    with sqlite3.connect(tmp_path / "tocsin.db") as db:
        assert db.execute("select count(*) from sources").fetchone() == (2,)
    db.close()


async def test_sqlite_shows_a_decision_what_is_being_written(tmp_path: Path) -> None:
    home = reopened(tmp_path)
    writing = asyncio.create_task(home.sources.report_sources({KEY: [source()]}, NOON))
    await asyncio.sleep(0)
    *_, last = await look(home.groups, Wanted(frozenset(), frozenset({KEY})))
    assert names(last.sources[KEY]) == ["db"]
    await writing
    await home.close()


async def test_sqlite_leaves_nothing_of_a_commit_that_failed(tmp_path: Path) -> None:
    home = reopened(tmp_path)
    await home.sources.report_sources({KEY: [source("db")]}, NOON)
    with sqlite3.connect(tmp_path / "tocsin.db", autocommit=True) as db:
        db.execute("create trigger broken before insert on sources begin select raise(abort, 'broken'); end")
        failed = home.sources.report_sources({KEY: [source("web")], OTHER: [source("web")]}, NOON)
        joined = home.silences.list_silences()
        results = await asyncio.gather(failed, joined, return_exceptions=True)
        assert isinstance(results[0], UnavailableError)
        assert await home.sources.get_sources([KEY, OTHER]) == {KEY: with_reports({}, [source("db")], NOON), OTHER: {}}
        db.execute("drop trigger broken")
    db.close()
    await home.sources.report_sources({KEY: [source("web")]}, NOON)
    assert names((await home.sources.get_sources([KEY]))[KEY]) == ["db", "web"], "repeated, it is written"
    await home.close()


@pytest.mark.parametrize("cached", [1, 3])
async def test_sqlite_reads_documents_beyond_its_cache_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: int
) -> None:
    monkeypatch.setattr(sources_module, "DOCUMENTS_CACHED", cached)
    home = reopened(tmp_path)
    keys = [SourceKey(f"{number:032x}") for number in range(10)]
    for turn in range(3):
        reports = [home.sources.report_sources({key: [source(f"{turn}-{key[-1]}")]}, NOON) for key in keys]
        await asyncio.gather(*reports)
        for key in keys:
            found = (await home.sources.get_sources([key]))[key]
            assert names(found) == [f"{each}-{key[-1]}" for each in range(turn + 1)]
    await home.close()
