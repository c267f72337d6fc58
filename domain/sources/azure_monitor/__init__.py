"""Azure Monitor: what an action group sends under the common alert schema; one alert in each payload.

Source: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema and
https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-payload-samples (of 8 July 2026); what each monitoring
service says, and how its alerts are told apart, stands in `services`.

Every alert is known by `alertname` (the rule), `monitoring_service`, `severity`, `rule_id` (where the sender tells it:
two resource groups may each have a rule of one name) and the resources that it is about.  All of these are Azure's own,
the same for whoever is told, so the source's key is not part of it: two action groups make one alert.  `alertId` is
new for each occurrence and `originAlertId` means something else in each service: both are annotations only.

Azure sends `Fired` once and nothing more until `Resolved`, which half of the services never send (`NEVER_RESOLVED`):
their alerts fire for the source's time to live, by default `TIME_TO_LIVE`, the others for `UNTIL_RESOLVED`.  A rule of
metrics or logs may be stateless, which no payload tells; its custom property `time_to_live` (as `4h`) counts before all
of that: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview#alerts-and-state.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import batched, chain, islice
from typing import Any
from urllib.parse import quote as percent_encode

from domain.durations import parse_duration
from domain.errors import RejectedError
from domain.labels import Labels
from domain.quoting import quote
from domain.sources.azure_monitor.resources import name_resources
from domain.sources.azure_monitor.services import NEVER_RESOLVED, Detail, describe, service_name
from domain.sources.bodies import instant_of, plain, text_of
from domain.sources.pairs import annotated, cut_url, gather, labelled, mapping, parse_object, texts
from domain.sources.reading import (
    TIME_TO_LIVE,
    UNTIL_RESOLVED,
    Identity,
    Payload,
    Reading,
    Reception,
    make_alert,
    remembered,
)

KIND = "azure-monitor"

SCHEMA = "azureMonitorCommonAlertSchema"

MOST_PROPERTIES = 100
"""Custom properties, and Prometheus' annotations, that are kept: the first by name."""

SEVERITIES = {"sev0": "critical", "sev1": "high", "sev2": "warning", "sev3": "info", "sev4": "low"}

_ROUTED_PROPERTIES = frozenset(
    {"app", "application", "component", "env", "environment", "owner", "product", "project", "service", "team", "tier"}
)
"""Custom properties that people route on.  Others may hold values (`${data.alertContext...}`), so do not identify."""

_PORTAL = "https://portal.azure.com/#view/Microsoft_Azure_Monitoring_Alerts/AlertDetails.ReactView/alertId/"

# <subscription>_<resource group>_microsoft.insights_metricAlerts_<rule>_<hash>
_METRIC_ORIGIN = re.compile(r"([0-9a-f-]{36})_(.{1,90})_microsoft\.insights_metricalerts_", re.IGNORECASE)
_SAFE = re.compile(r"[\w./~-]+", re.ASCII)


def read(payload: Payload, reception: Reception) -> Reading:
    """Read one payload of an action group.

    Raises:
        RejectedError: It is of another schema, or does not say what fired.
        UnreadableError: It is no JSON.
    """
    body = parse_object(payload.body, "an alert of Azure Monitor")
    schema = plain(body.get("schemaId"))
    if schema != SCHEMA:
        raise RejectedError(
            f"schemaId is {quote(schema[:100])}, and only {SCHEMA} is read: switch on the common alert schema in the "
            "action group's action (useCommonAlertSchema)"
        )
    data = mapping(body.get("data"))
    essentials = mapping(data.get("essentials"))
    if not essentials:
        raise RejectedError("data.essentials is missing: nothing says what fired")
    context = mapping(data.get("alertContext"))
    condition = plain(essentials.get("monitorCondition"))
    if condition.lower() not in ("fired", "resolved"):
        raise RejectedError(f"monitorCondition is {quote(condition[:100])}: expected Fired or Resolved")
    service = service_name(plain(essentials.get("monitoringService")))
    if not service:
        raise RejectedError("data.essentials.monitoringService is missing: nothing says what kind of alert it is")
    targets = texts(essentials.get("alertTargetIDs"))
    detail = describe(service, context, targets)
    if detail.no_news:
        return Reading((), (detail.no_news,))
    name = plain(essentials.get("alertRule")) or detail.name
    if not name:
        raise RejectedError("data.essentials.alertRule is missing: nothing says which rule fired")
    properties = {**detail.properties, **mapping(data.get("customProperties"))}
    is_firing = condition.lower() == "fired" if detail.is_firing is None else detail.is_firing
    usual = reception.lease(TIME_TO_LIVE) if service in NEVER_RESOLVED else UNTIL_RESOLVED
    lease, problem = _time_to_live(properties.get("time_to_live"))
    alert = make_alert(
        reception,
        _known(name, service, essentials, detail, properties, targets),
        _annotations(name, essentials, detail, properties),
        is_firing=is_firing,
        lease=lease or usual,
        starts_at=_earlier(detail.starts_at, instant_of(essentials.get("firedDateTime"))),
        ends_at=detail.ends_at or instant_of(essentials.get("resolvedDateTime")),
        url=_portal_url(essentials),
    )
    return Reading((alert,), (problem,) if problem else ())


def _time_to_live(value: object) -> tuple[timedelta | None, str]:
    """What the rule's custom property says, and what is wrong with it."""
    text = plain(value)
    if not text:
        return None, ""
    try:
        return parse_duration(text), ""
    except ValueError as error:
        return None, f"custom property time_to_live: {error}"[:300]


def _known(
    name: str, service: str, essentials: dict[str, Any], detail: Detail, properties: dict[str, Any], targets: list[str]
) -> Identity:
    severity = SEVERITIES.get(plain(essentials.get("severity")).lower(), "")
    if detail.severity and severity in ("", "low"):
        severity = detail.severity
    resources = detail.resources or targets
    routed = [key for key in properties if key.lower() in _ROUTED_PROPERTIES] if properties else ()
    return _known_by(
        name,
        service,
        severity or "warning",
        _rule_id(essentials),
        f"{len(resources)} {len(detail.labels)} {len(detail.dimensions)}",
        *resources,
        *chain.from_iterable(detail.labels.items()),
        *chain.from_iterable(detail.dimensions),
        *chain.from_iterable([(key, plain(properties[key])) for key in routed]),
    )


@remembered
def _known_by(name: str, service: str, severity: str, rule: str, counts: str, *texts: str) -> Labels:
    """By so many resources, labels and dimensions, and by custom properties: of all but the first, name and text."""
    rest = iter(texts)
    resources, labels, dimensions = map(int, counts.split())
    own = {
        "alertname": name,
        "source": KIND,
        "severity": severity,
        "monitoring_service": service,
        "rule_id": rule,
        **name_resources(list(islice(rest, resources))),
        **dict(batched(islice(rest, 2 * labels), 2, strict=True)),
    }
    theirs = gather(batched(islice(rest, 2 * dimensions), 2, strict=True))
    for key, text in batched(rest, 2, strict=True):
        if text and key not in theirs:
            theirs[key] = text
    return labelled(own, theirs)


def _rule_id(essentials: dict[str, Any]) -> str:
    """The rule's resource ID in lower case; for metric alerts also where the payload has no `alertRuleId`."""
    known = plain(essentials.get("alertRuleId") or essentials.get("alertRuleID"))
    if known:
        return known.lower()
    return _rule_of(plain(essentials.get("originAlertId"))[:1000], plain(essentials.get("alertRule")))


@lru_cache(maxsize=4096)
def _rule_of(origin_id: str, rule: str) -> str:
    origin = _METRIC_ORIGIN.match(origin_id)
    if origin is None or not rule:
        return ""
    subscription, group = origin.groups()
    provider = "microsoft.insights/metricalerts"
    return f"/subscriptions/{subscription}/resourcegroups/{group}/providers/{provider}/{rule}".lower()


def _annotations(name: str, essentials: dict[str, Any], detail: Detail, properties: dict[str, Any]) -> dict[str, str]:
    of_rule = plain(essentials.get("description"))
    items = essentials.get("configurationItems")
    own = {
        "summary": detail.summary or name,
        "description": detail.description or of_rule,
        "rule_description": of_rule if detail.description else "",
        "alert_id": plain(essentials.get("alertId")),
        "origin_alert_id": plain(essentials.get("originAlertId")),
        "configuration_items": "" if items is None else ", ".join(texts(items)[:MOST_PROPERTIES]),
        "investigation_url": cut_url(essentials.get("investigationLink")),
        **detail.annotations,
    }
    theirs = {**properties, **detail.notes}
    if not theirs:
        return own
    if len(theirs) > MOST_PROPERTIES:
        theirs = {key: theirs[key] for key in sorted(theirs)[:MOST_PROPERTIES]}
    return annotated(own, {key: text_of(value) for key, value in theirs.items() if key})


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _portal_url(essentials: dict[str, Any]) -> str:
    alert_id = plain(essentials.get("alertId"))
    if not alert_id.startswith("/") or len(alert_id) > 1000:
        return cut_url(essentials.get("investigationLink"))
    if _SAFE.fullmatch(alert_id):  # all but always; the library's way takes ten times as long
        return _PORTAL + alert_id.replace("/", "%2F")
    return _PORTAL + percent_encode(alert_id, safe="")
