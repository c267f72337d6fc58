"""Notifiers: one for each kind of integration, made when the first delivery asks for one.

An instance that takes alerts in, folds groups or reads the feed sends nothing itself, and should not wait at its start
for the libraries that are only there to send.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from domain.configuration import (
    EmailIntegration,
    Integration,
    PagerdutyIntegration,
    SlackIntegration,
    TeamsIntegration,
    WebhookIntegration,
)
from domain.notifications import Notifier

if TYPE_CHECKING:
    from adapters.http_client import HttpClient
    from adapters.links import Links
    from adapters.signing import Signing
    from domain.addresses import Allowance


class Notifiers(dict[type[Integration], Notifier[Any]]):
    """By the class of the integration's settings; all of them are made together, since they share their connections."""

    def __init__(
        self,
        external_url: str,
        clock: Callable[[], datetime],
        links: Links,
        *,
        is_strict: bool,
        is_interactive: bool,
        allowance: Allowance,
        signing: Signing,
    ) -> None:
        """Keep what the notifiers are made with.

        Args:
            external_url: Where people reach Tocsin.
            clock: Now.
            links: Makes those that notifications carry.
            is_strict: Nothing beyond Alertmanager's payload.
            is_interactive: Slack's buttons are answered here.
            allowance: Who may be told at an address that is not public.
            signing: With which secrets the webhooks of a receiver are signed.
        """
        super().__init__()
        self._external_url = external_url
        self._clock = clock
        self._links = links
        self._is_strict = is_strict
        self._is_interactive = is_interactive
        self._allowance = allowance
        self._signing = signing
        self._client: HttpClient | None = None

    def __missing__(self, kind: type[Integration]) -> Notifier[Any]:
        self.prepare()
        return self[kind]

    def prepare(self) -> None:
        """Make them now, so that the first delivery need not wait for it; done again it changes nothing."""
        if self._client is not None:
            return
        from adapters.email import EmailNotifier
        from adapters.guard import Guard
        from adapters.http_client import HttpClient
        from adapters.pagerduty import PagerdutyNotifier
        from adapters.rendering import Renderer
        from adapters.signing import Signer
        from adapters.slack import SlackNotifier
        from adapters.teams import TeamsNotifier
        from adapters.webhook import WebhookNotifier

        client = self._client = HttpClient(version("tocsin"), self._clock, Guard(self._allowance))
        renderer = Renderer(self._external_url, self._clock, self._links)
        self[WebhookIntegration] = WebhookNotifier(
            client, renderer, self._external_url, is_strict=self._is_strict, signer=Signer(self._signing, self._clock)
        )
        self[SlackIntegration] = SlackNotifier(client, renderer, is_interactive=self._is_interactive)
        self[TeamsIntegration] = TeamsNotifier(client, renderer)
        self[PagerdutyIntegration] = PagerdutyNotifier(client, renderer)
        self[EmailIntegration] = EmailNotifier(renderer, self._clock)

    async def close(self) -> None:
        """Close their connections."""
        if self._client is not None:
            await self._client.close()
