"""Explain: why an alert was told or was not, step by step; as JSON, and as a page for people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import azure.functions as func

from adapters.wiring import ports
from domain.errors import NotFoundError, RejectedError
from domain.principals import Scope
from endpoints.later import later
from endpoints.pipeline import endpoint
from endpoints.shapes import NoQuery, Shape, read_query, show

if TYPE_CHECKING:
    from domain.labels import Fingerprint
    from domain.tracing import Facts, Stage, Step, Trace, Verdict
else:
    Facts, Stage, Verdict = later("domain.tracing", "Facts", "Stage", "Verdict")

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

_FINGERPRINT = re.compile(r"[0-9a-fA-F]{16}", re.ASCII)


# --- shapes ---------------------------------------------------------------------------------------------------------


class StepShape(Shape):
    """One step of the way: what it did, why, and of when it speaks."""

    stage: Stage
    verdict: Verdict
    at: datetime | None
    words: str
    """One sentence; instants are UTC."""
    facts: Facts
    """The same for programs; which members it has is told by `stage`."""


class TraceShape(Shape):
    """The way of the alert in one group."""

    group_id: str
    group_labels: dict[str, str]
    receiver: str
    state: Literal["firing", "resolved", "over"]
    """`resolved` while the group still holds it, `over` when it has let it go."""
    is_told: bool
    """Whether anybody was told of it in this occurrence."""
    incident: str | None
    incident_url: str | None
    summary: str
    steps: list[StepShape]
    is_cut: bool
    """Whether what is kept does not go back to the beginning of the occurrence."""


class ExplainedAlert(Shape):
    """Why an alert was told or was not, in each group that has it, or had it last."""

    fingerprint: str
    url: str
    """The page for people."""
    labels: dict[str, str]
    annotations: dict[str, str]
    as_of: datetime
    """The moment that whatever it says of now is about."""
    summary: str
    groups: list[TraceShape]
    """Those that hold it first, in the order of the routing tree."""


# --- handlers -------------------------------------------------------------------------------------------------------


@endpoint(
    blueprint,
    "GET",
    "api/v1/alerts/{fingerprint}/explain",
    scope=Scope.READ,
    answers={200: ExplainedAlert},
    problems=(404,),
)
async def explain_alert(request: func.HttpRequest) -> func.HttpResponse:
    """Why this alert was told or was not, also when it is long over: every step of its last occurrence."""
    read_query(NoQuery, request)
    fingerprint = _read_fingerprint(request)
    traces = await _find(fingerprint)
    return show(
        ExplainedAlert(
            fingerprint=fingerprint,
            url=f"{_external_url()}/alerts/{fingerprint}",
            labels=dict(traces[0].alert.labels),
            annotations=dict(traces[0].alert.annotations),
            as_of=ports().clock(),
            summary=summary_of(traces),
            groups=[_trace(one) for one in traces],
        )
    )


@endpoint(
    blueprint,
    "GET",
    "alerts/{fingerprint}",
    scope=Scope.READ,
    answers={200: "text/html", 404: "text/html"},
    problems=(400,),
)
async def explain_alert_page(request: func.HttpRequest) -> func.HttpResponse:
    """The same for people."""
    from endpoints.pages import alert_page, no_such_alert_page, page

    read_query(NoQuery, request)
    # One more level up where somebody asks for the folder.
    up = "../../" if request.url.partition("?")[0].endswith("/") else "../"
    try:
        traces = await _find(_read_fingerprint(request))
    except NotFoundError as error:
        return page(no_such_alert_page(str(error), up=up), 404)
    return page(alert_page(traces, summary_of(traces), now=ports().clock(), up=up))


def _read_fingerprint(request: func.HttpRequest) -> Fingerprint:
    from domain.labels import Fingerprint

    text = str(request.route_params["fingerprint"])
    if not _FINGERPRINT.fullmatch(text):
        raise RejectedError(f"{text[:100]!r} is no fingerprint: sixteen hexadecimal digits, as in /api/v2/alerts")
    return Fingerprint(text.lower())


async def _find(fingerprint: Fingerprint) -> Sequence[Trace]:
    from domain.groups import ENTRIES_SEARCHED
    from endpoints.evidence import traces_of

    traces = await traces_of(fingerprint)
    if not traces:
        raise NotFoundError(
            f"no alert {fingerprint!r}: no group holds it, and none of the latest {ENTRIES_SEARCHED:,} decisions,"
            " which are searched for it, is about it"
        )
    return traces


# --- showing --------------------------------------------------------------------------------------------------------


def summary_of(traces: Sequence[Trace]) -> str:
    """One sentence about all groups that hold it, or about the one that held it last."""
    present = [one for one in traces if one.state != "over"] or traces[:1]
    if len(present) == 1:
        return present[0].summary
    return ". ".join([f"Receiver {one.receiver}: {one.summary[0].lower()}{one.summary[1:]}" for one in present])


def _external_url() -> str:
    return ports().settings.external_url.rstrip("/")


def _trace(of: Trace) -> TraceShape:
    return TraceShape(
        group_id=of.group_id,
        group_labels=dict(of.group_labels),
        receiver=of.receiver,
        state=of.state,
        is_told=of.is_told,
        incident=of.incident or None,
        incident_url=f"{_external_url()}/incidents/{of.incident}" if of.incident else None,
        summary=of.summary,
        steps=[_step(step) for step in of.steps],
        is_cut=of.is_cut,
    )


def _step(step: Step) -> StepShape:
    return StepShape(stage=step.stage, verdict=step.verdict, at=step.at, words=step.words, facts=step.facts)
