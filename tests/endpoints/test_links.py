"""Acknowledging from the notification: by its link, and by Slack's button."""

from __future__ import annotations

import hmac
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import azure.functions as func
import pytest

from domain.groups import Incident
from tests.builders import MINUTE
from tests.endpoints import test_responding
from tests.endpoints.test_responding import Answered, Tocsin

tocsin = test_responding.tocsin  # the fixture

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


def token_for(tocsin: Tocsin, incident: Incident) -> str:
    return tocsin.home.links.invite(incident.id, "ops")


async def follow(tocsin: Tocsin, method: str, token: str) -> Answered:
    request = func.HttpRequest(
        method=method,
        url=f"http://localhost:7071/respond/{token}",
        headers={"host": "localhost:7071"},
        route_params={"token": token},
        body=b"",
    )
    name = "follow_link" if method == "POST" else "show_link"
    return Answered(await tocsin.functions[name].call(request=request))


async def test_a_link_acknowledges_once_its_button_is_pressed(tocsin: Tocsin) -> None:
    incident = await tocsin.fire(alertname="Disk<b>")
    token = token_for(tocsin, incident)

    page = await follow(tocsin, "GET", token)
    assert page.status == 200
    assert "Disk&lt;b&gt;" in page.text
    assert "<button>Acknowledge</button>" in page.text
    assert (await tocsin.home.groups.get_incident(incident.id)).status == "triggered"  # a mail filter has looked

    pressed = await follow(tocsin, "POST", token)
    assert (pressed.status, pressed.headers["Location"]) == (303, f"./{token}")
    kept = await tocsin.home.groups.get_incident(incident.id)
    assert (kept.status, kept.standing.acknowledged_by) == ("acknowledged", "somebody told by 'ops'")
    page = await follow(tocsin, "GET", token)
    assert "Acknowledged by somebody told by &#x27;ops&#x27;." in page.text
    assert "<button>" not in page.text
    assert (await follow(tocsin, "POST", token)).status == 303  # pressed twice

    entries = await tocsin.home.audit.list_entries()
    assert [(entry.record.actor, entry.record.action) for entry in entries] == [("link:ops", "follow_link")] * 2
    assert token not in repr(entries)


async def test_what_a_link_says_when_it_does_nothing(tocsin: Tocsin) -> None:
    incident = await tocsin.fire()
    token = token_for(tocsin, incident)
    for method in ("GET", "POST"):
        refused = await follow(tocsin, method, token[:-1])
        assert refused.status == 404
        assert "no such link" in refused.text
        assert (await follow(tocsin, method, tocsin.home.links.invite("nowhere-1", "ops"))).status == 404

    await tocsin.end(incident)
    over = await follow(tocsin, "POST", token)
    assert over.status == 409
    assert "it is over" in over.text
    assert "It is resolved." in (await follow(tocsin, "GET", token)).text

    tocsin.clock.advance(timedelta(hours=25))
    for method in ("GET", "POST"):
        expired = await follow(tocsin, method, token)
        assert expired.status == 410
        assert "has expired" in expired.text


# --- Slack ----------------------------------------------------------------------------------------------------------


async def press(tocsin: Tocsin, payload: Any, *, secret: str = SECRET, age: int = 0) -> Answered:
    """As Slack sends it; a payload that is a text is the whole form."""
    form = payload if isinstance(payload, str) else urlencode({"payload": json.dumps(payload)})
    timestamp = str(int(tocsin.clock().timestamp()) - age)
    signed = hmac.digest(secret.encode(), f"v0:{timestamp}:{form}".encode(), "sha256").hex()
    request = func.HttpRequest(
        method="POST",
        url="http://localhost:7071/api/v1/slack/actions",
        headers={
            "host": "localhost:7071",
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": timestamp,
            "x-slack-signature": f"v0={signed}",
        },
        body=form.encode(),
    )
    return Answered(await tocsin.functions["press_slack_button"].call(request=request))


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SLACK_SIGNING_SECRET", SECRET)


def legacy(token: str) -> dict[str, Any]:
    action = {"name": "acknowledge", "type": "button", "value": token}
    return {"type": "interactive_message", "actions": [action], "user": {"id": "U1", "name": "ada"}}


def block(token: str) -> dict[str, Any]:
    action = {"action_id": "acknowledge", "type": "button", "value": token}
    return {"type": "block_actions", "actions": [action], "user": {"id": "U1", "username": "ada"}}


@pytest.mark.parametrize("payload", [legacy, block])
async def test_slacks_button_acknowledges_in_the_name_of_whoever_pressed_it(
    secret: None, tocsin: Tocsin, payload: Any
) -> None:
    incident = await tocsin.fire()
    answer = await press(tocsin, payload(token_for(tocsin, incident)))
    assert answer.status == 200
    assert answer.json()["text"].startswith(f"You have acknowledged “{incident.title}”")
    assert (answer.json()["response_type"], answer.json()["replace_original"]) == ("ephemeral", False)
    kept = await tocsin.home.groups.get_incident(incident.id)
    assert (kept.status, kept.standing.acknowledged_by) == ("acknowledged", "ada in Slack")


async def test_whoever_presses_too_late_is_told_so(secret: None, tocsin: Tocsin) -> None:
    incident = await tocsin.fire()
    token = token_for(tocsin, incident)
    await tocsin.end(incident)
    assert "it is over" in (await press(tocsin, legacy(token))).json()["text"]
    tocsin.clock.advance(timedelta(hours=25))
    assert "has expired" in (await press(tocsin, legacy(token))).json()["text"]


async def test_nobody_but_slack_presses_slacks_button(secret: None, tocsin: Tocsin) -> None:
    incident = await tocsin.fire()
    payload = legacy(token_for(tocsin, incident))
    for answer in (await press(tocsin, payload, secret="another"), await press(tocsin, payload, age=6 * 60)):
        assert answer.status == 401
        assert SECRET not in answer.text
    assert (await tocsin.home.groups.get_incident(incident.id)).status == "triggered"


async def test_without_a_secret_there_is_no_button_in_slack(tocsin: Tocsin) -> None:
    answer = await press(tocsin, legacy("x"))
    assert answer.status == 401
    assert "TOCSIN_SLACK_SIGNING_SECRET" in answer.json()["detail"]


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("", id="nothing"),
        pytest.param("payload=%7B", id="no JSON"),
        pytest.param("payload=[]", id="no object"),
        pytest.param("text=hello", id="another form"),
        pytest.param(urlencode({"payload": json.dumps({"actions": [], "user": {"id": "U1"}})}), id="no action"),
        pytest.param(
            urlencode({"payload": json.dumps({"actions": [{"name": "x", "value": "y"}], "user": {"id": "U1"}})}),
            id="another button",
        ),
        pytest.param(urlencode({"payload": json.dumps(legacy("x") | {"user": None})}), id="nobody"),
    ],
)
async def test_what_slack_never_sends_is_refused(secret: None, tocsin: Tocsin, form: str) -> None:
    answer = await press(tocsin, form)
    assert answer.status == 400
    assert answer.json()["type"] == "/problems/unreadable"


async def test_a_token_that_is_none_of_ours(secret: None, tocsin: Tocsin) -> None:
    tocsin.clock.advance(MINUTE)
    assert "no such link" in (await press(tocsin, legacy("x.y"))).json()["text"]
