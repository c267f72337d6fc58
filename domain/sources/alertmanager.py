"""Alertmanager's webhook, payload version 4, as a source: another Alertmanager's alerts become ours.

The page: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config; the fields are those of
notify/webhook/webhook.go and template/template.go of Alertmanager 0.25 to 0.34 (`alertmanager_webhook` reads them).

Identity: the alert's own labels and nothing else, as Alertmanager's fingerprint has it.  Labels and annotations stay
as they are: whoever puts Tocsin behind or in place of an Alertmanager keeps routes, silences and templates, and an
alert that comes from both Prometheus and its Alertmanager is one.  The group (`groupKey`, `receiver`) is how the sender
told of it and never part of the alert.  `severity` is the word that the rule's author chose, not translated here.

An alert fires until its sender says that it is resolved, or no longer repeats it: see `UNTIL_REPEATED`.
"""

from __future__ import annotations

from domain.labels import Labels
from domain.sources.alertmanager_webhook import parse_message
from domain.sources.bodies import check_size, instant_of, outcome
from domain.sources.reading import UNTIL_REPEATED, Payload, Reading, Reception, make_alert, paired, remembered

KIND = "alertmanager"


def read(payload: Payload, reception: Reception) -> Reading:
    """The alerts of one notification.

    Raises:
        RejectedError: It is no such payload, or none of version 4.
    """
    check_size(payload.body)
    message = parse_message(payload.body)
    lease = reception.lease(UNTIL_REPEATED)
    alerts = []
    problems = []
    for place, alert in enumerate(message.alerts or ()):
        labels = alert.labels
        if not any(labels.values()):
            problems.append(f"alerts.{place}.labels: at least one label pair is expected")
            continue
        alerts.append(
            make_alert(
                reception,
                _known_by(*labels, *labels.values()),
                alert.annotations or {},
                is_firing=alert.status == "firing",
                lease=lease,
                starts_at=instant_of(alert.startsAt),
                ends_at=instant_of(alert.endsAt),
                url=alert.generatorURL,
            )
        )
    if message.truncatedAlerts and alerts:
        problems.append(f"{message.truncatedAlerts} more alerts were left out by the sender (max_alerts)")
    return outcome(alerts, problems)


@remembered
def _known_by(*texts: str) -> Labels:
    """By all names, then all values."""
    return paired(texts)
