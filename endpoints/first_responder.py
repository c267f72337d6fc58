"""The first responder, asked by people: a question about an incident, and drafts of what is to be written about it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.principals import Scope
from endpoints.authentication import acting
from endpoints.finding_shapes import AnswerShape, show_answer
from endpoints.pipeline import endpoint
from endpoints.shapes import Query, Shape, read_body, read_query, show

if TYPE_CHECKING:
    from domain.groups import Incident
    from domain.triage.findings import Claim

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

LONGEST_QUESTION = 2_000
MARKDOWN = "text/markdown"


class AskQuestion(Shape):
    """What a responder wants to know."""

    question: str = Field(
        min_length=1, max_length=LONGEST_QUESTION, examples=["Did anything change in the database today?"]
    )


class AnswersShape(Shape):
    """What was asked about an incident."""

    answers: list[AnswerShape]
    """The latest 100, the oldest first."""


class DraftQuery(Query):
    """Which draft is wanted."""

    kind: Literal["update", "postmortem"] = Field(
        "update", description="`update`: for those who are affected; `postmortem`: for those who learn from it."
    )


@endpoint(
    blueprint,
    "POST",
    "api/v1/incidents/{id}/ask",
    scope=Scope.RESPOND,
    body=AskQuestion,
    answers={200: AnswerShape},
    problems=(404,),
)
async def ask_about_incident(request: func.HttpRequest) -> func.HttpResponse:
    """Ask the first responder about the incident; what it claims cites what its read-only tools returned.

    The answer comes when it is whole; those who listen to the incident's channel of the live stream are told each claim
    as it is made.  The question and its answer stand in the timeline.
    """
    from endpoints.looking import reply_to

    words = read_body(AskQuestion, request).question
    incident = await ports().groups.get_incident(request.route_params["id"])
    id = uuid.uuid4().hex
    told = 0
    async for reply in reply_to(incident, words, acting.get().name, id):
        for claim in reply.claims[told:]:
            await _tell(incident, f"{id}-{told}", claim)
            told += 1
    asked = next(one for one in reversed(await ports().findings.list_asked(incident.id)) if one.id == id)
    await _note(incident, id, words, [claim.text for claim in asked.reply.claims])
    return show(show_answer(asked))


@endpoint(
    blueprint,
    "GET",
    "api/v1/incidents/{id}/answers",
    scope=Scope.READ,
    answers={200: AnswersShape},
    problems=(404,),
    conditional=True,
)
async def list_answers(request: func.HttpRequest) -> func.HttpResponse:
    """What was asked about the incident, and what the first responder answered."""
    incident = await ports().groups.get_incident(request.route_params["id"])
    asked = await ports().findings.list_asked(incident.id, limit=100)
    return show(AnswersShape(answers=[show_answer(one) for one in asked]))


@endpoint(
    blueprint,
    "GET",
    "api/v1/incidents/{id}/draft",
    scope=Scope.READ,
    query=DraftQuery,
    answers={200: MARKDOWN},
    problems=(404,),
)
async def draft_about_incident(request: func.HttpRequest) -> func.HttpResponse:
    """A draft in Markdown, made by rules from the timeline and the finding, for a person to finish."""
    from domain.triage.drafting import postmortem, stakeholder_update
    from endpoints.incidents import integration_names, latest_look
    from endpoints.looking import gather

    kind = read_query(DraftQuery, request).kind
    incident = await ports().groups.get_incident(request.route_params["id"])
    entries = await ports().groups.list_entries(incident.group_id, incident=incident.id, limit=10_000)
    # Of an incident that is over only what was reported tells whom it concerned.
    question = replace(await gather(incident, ports().clock()), entries=entries)
    look = await latest_look(incident)
    finding = look.finding if look else None
    if kind == "update":
        text = stakeholder_update(question, finding)
    else:
        versions = {entry.configuration_version for entry in entries}
        called = {version: await integration_names(version, incident.receiver) for version in versions}
        text = postmortem(question, finding, entries, called=called, is_shadow=ports().settings.shadow)
    return func.HttpResponse(text, mimetype=MARKDOWN, charset="utf-8")


async def _tell(incident: Incident, id: str, claim: Claim) -> None:
    """Tell those who listen; whoever does not is told by the answer, and by the timeline."""
    from domain.live import LiveEvent

    event = LiveEvent(
        id=f"{incident.id}-answer-{id}",
        cursor=None,
        at=ports().clock(),
        kind="answered",
        group_id=incident.group_id,
        incident_id=incident.id,
        receiver=incident.receiver,
        title=incident.title,
        status=incident.status.value,
        words=claim.text,
    )
    await ports().live.say(event)


async def _note(incident: Incident, id: str, words: str, claims: list[str]) -> None:
    from endpoints.responding import LONGEST_NOTE, respond

    answer = " ".join(claims) or "nothing that evidence bears out"
    note = f"asked the first responder: {' '.join(words.split())} It answered: {answer}"
    await respond(incident.id, "note", id=id, reason=note[:LONGEST_NOTE])
