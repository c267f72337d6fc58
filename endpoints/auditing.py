"""Auditing: what of the requests goes into the audit log, and how those that were refused are folded in it."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import azure.functions as func

from adapters.wiring import ports
from domain.errors import DomainError, ForbiddenError, UnauthenticatedError
from domain.principals import ANYBODY, Principal, Scope
from endpoints.problems import request_id

if TYPE_CHECKING:
    from domain.audit import AuditRecord
    from endpoints.pipeline import Endpoint, Handler

log = logging.getLogger("tocsin.audit")

WINDOW_SECONDS = 60.0
"""Refused requests of one address within this time are two entries at most: the first, and the count of the others."""

MOST_ADDRESSES = 60
"""So many addresses have entries of their own within the time; what comes from more of them is one entry together."""

MANY = "many addresses"

IDS = ("id", "silenceID", "version")
"""Where the answer to a POST says what it made."""


def audited(entry: Endpoint) -> Handler:
    """The handler, with an entry in the audit log behind each success; as it is where nothing is changed."""
    handler = entry.handler
    if entry.method in ("GET", "HEAD", "OPTIONS") or entry.scope in (Scope.INGEST, Scope.READ):
        return handler

    async def run(request: func.HttpRequest) -> func.HttpResponse:
        from endpoints.authentication import acting

        response = await handler(request)
        if response.status_code < 400:
            await _append(_record(request, acting.get(), entry.name, entry.path, response))
        return response

    return run


async def _append(record: AuditRecord) -> None:
    try:
        await ports().audit.append(record)
    except DomainError as error:
        # It is done, and telling the caller otherwise would have it done twice.
        what = f"{record.action} of {record.target_id!r} by {record.actor}: {record.outcome}"
        log.error("the audit log lacks an entry (%s): %s", error, what)


def _record(
    request: func.HttpRequest, who: Principal, action: str, path: str, response: func.HttpResponse
) -> AuditRecord:
    from domain.audit import AuditRecord

    parameters = request.route_params
    target_id = next((str(parameters[name]) for name in ("id", "name", "fingerprint") if name in parameters), "")
    return AuditRecord(
        at=ports().clock(),
        actor=who.id,
        actor_name=who.name,
        action=action,
        target=_kind(path),
        target_id=target_id or _made(response),
        address=address_of(request),
        request_id=request_id.get(),
        outcome=str(response.status_code),
    )


@lru_cache(maxsize=512)
def _kind(path: str) -> str:
    """`silences` for `api/v2/silence/{id}`, `keys` for `api/v1/keys/{id}/rotate`, `reload` for `-/reload`."""
    words = [word for word in path.split("/") if word and word not in ("api", "v1", "v2", "-")]
    word = words[0] if words else "/"
    return "silences" if word == "silence" else word


def _made(response: func.HttpResponse) -> str:
    body = response.get_body()
    if response.mimetype != "application/json" or len(body) > 64 * 1024:
        return ""
    try:
        told: Any = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(told, dict):
        return ""
    return next((told[name] for name in IDS if isinstance(told.get(name), str)), "")


# --- refused ones ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Refused:
    latest: AuditRecord
    others: int = 0
    """How many came after the one that has its entry."""


@dataclass(slots=True)
class _Window:
    """What was refused lately; one for each event loop, since a timer closes it."""

    refused: dict[str, _Refused] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


_windows: WeakKeyDictionary[asyncio.AbstractEventLoop, _Window] = WeakKeyDictionary()


async def audit_refusal(request: func.HttpRequest, action: str, error: Exception, status: int) -> None:
    """Note that a request was refused for who asks: at once for the first of an address, folded for what follows it."""
    if not isinstance(error, UnauthenticatedError | ForbiddenError):
        return
    from domain.audit import AuditRecord
    from endpoints.authentication import NoCredentialsError, acting

    if isinstance(error, NoCredentialsError):
        return

    who, address = acting.get(), address_of(request)
    is_known = who is not ANYBODY
    record = AuditRecord(
        at=ports().clock(),
        actor=who.id if is_known else "",
        actor_name=who.name if is_known else "",
        action=action,
        target="requests",
        target_id="",
        address=address,
        request_id=request_id.get(),
        outcome=str(status),
    )
    window = _windows.setdefault(asyncio.get_running_loop(), _Window())
    name = f"{network_of(address)} {record.actor} {status}"
    if name not in window.refused and len(window.refused) >= MOST_ADDRESSES:
        name = MANY
    if (known := window.refused.get(name)) is not None:
        known.latest = record
        known.others += 1
        return
    window.refused[name] = _Refused(record)
    if window.task is None:
        window.task = asyncio.create_task(_close(window))
    # Not for each: whoever guesses must not fill the log either.
    log.warning("%s was refused (%d); the audit log has who asked, and from where", action, status)
    await _append(record)


async def _close(window: _Window) -> None:
    await asyncio.sleep(WINDOW_SECONDS)
    await fold_refused()


async def fold_refused() -> None:
    """Write what has gathered, and begin anew."""
    window = _windows.pop(asyncio.get_running_loop(), None)
    if window is None:
        return
    from dataclasses import replace

    if window.task is not None and window.task is not asyncio.current_task():
        window.task.cancel()
    for name, refused in window.refused.items():
        if refused.others:
            changes: dict[str, Any] = {"count": refused.others}
            if name == MANY:
                changes |= {"address": MANY, "actor": "", "actor_name": "", "action": "", "request_id": ""}
            log.warning("%d more requests were refused; the audit log has from where", refused.others)
            await _append(replace(refused.latest, **changes))


# --- where it comes from --------------------------------------------------------------------------------------------


def address_of(request: func.HttpRequest) -> str:
    """The caller's address: what the last proxy saw that is not the caller's own invention; empty where none did.

    Each proxy appends whom it was asked by, so only the entries at the end of `X-Forwarded-For` can be believed: the
    platform's own, or the dev host's, and one for each proxy of ours (`TOCSIN_PROXIES`).
    """
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    if not hops:
        return ""
    return _without_port(hops[max(0, len(hops) - 1 - ports().settings.proxies)][:100])


@lru_cache(maxsize=4096)
def _without_port(hop: str) -> str:
    host, _, port = hop.rpartition(":")
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return host if port.isdecimal() and host.count(".") == 3 and ":" not in host else hop


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """What counts as one caller: an address of IPv4, but 64 bits of IPv6, which everybody has 2^64 addresses of."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)  # else all of IPv4 would be one caller
    return str(ipaddress.ip_network((found, 64), strict=False))
