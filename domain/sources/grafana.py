"""Grafana Alerting's webhook contact point: the alerts of one notification.

The pages: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
for the body, and `ExtendedAlert` in grafana/alerting, templates/template_data.go, for `ruleUID` and `orgId` of each
alert, which the page does not name.  The HMAC of the body is the door's affair.

Identity: the labels that Grafana shows, with `org_id`, `rule_uid` and `source_key`: of rules that are provisioned, two
Grafanas have the same UIDs and the same labels.  Grafana's own fingerprint also counts labels
that it does not show, the rule's UID among them, so two rules of one name in two folders would be one without it; an
older Grafana tells the UID in `generatorURL` only.  `DatasourceNoData` and `DatasourceError` are alerts of their own
there and so here.  `severity` is a label that the rule's author chose, equal in fired and resolved, and not translated.

Grafana's legacy alerting (`ruleId`, `evalMatches`; removed in version 11) is refused: its resolved message does not
say which series it is about.

An alert fires until Grafana says that it is resolved, or no longer repeats it: see `UNTIL_REPEATED`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, TypeAdapter

from domain.alerts import Alert
from domain.labels import Labels
from domain.sources.bodies import check_count, instant_of, outcome, parse, text_of, valid_names, with_own
from domain.sources.reading import UNTIL_REPEATED, Payload, Reading, Reception, make_alert, paired, remembered

KIND = "grafana"

UNNAMED = "(unnamed)"
"""The `alertname` of an alert that has none."""

_RULE = re.compile(r"/alerting/(?:grafana/)?(?P<uid>[A-Za-z0-9_-]{1,64})/(?:view|edit)(?:[?#]|$)")

type _Texts = Annotated[dict[str, str], FailFast()]


class _Alert(BaseModel):
    """One alert; unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")

    status: str
    labels: _Texts
    annotations: _Texts | None = None
    startsAt: str = ""
    endsAt: str = ""
    values: Any = None
    valueString: str = ""
    generatorURL: str = ""
    silenceURL: str = ""
    dashboardURL: str = ""
    panelURL: str = ""
    imageURL: str = ""
    ruleUID: str = ""
    orgId: int | None = None


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    alerts: Annotated[list[_Alert], FailFast()]
    orgId: int | None = None
    truncatedAlerts: int = 0


_MESSAGE = TypeAdapter(_Message)


def read(payload: Payload, reception: Reception) -> Reading:
    """The alerts of one notification.

    Raises:
        RejectedError: It is no such payload, or not one of its alerts is firing or resolved.
    """
    message = parse(_MESSAGE, payload.body, "Grafana's webhook payload (a list `alerts` is expected)")
    check_count(len(message.alerts))
    alerts: list[Alert] = []
    problems: list[str] = []
    for place, found in enumerate(message.alerts):
        if found.status in ("firing", "resolved"):
            alerts.append(_read_one(found, message.orgId, reception))
        else:
            problems.append(f"alerts.{place}.status: {found.status[:40]!r} is neither 'firing' nor 'resolved'")
    if message.truncatedAlerts > 0 and alerts:
        problems.append(f"{text_of(message.truncatedAlerts)[:40]} more alerts were left out by the sender (Max alerts)")
    return outcome(alerts, problems)


def _read_one(found: _Alert, org_id: int | None, reception: Reception) -> Alert:
    org = org_id if found.orgId is None else found.orgId
    sent = found.labels
    known = _known_by(
        reception.key,
        "" if org is None else str(org),
        found.ruleUID or _uid_of(found.generatorURL),
        *sent,
        *sent.values(),
    )
    annotations = valid_names(found.annotations) if found.annotations else {}
    if not annotations.get("summary"):
        annotations["summary"] = annotations.get("title") or known[1]["alertname"]
    if not annotations.get("description"):
        annotations["description"] = annotations.get("message", "")
    for name, text in (
        ("dashboard_url", found.dashboardURL),
        ("panel_url", found.panelURL),
        ("silence_url", found.silenceURL),
        ("image_url", found.imageURL),
        ("values", found.valueString or text_of(found.values)),
    ):
        if text:
            annotations.setdefault(name, text)
    return make_alert(
        reception,
        known,
        annotations,
        is_firing=found.status == "firing",
        lease=reception.lease(UNTIL_REPEATED),
        starts_at=instant_of(found.startsAt),
        ends_at=instant_of(found.endsAt),
        url=found.generatorURL,
    )


@remembered
def _known_by(key: str, org: str, rule: str, *sent: str) -> Labels:
    """By the labels of Grafana: all names, then all values."""
    labels = valid_names({name: text for name, text in paired(sent).items() if text})
    labels.setdefault("alertname", UNNAMED)
    return with_own(labels, {"source": KIND, "source_key": key, "org_id": org, "rule_uid": rule})


def _uid_of(url: str) -> str:
    match = _RULE.search(url[:2000])
    return match["uid"] if match else ""
