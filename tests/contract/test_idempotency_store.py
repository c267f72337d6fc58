"""What port `IdempotencyStore` promises, asked of every adapter."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from adapters.settings import Settings
from adapters.wiring import wire
from domain.idempotency import LONGEST_WORK, RETENTION, IdempotencyStore, KnownAnswer, KnownRequest
from tests.builders import HOUR, NOON

ANSWER = KnownAnswer(200, b'{"gr\xc3\xb6\xc3\x9fe":1}', "application/json", {"ETag": '"1"'})
MOMENT = timedelta(seconds=1)


def request(claim: str = "mine", **changes: Any) -> KnownRequest:
    known: dict[str, Any] = {"id": "ab" * 20, "digest": "cd" * 20, "claim": claim, "began_at": NOON}
    return KnownRequest(**(known | changes))


async def test_a_new_one_is_the_callers_to_carry_out(requests: IdempotencyStore) -> None:
    assert await requests.begin_request(request()) is None
    assert await requests.begin_request(request("other", id="another")) is None


async def test_one_that_is_under_way_stands(requests: IdempotencyStore) -> None:
    await requests.begin_request(request())
    assert await requests.begin_request(request("other", digest="x")) == request()


async def test_of_several_at_once_one_succeeds(requests: IdempotencyStore) -> None:
    begun = await asyncio.gather(*(requests.begin_request(request(f"of {number}")) for number in range(8)))
    assert begun.count(None) == 1
    winner = f"of {begun.index(None)}"
    assert {one.claim for one in begun if one is not None} == {winner}


async def test_an_answer_is_remembered_as_it_was(requests: IdempotencyStore) -> None:
    for answer in (ANSWER, KnownAnswer(204, b"", "", {}), KnownAnswer(200, b"\x00\xff" * 50_000, "text/plain", {})):
        one = request(id=f"with {len(answer.body)}")
        await requests.begin_request(one)
        finished = request(id=one.id, answer=answer)
        await requests.finish_request(finished)
        await requests.finish_request(finished)
        assert await requests.begin_request(request("other", id=one.id, began_at=NOON + HOUR)) == finished


async def test_a_forgotten_one_may_be_begun_anew(requests: IdempotencyStore) -> None:
    await requests.begin_request(request())
    await requests.forget_request(request())
    await requests.forget_request(request())
    assert await requests.begin_request(request("other")) is None


async def test_one_whose_process_died_is_taken_over(requests: IdempotencyStore) -> None:
    await requests.begin_request(request())
    assert await requests.begin_request(request("early", began_at=NOON + LONGEST_WORK - MOMENT)) == request()
    assert await requests.begin_request(request("late", began_at=NOON + LONGEST_WORK)) is None
    # Who was thought dead, and is not, changes nothing any more.
    await requests.finish_request(request(answer=ANSWER))
    await requests.forget_request(request())
    standing = await requests.begin_request(request("third", began_at=NOON + LONGEST_WORK))
    assert standing is not None
    assert (standing.claim, standing.answer) == ("late", None)


async def test_an_answer_is_forgotten_after_a_day(requests: IdempotencyStore) -> None:
    await requests.begin_request(request())
    await requests.finish_request(request(answer=ANSWER))
    standing = await requests.begin_request(request("other", began_at=NOON + RETENTION - MOMENT))
    assert standing == request(answer=ANSWER)
    await requests.forget_requests(NOON)
    assert await requests.begin_request(request("other", began_at=NOON + HOUR)) == standing
    assert await requests.begin_request(request("other", began_at=NOON + RETENTION)) is None


async def test_old_ones_leave_nothing_on_this_machine(tmp_path: Path) -> None:
    for home in ("memory", "sqlite"):
        ports = wire(Settings.read({"TOCSIN_HOME": home, "TOCSIN_DATA": str(tmp_path)}))
        await ports.requests.begin_request(request())
        await ports.requests.forget_requests(NOON + MOMENT)
        assert await ports.requests.begin_request(request("other")) is None
        await ports.close()


async def test_it_survives_the_process(tmp_path: Path) -> None:
    settings = Settings.read({"TOCSIN_HOME": "sqlite", "TOCSIN_DATA": str(tmp_path)})
    ports = wire(settings)
    await ports.requests.begin_request(request())
    await ports.requests.finish_request(request(answer=ANSWER))
    await ports.close()
    ports = wire(settings)
    assert await ports.requests.begin_request(request("other", began_at=NOON + HOUR)) == request(answer=ANSWER)
    await ports.close()
