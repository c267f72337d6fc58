"""The reader of `slack_configs`.

Source: notify/slack/config.go in prometheus/alertmanager, and what config/config.go fills in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from domain.configuration.defaults import ReceiverDefaults, read_url, secret_url_problem
from domain.configuration.fields import read_duration
from domain.configuration.http import read_secret
from domain.configuration.integrations import (
    HttpConfig,
    Secret,
    SlackAction,
    SlackConfirmation,
    SlackField,
    SlackIntegration,
)
from domain.configuration.templated import TemplateReader
from domain.durations import parse_go_duration
from domain.yaml_document import Field, Section

_DEFAULT_COLOR = '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}'


def read_slack(field: Field, defaults: ReceiverDefaults, templates: TemplateReader) -> SlackIntegration:
    """One entry."""
    section = field.section()
    url, http = _read_address(field, section, defaults)
    are_short = section.take("short_fields").flag(False)

    def text(name: str, default: str = "") -> str:
        return templates.text(section.take(name), default)

    integration = SlackIntegration(
        url=url,
        send_resolved=section.take("send_resolved").flag(False),
        channel=text("channel"),
        username=text("username", '{{ template "slack.default.username" . }}'),
        icon_emoji=text("icon_emoji", '{{ template "slack.default.iconemoji" . }}'),
        icon_url=text("icon_url", '{{ template "slack.default.iconurl" . }}'),
        link_names=section.take("link_names").flag(False),
        message_text=text("message_text"),
        color=text("color", _DEFAULT_COLOR),
        title=text("title", '{{ template "slack.default.title" . }}'),
        title_link=text("title_link", '{{ template "slack.default.titlelink" . }}'),
        pretext=text("pretext", '{{ template "slack.default.pretext" . }}'),
        text=text("text", '{{ template "slack.default.text" . }}'),
        fallback=text("fallback", '{{ template "slack.default.fallback" . }}'),
        callback_id=text("callback_id", '{{ template "slack.default.callbackid" . }}'),
        footer=text("footer", '{{ template "slack.default.footer" . }}'),
        image_url=text("image_url"),
        thumb_url=text("thumb_url"),
        mrkdwn_in=tuple([item.text() for item in section.take("mrkdwn_in").items()]),
        fields=tuple([_read_field(item, templates, are_short) for item in section.take("fields").items()]),
        actions=tuple([_read_action(item, templates) for item in section.take("actions").items()]),
        timeout=read_duration(section.take("timeout"), timedelta(0), parse_go_duration) or None,
        http=http,
    )
    section.not_yet("update_message", "post_updates_to_thread")
    section.close()
    return integration


def _read_address(field: Field, section: Section, defaults: ReceiverDefaults) -> tuple[Secret, HttpConfig]:
    """Where to post, and how: an incoming webhook, or the Web API with the app's token as a bearer's.

    What the entry says itself comes before what is global: a webhook or credentials of its own before the global token.
    """
    has_own_http = not section.peek("http_config").is_absent
    http = defaults.http_of(section)
    url = read_secret(section, "api_url", secret_url_problem)
    token_field = section.peek("app_token")
    token = read_secret(section, "app_token")
    app_url = read_url(section.take("app_url"), defaults.slack_app_url)
    if url and token:
        token_field.refuse("at most one of api_url and app_token may be set")
    if not token and not url and not (has_own_http and http.bearer):
        token = defaults.slack_token
    if token:
        if http.bearer is not None:
            token_field.refuse("with an app_token, http_config cannot have authorization or bearer_token")
        return Secret(app_url), replace(http, bearer_type="Bearer", bearer=token)
    url = url or defaults.slack_url
    if url is None:
        field.refuse("one of api_url, api_url_file, app_token and app_token_file must be set, here or as a global one")
    return url or Secret(), http


def _read_field(field: Field, templates: TemplateReader, are_short: bool) -> SlackField:
    section = field.section()
    read = SlackField(
        title=templates.required(section.take("title"), "missing title in a Slack field"),
        value=templates.required(section.take("value"), "missing value in a Slack field"),
        short=section.take("short").flag(are_short),
    )
    section.close()
    return read


def _read_action(field: Field, templates: TemplateReader) -> SlackAction:
    section = field.section()
    confirm = section.take("confirm")
    action = SlackAction(
        type=templates.required(section.take("type"), "missing type in a Slack action"),
        text=templates.required(section.take("text"), "missing text in a Slack action"),
        url=templates.text(section.take("url")),
        style=templates.text(section.take("style")),
        name=templates.text(section.take("name")),
        value=templates.text(section.take("value")),
        confirm=None if confirm.is_absent else _read_confirmation(confirm, templates),
    )
    section.close()
    if action.url:
        # A link sends no message back, so what is for that does not count.
        return replace(action, name="", value="", confirm=None)
    if not action.name:
        field.refuse("missing name or url in a Slack action")
    return action


def _read_confirmation(field: Field, templates: TemplateReader) -> SlackConfirmation:
    section = field.section()
    confirmation = SlackConfirmation(
        text=templates.required(section.take("text"), "missing text in a Slack confirmation"),
        title=templates.text(section.take("title")),
        ok_text=templates.text(section.take("ok_text")),
        dismiss_text=templates.text(section.take("dismiss_text")),
    )
    section.close()
    return confirmation
