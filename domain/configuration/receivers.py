"""The part of a configuration's text that says whom to tell: `receivers`, and their defaults under `global`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from domain.configuration import Receiver
from domain.configuration.defaults import ReceiverDefaults, read_receiver_defaults, secret_url_problem
from domain.configuration.email import read_email
from domain.configuration.fields import read_count, read_duration, read_labels
from domain.configuration.http import read_secret
from domain.configuration.integrations import Integration, Secret, WebhookIntegration
from domain.configuration.pagerduty import read_pagerduty
from domain.configuration.slack import read_slack
from domain.configuration.teams import read_old_teams, read_teams
from domain.configuration.templated import Check, TemplateReader, to_json
from domain.durations import parse_go_duration
from domain.quoting import quote
from domain.yaml_document import Field, Section

DEFAULT_RESOLVE_TIMEOUT = timedelta(minutes=5)

# They only configure receivers that are refused themselves.
_GLOBAL_DEFAULTS_OF_OTHERS = (
    "jira_api_url",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
    "opsgenie_api_key",
    "opsgenie_api_key_file",
    "opsgenie_api_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "telegram_api_url",
    "telegram_bot_token",
    "telegram_bot_token_file",
    "victorops_api_key",
    "victorops_api_key_file",
    "victorops_api_url",
    "webex_api_url",
    "wechat_api_corp_id",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_url",
)

_OTHER_KINDS = (
    "discord",
    "incidentio",
    "jira",
    "mattermost",
    "opsgenie",
    "pushover",
    "rocketchat",
    "sns",
    "telegram",
    "victorops",
    "webex",
    "wechat",
)


def read_global(field: Field) -> tuple[timedelta, ReceiverDefaults]:
    """The resolve time-out, and what every receiver starts from."""
    section = field.section()
    resolve_timeout = read_duration(section.take("resolve_timeout"), DEFAULT_RESOLVE_TIMEOUT)
    defaults = read_receiver_defaults(section)
    section.skip(_GLOBAL_DEFAULTS_OF_OTHERS)
    section.close()
    return resolve_timeout, defaults


def read_receivers(
    field: Field,
    defaults: ReceiverDefaults,
    check: Check = lambda text, is_html: None,
    *,
    ignores_unsupported: bool = False,
) -> tuple[Receiver, ...]:
    """All receivers, in the order of the text.

    Args:
        field: What stands under `receivers`.
        defaults: What counts where a receiver says nothing itself.
        check: Says what is wrong with a template.
        ignores_unsupported: Whether kinds of integration that Tocsin does not speak to are left out, and named in
            `Receiver.ignored`; else they are refused.
    """
    reader = _Reader(defaults, TemplateReader(check), ignores_unsupported)
    receivers: dict[str, Receiver] = {}
    for item in field.items():
        section = item.section()
        name = section.take("name")
        receiver = reader.read(name.text(), section)
        if not receiver.name:
            name.refuse("missing name in receiver")
        elif receiver.name in receivers:
            name.refuse(f"the name {quote(receiver.name)} is not unique")
        receivers.setdefault(receiver.name, receiver)
    return tuple(receivers.values())


@dataclass(frozen=True, slots=True)
class _Reader:
    defaults: ReceiverDefaults
    templates: TemplateReader
    ignores_unsupported: bool

    def read(self, name: str, section: Section) -> Receiver:
        labels = read_labels(section.take("labels"))
        integrations: list[Integration] = []
        for key, read in _READERS:
            integrations += [read(item, self.defaults, self.templates) for item in section.take(key).items()]
        ignored = self._read_others(name, section)
        section.close()
        return Receiver(name, tuple(integrations), tuple(sorted(labels.items())), ignored)

    def _read_others(self, name: str, section: Section) -> tuple[str, ...]:
        ignored = []
        for kind in _OTHER_KINDS:
            field = section.take(f"{kind}_configs")
            if field.is_empty:
                continue
            ignored.append(kind)
            if not self.ignores_unsupported:
                field.refuse_key(
                    f"receiver {quote(name)}: {kind} is not supported;"
                    " leave it out, or start Tocsin with --ignore-unsupported-receivers"
                )
        return tuple(ignored)


def _read_webhook(field: Field, defaults: ReceiverDefaults, templates: TemplateReader) -> WebhookIntegration:
    section = field.section()
    url_field = section.peek("url")
    url = templates.secret(url_field, read_secret(section, "url", _webhook_url_problem))
    if url is None:
        field.refuse("one of url and url_file must be set")
    payload = section.take("payload")
    integration = WebhookIntegration(
        url=url or Secret(),
        send_resolved=section.take("send_resolved").flag(True),
        max_alerts=read_count(section.take("max_alerts")),
        timeout=read_duration(section.take("timeout"), timedelta(0), parse_go_duration) or None,
        payload=None if payload.is_absent else to_json(templates.data(payload)),
        http=defaults.http_of(section),
    )
    section.close()
    return integration


def _webhook_url_problem(url: str) -> str | None:
    # What a template makes of its URL is known when it is used.
    return None if "{{" in url else secret_url_problem(url)


# In the order of their places in a receiver, which stored data name: a new kind comes last.
_READERS: tuple[tuple[str, Callable[[Field, ReceiverDefaults, TemplateReader], Integration]], ...] = (
    ("webhook_configs", _read_webhook),
    ("slack_configs", read_slack),
    ("msteamsv2_configs", read_teams),
    ("msteams_configs", read_old_teams),
    ("pagerduty_configs", read_pagerduty),
    ("email_configs", read_email),
)
