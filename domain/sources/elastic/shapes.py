"""Shapes: which of its three shapes a body has, and the object of each alert in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from domain.errors import RejectedError, UnreadableError
from domain.sources.bodies import check_count, parse_json, plain
from domain.sources.elastic.fields import Fields

_BETWEEN = " \t\r\n,"
_GAP = re.compile(f"[{_BETWEEN}]*")

type Entry = tuple[Literal["action", "document", "watch", "none"], Fields, str]
"""The shape, the object, and the status that its place in the body tells."""


def entries_of(body: bytes) -> Iterator[Entry]:
    """Of each alert in the body.

    Raises:
        UnreadableError: It is no JSON.
        TooLargeError: It holds more than is taken at once.
    """
    return _entries(_values(body))


def _values(body: bytes) -> list[Any]:
    """The JSON values of the body: one, or several objects after each other."""
    try:
        return [parse_json(body)]
    except UnreadableError as error:
        values = _split(body)
        if len(values) < 2:
            raise error from None
        return values


def _split(body: bytes) -> list[Any]:
    """The values that stand after each other, or what is before the first that cannot be read: then less than two."""
    decoder = json.JSONDecoder()
    values: list[Any] = []
    try:
        text = body.decode("utf-8").strip(_BETWEEN)
        at = 0
        while at < len(text):
            _, after = decoder.raw_decode(text, at)
            # Read again: what a strict reader refuses (lone surrogates) may not pass here either.
            values.append(parse_json(text[at:after].encode()))
            check_count(len(values))
            at = _GAP.match(text, after).end()  # type: ignore[union-attr]  # it matches the empty text
    except (ValueError, RecursionError, UnreadableError):
        return []
    return values


def _entries(values: list[Any]) -> Iterator[Entry]:
    """The shape, the object and the status that its place tells, of each alert in the values."""
    for value in values:
        if isinstance(value, list):
            check_count(len(value))
            for element in value:
                yield _entry(element)
            continue
        if isinstance(value, dict):
            value = _unwrapped(value)
            listed = value.get("alerts")
            if isinstance(listed, list):
                check_count(len(listed))
                for element in listed:
                    yield _entry(element)
                continue
            if isinstance(listed, dict) and not listed.keys().isdisjoint(_SUMMARY):
                yield from _summary(value, listed)
                continue
        yield _entry(value)


_SUMMARY = ("new", "ongoing", "recovered")


def _summary(value: dict[str, Any], listed: dict[str, Any]) -> Iterator[Entry]:
    rule = value.get("rule")
    for name in _SUMMARY:
        part = _opened(listed.get(name))
        documents = _opened(part.get("data")) if isinstance(part, dict) else part
        if not isinstance(documents, list):
            continue
        check_count(len(documents))
        for document in documents:
            if isinstance(document, dict):
                # The documents of a summary leave the rule to the rule's own variables.
                yield "document", Fields({"rule": _opened(rule), **document}), name
            else:
                yield "none", Fields({}), ""


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """A rule's action without `webhook_body` and its `…_info` texts, which are JSON."""
    if value.keys().isdisjoint(_WRAPPINGS) and str not in {type(value.get(name)) for name in _PARTS}:
        return value
    inner = _opened(value.get("webhook_body", value))
    if not isinstance(inner, dict):
        return value
    result = dict(inner)
    for name in _PARTS:
        found = inner.get(name, inner.get(f"{name}_info"))
        if found is not None:
            result[name] = _opened(found)
    return result


_PARTS = ("rule", "alert", "context", "alerts")
_WRAPPINGS = frozenset({"webhook_body", *(f"{name}_info" for name in _PARTS)})


def _opened(value: Any) -> Any:
    """The object or list in a text that is JSON; anything else as it is."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return parse_json(value.encode("utf-8"))
    except RejectedError:
        return value


def _entry(value: Any) -> Entry:
    if not isinstance(value, dict):
        return "none", Fields({}), ""
    watch = _opened(value.get("ctx", value.get("payload")))
    if isinstance(watch, dict) and "watch_id" in watch:
        return "watch", Fields(watch), plain(value.get("status"))
    if "watch_id" in value:
        return "watch", Fields(value), plain(value.get("status"))
    fields = Fields(value)
    if fields("kibana.alert") is not None or fields.text("kibana.alert.rule.uuid", "kibana.alert.uuid"):
        return "document", fields, ""
    if fields.text("rule.id", "rule.name"):
        return "action", fields, plain(value.get("status"))
    return "none", fields, ""
