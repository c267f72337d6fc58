"""What reaches Azure's Alerts Management API on the wire, and what each of its answers means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from adapters import alerts_management
from adapters.alerts_management import AlertsManagement, Pace
from domain.errors import RejectedError, UnavailableError
from domain.reconciling import FiredAlert
from tests.builders import HOUR, MINUTE, NOON
from tests.standins.alerts_management import SUBSCRIPTION, AlertsManagementStandIn, Refusal, alert_id, serving

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ops/providers/Microsoft.Insights/actionGroups/Tocsin"


class Credential:
    """An identity that none should be asked for: the stand-in is on this machine."""

    async def get_token(self, *scopes: str) -> Any:
        raise AssertionError(scopes)


@pytest.fixture
async def azure(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AlertsManagementStandIn]:
    monkeypatch.setattr(alerts_management, "PAUSE_SECONDS", 0.001)
    async with serving(AlertsManagementStandIn()) as stand_in:
        yield stand_in


@pytest.fixture
async def client(azure: AlertsManagementStandIn) -> AsyncIterator[AlertsManagement]:
    client = AlertsManagement(azure.url, Credential)
    yield client
    await client.close()


async def listed(client: AlertsManagement) -> list[FiredAlert]:
    return list(await client.list_fired(SUBSCRIPTION, NOON - HOUR, NOON))


async def test_what_fired_is_read_as_azure_writes_it(azure: AlertsManagementStandIn, client: AlertsManagement) -> None:
    known = azure.fire(1, NOON - MINUTE)
    assert await listed(client) == [
        FiredAlert(
            id=alert_id(1),
            resource_id=f"{known['targetResource']}/providers/Microsoft.AlertsManagement/alerts/{alert_id(1)}",
            subscription=SUBSCRIPTION,
            rule=known["alertRule"],
            service="Platform",
            severity="Sev1",
            target=known["targetResource"],
            started_at=NOON - MINUTE,
            description="CPU above 90 %",
        )
    ]
    (request,) = azure.requests
    assert dict(request.query) == {
        "api-version": "2025-05-25-preview",
        "customTimeRange": "2026-11-22T11:00:00Z/2026-11-22T12:00:00Z",
        "includeContext": "false",
        "pageCount": "250",
        "sortBy": "startDateTime",
        "sortOrder": "asc",
    }
    assert request.path == f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts"


async def test_what_is_over_says_since_when(azure: AlertsManagementStandIn, client: AlertsManagement) -> None:
    azure.fire(1, NOON - 9 * MINUTE, resolved_at=NOON - MINUTE)
    azure.fire(2, NOON - 9 * MINUTE, monitorConditionResolvedDateTime="2026-11-22T10:00:00Z")
    azure.fire(3, NOON - 9 * MINUTE, actionStatus={"isSuppressed": True})
    over, again, suppressed = await listed(client)
    assert over.resolved_at == NOON - MINUTE
    assert again.resolved_at is None, "the page's own example fires, and has that time"
    assert (over.is_suppressed, suppressed.is_suppressed) == (False, True)


async def test_all_pages_are_read_at_our_own_endpoint(azure: AlertsManagementStandIn, client: AlertsManagement) -> None:
    for number in range(600):
        azure.fire(number, NOON - MINUTE)
    assert len({alert.id for alert in await listed(client)}) == 600
    assert len(azure.requests) == 3, "the link names management.azure.com, to which nothing goes"
    assert azure.requests[1].query["customTimeRange"] == azure.requests[0].query["customTimeRange"]


async def test_a_link_to_anywhere_else_is_not_followed(
    azure: AlertsManagementStandIn, client: AlertsManagement
) -> None:
    azure.refusals = [Refusal(200, body=b'{"value": [], "nextLink": "https://evil.example.com/x?y"}')]
    with pytest.raises(UnavailableError, match="goes on at an address that is none"):
        await listed(client)
    assert len(azure.requests) == 1


async def test_a_list_without_an_end_is_given_up(
    azure: AlertsManagementStandIn, client: AlertsManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_management, "MOST_PAGES", 2)
    for number in range(501):
        azure.fire(number, NOON - MINUTE)
    with pytest.raises(UnavailableError, match="more than 2 pages"):
        await listed(client)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_for_good_is_not_asked_again(
    azure: AlertsManagementStandIn, client: AlertsManagement, status: int
) -> None:
    azure.refusals = [Refusal(status, code="AuthorizationFailed")]
    with pytest.raises(RejectedError, match=f"answered {status}: AuthorizationFailed: no"):
        await listed(client)
    assert len(azure.requests) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(Refusal(429, retry_after="0"), id="too many requests"),
        pytest.param(Refusal(500), id="a fault"),
        pytest.param(Refusal(503), id="unavailable"),
        pytest.param(Refusal(503, body=b"<html>"), id="unavailable, in HTML"),
        pytest.param(Refusal(cut=True), id="cut off"),
        pytest.param(Refusal(200, body=b"[]"), id="no object"),
        pytest.param(Refusal(200, body=b'{"value": ['), id="half of an answer"),
    ],
)
async def test_trouble_is_asked_again(
    azure: AlertsManagementStandIn, client: AlertsManagement, refusal: Refusal
) -> None:
    azure.fire(1, NOON - MINUTE)
    azure.refusals = [refusal, refusal]
    assert [alert.id for alert in await listed(client)] == [alert_id(1)]
    assert len(azure.requests) == 3


async def test_trouble_that_stays_is_said(azure: AlertsManagementStandIn, client: AlertsManagement) -> None:
    azure.refusals = [Refusal(503, code="ServerBusy")] * 9
    with pytest.raises(UnavailableError, match="answered 503: ServerBusy"):
        await listed(client)
    assert len(azure.requests) == alerts_management.ATTEMPTS


async def test_a_long_wait_is_left_to_the_next_hour(azure: AlertsManagementStandIn, client: AlertsManagement) -> None:
    azure.refusals = [Refusal(429, retry_after="3000")]
    with pytest.raises(UnavailableError) as raised:
        await listed(client)
    assert raised.value.retry_after == timedelta(seconds=3000)
    assert len(azure.requests) == 1


async def test_an_alert_that_says_nothing_of_itself_costs_the_others_nothing(
    azure: AlertsManagementStandIn, client: AlertsManagement
) -> None:
    azure.fire(1, NOON - MINUTE)
    first = azure.alerts[0]
    odd: list[Any] = [
        {},
        None,
        7,
        {"id": 7},
        {"id": "/x"},
        {"id": "/x", "properties": []},
        {"id": "/x", "properties": {}},
    ]
    body = {"value": [*odd, first], "nextLink": None}
    import json

    azure.refusals = [Refusal(200, body=json.dumps(body).encode())]
    assert [alert.id for alert in await listed(client)] == [alert_id(1)]


async def test_nobody_there_is_unavailable(azure: AlertsManagementStandIn) -> None:
    client = AlertsManagement("http://127.0.0.1:1", Credential)
    with pytest.raises(UnavailableError, match="did not answer"):
        await client.list_fired(SUBSCRIPTION, NOON - HOUR, NOON)
    await client.close()


async def test_the_history_says_whom_it_was_sent_to(azure: AlertsManagementStandIn, client: AlertsManagement) -> None:
    azure.fire(1, NOON - MINUTE)
    azure.trigger(1, GROUP, notificationResult={"status": "Inline"})
    (alert,) = await listed(client)
    assert await client.triggered_groups(alert) == {GROUP.lower()}
    assert azure.requests[-1].path == f"{alert.resource_id}/history"


async def test_an_identity_is_asked_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.core.exceptions import ClientAuthenticationError

    asked: list[str] = []

    class Refusing:
        async def get_token(self, *scopes: str) -> Any:
            asked.extend(scopes)
            raise ClientAuthenticationError("no")

    monkeypatch.setattr(alerts_management, "ATTEMPTS", 1)
    client = AlertsManagement("https://management.azure.com", Refusing)
    with pytest.raises(UnavailableError, match="no token for Azure Resource Manager: ClientAuthenticationError"):
        await client.list_fired(SUBSCRIPTION, NOON - HOUR, NOON)
    assert asked == ["https://management.azure.com/.default"]


async def test_no_more_calls_a_minute_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [0.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("adapters.alerts_management.asyncio.sleep", sleep)
    pace = Pace(3, lambda: now[0])
    for _ in range(3):
        await pace.wait()
        now[0] += 10
    assert slept == []
    for _ in range(4):
        await pace.wait()
    assert slept == [30, 10, 10, 40], "never more than three in any sixty seconds"
