"""Verification: how a source proves that it sent what came, one class for each way; what a `tocsin.yml` may say.

Secrets are named, not held: what a file or a variable has is read when it is used, so that one can be changed while
Tocsin runs.  Of several any one suffices.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.configuration.integrations import Secret

ACTION_GROUPS = "461e8683-5575-4561-ac7f-899cc907d62a"
"""The app that calls secure webhooks for Azure Monitor's action groups, "AzNS AAD Webhook", the same in every tenant.

Source: https://learn.microsoft.com/en-us/azure/azure-monitor/alerts/action-groups#configure-authentication-for-secure-webhook
"""


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """The headers `webhook-id`, `webhook-timestamp` and `webhook-signature`."""

    secrets: tuple[Secret, ...] = ()
    """Each `whsec_` and base64."""
    public_keys: tuple[str, ...] = ()
    """Of senders that sign with Ed25519 (`v1a`): each `whpk_` and base64."""


@dataclass(frozen=True, slots=True)
class GrafanaHmac:
    """The HMAC signature of a webhook contact point."""

    secrets: tuple[Secret, ...]
    header: str = ""
    """In lower case; empty for Grafana's default."""
    timestamp_header: str = ""
    """In lower case; empty where the contact point has none, and only the body is signed."""


@dataclass(frozen=True, slots=True)
class GithubHmac:
    """`X-Hub-Signature-256`."""

    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class SentryHmac:
    """`Sentry-Hook-Signature`."""

    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class PagerdutyHmac:
    """`X-PagerDuty-Signature`, of a webhook subscription."""

    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class SharedHeader:
    """A secret in a header, as it is."""

    name: str
    """In lower case."""
    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class SharedBearer:
    """A secret as `Authorization: Bearer`."""

    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class SharedBasic:
    """A secret as the password of `Authorization: Basic`."""

    secrets: tuple[Secret, ...]
    username: str = ""
    """Empty for any."""


@dataclass(frozen=True, slots=True)
class SnsTopics:
    """The signature of Amazon SNS, on messages of these topics."""

    topics: tuple[str, ...]
    """Their ARNs; never none, for everybody has topics of his own."""


@dataclass(frozen=True, slots=True)
class EntraToken:
    """A token of Entra ID, such as the secure webhook of an action group sends."""

    audiences: tuple[str, ...]
    """For whom it must be: the app's client id, or its URI."""
    app_ids: tuple[str, ...] = (ACTION_GROUPS,)
    """Which apps may send."""
    tenants: tuple[str, ...] = ()
    """Whose tokens are taken; none for those of `TOCSIN_ENTRA_TENANTS`."""


type Verification = (
    StandardWebhooks
    | GrafanaHmac
    | GithubHmac
    | SentryHmac
    | PagerdutyHmac
    | SharedHeader
    | SharedBearer
    | SharedBasic
    | SnsTopics
    | EntraToken
)
