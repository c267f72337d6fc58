"""What port `GroupStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from adapters.documents import extract_outgoing
from adapters.wiring import Ports
from devhost.pumps import ChangeFeed
from domain.alerts import TOMBSTONE_RETENTION
from domain.configuration.file import read_configuration
from domain.errors import NotFoundError, RejectedError
from domain.groups import (
    NO_NEWS,
    Decide,
    Decision,
    GroupState,
    GroupStore,
    Member,
    Outgoing,
    Outgone,
    Reason,
    ReasonCode,
    Tally,
    Transaction,
    Wanted,
)
from domain.incidents import decide
from domain.labels import Fingerprint
from domain.lifecycle import Action, Responded, Response, Status
from domain.notifications import NotificationLog, Pending, Settled, pack
from domain.routing import GroupId
from domain.situations import Situation
from tests.builders import (
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    alert,
    delivery,
    entry,
    events,
    group_id,
    head,
    incident,
    member,
    reported,
    responded,
    tick,
)

GROUP = group_id(1)
DB, WEB, API = (member(alert(instance=name)) for name in ("db", "web", "api"))


def always(decision: Decision) -> Decide:
    return lambda state: decision


def name(of: Member) -> Fingerprint:
    return of.alert.fingerprint


def named(*members: Member) -> dict[Fingerprint, Member]:
    return {name(one): one for one in members}


def counting(state: GroupState) -> Decision:
    before = state.head or head(revision=0)
    return Decision(replace(before, revision=before.revision + 1))


async def transact(store: GroupStore, decide: Decide, number: int = 1) -> Sequence[Outgone]:
    return await store.transact([Transaction(group_id(number), decide)])


async def put(
    store: GroupStore, number: int = 1, decision: Decision | None = None, **changes: object
) -> Sequence[Outgone]:
    """Write group `number`, as its builder makes it but for the changes; what it left in the outbox is returned."""
    return await transact(store, always(replace(decision or Decision(), head=head(number, **changes))), number)


async def states(store: GroupStore, *wanted: Wanted, names: tuple[Fingerprint, ...] = ()) -> list[GroupState]:
    """What a decision about the group is shown that answers with these, one after the other."""
    seen: list[GroupState] = []
    answers = iter(wanted)

    def look(state: GroupState) -> Decision | Wanted:
        seen.append(state)
        return next(answers, NO_NEWS)

    await store.transact([Transaction(GROUP, look, names)])
    return seen


async def outbox_of(feed: ChangeFeed, place: str = "") -> tuple[list[dict[str, Any]], str]:
    """The documents of outboxes that the feed shows behind that place, and where to go on."""
    documents, place = await feed.changes(place, limit=1000)
    return [document for document in documents if document["type"] == "outbox"], place


async def whole(store: GroupStore) -> GroupState:
    return (await states(store, Wanted()))[-1]


class TestFindGroups:
    async def test_the_groups_that_hold_it_come_first(self, store: GroupStore) -> None:
        await put(store, 1, Decision(members=[replace(DB, dropped_at=NOON)]))
        await put(store, 2, Decision(members=[DB, WEB]))
        await put(store, 3, Decision(members=[WEB]))
        assert list(await store.find_groups(name(DB))) == [group_id(2), group_id(1)]

    async def test_then_those_whose_entries_name_it_the_latest_first(self, store: GroupStore) -> None:
        fired = Reason(ReasonCode.FIRED, fingerprints=(name(DB),))
        await put(store, 1, Decision(entry=entry(1, at=NOON, reasons=(fired,))))
        await put(store, 2, Decision(entry=entry(2, at=NOON + SECOND, reported=reported(DB.alert, group=2))))
        await put(store, 3, Decision(members=[DB], entry=entry(3, at=NOON + MINUTE, reasons=(fired,))))
        assert list(await store.find_groups(name(DB))) == [group_id(3), group_id(2), group_id(1)]

    async def test_a_group_in_which_it_only_mutes_another_is_none_of_its(self, store: GroupStore) -> None:
        inhibited = Reason(ReasonCode.INHIBITED, "a rule", fingerprints=(name(WEB),), by=name(DB))
        await put(store, decision=Decision(members=[WEB], entry=entry(reasons=(inhibited,))))
        assert list(await store.find_groups(name(DB))) == []

    async def test_a_forgotten_tombstone_leaves_the_entries(self, store: GroupStore) -> None:
        dropped = replace(DB, dropped_at=NOON)
        fired = Reason(ReasonCode.FIRED, fingerprints=(name(DB),))
        await put(store, decision=Decision(members=[dropped], entry=entry(reasons=(fired,))))
        await put(store, decision=Decision(forgotten=[name(DB)]), revision=2)
        assert list(await store.find_groups(name(DB))) == [GROUP]
        assert list(await store.find_groups(name(WEB))) == []


class TestWalkEntries:
    async def test_the_latest_come_first(self, store: GroupStore) -> None:
        for revision in range(1, 61):
            await put(store, decision=Decision(entry=entry(revision=revision)), revision=revision)
            await put(store, 2, Decision(entry=entry(2, revision=revision)), revision=revision)
        seen = [entry async for entry in store.walk_entries(GROUP)]
        assert [(one.group_id, one.revision) for one in seen] == [(GROUP, number) for number in range(60, 0, -1)]

    async def test_a_group_that_is_not_there_has_none(self, store: GroupStore) -> None:
        assert [entry async for entry in store.walk_entries(GROUP)] == []


class TestTransact:
    async def test_a_group_that_is_not_there_is_complete_and_empty(self, store: GroupStore) -> None:
        assert await states(store, names=(name(DB),)) == [GroupState(None, {}, None, is_complete=True)]

    async def test_a_decision_first_sees_the_head_and_the_named_members(self, store: GroupStore) -> None:
        await put(store, decision=Decision(members=[DB, WEB], logs=[NotificationLog(0)]))
        stranger = Fingerprint("0" * 16)
        (state,) = await states(store, names=(name(DB), stranger))
        assert state == GroupState(head(), named(DB), None, is_complete=False)

    async def test_it_is_asked_again_with_the_members_and_logs_it_wants(self, store: GroupStore) -> None:
        log = NotificationLog(0, NOON)
        await put(store, decision=Decision(members=[DB, WEB, API], logs=[log]))
        wanted = Wanted(frozenset({name(WEB)}))
        state = (await states(store, wanted, names=(name(DB),)))[-1]
        assert state == GroupState(head(), named(DB, WEB), {0: log}, is_complete=False)

    async def test_it_is_asked_again_with_everything_when_it_wants_everything(self, store: GroupStore) -> None:
        logs = {number: NotificationLog(number, NOON) for number in (0, 1)}
        tombstone = member(alert(instance="old"), dropped_at=NOON)
        await put(store, decision=Decision(members=[DB, WEB, tombstone], logs=list(logs.values())))
        state = await whole(store)
        assert state == GroupState(head(), named(DB, WEB, tombstone), logs, is_complete=True)

    async def test_wanting_more_and_more_ends_with_everything(self, store: GroupStore) -> None:
        await put(store, decision=Decision(members=[DB, WEB, API]))
        seen = await states(store, Wanted(frozenset({name(DB)})), Wanted(frozenset({name(WEB)})), Wanted())
        assert [set(state.members) for state in seen] == [
            set(),
            {name(DB)},
            {name(DB), name(WEB)},
            {name(DB), name(WEB), name(API)},
        ]

    async def test_what_is_written_is_read_back_as_it_was(self, store: GroupStore) -> None:
        kolkata = timezone(timedelta(hours=5, minutes=30))
        after = head(
            next_due_at=NOON + timedelta(microseconds=1),
            armed_at=NOON,
            pending=(0, 2),
            incident=incident(),
            folded={"door": 3, "other": 0},
            labels={"alertname": "Größe"},
            is_flush_failed=True,
        )
        copy = member(alert(at=NOON.astimezone(kolkata), annotations={"text": "\N{BELL} \x00"}), occurrence=7)
        log = NotificationLog(1, NOON, b"\x00\xff", b"", Pending("delivery", NOON, NOON + SECOND, b"\x01", b"\x02"))
        await transact(store, always(Decision(after, [copy], logs=[log])))
        state = await whole(store)
        assert state == GroupState(after, named(copy), {1: log}, is_complete=True)
        assert state.members[name(copy)].alert.starts_at.utcoffset() == kolkata.utcoffset(None)

    async def test_a_later_decision_replaces_and_forgets(self, store: GroupStore) -> None:
        await put(store, decision=Decision(members=[DB, WEB], logs=[NotificationLog(0), NotificationLog(1)]))
        changed, told = replace(DB, is_firing=False), NotificationLog(1, NOON)
        await put(store, decision=Decision(members=[changed], forgotten=[name(WEB)], logs=[told]), revision=2)
        state = await whole(store)
        assert state == GroupState(head(revision=2), named(changed), {0: NotificationLog(0), 1: told}, is_complete=True)

    async def test_a_decision_without_news_writes_nothing(self, store: GroupStore) -> None:
        await put(store)
        before = await whole(store)
        assert not await transact(store, always(NO_NEWS))
        assert await whole(store) == before

    async def test_a_failing_decision_writes_nothing(self, store: GroupStore) -> None:
        await put(store, decision=Decision(members=[DB]))
        before = await whole(store)

        def fail(state: GroupState) -> Decision:
            raise RejectedError("no")

        with pytest.raises(RejectedError, match="no"):
            await transact(store, fail)
        assert await whole(store) == before

    async def test_a_failing_decision_takes_no_other_group_with_it(self, store: GroupStore) -> None:
        def fail(state: GroupState) -> Decision:
            raise RejectedError("no")

        results = await asyncio.gather(
            transact(store, counting, 1),
            transact(store, fail, 2),
            transact(store, always(Decision(head(3))), 3),
            return_exceptions=True,
        )
        assert [isinstance(result, RejectedError) for result in results] == [False, True, False]
        assert [each.id for each in await store.list_heads()] == [group_id(1), group_id(3)]

    async def test_groups_that_dropped_something_lately_are_found(self, store: GroupStore) -> None:
        old, late = replace(DB, dropped_at=NOON - MINUTE), replace(DB, dropped_at=NOON)
        await put(store, 1, Decision(members=[old]))
        await put(store, 2, Decision(members=[late, member(alert(instance="other"), dropped_at=NOON)]))
        await put(store, 3, Decision(members=[DB]))
        await put(store, 4, Decision(members=[late]))
        assert set(await store.list_dropped(NOON)) == {group_id(2), group_id(4)}
        assert set(await store.list_dropped(NOON - MINUTE)) == {group_id(1), group_id(2), group_id(4)}

    async def test_what_a_call_wrote_before_it_failed_stays(self, store: GroupStore) -> None:
        def fail(state: GroupState) -> Decision:
            raise RejectedError("no")

        with pytest.raises(RejectedError):
            await store.transact([Transaction(group_id(n), rule) for n, rule in ((1, counting), (2, fail))])
        await put(store, 5)
        assert [each.id for each in await store.list_heads()] == [group_id(1), group_id(5)]

    async def test_the_same_group_twice_in_one_call_is_asked_in_order(self, store: GroupStore) -> None:
        await store.transact([Transaction(GROUP, counting)] * 3)
        assert (await whole(store)).head == head(revision=3)

    async def test_two_writers_lose_no_update(self, store: GroupStore) -> None:
        await asyncio.gather(*(transact(store, counting) for _ in range(20)))
        assert (await whole(store)).head == head(revision=20)

    async def test_different_groups_are_written_at_once(self, store: GroupStore) -> None:
        await asyncio.gather(*(put(store, number, Decision(members=[DB])) for number in range(10)))
        assert [each.id for each in await store.list_heads()] == [group_id(number) for number in range(10)]
        assert len(await store.list_members()) == 10

    async def test_a_decision_cannot_change_what_is_stored_by_changing_what_it_sees(self, store: GroupStore) -> None:
        await put(store, decision=Decision(members=[DB]))
        seen = await whole(store)
        assert isinstance(seen.members, dict)
        seen.members.clear()
        assert (await whole(store)).members == named(DB)

    async def test_what_is_read_while_another_writes_is_whole(self, store: GroupStore) -> None:
        await put(store, decision=Decision(members=[DB]))
        before = await whole(store)
        writing = asyncio.create_task(put(store, 1, Decision(members=[WEB], logs=[NotificationLog(0)]), present=2))
        states = []
        while not writing.done():
            states.append(await whole(store))
            await asyncio.sleep(0)
        after = GroupState(head(present=2), named(DB, WEB), {0: NotificationLog(0)}, is_complete=True)
        assert all(state in (before, after) for state in states)
        assert await whole(store) == after


class TestOutbox:
    async def test_it_is_there_until_cleared(self, store: GroupStore) -> None:
        first, second = await put(store, decision=Decision(outbox=[tick(), delivery()]))
        await store.clear_outbox([first])
        await put(store, 2)  # a commit after it, for clearing waits for none
        assert not await store.has_outbox(GROUP, first.key)
        assert await store.has_outbox(GROUP, second.key)

    async def test_it_comes_back_in_its_order(self, store: GroupStore) -> None:
        outbox: list[Outgoing] = [delivery(), tick(), events(), tick(due_at=NOON)]
        sent = await transact(store, always(Decision(head(), outbox=outbox)))
        assert [(outgone.group_id, outgone.outgoing) for outgone in sent] == [(GROUP, each) for each in outbox]

    async def test_that_of_several_groups_comes_together(self, store: GroupStore) -> None:
        rules = [always(Decision(head(number), outbox=[tick(number)] * number)) for number in range(3)]
        sent = await store.transact([Transaction(group_id(number), rule) for number, rule in enumerate(rules)])
        assert [outgone.outgoing for outgone in sent] == [tick(1), tick(2), tick(2)]
        assert [outgone.group_id for outgone in sent] == [group_id(1), group_id(2), group_id(2)]
        assert len({(outgone.group_id, outgone.key) for outgone in sent}) == 3

    async def test_a_decision_that_is_no_news_leaves_none(self, store: GroupStore) -> None:
        await put(store, decision=Decision(outbox=[tick()]))
        assert not await transact(store, always(NO_NEWS))

    async def test_the_feed_shows_it_in_order_until_cleared(self, store: GroupStore, feed: ChangeFeed) -> None:
        outbox: list[Outgoing] = [tick(), delivery(), events(reported(alert(), alert("resolved", instance="x")))]
        sent = await put(store, decision=Decision(outbox=outbox))
        shown, _ = await outbox_of(feed)
        assert [document["key"] for document in shown] == [outgone.key for outgone in sent]
        assert {(document["type"], document["group_id"], document["at"]) for document in shown} == {
            ("outbox", GROUP, NOON.timestamp())
        }
        assert [extract_outgoing(document["kind"], document["outgoing"]) for document in shown] == outbox
        await store.clear_outbox(sent[:2])
        await put(store, 2)
        shown, _ = await outbox_of(feed)
        assert [document["key"] for document in shown] == [sent[2].key]

    async def test_the_feed_goes_on_where_it_was_left(self, store: GroupStore, feed: ChangeFeed) -> None:
        first = await put(store, decision=Decision(outbox=[tick()] * 3))
        _, place = await outbox_of(feed)
        await store.clear_outbox(first)
        await put(store, 2)
        # Even when the outbox has been empty in between, no key comes twice and nothing new is passed over.
        (second,) = await put(store, decision=Decision(outbox=[tick()]))
        shown, _ = await outbox_of(feed, place)
        assert [document["key"] for document in shown] == [second.key]
        assert second.key not in {outgone.key for outgone in first}

    async def test_clearing_what_is_gone_is_no_error(self, store: GroupStore) -> None:
        sent = await put(store, decision=Decision(outbox=[tick()]))
        for number in (2, 3):
            await store.clear_outbox(sent)
            await put(store, number)
        assert not await store.has_outbox(GROUP, sent[0].key)


class TestTally:
    async def test_it_is_empty_at_first(self, store: GroupStore) -> None:
        assert await store.tally() == Tally()

    async def test_it_adds_up_what_was_committed(self, store: GroupStore) -> None:
        tally = Tally(folded=3, due=2, delivered=1, failed=1, superseded=1)
        await asyncio.gather(
            put(store, 1, Decision(entry=entry(tally=tally))),
            put(store, 2, Decision(entry=entry(2, tally=Tally(folded=1, due=1)))),
        )
        await put(store, 1, Decision(entry=entry(revision=2, tally=Tally(superseded=5))))
        assert await store.tally() == Tally(folded=4, due=3, delivered=1, failed=1, superseded=6)

    async def test_what_writes_nothing_is_not_counted(self, store: GroupStore) -> None:
        await put(store, decision=Decision(entry=entry(tally=Tally(folded=1))))

        def fail(state: GroupState) -> Decision:
            raise RejectedError("no")

        await asyncio.gather(transact(store, always(NO_NEWS)), transact(store, fail), return_exceptions=True)
        assert await store.tally() == Tally(folded=1)

    async def test_asking_again_does_not_double_it(self, store: GroupStore) -> None:
        await put(store)
        asked = 0

        def twice(state: GroupState) -> Decision | Wanted:
            nonlocal asked
            asked += 1
            return Decision(head(revision=2), entry=entry(tally=Tally(folded=1))) if state.is_complete else Wanted()

        await transact(store, twice)
        assert asked == 2
        assert await store.tally() == Tally(folded=1)


class TestMembers:
    async def test_those_of_some_groups_or_of_all_are_listed(self, store: GroupStore) -> None:
        for number, one in enumerate((DB, WEB, API)):
            await put(store, number, Decision(members=[one]))
        everyone = await store.list_members()
        assert sorted(everyone, key=lambda pair: pair[0]) == [
            (group_id(0), DB),
            (group_id(1), WEB),
            (group_id(2), API),
        ]
        assert await store.list_members([group_id(2), group_id(63)]) == [(group_id(2), API)]
        assert not await store.list_members([])
        many = await store.list_members([group_id(number) for number in (63, 2, 0, 5, 7)])
        assert sorted(many, key=lambda pair: pair[0]) == [(group_id(0), DB), (group_id(2), API)]

    async def test_tombstones_are_not_listed(self, store: GroupStore) -> None:
        await put(store, decision=Decision(members=[DB, WEB]))
        await put(store, decision=Decision(members=[replace(DB, dropped_at=NOON)]))
        assert await store.list_members() == await store.list_members([GROUP]) == [(GROUP, WEB)]

    async def test_tombstones_can_be_named_until_their_time_is_over(self, store: GroupStore) -> None:
        tombstone = replace(DB, dropped_at=NOON)
        await put(store, decision=Decision(members=[tombstone, WEB]))
        await store.forget(NOON + TOMBSTONE_RETENTION)
        (state,) = await states(store, names=(name(DB),))
        assert state.members == named(tombstone)
        await store.forget(NOON + TOMBSTONE_RETENTION + SECOND)
        (state,) = await states(store, names=(name(DB),))
        assert state.members == {}
        assert (await whole(store)).members == named(WEB)

    async def test_a_member_that_came_back_is_not_forgotten(self, store: GroupStore) -> None:
        await put(store, decision=Decision(members=[replace(DB, dropped_at=NOON)]))
        await put(store, decision=Decision(members=[DB]))
        await store.forget(NOON + 2 * TOMBSTONE_RETENTION)
        assert await store.list_members() == [(GROUP, DB)]


class TestHeads:
    async def test_they_come_in_order_of_their_ids_page_by_page(self, store: GroupStore) -> None:
        for number in (4, 2, 9, 1, 7):
            await put(store, number)
        after: GroupId | None = None
        pages: list[list[GroupId]] = []
        while heads := await store.list_heads(after=after, limit=2):
            pages.append([each.id for each in heads])
            after = heads[-1].id
        assert pages == [[group_id(1), group_id(2)], [group_id(4), group_id(7)], [group_id(9)]]

    async def test_groups_without_members_are_passed_over(self, store: GroupStore) -> None:
        for number, present in ((1, 1), (2, 0), (3, 2)):
            await put(store, number, present=present)
        assert [each.id for each in await store.list_heads(limit=2)] == [group_id(1), group_id(3)]
        await put(store, 3, present=0)
        assert [each.id for each in await store.list_heads()] == [group_id(1)]

    async def test_the_longest_overdue_come_first(self, store: GroupStore) -> None:
        for number, minutes in ((1, 3), (2, 1), (3, 2), (4, 5)):
            await put(store, number, next_due_at=NOON + minutes * MINUTE)
        await put(store, 5, next_due_at=None)
        by_age = [group_id(2), group_id(3), group_id(1)]
        assert await store.list_overdue(NOON + 5 * MINUTE, limit=10) == by_age
        assert await store.list_overdue(NOON + 5 * MINUTE, limit=2) == by_age[:2]
        assert not await store.list_overdue(NOON + MINUTE, limit=10)

    async def test_a_group_that_was_woken_is_no_longer_overdue(self, store: GroupStore) -> None:
        await put(store, next_due_at=NOON)
        await put(store, next_due_at=NOON + HOUR)
        assert not await store.list_overdue(NOON + MINUTE, limit=10)


class TestIncidents:
    async def test_one_is_found_by_its_id_as_it_was_last_written(self, store: GroupStore) -> None:
        await put(store, decision=Decision(incident=incident()))
        known = Response(Status.ACKNOWLEDGED, NOON, "ann", NOON + HOUR, NOON, NOON + MINUTE, "bob", "eve", "critical")
        after = incident(resolved_at=NOON + HOUR, alerts=3, pages=2, response=known, severity="warning")
        await put(store, decision=Decision(incident=after))
        assert await store.get_incident(after.id) == after
        assert await store.list_incidents() == [after]

    async def test_an_unknown_one_is_not_found(self, store: GroupStore) -> None:
        with pytest.raises(NotFoundError, match="no incident 'nobody-1'"):
            await store.get_incident("nobody-1")

    async def test_what_it_has_cost_is_known_where_the_store_charges(self, home: Ports, store: GroupStore) -> None:
        await put(store, decision=Decision(incident=incident(), outbox=[tick()]), incident=incident())
        before = await store.get_cost(incident().id)
        await put(store, decision=Decision(incident=incident()), incident=incident())
        after = await store.get_cost(incident().id)
        if home.settings.home == "azure":
            assert before is not None
            assert after is not None
            assert 0 < before.request_units < after.request_units
            assert 0 < before.operations < after.operations
            assert 0 < before.bytes < after.bytes
            assert before.messages == after.messages == 1
        else:
            assert before is after is None
        with pytest.raises(NotFoundError, match="no incident 'nobody-1'"):
            await store.get_cost("nobody-1")

    async def test_the_newest_come_first_page_by_page(self, store: GroupStore) -> None:
        # Three of them were opened at the same instant: none may be lost between two pages.
        minutes = [2, 0, 1, 1, 1, 3]
        for number, minute in enumerate(minutes):
            opened = incident(number, opened_at=NOON + minute * MINUTE)
            await put(store, number, Decision(incident=opened))
        pages: list[list[int]] = []
        seen: list[str] = []
        while page := await store.list_incidents(before=seen[-1] if seen else None, limit=2):
            pages.append([minutes[int(one.group_id[:8], 16)] for one in page])
            seen += [one.id for one in page]
        assert pages == [[3, 2], [1, 1], [1, 0]]
        assert len(set(seen)) == len(minutes)

    async def test_nothing_is_listed_before_an_unknown_one(self, store: GroupStore) -> None:
        await put(store, decision=Decision(incident=incident()))
        assert not await store.list_incidents(before="nobody-1")


class TestResponses:
    """A person's wish is an event like any other; what is refused writes nothing."""

    @staticmethod
    async def respond(store: GroupStore, *wishes: Responded) -> list[str]:
        """Why each was refused; empty where it was not."""
        situation = Situation(read_configuration(PLAIN, name="alertmanager.yml"), NOON - HOUR)
        refused = []
        for wish in wishes:
            said: list[Decision] = []

            def rule(state: GroupState, wish: Responded = wish, said: list[Decision] = said) -> Decision | Wanted:
                answer = decide(state, wish, situation, NOON)
                said[:] = [answer] if isinstance(answer, Decision) else []
                return answer

            await store.transact([Transaction(GROUP, rule)])
            refused.append(said[-1].refused)
        return refused

    @staticmethod
    async def begin(store: GroupStore) -> Response | None:
        version = read_configuration(PLAIN, name="alertmanager.yml").version
        opened = incident()
        log = NotificationLog(0, NOON, firing=pack([name(DB)]))
        known = {"configuration_version": version, "incident": opened, "incidents": 1, "flushed_at": NOON - MINUTE}
        await put(store, 1, Decision(members=[DB], logs=[log], incident=opened), **known)
        return opened.response

    async def test_what_people_say_is_kept(self, store: GroupStore) -> None:
        await self.begin(store)
        wishes = responded(until=NOON + HOUR), responded(id="2", action=Action.SNOOZE, until=NOON + MINUTE)
        assert await self.respond(store, *wishes) == ["", ""]
        kept = await store.get_incident(incident().id)
        assert kept.response == Response(Status.ACKNOWLEDGED, NOON, "ann", NOON + HOUR, NOON, NOON + MINUTE, "ann")
        state = await whole(store)
        assert state.head is not None
        assert (state.head.incident, state.head.responded) == (kept, ("request", "2"))
        assert [one.responded for one in await store.list_entries(GROUP)] == list(wishes)

    async def test_the_same_again_is_no_news(self, store: GroupStore) -> None:
        await self.begin(store)
        assert await self.respond(store, responded(), responded(actor="bob")) == ["", ""]
        assert len(await store.list_entries(GROUP)) == 1

    async def test_what_is_refused_writes_nothing(self, store: GroupStore) -> None:
        await self.begin(store)
        before = await whole(store)
        wishes = responded(action=Action.REOPEN), responded(incident="another")
        reasons = await self.respond(store, *wishes)
        assert [reason.partition(":")[0] for reason in reasons] == ["it is not resolved", "it is over"]
        assert await whole(store) == before
        assert not await store.list_entries(GROUP)

    async def test_taking_it_back_has_it_told_anew(self, store: GroupStore) -> None:
        await self.begin(store)
        await self.respond(store, responded(), responded(id="2", action=Action.UNACKNOWLEDGE))
        state = await whole(store)
        assert state.logs is not None
        assert state.logs[0].void == state.logs[0].firing == pack([name(DB)])
        assert state.head is not None
        assert state.head.has_news

    async def test_of_a_group_that_nobody_knows(self, store: GroupStore) -> None:
        assert await self.respond(store, responded()) == ["nothing is known of its group any more"]


PLAIN = "route: {receiver: team}\nreceivers: [{name: team, webhook_configs: [{url: 'http://team'}]}]\n"


class TestEntries:
    async def test_the_trail_of_a_group_comes_in_order(self, store: GroupStore) -> None:
        trail = [entry(revision=revision, at=NOON) for revision in range(1, 4)]
        for one in trail:
            await put(store, 1, Decision(entry=one), revision=one.revision)
            await put(store, 2, Decision(entry=entry(2, revision=one.revision)))
        assert await store.list_entries(GROUP) == trail
        assert not await store.list_entries(group_id(3))

    async def test_one_incident_has_its_own_trail(self, store: GroupStore) -> None:
        first, second = incident(number=1).id, incident(number=2).id
        trail = [entry(revision=revision, incident=id) for revision, id in enumerate((first, second, second, ""))]
        for one in trail:
            await put(store, decision=Decision(entry=one))
        assert await store.list_entries(GROUP, incident=second) == trail[1:3]
        assert await store.list_entries(GROUP, incident=second, limit=1) == [trail[2]]
        assert not await store.list_entries(group_id(2), incident=second)

    async def test_a_note_about_an_incident_that_is_over_belongs_to_its_trail(self, store: GroupStore) -> None:
        first, second = incident(number=1).id, incident(number=2).id
        opened = {id: (Reason(ReasonCode.INCIDENT_OPENED, id),) for id in (first, second)}
        trail = [
            entry(revision=1),
            entry(revision=2, incident=first, reasons=opened[first]),
            entry(revision=3, incident=first),
            entry(revision=4, incident=second, reasons=opened[second]),
            entry(revision=5, incident=first, responded=responded(incident=first)),
            entry(revision=6, incident=second),
        ]
        for one in trail:
            await put(store, decision=Decision(entry=one))
        assert await store.list_entries(GROUP, incident=first) == [trail[1], trail[2], trail[4]]
        assert await store.list_entries(GROUP, incident=second) == [trail[3], trail[5]]

    async def test_a_limit_keeps_the_latest(self, store: GroupStore) -> None:
        trail = [entry(revision=revision) for revision in range(1, 6)]
        for one in trail:
            await put(store, decision=Decision(entry=one))
        assert await store.list_entries(GROUP, limit=2) == trail[-2:]

    async def test_the_trail_can_be_read_while_it_grows(self, store: GroupStore) -> None:
        trail = [entry(revision=1), entry(revision=2)]
        await put(store, decision=Decision(entry=trail[0]))
        growing = asyncio.create_task(put(store, decision=Decision(entry=trail[1])))
        while not growing.done():
            assert await store.list_entries(GROUP) in (trail[:1], trail)
            await asyncio.sleep(0)
        assert await store.list_entries(GROUP) == trail

    async def test_an_entry_is_read_back_as_it_was(self, store: GroupStore) -> None:
        said = entry(
            reasons=(Reason(ReasonCode.FIRED, "text", 1, (name(DB),)), Reason(ReasonCode.NO_NEWS)),
            reported=reported(alert(), alert("resolved", instance="web")),
            settled=Settled(GROUP, "delivery", 0, True, NOON, "200 OK", 2),
            responded=responded(until=NOON + MINUTE, reason="looking", actor_id="key:1"),
            due_at=NOON,
            tally=Tally(folded=2),
        )
        await put(store, decision=Decision(entry=said))
        assert await store.list_entries(GROUP) == [said]
