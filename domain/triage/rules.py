"""Rules: what a configuration says of triage; the section `triage` of `tocsin.yml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta

from domain.values import value

SERVICE_LABELS = (
    *("service", "app_kubernetes_io_name", "app", "component"),
    *("deployment", "statefulset", "daemonset", "cronjob", "container"),
    *("node", "host", "rack", "job"),
)
"""Which label says whose alert it is: the first of these that an alert has.

A job is last: where Kubernetes or machines are watched it names the exporter, and not what it tells of.
"""

PLACE_LABELS = ("node", "host", "rack")
"""Which labels say where something runs."""

type Calls = Mapping[str, frozenset[str]]
"""The call graph: each service with those that it calls.  Nobody vouches that it is complete, or without rings."""


@value
class Limits:
    """The most that models may take, of each kind; None is no limit of that kind."""

    tokens: int | None = None
    calls: int | None = None
    """Requests to a model."""
    seconds: float | None = None
    """Spent in waiting for a model."""
    money: float | None = None
    """In whatever currency the prices are in."""


@value
class Prices:
    """What a million tokens cost; 0 where money is not counted."""

    input: float = 0.0
    output: float = 0.0


@value
class PrometheusSource:
    """A Prometheus that may be asked; empty `url`: there is none."""

    url: str = ""
    bearer_token_file: str = ""


@value
class Runbooks:
    """Where runbooks may be read: nowhere else, whatever an alert says."""

    folder: str = ""
    addresses: tuple[str, ...] = ()
    """Prefixes of addresses, each with scheme and host, and a path that ends in `/`."""


@value
class TriageRules:
    """Everything about triage that is configured; the default is what holds without a section."""

    service_labels: tuple[str, ...] = SERVICE_LABELS
    calls: Calls = field(default_factory=dict)
    prometheus: PrometheusSource = PrometheusSource()
    runbooks: Runbooks = Runbooks()
    log_workspace: str = ""
    """The id of an Azure Log Analytics workspace; empty: there is none."""
    least_severity: str = "warning"
    """A model is asked about incidents of this severity, and higher ones."""
    per_incident: Limits = Limits(tokens=60_000, calls=20, seconds=90)
    per_hour: Limits = Limits(tokens=600_000, calls=200)
    per_day: Limits = Limits(tokens=3_000_000, calls=1_000)
    prices: Prices = Prices()
    cool_down: timedelta = timedelta(minutes=15)
    """A group about which a model was asked is not asked about again so soon, however often it opens incidents."""
