"""Monitoring service: what fired an Azure alert, how its alerts are told apart, and how it says that one is over.

Source: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-payload-samples for the fields of each;
https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema for Resource Health;
https://learn.microsoft.com/azure/service-health/service-health-notifications-properties for Service Health.

Beside the rule and the resources, these tell alerts apart:

- Platform (metrics, availability tests): the dimensions, and the web test.  Each combination is a time series that
  fires and resolves for itself.  `originAlertId` ends in a hash that may be the series', which no page says.
- Log Alerts V2: the dimensions.  Simple Log Alert fires for each row, which holds whatever the query shows, times
  too: of it the columns that Azure itself takes for the affected resource.
- Log Analytics, Application Insights (version 1): the dimensions and the affected configuration items.
- Activity Log: the operation; the resource is the most exact of the target and what the event names.  Security events
  have the threat and the entity as well, for their operation is always the same.  Never resolved, and the statuses of
  one operation (Started, Failed, Succeeded) are one alert.
- ServiceHealth: `trackingId`, within a subscription.  Its later messages are alerts of their own to Azure, all `Fired`:
  over is what has the stage Resolved, Complete, Canceled or RCA (the report that comes days later), or that status.
- Resource Health: nothing else.  Azure fires again when it is well: over is what says that the resource is available
  or, without its health, that the event is resolved.  An update without health is no news: it comes after the end too.
- SmartDetector: the detector.
- Prometheus: the labels, and the rule group.
- CostAlerts: the budget, the type of threshold and which of the budget's thresholds it is, for 100 % is news after
  80 %.

A rule of the activity log has no severity to set, and Azure writes Sev4 for all of them: every such sample has it, and
`AlertRuleProperties` of Microsoft.Insights/activityLogAlerts names none.  So `Detail.severity` is what the event says
of itself, as far as that stays the same until the end: the type of a Service Health incident, the severity of a
security alert; else `warning`, as where Azure says nothing.  The event's `level` changes on the way (a resource is
Critical while it is unavailable and Informational when it is back), so it is an annotation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from domain.sources.bodies import first_of, instant_of, plain, text_of
from domain.sources.pairs import cut_url, elements, mapping, texts
from domain.values import value

_CATEGORIES = ("Administrative", "Policy", "Autoscale", "Security", "Recommendation")


_NOTHING: Mapping[str, Any] = MappingProxyType({})


@value
class Detail:
    """What a service's context says beyond the essentials."""

    name: str = ""
    """For alerts without a rule."""
    resources: Sequence[str] = ()
    """Where the context knows them better than `alertTargetIDs`."""
    labels: Mapping[str, str] = _NOTHING
    dimensions: Sequence[tuple[str, str]] = ()
    """More of what identifies, under names that the rule's author chose."""
    properties: Mapping[str, Any] = _NOTHING
    """The rule's custom properties, where they stand in the context."""
    notes: Mapping[str, Any] = _NOTHING
    """Annotations under names that the rule's author chose."""
    annotations: Mapping[str, str] = _NOTHING
    summary: str = ""
    description: str = ""
    severity: str = ""
    """What counts where Azure's word says nothing."""
    is_firing: bool | None = None
    """None where `monitorCondition` says it."""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    no_news: str = ""
    """Why the payload says nothing about whether it fires."""


NEVER_RESOLVED = frozenset(
    {"Log Analytics", "Application Insights", "Simple Log Alert", "SmartDetector", "CostAlerts"}
    | {f"Activity Log - {category}" for category in _CATEGORIES}
)
"""Services that send no end.

Smart detectors do resolve their alerts, and tell nobody:
https://learn.microsoft.com/azure/azure-monitor/alerts/proactive-failure-diagnostics#alert-logic-details.
"""


def service_name(name: str) -> str:
    """The service by the name that this module has for it: the documentation writes some of them in two ways."""
    return name if name in SERVICES else _NAMES.get(_key(name), name)


def describe(service: str, context: dict[str, Any], targets: list[str]) -> Detail:
    """What the context of an alert says; of a service that is not known, nothing.

    Args:
        service: Its `service_name`.
        context: `alertContext`.
        targets: `alertTargetIDs`.
    """
    return SERVICES.get(service, _unknown)(context, targets)


def _unknown(context: dict[str, Any], _: list[str]) -> Detail:
    return Detail(properties=mapping(context.get("properties")))


# --- metrics and logs -------------------------------------------------------------------------------------------------


def _platform(context: dict[str, Any], _: list[str]) -> Detail:
    if "SearchQuery" in context:  # the samples have one of version 1 under this service
        return _log_v1(context, [])
    dimensions: list[tuple[str, str]] = []
    parts: list[str] = []
    tests: list[str] = []
    for criterion in map(mapping, elements(mapping(context.get("condition")).get("allOf"))):
        dimensions += _dimensions(criterion.get("dimensions"))
        if test := plain(criterion.get("webTestName")):
            tests.append(test)
        if len(parts) < _PARTS_SHOWN and (part := _comparison(criterion, "metricName")):
            parts.append(part)
    return Detail(
        labels={"web_test": ",".join(sorted(set(tests)))} if tests else _NOTHING,
        dimensions=dimensions,
        properties=mapping(context.get("properties")),
        summary="; ".join(parts),
    )


_PARTS_SHOWN = 10


def _comparison(criterion: dict[str, Any], name: str) -> str:
    """`Percentage CPU GreaterThan 25: 31.1105`."""
    words = (plain(criterion.get(name)), plain(criterion.get("operator")), plain(criterion.get("threshold")))
    said = " ".join([word for word in words if word])
    value = plain(criterion.get("metricValue"))
    return f"{said}: {value}" if said and value else said


def _dimensions(value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        if "name" not in value:
            return [(name, plain(text)) for name, text in value.items()]
        value = [value]
    return [
        (plain(dimension.get("name")), plain(dimension.get("value"))) for dimension in map(mapping, elements(value))
    ]


def _log_v2(context: dict[str, Any], _: list[str]) -> Detail:
    dimensions: list[tuple[str, str]] = []
    first: dict[str, Any] = {}
    for criterion in map(mapping, elements(mapping(context.get("condition")).get("allOf"))):
        dimensions += _dimensions(criterion.get("dimensions"))
        for row in elements(criterion.get("event")):
            dimensions += [pair for pair in _dimensions(row) if pair[0] in _RESOURCE_COLUMNS]
        first = first or criterion
    return Detail(
        dimensions=dimensions,
        properties=mapping(context.get("properties")),
        summary=_comparison(first, "metricMeasureColumn"),
        annotations={
            "query": plain(first.get("searchQuery")),
            "dashboard_url": _link(first, "linkToFilteredSearchResultsUI", "linkToSearchResultsUI"),
        },
    )


_RESOURCE_COLUMNS = ("_ResourceId", "ResourceId", "Resource", "Computer")


def _log_v1(context: dict[str, Any], _: list[str]) -> Detail:
    items = sorted(set(texts(context.get("AffectedConfigurationItems"))))
    said = ("ResultCount", "Operator", "Threshold")
    return Detail(
        dimensions=[*_dimensions(context.get("Dimensions")), *(("configuration_item", item) for item in items)],
        summary=" ".join(filter(None, (plain(context.get("AlertType")), *(plain(context.get(part)) for part in said)))),
        annotations={
            "query": plain(context.get("SearchQuery")),
            "dashboard_url": _link(context, "LinkToFilteredSearchResultsUI", "LinkToSearchResults"),
        },
    )


def _link(fields: dict[str, Any], *names: str) -> str:
    return first_of(cut_url(fields.get(name)) for name in names)


def _smart_detector(context: dict[str, Any], _: list[str]) -> Detail:
    return Detail(
        labels={"smart_detector": plain(context.get("SmartDetectorId"))},
        summary=plain(context.get("DetectionSummary")),
        annotations={
            "smart_detector_name": plain(context.get("SmartDetectorName")),
            "value": plain(context.get("DetectedValue")),
            "normal_value": plain(context.get("NormalValue")),
        },
    )


def _prometheus(context: dict[str, Any], _: list[str]) -> Detail:
    annotations = mapping(context.get("annotations"))
    return Detail(
        labels={"rule_group": plain(context.get("ruleGroup")).lower()},
        # `alertname` is the rule, in Prometheus as here.
        dimensions=[(k, text_of(v)) for k, v in mapping(context.get("labels")).items() if k != "alertname"],
        notes=annotations,
        summary=plain(annotations.get("summary")),
        description=plain(annotations.get("description")),
        annotations={"expression": plain(context.get("expression")), "value": plain(context.get("expressionValue"))},
    )


# --- the activity log -------------------------------------------------------------------------------------------------


def _activity(context: dict[str, Any], targets: list[str]) -> Detail:
    properties = _parsed(context.get("properties"))
    operation, status = _local(context.get("operationName")), _local(context.get("status"))
    scope = plain(mapping(context.get("authorization")).get("scope")) or plain(properties.get("resourceName"))
    return Detail(
        resources=_most_exact(scope, targets),
        labels={
            "operation": operation,
            "compromised_entity": plain(properties.get("compromisedEntity")),
            "threat_id": plain(properties.get("threatID")),
        },
        summary=" ".join(filter(None, (operation, status))),
        description=first_of(plain(properties.get(name)) for name in ("description", "message")),
        annotations={**_event(context), "caller": plain(context.get("caller"))},
        severity=_SECURITY_SEVERITIES.get(plain(properties.get("severity")).lower(), "warning"),
        starts_at=instant_of(context.get("eventTimestamp")),
    )


_SECURITY_SEVERITIES = {"high": "high", "medium": "warning", "low": "low", "informational": "info"}


def _most_exact(scope: str, targets: list[str]) -> list[str]:
    """Of the event's own scope and the alert's only target the longer: either may be the whole subscription."""
    if not scope.startswith("/") or len(targets) > 1:
        return []
    return [scope] if not targets or len(scope.rstrip("/")) > len(targets[0].rstrip("/")) else []


def _event(context: dict[str, Any]) -> dict[str, str]:
    return {
        "level": _local(context.get("level")),
        "status": _local(context.get("status")),
        "correlation_id": plain(context.get("correlationId")),
    }


def _resource_health(context: dict[str, Any], _: list[str]) -> Detail:
    properties = _parsed(context.get("properties"))
    health = plain(properties.get("currentHealthStatus")).lower()
    status = _local(context.get("status")).lower()
    is_firing = health != "available" if health in ("available", "degraded", "unavailable") else status != "resolved"
    at = instant_of(context.get("eventTimestamp"))
    return Detail(
        is_firing=is_firing,
        summary=plain(properties.get("title")),
        description=plain(properties.get("details")),
        annotations={
            **_event(context),
            "health": plain(properties.get("currentHealthStatus")),
            "previous_health": plain(properties.get("previousHealthStatus")),
            "cause": plain(properties.get("cause")),
        },
        severity="warning",
        starts_at=at,
        ends_at=None if is_firing else at,
        no_news=_NO_NEWS if not health and status == "updated" else "",
    )


_NO_NEWS = "an update of a health event that does not say how the resource is: nothing follows from it"
_OVER = frozenset({"resolved", "complete", "completed", "canceled", "cancelled", "rca"})


def _service_health(context: dict[str, Any], _: list[str]) -> Detail:
    properties = _parsed(context.get("properties"))
    stage, status = plain(properties.get("stage")), _local(context.get("status"))
    is_over = stage.lower() in _OVER or status.lower() in _OVER
    return Detail(
        labels={
            "tracking_id": plain(properties.get("trackingId")),
            "incident_type": plain(properties.get("incidentType")),
        },
        summary=first_of(plain(properties.get(name)) for name in ("title", "defaultLanguageTitle")),
        description=first_of(plain(properties.get(name)) for name in ("communication", "defaultLanguageContent")),
        annotations={
            **_event(context),
            "stage": stage,
            "service": plain(properties.get("service")),
            "region": plain(properties.get("region")),
            "impacted_services": _impacted(properties.get("impactedServices")),
        },
        severity=_INCIDENT_SEVERITIES.get(plain(properties.get("incidentType")).lower(), "warning"),
        is_firing=not is_over,
        starts_at=instant_of(properties.get("impactStartTime")),
        ends_at=instant_of(properties.get("impactMitigationTime")) if is_over else None,
    )


_INCIDENT_SEVERITIES = {"incident": "high", "security": "high", "maintenance": "info", "informational": "info"}


def _impacted(value: object) -> str:
    """`Azure SQL (East US, West US), Storage (East US)`, from an array or the text of one."""
    shown = []
    for service in map(mapping, elements(_decoded(value))[:_IMPACTED_SHOWN]):
        regions = (plain(mapping(region).get("RegionName")) for region in elements(service.get("ImpactedRegions")))
        named = ", ".join(filter(None, list(regions)[:_IMPACTED_SHOWN]))
        shown.append(f"{plain(service.get('ServiceName'))} ({named})" if named else plain(service.get("ServiceName")))
    return ", ".join(filter(None, shown))


_IMPACTED_SHOWN = 50


def _parsed(value: object) -> dict[str, Any]:
    return mapping(_decoded(value))


def _decoded(value: object) -> object:
    """The value; of a text that is JSON, what it says."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _local(value: object) -> str:
    """A text that the activity log also writes as `{"value": ..., "localizedValue": ...}`."""
    return plain(value.get("value")) if isinstance(value, dict) else plain(value)


# --- costs ------------------------------------------------------------------------------------------------------------


def _costs(context: dict[str, Any], targets: list[str]) -> Detail:
    data = mapping(context.get("AlertData"))
    name, budget = plain(data.get("BudgetName")), plain(data.get("BudgetId"))
    return Detail(
        name=name or plain(context.get("AlertCategory")),
        resources=[] if targets else texts(budget or data.get("Scope")),
        labels={
            "alert_category": plain(context.get("AlertCategory")),
            "threshold_type": plain(data.get("ThresholdType")),
            "threshold": plain(data.get("NotificationThresholdAmount")),
            "budget": name,
        },
        summary=" ".join(filter(None, (name, plain(data.get("ThresholdType")), plain(data.get("SpentAmount"))))),
        annotations={
            "value": plain(data.get("SpentAmount")),
            "forecast": plain(data.get("ForecastedTotalForPeriod")),
            "budget_threshold": plain(data.get("BudgetThreshold")),
            "unit": plain(data.get("Unit")),
        },
    )


def _key(name: str) -> str:
    return "".join(filter(str.isalnum, name[:100])).lower()


SERVICES: dict[str, Callable[[dict[str, Any], list[str]], Detail]] = {
    "Platform": _platform,
    "Log Alerts V2": _log_v2,
    "Simple Log Alert": _log_v2,
    "Log Analytics": _log_v1,
    "Application Insights": _log_v1,
    "Activity Log - Administrative": _activity,
    "Activity Log - Policy": _activity,
    "Activity Log - Autoscale": _activity,
    "Activity Log - Security": _activity,
    "Activity Log - Recommendation": _activity,
    "ServiceHealth": _service_health,
    "Resource Health": _resource_health,
    "SmartDetector": _smart_detector,
    "Prometheus": _prometheus,
    "CostAlerts": _costs,
}
_NAMES = {_key(name): name for name in SERVICES}
