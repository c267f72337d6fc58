"""Docs: the OpenAPI document, and pages that show it; all of it packaged, nothing is loaded from elsewhere."""

from __future__ import annotations

import gzip
import json
from functools import cache
from html import escape
from pathlib import Path

import azure.functions as func

from domain.errors import NotFoundError
from endpoints.pipeline import endpoint
from endpoints.problems import KINDS, path_of

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]

ASSETS = Path(__file__).with_name("assets")

MEDIA_TYPES = {
    "docs.js": "text/javascript",
    "redoc.js": "text/javascript",
    "redoc.standalone.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
"""What is served of the folder, and as what; the larger ones lie there packed."""

ASSET_SECONDS = 24 * 3600
"""So long a browser does not even ask; then its ETag tells whether they are others."""

# Both libraries put style sheets into the page, and pictures into style sheets; their scripts are files of ours.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@endpoint(blueprint, "GET", "openapi.json", scope=None, answers={200: "application/json"}, conditional=True)
async def show_openapi(request: func.HttpRequest) -> func.HttpResponse:
    """This document: the API as OpenAPI 3.1."""
    return func.HttpResponse(_document(), mimetype="application/json")


@endpoint(blueprint, "GET", "docs", scope=None, answers={200: "text/html"}, conditional=True)
async def show_docs(request: func.HttpRequest) -> func.HttpResponse:
    """The API for people, to read and to try out: Swagger UI."""
    up = _up(request)
    style = f'<link rel="stylesheet" href="{up}docs/assets/swagger-ui.css">'
    return _page(style, f"{up}docs/assets/swagger-ui-bundle.js", f"{up}docs/assets/docs.js", up)


@endpoint(blueprint, "GET", "redoc", scope=None, answers={200: "text/html"}, conditional=True)
async def show_redoc(request: func.HttpRequest) -> func.HttpResponse:
    """The API for people, to read: Redoc."""
    up = _up(request)
    return _page("", f"{up}docs/assets/redoc.standalone.js", f"{up}docs/assets/redoc.js", up)


@endpoint(
    blueprint,
    "GET",
    "docs/assets/{name}",
    scope=None,
    answers={200: ("text/javascript", "text/css")},
    problems=(404,),
    conditional=True,
)
async def show_asset(request: func.HttpRequest) -> func.HttpResponse:
    """A script or a style sheet of these pages."""
    name = request.route_params["name"]
    if name not in MEDIA_TYPES:
        raise NotFoundError(f"no such file: {name[:100]!r}")
    is_packed = (ASSETS / f"{name}.gz").exists()
    takes_packed = "gzip" in request.headers.get("accept-encoding", "")
    response = func.HttpResponse(
        _read(name, is_packed=is_packed, unpack=is_packed and not takes_packed),
        mimetype=MEDIA_TYPES[name],
        headers={"Cache-Control": f"public, max-age={ASSET_SECONDS}", "Vary": "Accept-Encoding"},
    )
    if is_packed and takes_packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


@endpoint(blueprint, "GET", "problems/{kind}", scope=None, answers={200: "text/plain"}, problems=(404,))
async def explain_problem(request: func.HttpRequest) -> func.HttpResponse:
    """What a kind of problem means; where the `type` of a problem leads."""
    slug = request.route_params["kind"]
    for kind in KINDS:
        if kind.slug == slug:
            return func.HttpResponse(f"{kind.status} {kind.title}\n\n{kind.words}\n", mimetype="text/plain")
    raise NotFoundError(f"no such kind of problem: {slug[:100]!r}")


@cache
def _document() -> bytes:
    from endpoints.openapi import document

    return json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()


@cache
def _read(name: str, *, is_packed: bool, unpack: bool) -> bytes:
    stored = (ASSETS / (f"{name}.gz" if is_packed else name)).read_bytes()
    return gzip.decompress(stored) if unpack else stored


def _page(style: str, library: str, start: str, up: str) -> func.HttpResponse:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tocsin API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{style}</head><body>'
        '<div id="docs"><noscript>This page needs scripts; the document itself is at /openapi.json.</noscript></div>'
        f'<script src="{escape(library)}"></script>'
        f'<script src="{escape(start)}" data-openapi="{escape(up)}openapi.json"></script></body></html>'
    )
    return func.HttpResponse(html, mimetype="text/html", headers={"Content-Security-Policy": CSP})


def _up(request: func.HttpRequest) -> str:
    """What leads to the folder that holds `docs`, wherever a proxy may have put us."""
    return "../" if path_of(request).endswith("/") else ""
