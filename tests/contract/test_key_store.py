"""What port `KeyStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from domain.errors import ConflictError, NotFoundError
from domain.keys import ApiKey, KeyStore, add_first
from domain.principals import Scope
from tests.builders import HOUR, MINUTE, NOON


def key(number: int = 1, **changes: object) -> ApiKey:
    made = ApiKey(
        id=f"{number:012x}",
        name=f"key {number}",
        prefix=f"toc_{number:012x}_",
        hash=f"{number:064x}",
        scopes=frozenset({Scope.READ, Scope.INGEST}),
        created_at=NOON + number * MINUTE,
        created_by="local",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def put(keys: KeyStore, *written: ApiKey) -> None:
    assert await keys.change_keys(lambda _: written) == written


class TestKeys:
    async def test_there_are_none_at_first(self, keys: KeyStore) -> None:
        assert list(await keys.list_keys()) == []

    async def test_one_is_read_back_as_it_was(self, keys: KeyStore) -> None:
        whole = key(
            source="alertmanager",
            expires_at=NOON + HOUR,
            revoked_at=NOON + MINUTE,
            last_used_at=NOON,
            successor="000000000002",
        )
        await put(keys, whole, key(2))
        assert await keys.get_key(whole.id) == whole
        assert await keys.get_key(key(2).id) == key(2)

    async def test_they_are_listed_with_the_newest_first(self, keys: KeyStore) -> None:
        await put(keys, key(1), key(3), key(2))
        twin = key(4, created_at=key(2).created_at)
        await put(keys, twin)
        assert list(await keys.list_keys()) == [key(3), key(2), twin, key(1)]

    @pytest.mark.parametrize("id", ["", "f" * 12, "a/b?c#d", "ü" * 300])
    async def test_an_unknown_one_is_not_found(self, keys: KeyStore, id: str) -> None:
        await put(keys, key())
        with pytest.raises(NotFoundError):
            await keys.get_key(id)


class TestChanges:
    async def test_a_change_sees_all_and_replaces(self, keys: KeyStore) -> None:
        await put(keys, key(1), key(2))

        def revoke(known: Sequence[ApiKey]) -> Sequence[ApiKey]:
            assert list(known) == [key(2), key(1)]
            return [replace(known[1], revoked_at=NOON)]

        await keys.change_keys(revoke)
        assert list(await keys.list_keys()) == [key(2), key(1, revoked_at=NOON)]

    async def test_what_it_raises_comes_out_and_nothing_is_written(self, keys: KeyStore) -> None:
        def refuse(known: Sequence[ApiKey]) -> Sequence[ApiKey]:
            raise ConflictError("no")

        with pytest.raises(ConflictError):
            await keys.change_keys(refuse)
        assert list(await keys.list_keys()) == []

    async def test_none_is_a_change_too(self, keys: KeyStore) -> None:
        assert list(await keys.change_keys(lambda _: [])) == []
        assert list(await keys.list_keys()) == []

    async def test_those_at_the_same_time_see_each_other(self, keys: KeyStore) -> None:
        """Of ten that each want to be the first and only key, one is."""
        made = [key(number) for number in range(1, 11)]
        await asyncio.gather(*(keys.change_keys(partial(add_first, key=one)) for one in made))
        assert len(await keys.list_keys()) == 1


class TestUse:
    async def test_it_is_noted(self, keys: KeyStore) -> None:
        await put(keys, key())
        await keys.note_used(key().id, NOON + HOUR)
        assert await keys.get_key(key().id) == key(last_used_at=NOON + HOUR)

    async def test_of_a_key_that_is_gone_it_is_not(self, keys: KeyStore) -> None:
        await keys.note_used("f" * 12, NOON)
        assert list(await keys.list_keys()) == []

    async def test_it_undoes_no_other_change(self, keys: KeyStore) -> None:
        await put(keys, key())
        await asyncio.gather(
            *(keys.note_used(key().id, NOON + number * HOUR) for number in range(3)),
            keys.change_keys(lambda known: [replace(known[0], revoked_at=NOON)]),
            *(keys.note_used(key().id, NOON + number * HOUR) for number in range(3)),
        )
        assert (await keys.get_key(key().id)).revoked_at == NOON
