"""Silences in our own form: made, changed, previewed and ended by the rules of the API v2, and what they hid."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import azure.functions as func

from adapters.wiring import ports
from domain.errors import InputError, RejectedError
from domain.principals import Scope
from endpoints.authentication import acting
from endpoints.conditions import check_match
from endpoints.cursors import cut, read_cursor, write_cursor
from endpoints.filters import read_filter
from endpoints.pipeline import endpoint
from endpoints.shapes import read_body, read_query, show
from endpoints.silence_shapes import (
    LONGEST_TEXT,
    NewSilence,
    PreviewedSilence,
    SilenceDigest,
    SilenceList,
    SilencePreview,
    SilenceShape,
    SilencesQuery,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.labels import Matcher
    from domain.silences import PostedSilence, Silence

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

log = logging.getLogger("tocsin.silences")


# --- making and ending them -----------------------------------------------------------------------------------------


@endpoint(blueprint, "GET", "api/v1/silences", scope=Scope.READ, query=SilencesQuery, answers={200: SilenceList})
async def list_silences(request: func.HttpRequest) -> func.HttpResponse:
    """The silences, the latest to begin first."""
    from domain.silences import SilenceState as State
    from domain.silences import list_selected

    query = read_query(SilencesQuery, request)
    matchers = read_filter(request)
    place = read_cursor(query.cursor, "silences", str, str)
    states = [query.state] if query.state else list(State)
    kept = await ports().silences.list_silences()
    found = [_shape(silence) for silence, _ in list_selected(kept, matchers, states, ports().clock())]
    # The order of text is that of time: all are printed alike.
    found.sort(key=_place, reverse=True)
    behind = [one for one in found if place is None or _place(one) < place]
    shown, following = cut(behind, query.limit, lambda one: write_cursor("silences", *_place(one)))
    return show(SilenceList(silences=list(shown), next=following))


@endpoint(
    blueprint,
    "GET",
    "api/v1/silences/{id}",
    scope=Scope.READ,
    answers={200: SilenceShape},
    problems=(404,),
    conditional=True,
)
async def show_silence(request: func.HttpRequest) -> func.HttpResponse:
    """One silence, also for five days after its end."""
    return show(_shape(await ports().silences.get_silence(request.route_params["id"])))


@endpoint(
    blueprint,
    "POST",
    "api/v1/silences",
    scope=Scope.RESPOND,
    body=NewSilence,
    answers={200: SilenceShape, 201: SilenceShape},
    problems=(404, 412),
    conditional=True,
)
async def create_silence(request: func.HttpRequest) -> func.HttpResponse:
    """Make a silence (201), or change the one of the id (200); it is durable then, and groups are looked at anew."""
    from domain.silences import edit

    wanted = read_body(NewSilence, request)
    now = ports().clock()
    posted = _posted(wanted, now)
    if posted.id:
        check_match(request, _shape(await ports().silences.get_silence(posted.id)))
    new_id = str(uuid.uuid4())
    change = partial(
        edit,
        posted=posted,
        now=now,
        new_id=new_id,
        may_be_broad=wanted.confirm or ports().settings.compat == "strict",
    )
    written = await ports().silences.change_silence(posted.id or new_id, change)
    await ports().configurations.silences_changed(written)
    made = written[-1]
    response = show(_shape(made), 201 if made.id == new_id else 200)
    if made.id == new_id:
        response.headers["Location"] = f"/api/v1/silences/{made.id}"
    return response


@endpoint(
    blueprint,
    "DELETE",
    "api/v1/silences/{id}",
    scope=Scope.RESPOND,
    answers={200: SilenceShape},
    problems=(404, 412),
    conditional=True,
)
async def stop_silence(request: func.HttpRequest) -> func.HttpResponse:
    """End a silence now; content if it has ended already.  It stays listed for five days."""
    from domain.silences import expire

    silence_id = request.route_params["id"]
    check_match(request, _shape(await ports().silences.get_silence(silence_id)))
    ended = await ports().silences.change_silence(silence_id, partial(expire, now=ports().clock()))
    await ports().configurations.silences_changed(ended)
    return show(_shape(await ports().silences.get_silence(silence_id)))


# --- what they hide -------------------------------------------------------------------------------------------------


# Named so that the host asks it before the 405 of `silences/{id}`, and that of this path before `stop_silence`: it goes
# by names.
@endpoint(
    blueprint,
    "POST",
    "api/v1/silences/preview",
    scope=Scope.READ,
    body=PreviewedSilence,
    answers={200: SilencePreview},
)
async def foresee_silence(request: func.HttpRequest) -> func.HttpResponse:
    """What a silence with these matchers would mute now, and which pages of the last week it would have kept away."""
    from endpoints.hiding import preview

    wanted = read_body(PreviewedSilence, request)
    return show(await preview(_matchers(wanted.matchers), wanted.days))


@endpoint(
    blueprint,
    "GET",
    "api/v1/silences/{id}/digest",
    scope=Scope.READ,
    answers={200: SilenceDigest},
    problems=(404,),
)
async def show_digest(request: func.HttpRequest) -> func.HttpResponse:
    """What a silence has hidden: alerts, incidents, and the pages that nobody had on its account."""
    from endpoints.hiding import digest

    silence = await ports().silences.get_silence(request.route_params["id"])
    return show(await digest(silence, _shape(silence)))


# --- between their form and ours ------------------------------------------------------------------------------------


def _shape(silence: Silence) -> SilenceShape:
    from domain.silences import state

    return SilenceShape(
        id=silence.id,
        state=state(silence, ports().clock()),
        matchers=[str(matcher) for matcher in silence.matchers],
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        created_by=silence.created_by,
        comment=silence.comment,
        updated_at=silence.updated_at,
        annotations=dict(silence.annotations),
    )


def _place(silence: SilenceShape) -> tuple[str, str]:
    from datetime import UTC

    return silence.starts_at.astimezone(UTC).isoformat(timespec="microseconds"), silence.id


def _posted(wanted: NewSilence, now: datetime) -> PostedSilence:
    from domain.silences import PostedSilence

    starts_at = _aware("starts_at", wanted.starts_at)
    return PostedSilence(
        id=wanted.id or "",
        matchers=_matchers(wanted.matchers),
        starts_at=starts_at,
        ends_at=_end(wanted, starts_at or now),
        created_by=acting.get().name if wanted.created_by is None else wanted.created_by,
        comment=wanted.comment,
        annotations=wanted.annotations,
    )


def _end(wanted: NewSilence, starts_at: datetime) -> datetime:
    from domain.durations import parse_duration

    if (wanted.ends_at is None) == (wanted.duration is None):
        raise _wrong("ends_at", "either `ends_at` or `duration` says when it ends")
    if wanted.duration is None:
        ends_at = _aware("ends_at", wanted.ends_at)
        assert ends_at is not None
        return ends_at
    try:
        return starts_at + parse_duration(wanted.duration)
    except (RejectedError, ValueError, OverflowError) as error:
        raise _wrong("duration", str(error)) from None


def _aware(field: str, instant: datetime | None) -> datetime | None:
    from datetime import UTC

    if instant is None:
        return None
    if instant.tzinfo is None:
        raise _wrong(field, "it has no offset: is it UTC? then it ends in Z")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise _wrong(field, "there is no such instant in UTC") from None


def _matchers(texts: Sequence[str]) -> tuple[Matcher, ...]:
    from domain.matchers import parse_matcher

    found = []
    for place, text in enumerate(texts):
        try:
            if len(text) > LONGEST_TEXT:
                raise RejectedError(f"a matcher has {LONGEST_TEXT:,} characters at most")
            found.append(parse_matcher(text))
        except RejectedError as error:
            raise _wrong(f"matchers.{place}", str(error)) from None
    return tuple(found)


def _wrong(field: str, why: str) -> InputError:
    message = f"{field}: {why}"
    return InputError(message, ((field, message),))


# --- their ends -----------------------------------------------------------------------------------------------------


async def log_ended(since: datetime, until: datetime) -> None:
    """Say in the log what each silence has hidden that ended since then; for the sweep.

    Never fails it: what cannot be told is left out.
    """
    from endpoints.hiding import digest

    for silence in await ports().silences.list_silences():
        if since < silence.ends_at <= until and silence.starts_at < silence.ends_at:
            try:
                told = await digest(silence, _shape(silence))
            except Exception:
                log.exception("silence %s ended; what it hid could not be read", silence.id)
                continue
            if told.alerts or told.still_firing:
                log.info(
                    "silence %s of %s ended: it muted %d alerts of %d incidents and withheld %d pages; %d still fire",
                    silence.id,
                    silence.created_by,
                    told.alerts,
                    len(told.incidents),
                    told.pages_withheld,
                    told.still_firing,
                )
