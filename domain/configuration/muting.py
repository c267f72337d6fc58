"""The parts of a configuration's text that mute: `time_intervals` and `inhibit_rules`.

Source: prometheus/alertmanager, timeinterval/timeinterval.go, config/config.go and config/common/inhibitrule.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.configuration.fields import read_label_names, read_matchers
from domain.inhibition import InhibitRule
from domain.intervals import Range, TimeInterval
from domain.labels import Matcher
from domain.quoting import quote
from domain.times import MONTHS, WEEKDAYS
from domain.yaml_document import Field, Section

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")

_SHORTEST_MONTH = 28
_LONGEST_MONTH = 31


# --- time intervals -------------------------------------------------------------------------------------------------


def read_time_intervals(section: Section) -> Mapping[str, tuple[TimeInterval, ...]]:
    """All named intervals of the document, under the old key and the new; their names share one space."""
    intervals: dict[str, tuple[TimeInterval, ...]] = {}
    for key in ("time_intervals", "mute_time_intervals"):
        for item in section.take(key).items():
            inner = item.section()
            name = inner.take("name")
            entries = [_read_interval(entry) for entry in inner.take("time_intervals").items()]
            inner.close()
            if not name.text():
                name.refuse("missing name in time interval")
            elif name.text() in intervals:
                name.refuse(f"the time interval {quote(name.text())} is not unique")
            intervals.setdefault(name.text(), tuple(entries))
    return MappingProxyType(intervals)


def _read_interval(field: Field) -> TimeInterval:
    section = field.section()
    interval = TimeInterval(
        times=_read_list(section.take("times"), _read_times),
        weekdays=_read_list(section.take("weekdays"), _read_weekdays),
        days_of_month=_read_list(section.take("days_of_month"), _read_days_of_month),
        months=_read_list(section.take("months"), _read_months),
        years=_read_list(section.take("years"), _read_years),
        location=_read_location(section.take("location")),
    )
    section.close()
    return interval


def _read_list(field: Field, read: Callable[[Field], Range | None]) -> tuple[Range, ...] | None:
    """The ranges of a list; None where nothing stands, which holds always, unlike a list that is empty."""
    if field.is_absent:
        return None
    ranges = []
    for item in field.items():
        if item.is_absent:
            # Alertmanager takes it for a zero: a Sunday, or a month that never comes.  Nobody means that.
            item.refuse("nothing stands here")
        elif found := read(item):
            ranges.append(found)
    return tuple(ranges)


def _read_times(field: Field) -> Range | None:
    section = field.section()
    fields = section.take("start_time"), section.take("end_time")
    section.close()
    if not all(each.text() for each in fields):
        field.refuse("both start_time and end_time must be given")
        return None
    start, end = map(_read_minute, fields)
    if start is None or end is None:
        return None
    if start >= end:
        field.refuse("start_time must be before end_time; split an interval that goes past midnight in two")
        return None
    return start, end


def _read_minute(field: Field) -> int | None:
    found = _TIME.fullmatch(field.text())
    if found is None:
        field.refuse(f"not a time of the day, such as 09:00 or 24:00: {quote(field.text())}")
        return None
    hours, minutes = found[0].split(":")
    return 60 * int(hours) + int(minutes)


def _read_weekdays(field: Field) -> Range | None:
    found = _read_range(field, _weekday)
    if found and found[0] > found[1]:
        field.refuse("the end comes before the start; a week begins with Sunday")
    return found


def _read_days_of_month(field: Field) -> Range | None:
    found = _read_range(field, _number)
    if found is None:
        return None
    begin, end = found
    for day in found:
        if day == 0 or abs(day) > _LONGEST_MONTH:
            field.refuse(f"{day} is not a day of the month: 1 to 31, or -1 to -31 from its end")
            return None
    if begin < 0 < end:
        field.refuse("the end must be negative where the start is")
        return None
    # As Alertmanager compares them, to which the last day of the shortest month is the zeroth of the next.
    if (begin if begin > 0 else _SHORTEST_MONTH + begin) > (end if end > 0 else _SHORTEST_MONTH + end):
        field.refuse(f"the end {end} comes before the start {begin}")
    return found


def _read_months(field: Field) -> Range | None:
    found = _read_range(field, _month)
    if found and found[0] > found[1]:
        field.refuse("the end comes before the start")
    return found


def _read_years(field: Field) -> Range | None:
    found = _read_range(field, _number)
    if found and found[0] > found[1]:
        field.refuse("the end comes before the start")
    return found


def _read_range(field: Field, parse: Callable[[str], int]) -> Range | None:
    """A begin and an end with a colon between them, or one that is both."""
    text = field.scalar()
    if text is None:
        return None
    begin, colon, end = text.lower().partition(":")
    try:
        if ":" in end:
            raise ValueError("more than one colon")
        return parse(begin), parse(end if colon else begin)
    except ValueError as error:
        field.refuse(str(error))
        return None


def _weekday(text: str) -> int:
    if text not in WEEKDAYS:
        raise ValueError(f"not a weekday: {quote(text)}")
    return WEEKDAYS.index(text)


def _month(text: str) -> int:
    return 1 + MONTHS.index(text) if text in MONTHS else _number(text, "month")


def _number(text: str, what: str = "number") -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a {what}: {quote(text)}")
    return int(text)


def _read_location(field: Field) -> tzinfo:
    name = field.text()
    if name in ("", "UTC"):
        return UTC
    if name == "Local":
        # What it meant would depend on the machine, and a decision could not be repeated on another one.
        field.refuse("Local is another zone on each machine; name the one that is meant, such as Europe/Berlin")
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        field.refuse(f"unknown time zone {quote(name)}")
        return UTC


# --- inhibit rules --------------------------------------------------------------------------------------------------


def read_inhibit_rules(field: Field) -> tuple[InhibitRule, ...]:
    """The rules, in the order of the text, in which they are tried (IH-4)."""
    return tuple([_read_rule(item) for item in field.items()])


def _read_rule(field: Field) -> InhibitRule:
    if field.is_absent:
        field.refuse("expected a mapping")
    section = field.section()
    name = section.take("name").text()
    sources = read_matchers(section, "source_")
    targets = read_matchers(section, "target_")
    equal = read_label_names(section.take("equal"))
    several = section.take("sources")
    section.close()
    if several.items():
        if sources or equal:
            several.refuse_key("cannot stand beside source_match, source_match_re, source_matchers or equal")
        sources, equal = _read_sources(several)
    return InhibitRule(sources, targets, tuple(sorted(equal)), name)


def _read_sources(field: Field) -> tuple[tuple[Matcher, ...], frozenset[str]]:
    """The one entry of `sources`; of several, all would have to fire."""
    sources: tuple[Matcher, ...] = ()
    equal: frozenset[str] = frozenset()
    for item in field.items():
        section = item.section()
        sources, equal = read_matchers(section), read_label_names(section.take("equal"))
        section.close()
        if all(matcher.matches_empty for matcher in sources):
            item.refuse("at least one matcher must not match the empty value")
    if len(field.items()) > 1:
        field.refuse_key("more than one source is not supported yet")
    return sources, equal
