"""What port `SilenceStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.settings import Settings
from adapters.wiring import wire
from domain.errors import NotFoundError, RejectedError
from domain.labels import Matcher, MatchType
from domain.silences import Silence, SilenceStore
from domain.situations import PolicyStore
from tests.builders import HOUR, NOON, SECOND, silence


def commented(existing: Silence | None) -> Sequence[Silence]:
    """One word more in the comment of the silence, which must be there."""
    assert existing is not None
    return [replace(existing, comment=f"{existing.comment} more")]


class TestSilenceStore:
    async def test_none_is_there_at_first(self, silences: SilenceStore) -> None:
        assert not await silences.list_silences()

    async def test_an_unknown_one_is_not_found(self, silences: SilenceStore) -> None:
        await silences.upsert_silence(silence("a"))
        with pytest.raises(NotFoundError, match="no silence 'b'"):
            await silences.get_silence("b")

    async def test_one_is_read_back_as_it_was(self, silences: SilenceStore) -> None:
        written = silence(
            matchers=tuple(Matcher("größe", kind, 'a|"b"') for kind in MatchType),
            comment="",
            created_by="Ω",
            annotations={"ticket": "OPS-1 ✓"},
        )
        await silences.upsert_silence(written)
        stored = await silences.get_silence(written.id)
        assert stored == written
        assert [matcher.matches({"größe": "a"}) for matcher in stored.matchers] == [False, True, True, False]

    @pytest.mark.parametrize("id", ["a/b?c#d\\e", "größe", "x" * 2000, ""])
    async def test_any_id_may_be_asked_for(self, silences: SilenceStore, id: str) -> None:
        with pytest.raises(NotFoundError):
            await silences.get_silence(id)
        await silences.upsert_silence(silence(id))
        assert await silences.get_silence(id) == silence(id)

    async def test_more_than_a_page_of_them_are_listed(self, silences: SilenceStore) -> None:
        many = [silence(f"{number:03}") for number in range(250)]
        await silences.upsert_silence(many[0])
        for first in range(0, 250, 50):

            def decide(_: Silence | None, first: int = first) -> Sequence[Silence]:
                return many[first : first + 50]

            await silences.change_silence("000", decide)
        assert await silences.list_silences() == many
        await silences.forget_silences(NOON + 2 * HOUR)
        assert not await silences.list_silences()

    async def test_a_later_one_of_the_same_id_takes_its_place(self, silences: SilenceStore) -> None:
        await silences.upsert_silence(silence("a"))
        ended = silence("a", ends_at=NOON, updated_at=NOON + HOUR)
        await silences.upsert_silence(ended)
        assert await silences.get_silence("a") == ended
        assert await silences.list_silences() == [ended]

    async def test_they_are_listed_in_order_of_their_ids(self, silences: SilenceStore) -> None:
        for id in ("c", "a", "b"):
            await silences.upsert_silence(silence(id))
        assert [one.id for one in await silences.list_silences()] == ["a", "b", "c"]

    async def test_each_change_is_a_higher_version_in_the_policy_head(
        self, silences: SilenceStore, policy: PolicyStore
    ) -> None:
        versions = [0]
        for comment in ("first", "second", "second"):
            versions.append(await silences.upsert_silence(replace(silence(), comment=comment)))
            assert (await policy.get_head()).silences_version == versions[-1]
        assert versions == sorted(set(versions))

    async def test_changes_at_once_have_a_version_each(self, silences: SilenceStore) -> None:
        versions = await asyncio.gather(*(silences.upsert_silence(silence(str(number))) for number in range(5)))
        assert len(set(versions)) == 5
        assert len(await silences.list_silences()) == 5

    async def test_what_is_listed_under_a_version_is_durable(self, silences: SilenceStore, policy: PolicyStore) -> None:
        writing = asyncio.create_task(silences.upsert_silence(silence()))
        while not writing.done():
            head = await policy.get_head()
            listed = await silences.list_silences()
            # Where others write meanwhile the list may be newer than the head; then the head says so the next time.
            assert len(listed) == head.silences_version or await policy.get_head() != head
            await asyncio.sleep(0)
        assert len(await silences.list_silences()) == await writing

    async def test_a_change_is_decided_on_what_is_kept(self, silences: SilenceStore) -> None:
        await silences.upsert_silence(silence("a", comment="some"))
        (written,) = await silences.change_silence("a", commented)
        assert written == silence("a", comment="some more")
        assert await silences.list_silences() == [written]

    async def test_a_change_may_find_none(self, silences: SilenceStore) -> None:
        found: list[Silence | None] = []

        def decide(existing: Silence | None) -> Sequence[Silence]:
            found.append(existing)
            return [silence("b")]

        await silences.upsert_silence(silence("a"))
        assert await silences.change_silence("b", decide) == [silence("b")]
        assert found == [None]
        assert [one.id for one in await silences.list_silences()] == ["a", "b"]

    async def test_a_change_of_several_has_one_version(self, silences: SilenceStore, policy: PolicyStore) -> None:
        version = await silences.upsert_silence(silence("a"))
        ended = silence("a", ends_at=NOON + SECOND)
        assert await silences.change_silence("a", lambda _: [ended, silence("b")]) == [ended, silence("b")]
        assert await silences.list_silences() == [ended, silence("b")]
        assert (await policy.get_head()).silences_version == version + 1

    async def test_a_change_to_nothing_has_none(self, silences: SilenceStore, policy: PolicyStore) -> None:
        version = await silences.upsert_silence(silence("a"))
        assert await silences.change_silence("a", lambda _: []) == []
        assert await silences.list_silences() == [silence("a")]
        assert (await policy.get_head()).silences_version == version

    async def test_a_refused_change_writes_nothing(self, silences: SilenceStore, policy: PolicyStore) -> None:
        def refuse(existing: Silence | None) -> Sequence[Silence]:
            raise RejectedError(f"not {existing and existing.id}")

        version = await silences.upsert_silence(silence("a"))
        with pytest.raises(RejectedError, match="not a"):
            await silences.change_silence("a", refuse)
        assert await silences.list_silences() == [silence("a")]
        assert (await policy.get_head()).silences_version == version

    async def test_changes_of_one_silence_at_once_lose_none(self, silences: SilenceStore, policy: PolicyStore) -> None:
        version = await silences.upsert_silence(silence("a", comment="some"))
        written = await asyncio.gather(*(silences.change_silence("a", commented) for _ in range(5)))
        assert (await silences.get_silence("a")).comment == "some" + 5 * " more"
        assert len({one.comment for (one,) in written}) == 5
        assert (await policy.get_head()).silences_version == version + 5

    async def test_what_a_change_to_nothing_was_decided_on_is_durable(self, silences: SilenceStore) -> None:
        def agree(existing: Silence | None) -> Sequence[Silence]:
            assert existing == silence("a")
            return []

        writing = asyncio.create_task(silences.upsert_silence(silence("a")))
        await asyncio.sleep(0)
        await silences.change_silence("a", agree)
        assert await silences.list_silences() == [silence("a")]
        await writing

    async def test_those_that_ended_before_an_instant_are_forgotten(
        self, silences: SilenceStore, policy: PolicyStore
    ) -> None:
        await silences.upsert_silence(silence("old", ends_at=NOON + HOUR - SECOND))
        await silences.upsert_silence(silence("at the instant", ends_at=NOON + HOUR))
        version = await silences.upsert_silence(silence("live", ends_at=NOON + 2 * HOUR))
        for _ in range(2):
            await silences.forget_silences(NOON + HOUR)
            assert [one.id for one in await silences.list_silences()] == ["at the instant", "live"]
        with pytest.raises(NotFoundError):
            await silences.get_silence("old")
        assert (await policy.get_head()).silences_version == version

    async def test_one_that_is_extended_meanwhile_is_not_forgotten(self, silences: SilenceStore) -> None:
        await silences.upsert_silence(silence("a"))
        extended = silence("a", ends_at=NOON + 3 * HOUR)
        await asyncio.gather(silences.upsert_silence(extended), silences.forget_silences(NOON + 2 * HOUR))
        assert await silences.list_silences() == [extended]

    async def test_one_that_is_forgotten_may_come_again(self, silences: SilenceStore) -> None:
        await silences.upsert_silence(silence("a"))
        await asyncio.gather(
            silences.forget_silences(NOON + 2 * HOUR), silences.change_silence("a", lambda _: [silence("a")])
        )
        assert await silences.list_silences() == [silence("a")]


async def test_sqlite_forgets_for_good(tmp_path: Path) -> None:
    settings = Settings.read({"TOCSIN_HOME": "sqlite", "TOCSIN_DATA": str(tmp_path)})
    before = wire(settings)
    await before.silences.upsert_silence(silence("old"))
    await before.silences.upsert_silence(silence("live", ends_at=NOON + 2 * HOUR))
    await before.silences.forget_silences(NOON + HOUR + SECOND)
    await before.close()
    after = wire(settings)
    assert [one.id for one in await after.silences.list_silences()] == ["live"]
    await after.close()
