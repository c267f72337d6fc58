"""Integration: one way in which a receiver is told, with all that it takes to speak there; hashable values.

Texts that are templates stay as they are written; who sends them renders them.  Each kind says of itself:

- `kind`: what it is called in explanations and errors, `slack[1]`;
- `keeps_state`: whether a later message about the same group changes or closes what an earlier one opened there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Literal

DEFAULT_PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
DEFAULT_SLACK_APP_URL = "https://slack.com/api/chat.postMessage"


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that never shows in a log, an error or a document: its `repr` hides it.

    At most one of the three is set.  What a file or a variable holds is read at each use, so a rotated one needs no
    reload, and no stored text holds it.
    """

    value: str | None = None
    """The value itself."""
    file: str | None = None
    """The path of the file that holds it: `<name>_file` in the configuration."""
    variable: str | None = None
    """The environment variable that holds it: `${env:NAME}` in the configuration, and nothing else beside it."""

    def __repr__(self) -> str:
        return "Secret(<hidden>)"


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The `tls_config` block: paths of PEM files, read when a client is made."""

    ca: str | None = None  # inline PEM
    ca_file: str | None = None
    cert: str | None = None  # inline PEM
    cert_file: str | None = None
    key: Secret | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False
    min_version: str | None = None  # TLS10 TLS11 TLS12 TLS13
    max_version: str | None = None


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The `http_config` block, with `global.http_config` already applied where a receiver has none."""

    bearer_type: str = "Bearer"  # authorization.type
    bearer: Secret | None = None  # authorization.credentials(_file), bearer_token(_file)
    username: str | None = None  # basic_auth.username
    username_file: str | None = None
    password: Secret | None = None  # basic_auth.password(_file)
    tls: TlsConfig = TlsConfig()
    follow_redirects: bool = True
    # These two may hold a password or a token as well.
    proxy_url: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # http_headers.<name>.values


@dataclass(frozen=True, slots=True)
class WebhookIntegration:
    """One entry of a receiver's `webhook_configs`."""

    kind: ClassVar[str] = "webhook"
    keeps_state: ClassVar[bool] = True

    url: Secret
    """Often a webhook's only secret; may be a template, wherever it comes from (WH-8)."""
    send_resolved: bool = True
    max_alerts: int = 0
    """At most this many alerts a notification; 0 for no limit of the receiver's own."""
    timeout: timedelta | None = None
    """How long one attempt may take; None for as long as the delivery's deadline allows."""
    payload: str | None = field(default=None, repr=False)
    """What is sent instead of Alertmanager's message, as JSON, every text in it a template."""
    http: HttpConfig = HttpConfig()


@dataclass(frozen=True, slots=True)
class SlackField:
    """A field of a Slack message."""

    title: str
    value: str
    short: bool


@dataclass(frozen=True, slots=True)
class SlackConfirmation:
    """What Slack asks before it does an action."""

    text: str
    title: str = ""
    ok_text: str = ""
    dismiss_text: str = ""


@dataclass(frozen=True, slots=True)
class SlackAction:
    """A button or another action of a Slack message."""

    type: str
    text: str
    url: str = ""
    style: str = ""
    name: str = ""
    value: str = ""
    confirm: SlackConfirmation | None = None


@dataclass(frozen=True, slots=True)
class SlackIntegration:
    """One entry of a receiver's `slack_configs`: an incoming webhook, or the Web API where `http` bears a token."""

    kind: ClassVar[str] = "slack"
    keeps_state: ClassVar[bool] = False

    url: Secret
    """`api_url`; with an app's token, `app_url`, and the token is in `http`."""
    send_resolved: bool = False
    channel: str = ""
    username: str = ""
    icon_emoji: str = ""
    icon_url: str = ""
    link_names: bool = False
    message_text: str = ""
    color: str = ""
    title: str = ""
    title_link: str = ""
    pretext: str = ""
    text: str = ""
    fallback: str = ""
    callback_id: str = ""
    footer: str = ""
    image_url: str = ""
    thumb_url: str = ""
    mrkdwn_in: tuple[str, ...] = ()
    fields: tuple[SlackField, ...] = ()
    actions: tuple[SlackAction, ...] = ()
    timeout: timedelta | None = None
    http: HttpConfig = HttpConfig()


@dataclass(frozen=True, slots=True)
class TeamsIntegration:
    """One entry of a receiver's `msteamsv2_configs` or of the older `msteams_configs`."""

    kind: ClassVar[str] = "teams"
    keeps_state: ClassVar[bool] = False

    url: Secret
    card: Literal["adaptive", "message"] = "adaptive"
    """An adaptive card for a workflow's webhook, or the MessageCard of the connectors that Microsoft has retired."""
    send_resolved: bool = True
    title: str = ""
    summary: str = ""  # of a MessageCard only
    text: str = ""
    timeout: timedelta | None = None
    http: HttpConfig = HttpConfig()


@dataclass(frozen=True, slots=True)
class PagerdutyImage:
    """An image of a PagerDuty event; not sent where `src` comes out empty."""

    src: str
    alt: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class PagerdutyLink:
    """A link of a PagerDuty event; not sent where `href` comes out empty."""

    href: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class PagerdutyIntegration:
    """One entry of a receiver's `pagerduty_configs`: Events v2, or v1 where it has a `service_key`."""

    kind: ClassVar[str] = "pagerduty"
    keeps_state: ClassVar[bool] = True

    routing_key: Secret | None = None
    service_key: Secret | None = None
    """Of the older Events API v1; where it is set it counts, as in Alertmanager."""
    url: Secret = Secret(DEFAULT_PAGERDUTY_URL)
    send_resolved: bool = True
    client: str = ""
    client_url: str = ""
    description: str = ""
    source: str = ""
    severity: str = ""
    class_: str = ""
    component: str = ""
    group: str = ""
    details: str = "{}"
    """A JSON object with the defaults already in it; every text in it is a template."""
    images: tuple[PagerdutyImage, ...] = ()
    links: tuple[PagerdutyLink, ...] = ()
    timeout: timedelta | None = None
    http: HttpConfig = HttpConfig()


@dataclass(frozen=True, slots=True)
class EmailIntegration:
    """One entry of a receiver's `email_configs`, with what `global.smtp_*` says where it says nothing itself."""

    kind: ClassVar[str] = "email"
    keeps_state: ClassVar[bool] = False

    to: str
    sender: str  # from
    host: str
    port: int
    send_resolved: bool = False
    hello: str = "localhost"
    username: str = ""
    password: Secret | None = None  # of PLAIN and LOGIN
    secret: Secret | None = None  # of CRAM-MD5
    identity: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """With `Subject`, `To` and `From` always among them; the names as they are sent, the values templates."""
    html: str = ""
    text: str = ""
    require_tls: bool = True
    """Whether a connection that begins in the clear must go on under TLS (STARTTLS)."""
    implicit_tls: bool = False
    """Whether the connection is under TLS from its first byte, as on port 465."""
    threading: Literal["none", "daily"] | None = None
    """Whether the mails of a group make one thread, or one for each day; None for no threads."""
    tls: TlsConfig = TlsConfig()
    timeout: timedelta | None = None


type Integration = WebhookIntegration | SlackIntegration | TeamsIntegration | PagerdutyIntegration | EmailIntegration
