"""The part of a configuration's text that says whom to tell: `receivers`, and their defaults under `global`."""

from __future__ import annotations

from datetime import timedelta

from domain.configuration import HttpConfig, Receiver, Secret, WebhookIntegration
from domain.configuration.fields import read_count, read_duration, read_labels
from domain.configuration.http import read_http_config, read_secret, url_problem
from domain.configuration.text import HIDDEN
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
    "pagerduty_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "slack_api_url",
    "slack_api_url_file",
    "slack_app_token",
    "slack_app_token_file",
    "slack_app_url",
    "smtp_auth_identity",
    "smtp_auth_password",
    "smtp_auth_password_file",
    "smtp_auth_secret",
    "smtp_auth_secret_file",
    "smtp_auth_username",
    "smtp_force_implicit_tls",
    "smtp_from",
    "smtp_hello",
    "smtp_require_tls",
    "smtp_smarthost",
    "smtp_tls_config",
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
    "discord_configs",
    "email_configs",
    "incidentio_configs",
    "jira_configs",
    "mattermost_configs",
    "msteams_configs",
    "msteamsv2_configs",
    "opsgenie_configs",
    "pagerduty_configs",
    "pushover_configs",
    "rocketchat_configs",
    "slack_configs",
    "sns_configs",
    "telegram_configs",
    "victorops_configs",
    "webex_configs",
    "wechat_configs",
)


def read_global(field: Field) -> tuple[timedelta, HttpConfig]:
    """The resolve time-out, and what every receiver starts from."""
    section = field.section()
    resolve_timeout = read_duration(section.take("resolve_timeout"), DEFAULT_RESOLVE_TIMEOUT)
    http = read_http_config(section.take("http_config"))
    section.skip(_GLOBAL_DEFAULTS_OF_OTHERS)
    section.close()
    return resolve_timeout, http


def read_receivers(field: Field, http: HttpConfig) -> tuple[Receiver, ...]:
    """All receivers, in the order of the text; `http` is for those with no `http_config` of their own."""
    receivers: dict[str, Receiver] = {}
    for item in field.items():
        section = item.section()
        name = section.take("name")
        receiver = _read_receiver(name.text(), section, http)
        if not receiver.name:
            name.refuse("missing name in receiver")
        elif receiver.name in receivers:
            name.refuse(f"the name {quote(receiver.name)} is not unique")
        receivers.setdefault(receiver.name, receiver)
    return tuple(receivers.values())


def _read_receiver(name: str, section: Section, http: HttpConfig) -> Receiver:
    labels = read_labels(section.take("labels"))
    integrations = tuple([_read_webhook(item, http) for item in section.take("webhook_configs").items()])
    section.not_yet(*_OTHER_KINDS, note=f"receiver {quote(name)}: ")
    section.close()
    return Receiver(name, integrations, tuple(sorted(labels.items())))


def _read_webhook(field: Field, http: HttpConfig) -> WebhookIntegration:
    section = field.section()
    url = read_secret(section, "url", _webhook_url_problem)
    if url is None:
        field.refuse("one of url and url_file must be set")
    own_http = section.take("http_config")
    integration = WebhookIntegration(
        url=url or Secret(),
        send_resolved=section.take("send_resolved").flag(True),
        max_alerts=read_count(section.take("max_alerts")),
        timeout=read_duration(section.take("timeout"), timedelta(0), parse_go_duration) or None,
        http=http if own_http.is_absent else read_http_config(own_http),
    )
    section.close()
    return integration


def _webhook_url_problem(url: str) -> str | None:
    if url == HIDDEN:
        return None
    return "a templated URL is not supported yet" if "{{" in url else url_problem(url)
