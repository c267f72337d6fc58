"""Alertmanager's schemas: what its API v2 takes and says, for the OpenAPI document.

Source: api/v2/openapi.yaml in Alertmanager 0.34; the names of the schemas are those of there.
"""

from __future__ import annotations

from typing import Any

type Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_TIME: Json = {"type": "string", "format": "date-time"}
_LABELS: Json = {"$ref": "#/components/schemas/labelSet"}


def _object(required: str, **properties: Json) -> Json:
    return (
        {"type": "object", "required": required.split(), "properties": properties}
        if required
        else {
            "type": "object",
            "properties": properties,
        }
    )


def _list(name: str) -> Json:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


_ALERT: Json = {
    "labels": _LABELS,
    "annotations": _LABELS,
    "generatorURL": {"type": "string", "format": "uri-reference"},
    "startsAt": _TIME,
    "endsAt": _TIME,
}

_STATUS = _object(
    "state silencedBy inhibitedBy mutedBy",
    state={"type": "string", "enum": ["unprocessed", "active", "suppressed"]},
    silencedBy={"type": "array", "items": _TEXT},
    inhibitedBy={"type": "array", "items": _TEXT},
    mutedBy={"type": "array", "items": _TEXT},
)

_SILENCE: Json = {
    "matchers": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/matcher"}},
    "startsAt": _TIME,
    "endsAt": _TIME,
    "createdBy": _TEXT,
    "comment": _TEXT,
    "annotations": _LABELS,
}

SCHEMAS: Json = {
    "labelSet": {"type": "object", "additionalProperties": _TEXT},
    "matcher": _object(
        "name value isRegex",
        name=_TEXT,
        value=_TEXT,
        isRegex={"type": "boolean"},
        isEqual={"type": "boolean", "default": True},
    ),
    "postableAlert": _object("labels", **_ALERT),
    "gettableAlert": _object(
        "labels annotations receivers fingerprint startsAt updatedAt endsAt status",
        **_ALERT,
        receivers=_list("receiver"),
        fingerprint=_TEXT,
        updatedAt=_TIME,
        status=_STATUS,
    ),
    "alertGroup": _object(
        "labels receiver alerts",
        labels=_LABELS,
        receiver={"$ref": "#/components/schemas/receiver"},
        alerts=_list("gettableAlert"),
    ),
    "receiver": _object("name", name=_TEXT, labels=_LABELS),
    "postableSilence": _object(
        "matchers startsAt endsAt createdBy comment", id={"type": "string", "format": "uuid"}, **_SILENCE
    ),
    "gettableSilence": _object(
        "id status updatedAt matchers startsAt endsAt createdBy comment",
        id=_TEXT,
        status=_object("state", state={"type": "string", "enum": ["expired", "active", "pending"]}),
        updatedAt=_TIME,
        **_SILENCE,
    ),
    "silenceID": _object("silenceID", silenceID=_TEXT),
    "alertmanagerStatus": _object(
        "cluster versionInfo config uptime",
        cluster=_object("status", status=_TEXT, peers={"type": "array", "items": {"type": "object"}}),
        versionInfo={"type": "object", "additionalProperties": _TEXT},
        config=_object("original", original=_TEXT),
        uptime=_TIME,
    ),
    "alertmanagerError": {
        "description": "What Alertmanager's own clients know: a text, or a code with a message.",
        "anyOf": [_TEXT, _object("code message", code={"type": "integer"}, message=_TEXT)],
    },
}

PATH: Json = {}
"""Of parameters in paths what is known beyond their being text."""


def _flag(name: str, words: str, default: bool = True) -> Json:
    schema = {"type": "boolean", "default": default}
    return {"name": name, "in": "query", "description": words, "schema": schema}


_FILTER: Json = {
    "name": "filter",
    "in": "query",
    "description": 'Matchers, such as `severity="critical"`; all must match.',
    "style": "form",
    "explode": True,
    "schema": {"type": "array", "items": _TEXT},
}
_RECEIVER: Json = {
    "name": "receiver",
    "in": "query",
    "description": "A regular expression that the whole name of the receiver matches.",
    "schema": _TEXT,
}
_RECEIVER_MATCHERS: Json = {**_FILTER, "name": "receiver_matchers", "description": "Matchers of receivers' labels."}

_SHOWN: list[Json] = [
    _FILTER,
    _RECEIVER,
    _RECEIVER_MATCHERS,
    _flag("active", "Show those that nothing mutes."),
    _flag("silenced", "Show silenced ones."),
    _flag("inhibited", "Show inhibited ones."),
]

PARAMETERS: dict[str, list[Json]] = {
    "get_alerts": [*_SHOWN, _flag("unprocessed", "There are none here.")],
    "get_alert_groups": [*_SHOWN, _flag("muted", "Show those that an interval mutes.")],
    "get_receivers": [_RECEIVER_MATCHERS],
    "get_silences": [
        _FILTER,
        _flag("active", "Show active ones."),
        _flag("pending", "Show those to come."),
        _flag("expired", "Show those that are over."),
    ],
    "post_silence": [_flag("confirm", "Take one that would mute nearly everything.", default=False)],
    "receive_alerts": [],
    "get_status": [],
    "get_silence": [],
    "expire_silence": [],
}

BODIES: Json = {
    "receive_alerts": _list("postableAlert"),
    "post_silence": {"$ref": "#/components/schemas/postableSilence"},
}

ANSWERS: Json = {
    "get_alerts": _list("gettableAlert"),
    "get_alert_groups": _list("alertGroup"),
    "get_receivers": _list("receiver"),
    "get_status": {"$ref": "#/components/schemas/alertmanagerStatus"},
    "get_silences": _list("gettableSilence"),
    "get_silence": {"$ref": "#/components/schemas/gettableSilence"},
    "post_silence": {"$ref": "#/components/schemas/silenceID"},
}

PROBLEMS: dict[str, set[int]] = {
    "get_alerts": {400},
    "get_alert_groups": {400},
    "get_receivers": {400},
    "get_silences": {400},
    "get_silence": {422},
    "expire_silence": {400, 413, 415, 422},
    "post_silence": {400, 413, 415, 422},
    "receive_alerts": {400, 413, 415, 422},
}

_WORDS = {
    400: "Something in it is wrong; of alerts, those that are right were taken.",
    401: "Nobody proven asks.",
    403: "Whoever asks may not.",
    404: "There is none.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "Something in it is not of the type that it must be.",
    429: "Too many requests: again after `Retry-After` seconds.",
    503: "Not now: again after `Retry-After` seconds.",
}


def refusal(status: int) -> Json:
    """What is said no with, in Alertmanager's form; some have no body at all."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/alertmanagerError"}}}
    return {"description": _WORDS[status], "content": content}
