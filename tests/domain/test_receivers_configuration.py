"""Each kind of integration, as an alertmanager.yml spells it: keys, defaults, what `global` fills in, complaints."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from textwrap import dedent, indent

import pytest

from domain.configuration import (
    EmailIntegration,
    HttpConfig,
    Integration,
    PagerdutyImage,
    PagerdutyIntegration,
    PagerdutyLink,
    Secret,
    SlackAction,
    SlackConfirmation,
    SlackField,
    SlackIntegration,
    TeamsIntegration,
    TlsConfig,
    WebhookIntegration,
)
from domain.configuration.file import read_configuration
from domain.configuration.text import hide_secrets
from tests.domain.configuring import complaints, read

ROUTE = "route: {receiver: a}\n"


def configuration(kind: str, lines: str, global_lines: str = "") -> str:
    """A configuration with one integration, its first line in line 5 if there are no global ones."""
    entry = indent(dedent(lines), "    ").strip()
    text = f"{ROUTE}receivers:\n- name: a\n  {kind}_configs:\n  - {entry}\n"
    return text + (f"global:\n{indent(dedent(global_lines), '  ')}\n" if global_lines else "")


def integration(kind: str, lines: str, global_lines: str = "") -> Integration:
    (found,) = read(configuration(kind, lines, global_lines)).receivers[0].integrations
    return found


def slack(lines: str, global_lines: str = "") -> SlackIntegration:
    found = integration("slack", lines, global_lines)
    assert isinstance(found, SlackIntegration)
    return found


def pagerduty(lines: str, global_lines: str = "") -> PagerdutyIntegration:
    found = integration("pagerduty", lines, global_lines)
    assert isinstance(found, PagerdutyIntegration)
    return found


def email(lines: str, global_lines: str = "") -> EmailIntegration:
    found = integration("email", lines, global_lines)
    assert isinstance(found, EmailIntegration)
    return found


# ---- What they have in common ----------------------------------------------------------------------------------------

SMALLEST = {
    "webhook": "url: http://x",
    "slack": "api_url: http://x",
    "msteamsv2": "webhook_url: http://x",
    "msteams": "webhook_url: http://x",
    "pagerduty": "routing_key: x",
    "email": "{to: me@x, from: you@x, smarthost: 'x:25'}",
}


@pytest.mark.parametrize(
    ("kind", "is_sent", "keeps_state"),
    [
        ("webhook", True, True),
        ("slack", False, False),
        ("msteamsv2", True, False),
        ("msteams", True, False),
        ("pagerduty", True, True),
        ("email", False, False),
    ],
)
def test_what_each_kind_does_with_what_is_resolved(kind: str, is_sent: bool, keeps_state: bool) -> None:
    found = integration(kind, SMALLEST[kind])
    assert (found.send_resolved, found.keeps_state) == (is_sent, keeps_state)
    lines = SMALLEST[kind]
    other = "false" if is_sent else "true"
    assert integration(kind, with_key(lines, f"send_resolved: {other}")).send_resolved is not is_sent


def with_key(lines: str, key: str) -> str:
    return f"{lines[:-1]}, {key}}}" if lines.startswith("{") else f"{lines}\n{key}"


def test_the_kinds_stand_in_the_order_of_their_places_whatever_that_of_the_text() -> None:
    text = ROUTE + "receivers:\n- name: a\n"
    for kind, lines in reversed(SMALLEST.items()):
        text += f"  {kind}_configs:\n  - {lines}\n"
    receiver = read(text).receivers[0]
    assert receiver.integration_names == ["webhook[0]", "slack[1]", "teams[2]", "teams[3]", "pagerduty[4]", "email[5]"]
    assert len(set(receiver.integrations)) == 6  # hashable


@pytest.mark.parametrize("kind", [kind for kind in SMALLEST if kind != "email"])
def test_the_http_config_is_the_own_one_or_the_global_one(kind: str) -> None:
    global_lines = "http_config: {follow_redirects: false}"
    found = integration(kind, SMALLEST[kind], global_lines)
    assert not isinstance(found, EmailIntegration)
    assert found.http == HttpConfig(follow_redirects=False)
    own = integration(kind, f"{SMALLEST[kind]}\nhttp_config: {{proxy_url: http://p}}", global_lines)
    assert not isinstance(own, EmailIntegration)
    assert own.http == HttpConfig(proxy_url="http://p")


@pytest.mark.parametrize("kind", SMALLEST)
def test_an_unknown_key_is_refused(kind: str) -> None:
    (found,) = complaints(configuration(kind, with_key(SMALLEST[kind], "nonsense: 1")))
    assert found.endswith(f" receivers[0].{kind}_configs[0].nonsense: unknown key")


# ---- Secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param("routing_key: abc", Secret("abc"), id="inline"),
        pytest.param("routing_key_file: /run/key", Secret(file="/run/key"), id="a file"),
        pytest.param("routing_key: ${env:PD_KEY}", Secret(variable="PD_KEY"), id="a variable"),
        pytest.param("routing_key: x${env:PD_KEY}", Secret("x${env:PD_KEY}"), id="not alone, so nothing special"),
        pytest.param("routing_key: ${PD_KEY}", Secret("${PD_KEY}"), id="another form, so nothing special"),
    ],
)
def test_where_a_secret_comes_from(lines: str, expected: Secret) -> None:
    assert pagerduty(lines).routing_key == expected


@pytest.mark.parametrize(
    ("kind", "name"),
    [("slack", "api_url"), ("msteamsv2", "webhook_url"), ("webhook", "url"), ("msteams", "webhook_url")],
)
def test_an_address_may_come_from_a_variable(kind: str, name: str) -> None:
    found = integration(kind, f"{name}: '${{env:ADDRESS}}'")
    assert not isinstance(found, EmailIntegration)
    assert found.url == Secret(variable="ADDRESS")


def test_what_is_no_name_of_a_variable_is_refused() -> None:
    text = configuration("pagerduty", "routing_key: '${env:my key}'")
    assert complaints(text) == [
        "5: receivers[0].pagerduty_configs[0].routing_key:"
        " what stands in ${env:NAME} must be the name of an environment variable"
    ]


WITH_SECRETS = f"""\
{ROUTE}global:
  slack_api_url: https://hunter2
  smtp_auth_password: hunter2
  smtp_auth_secret: hunter2
receivers:
- name: a
  slack_configs:
  - api_url: https://hunter2
    actions: [{{type: button, text: x, url: 'https://shown'}}]
  - app_token: hunter2
  msteamsv2_configs: [{{webhook_url: 'https://hunter2'}}]
  msteams_configs: [{{webhook_url: 'https://hunter2'}}]
  pagerduty_configs:
  - routing_key: hunter2
    service_key: hunter2
    links: [{{href: 'https://shown'}}]
  email_configs:
  - {{to: shown@x, from: you@x, smarthost: 'x:25', auth_username: shown, auth_password: hunter2, auth_secret: hunter2}}
"""


def test_no_secret_shows() -> None:
    found = read(WITH_SECRETS)
    assert "hunter2" not in repr(found)
    shown = hide_secrets(WITH_SECRETS)
    assert "hunter2" not in shown
    assert shown.count("shown") == WITH_SECRETS.count("shown")
    # It can be read back, which amtool does.
    assert [type(one) for one in read(shown).receivers[0].integrations] == [
        type(one) for one in found.receivers[0].integrations
    ]


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("discord", "webhook_url: https://hunter2"),
        ("incidentio", "alert_source_token: hunter2"),
        ("opsgenie", "api_key: hunter2"),
        ("pushover", "{user_key: hunter2, token: hunter2}"),
        ("rocketchat", "{token: hunter2, token_id: hunter2}"),
        ("sns", "sigv4: {access_key: hunter2, secret_key: hunter2}"),
        ("telegram", "bot_token: hunter2"),
        ("victorops", "api_key: hunter2"),
        ("wechat", "api_secret: hunter2"),
    ],
)
def test_what_is_left_out_shows_no_secret_either(kind: str, lines: str) -> None:
    assert "hunter2" not in hide_secrets(configuration(kind, lines))


# ---- Other kinds -----------------------------------------------------------------------------------------------------

OTHERS = [
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
]


@pytest.mark.parametrize("kind", OTHERS)
def test_every_other_kind_is_refused_by_name_or_left_out(kind: str) -> None:
    text = f"{ROUTE}receivers: [{{name: a, {kind}_configs: [{{x: y}}], webhook_configs: [{{url: 'http://x'}}]}}]"
    assert complaints(text) == [
        f'2: receivers[0].{kind}_configs: receiver "a": {kind} is not supported;'
        " leave it out, or start Tocsin with --ignore-unsupported-receivers"
    ]
    receiver = read_configuration(text, ignore_unsupported_receivers=True).receiver("a")
    assert receiver.integrations == (WebhookIntegration(Secret("http://x")),)
    assert receiver.ignored == (kind,)
    assert read(text.replace("[{x: y}]", "[]")).receiver("a").ignored == ()


# ---- Templates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lines", "place", "message"),
    [
        ("slack", "api_url: http://x\ntitle: '{{ .Nope }}'", "6: slack.title", "no field Nope"),
        ("slack", "api_url: http://x\ncolor: '{{ if }}'", "6: slack.color", ""),
        (
            "slack",
            "api_url: http://x\nfields:\n- {title: x, value: '{{ nope }}'}",
            "7: slack.fields[0].value",
            "nope",
        ),
        ("pagerduty", "routing_key: x\ndetails:\n  a: ['{{ nope }}']", "7: pagerduty.details.a[0]", "nope"),
        ("pagerduty", "routing_key: '{{ nope }}'", "5: pagerduty.routing_key", "nope"),
        ("webhook", "url: http://x\npayload: {a: {b: '{{ nope }}'}}", "6: webhook.payload.a.b", "nope"),
        ("msteamsv2", "webhook_url: http://x\ntext: '{{ template \"nope\" . }}'", "6: msteamsv2.text", "nope"),
        (
            "email",
            "to: me@x\nfrom: you@x\nsmarthost: x:25\nheaders: {X-A: '{{ nope }}'}",
            "8: email.headers.X-A",
            "nope",
        ),
        ("email", "to: me@x\nfrom: you@x\nsmarthost: x:25\nhtml: '<p {{ .Status }}>'", "8: email.html", ""),
        ("email", "to: '{{ nope }}'\nfrom: you@x\nsmarthost: x:25", "5: email.to", "nope"),
    ],
)
def test_a_template_that_must_fail_is_a_problem_at_its_place(kind: str, lines: str, place: str, message: str) -> None:
    (found,) = complaints(configuration(kind, lines))
    line, _, key = place.partition(": ")
    assert found.startswith(f"{line}: receivers[0].{key.replace(kind, f'{kind}_configs[0]', 1)}: ")
    assert message in found


# ---- Webhook ---------------------------------------------------------------------------------------------------------


def test_a_webhook_s_url_may_be_a_template() -> None:
    url = "http://x/{{ .GroupLabels.team }}"
    assert integration("webhook", f"url: '{url}'") == WebhookIntegration(Secret(url))


def test_a_payload_is_kept_with_its_types() -> None:
    lines = """\
        url: http://x
        payload:
          text: '{{ .Status }}'
          count: 5
          ratio: 0.5
          is_x: yes
          none: null
          quoted: '5'
          list: [a, {b: c}]
        """
    found = integration("webhook", lines)
    assert isinstance(found, WebhookIntegration)
    assert json.loads(found.payload or "") == {
        "text": "{{ .Status }}",
        "count": 5,
        "ratio": 0.5,
        "is_x": True,
        "none": None,
        "quoted": "5",
        "list": ["a", {"b": "c"}],
    }


# ---- Slack -----------------------------------------------------------------------------------------------------------


def test_a_small_slack() -> None:
    found = slack("api_url: https://x/y\nchannel: '#ops'")
    assert found == SlackIntegration(
        url=Secret("https://x/y"),
        channel="#ops",
        username='{{ template "slack.default.username" . }}',
        color='{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}',
        title='{{ template "slack.default.title" . }}',
        title_link='{{ template "slack.default.titlelink" . }}',
        icon_emoji='{{ template "slack.default.iconemoji" . }}',
        icon_url='{{ template "slack.default.iconurl" . }}',
        pretext='{{ template "slack.default.pretext" . }}',
        text='{{ template "slack.default.text" . }}',
        fallback='{{ template "slack.default.fallback" . }}',
        callback_id='{{ template "slack.default.callbackid" . }}',
        footer='{{ template "slack.default.footer" . }}',
    )


def test_a_slack_with_everything() -> None:
    lines = """\
        api_url: https://x/y
        channel: a
        username: b
        color: c
        title: ''
        title_link: e
        pretext: f
        text: g
        message_text: h
        short_fields: true
        fields: [{title: i, value: j}, {title: k, value: l, short: false}]
        footer: m
        fallback: n
        callback_id: o
        icon_emoji: p
        icon_url: q
        image_url: r
        thumb_url: s
        link_names: true
        mrkdwn_in: [text]
        actions:
        - {type: button, text: t, url: u, name: gone, value: gone, confirm: {text: gone}}
        - {type: button, text: v, name: w, value: x, style: danger,
           confirm: {text: y, title: z, ok_text: 1, dismiss_text: 2}}
        timeout: 5s
        update_message: false
        send_resolved: true
        """
    assert slack(lines) == SlackIntegration(
        url=Secret("https://x/y"),
        send_resolved=True,
        channel="a",
        username="b",
        color="c",
        title="",
        title_link="e",
        pretext="f",
        text="g",
        message_text="h",
        fields=(SlackField("i", "j", True), SlackField("k", "l", False)),
        footer="m",
        fallback="n",
        callback_id="o",
        icon_emoji="p",
        icon_url="q",
        image_url="r",
        thumb_url="s",
        link_names=True,
        mrkdwn_in=("text",),
        actions=(
            SlackAction("button", "t", url="u"),
            SlackAction(
                "button", "v", style="danger", name="w", value="x", confirm=SlackConfirmation("y", "z", "1", "2")
            ),
        ),
        timeout=timedelta(seconds=5),
    )


BEARER = HttpConfig(bearer=Secret("xoxb"))
API = Secret("https://slack.com/api/chat.postMessage")


@pytest.mark.parametrize(
    ("lines", "global_lines", "url", "http"),
    [
        pytest.param(
            "channel: x", "slack_api_url: http://g", Secret("http://g"), HttpConfig(), id="the global webhook"
        ),
        pytest.param("channel: x", "slack_api_url_file: g", Secret(file="g"), HttpConfig(), id="in a file"),
        pytest.param("api_url: http://o", "slack_api_url: http://g", Secret("http://o"), HttpConfig(), id="its own"),
        pytest.param("app_token: xoxb", "", API, BEARER, id="its own token"),
        pytest.param("channel: x", "slack_app_token: xoxb", API, BEARER, id="the global token"),
        pytest.param("app_url: http://p", "slack_app_token: xoxb", Secret("http://p"), BEARER, id="its own address"),
        pytest.param(
            "channel: x", "{slack_app_token: xoxb, slack_app_url: 'http://p'}", Secret("http://p"), BEARER, id="global"
        ),
        pytest.param(
            "api_url: http://o", "slack_app_token: xoxb", Secret("http://o"), HttpConfig(), id="its own webhook"
        ),
        pytest.param("api_url_file: o", "slack_app_token: xoxb", Secret(file="o"), HttpConfig(), id="also in a file"),
        pytest.param(
            "http_config: {authorization: {credentials: mine}}",
            "{slack_app_token: xoxb, slack_app_url: 'http://p', slack_api_url: 'http://p'}",
            Secret("http://p"),
            HttpConfig(bearer=Secret("mine")),
            id="the way it was done before there were tokens",
        ),
    ],
)
def test_where_slack_is_told(lines: str, global_lines: str, url: Secret, http: HttpConfig) -> None:
    found = slack(lines, global_lines)
    assert (found.url, found.http) == (url, http)


@pytest.mark.parametrize(
    ("lines", "global_lines", "expected"),
    [
        pytest.param(
            "channel: x",
            "",
            "5: slack: one of api_url, api_url_file, app_token and app_token_file must be set, here or as a global one",
            id="no address",
        ),
        pytest.param(
            "api_url: http://x\nfields: [{title: x}]",
            "",
            "6: slack.fields[0].value: missing value in a Slack field",
            id="f",
        ),
        pytest.param(
            "api_url: http://x\nactions: [{text: x, name: y}]",
            "",
            "6: slack.actions[0].type: missing type in a Slack action",
            id="an action without a type",
        ),
        pytest.param(
            "api_url: http://x\nactions: [{text: x, type: y}]",
            "",
            "6: slack.actions[0]: missing name or url in a Slack action",
            id="an action that does nothing",
        ),
        pytest.param(
            "api_url: http://x\napp_token: y",
            "",
            "6: slack.app_token: at most one of api_url and app_token may be set",
            id="2",
        ),
        pytest.param(
            "app_token: y\nhttp_config: {bearer_token: z}",
            "",
            "5: slack.app_token: with an app_token, http_config cannot have authorization or bearer_token",
            id="two tokens",
        ),
        pytest.param(
            "api_url: ftp://x", "", "5: slack.api_url: unsupported scheme 'ftp' for a URL", id="no address of HTTP"
        ),
        pytest.param(
            "api_url: http://x\nupdate_message: true", "", "6: slack.update_message: not supported yet", id="updates"
        ),
        pytest.param(
            "channel: x",
            "slack_app_token: x\nslack_api_url: http://y",
            "7: global.slack_app_token: slack_app_token cannot stand beside slack_api_url",
            id="two global ways",
        ),
    ],
)
def test_what_is_wrong_with_a_slack(lines: str, global_lines: str, expected: str) -> None:
    found = complaints(configuration("slack", lines, global_lines))
    assert found == [re.sub(r"^(\d+: )slack", r"\1receivers[0].slack_configs[0]", expected)]


# ---- Teams -----------------------------------------------------------------------------------------------------------


def test_teams() -> None:
    assert integration("msteamsv2", "webhook_url: https://x") == TeamsIntegration(
        url=Secret("https://x"),
        title='{{ template "msteamsv2.default.title" . }}',
        text='{{ template "msteamsv2.default.text" . }}',
    )
    assert integration("msteams", "webhook_url_file: x\nsummary: a\ntitle: b\ntext: c") == TeamsIntegration(
        url=Secret(file="x"), card="message", title="b", summary="a", text="c"
    )


@pytest.mark.parametrize("kind", ["msteamsv2", "msteams"])
def test_teams_without_an_address(kind: str) -> None:
    assert complaints(configuration(kind, "title: x")) == [
        f"5: receivers[0].{kind}_configs[0]: one of webhook_url and webhook_url_file must be set"
    ]


# ---- PagerDuty -------------------------------------------------------------------------------------------------------


def test_a_small_pagerduty() -> None:
    found = pagerduty("routing_key: x")
    assert found == PagerdutyIntegration(
        routing_key=Secret("x"),
        client='{{ template "pagerduty.default.client" . }}',
        client_url='{{ template "pagerduty.default.clientURL" . }}',
        description='{{ template "pagerduty.default.description" .}}',
        source='{{ template "pagerduty.default.client" . }}',
        severity="error",
        details=found.details,
    )
    assert json.loads(found.details) == {
        "firing": "{{ .Alerts.Firing | toJson }}",
        "resolved": "{{ .Alerts.Resolved | toJson }}",
        "num_firing": "{{ .Alerts.Firing | len }}",
        "num_resolved": "{{ .Alerts.Resolved | len }}",
    }


def test_a_pagerduty_with_everything() -> None:
    lines = """\
        service_key_file: k
        url: http://own
        client: a
        client_url: b
        description: c
        source: d
        severity: e
        class: f
        component: g
        group: h
        details: {firing: i, own: {j: 1}}
        images: [{src: k, alt: l, href: m}]
        links: [{href: n, text: o}]
        timeout: 1s
        """
    found = pagerduty(lines, "pagerduty_url: http://global")
    assert found == PagerdutyIntegration(
        service_key=Secret(file="k"),
        url=Secret("http://own"),
        client="a",
        client_url="b",
        description="c",
        source="d",
        severity="e",
        class_="f",
        component="g",
        group="h",
        details=found.details,
        images=(PagerdutyImage("k", "l", "m"),),
        links=(PagerdutyLink("n", "o"),),
        timeout=timedelta(seconds=1),
    )
    details = json.loads(found.details)
    assert (details["firing"], details["own"], len(details)) == ("i", {"j": 1}, 5)
    assert pagerduty("routing_key: x", "pagerduty_url: http://global").url == Secret("http://global")


def test_a_pagerduty_without_a_key() -> None:
    assert complaints(configuration("pagerduty", "client: x")) == [
        "5: receivers[0].pagerduty_configs[0]:"
        " one of routing_key, routing_key_file, service_key and service_key_file must be set"
    ]


# ---- E-mail ----------------------------------------------------------------------------------------------------------

SUBJECT = ("Subject", '{{ template "email.default.subject" . }}')
HTML = '{{ template "email.default.html" . }}'


def test_a_small_email() -> None:
    found = email("to: me@x\nfrom: you@x\nsmarthost: mail.x:587")
    assert found == EmailIntegration(
        to="me@x",
        sender="you@x",
        host="mail.x",
        port=587,
        headers=(("From", "you@x"), ("To", "me@x"), SUBJECT),
        html=HTML,
    )
    assert found.require_tls
    assert not found.implicit_tls


GLOBAL_SMTP = """\
    smtp_from: you@x
    smtp_hello: here
    smtp_smarthost: '[::1]:465'
    smtp_auth_username: bob
    smtp_auth_password: p
    smtp_auth_secret_file: s
    smtp_auth_identity: i
    smtp_require_tls: false
    smtp_tls_config: {insecure_skip_verify: true}
    """


def test_an_email_starts_from_what_is_global() -> None:
    assert email("to: me@x", GLOBAL_SMTP) == EmailIntegration(
        to="me@x",
        sender="you@x",
        host="::1",
        port=465,
        hello="here",
        username="bob",
        password=Secret("p"),
        secret=Secret(file="s"),
        identity="i",
        headers=(("From", "you@x"), ("To", "me@x"), SUBJECT),
        html=HTML,
        require_tls=False,
        implicit_tls=True,
        tls=TlsConfig(insecure_skip_verify=True),
    )


def test_an_email_with_everything() -> None:
    lines = """\
        to: me@x, they@x
        from: we@x
        hello: there
        smarthost: y:25
        auth_username: alice
        auth_password_file: q
        auth_secret: t
        auth_identity: j
        headers: {subject: a, x-priority: 1, reply-to: b@x}
        html: ''
        text: c
        require_tls: true
        force_implicit_tls: true
        tls_config: {server_name: z}
        threading: {enabled: true, thread_by_date: daily}
        """
    assert email(lines, GLOBAL_SMTP) == EmailIntegration(
        to="me@x, they@x",
        sender="we@x",
        host="y",
        port=25,
        hello="there",
        username="alice",
        password=Secret(file="q"),
        secret=Secret("t"),
        identity="j",
        headers=(("From", "we@x"), ("To", "me@x, they@x"), ("Subject", "a"), ("X-Priority", "1"), ("Reply-To", "b@x")),
        html="",
        text="c",
        require_tls=True,
        implicit_tls=True,
        threading="daily",
        tls=TlsConfig(server_name="z"),
    )


@pytest.mark.parametrize(
    ("lines", "global_lines", "expected"),
    [
        ("smarthost: x:465", "", True),
        ("smarthost: x:587", "", False),
        ("smarthost: x:465\nforce_implicit_tls: false", "", False),
        ("smarthost: x:587", "smtp_force_implicit_tls: true", True),
        ("smarthost: x:587\nforce_implicit_tls: false", "smtp_force_implicit_tls: true", False),
        ("smarthost: x:smtps", "", True),
    ],
)
def test_whether_tls_is_implicit(lines: str, global_lines: str, expected: bool) -> None:
    assert email(f"to: me@x\nfrom: you@x\n{lines}", global_lines).implicit_tls is expected


WHOLE = "to: me@x\nfrom: you@x\nsmarthost: x:25\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("from: you@x\nsmarthost: x:25", "5: email.to: missing address to send to"),
        ("to: me@x\nsmarthost: x:25", "5: email: from must be set, or smtp_from under global"),
        ("to: me@x\nfrom: you@x", "5: email: smarthost must be set, or smtp_smarthost under global"),
        ("to: me@x\nfrom: you@x\nsmarthost: x", '7: email.smarthost: expected host:port, not "x"'),
        ("to: me@x\nfrom: you@x\nsmarthost: 'x:'", '7: email.smarthost: not a port: ""'),
        ("to: me@x\nfrom: you@x\nsmarthost: 'x:70000'", '7: email.smarthost: not a port: "70000"'),
        (WHOLE + "headers: {subject: a, Subject: b}", '8: email.headers.Subject: duplicate header "Subject"'),
        (WHOLE + "headers: {'a b': c}", '8: email.headers."a b": not a valid name for a header'),
        (WHOLE + "headers: {content-type: c}", "8: email.headers.content-type: this header cannot be set here"),
        (WHOLE + "threading: {enabled: true}", "8: email.threading.thread_by_date: expected none or daily"),
        (
            WHOLE + "headers: {references: x}\nthreading: {enabled: true, thread_by_date: none}",
            "8: email.headers: threading.enabled sets References itself",
        ),
    ],
)
def test_what_is_wrong_with_an_email(lines: str, expected: str) -> None:
    found = complaints(configuration("email", lines))
    assert found == [expected.replace(": email", ": receivers[0].email_configs[0]", 1)]
