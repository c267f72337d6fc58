"""A stand-in for Azure's Alerts Management REST API: lists what fired, in pages, and tells each one's history.

Written from https://learn.microsoft.com/rest/api/monitor/alertsmanagement/alerts/get-all and .../get-history (version
2025-05-25-preview), and checked with the SDK `azure-mgmt-alertsmanagement` 1.0.1, which reads its pages and its errors.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

SUBSCRIPTION = "3b540246-808d-4331-99aa-917b808a9166"
SHOP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shop"
PROVIDER = "providers/Microsoft.AlertsManagement"
VERSIONS = ("2019-03-01", "2019-05-05-preview", "2025-05-25-preview")
MOST_A_PAGE, USUAL_PAGE = 250, 25


@dataclass
class Refusal:
    """An answer in the place of the right one; `cut` breaks the connection amid it."""

    status: int = 503
    retry_after: str = ""
    code: str = ""
    cut: bool = False
    body: bytes = b""


@dataclass
class AlertsManagementStandIn:
    """Knows what a test puts into it; answers with what it lays out in `refusals` first."""

    alerts: list[dict[str, Any]] = field(default_factory=list)
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By the id of the alert."""
    refusals: list[Refusal] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    """Subscriptions that the identity may not read."""
    requests: list[web.Request] = field(default_factory=list)
    url: str = ""

    def fire(
        self, number: int, started_at: datetime, *, resolved_at: datetime | None = None, **essentials: Any
    ) -> dict[str, Any]:
        """Have an alert fire, or be over, in the shape of the page; returns its essentials."""
        target = (
            f"/subscriptions/{SUBSCRIPTION}/resourcegroups/shop/providers/microsoft.compute/virtualmachines/vm{number}"
        )
        known = {
            "severity": "Sev1",
            "signalType": "Metric",
            "alertState": "New",
            "monitorCondition": "Fired" if resolved_at is None else "Resolved",
            "monitorService": "Platform",
            "targetResource": target,
            "targetResourceName": f"vm{number}",
            "targetResourceGroup": "shop",
            "targetResourceType": "virtualmachines",
            "sourceCreatedId": f"source-{number}",
            "alertRule": f"{SHOP}/providers/Microsoft.Insights/metricAlerts/cpu-high",
            "startDateTime": _instant(started_at),
            "lastModifiedDateTime": _instant(resolved_at or started_at),
            "lastModifiedUserName": "System",
            "actionStatus": {"isSuppressed": False},
            "description": "CPU above 90 %",
        }
        if resolved_at is not None:
            known["monitorConditionResolvedDateTime"] = _instant(resolved_at)
        known |= essentials
        id = alert_id(number)
        self.alerts = [alert for alert in self.alerts if alert["name"] != id]
        self.alerts.append(
            {
                "id": f"{target}/providers/Microsoft.AlertsManagement/alerts/{id}",
                "name": id,
                "type": "Microsoft.AlertsManagement/alerts",
                "properties": {"essentials": known},
            }
        )
        return known

    def trigger(self, number: int, *groups: str, **details: Any) -> None:
        """Write into an alert's history that it triggered these action groups."""
        changes: list[dict[str, Any]] = [{"modificationEvent": "AlertCreated", "modifiedBy": "System", "details": None}]
        for group in groups:
            triggered = {"type": "ActionsTriggered", "actionGroup": {"actionGroupId": group, "ruleType": "AlertRule"}}
            changes.append(
                {"modificationEvent": "ActionsTriggered", "modifiedBy": "System", "details": triggered | details}
            )
        self.histories[alert_id(number)] = changes

    async def list_alerts(self, request: web.Request) -> web.StreamResponse:
        if (refusal := await self._refuse(request)) is not None:
            return refusal
        query = request.query
        count = int(query.get("pageCount", USUAL_PAGE))
        if not 1 <= count <= MOST_A_PAGE or ("timeRange" in query and "customTimeRange" in query):
            return _error(400, "BadRequest")
        found = self.alerts
        if times := query.get("customTimeRange"):
            start, end = (datetime.fromisoformat(part) for part in times.split("/"))
            found = [alert for alert in found if start <= _started(alert) <= end]
        begin = int(base64.b64decode(query["ctoken"]).partition(b"#")[2]) if "ctoken" in query else 0
        page: dict[str, Any] = {"value": found[begin : begin + count]}
        if begin + count < len(found):
            token = base64.b64encode(f"+RID:x#{begin + count}".encode()).decode()
            following = urlencode({**query, "ctoken": token})
            page["nextLink"] = f"https://management.azure.com:443{request.path}?{following}"
        return web.json_response(page)

    async def show_history(self, request: web.Request) -> web.StreamResponse:
        if (refusal := await self._refuse(request)) is not None:
            return refusal
        id = request.path.split("/")[-2]
        if id not in self.histories:
            return _error(404, "AlertNotFound")
        properties = {"alertId": id, "modifications": self.histories[id]}
        return web.json_response({"id": request.path, "name": "default", "properties": properties})

    async def _refuse(self, request: web.Request) -> web.StreamResponse | None:
        self.requests.append(request)
        if self.refusals:
            refusal = self.refusals.pop(0)
            if refusal.cut:
                response = web.StreamResponse(headers={"Content-Type": "application/json"})
                response.content_length = 1000
                await response.prepare(request)
                await response.write(b'{"value": [')
                assert request.transport is not None
                request.transport.close()
                return response
            headers = {"Retry-After": refusal.retry_after} if refusal.retry_after else {}
            if refusal.body:
                return web.Response(status=refusal.status, body=refusal.body, headers=headers)
            return _error(refusal.status, refusal.code, headers)
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return _error(401, "AuthenticationFailed")
        if request.query.get("api-version") not in VERSIONS:
            return _error(400, "InvalidApiVersionParameter")
        if any(f"/{subscription}/" in request.path for subscription in self.forbidden):
            return _error(403, "AuthorizationFailed")
        return None


def alert_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def payload_of(essentials: dict[str, Any], number: int) -> dict[str, Any]:
    """What the action group would send of it, in the common alert schema."""
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": f"/subscriptions/{SUBSCRIPTION}/{PROVIDER}/alerts/{alert_id(number)}",
                "alertRule": essentials["alertRule"].rpartition("/")[2],
                "severity": essentials["severity"],
                "signalType": essentials["signalType"],
                "monitorCondition": essentials["monitorCondition"],
                "monitoringService": essentials["monitorService"],
                "alertTargetIDs": [essentials["targetResource"]],
                "firedDateTime": essentials["startDateTime"],
                "resolvedDateTime": essentials.get("monitorConditionResolvedDateTime"),
                "essentialsVersion": "1.0",
            },
            "alertContext": {},
        },
    }


@asynccontextmanager
async def serving(stand_in: AlertsManagementStandIn) -> AsyncIterator[AlertsManagementStandIn]:
    """Serve it on a free port of this machine."""
    app = web.Application()
    lists = "/subscriptions/{subscription}/providers/{provider:(?i:microsoft.alertsmanagement)}/alerts"
    app.router.add_get(lists, stand_in.list_alerts)
    app.router.add_get("/{scope:.+}/providers/Microsoft.AlertsManagement/alerts/{id}/history", stand_in.show_history)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stand_in.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stand_in
    finally:
        await runner.cleanup()


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "no"}}, status=status, headers=headers)


def _instant(instant: datetime) -> str:
    """With seven digits of a second, as Azure writes it."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def _started(alert: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(alert["properties"]["essentials"]["startDateTime"])
