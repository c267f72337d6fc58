"""Alertmanager's webhook, payload version 4, as a source: another Alertmanager's alerts become ours.

The page: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config; the fields are those of
notify/webhook/webhook.go and template/template.go of Alertmanager 0.25 to 0.34 (`alertmanager_webhook` reads them).

Identity: the alert's own labels, as Alertmanager's fingerprint has it, and `source`.  The group (`groupKey`,
`receiver`) is how the sender told of it and never part of the alert: one alert in two groups is one.  Their label
`source`, if they have one, becomes `exported_source`.  `severity` is the word that the rule's author chose: it is in
the labels of fired and resolved alike, and routes are written for it, so it is not translated here.
"""

from __future__ import annotations

from domain.sources.alertmanager_webhook import read_webhook
from domain.sources.bodies import check_size, instant_of, put_own, valid_names
from domain.sources.reading import Payload, Reading, Reception, make_alert

KIND = "alertmanager"

UNNAMED = "(unnamed)"
"""The `alertname` of an alert that has none, which Alertmanager allows."""


def read(payload: Payload, reception: Reception) -> Reading:
    """The alerts of one notification.

    Raises:
        RejectedError: It is no such payload, or none of version 4.
    """
    check_size(payload.body)
    webhook = read_webhook(payload.body)
    alerts = []
    for _, alert in webhook.alerts:
        labels = own_labels(alert.labels, KIND)
        alerts.append(
            make_alert(
                reception,
                labels,
                described(alert.annotations or {}, labels["alertname"]),
                is_firing=alert.status == "firing",
                starts_at=instant_of(alert.startsAt),
                ends_at=instant_of(alert.endsAt),
                url=alert.generatorURL,
            )
        )
    problems = []
    if webhook.truncated:
        problems.append(f"{webhook.truncated} more alerts were left out by the sender (max_alerts)")
    return Reading(alerts, problems)


def own_labels(labels: dict[str, str], kind: str) -> dict[str, str]:
    """The sender's labels with ours: `source`, and `alertname` where they have none."""
    if "" in labels.values():
        labels = {name: text for name, text in labels.items() if text}
    made = valid_names(labels)
    if "alertname" not in made:
        made["alertname"] = UNNAMED
    put_own(made, "source", kind)
    return made


def described(annotations: dict[str, str], alertname: str) -> dict[str, str]:
    """The sender's annotations with `summary` and `description`, which some rules call `title` and `message`."""
    made = valid_names(annotations)
    if not made.get("summary"):
        made["summary"] = made.get("title") or alertname
    if not made.get("description"):
        made["description"] = made.get("message", "")
    return made
