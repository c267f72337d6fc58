"""What was changed, as deploy pipelines report it: the first look at an incident asks what changed before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import azure.functions as func
from pydantic import AwareDatetime, Field, StringConstraints

from adapters.wiring import ports
from domain.errors import InputError, NotFoundError
from domain.principals import Scope
from endpoints.cursors import cut, read_cursor, refused, write_cursor
from endpoints.moments import read_moment_or_age
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, RootShape, Shape, read_body, read_query, show

if TYPE_CHECKING:
    from domain.changes import Change

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

MOST_AT_ONCE = 100

# The bounds are those of `domain.changes`, which an instance that never shows a change does not load.
Name = Annotated[str, StringConstraints(max_length=200)]
Value = Annotated[str, StringConstraints(max_length=500)]


# --- shapes ---------------------------------------------------------------------------------------------------------


class ReportedChange(Shape):
    """Something that was changed: a deploy, a flag, a migration."""

    id: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")] | None = Field(
        None,
        description="Names it: what comes again under it within 30 days changes nothing. Without one it is made from "
        "all that is said; and without a time too, what is said again within the same ten minutes is the same.",
        examples=["shop-deploy-4711"],
    )
    at: AwareDatetime | None = Field(
        None, description="When it happened; by default now. At most 30 days ago, and at most a day ahead."
    )
    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1024)] = Field(
        examples=["cart 1.42 is deployed"]
    )
    service: Name = Field("", description="What it concerns, as alerts name it.", examples=["cart"])
    source: Name = Field("", description="Who reports it.", examples=["GitHub Actions"])
    url: Annotated[str, StringConstraints(pattern=r"^(https?://[!-~]{1,1990})?$")] = Field(
        "", description="Where to read more; shown, never fetched.", examples=["https://git.example.com/shop/runs/4711"]
    )
    labels: Annotated[dict[Name, Value], Field(max_length=40)] = Field(
        default_factory=dict,
        description="Whatever else is known; what is secret by its name is masked.",
        examples=[{"environment": "production"}],
    )


class ReportedChanges(RootShape):
    """One change, or a list of up to 100."""

    root: ReportedChange | Annotated[list[ReportedChange], Field(min_length=1, max_length=MOST_AT_ONCE)]


class SeveralChanges(RootShape):
    """A list of them."""

    root: Annotated[list[ReportedChange], Field(min_length=1, max_length=MOST_AT_ONCE)]


class ChangeShape(Shape):
    """Something that was changed."""

    id: str
    at: datetime
    summary: str
    service: str
    """Empty where it does not say what it concerns."""
    source: str
    url: str
    labels: dict[str, str]


class TakenChange(ChangeShape):
    """A change that was reported."""

    is_new: bool
    """False where its id was known: then what was kept before stays as it is."""


class TakenChanges(Shape):
    """What was reported, in the same order; all of it is durable."""

    changes: list[TakenChange]


class ChangesPage(Shape):
    """The latest first."""

    changes: list[ChangeShape]
    next: str | None


class ChangesQuery(Page):
    """Which changes are wanted."""

    since: str | None = Field(None, description="From when on: an instant, or how long ago.")
    until: str | None = Field(None, description="Until when, that instant not included; or how long ago.")
    service: str | None = Field(None, max_length=200, description="Only those that concern this service.")


# --- handlers -------------------------------------------------------------------------------------------------------


@endpoint(
    blueprint,
    "POST",
    "api/v1/changes",
    scope=Scope.INGEST,
    body=ReportedChanges,
    answers={201: TakenChanges},
)
async def report_changes(request: func.HttpRequest) -> func.HttpResponse:
    """Keep a change, or a list of up to 100, for 30 days.

    A deploy pipeline needs no more than a key with the scope `ingest`, one that is not limited to a source.
    """
    now = ports().clock()
    changes = [_change(reported, now) for reported in _read(request, now)]
    are_new = await ports().changes.add_changes(changes)
    taken = [TakenChange(**_shown(change), is_new=is_new) for change, is_new in zip(changes, are_new, strict=True)]
    return show(TakenChanges(changes=taken), 201)


@endpoint(blueprint, "GET", "api/v1/changes", scope=Scope.READ, query=ChangesQuery, answers={200: ChangesPage})
async def list_changes(request: func.HttpRequest) -> func.HttpResponse:
    """What was changed in the last 30 days, as it was reported, the latest first."""
    from domain.times import EARLIEST, LATEST

    query, now = read_query(ChangesQuery, request), ports().clock()
    place = read_cursor(query.cursor, "changes", str)
    try:
        found = await ports().changes.list_changes(
            read_moment_or_age(query.since, "since", now) if query.since else EARLIEST,
            read_moment_or_age(query.until, "until", now) if query.until else LATEST,
            service=query.service or "",
            after=place[0] if place else None,
            limit=query.limit + 1,
        )
    except NotFoundError:
        raise refused("the change that it goes on behind is no longer kept") from None
    shown, following = cut(found, query.limit, lambda change: write_cursor("changes", change.id))
    return show(ChangesPage(changes=[ChangeShape(**_shown(change)) for change in shown], next=following))


# --- reading and showing --------------------------------------------------------------------------------------------


def _read(request: func.HttpRequest, now: datetime) -> list[ReportedChange]:
    """What is reported; a complaint about one of several begins with its number, as `0.summary`."""
    from domain.changes import time_fault

    is_list = request.get_body().lstrip()[:1] == b"["
    found = read_body(SeveralChanges, request).root if is_list else [read_body(ReportedChange, request)]
    complaints = []
    for number, reported in enumerate(found):
        if reported.at is not None and (fault := time_fault(reported.at, now)):
            name = f"{number}.at" if is_list else "at"
            complaints.append((name, f"{name}: {fault}"))
    if complaints:
        raise InputError("; ".join(message for _, message in complaints[:20]), tuple(complaints[:20]))
    return found


def _change(reported: ReportedChange, now: datetime) -> Change:
    from domain.changes import Change, made_id
    from domain.sources.redaction import MASK
    from domain.sources.secret_names import is_secret

    change = Change(
        id=reported.id or "",
        at=(reported.at or now).astimezone(UTC),
        summary=reported.summary,
        service=reported.service,
        source=reported.source,
        url=reported.url,
        labels={name: MASK if text and is_secret(name) else text for name, text in reported.labels.items()},
    )
    return change if change.id else replace(change, id=made_id(change, is_timed=reported.at is not None))


def _shown(change: Change) -> dict[str, Any]:
    return {
        "id": change.id,
        "at": change.at,
        "summary": change.summary,
        "service": change.service,
        "source": change.source,
        "url": change.url,
        "labels": dict(change.labels),
    }
