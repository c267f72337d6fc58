"""Implements `FiredAlerts` on Azure's Alerts Management REST API.

The pages: https://learn.microsoft.com/rest/api/monitor/alertsmanagement/alerts/get-all and .../get-history; the newest
version is that of `specification/alertsmanagement` in Azure/azure-rest-api-specs (2025-05-25-preview: the stable one,
2019-03-01, tells neither of suppression nor of the action groups).  A page has 250 alerts at most.  The limits, by
https://learn.microsoft.com/azure/azure-monitor/service-limits#alerts-api: 100 calls a minute and subscription for the
list, 1,000 for all else.

Not by the SDK `azure-mgmt-alertsmanagement`: its newest release asks in the version of 2019.

`customTimeRange` is within the last 30 days; of which of an alert's times is not documented.  Asked up to now, it holds
what fired in that time either way.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from domain.errors import DomainError, RejectedError, UnavailableError
from domain.reconciling import FiredAlert, instance_id

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials import AccessToken

log = logging.getLogger("tocsin.azure")

API_VERSION = "2025-05-25-preview"
ALERTS_A_PAGE = 250
MOST_PAGES = 200
"""50,000 alerts of a subscription in a day are told of by others before they are by this."""

MOST_ANSWER_BYTES = 32 * 1024 * 1024
CALL_SECONDS = 30.0
ATTEMPTS = 4
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

LISTS_A_MINUTE = 90
OTHERS_A_MINUTE = 900
"""Somewhat less than may be, for others ask too."""

MINUTE_SECONDS = 60.0


class Credential(Protocol):
    """What is asked of an identity."""

    async def get_token(self, *scopes: str) -> AccessToken:
        """A token for these."""
        ...


class AlertsManagement:
    """Asks one call after the other, as often as it may; the token is that of the app's identity."""

    def __init__(self, endpoint: str, credential: Callable[[], Credential]) -> None:
        """`endpoint` is Azure Resource Manager; at an address of this machine no token is needed."""
        self._endpoint = endpoint.rstrip("/")
        self._credential = credential
        self._session: aiohttp.ClientSession | None = None
        self._paces: dict[tuple[str, int], Pace] = {}

    async def list_fired(self, subscription: str, start: datetime, end: datetime) -> Sequence[FiredAlert]:
        query = {
            "api-version": API_VERSION,
            "customTimeRange": f"{_instant(start)}/{_instant(end)}",
            "includeContext": "false",
            "pageCount": str(ALERTS_A_PAGE),
            "sortBy": "startDateTime",
            "sortOrder": "asc",
        }
        path = f"/subscriptions/{quote(subscription, safe='')}/providers/Microsoft.AlertsManagement/alerts"
        url = f"{self._endpoint}{path}?{urlencode(query)}"
        found: dict[str, FiredAlert] = {}
        pace = self._pace(subscription, LISTS_A_MINUTE)
        for _ in range(MOST_PAGES):
            page = await self._get(url, pace)
            for item in _items(page):
                if (alert := _read_alert(item, subscription)) is not None:
                    found[alert.id] = alert
            following = page.get("nextLink")
            if not following:
                return list(found.values())
            url = self._own(following)
        raise UnavailableError(f"Azure's list of alerts of {subscription} has more than {MOST_PAGES} pages")

    async def triggered_groups(self, alert: FiredAlert) -> Collection[str]:
        path = "/".join(quote(part, safe="") for part in alert.resource_id.split("/"))
        url = f"{self._endpoint}{path}/history?{urlencode({'api-version': API_VERSION})}"
        history = await self._get(url, self._pace(alert.subscription, OTHERS_A_MINUTE))
        groups = set()
        for change in _list(_object(history.get("properties")).get("modifications")):
            details = _object(_object(change).get("details"))
            group = _object(details.get("actionGroup")).get("actionGroupId")
            if details.get("type") == "ActionsTriggered" and isinstance(group, str):
                groups.add(group.lower())
        return groups

    async def close(self) -> None:
        """Let go of the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- one call ---------------------------------------------------------------------------------------------------

    def _pace(self, subscription: str, calls: int) -> Pace:
        return self._paces.setdefault((subscription, calls), Pace(calls))

    def _own(self, link: Any) -> str:
        """The next page's address: at our endpoint, whoever's name stands in the link, for the token goes there."""
        parts = urlsplit(link if isinstance(link, str) else "")
        if not parts.path.startswith("/subscriptions/") or not parts.query:
            raise UnavailableError("Azure's list of alerts goes on at an address that is none")
        return f"{self._endpoint}{parts.path}?{parts.query}"

    async def _get(self, url: str, pace: Pace) -> Mapping[str, Any]:
        """What it answers, tried again where that helps.

        Raises:
            UnavailableError: It did not answer, or refused for now, as often as was tried.
            RejectedError: It refused for good.
        """
        for attempt in range(1, ATTEMPTS + 1):
            await pace.wait()
            try:
                return await self._get_once(url)
            except UnavailableError as error:
                if attempt == ATTEMPTS:
                    raise
                wait = error.retry_after.total_seconds() if error.retry_after else PAUSE_SECONDS * 4 ** (attempt - 1)
                if wait > LONGEST_PAUSE_SECONDS:
                    raise  # the next hour asks again
                log.warning("%s; asked again in %.1f s", error, wait)
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _get_once(self, url: str) -> Mapping[str, Any]:
        import aiohttp
        from yarl import URL

        headers = {"Authorization": f"Bearer {await self._token()}", "Accept": "application/json"}
        try:
            async with (
                asyncio.timeout(CALL_SECONDS),
                # Encoded as it is: a continuation token has characters that yarl would take for others.
                self._open_session().get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response,
            ):
                body = await _read(response)
                if response.status == 200:
                    return _parse(body)
                raise _refusal(response.status, body, response.headers)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise UnavailableError(f"Azure Resource Manager did not answer: {type(error).__name__}") from error

    async def _token(self) -> str:
        if self._endpoint.startswith("http://"):
            return "stand-in"
        from azure.core.exceptions import AzureError

        try:
            return (await self._credential().get_token(f"{self._endpoint}/.default")).token
        except AzureError as error:
            raise UnavailableError(f"no token for Azure Resource Manager: {type(error).__name__}") from error

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session


class Pace:
    """So many calls in any minute, and no more."""

    def __init__(self, calls: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls: deque[float] = deque(maxlen=calls)
        self._clock = clock

    async def wait(self) -> None:
        """Return when the next call may be made, and count it."""
        calls = self._calls
        if len(calls) == calls.maxlen:
            await asyncio.sleep(max(0.0, calls[0] + MINUTE_SECONDS - self._clock()))
        calls.append(self._clock())


# --- what it says -----------------------------------------------------------------------------------------------------


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_ANSWER_BYTES:
            raise UnavailableError(f"Azure Resource Manager's answer has more than {MOST_ANSWER_BYTES} bytes")
    return bytes(body)


def _parse(body: bytes) -> Mapping[str, Any]:
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("no object")
    return answer


def _refusal(status: int, body: bytes, headers: Mapping[str, str]) -> DomainError:
    try:
        error = _object(_parse(body).get("error"))
    except ValueError:
        error = {}
    code, message = str(error.get("code", ""))[:100], str(error.get("message", ""))[:300]
    words = f"Azure Resource Manager answered {status}: {': '.join(filter(None, (code, message))) or 'no reason given'}"
    if status in (408, 429) or status >= 500:
        after = headers.get("Retry-After", "")
        is_number = after.isascii() and after.isdecimal() and len(after) < 6
        return UnavailableError(words, timedelta(seconds=int(after)) if is_number else None)
    # Also 401 and 403: to ask again at once helps as little as with 404.
    return RejectedError(words)


def _items(page: Mapping[str, Any]) -> Sequence[Any]:
    items = page.get("value")
    if not isinstance(items, list):
        raise UnavailableError("Azure's list of alerts has no `value`")
    return items


def _read_alert(item: Any, subscription: str) -> FiredAlert | None:
    """The alert; None where it does not say which it is, or since when it fires."""
    resource_id = _text(_object(item).get("id"))
    essentials = _object(_object(_object(item).get("properties")).get("essentials"))
    started_at = _read_instant(essentials.get("startDateTime"))
    if not resource_id.startswith("/") or started_at is None:
        log.warning("Azure lists an alert that says no id, or not since when it fires: %.200r", item)
        return None
    is_over = _text(essentials.get("monitorCondition")).lower() == "resolved"
    resolved_at = _read_instant(essentials.get("monitorConditionResolvedDateTime"))
    return FiredAlert(
        id=instance_id(resource_id),
        resource_id=resource_id,
        subscription=subscription,
        rule=_text(essentials.get("alertRule")),
        service=_text(essentials.get("monitorService")),
        severity=_text(essentials.get("severity")),
        target=_text(essentials.get("targetResource")),
        started_at=started_at,
        # A fired one may have that time too: of when it was over before.
        resolved_at=(resolved_at or _read_instant(essentials.get("lastModifiedDateTime")) or started_at)
        if is_over
        else None,
        is_suppressed=_object(essentials.get("actionStatus")).get("isSuppressed") is True,
        description=_text(essentials.get("description"))[:1000],
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[:4096] if isinstance(value, str) else ""


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _read_instant(value: Any) -> datetime | None:
    """An ISO 8601 instant, of which Azure writes seven digits of a second; without an offset it is UTC."""
    try:
        instant = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
