"""UptimeRobot's webhook: a monitor is down, is up again, or its certificate or domain is about to expire.

The pages: https://help.uptimerobot.com/en/articles/14498593-webhook-integration, and for the variables' names, which it
leaves to the dialogue, https://grafana.com/docs/oncall/latest/integrations/references/uptimerobot/.  It is taken as
JSON ("Send as JSON") or as a form; a variable that UptimeRobot did not know stays `*itsName*` and counts as empty.

Identity: the monitor's id, else its URL, and which of its troubles it is: a certificate that expires is another alert
than a site that is down, and `up` ends only the latter.  Where the id is sent, the URL is an annotation: people
correct it while a monitor is down; where it is not, two accounts may watch one URL, so `source_key` counts too.  The
friendly name is a label, because people route on it; send both or only the id.

Down is told once, and up once: such an alert fires for `UNTIL_RESOLVED`.  Nothing tells when a certificate was renewed:
that alert fires for the source's time to live, by default `TIME_TO_LIVE`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from domain.errors import RejectedError, UnreadableError
from domain.labels import Labels
from domain.sources.bodies import check_size, instant_of, plain
from domain.sources.pairs import parse_object
from domain.sources.reading import TIME_TO_LIVE, UNTIL_RESOLVED, Payload, Reading, Reception, make_alert, remembered

KIND = "uptimerobot"

LARGEST_MESSAGE_BYTES = 256 * 1024

_FIELDS_READ = 100
_UNKNOWN = re.compile(r"\*[A-Za-z]{1,60}\*")
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_DOWN, _UP, _EXPIRING = "1", "2", "3"


def read(payload: Payload, reception: Reception) -> Reading:
    """The alert of one message.

    Raises:
        RejectedError: It names no monitor, or its `alertType` is none of 1, 2 and 3.
    """
    get = _fields(payload).get
    monitor, address = get("monitorID", ""), get("monitorURL", "")
    name = get("monitorFriendlyName", "")
    if not monitor and not address:
        raise RejectedError("monitorID or monitorURL is expected: without them no two monitors can be told apart")
    kind = get("alertType", "")
    if kind not in (_DOWN, _UP, _EXPIRING):
        raise RejectedError(f"alertType: {kind[:40]!r} found; 1 (down), 2 (up) or 3 (expiry) expected")
    is_expiry = kind == _EXPIRING
    is_domain = is_expiry and "domain" in get("alertTypeFriendlyName", "").lower()
    trouble = ("DomainExpiring" if is_domain else "CertificateExpiring") if is_expiry else "MonitorDown"
    known = (
        _known_by(trouble, monitor, name, "", "") if monitor else _known_by(trouble, "", name, address, reception.key)
    )
    at = instant_of(get("alertDateTime", ""))
    since = _since(at, get("alertDuration", "")) if kind == _UP else at
    days = get("sslExpiryDaysLeft", "")
    annotations = {
        "summary": f"{name or address or monitor} {_WORDS[kind]}{f' in {days} days' if is_expiry and days else ''}",
        "description": get("alertDetails", ""),
        "monitor_url": address,
        "expires": get("sslExpiryDate", ""),
        "duration_seconds": get("alertDuration", ""),
        "dashboard_url": get("monitorDashboardURL", "") or get("dashboardURL", ""),
    }
    alert = make_alert(
        reception,
        known,
        annotations,
        is_firing=kind != _UP,
        lease=reception.lease(TIME_TO_LIVE) if is_expiry else UNTIL_RESOLVED,
        starts_at=since,
        ends_at=at,
        url=annotations["dashboard_url"],
    )
    return Reading([alert])


@remembered
def _known_by(trouble: str, monitor: str, name: str, address: str, key: str) -> Labels:
    return {
        "alertname": trouble,
        "source": KIND,
        "severity": "critical" if trouble == "MonitorDown" else "warning",
        "monitor_id": monitor,
        "monitor_url": address,
        "source_key": key,
        "monitor": name,
    }


_WORDS = {_DOWN: "is down", _UP: "is up", _EXPIRING: "expires"}


def _fields(payload: Payload) -> dict[str, str]:
    """The variables that have a text: UptimeRobot leaves a name standing, with its asterisks or without."""
    if payload.body.startswith(b"{") or not _is_form(payload):
        return _known(parse_object(payload.body, "UptimeRobot's JSON object", LARGEST_MESSAGE_BYTES))
    check_size(payload.body, LARGEST_MESSAGE_BYTES)
    try:
        text = payload.body.decode("utf-8")
        return _known(dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_READ, errors="strict")))
    except UnicodeDecodeError:
        raise UnreadableError("the body is no form: it is not UTF-8") from None
    except ValueError:
        raise RejectedError(f"the body is no form of UptimeRobot's: more than {_FIELDS_READ} fields") from None


def _known(fields: Mapping[str, object]) -> dict[str, str]:
    return {
        name: text
        for name, value in fields.items()
        if (text := value.strip() if isinstance(value, str) else plain(value))
        and text != name
        and not (text[0] == "*" and _UNKNOWN.fullmatch(text))
    }


def _is_form(payload: Payload) -> bool:
    kind = payload.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/x-www-form-urlencoded" and not payload.body.lstrip(b" \t\r\n").startswith(b"{")


def _since(ended: datetime | None, seconds: str) -> datetime | None:
    """When what ended began; None, and so nothing that overrides the fired alert's start, where that is not told."""
    if ended is None or not _SECONDS.fullmatch(seconds):
        return None
    try:
        return ended - timedelta(seconds=int(seconds))
    except OverflowError:
        return None
