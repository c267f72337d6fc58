"""Reconciling, from what Azure lists to what the group is told: with the API's stand-in, in memory."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

import function_app
from adapters import alerts_management
from adapters.memory.broker import MemoryBroker
from adapters.settings import Settings
from adapters.wiring import ports
from domain.errors import RejectedError, UnavailableError
from domain.reconciling import ALERTNAME, Reconciliation
from domain.sources.reading import Payload
from endpoints.reconciliation import reconcile
from endpoints.sources import take_in_from
from tests.builders import MINUTE
from tests.endpoints.asking import ask
from tests.standins.alerts_management import (
    SUBSCRIPTION,
    AlertsManagementStandIn,
    Refusal,
    alert_id,
    payload_of,
    serving,
)

OTHER = "00000000-1111-2222-3333-444444444444"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ops/providers/Microsoft.Insights/actionGroups/Tocsin"


@pytest_asyncio.fixture
async def azure(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AlertsManagementStandIn]:
    """The home in memory, which began to compare two hours ago."""
    monkeypatch.setattr(alerts_management, "PAUSE_SECONDS", 0.001)
    async with serving(AlertsManagementStandIn()) as stand_in:
        settings = {"HOME": "memory", "RECONCILE_SUBSCRIPTIONS": SUBSCRIPTION, "RECONCILE_ENDPOINT": stand_in.url}
        for name, value in settings.items():
            monkeypatch.setenv(f"TOCSIN_{name}", value)
        ports.cache_clear()
        await ports().receipts.keep_reconciliation(Reconciliation(ago(60), since=ago(120)))
        yield stand_in
        await ports().close()
        ports.cache_clear()


def ago(minutes: float) -> datetime:
    return ports().clock() - minutes * MINUTE


async def arrive(essentials: dict[str, Any], number: int) -> None:
    """What the action group sends of it."""
    source = ports().configurations.own.sources.find("azure-monitor", "default")
    await take_in_from(source, Payload(json.dumps(payload_of(essentials, number)).encode(), {}))


async def told() -> list[tuple[str, str, bool]]:
    """What was sent to the groups since it was last asked: the alert's name, its own id, and whether it fires."""
    from adapters.messages import read_events

    broker = ports().broker
    assert isinstance(broker, MemoryBroker)
    found = []
    while (message := broker.receive("groups")) is not None:
        assert message.body is not None
        for alert in read_events(message.body, message.id).alerts:
            found.append((alert.labels["alertname"], alert.labels.get("alert_id", ""), alert.lease > timedelta(0)))
        broker.complete(message)
    return found


async def run() -> dict[str, Any]:
    answer = await ask("run_reconciliation")
    assert answer.status == 200, answer.body
    report: dict[str, Any] = answer.json()
    return report


async def test_the_very_first_comparison_only_begins(azure: AlertsManagementStandIn) -> None:
    await ports().receipts.keep_reconciliation(None)
    azure.fire(1, ago(30))
    report = await run()
    assert (report["start"], report["missing"], azure.requests) == (None, [], [])
    assert (await run())["fired"] == 0, "it fired before receipts were noted"


async def test_all_that_arrived_is_nothing_to_tell(azure: AlertsManagementStandIn) -> None:
    for number in range(3):
        await arrive(azure.fire(number, ago(30)), number)
    await told()
    report = await run()
    assert [report[name] for name in ("fired", "arrived", "missing_count")] == [3, 3, 0]
    assert await told() == []


async def test_what_never_arrived_fires_here_and_is_logged(
    azure: AlertsManagementStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    await arrive(azure.fire(1, ago(30)), 1)
    azure.fire(2, ago(30))
    await told()
    report = await run()
    assert [report[name] for name in ("fired", "arrived", "missing_count")] == [2, 1, 1]
    (missing,) = report["missing"]
    assert (missing["id"], missing["rule"], missing["severity"]) == (alert_id(2), "cpu-high", "Sev1")
    assert await told() == [(ALERTNAME, alert_id(2), True)]
    (line,) = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert line.startswith("an alert of Azure Monitor never arrived: rule 'cpu-high', Sev1, fired at ")
    assert alert_id(2) in line
    shown = await ask("get_reconciliation")
    assert shown.json() == report
    caplog.clear()
    await run()
    assert not [record for record in caplog.records if record.levelno == logging.ERROR], "it is no news any more"


async def test_it_is_over_when_it_arrives_after_all(azure: AlertsManagementStandIn) -> None:
    essentials = azure.fire(1, ago(30))
    await run()
    await arrive(essentials, 1)
    await told()
    report = await run()
    assert [late["id"] for late in report["late"]] == [alert_id(1)]
    assert await told() == [(ALERTNAME, alert_id(1), False)]
    assert (await run())["late"] == []


async def test_an_end_that_never_arrived_is_made_good(azure: AlertsManagementStandIn) -> None:
    await arrive(azure.fire(1, ago(50)), 1)
    azure.fire(1, ago(50), resolved_at=ago(30))
    assert await told() == [("cpu-high", "", True)]
    report = await run()
    assert [over["id"] for over in report["unresolved"]] == [alert_id(1)]
    assert await told() == [("cpu-high", "", False)]
    assert ((await run())["unresolved"], await told()) == ([], [])


async def test_only_what_triggered_our_action_groups_is_missed(
    azure: AlertsManagementStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_RECONCILE_ACTION_GROUPS", GROUP)
    standing = await ports().receipts.get_reconciliation()
    ports.cache_clear()
    await ports().receipts.keep_reconciliation(standing)
    for number, groups in enumerate([[GROUP.upper()], ["/other"], []]):
        azure.fire(number, ago(30))
        azure.trigger(number, *groups)
    azure.fire(3, ago(30))
    report = await run()
    assert [missing["id"] for missing in report["missing"]] == [alert_id(0)]
    assert (report["elsewhere"], report["unchecked"]) == (2, 1)
    assert report["failures"][0].startswith(f"{SUBSCRIPTION}: whom alert {alert_id(3)} was sent to: ")
    before = len(azure.requests)
    azure.trigger(3, GROUP)
    assert [missing["id"] for missing in (await run())["missing"]] == [alert_id(0), alert_id(3)]
    assert len(azure.requests) - before == 2, "the list, and what was not known yet"


async def test_a_subscription_that_is_not_ours_to_read_hides_no_other(
    azure: AlertsManagementStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_RECONCILE_SUBSCRIPTIONS", f" {OTHER}, {SUBSCRIPTION.upper()} ")
    standing = await ports().receipts.get_reconciliation()
    ports.cache_clear()
    await ports().receipts.keep_reconciliation(standing)
    azure.forbidden = {OTHER}
    azure.fire(1, ago(30))
    report = await run()
    assert report["missing_count"] == 1
    assert report["failures"] == [f"{OTHER}: Azure Resource Manager answered 403: AuthorizationFailed: no"]


async def test_azure_out_of_reach_resolves_nothing(azure: AlertsManagementStandIn) -> None:
    azure.fire(1, ago(30))
    await run()
    await told()
    azure.refusals = [Refusal(503)] * alerts_management.ATTEMPTS
    report = await run()
    assert (report["missing_count"], len(report["failures"])) == (1, 1)
    assert [fires for _, _, fires in await told()] in ([], [True])


async def test_an_arrival_that_cannot_be_noted_is_taken_in_all_the_same(
    azure: AlertsManagementStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise UnavailableError("the store is away")

    essentials = azure.fire(1, ago(30))
    with monkeypatch.context() as broken:
        broken.setattr(ports().receipts, "note_receipts", fail)
        await arrive(essentials, 1)
    assert await told() == [("cpu-high", "", True)]
    assert (await run())["missing_count"] == 1, "a false word of this kind is taken back; the other kind would not be"
    await arrive(essentials, 1)
    assert (await run())["missing_count"] == 0


async def test_the_timer_does_nothing_where_nothing_is_asked(
    azure: AlertsManagementStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOCSIN_RECONCILE_SUBSCRIPTIONS")
    ports.cache_clear()
    await ports().receipts.keep_reconciliation(Reconciliation(ago(60), since=ago(120)))
    await function_app.reconcile(None)
    assert await ports().receipts.get_reconciliation() is None, "whoever switches it on again begins anew"
    assert await reconcile() is None
    await arrive(azure.fire(1, ago(30)), 1)
    assert await ports().receipts.find_receipts([alert_id(1)]) == {}
    assert azure.requests == []
    assert (await ask("run_reconciliation")).status == 409
    assert (await ask("get_reconciliation")).status == 404


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SUBSCRIPTIONS", "production", "'production' is no subscription's id"),
        ("ACTION_GROUPS", f"{GROUP},tocsin", "'tocsin' is no action group's resource ID"),
        ("ENDPOINT", "https://evil.example.com", "may only be https://management.azure.com, "),
        ("ENDPOINT", "http://management.azure.com", "may only be https://management.azure.com, "),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, value: str, words: str) -> None:
    with pytest.raises(RejectedError, match=re.escape(words)):
        Settings.read({f"TOCSIN_RECONCILE_{name}": value})


async def test_the_timer_compares(azure: AlertsManagementStandIn) -> None:
    azure.fire(1, ago(30))
    await function_app.reconcile(None)
    assert [name for name, _, _ in await told()] == [ALERTNAME]
