"""What port `PolicyStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
import re

import pytest

from domain.errors import NotFoundError
from domain.silences import SilenceStore
from domain.situations import PolicyHead, PolicyStore
from tests.builders import HOUR, MINUTE, NOON, silence


class TestHead:
    async def test_it_is_empty_at_first(self, policy: PolicyStore) -> None:
        assert await policy.get_head() == PolicyHead()

    async def test_listening_begins_when_first_heard(self, policy: PolicyStore) -> None:
        head = await policy.heard(NOON, resumed=False)
        assert head == await policy.get_head() == PolicyHead(listening_since=NOON, heard_at=NOON)

    async def test_listening_goes_on_while_heard(self, policy: PolicyStore) -> None:
        await policy.heard(NOON, resumed=True)
        await policy.heard(NOON + MINUTE, resumed=False)
        assert await policy.get_head() == PolicyHead(listening_since=NOON, heard_at=NOON + MINUTE)

    async def test_listening_begins_anew_after_a_gap(self, policy: PolicyStore) -> None:
        await policy.heard(NOON, resumed=False)
        await policy.heard(NOON + HOUR, resumed=True)
        assert await policy.get_head() == PolicyHead(
            listening_since=NOON + HOUR, heard_at=NOON + HOUR, silent_since=NOON
        )

    async def test_changes_at_once_do_not_undo_each_other(self, policy: PolicyStore, silences: SilenceStore) -> None:
        await policy.heard(NOON, resumed=True)
        await asyncio.gather(
            policy.heard(NOON + HOUR, resumed=True),
            policy.activate("v1", "text", NOON),
            silences.upsert_silence(silence()),
            policy.heard(NOON + HOUR + MINUTE, resumed=False),
        )
        assert await policy.get_head() == PolicyHead("v1", 1, NOON + HOUR, NOON + HOUR + MINUTE, silent_since=NOON)


class TestConfigurations:
    async def test_the_active_one_is_in_the_head(self, policy: PolicyStore) -> None:
        await policy.heard(NOON, resumed=False)
        head = await policy.activate("v1", "route:\n  receiver: größe\n", NOON)
        assert head == await policy.get_head() == PolicyHead("v1", 0, NOON, NOON)
        assert await policy.get_configuration("v1") == "route:\n  receiver: größe\n"

    async def test_older_ones_are_kept(self, policy: PolicyStore) -> None:
        await policy.activate("v1", "first", NOON)
        await policy.activate("v2", "second", NOON + MINUTE)
        assert (await policy.get_head()).configuration_version == "v2"
        assert await policy.get_configuration("v1") == "first"

    async def test_a_long_one_is_read_back_as_it_was(self, policy: PolicyStore) -> None:
        text = "".join(f"# Ω {number}\n" for number in range(200_000))
        await policy.activate("v1", text, NOON)
        assert await policy.get_configuration("v1") == text

    @pytest.mark.parametrize("version", ["v2", "", "a/b?c#d"])
    async def test_an_unknown_one_is_not_found(self, policy: PolicyStore, version: str) -> None:
        await policy.activate("v1", "text", NOON)
        with pytest.raises(NotFoundError, match=re.escape(f"no configuration '{version}'")):
            await policy.get_configuration(version)

    async def test_none_is_listed_at_first(self, policy: PolicyStore) -> None:
        assert not await policy.list_configurations()

    async def test_the_latest_activation_is_listed_first(self, policy: PolicyStore) -> None:
        for minute, version in enumerate(("v1", "v2", "v3", "v1")):
            await policy.activate(version, version, NOON + minute * MINUTE)
        assert await policy.list_configurations() == [
            ("v1", NOON + 3 * MINUTE),
            ("v3", NOON + 2 * MINUTE),
            ("v2", NOON + MINUTE),
        ]

    async def test_activating_twice_is_as_once(self, policy: PolicyStore) -> None:
        first = await policy.activate("v1", "text", NOON)
        assert await policy.activate("v1", "text", NOON) == first
        assert await policy.list_configurations() == [("v1", NOON)]
