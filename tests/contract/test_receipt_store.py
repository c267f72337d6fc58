"""What port `ReceiptStore` promises, asked of every adapter."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings
from adapters.wiring import Ports, wire
from domain.reconciling import RECEIPTS_KEPT, FiredAlert, Receipt, ReceiptStore, Reconciliation
from tests.builders import HOUR, NOON


def receipt(name: str = "a", **changes: Any) -> Receipt:
    known: dict[str, Any] = {"id": name, "at": NOON, "labels": {"größe": 'a|"b"'}}
    return Receipt(**(known | changes))


FIRED = FiredAlert("a", "/a", "s", "/r", "Platform", "Sev1", "/t", NOON, resolved_at=NOON + HOUR, is_suppressed=True)
REPORT = Reconciliation(
    at=NOON,
    since=NOON - HOUR,
    start=NOON - HOUR,
    end=NOON,
    subscriptions=("s",),
    fired=3,
    elsewhere=("x",),
    missing_count=1,
    missing=(FIRED,),
    late=(FIRED,),
    failures=("no",),
)


@pytest.fixture
def receipts(home: Ports) -> ReceiptStore:
    return home.receipts


async def test_what_is_noted_is_found_as_it_was(receipts: ReceiptStore) -> None:
    noted = [receipt("a"), receipt("b", labels={}, is_resolved=True), receipt("odd / id # ?" * 30)]
    await receipts.note_receipts(noted)
    assert await receipts.find_receipts([one.id for one in noted] + ["c"]) == {one.id: one for one in noted}
    assert await receipts.find_receipts([]) == {}


async def test_a_later_one_takes_the_place_of_an_older(receipts: ReceiptStore) -> None:
    await receipts.note_receipts([receipt()])
    await receipts.note_receipts([])
    await receipts.note_receipts([receipt(at=NOON + HOUR, is_resolved=True)])
    assert (await receipts.find_receipts(["a"]))["a"] == receipt(at=NOON + HOUR, is_resolved=True)


async def test_many_are_noted_at_once(receipts: ReceiptStore) -> None:
    await receipts.note_receipts([receipt(str(number)) for number in range(40)])
    assert len(await receipts.find_receipts({str(number) for number in range(50)})) == 40


async def test_old_ones_are_forgotten(receipts: ReceiptStore, clock: Any) -> None:
    await receipts.note_receipts([receipt("old"), receipt("new", at=NOON + HOUR)])
    await receipts.forget_receipts(NOON + HOUR)
    assert "new" in await receipts.find_receipts(["old", "new"])
    # Where the store forgets by itself, it goes by its own clock.
    clock.advance(RECEIPTS_KEPT + timedelta(seconds=1))
    await receipts.forget_receipts(clock() - RECEIPTS_KEPT)
    assert "old" not in await receipts.find_receipts(["old"])


async def test_the_last_report_is_kept_until_it_is_forgotten(receipts: ReceiptStore, clock: Any) -> None:
    assert await receipts.get_reconciliation() is None
    await receipts.keep_reconciliation(Reconciliation(NOON, since=NOON))
    await receipts.keep_reconciliation(REPORT)
    clock.advance(400 * HOUR)
    assert await receipts.get_reconciliation() == REPORT
    await receipts.keep_reconciliation(None)
    await receipts.keep_reconciliation(None)
    assert await receipts.get_reconciliation() is None


async def test_a_full_report_fits(receipts: ReceiptStore) -> None:
    long = FiredAlert(
        "a" * 36, "/x" * 400, "s" * 36, "/r" * 200, "Platform", "Sev1", "/t" * 200, NOON, description="é" * 999
    )
    full = Reconciliation(NOON, since=NOON, missing=(long,) * 500, late=(long,) * 500)
    await receipts.keep_reconciliation(full)
    assert await receipts.get_reconciliation() == full


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_they_survive_the_process(tmp_path: Path, durability: str) -> None:
    settings = Settings.read({"TOCSIN_DATA": str(tmp_path), "TOCSIN_DURABILITY": durability})
    ports = wire(settings)
    await ports.receipts.note_receipts([receipt()])
    await ports.receipts.keep_reconciliation(REPORT)
    await ports.close()
    again = wire(settings)
    assert await again.receipts.find_receipts(["a"]) == {"a": receipt()}
    assert await again.receipts.get_reconciliation() == REPORT
    await again.close()
