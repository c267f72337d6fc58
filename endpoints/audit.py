"""The audit log: who did what, to what, from where; each entry holds the hash of the one before it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import azure.functions as func
from pydantic import Field

from adapters.wiring import ports
from domain.principals import Scope
from endpoints.cursors import cut, read_cursor, write_cursor
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, Query, Shape, read_query, show

if TYPE_CHECKING:
    from domain.audit import AuditEntry

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

NDJSON = "application/x-ndjson"


class AuditLogEntry(Shape):
    """One entry of the chain."""

    number: int
    """1 for the first; none is left out."""
    at: datetime
    actor: str
    """`key:<id>`, `user:<object id>` or `local`; empty where nobody was proven."""
    actor_name: str
    action: str
    """The operation, as the OpenAPI document calls it."""
    target: str
    """The kind of thing it was done to."""
    target_id: str
    address: str
    request_id: str
    outcome: str
    """The status of the answer."""
    count: int
    """How many such requests the entry stands for: refused ones are folded."""
    previous: str
    """The hash of the entry before; of 64 zeros in the first."""
    hash: str
    """SHA-256 of the JSON array of `[1, number, at, actor, ..., count, previous]`, in ASCII without blanks."""


class AuditLog(Shape):
    """The newest first."""

    entries: list[AuditLogEntry]
    next: str | None


class ExportPage(Query):
    """How much of the log is wanted, and from where on."""

    limit: int = Field(1000, ge=1, le=1000, description="At most so many.")
    after: int = Field(0, ge=0, le=2**53, description="The number of the last entry that is known already.")


@endpoint(blueprint, "GET", "api/v1/audit", scope=Scope.ADMIN, query=Page, answers={200: AuditLog})
async def list_audit(request: func.HttpRequest) -> func.HttpResponse:
    """The entries of the audit log, the newest first."""
    page = read_query(Page, request)
    place = read_cursor(page.cursor, "audit", int)
    before = (await ports().audit.get_head()).number + 1
    if place is not None:
        before = max(0, min(place[0], before))
    found = await ports().audit.list_entries(before=before, limit=page.limit + 1)
    shown, following = cut(found, page.limit, lambda entry: write_cursor("audit", entry.number))
    return show(AuditLog(entries=[_shown(entry) for entry in shown], next=following))


@endpoint(blueprint, "GET", "api/v1/audit/export", scope=Scope.ADMIN, query=ExportPage, answers={200: NDJSON})
async def export_audit(request: func.HttpRequest) -> func.HttpResponse:
    """A page of the audit log as one line of JSON for each entry, the oldest first; the last page is empty.

    Whoever wants all of it asks again with `after` the number of the last entry, until nothing comes.  What
    `tocsin audit verify` verifies is this.
    """
    page = read_query(ExportPage, request)
    found = await ports().audit.list_entries(after=page.after, limit=page.limit)
    return func.HttpResponse("".join([f"{_shown(entry).model_dump_json()}\n" for entry in found]), mimetype=NDJSON)


def _shown(entry: AuditEntry) -> AuditLogEntry:
    record = entry.record
    return AuditLogEntry(
        number=entry.number,
        at=record.at,
        actor=record.actor,
        actor_name=record.actor_name,
        action=record.action,
        target=record.target,
        target_id=record.target_id,
        address=record.address,
        request_id=record.request_id,
        outcome=record.outcome,
        count=record.count,
        previous=entry.previous,
        hash=entry.hash,
    )
