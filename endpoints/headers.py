"""Headers: what every answer carries so that browsers do no harm with it, and which other sites' scripts may ask."""

from __future__ import annotations

from collections.abc import Sequence

import azure.functions as func

from adapters.wiring import ports

SECURITY = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # With `no-referrer` browsers would hide their origin from our own forms too, which is what tells them apart.
    ("Referrer-Policy", "same-origin"),
    # What is no page runs nothing and shows nothing, whatever a browser takes it for; pages bring their own.
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
)

_USUAL = (*SECURITY, ("Cache-Control", "no-store"))

EXPOSED = "Allow, ETag, Idempotency-Replayed, Location, Retry-After, Tocsin-Mode, WWW-Authenticate, X-Request-Id"
ALLOWED = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-API-Key, X-Request-Id"
PREFLIGHT_SECONDS = 600


def secure(request: func.HttpRequest, response: func.HttpResponse, identity: str) -> None:
    """Put the headers on that every answer has; those that the handler chose stay."""
    headers, settings = response.headers, ports().settings
    # Added without werkzeug's looking for line breaks in each, which took a third of the pipeline's time.
    pairs: list[tuple[str, str]] = headers._list
    if not pairs:
        pairs += [("X-Request-Id", identity), *_USUAL]
    else:
        chosen = {name.lower() for name, _ in pairs}
        pairs.append(("X-Request-Id", identity))
        pairs += [pair for pair in SECURITY if pair[0].lower() not in chosen]
        if "cache-control" not in chosen:
            # What has an ETag may be kept by whoever asked, and is asked about each time.
            pairs.append(("Cache-Control", "private, no-cache" if "etag" in chosen else "no-store"))
    if settings.shadow:
        headers["Tocsin-Mode"] = "shadow"  # whoever asks shall know that nobody is told
    if settings.cors_origins:
        headers.add("Vary", "Origin")
        origin = request.headers.get("origin")
        if origin in settings.origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = EXPOSED


def preflight(request: func.HttpRequest, methods: Sequence[str]) -> func.HttpResponse | None:
    """The answer to a browser that asks whether a script of a listed site may ask; None where it is none of these."""
    asked = request.headers.get("access-control-request-method")
    if request.method != "OPTIONS" or not asked or request.headers.get("origin") not in ports().settings.origins:
        return None
    return func.HttpResponse(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": ALLOWED,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )
