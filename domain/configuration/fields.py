"""The small readers that the parts of a configuration share: durations, labels, counts, matchers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from domain.durations import parse_duration
from domain.errors import RejectedError
from domain.labels import Matcher, MatchType, is_valid_label_name
from domain.matchers import parse_matchers
from domain.quoting import quote
from domain.routing import sort_matchers
from domain.yaml_document import Field, Section

_COUNT = re.compile(r"0|[1-9][0-9]{0,19}")
_LARGEST_COUNT = 2**64 - 1
_CLASSIC_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def read_duration(field: Field, default: timedelta, parse: Callable[[str], timedelta] = parse_duration) -> timedelta:
    """A span of time; the default where nothing stands."""
    text = field.scalar()
    if text is None:
        return default
    try:
        return parse(text)
    except ValueError as error:
        field.refuse(str(error))
        return default


def read_labels(field: Field) -> dict[str, str]:
    """Names of labels, checked, with their values."""
    labels = {}
    for name, value in field.fields():
        if not is_valid_label_name(name):
            value.refuse_key(f"invalid label name {quote(name)}")
        labels[name] = value.text()
    return labels


def read_label_names(field: Field) -> frozenset[str]:
    """A list of names of labels, checked; one that comes twice counts once."""
    names = set()
    for item in field.items():
        if not is_valid_label_name(item.text()):
            item.refuse(f"invalid label name {quote(item.text())}")
        names.add(item.text())
    return frozenset(names)


def read_count(field: Field) -> int:
    """A whole number that is not negative; 0 where nothing stands."""
    text = field.scalar()
    if text is None:
        return 0
    if not _COUNT.fullmatch(text) or int(text) > _LARGEST_COUNT:
        field.refuse("expected a whole number that is not negative")
        return 0
    return int(text)


def attempt(field: Field, parse: Callable[[str], tuple[Matcher, ...]]) -> tuple[Matcher, ...]:
    """What `parse` makes of the text; no matchers, with its complaint, where it refuses."""
    try:
        return parse(field.text())
    except RejectedError as error:
        field.refuse(str(error))
        return ()


def read_matchers(section: Section, prefix: str = "") -> tuple[Matcher, ...]:
    """What `match`, `match_re` and `matchers` say together, sorted; under other names with a prefix.

    What a merge (`<<`) brings adds to the section's own, as in Alertmanager.
    """
    matchers: list[Matcher] = []
    for name, value in _classic_fields(section.take_all(f"{prefix}match")):
        matchers.append(Matcher(name, MatchType.EQUAL, value.text()))
    for name, value in _classic_fields(section.take_all(f"{prefix}match_re")):
        if value.is_absent:
            value.refuse("expected a regular expression")
        # Anchored in what a route's key shows too, unlike the same expression under `matchers` (GK-1).
        matchers += attempt(value, partial(_parse_match_re, name))
    for lines in section.take_all(f"{prefix}matchers"):
        for line in lines.items():
            matchers += attempt(line, parse_matchers)
    return sort_matchers(matchers)


def _parse_match_re(name: str, pattern: str) -> tuple[Matcher, ...]:
    return (Matcher(name, MatchType.REGEX, f"^(?:{pattern})$"),)


def _classic_fields(mappings: list[Field]) -> Iterator[tuple[str, Field]]:
    seen: set[str] = set()
    for mapping in mappings:
        for name, value in mapping.fields():
            if not _CLASSIC_NAME.fullmatch(name):
                value.refuse_key(f"invalid label name {quote(name)}")
            if name in seen:
                value.refuse_key("duplicate key, through a merge")
            seen.add(name)
            yield name, value
