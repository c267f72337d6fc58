"""Outgoing: what of a configuration would be sent nowhere, or not as somebody believes that it is."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from domain.addresses import ALLOWING, Allowance, read_address
from domain.configuration import Configuration, EmailIntegration, Integration, WebhookIntegration
from domain.configuration.own_receivers import ReceiverExtras

_LOCAL = "localhost"


def refused_receivers(configuration: Configuration, allowance: Allowance) -> Iterator[str]:
    """A line for each integration whose host, as it is written, has an address that is refused; without the address.

    What a name is resolved to is only known when something is sent, and what a template, a file or a variable holds.
    """
    for receiver in configuration.receivers:
        for name, integration in zip(receiver.integration_names, receiver.integrations, strict=True):
            for setting, host in _written_hosts(integration):
                address = read_address("127.0.0.1" if host == _LOCAL else host)
                if address is not None and (fault := allowance.fault(host, address)):
                    yield (
                        f"receiver {receiver.name!r} {name}: the host of its {setting} has {fault}:"
                        f" nothing is sent there unless {ALLOWING} allows it"
                    )


def unsigned_receivers(configuration: Configuration, extras: ReceiverExtras) -> Iterator[str]:
    """A line for each receiver that is to sign, by the `tocsin.yml`, and has nothing that is signed."""
    kinds = {
        receiver.name: {integration.kind for integration in receiver.integrations}
        for receiver in configuration.receivers
    }
    for name in extras.signing:
        if name not in kinds:
            yield f"the tocsin.yml has secrets to sign for receiver {name!r}, which there is not"
        elif WebhookIntegration.kind not in kinds[name]:
            yield f"the tocsin.yml has secrets to sign for receiver {name!r}, which has no webhook to sign"


def _written_hosts(integration: Integration) -> Iterator[tuple[str, str]]:
    if isinstance(integration, EmailIntegration):
        return
    for setting, text in (("url", integration.url.value), ("proxy_url", integration.http.proxy_url)):
        if not text or "{{" in text:
            continue
        try:
            host = urlsplit(text).hostname
        except ValueError:
            continue
        if host:
            yield setting, host.rstrip(".")
