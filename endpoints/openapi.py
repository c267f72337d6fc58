"""OpenAPI: the document of the whole API, made from the registry that routes the requests and from the shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue, models_json_schema

from endpoints import alertmanager_schemas as alertmanager
from endpoints.examples import REQUESTS, RESPONSES
from endpoints.field_docs import field_docs
from endpoints.pipeline import JSON, Endpoint, media_types, registry
from endpoints.problems import KINDS, OF_STATUS
from endpoints.shapes import NoQuery

PROBLEM = "application/problem+json"
REF = "#/components/schemas/{model}"

DESCRIPTION = """\
Tocsin takes alerts in, groups them into incidents and tells people. Under `/api/v2` it speaks Alertmanager's own API;
everything else is under `/api/v1`.

* **Lists** take `limit` and `cursor`; `next` in the answer is the cursor of what follows, or null. Cursors stay right
  while others write.
* **Errors** are problems (RFC 9457): `type` is stable, `errors` names each faulty field, `request_id` is in the log.
  Under `/api/v2` they have Alertmanager's form. A method that a path does not take is answered with 405 and `Allow`.
* **Idempotency**: send `Idempotency-Key` with a change under `/api/v1`, and sending it again within 24 hours does it
  once, and answers the same with `Idempotency-Replayed: true`.
* **Conditional requests**: what has an `ETag` obeys `If-None-Match`; changes that say so obey `If-Match`.
* **Limits**: 429 and 503 come with `Retry-After`, in seconds; then nothing was done.
"""

TAGS = {
    "Alertmanager": "Alertmanager's API v2, for Prometheus, amtool, karma, Grafana and others.",
    "Incidents": "What people work on: one occurrence of a group, with its timeline.",
    "Alerts": "Single alerts, and why each was told or was not.",
    "Groups": "What is told together.",
    "Silences": "What mutes, and what it would mute.",
    "Changes": "What people and machines changed, as deploy pipelines report it.",
    "Sources": "What other systems send in forms of their own, and what is made of it.",
    "Receivers": "Whom alerts are told to.",
    "Deliveries": "Single notifications and what became of them.",
    "Dead letters": "Messages that nobody will try again by themselves.",
    "Configuration": "Which configuration is in force, and which there were.",
    "Keys": "Who may ask.",
    "Audit": "Who did what.",
    "Live": "What happens, as it happens.",
    "Statistics": "How it went: times, noise, pages.",
    "Shadow": "Beside a running Alertmanager.",
    "Operations": "How Tocsin itself fares.",
    "Pages": "For people with a browser.",
    "Documentation": "This document, and ways to read it.",
}

SECURITY_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, `toc_…`."},
    "keyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
    "basic": {"type": "http", "scheme": "basic", "description": "An API key as the password; the name means nothing."},
    "entra": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of Entra ID for this application; its app roles are the scopes.",
    },
}

_PARAMETER = re.compile(r"\{(\w+)\}")

type Json = dict[str, Any]


@cache
def document() -> Json:
    """The whole document; made at the first call, when all handlers are registered."""
    schemas = _Schemas(registry)
    paths: dict[str, Json] = {}
    for entry in sorted(registry, key=lambda entry: (entry.path, entry.method)):
        path = "/" + entry.path.strip("/")
        paths.setdefault(path, {})[entry.method.lower()] = _operation(entry, schemas)
    used = {tag for item in paths.values() for operation in item.values() for tag in operation["tags"]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin",
            "version": version("tocsin"),
            "summary": "Alerts in, incidents and pages out.",
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "schemas": {**schemas.definitions, **alertmanager.SCHEMAS, "Problem": _problem_schema()},
            "responses": {_component(kind.status): _problem_response(kind.status) for kind in KINDS},
            "headers": HEADERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


# --- operations -----------------------------------------------------------------------------------------------------


def _operation(entry: Endpoint, schemas: _Schemas) -> Json:
    summary, description = _words(entry.handler.__doc__ or "")
    operation: Json = {"operationId": entry.name, "tags": [tag_of(entry.path)], "summary": summary}
    if description:
        operation["description"] = description
    if parameters := _parameters(entry, schemas):
        operation["parameters"] = parameters
    if body := _request_body(entry, schemas):
        operation["requestBody"] = body
    operation["responses"] = _responses(entry, schemas)
    operation["security"] = [{name: [entry.scope.value]} for name in SECURITY_SCHEMES] if entry.scope else []
    return operation


def tag_of(path: str) -> str:
    """Under which heading it stands."""
    first, *rest = path.split("/")
    if path.startswith("api/v2/"):
        return "Alertmanager"
    if path.startswith("api/v1/"):
        named = rest[1].replace("-", " ").capitalize()
        named = {
            "Events": "Live",
            "Configurations": "Configuration",
            "Arrivals": "Sources",
            "Reconciliation": "Sources",
        }.get(named, named)
        return named if named in TAGS else "Operations"
    if first == "-":
        return "Operations"
    if first == "v2":
        return "Sources"
    return "Documentation" if first in ("docs", "redoc", "openapi.json", "problems") else "Pages"


def _words(text: str) -> tuple[str, str]:
    """The first sentence or line, and all of it where there is more."""
    paragraphs = [re.sub(r"\s*\n\s*", " ", part).strip() for part in re.split(r"\n\s*\n", text.strip())]
    first = paragraphs[0] if paragraphs else ""
    summary = re.split(r"(?<=[^.])\.\s+(?=[A-Z`])|; ", first, maxsplit=1)[0].rstrip(".")
    whole = "\n\n".join(paragraphs)
    return summary, "" if whole.rstrip(".") == summary else whole


def _parameters(entry: Endpoint, schemas: _Schemas) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": alertmanager.PATH.get(name, {"type": "string"})}
        for name in _PARAMETER.findall(entry.path)
    ]
    if entry.name in alertmanager.PARAMETERS:
        found += alertmanager.PARAMETERS[entry.name]
    elif entry.query is not NoQuery:
        found += schemas.parameters(entry.query)
    if entry.takes_key:
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x20-\x7e]+$"}
        words = "Chosen by the caller; what comes again under it within 24 hours is done once."
        found.append({"name": "Idempotency-Key", "in": "header", "description": words, "schema": schema})
    if entry.conditional:
        name = "If-None-Match" if entry.method == "GET" else "If-Match"
        words = "ETags that the caller has: 304 where it is still so."
        if entry.method != "GET":
            words = "The ETag of what the caller saw: 412 where it has changed since."
        found.append({"name": name, "in": "header", "description": words, "schema": {"type": "string"}})
    return found


def _request_body(entry: Endpoint, schemas: _Schemas) -> Json | None:
    if entry.name in alertmanager.BODIES:
        content: Json = {JSON: {"schema": alertmanager.BODIES[entry.name]}}
        is_required = True
    elif entry.body:
        content = {
            media_type: {"schema": schemas.ref(shape, "validation") if shape else _text(media_type)}
            for media_type, shape in entry.body.items()
        }
        is_required = any(
            shape is None or any(field.is_required() for field in shape.model_fields.values())
            for shape in entry.body.values()
        )
    else:
        return None
    if entry.name in REQUESTS:
        media_type, example = REQUESTS[entry.name]
        content[media_type]["example"] = example
    return {"required": is_required, "content": content}


def _text(media_type: str) -> Json:
    return {} if media_type == JSON else {"type": "string"}


# --- answers --------------------------------------------------------------------------------------------------------

HEADERS: dict[str, Json] = {
    "RequestId": {
        "description": "As the caller sent it in `X-Request-Id`, or made here.",
        "schema": {"type": "string"},
    },
    "ETag": {"description": "Names this state of it.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "In seconds.", "schema": {"type": "integer", "minimum": 1}},
    "Challenge": {"description": "How to say who asks.", "schema": {"type": "string"}},
    "Replayed": {
        "description": "`true` where this was answered before, under the same `Idempotency-Key`.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Location": {"description": "Where to go.", "schema": {"type": "string", "format": "uri-reference"}},
}


def _responses(entry: Endpoint, schemas: _Schemas) -> Json:
    responses: Json = {}
    for status, content in entry.answers.items():
        answer: Json = {"description": _WORDS.get(status, "As asked."), "headers": _headers("RequestId")}
        if isinstance(content, str | tuple):
            schema = alertmanager.ANSWERS.get(entry.name, {}) if content == JSON else {"type": "string"}
            answer["content"] = {media_type: {"schema": schema} for media_type in media_types(content)}
        elif content is not None:
            answer["content"] = {JSON: {"schema": schemas.ref(content, "serialization")}}
        if status == 200 and entry.name in RESPONSES and content is not None:
            next(iter(answer["content"].values()))["example"] = RESPONSES[entry.name]
        if entry.conditional and entry.method == "GET" and status == 200:
            answer["headers"] |= _headers("ETag")
        if entry.takes_key:
            answer["headers"] |= _headers("Idempotency-Replayed")
        if status in (201, 302, 303):
            answer["headers"] |= _headers("Location") if status != 201 else {}
        responses[str(status)] = answer
    if entry.conditional and entry.method == "GET":
        responses["304"] = {"description": "It is as the caller knows it.", "headers": _headers("RequestId", "ETag")}
    is_alertmanager = entry.path.startswith("api/v2/")
    for status in problems_of(entry):
        if str(status) not in responses:
            responses[str(status)] = (
                alertmanager.refusal(status)
                if is_alertmanager
                else {"$ref": f"#/components/responses/{_component(status)}"}
            )
    return dict(sorted(responses.items()))


def problems_of(entry: Endpoint) -> Iterable[int]:
    """All the problems that its callers may meet, the pipeline's among them."""
    found = {*entry.problems, 503}
    is_page = not entry.path.startswith("api/")
    if entry.scope is not None:
        found |= {401, 403, 429}
    if entry.produces:
        found |= {406}
    if entry.path.startswith("api/v2/"):
        found |= alertmanager.PROBLEMS.get(entry.name, set())
    elif entry.is_ours:
        found |= {422}
    elif entry.query is not NoQuery:
        found |= {400}
    if entry.body:
        found |= {413, 415} | ({400} if not is_page else set())
    if entry.takes_key:
        found |= {409}
    if entry.conditional and entry.method != "GET":
        found |= {412}
    return sorted(found)


_WORDS = {
    200: "It is so.",
    201: "It is made.",
    202: "It is taken, and will be done.",
    204: "It is done; there is nothing to say.",
    302: "See there.",
    303: "It is done; see there.",
    304: "It is as the caller knows it.",
    400: "Something in it is wrong.",
    404: "There is none.",
    409: "Not now.",
}


def _headers(*names: str) -> Json:
    known = {"RequestId": "X-Request-Id", "RetryAfter": "Retry-After", "Challenge": "WWW-Authenticate"}
    components = {"Idempotency-Replayed": "Replayed"}
    return {known.get(name, name): {"$ref": f"#/components/headers/{components.get(name, name)}"} for name in names}


def _component(status: int) -> str:
    return "".join(part.capitalize() for part in OF_STATUS[status].slug.split("-"))


def _problem_response(status: int) -> Json:
    kind = OF_STATUS[status]
    headers = _headers("RequestId")
    if status in (429, 503):
        headers |= _headers("RetryAfter")
    if status == 401:
        headers |= _headers("Challenge")
    example = {
        "type": kind.type,
        "title": kind.title,
        "status": status,
        "detail": kind.words,
        "request_id": "0f9b3c5de2a94b0d8f6f4f3a1c7e2b10",
    }
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
    return {"description": f"{kind.title}. {kind.words}", "headers": headers, "content": content}


def _problem_schema() -> Json:
    return {
        "type": "object",
        "description": "What went wrong (RFC 9457); further members may be there.",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri-reference",
                "description": "Stable: what programs tell kinds apart by. It leads to a page that explains it.",
            },
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What went wrong this time."},
            "request_id": {"type": "string", "description": "The same as in the log, and in `X-Request-Id`."},
            "errors": {
                "type": "array",
                "description": "What is wrong with the input, field by field.",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
    }


# --- schemas --------------------------------------------------------------------------------------------------------


class _Schemas:
    """The JSON schemas of all shapes, by their models and what they are for."""

    def __init__(self, entries: Iterable[Endpoint]) -> None:
        wanted: dict[tuple[type[BaseModel], Literal["validation", "serialization"]], None] = {}
        for entry in entries:
            wanted |= {
                (model, "validation"): None for model in (entry.query, *entry.body.values()) if model is not None
            }
            shown = [content for content in entry.answers.values() if isinstance(content, type)]
            wanted |= {(model, "serialization"): None for model in shown}
        for model, _ in wanted:
            model.model_rebuild()
        self._refs, found = models_json_schema(list(wanted), ref_template=REF)
        self.definitions: dict[str, Json] = found.get("$defs", {})
        queries = {self._name(model, mode) for model, mode in wanted if mode == "validation"} - {
            self._name(shape, "validation") for entry in registry for shape in entry.body.values() if shape
        }
        for model in _all_models():
            self._describe(model)
        self._queries = {name: self.definitions.pop(name) for name in queries}

    def _name(self, model: type[BaseModel], mode: Literal["validation", "serialization"]) -> str:
        return str(self._refs[model, mode]["$ref"]).rpartition("/")[2]

    def _describe(self, model: type[BaseModel]) -> None:
        """The strings under the fields say what they mean; pydantic would read them at each import."""
        for name in (model.__name__, f"{model.__name__}-Input", f"{model.__name__}-Output"):
            properties = self.definitions.get(name, {}).get("properties", {})
            for field, words in field_docs(model).items():
                if field in properties and "description" not in properties[field]:
                    properties[field]["description"] = words

    def ref(self, model: type[BaseModel], mode: Literal["validation", "serialization"]) -> JsonSchemaValue:
        """Where its schema stands."""
        return self._refs[model, mode]

    def parameters(self, query: type[BaseModel]) -> list[Json]:
        """The parameters that a `Query` takes."""
        schema = self._queries[self._name(query, "validation")]
        found = []
        for name, declared in schema.get("properties", {}).items():
            schema_of = _without_null({key: value for key, value in declared.items() if key != "title"})
            parameter: Json = {"name": name, "in": "query", "required": name in schema.get("required", ())}
            for key in ("description", "deprecated"):
                if key in schema_of:
                    parameter[key] = schema_of.pop(key)
            found.append({**parameter, "schema": schema_of})
        return found


def _without_null(schema: Json) -> Json:
    """A parameter that is not there is null; one that is there cannot be."""
    options = [option for option in schema.pop("anyOf", []) if option != {"type": "null"}]
    if schema.get("default", 0) is None:
        del schema["default"]
    if len(options) == 1:
        return {**options[0], **schema}
    return {**schema, "anyOf": options} if options else schema


def _all_models() -> Iterable[type[BaseModel]]:
    """Every model there is of ours: shapes, and the shapes in them."""
    seen: dict[type[BaseModel], None] = {}
    waiting: list[type[BaseModel]] = [BaseModel]
    while waiting:
        for model in waiting.pop().__subclasses__():
            if model not in seen:
                seen[model] = None
                waiting.append(model)
    return [model for model in seen if model.__module__.partition(".")[0] in ("endpoints", "domain")]
