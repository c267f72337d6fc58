"""Alertmanager's API v2 of silences: what a post holds, what a query asks for, and how silences are shown.

Source: api/v2/openapi.yaml, compat.go and api.go of Alertmanager 0.34; codes as measured on 0.25.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

import re2
from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import MalformedError, RejectedError
from domain.flags import read_flag
from domain.labels import Matcher, MatchType
from domain.matchers import parse_matcher
from domain.quoting import quote
from domain.silences import PostedSilence, Silence, SilenceState, list_selected
from domain.sources.alertmanager_api import read_first_value, well_formed
from domain.times import print_milliseconds, read_instant

LARGEST_BYTES = 256 * 1024
"""Of one posted silence; an expression of 10,000 host names fits."""

MOST_MATCHERS = 100
"""In one silence.  Alertmanager sets no limit to either."""

# --- what a post holds: the names are the wire's ----------------------------------------------------------------------


class PostableMatcher(BaseModel):
    """One element of `matchers`; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)

    name: str | None = None
    value: str | None = None
    isRegex: bool | None = None
    isEqual: bool | None = None


class PostableSilence(BaseModel):
    """The posted object; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: str | None = None
    matchers: list[PostableMatcher] | None = None
    startsAt: str | None = None
    endsAt: str | None = None
    createdBy: str | None = None
    comment: str | None = None
    annotations: dict[str, str] | None = None


_MATCHER_FIELDS = {name.lower(): name for name in PostableMatcher.model_fields}
_SILENCE_FIELDS = {name.lower(): name for name in PostableSilence.model_fields}


def read_silence(body: bytes) -> PostedSilence:
    """Read a posted silence; whether it may be kept is asked of `silences.edit`.

    Raises:
        MalformedError: It is not what the API takes.
        RejectedError: An expression is none.
    """
    if len(body) > LARGEST_BYTES:
        raise MalformedError(413, 413, f"the silence has {len(body)} bytes; at most {LARGEST_BYTES} are taken")
    if not body.strip(b" \t\r\n"):
        raise MalformedError(422, 602, "silence in body is required")
    try:
        posted = PostableSilence.model_validate(_as_go(read_first_value(body)))
        starts_at, ends_at = _instant(posted.startsAt), _instant(posted.endsAt)
    except ValidationError as error:
        raise _unreadable(_first_fault(error)) from None
    except ValueError as error:
        raise _unreadable(str(error)) from None
    _require(posted)
    matchers = posted.matchers or []
    if len(matchers) > MOST_MATCHERS:
        raise RejectedError(f"the silence has {len(matchers)} matchers; at most {MOST_MATCHERS} are taken")
    return PostedSilence(
        id=posted.id or "",
        matchers=tuple([_read_matcher(place, matcher) for place, matcher in enumerate(matchers)]),
        starts_at=starts_at,
        ends_at=ends_at,
        created_by=posted.createdBy or "",
        comment=posted.comment or "",
        annotations=posted.annotations or {},
    )


def _as_go(value: Any) -> Any:
    """With the names of fields in any case, and null for an empty object, as Go's decoder takes them."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return value
    fields = _fields(value, _SILENCE_FIELDS)
    if isinstance(matchers := fields.get("matchers"), list):
        # Alertmanager dies of a null among them; here it is one that lacks everything.
        fields["matchers"] = [
            _fields(matcher, _MATCHER_FIELDS) if isinstance(matcher, dict) else {} if matcher is None else matcher
            for matcher in matchers
        ]
    if isinstance(annotations := fields.get("annotations"), dict):
        fields["annotations"] = {
            well_formed(name): "" if text is None else well_formed(text) for name, text in annotations.items()
        }
    return fields


def _fields(value: dict[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    return {known[name.lower()]: well_formed(part) for name, part in value.items() if name.lower() in known}


def _instant(text: str | None) -> datetime | None:
    read = None if text is None else read_instant(text)
    return None if read is None else read[0].astimezone(UTC)


def _require(posted: PostableSilence) -> None:
    """Refuse what lacks something, in the order in which go-openapi looks."""
    _require_one(posted.comment, "comment")
    _require_one(posted.createdBy, "createdBy")
    _require_one(posted.endsAt, "endsAt")
    _require_one(posted.matchers, "matchers")
    if posted.matchers == []:
        raise MalformedError(422, 612, "matchers in body should have at least 1 items")
    for place, matcher in enumerate(posted.matchers or ()):
        _require_one(matcher.isRegex, f"matchers.{place}.isRegex")
        _require_one(matcher.name, f"matchers.{place}.name")
        _require_one(matcher.value, f"matchers.{place}.value")
    _require_one(posted.startsAt, "startsAt")


def _require_one(value: object, name: str) -> None:
    if value is None:
        raise MalformedError(422, 602, f"{name} in body is required")


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]


def _unreadable(why: str) -> MalformedError:
    return MalformedError(400, 400, f'parsing silence body from "" failed, because {why}'[:4000])


_TYPES = {
    # isEqual, isRegex
    (True, False): MatchType.EQUAL,
    (False, False): MatchType.NOT_EQUAL,
    (True, True): MatchType.REGEX,
    (False, True): MatchType.NOT_REGEX,
}


def _read_matcher(place: int, posted: PostableMatcher) -> Matcher:
    kind = _TYPES[posted.isEqual is not False, posted.isRegex is True]
    value = posted.value or ""
    try:
        if posted.isRegex:
            _check_expression(value)
        return Matcher(posted.name or "", kind, value)
    except RejectedError as error:
        raise RejectedError(f"invalid silence: invalid label matcher {place}: {error}") from error


def _check_expression(pattern: str) -> None:
    """Refuse what is an expression only between the anchors that are put around it, such as `a)|(?:b`."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise RejectedError(f"invalid regular expression {quote(pattern)}: {reason}") from error


# --- what a query asks for --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SilenceSelection:
    """Which silences a list is to show; by default all of them."""

    matchers: tuple[Matcher, ...] = ()
    states: tuple[SilenceState, ...] = tuple(SilenceState)


def read_silence_selection(parameters: Mapping[str, Sequence[str]]) -> SilenceSelection:
    """What a query string asks for; each parameter has all its values in their order.

    Raises:
        RejectedError: A matcher cannot be read.
    """
    return SilenceSelection(
        matchers=tuple([parse_matcher(text) for text in parameters.get("filter", ())]),
        states=tuple([state for state in SilenceState if read_flag(parameters, state)]),
    )


# --- what is shown: the names are the wire's --------------------------------------------------------------------------


class ShownMatcher(TypedDict):
    """One matcher; its operator is told by two flags."""

    isEqual: bool
    isRegex: bool
    name: str
    value: str


class ShownSilenceStatus(TypedDict):
    """What the clock makes of it."""

    state: Literal["active", "pending", "expired"]


class ShownSilence(TypedDict):
    """One silence, its times in UTC."""

    id: str
    status: ShownSilenceStatus
    updatedAt: str
    annotations: Mapping[str, str]
    comment: str
    createdBy: str
    endsAt: str
    matchers: Sequence[ShownMatcher]
    startsAt: str


_FLAGS = {kind: flags for flags, kind in _TYPES.items()}


def show_silences(silences: Iterable[Silence], selection: SilenceSelection, now: datetime) -> list[ShownSilence]:
    """Those that are asked for, as of now, in Alertmanager's order (SI-7)."""
    found = list_selected(silences, selection.matchers, selection.states, now)
    return [show_silence(silence, state) for silence, state in found]


def show_silence(silence: Silence, state: SilenceState) -> ShownSilence:
    """One silence in this state."""
    return {
        "id": silence.id,
        "status": {"state": state.value},
        "updatedAt": print_milliseconds(silence.updated_at),
        "annotations": silence.annotations,
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": print_milliseconds(silence.ends_at),
        "matchers": [_show_matcher(matcher) for matcher in silence.matchers],
        "startsAt": print_milliseconds(silence.starts_at),
    }


def _show_matcher(matcher: Matcher) -> ShownMatcher:
    is_equal, is_regex = _FLAGS[matcher.type]
    return {"isEqual": is_equal, "isRegex": is_regex, "name": matcher.name, "value": matcher.value}
