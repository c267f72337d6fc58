"""The reader of `pagerduty_configs`.

Source: notify/pagerduty/config.go in prometheus/alertmanager.
"""

from __future__ import annotations

from datetime import timedelta

from domain.configuration.defaults import ReceiverDefaults, read_url
from domain.configuration.fields import read_duration
from domain.configuration.http import read_secret
from domain.configuration.integrations import PagerdutyImage, PagerdutyIntegration, PagerdutyLink, Secret
from domain.configuration.templated import TemplateReader, to_json
from domain.durations import parse_go_duration
from domain.yaml_document import Field, Section

_DEFAULT_DETAILS = {
    "firing": "{{ .Alerts.Firing | toJson }}",
    "resolved": "{{ .Alerts.Resolved | toJson }}",
    "num_firing": "{{ .Alerts.Firing | len }}",
    "num_resolved": "{{ .Alerts.Resolved | len }}",
}


def read_pagerduty(field: Field, defaults: ReceiverDefaults, templates: TemplateReader) -> PagerdutyIntegration:
    """One entry."""
    section = field.section()

    def text(name: str, default: str = "") -> str:
        return templates.text(section.take(name), default)

    routing_key, service_key = (_read_key(section, name, templates) for name in ("routing_key", "service_key"))
    if routing_key is None and service_key is None:
        field.refuse("one of routing_key, routing_key_file, service_key and service_key_file must be set")
    client = text("client", '{{ template "pagerduty.default.client" . }}')
    details = section.take("details")
    own_details = templates.data(details) if details.fields() else {}
    integration = PagerdutyIntegration(
        routing_key=routing_key,
        service_key=service_key,
        url=Secret(read_url(section.take("url"), defaults.pagerduty_url)),
        send_resolved=section.take("send_resolved").flag(True),
        client=client,
        client_url=text("client_url", '{{ template "pagerduty.default.clientURL" . }}'),
        description=text("description", '{{ template "pagerduty.default.description" .}}'),
        source=text("source") or client,
        severity=text("severity") or "error",
        class_=text("class"),
        component=text("component"),
        group=text("group"),
        details=to_json(_DEFAULT_DETAILS | (own_details if isinstance(own_details, dict) else {})),
        images=tuple([_read_image(item, templates) for item in section.take("images").items()]),
        links=tuple([_read_link(item, templates) for item in section.take("links").items()]),
        timeout=read_duration(section.take("timeout"), timedelta(0), parse_go_duration) or None,
        http=defaults.http_of(section),
    )
    section.close()
    return integration


def _read_key(section: Section, name: str, templates: TemplateReader) -> Secret | None:
    return templates.secret(section.peek(name), read_secret(section, name))


def _read_image(field: Field, templates: TemplateReader) -> PagerdutyImage:
    section = field.section()
    image = PagerdutyImage(*[templates.text(section.take(name)) for name in ("src", "alt", "href")])
    section.close()
    return image


def _read_link(field: Field, templates: TemplateReader) -> PagerdutyLink:
    section = field.section()
    link = PagerdutyLink(*[templates.text(section.take(name)) for name in ("href", "text")])
    section.close()
    return link
