"""The reader of `email_configs`.

Source: notify/email/config.go in prometheus/alertmanager, and what config/config.go fills in.
"""

from __future__ import annotations

import re
from typing import Literal

from domain.configuration.defaults import ReceiverDefaults, read_choice, read_smarthost
from domain.configuration.http import read_secret, read_tls_config
from domain.configuration.integrations import EmailIntegration
from domain.configuration.templated import TemplateReader
from domain.quoting import quote
from domain.yaml_document import Field, Section

_IMPLICIT_TLS_PORT = 465

_HEADER_NAME = re.compile(r"[!-9;-~]+")
# The message's own form says them, and a second one would contradict it.
_RESERVED_HEADERS = frozenset({"Content-Transfer-Encoding", "Content-Type", "Mime-Version"})


def read_email(field: Field, defaults: ReceiverDefaults, templates: TemplateReader) -> EmailIntegration:
    """One entry."""
    section = field.section()
    smtp = defaults.smtp
    to = templates.required(section.take("to"), "missing address to send to")
    sender = templates.text(section.take("from")) or smtp.sender
    if not sender:
        field.refuse("from must be set, or smtp_from under global")
    smarthost = read_smarthost(section.peek("smarthost")) or smtp.smarthost
    if smarthost is None and section.peek("smarthost").is_empty:
        field.refuse("smarthost must be set, or smtp_smarthost under global")
    section.take("smarthost")
    host, port = smarthost or ("", 0)
    force_implicit_tls = read_choice(section.take("force_implicit_tls"))
    if force_implicit_tls is None:
        force_implicit_tls = smtp.force_implicit_tls
    own_tls = section.take("tls_config")
    headers_field = section.take("headers")
    headers = _read_headers(headers_field, templates)
    integration = EmailIntegration(
        to=to,
        sender=sender,
        host=host,
        port=port,
        send_resolved=section.take("send_resolved").flag(False),
        hello=section.take("hello").text() or smtp.hello,
        username=section.take("auth_username").text() or smtp.username,
        password=read_secret(section, "auth_password") or smtp.password,
        secret=read_secret(section, "auth_secret") or smtp.secret,
        identity=section.take("auth_identity").text() or smtp.identity,
        headers=tuple(
            ({"From": sender, "To": to, "Subject": '{{ template "email.default.subject" . }}'} | headers).items()
        ),
        html=templates.text(section.take("html"), '{{ template "email.default.html" . }}', is_html=True),
        text=templates.text(section.take("text")),
        require_tls=section.take("require_tls").flag(smtp.require_tls),
        implicit_tls=port == _IMPLICIT_TLS_PORT if force_implicit_tls is None else force_implicit_tls,
        threading=_read_threading(section, headers_field, headers),
        tls=smtp.tls if own_tls.is_absent else read_tls_config(own_tls),
    )
    section.close()
    return integration


def _read_headers(field: Field, templates: TemplateReader) -> dict[str, str]:
    """The headers by their names as Go writes them: `message-id` is `Message-Id`."""
    headers: dict[str, str] = {}
    for given, value in field.fields():
        name = "-".join(part.capitalize() for part in given.split("-"))
        if not _HEADER_NAME.fullmatch(given):
            value.refuse_key("not a valid name for a header")
        elif name in _RESERVED_HEADERS:
            value.refuse_key("this header cannot be set here")
        elif name in headers:
            value.refuse_key(f"duplicate header {quote(name)}")
        headers[name] = templates.text(value)
    return headers


def _read_threading(section: Section, headers_field: Field, headers: dict[str, str]) -> Literal["none", "daily"] | None:
    inner = section.take("threading").section()
    is_enabled = inner.take("enabled").flag(False)
    by_date = inner.take("thread_by_date")
    inner.close()
    if not is_enabled:
        return None
    for name in ("References", "In-Reply-To"):
        if name in headers:
            headers_field.refuse(f"threading.enabled sets {name} itself")
    match by_date.text():
        case "none" | "daily" as choice:
            return choice
        case _:
            by_date.refuse("expected none or daily")
            return None
