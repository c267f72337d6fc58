"""What port `SilenceStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from domain.errors import NotFoundError
from domain.labels import Matcher, MatchType
from domain.silences import SilenceStore
from domain.situations import PolicyStore
from tests.builders import HOUR, NOON, silence


class TestSilenceStore:
    async def test_none_is_there_at_first(self, silences: SilenceStore) -> None:
        assert not await silences.list_silences()

    async def test_an_unknown_one_is_not_found(self, silences: SilenceStore) -> None:
        await silences.upsert_silence(silence("a"))
        with pytest.raises(NotFoundError, match="no silence 'b'"):
            await silences.get_silence("b")

    async def test_one_is_read_back_as_it_was(self, silences: SilenceStore) -> None:
        written = silence(
            matchers=tuple(Matcher("größe", kind, 'a|"b"') for kind in MatchType), comment="", created_by="Ω"
        )
        await silences.upsert_silence(written)
        stored = await silences.get_silence(written.id)
        assert stored == written
        assert [matcher.matches({"größe": "a"}) for matcher in stored.matchers] == [False, True, True, False]

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
            assert len(listed) == head.silences_version
            await asyncio.sleep(0)
        assert len(await silences.list_silences()) == await writing
