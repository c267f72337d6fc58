"""The small readers that the parts of a configuration share: durations, labels, counts, matchers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from domain.durations import parse_duration
from domain.errors import RejectedError
from domain.labels import Matcher, is_valid_label_name
from domain.quoting import quote
from domain.yaml_document import Field

_COUNT = re.compile(r"0|[1-9][0-9]{0,19}")
_LARGEST_COUNT = 2**64 - 1


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
