"""Responding: what people do about an incident, by the API and by the buttons of its page."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, quote, urlsplit

import azure.functions as func
from pydantic import AwareDatetime, Field

from adapters.wiring import ports
from domain.errors import ConflictError, ForbiddenError, InputError, NotFoundError, PreconditionError
from domain.principals import Scope
from endpoints.authentication import acting
from endpoints.groups import head_of
from endpoints.incident_shapes import IncidentSummary, summary_of
from endpoints.incidents import TimelineQuery, detail_of
from endpoints.pipeline import Handler, endpoint
from endpoints.shapes import Shape, read_body, show

if TYPE_CHECKING:
    from domain.groups import Decision, GroupState, Incident, Wanted
    from domain.lifecycle import Action

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

LONGEST_REASON = 1000
LONGEST_NOTE = 10_000
LONGEST_NAME = 200

FORM = "application/x-www-form-urlencoded"

type ActionName = Literal[
    "acknowledge", "unacknowledge", "snooze", "unsnooze", "resolve", "reopen", "assign", "severity", "note"
]


# --- shapes ---------------------------------------------------------------------------------------------------------


class Because(Shape):
    """Why; it may be left out, and so may the body."""

    reason: str = Field("", max_length=LONGEST_REASON, examples=["looking into it"])


class Acknowledgement(Because):
    """Somebody knows; for how long, if not until the incident is over."""

    until: AwareDatetime | None = Field(None, description="When it times out: then it pages again.")
    duration: str | None = Field(None, description="The same, counted from now: `30m`, `2h`.", examples=["2h"])


class Snooze(Because):
    """Until when nothing is to be told; one of both is needed."""

    until: AwareDatetime | None = Field(None, description="At most 90 days from now.")
    duration: str | None = Field(None, description="The same, counted from now: `30m`, `2h`.", examples=["1h"])


class Assignment(Because):
    """Who sees to it."""

    assignee: str | None = Field(max_length=LONGEST_NAME, description="Nobody, if null.", examples=["ada"])


class SeverityChange(Because):
    """How bad it is, whatever its alerts say."""

    severity: str | None = Field(max_length=50, description="What its alerts say, if null.", examples=["critical"])


class Note(Shape):
    """What is worth knowing, also when the incident is over."""

    note: str = Field(min_length=1, max_length=LONGEST_NOTE, examples=["It was the fan again."])


# --- handlers -------------------------------------------------------------------------------------------------------


def _action(path: str, body: type[Shape]) -> Callable[[Handler], Handler]:
    """An endpoint that does something about the incident in its path, and answers with how it is then."""
    return endpoint(
        blueprint,
        "POST",
        f"api/v1/incidents/{{id}}/{path}",
        scope=Scope.RESPOND,
        body=body,
        answers={200: IncidentSummary},
        problems=(404, 409, 412),
        conditional=True,
    )


@_action("acknowledge", Acknowledgement)
async def acknowledge_incident(request: func.HttpRequest) -> func.HttpResponse:
    """Say that somebody knows: what has been told is not repeated; news is told all the same."""
    body = _read(Acknowledgement, request)
    until = _until(body.until, body.duration)
    return await _respond(request, "acknowledge", reason=body.reason, until=until)


@_action("unacknowledge", Because)
async def unacknowledge_incident(request: func.HttpRequest) -> func.HttpResponse:
    """Take an acknowledgement back: whoever had been told is told again."""
    return await _respond(request, "unacknowledge", reason=_read(Because, request).reason)


@_action("snooze", Snooze)
async def snooze_incident(request: func.HttpRequest) -> func.HttpResponse:
    """Tell nothing of it until then, except that it is over; then tell it again, if anything still fires."""
    from domain.lifecycle import LONGEST_SNOOZE

    body = _read(Snooze, request)
    until = _until(body.until, body.duration)
    if until is None:
        raise _wrong("until", "say until when, or give a duration")
    if until > ports().clock() + LONGEST_SNOOZE:
        raise _wrong("until", f"at most {LONGEST_SNOOZE.days} days from now")
    return await _respond(request, "snooze", reason=body.reason, until=until)


@_action("unsnooze", Because)
async def unsnooze_incident(request: func.HttpRequest) -> func.HttpResponse:
    """End a snooze: whoever had been told is told again."""
    return await _respond(request, "unsnooze", reason=_read(Because, request).reason)


@_action("resolve", Because)
async def resolve_incident(request: func.HttpRequest) -> func.HttpResponse:
    """Tell nothing more of what fires now; whatever begins to fire makes it triggered again by itself."""
    return await _respond(request, "resolve", reason=_read(Because, request).reason)


@_action("reopen", Because)
async def reopen_incident(request: func.HttpRequest) -> func.HttpResponse:
    """Take a person's resolve back: whoever had been told is told again."""
    return await _respond(request, "reopen", reason=_read(Because, request).reason)


@_action("assign", Assignment)
async def assign_incident(request: func.HttpRequest) -> func.HttpResponse:
    """Say who sees to it; nobody is told of that."""
    body = read_body(Assignment, request)
    return await _respond(request, "assign", reason=body.reason, to=body.assignee or "")


@_action("severity", SeverityChange)
async def change_severity(request: func.HttpRequest) -> func.HttpResponse:
    """Say how bad it is; nobody is told of that."""
    body = read_body(SeverityChange, request)
    return await _respond(request, "severity", reason=body.reason, to=body.severity or "")


@_action("notes", Note)
async def add_note(request: func.HttpRequest) -> func.HttpResponse:
    """Write something into its timeline, also when it is over."""
    return await _respond(request, "note", reason=read_body(Note, request).note)


@endpoint(
    blueprint,
    "POST",
    "incidents/{id}/{action}",
    scope=Scope.RESPOND,
    body=FORM,
    answers={303: None, 409: "text/html"},
    problems=(400, 403, 404),
)
async def press_button(request: func.HttpRequest) -> func.HttpResponse:
    """What the buttons of an incident's page do; leads back to the page."""
    check_same_origin(request)
    action = _BUTTONS.get(request.route_params["action"])
    if action is None:
        raise NotFoundError(f"there is no button {request.route_params['action'][:50]!r}")
    form = _read_form(request)
    until = _until(None, form.get("duration") or None)
    if action == "snooze" and until is None:
        raise _wrong("duration", "say for how long")
    reason = form.get("reason", "")
    if len(reason) > LONGEST_NOTE or (action == "note" and not reason.strip()):
        raise _wrong("reason", f"1 to {LONGEST_NOTE} characters")
    incident_id = request.route_params["id"]
    try:
        await respond(incident_id, action, id=_request_id(request), reason=reason, until=until)
    except ConflictError as error:
        return _not_done(incident_id, str(error))  # somebody was quicker, or it is pressed twice
    return func.HttpResponse(status_code=303, headers={"Location": f"../{incident_id}"})


def _not_done(incident_id: str, why: str) -> func.HttpResponse:
    from endpoints.pages import document, page

    link = f'<p><a href="../{quote(incident_id)}">How it is now</a></p>'
    return page(document("Not done", f"<h1>Not done</h1><p>{escape(why)}.</p>{link}"), 409)


_BUTTONS: Mapping[str, ActionName] = {
    "acknowledge": "acknowledge",
    "unacknowledge": "unacknowledge",
    "snooze": "snooze",
    "unsnooze": "unsnooze",
    "resolve": "resolve",
    "reopen": "reopen",
    "notes": "note",
}


# --- doing it -------------------------------------------------------------------------------------------------------


async def _respond(
    request: func.HttpRequest, action: ActionName, *, reason: str = "", until: datetime | None = None, to: str = ""
) -> func.HttpResponse:
    incident_id = request.route_params["id"]
    seen = await _seen(request, incident_id)
    incident = await respond(
        incident_id, action, id=_request_id(request), reason=reason, until=until, to=to, revision=seen
    )
    return show(summary_of(incident))


async def respond(
    incident_id: str,
    action: ActionName | Action,
    *,
    id: str,
    reason: str = "",
    until: datetime | None = None,
    to: str = "",
    revision: int | None = None,
    actor: str | None = None,
) -> Incident:
    """Have whoever asks do something about an incident, and send what that leads to.

    Args:
        incident_id: Which.
        action: What.
        id: The same one again does nothing again, and is answered with how the incident is then.
        reason: Why; of a note, the note.
        until: When an acknowledgement times out, or until when it is snoozed.
        to: Whom it is assigned to, or its severity.
        revision: The group's, where it must still be at that.
        actor: Who does it, where that is not whoever asks: the bearer of a signed link, say.

    Returns:
        The incident as it is then.

    Raises:
        NotFoundError: There is none under that id.
        ConflictError: It cannot be done as the incident is now; says why.
        PreconditionError: The group has another revision.
    """
    from domain.groups import NO_NEWS, Decision, Transaction
    from domain.incidents import decide
    from domain.lifecycle import Action, Responded

    groups, who, now = ports().groups, acting.get(), ports().clock()
    incident = await groups.get_incident(incident_id)
    event = Responded(
        group_id=incident.group_id,
        incident=incident.id,
        id=id,
        action=Action(action),
        actor=who.name if actor is None else actor,
        at=now,
        reason=reason,
        until=until,
        to=to,
        actor_id=who.id,
    )
    situation = await ports().configurations.gather()
    # What the rule said last: a store may ask it about a guess first, or again after a lost race.
    said: list[Decision] = []
    is_stale = False

    def rule(state: GroupState) -> Decision | Wanted:
        nonlocal is_stale
        said.clear()
        head = state.head
        is_repeated = head is not None and id in head.responded
        is_stale = revision is not None and not is_repeated and (head is None or head.revision != revision)
        answer = NO_NEWS if is_stale else decide(state, event, situation, now)
        if isinstance(answer, Decision):
            said.append(answer)
        return answer

    outgone = await groups.transact([Transaction(incident.group_id, rule)])
    await ports().outbox.send(outgone)
    if is_stale:
        raise PreconditionError("If-Match: it has changed meanwhile")
    if said and said[0].refused:
        raise ConflictError(f"incident {incident_id!r}: {said[0].refused}")
    return await groups.get_incident(incident_id)


async def _seen(request: func.HttpRequest, incident_id: str) -> int | None:
    """The revision of the group that the caller's `If-Match` is about; None without one.

    Raises:
        PreconditionError: What the caller saw is not so any more.
    """
    if request.headers.get("if-match") is None:
        return None
    from endpoints.conditions import check_match

    head = await head_of((await ports().groups.get_incident(incident_id)).group_id)
    check_match(request, await detail_of(incident_id, TimelineQuery(limit=1000)))
    return head.revision if head else 0


def _request_id(request: func.HttpRequest) -> str:
    """Names the request for good: the caller's key, which is only the caller's, or a new one."""
    key = request.headers.get("idempotency-key")
    return f"{acting.get().id} {key[:LONGEST_NAME]}" if key else uuid.uuid4().hex


# --- reading --------------------------------------------------------------------------------------------------------


def _read[T: Because](model: type[T], request: func.HttpRequest) -> T:
    """The body, which may be left out."""
    return read_body(model, request) if request.get_body() else model.model_validate({})


def _until(until: datetime | None, duration: str | None) -> datetime | None:
    """The instant that was meant, in the future; None where none was."""
    from domain.durations import parse_duration

    now = ports().clock()
    if until is not None and duration is not None:
        raise _wrong("duration", "`until` says the same; give one of them")
    if duration is not None:
        try:
            length = parse_duration(duration)
            until = now + length
        except (ValueError, OverflowError) as error:
            raise _wrong("duration", str(error)) from error
        if length <= timedelta(0):
            raise _wrong("duration", "must be longer than nothing")
    if until is not None and until <= now:
        raise _wrong("until", "must be in the future")
    return until


def _wrong(field: str, message: str) -> InputError:
    return InputError(f"{field}: {message}", ((field, message),))


def _read_form(request: func.HttpRequest) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(request.get_body().decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise InputError(f"the form cannot be read: {error}", (("body", "no form"),)) from error


def check_same_origin(request: func.HttpRequest) -> None:
    """Refuse what another site's page makes a person's browser send: it would bring the person's sign-in along.

    Browsers say where a form was: `Sec-Fetch-Site`, and `Origin` with every POST.  Whoever says neither is a program,
    and has the API.

    Raises:
        ForbiddenError: It does not come from a page of ours.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        raise ForbiddenError("this is for the buttons of a page; programs use /api/v1")
    hosts = {request.headers.get("host", "").lower(), urlsplit(ports().settings.external_url).netloc.lower()} - {""}
    if site not in (None, "same-origin") or (origin is not None and origin.partition("://")[2].lower() not in hosts):
        raise ForbiddenError("this does not come from a page of this Tocsin")
