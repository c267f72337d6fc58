"""The readers of `msteamsv2_configs` and `msteams_configs`.

Source: notify/msteamsv2/config.go and notify/msteams/config.go in prometheus/alertmanager.
"""

from __future__ import annotations

from domain.configuration.defaults import ReceiverDefaults, secret_url_problem
from domain.configuration.http import read_secret
from domain.configuration.integrations import Secret, TeamsIntegration
from domain.configuration.templated import TemplateReader
from domain.yaml_document import Field, Section


def read_teams(field: Field, defaults: ReceiverDefaults, templates: TemplateReader) -> TeamsIntegration:
    """One entry of `msteamsv2_configs`: a workflow's webhook, which takes adaptive cards."""
    section = field.section()
    integration = TeamsIntegration(
        url=_read_url(field, section),
        card="adaptive",
        send_resolved=section.take("send_resolved").flag(True),
        title=templates.text(section.take("title"), '{{ template "msteamsv2.default.title" . }}'),
        text=templates.text(section.take("text"), '{{ template "msteamsv2.default.text" . }}'),
        http=defaults.http_of(section),
    )
    section.close()
    return integration


def read_old_teams(field: Field, defaults: ReceiverDefaults, templates: TemplateReader) -> TeamsIntegration:
    """One entry of `msteams_configs`: a connector, which takes a MessageCard.

    Microsoft has retired its own connectors, but a gateway or a workflow that takes over an old address may take them.
    """
    section = field.section()
    integration = TeamsIntegration(
        url=_read_url(field, section),
        card="message",
        send_resolved=section.take("send_resolved").flag(True),
        title=templates.text(section.take("title"), '{{ template "msteams.default.title" . }}'),
        summary=templates.text(section.take("summary"), '{{ template "msteams.default.summary" . }}'),
        text=templates.text(section.take("text"), '{{ template "msteams.default.text" . }}'),
        http=defaults.http_of(section),
    )
    section.close()
    return integration


def _read_url(field: Field, section: Section) -> Secret:
    url = read_secret(section, "webhook_url", secret_url_problem)
    if url is None:
        field.refuse("one of webhook_url and webhook_url_file must be set")
    return url or Secret()
