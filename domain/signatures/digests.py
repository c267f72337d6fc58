"""Digests: the schemes that send an HMAC-SHA256 of the body, in hexadecimal, in a header of their own."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.errors import UnauthenticatedError
from domain.signatures import check_seconds, is_any, octets

GRAFANA_HEADERS = ("x-grafana-alerting-signature", "x-grafana-alert-signature")
"""Where Grafana puts its signature unless it is told otherwise: by its documentation, and by its source."""

MOST_SIGNATURES = 20
"""In one header: one for each secret that the sender uses."""


def check_slack(body: bytes, timestamp: str, signature: str, secret: str, now: datetime) -> None:
    """Whether Slack sent this.

    Args:
        body: As it came.
        timestamp: Header `X-Slack-Request-Timestamp`, seconds since 1970.
        signature: Header `X-Slack-Signature`, `v0=` and 64 hexadecimal digits.
        secret: The signing secret of the Slack app.
        now: The clock.

    Raises:
        UnauthenticatedError: It was not signed with this secret, or too long ago.

    Source: https://docs.slack.dev/authentication/verifying-requests-from-slack/
    """
    _check([signature], "v0=", b"v0:" + octets(timestamp) + b":" + body, [secret], "Slack")
    check_seconds(timestamp, "Slack", now)


def check_grafana(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    now: datetime,
    *,
    header: str = "",
    timestamp_header: str = "",
) -> None:
    """Whether a webhook contact point of Grafana (12 and later) with an HMAC secret sent this.

    Without a `timestamp_header` the body alone is signed: what somebody has recorded he can send again at any time.

    Args:
        headers: Of the request.
        body: As it came.
        secrets: The contact point's.
        now: The clock.
        header: Where the signature is, in lower case; empty for Grafana's own choice.
        timestamp_header: Where the seconds since 1970 are that are signed too, in lower case; empty where none are.

    Raises:
        UnauthenticatedError: It was not signed with one of these secrets, or too long ago.

    Source: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
    and `HMACRoundTripper` in grafana/alerting, http/hmac.go.  The two differ in the default header; both are taken.
    """
    given = [headers.get(name, "") for name in ([header] if header else GRAFANA_HEADERS)]
    if not timestamp_header:
        _check(given, "", body, secrets, "Grafana")
        return
    timestamp = headers.get(timestamp_header, "")
    _check(given, "", octets(timestamp) + b":" + body, secrets, "Grafana")
    check_seconds(timestamp, "Grafana", now)


def check_github(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Whether the header `X-Hub-Signature-256`, `sha256=` and 64 hexadecimal digits, is right; many use GitHub's way.

    It has no time: what somebody has recorded he can send again.

    Raises:
        UnauthenticatedError: It was not signed with one of these secrets.

    Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    _check([headers.get("x-hub-signature-256", "")], "sha256=", body, secrets, "GitHub")


def check_sentry(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Whether an integration of Sentry sent this; the secrets are its client secrets.

    Its time, `Sentry-Hook-Timestamp`, is not signed and so says nothing: a recorded request can be sent again.

    Raises:
        UnauthenticatedError: It was not signed with one of these secrets.

    Source: https://docs.sentry.io/integrations/integration-platform/webhooks/#verifying-the-signature
    """
    _check([headers.get("sentry-hook-signature", "")], "", body, secrets, "Sentry")


def check_pagerduty(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Whether a webhook subscription (V3) of PagerDuty sent this; it signs with several secrets while one is changed.

    It has no time: what somebody has recorded he can send again.

    Raises:
        UnauthenticatedError: It was not signed with one of these secrets.

    Source: https://developer.pagerduty.com/docs/verifying-webhook-signatures
    """
    given = [one.strip() for one in headers.get("x-pagerduty-signature", "").split(",")[:MOST_SIGNATURES]]
    _check(given, "v1=", body, secrets, "PagerDuty")


def _check(given: Sequence[str], prefix: str, signed: bytes, secrets: Sequence[str], whose: str) -> None:
    """Raises UnauthenticatedError unless one of those given is the prefix and the digest by one of the secrets."""
    right = [octets(prefix + hmac.digest(octets(secret), signed, "sha256").hex()) for secret in secrets]
    if not is_any([octets(one) for one in given], right):
        sent = "does not have" if any(given) else "has no header with"
        raise UnauthenticatedError(f"the request {sent} {whose}'s signature")
