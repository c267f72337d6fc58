"""Alertmanager's API v2: what `POST /api/v2/alerts` takes, as Prometheus, Grafana and amtool send it.

Source: api/v2/openapi.yaml and `postAlertsHandler` in api/v2/api.go of Alertmanager 0.34 (FP-3, IN-1 to IN-4); codes
as measured on 0.25.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, FailFast, TypeAdapter, ValidationError

from domain.alerts import Alert, later
from domain.errors import MalformedError
from domain.labels import fingerprint
from domain.quoting import quote
from domain.times import read_instant

PROBLEMS_SHOWN = 20

MOST_ALERTS = 20_000
"""In one body; Prometheus sends 64.  Reading an alert, and all that follows, takes some 5 kB and 70 µs."""

MOST_VALUES = 400_000
"""Labels, annotations and the rest of all alerts of one body: twenty for each, or all of them in one."""

_LARGE_BYTES = 64 * 1024


# Of a large body the first fault must be enough: all of them would take a hundred times its size.
type _Texts = Annotated[dict[str, str], FailFast()]


class PostableAlert(BaseModel):
    """One element of the posted array; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)

    labels: _Texts | None = None
    annotations: _Texts | None = None
    startsAt: str | None = None
    endsAt: str | None = None
    generatorURL: str | None = None


_POSTED = TypeAdapter(Annotated[list[PostableAlert], FailFast()])
_POSTED_FEW = TypeAdapter(list[PostableAlert])
_FIELDS = {name.lower(): name for name in PostableAlert.model_fields}


@dataclass(frozen=True, slots=True)
class Reading:
    """The alerts of one body that are right, and what is wrong with the others (IN-4)."""

    alerts: Sequence[Alert]
    problems: Sequence[str]
    """At most `PROBLEMS_SHOWN`, and a last one that counts the rest."""


def read_alerts(body: bytes, received_at: datetime, resolve_timeout: timedelta) -> Reading:
    """Read a posted array, fill in the times (IN-1, IN-2), drop empty labels (FP-3), and check each alert (IN-3).

    Raises:
        MalformedError: The body as a whole is refused.
    """
    alerts: list[Alert] = []
    problems: list[str] = []
    count = 0
    refusal: MalformedError | None = None
    for place, posted in enumerate(_parse(body)):
        try:
            starts = read_instant(posted.startsAt) if posted.startsAt is not None else None
            ends = read_instant(posted.endsAt) if posted.endsAt is not None else None
        except ValueError as error:
            raise _unreadable(f"alert {place}: {error}") from None
        # Alertmanager reads all times before it looks at anything else, so what follows waits for them.
        if refusal is None:
            refusal = _refusal(place, posted)
        try:
            alerts.append(_read_one(posted, starts, ends, received_at, resolve_timeout))
        except ValueError as error:
            count += 1
            if count <= PROBLEMS_SHOWN:
                problems.append(f"alert {place}: {error}")
    if refusal is not None:
        raise refusal
    if count > PROBLEMS_SHOWN:
        problems.append(f"and {count - PROBLEMS_SHOWN} more")
    return Reading(alerts, problems)


type _Time = tuple[datetime, str] | None


def _read_one(
    posted: PostableAlert, starts: _Time, ends: _Time, received_at: datetime, resolve_timeout: timedelta
) -> Alert:
    labels = posted.labels or {}
    if "" in labels.values():
        labels = {name: value for name, value in labels.items() if value}
    is_timeout = ends is None
    starts_at, starts_text = starts or ends or (received_at, "")
    ends_at, ends_text = ends or (later(received_at, resolve_timeout), "")
    if ends_at < starts_at:
        raise ValueError("start time must be before end time")
    if not labels:
        raise ValueError("at least one label pair required")
    # What was read is UTF-8, so this is the only name that is none (IN-3).
    if "" in labels:
        raise ValueError('invalid label set: invalid name ""')
    if posted.annotations and "" in posted.annotations:
        raise ValueError('invalid annotations: invalid name ""')
    return Alert(
        fingerprint=fingerprint(labels),
        labels=labels,
        annotations=posted.annotations or {},
        starts_at=starts_at,
        ends_at=ends_at,
        received_at=received_at,
        generator_url=posted.generatorURL or "",
        is_timeout=is_timeout,
        starts_text=starts_text,
        ends_text=ends_text,
    )


def _refusal(place: int, posted: PostableAlert) -> MalformedError | None:
    """Why go-openapi's validation refuses the whole body on account of this alert."""
    url = posted.generatorURL
    if url and not _is_uri(url):
        return MalformedError(422, 601, f"{place}.generatorURL in body must be of type uri: {quote(url[:200])}")
    if posted.labels is None:
        return MalformedError(422, 602, f"{place}.labels in body is required")
    return None


# --- reading the JSON -----------------------------------------------------------------------------------------------


def _parse(body: bytes) -> list[PostableAlert]:
    _refuse_too_many(body)
    if not body.strip(b" \t\r\n"):
        raise MalformedError(422, 602, "alerts in body is required")
    try:
        posted = _POSTED.validate_json(body)
    except ValidationError:
        # What a strict reader refuses, Go's may take.
        posted = _parse_as_go(body)
    else:
        if any(alert.labels is None for alert in posted):
            posted = _parse_as_go(body)
    if len(posted) > MOST_ALERTS:
        raise MalformedError(413, 413, f"the body holds {len(posted)} alerts; {_MOST}")
    return posted


_MOST = (
    f"at most {MOST_ALERTS} are taken at once, with {MOST_VALUES} labels and annotations: post them in several parts"
)


def _refuse_too_many(body: bytes) -> None:
    """Refuse what would take a hundred times the memory of its bytes, before it is parsed.

    Counted are the marks that JSON needs between its values, so a text that holds very many of them is refused too.
    """
    if len(body) < _LARGE_BYTES:
        return
    values = body.count(b",")
    # An alert has three objects: itself, its labels, its annotations; as many more may stand in texts.
    if values > MOST_VALUES or body.count(b"{") + body.count(b"[") > 6 * MOST_ALERTS:
        raise MalformedError(413, 413, f"the body holds too much: some {values} values; {_MOST}")


def _parse_as_go(body: bytes) -> list[PostableAlert]:
    """As Go's `json.Decoder` reads: any case of a field's name, null for empty."""
    try:
        value = read_first_value(body)
    except ValueError as error:
        raise _unreadable(str(error)) from None
    if value is None:
        return []
    if isinstance(value, list):
        value = [_as_go(element) for element in value]
    try:
        return (_POSTED if len(body) > _LARGE_BYTES else _POSTED_FEW).validate_python(value)
    except ValidationError as error:
        raise _unreadable(_faults(error)) from None


def read_first_value(body: bytes) -> Any:
    """The first JSON value of the body, as Go's `json.Decoder` reads it: what stands behind it is ignored.

    What is no UTF-8 becomes U+FFFD; surrogates that JSON spells stay for `well_formed`.

    Raises:
        ValueError: There is none.
    """
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    try:
        return json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text)[0]
    except RecursionError as error:
        raise ValueError(str(error)) from error


def _as_go(element: Any) -> Any:
    if not isinstance(element, dict):
        return element
    fields: dict[str, Any] = {}
    for name, value in element.items():
        field = _FIELDS.get(name.lower())
        if isinstance(value, dict) and field:
            fields[field] = {well_formed(key): "" if text is None else well_formed(text) for key, text in value.items()}
        elif field:
            fields[field] = well_formed(value)
    return fields


_SURROGATE = re.compile("[\ud800-\udfff]")


def well_formed(value: Any) -> Any:
    """A text without lone surrogates, which JSON can spell and UTF-8 cannot hold; anything else as it is."""
    if not isinstance(value, str) or value.isascii() or _SURROGATE.search(value) is None:
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unreadable(why: str) -> MalformedError:
    return MalformedError(400, 400, f'parsing alerts body from "" failed, because {why}'[:4000])


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    shown = []
    for fault in faults[:PROBLEMS_SHOWN]:
        place = ".".join(str(part) for part in fault["loc"])
        shown.append(f"{place}: {fault['msg']}" if place else fault["msg"])
    if len(faults) > PROBLEMS_SHOWN:
        shown.append(f"and {len(faults) - PROBLEMS_SHOWN} more")
    return "; ".join(shown)


# --- the generator's URL --------------------------------------------------------------------------------------------

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Only escapes of other than ASCII, and `%25` before a zone, may stand in a host.
_AUTHORITY = re.compile(
    r"""(?:[\w.~!$&'()*+,;=:%-]*@)?"""
    r"""(?P<host>(?:[\w.~!$&'()*+,;=:\[\]<>"-]|[^\x00-\x7f]|%25|%[89A-Fa-f][0-9A-Fa-f])*)""",
    re.ASCII,
)
_PORT = re.compile(r"(?::\d*)?", re.ASCII)


@lru_cache(maxsize=4096)
def _is_uri(text: str) -> bool:
    """Whether Go's `url.ParseRequestURI` takes it: absolute, a path, or `*`."""
    if _CONTROL.search(text):
        return False
    scheme = _SCHEME.match(text)
    path = text[scheme.end() if scheme else 0 :].partition("?")[0]
    if not path.startswith("/"):
        return scheme is not None or text == "*"
    if scheme and path.startswith("//"):
        authority, _, path = path[2:].partition("/")
        match = _AUTHORITY.fullmatch(authority)
        if match is None or _BAD_ESCAPE.search(authority) or not _is_host(match["host"]):
            return False
    return _BAD_ESCAPE.search(path) is None


def _is_host(host: str) -> bool:
    if host.startswith("["):
        _, bracket, port = host.rpartition("]")
        return bool(bracket) and _PORT.fullmatch(port) is not None
    _, colon, port = host.rpartition(":")
    return _PORT.fullmatch(colon + port if colon else "") is not None
