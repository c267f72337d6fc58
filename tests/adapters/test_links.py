"""The link to acknowledge, as each receiver's message carries it while something fires, and never afterwards."""

import json
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest

from adapters.email import mail
from adapters.http_client import HttpClient
from adapters.links import Links
from adapters.pagerduty import event_v1, event_v2
from adapters.rendering import Page, Renderer
from adapters.slack import CALLBACK, message
from adapters.teams import body
from adapters.webhook import WebhookNotifier
from domain.errors import NotFoundError, UnavailableError
from domain.notifications import Notification
from tests.adapters.receiving import NOON, reads, receiving, says, status_line, told

URL = "https://tocsin.example/x/"
LINKS = Links(URL, lambda: b"k" * 32, lambda: NOON)
INCIDENT = "abc-1"
SLACK = "api_url: https://hooks.slack.com/services/x\nchannel: '#ops'"


def page(notification: Notification, links: Links | None = LINKS, incident: str = INCIDENT) -> Page:
    return Renderer(URL, lambda: NOON, links).page(notification, incident, ())


def firing() -> Notification:
    return told()


def resolved() -> Notification:
    return told(firing=0, resolved=1)


def slack(page: Page) -> Any:
    return message(reads("slack", SLACK), page)["attachments"][0].get("actions", [])


def teams(page: Page) -> Any:
    return json.loads(body(reads("msteamsv2", "webhook_url: https://t.example/x"), page))


def teams_connector(page: Page) -> Any:
    return json.loads(body(reads("msteams", "webhook_url: https://t.example/x"), page))


def pagerduty(page: Page) -> Any:
    return event_v2(reads("pagerduty", "routing_key: abc"), "abc", page)


def pagerduty_v1(page: Page) -> Any:
    return event_v1(reads("pagerduty", "service_key: abc"), "abc", page)


def email(page: Page) -> Any:
    raw = mail(reads("email", "to: a@b.example\nfrom: t@b.example\nsmarthost: m.example:25"), page, NOON)
    html = message_from_bytes(raw, policy=policy.default).get_body(("html",))
    assert html is not None
    return html.get_content().replace("\n", "")


MESSAGES = [slack, teams, teams_connector, pagerduty, pagerduty_v1, email]


@pytest.mark.parametrize("made", MESSAGES)
def test_each_message_carries_the_link_while_something_fires(made: Callable[[Page], Any]) -> None:
    about = page(firing())
    assert about.acknowledge_link.startswith("https://tocsin.example/x/respond/")
    invitation = LINKS.read(about.acknowledge_link.rpartition("/")[2])
    assert (invitation.incident, invitation.receiver) == (INCIDENT, firing().receiver)
    assert about.acknowledge_link in str(made(about))


@pytest.mark.parametrize("made", MESSAGES)
@pytest.mark.parametrize(
    "about",
    [
        pytest.param(page(resolved()), id="resolved"),
        pytest.param(page(firing(), incident=""), id="of no incident"),
        pytest.param(page(firing(), Links(URL, None, lambda: NOON)), id="no secret to sign with"),
    ],
)
def test_there_is_none_where_nothing_can_be_acknowledged(made: Callable[[Page], Any], about: Page) -> None:
    assert "respond" not in str(made(about))
    assert "cknowledge" not in str(made(about))


def test_a_page_goes_out_without_a_link_when_the_secret_cannot_be_read() -> None:
    def fails() -> bytes:
        raise UnavailableError("the file is gone")

    assert page(firing(), Links(URL, fails, lambda: NOON)).acknowledge_link == ""
    with pytest.raises(NotFoundError):
        Links(URL, None, lambda: NOON).read("a.b")


def test_slacks_button_answers_in_slack_where_slack_can_reach_tocsin() -> None:
    about = page(firing())
    sent = message(reads("slack", SLACK), about, is_interactive=True)["attachments"][0]
    assert sent["callback_id"] == CALLBACK
    (button,) = sent["actions"]
    assert button == {
        "type": "button",
        "text": "Acknowledge",
        "style": "primary",
        "name": "acknowledge",
        "value": about.token,
    }
    assert len(about.token) < 2000  # Slack's limit of a value
    own = message(reads("slack", SLACK + "\ncallback_id: mine"), about, is_interactive=True)["attachments"][0]
    assert own["callback_id"] == "mine"


@pytest.mark.parametrize(("is_strict", "added"), [(False, {"incidentURL", "acknowledgeURL"}), (True, set[str]())])
async def test_a_webhooks_payload_has_it_unless_it_must_be_alertmanagers(is_strict: bool, added: set[str]) -> None:
    client = HttpClient("0.1.0", lambda: NOON)
    notifier = WebhookNotifier(client, Renderer(URL, lambda: NOON, LINKS), URL, is_strict=is_strict)
    async with receiving(says(status_line("200 OK"))) as receiver:
        integration = reads("webhook", f"url: {receiver.url}")
        await notifier.notify(integration, firing(), incident=INCIDENT)
        await notifier.notify(integration, resolved(), incident=INCIDENT)
    await client.close()
    first, last = (json.loads(request.body) for request in receiver.requests)
    assert first.keys() & {"incidentURL", "acknowledgeURL"} == added
    assert last.keys() & {"incidentURL", "acknowledgeURL"} == added - {"acknowledgeURL"}
