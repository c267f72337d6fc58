"""Running Tocsin itself: health, configurations, the ledger, dead letters."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import azure.functions as func
from pydantic import Field
from pydantic_core import to_json

from adapters.wiring import ports
from domain.errors import UnreadableError
from domain.principals import Scope
from endpoints.conditions import check_match
from endpoints.cursors import cut, read_cursor, read_moment, write_cursor
from endpoints.folds import await_folds
from endpoints.health import check_configuration, check_store, check_sweep
from endpoints.pipeline import endpoint
from endpoints.shapes import Page, Shape, read_body, read_query, show

if TYPE_CHECKING:
    from domain.groups import Head
    from domain.queues import DeadLetter

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


# --- health ---------------------------------------------------------------------------------------------------------


@endpoint(blueprint, "GET", "-/healthy", scope=None, answers={200: "text/plain"})
async def check_healthy(request: func.HttpRequest) -> func.HttpResponse:
    """Whether the process runs."""
    return func.HttpResponse("OK", mimetype="text/plain")


@endpoint(blueprint, "GET", "-/ready", scope=None, answers={200: "text/plain"})
async def check_ready(request: func.HttpRequest) -> func.HttpResponse:
    """Whether it can take alerts in: the store answers and was lately written to, and a configuration is in force."""
    await check_configuration()
    await check_store()
    await check_sweep()
    return func.HttpResponse("OK", mimetype="text/plain")


# --- configurations -------------------------------------------------------------------------------------------------


class ConfigurationFiles(Shape):
    """The text of an alertmanager.yml, and of the template files that it names."""

    configuration: str
    templates: dict[str, str] = Field(default_factory=dict)
    """By their names; of two definitions of one name in them, the later one counts."""


class PushedConfiguration(Shape):
    """The version that is in force now."""

    version: str


class ConfigurationVersion(Shape):
    """A version that was put in force at least once, and when that happened last."""

    version: str
    activated_at: datetime


class ConfigurationInForce(Shape):
    """The version in force, and all there have been, the newest first."""

    version: str
    activated_at: datetime | None
    """None for the default, which nobody activated."""
    is_default: bool
    versions: list[ConfigurationVersion]


@endpoint(blueprint, "POST", "-/reload", scope=Scope.ADMIN, answers={200: "text/plain"}, problems=(400,))
async def reload_configuration(request: func.HttpRequest) -> func.HttpResponse:
    """Put the configuration file in force as it is now; where it is wrong, all its problems are the answer (400)."""
    configuration, notice = await ports().configurations.reload()
    lines = [f"OK, version {configuration.version} is in force", *([notice] if notice else [])]
    return func.HttpResponse("\n".join(lines) + "\n", mimetype="text/plain")


@endpoint(
    blueprint,
    "POST",
    "api/v1/configuration",
    scope=Scope.ADMIN,
    # Without a type, or with that which curl gives everything, it is the text.
    body={
        "application/yaml": None,
        "text/plain": None,
        "application/octet-stream": None,
        "application/x-www-form-urlencoded": None,
        "application/json": ConfigurationFiles,
    },
    answers={200: PushedConfiguration},
    conditional=True,
)
async def push_configuration(request: func.HttpRequest) -> func.HttpResponse:
    """Put the posted alertmanager.yml in force, whole, or say all that is wrong with it (400).

    The body is its text, or with content type application/json a `ConfigurationFiles`.
    """
    if _content_type(request) == "application/json":
        files = read_body(ConfigurationFiles, request)
        text, templates = files.configuration, tuple(files.templates.items())
    else:
        text, templates = _text(request), None
    if "if-match" in request.headers:
        check_match(request, await _in_force())
    configuration = await ports().configurations.push(text, name="configuration", templates=templates)
    return show(PushedConfiguration(version=configuration.version))


def _content_type(request: func.HttpRequest) -> str:
    return str(request.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _text(request: func.HttpRequest) -> str:
    try:
        text: str = request.get_body().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"the configuration is not UTF-8: {error.reason} at byte {error.start}") from error
    return text


@endpoint(
    blueprint, "GET", "api/v1/configuration", scope=Scope.READ, answers={200: ConfigurationInForce}, conditional=True
)
async def show_configuration(request: func.HttpRequest) -> func.HttpResponse:
    """Which configuration is in force since when, and which versions there were; the text itself holds secrets."""
    return show(await _in_force())


async def _in_force() -> ConfigurationInForce:
    version = (await ports().policy.get_head()).configuration_version
    versions = [
        ConfigurationVersion(version=known, activated_at=at) for known, at in await ports().policy.list_configurations()
    ]
    situation = await ports().configurations.gather()
    return ConfigurationInForce(
        version=situation.configuration.version,
        activated_at=next((known.activated_at for known in versions if known.version == version), None),
        is_default=not version,
        versions=versions,
    )


# --- the ledger -----------------------------------------------------------------------------------------------------


COUNTED_AGAIN = 3
COUNTED_AGAIN_SECONDS = 0.05
"""How often the ledger is counted again while it is not balanced, and after how long."""


class Ledger(Shape):
    """What became of everything: accepted = folded + parked + waiting, due = delivered + failed + superseded + pending.

    The first four count (alert × group) pairs, `due` and the rest notifications.  `absorbed` counts the re-sends that
    this process answered without storing them, and stands apart.
    """

    accepted: int
    folded: int
    parked: int
    waiting: int
    absorbed: int
    due: int
    delivered: int
    failed: int
    superseded: int
    pending: int
    balanced: bool
    """Whether both sums hold; while something is being folded, what is under way may count on both sides."""


@endpoint(blueprint, "GET", "api/v1/ledger", scope=Scope.READ, answers={200: Ledger})
async def show_ledger(request: func.HttpRequest) -> func.HttpResponse:
    """Count what was accepted and what is due against what became of it, once what is under way has been folded."""
    await await_folds()
    ledger = await _count()
    for _ in range(COUNTED_AGAIN):
        if ledger.balanced:
            break
        # Each number is read by itself, and something may have moved between two of them.
        await asyncio.sleep(COUNTED_AGAIN_SECONDS)
        ledger = await _count()
    return show(ledger)


async def _count() -> Ledger:
    pending = sum([len(head.pending) for head in await _all_heads()])
    tally, queues = await ports().groups.tally(), ports().queues
    accepted, waiting, parked = await queues.count_accepted(), await queues.count_waiting(), await queues.count_parked()
    return Ledger(
        accepted=accepted,
        folded=tally.folded,
        parked=parked,
        waiting=waiting,
        absorbed=ports().door.absorbed,
        due=tally.due,
        delivered=tally.delivered,
        failed=tally.failed,
        superseded=tally.superseded,
        pending=pending,
        balanced=accepted == tally.folded + parked + waiting
        and tally.due == tally.delivered + tally.failed + tally.superseded + pending,
    )


async def _all_heads() -> list[Head]:
    heads: list[Head] = []
    while more := await ports().groups.list_heads(after=heads[-1].id if heads else None, limit=1000):
        heads.extend(more)
    return heads


# --- dead letters ---------------------------------------------------------------------------------------------------


class DeadLetterSummary(Shape):
    """A message that is not tried again by itself."""

    id: str
    queue: str
    kind: Literal["parked", "dead"]
    reason: str
    at: datetime
    delivery_count: int
    size: int
    """How many (alert × group) pairs it carries."""
    body_bytes: int


class DeadLetters(Shape):
    """The newest first."""

    dead_letters: list[DeadLetterSummary]
    next: str | None
    """Give this as `cursor` for what follows; None at the end."""


class DeadLetterDetail(DeadLetterSummary):
    """The message with what it holds."""

    body_encoding: Literal["json", "text", "base64"]
    """How `body` shows the bytes: as the JSON value that they spell, as UTF-8, or as neither."""
    body: Any


class ReplayedDeadLetter(Shape):
    """The message is in its queue again, and a dead letter no more."""

    id: str
    queue: str


@endpoint(blueprint, "GET", "api/v1/dead-letters", scope=Scope.ADMIN, query=Page, answers={200: DeadLetters})
async def list_dead_letters(request: func.HttpRequest) -> func.HttpResponse:
    """The messages that nobody will try again by themselves, the newest first."""
    page = read_query(Page, request)
    place = read_cursor(page.cursor, "dead-letters", str, str)
    before = (read_moment(place[0]), place[1]) if place else None
    found = await ports().queues.list_dead(before=before, limit=page.limit + 1)
    shown, following = cut(found, page.limit, _cursor)
    return show(DeadLetters(dead_letters=[DeadLetterSummary(**_summary(letter)) for letter in shown], next=following))


@endpoint(
    blueprint,
    "GET",
    "api/v1/dead-letters/{id}",
    scope=Scope.ADMIN,
    answers={200: DeadLetterDetail},
    problems=(404,),
    conditional=True,
)
async def show_dead_letter(request: func.HttpRequest) -> func.HttpResponse:
    """One of them, with its body."""
    letter = await ports().queues.get_dead(request.route_params["id"])
    encoding, body = _readable(letter.body)
    return show(DeadLetterDetail(**_summary(letter), body_encoding=encoding, body=body))


@endpoint(
    blueprint,
    "POST",
    "api/v1/dead-letters/{id}/replay",
    scope=Scope.ADMIN,
    answers={200: ReplayedDeadLetter},
    problems=(404,),
)
async def replay_dead_letter(request: func.HttpRequest) -> func.HttpResponse:
    """Send it to its queue again; a second time there is none (404)."""
    letter = await ports().queues.get_dead(request.route_params["id"])
    await ports().queues.replay(letter.id)
    return show(ReplayedDeadLetter(id=letter.id, queue=letter.queue))


def _cursor(letter: DeadLetter) -> str:
    return write_cursor("dead-letters", letter.at.isoformat(), letter.id)


def _summary(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "queue": letter.queue,
        "kind": letter.kind,
        "reason": letter.reason,
        "at": letter.at,
        "delivery_count": letter.delivery_count,
        "size": letter.size,
        "body_bytes": len(letter.body),
    }


def _readable(body: bytes) -> tuple[Literal["json", "text", "base64"], Any]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return "base64", base64.b64encode(body).decode()
    try:
        value = json.loads(text)
        to_json(value)  # which gives up on what is nested too deeply
    except (ValueError, RecursionError):
        return "text", text
    return "json", value
