"""What `global` says for the receivers that say nothing themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from domain.configuration.http import read_http_config, read_secret, read_tls_config, url_problem
from domain.configuration.integrations import (
    DEFAULT_PAGERDUTY_URL,
    DEFAULT_SLACK_APP_URL,
    HttpConfig,
    Secret,
    TlsConfig,
)
from domain.configuration.text import HIDDEN
from domain.quoting import quote
from domain.yaml_document import Field, Section

_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[^:]*)")
_PORTS = {"smtp": 25, "smtps": 465, "submission": 587, "submissions": 465}


@dataclass(frozen=True, slots=True)
class SmtpDefaults:
    """What `global.smtp_*` says."""

    sender: str = ""
    hello: str = "localhost"
    smarthost: tuple[str, int] | None = None
    username: str = ""
    password: Secret | None = None
    secret: Secret | None = None
    identity: str = ""
    require_tls: bool = True
    force_implicit_tls: bool | None = None
    tls: TlsConfig = field(default_factory=TlsConfig)


@dataclass(frozen=True, slots=True)
class ReceiverDefaults:
    """What every receiver starts from."""

    http: HttpConfig = field(default_factory=HttpConfig)
    slack_url: Secret | None = None
    slack_token: Secret | None = None
    slack_app_url: str = DEFAULT_SLACK_APP_URL
    pagerduty_url: str = DEFAULT_PAGERDUTY_URL
    smtp: SmtpDefaults = field(default_factory=SmtpDefaults)

    def http_of(self, section: Section) -> HttpConfig:
        """A receiver's own `http_config`, which replaces the global one as a whole."""
        own = section.take("http_config")
        return self.http if own.is_absent else read_http_config(own)


def read_receiver_defaults(section: Section) -> ReceiverDefaults:
    """Take the keys of `global` that are about receivers that Tocsin speaks to."""
    http = read_http_config(section.take("http_config"))
    slack_app_url = read_url(section.take("slack_app_url"), DEFAULT_SLACK_APP_URL)
    slack_url = read_secret(section, "slack_api_url", secret_url_problem)
    token = section.peek("slack_app_token")
    slack_token = read_secret(section, "slack_app_token")
    if slack_token and slack_url and slack_url.value != slack_app_url:
        token.refuse_key("slack_app_token cannot stand beside slack_api_url")
    return ReceiverDefaults(
        http=http,
        slack_url=slack_url,
        slack_token=slack_token,
        slack_app_url=slack_app_url,
        pagerduty_url=read_url(section.take("pagerduty_url"), DEFAULT_PAGERDUTY_URL),
        smtp=SmtpDefaults(
            sender=section.take("smtp_from").text(),
            hello=section.take("smtp_hello").text() or "localhost",
            smarthost=read_smarthost(section.take("smtp_smarthost")),
            username=section.take("smtp_auth_username").text(),
            password=read_secret(section, "smtp_auth_password"),
            secret=read_secret(section, "smtp_auth_secret"),
            identity=section.take("smtp_auth_identity").text(),
            require_tls=section.take("smtp_require_tls").flag(True),
            force_implicit_tls=read_choice(section.take("smtp_force_implicit_tls")),
            tls=read_tls_config(section.take("smtp_tls_config")),
        ),
    )


def read_url(field: Field, default: str) -> str:
    """The address of an API; the default where nothing stands."""
    url = field.text()
    if not url:
        return default
    if problem := secret_url_problem(url):
        field.refuse(problem)
    return url


def secret_url_problem(url: str) -> str | None:
    """What is wrong with a URL that may be a secret, in words that do not repeat it; None for a hidden one."""
    return None if url == HIDDEN else url_problem(url)


def read_smarthost(field: Field) -> tuple[str, int] | None:
    """Host and port of a mail server; None where nothing stands."""
    text = field.text()
    if not text:
        return None
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None:
        field.refuse(f"expected host:port, not {quote(text)}")
        return None
    port = found["port"]
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else _PORTS.get(port, 0)
    if not 0 < number < 65536:
        field.refuse(f"not a port: {quote(port)}")
        return None
    return found["v6"] or found["host"] or "localhost", number


def read_choice(field: Field) -> bool | None:
    """A boolean; None where nothing stands and something else decides."""
    return None if field.is_absent else field.flag(False)
