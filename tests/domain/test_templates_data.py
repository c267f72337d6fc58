"""The root data: what a template sees of a notification; and the built-in templates."""

# ruff: noqa: E501 - a row of a table is one line, however long its template

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest

from domain.notifications import NotificationReason, ToldAlert
from domain.templates import read_templates, template_data
from domain.templates.defaults import DEFAULTS
from domain.templates.times import ZERO, Time
from domain.templates.values import KV
from tests.builders import HOUR, MINUTE, NOON, alert, notification
from tests.domain.test_templates import render


def test_the_data_are_those_of_the_notification() -> None:
    one = alert(job="api", annotations={"summary": "s", "only": "one"})
    other = replace(alert("resolved", job="api", annotations={"summary": "s"}), generator_url="http://p")
    data = template_data(
        notification(
            one, other, receiver="team.a+b", route_labels={"team": "x"}, reason=NotificationReason.REPEAT, truncated=3
        ),
        "http://am",
    )
    assert data.receiver == r"team\.a\+b"
    assert data.status == "firing"
    assert data.notification_reason == "repeat interval elapsed"
    assert data.group_labels == KV({"alertname": "DiskFull"})
    assert data.common_labels == KV({"alertname": "DiskFull", "job": "api"})
    assert data.common_annotations == KV({"summary": "s"})
    assert data.route_labels == KV({"team": "x"})
    assert data.external_url == "http://am"
    assert data.group_key == '{}:{alertname="DiskFull"}'
    assert data.truncated_alerts == 3
    firing, resolved = data.alerts
    assert (firing.status, firing.starts_at, firing.ends_at) == ("firing", Time.of(NOON), ZERO)
    assert (firing.labels, firing.annotations) == (KV(dict(one.labels)), KV(dict(one.annotations)))
    assert firing.fingerprint == one.fingerprint
    assert (resolved.status, resolved.ends_at, resolved.generator_url) == ("resolved", Time.of(NOON), "http://p")


def test_only_so_many_alerts_are_told_as_the_receiver_wants() -> None:
    many = [alert(instance=str(number)) for number in range(3)]
    data = template_data(notification(*many, truncated=2), "", max_alerts=1)
    assert (len(data.alerts), data.truncated_alerts) == (1, 4)
    assert data.common_labels == KV({"alertname": "DiskFull", "instance": "0"})


def test_the_status_is_that_of_the_alerts_told() -> None:
    resolved, firing = alert("resolved", instance="a"), alert(instance="b")
    assert template_data(notification(resolved, firing), "").status == "firing"
    assert template_data(notification(resolved, firing), "", max_alerts=1).status == "resolved"


@pytest.mark.parametrize(
    ("starts_at", "text", "expected"),
    [
        pytest.param(NOON, "", "2026-11-22 12:00:00 +0000 UTC", id="a plain time"),
        pytest.param(NOON.replace(microsecond=120000), "", "2026-11-22 12:00:00.12 +0000 UTC", id="microseconds"),
        pytest.param(
            NOON.replace(microsecond=123456), "2026-11-22T12:00:00.123456789Z", "2026-11-22 12:00:00.123456789 +0000 UTC", id="nanoseconds"
        ),
        pytest.param(
            NOON.astimezone(timezone(timedelta(hours=-3, minutes=-30))), "", "2026-11-22 08:30:00 -0330 -0330", id="an offset"
        ),
        pytest.param(NOON.astimezone(timezone(timedelta(0))), "", "2026-11-22 12:00:00 +0000 UTC", id="no offset is UTC"),
        pytest.param(datetime(9999, 12, 31, 23, tzinfo=UTC), "", "9999-12-31 23:00:00 +0000 UTC", id="the end of the calendar"),
        pytest.param(datetime(1, 1, 1, 1, tzinfo=UTC), "", "0001-01-01 01:00:00 +0000 UTC", id="its beginning"),
    ],
)  # fmt: skip
def test_times_are_printed_as_they_came(starts_at: datetime, text: str, expected: str) -> None:
    one = replace(alert(), starts_at=starts_at, starts_text=text)
    data = template_data(notification(alerts=(ToldAlert(one, is_firing=True),)), "")
    assert render("{{ (index .Alerts 0).StartsAt }}", data=data) == expected


# ---- The built-in templates -----------------------------------------------------------------------------------------

FIRING = alert(
    job="api",
    instance="a:1",
    severity="critical",
    annotations={
        "summary": "disk <full> & *bad*",
        "description": "93 % of /var\nuse it",
        "runbook_url": "https://r/x",
        "dashboard_url": "javascript:alert(1)",
        "owner": "ops",
    },
)
RESOLVED = replace(alert("resolved", job="api", instance="b:1"), generator_url="http://p/graph?a=b&c")
BOTH = template_data(notification(FIRING, RESOLVED), "http://am")


def default(name: str, dot: str = ".") -> str:
    return render(f'{{{{ template "{name}" {dot} }}}}', data=BOTH)


@pytest.mark.parametrize("name", sorted(read_templates().names))
def test_every_built_in_template_renders(name: str) -> None:
    if name.startswith(("__tocsin_slack_", "__tocsin_markdown_alert", "__tocsin_html")):
        dot = '(dict "Alert" (index .Alerts 0) "Common" .CommonLabels.Names)'
    elif name in ("__tocsin_what", "__tocsin_what_plain", "__tocsin_when"):
        dot = "(index .Alerts 0)"
    elif name == "__tocsin_plain":
        dot = ".Receiver"
    elif name in ("__text_alert_list", "__text_alert_list_markdown", "pagerduty.default.instances"):
        dot = ".Alerts"
    else:
        dot = ".Status" if name == "__tocsin_slack" else "."
    text = default(name, dot)
    assert "<no value>" not in text
    assert "{{" not in text


def test_what_an_alert_says_is_no_link_in_markdown() -> None:
    text = render('{{ template "__tocsin_plain" "[click](http://evil)" }}', data=BOTH)
    assert text == "[click]\u200b(http://evil)"


def test_the_built_in_templates_have_alertmanagers_names() -> None:
    names = read_templates().names
    wanted = [
        "title",
        "username",
        "pretext",
        "text",
        "fallback",
        "titlelink",
        "iconemoji",
        "iconurl",
        "footer",
        "color",
    ]
    assert {f"slack.default.{name}" for name in [*wanted, "callbackid"]} <= names
    assert {f"pagerduty.default.{name}" for name in ("description", "client", "clientURL", "instances")} <= names
    assert {"email.default.subject", "email.default.html", "__alertmanager", "__alertmanagerURL", "__subject"} <= names
    assert {"msteams.default.title", "msteams.default.summary", "msteams.default.text"} <= names
    assert {"msteamsv2.default.title", "msteamsv2.default.text", "__description", "__text_alert_list"} <= names
    others = {
        "opsgenie",
        "discord",
        "telegram",
        "sns",
        "webex",
        "victorops",
        "pushover",
        "wechat",
        "jira",
        "rocketchat",
    }
    assert others | {"mattermost"} <= {name.partition(".")[0] for name in names}


def test_the_built_in_definitions_are_each_defined_once() -> None:
    assert DEFAULTS.count("{{ define ") == len(read_templates().names)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, "[FIRING:1] DiskFull (job=api)", id="name, then what is common"),
        pytest.param({"group_labels": {"alertname": "DiskFull", "job": "api"}}, "[FIRING:1] DiskFull api", id="all is grouped by"),
        pytest.param({"group_labels": {}}, "[FIRING:1] (alertname=DiskFull, job=api)", id="nothing is grouped by"),
        pytest.param({"truncated": 5}, "[FIRING:1+] DiskFull (job=api)", id="more than are told"),
        pytest.param(
            {"alerts": (ToldAlert(RESOLVED, is_firing=False),)}, "[RESOLVED] DiskFull (instance=b:1, job=api)", id="resolved"
        ),
    ],
)  # fmt: skip
def test_the_subject(changes: dict[str, object], expected: str) -> None:
    data = template_data(notification(FIRING, RESOLVED, **changes), "http://am")
    assert render('{{ template "__subject" . }}', data=data) == expected


def test_the_text_for_slack_says_what_where_and_what_to_do() -> None:
    assert default("slack.default.text") == (
        "*disk &lt;full&gt; &amp; *bad** `instance=a:1` `severity=critical`\n"
        "93 % of /var\nuse it\n"
        "_firing for 1h 0m 0s, since 2026-11-22 12:00:00 UTC_ · <https://r/x|Runbook> · <javascript:alert(1)|Dashboard>\n\n"
        "*DiskFull* `instance=b:1`\n"
        "_resolved after 1m 0s, at 2026-11-22 12:00:00 UTC_ · <http://p/graph?a=b&amp;c|Source>\n\n"
    )
    assert default("slack.default.titlelink") == "http://am/#/alerts?receiver=team"


@pytest.mark.parametrize(
    ("severity", "is_firing", "expected"),
    [
        pytest.param("critical", True, "danger", id="critical"),
        pytest.param("warning", True, "warning", id="a warning"),
        pytest.param("info", True, "#439fe0", id="for information"),
        pytest.param("critical", False, "good", id="resolved"),
    ],
)
def test_the_colour_for_slack(severity: str, is_firing: bool, expected: str) -> None:
    data = template_data(notification(alert("firing" if is_firing else "resolved", severity=severity)), "")
    assert render('{{ template "slack.default.color" . }}', data=data) == expected


@pytest.mark.parametrize(
    ("name", "shown", "html"),
    [
        pytest.param("slack.default.text", 10, False, id="Slack"),
        pytest.param("msteamsv2.default.text", 10, False, id="Teams"),
        pytest.param("email.default.html", 100, True, id="e-mail"),
    ],
)
def test_what_is_too_much_is_counted(name: str, shown: int, html: bool) -> None:
    alerts = [alert(instance=f"i{number}-") for number in range(shown + 3)]
    alerts += [alert("resolved", instance=f"r{number}-") for number in range(shown + 2)]
    data = template_data(notification(*alerts, truncated=7), "http://am")
    text = render(f'{{{{ template "{name}" . }}}}', data=data, html=html)
    assert text.count("… and") == 3
    assert "and 3 more firing" in text
    assert "and 2 more resolved" in text
    assert "and 7 more that are not shown" in text
    assert sum(f"i{number}-" in text for number in range(shown + 3)) == shown


def test_a_thousand_alerts_fit_into_the_limits() -> None:
    alerts = [alert(instance=f"host-{n}", at=NOON + n * MINUTE, annotations={"summary": "s" * 80}) for n in range(1000)]
    data = template_data(notification(*alerts), "http://am")
    for name in ("pagerduty.default.instances", "__text_alert_list_markdown"):
        assert render(f'{{{{ template "{name}" .Alerts }}}}', data=data).count("host-") == 1000
    assert render('{{ template "email.default.html" . }}', data=data, html=True)


class _Page(HTMLParser):
    """What a browser would make of a page: tags that are open, links, text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_e_mail_is_a_whole_page_without_anything_to_run() -> None:
    page = _Page()
    page.feed(render('{{ template "email.default.html" . }}', data=BOTH, html=True))
    assert page.open == []
    assert "disk <full> & *bad*" in page.text
    assert "[FIRING:1] DiskFull (job=api)" in page.text
    assert page.links == [
        "http://am/#/alerts?receiver=team",
        "https://r/x",
        "#ZgotmplZ",
        "http://p/graph?a=b&c",
    ]


def test_an_hour_later_it_says_so() -> None:
    template = read_templates().compile('{{ template "__text_alert_list" .Alerts.Firing }}', name="t")
    assert "firing for 1h 0m 0s" in template.render(BOTH, NOON + HOUR)
    assert "firing for 2h 0m 0s" in template.render(BOTH, NOON + 2 * HOUR)
