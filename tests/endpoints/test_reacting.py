"""A document of the change feed that nobody can react to neither blocks its range nor is lost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import azure.functions as func
import pytest

from adapters.settings import Settings
from adapters.wiring import Ports, wire
from domain.errors import RejectedError, UnavailableError
from endpoints import reacting
from endpoints.reacting import react_to, read_document


@pytest.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ports]:
    home = wire(Settings.read({"TOCSIN_HOME": "memory"}))
    monkeypatch.setattr(reacting, "ports", lambda: home)
    yield home
    await home.close()


def documents(*ids: str) -> func.DocumentList:
    return func.DocumentList([func.Document.from_json(json.dumps({"id": id, "type": "entry"})) for id in ids])


async def test_the_others_are_reacted_to_and_the_bad_one_can_be_replayed(home: Ports) -> None:
    seen: list[str] = []

    async def react(document: Mapping[str, Any]) -> None:
        if document["id"] == "bad":
            raise KeyError("previous_at")
        seen.append(document["id"])

    await react_to(documents("first", "bad", "last"), react)
    assert seen == ["first", "last"]
    (letter,) = await home.queues.list_dead()
    assert (letter.queue, letter.kind, letter.reason) == ("reactions", "parked", "KeyError: 'previous_at'")
    assert read_document(letter.body)["id"] == "bad"


async def test_an_outage_is_the_hosts_to_wait_out(home: Ports) -> None:
    async def react(document: Mapping[str, Any]) -> None:
        raise UnavailableError("not now")

    with pytest.raises(UnavailableError):
        await react_to(documents("first"), react)
    assert not await home.queues.list_dead()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3"])
def test_what_is_no_document_is_refused(body: bytes) -> None:
    with pytest.raises(RejectedError, match="not a document of the feed"):
        read_document(body)
