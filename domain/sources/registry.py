"""The formats: which there are, and who reads each."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from domain.sources.reading import Read

KINDS = (
    "alertmanager",
    "azure-monitor",
    "cloudevents",
    "datadog",
    "elastic",
    "generic",
    "grafana",
    "pagerduty",
    "sentry",
    "sns",
    "uptimerobot",
    "zabbix",
)
"""Each is read by the module of that name beside this one."""


def reader_of(kind: str) -> Read:
    """The reader of one of `KINDS`; an instance mostly hears one, so each is loaded when it is first asked for."""
    module = import_module(f"domain.sources.{kind.replace('-', '_')}")
    return cast("Read", module.read)
