"""Alertmanager's API v2 of silences: post, change, show and expire them, for amtool, Grafana, karma and others."""

from __future__ import annotations

import asyncio
import re
import uuid
from functools import partial

import azure.functions as func

from adapters.wiring import ports
from domain.errors import MalformedError, NotFoundError
from domain.flags import read_flag
from domain.principals import Scope
from domain.quoting import quote
from endpoints.alertmanager import MANY, parameters
from endpoints.ingest import check_is_json
from endpoints.pipeline import endpoint, reply

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


@endpoint(blueprint, "GET", "api/v2/silences", scope=Scope.READ, answers={200: "application/json"})
async def get_silences(request: func.HttpRequest) -> func.HttpResponse:
    """The silences that are asked for: the active ones, the pending ones, then those that ended in the last 5 days."""
    from adapters.documents import encode
    from domain.silence_api import read_silence_selection, show_silences

    selection = read_silence_selection(parameters(request))
    silences = await ports().silences.list_silences()
    show = partial(show_silences, silences, selection, ports().clock())
    shown = show() if len(silences) < MANY else await asyncio.to_thread(show)
    return func.HttpResponse(encode(shown), mimetype="application/json")


@endpoint(blueprint, "POST", "api/v2/silences", scope=Scope.RESPOND, answers={200: "application/json"}, problems=(404,))
async def post_silence(request: func.HttpRequest) -> func.HttpResponse:
    """Create a silence, or change one; answered with its id, which may be a new one, when it is durable (SI-4)."""
    from domain.silence_api import read_silence
    from domain.silences import edit

    body = request.get_body()
    if body:
        check_is_json(request.headers.get("content-type", ""))
    posted = read_silence(body)
    is_confirmed = read_flag(parameters(request), "confirm", default=False)
    new_id = str(uuid.uuid4())
    change = partial(
        edit,
        posted=posted,
        now=ports().clock(),
        new_id=new_id,
        may_be_broad=is_confirmed or ports().settings.compat == "strict",
    )
    try:
        written = await ports().silences.change_silence(posted.id or new_id, change)
    except NotFoundError as error:
        # As a plain text: only then does `amtool silence import` post it again, as a new one.
        return reply(str(error), 404)
    await ports().configurations.silences_changed(written)
    return reply({"silenceID": written[-1].id})


@endpoint(blueprint, "GET", "api/v2/silence/{id}", scope=Scope.READ, answers={200: "application/json"}, problems=(404,))
async def get_silence(request: func.HttpRequest) -> func.HttpResponse:
    """One silence, also for 5 days after its end."""
    from adapters.documents import encode
    from domain.silence_api import show_silence
    from domain.silences import state

    silence_id = _read_id(request)
    try:
        silence = await ports().silences.get_silence(silence_id)
    except NotFoundError:
        return func.HttpResponse(status_code=404)
    return func.HttpResponse(
        encode(show_silence(silence, state(silence, ports().clock()))), mimetype="application/json"
    )


@endpoint(blueprint, "DELETE", "api/v2/silence/{id}", scope=Scope.RESPOND, problems=(404,))
async def expire_silence(request: func.HttpRequest) -> func.HttpResponse:
    """End a silence now; content if it has ended already (SI-5)."""
    from domain.silences import expire

    silence_id = _read_id(request)
    if request.get_body():
        check_is_json(request.headers.get("content-type", ""))
    try:
        ended = await ports().silences.change_silence(silence_id, partial(expire, now=ports().clock()))
    except NotFoundError:
        return func.HttpResponse(status_code=404)
    await ports().configurations.silences_changed(ended)
    return func.HttpResponse(status_code=200)


def _read_id(request: func.HttpRequest) -> str:
    silence_id = str(request.route_params["id"])
    if not _UUID.fullmatch(silence_id):
        raise MalformedError(422, 601, f"silenceID in path must be of type uuid: {quote(silence_id[:200])}")
    return silence_id
