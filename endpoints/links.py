"""Links: acknowledging from the notification itself, by its signed link or by Slack's button."""

from __future__ import annotations

import json
import uuid
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

import azure.functions as func

from adapters.wiring import ports
from domain.errors import NotFoundError, RejectedError, UnauthenticatedError, UnreadableError
from domain.principals import Principal, Scope
from endpoints.authentication import acting
from endpoints.pipeline import endpoint
from endpoints.responding import FORM, respond
from endpoints.shapes import Shape, show

if TYPE_CHECKING:
    from domain.groups import Incident
    from domain.links import Invitation

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

LONGEST_NAME = 100


@endpoint(
    blueprint, "GET", "respond/{token}", scope=None, answers={200: "text/html", 404: "text/html", 410: "text/html"}
)
async def show_link(request: func.HttpRequest) -> func.HttpResponse:
    """The page that a notification's link opens: what it is about, and a button.

    Opening it does nothing: mail filters and chat programs open links too.
    """
    try:
        invitation = ports().links.read(request.route_params["token"])
        incident = await ports().groups.get_incident(invitation.incident)
    except RejectedError as error:
        return _refused(error)
    return _shown(incident)


@endpoint(
    blueprint,
    "POST",
    "respond/{token}",
    scope=None,
    answers={303: None, 404: "text/html", 409: "text/html", 410: "text/html"},
)
async def follow_link(request: func.HttpRequest) -> func.HttpResponse:
    """Acknowledge the incident that the link names; whoever has the link may.  Leads back to its page."""
    token = request.route_params["token"]
    try:
        invitation = ports().links.read(token)
        await _acknowledge(invitation, f"somebody told by {invitation.receiver!r}")
    except RejectedError as error:
        return _refused(error)
    return func.HttpResponse(status_code=303, headers={"Location": f"./{token}"})


class SlackReply(Shape):
    """What Slack shows to whoever pressed the button, and to nobody else."""

    response_type: str = "ephemeral"
    replace_original: bool = False
    text: str


@endpoint(blueprint, "POST", "api/v1/slack/actions", scope=None, body=FORM, answers={200: SlackReply}, problems=(401,))
async def press_slack_button(request: func.HttpRequest) -> func.HttpResponse:
    """Acknowledge from Slack: the request URL of an app's interactive messages, each signed by Slack."""
    from domain.signatures.digests import check_slack

    secret = ports().settings.slack_signing_secret
    if not secret:
        raise UnauthenticatedError("there is no TOCSIN_SLACK_SIGNING_SECRET to know Slack by")
    headers, body = request.headers, request.get_body()
    timestamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
    check_slack(body, timestamp, signature, secret, ports().clock())
    token, who = _read_press(body)
    try:
        incident = await _acknowledge(ports().links.read(token), f"{who} in Slack")
    except RejectedError as error:
        # Slack shows the person nothing of an answer that is no 200.
        return show(SlackReply(text=f"Not acknowledged: {error}"))
    return show(SlackReply(text=f"You have acknowledged “{incident.title}”. What has been told is not repeated."))


async def _acknowledge(invitation: Invitation, actor: str) -> Incident:
    acting.set(Principal(f"link:{invitation.receiver}", actor, frozenset({Scope.RESPOND})))
    return await respond(invitation.incident, "acknowledge", id=uuid.uuid4().hex, reason="by its link", actor=actor)


def _read_press(body: bytes) -> tuple[str, str]:
    """The token that the pressed button carries, and who pressed it.

    Source: https://docs.slack.dev/legacy/legacy-messaging/legacy-making-messages-interactive (`interactive_message`)
    and https://docs.slack.dev/reference/interaction-payloads/block_actions-payload.
    """
    from domain.links import ACKNOWLEDGE

    try:
        (payload,) = parse_qs(body.decode(), strict_parsing=True)["payload"]
        said: Any = json.loads(payload)
        pressed = [action for action in said["actions"] if ACKNOWLEDGE in (action.get("name"), action.get("action_id"))]
        token, user = str(pressed[0]["value"]), said["user"]
        who = str(user.get("name") or user.get("username") or user["id"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnreadableError(f"this is no press of an `{ACKNOWLEDGE}` button of Slack's: {error!r}") from error
    return token, who[:LONGEST_NAME]


# --- the page -------------------------------------------------------------------------------------------------------


def _shown(incident: Incident) -> func.HttpResponse:
    from domain.lifecycle import Status
    from endpoints.pages import document, page

    about = f'<p><a href="../incidents/{quote(incident.id)}">All about it</a></p>'
    words = "It is resolved."
    if incident.status is Status.ACKNOWLEDGED:
        words = f"Acknowledged by {incident.standing.acknowledged_by}."
    elif incident.status is Status.TRIGGERED:
        words = f"{incident.firing} firing, and nobody has acknowledged it yet."
        about = (
            '<div class="buttons"><form method="post"><button>Acknowledge</button></form></div>'
            f"<p>What has been told is then not repeated; whatever begins to fire is told all the same.</p>{about}"
        )
    status = f'<p class="status {incident.status}">{escape(words)}</p>'
    return page(document(incident.title, f"<h1>{escape(incident.title)}</h1>{status}{about}"))


def _refused(error: RejectedError) -> func.HttpResponse:
    from domain.links import ExpiredError
    from endpoints.pages import document, page

    status = 410 if isinstance(error, ExpiredError) else 404 if isinstance(error, NotFoundError) else 409
    words = escape(str(error))
    body = f'<h1>Nothing was acknowledged</h1><p>{words}.</p><p><a href="../incidents">All incidents</a></p>'
    return page(document("Nothing was acknowledged", body), status)
