"""The check of how matchers are written: what reads otherwise than it looks, and what will not be read for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.configuration.checking.findings import Finding, Severity, lines, note, warning
from domain.configuration.checking.places import Places, Written
from domain.labels import Matcher, MatchType
from domain.matchers import is_ambiguous
from domain.quoting import quote
from domain.yaml_document import Field

_EXPRESSION = re.compile(r".*\.[*+].*|\^.*\$", re.DOTALL)
_CHOICE = re.compile(r"[\w.-]+(?:\|[\w.-]+)+|\([\w.-]+(?:\|[\w.-]+)+\)")
_GLOB = re.compile(r"[\w.-]*[\w-]\*")


def check_spelling(places: Places) -> Iterator[Finding]:
    """Matchers that are ambiguous or look like a slip, and keys of the old form."""
    for part in places.parts():
        for written in part.written:
            for matcher in written.matchers:
                yield from _check_slip(matcher, written)
            if not written.is_old and is_ambiguous(written.field.text()):
                message = (
                    "newer versions of Alertmanager refuse this or read it otherwise; write "
                    f"{', '.join(map(str, written.matchers))}"
                )
                yield warning(written.field, "ambiguous-matcher", message)
    yield from _check_old_keys(places)


def _check_slip(matcher: Matcher, written: Written) -> Iterator[Finding]:
    value = matcher.value
    match matcher.type:
        case MatchType.EQUAL | MatchType.NOT_EQUAL:
            wanted = f"{matcher.name}{'=~' if matcher.type is MatchType.EQUAL else '!~'}{quote(value)}"
            message = f"{matcher} is compared letter for letter; write {wanted} if an expression is meant"
            if _EXPRESSION.fullmatch(value):
                yield warning(written.field, "expression-compared", message)
            elif _CHOICE.fullmatch(value):
                yield note(written.field, "expression-compared", message)
        case MatchType.REGEX | MatchType.NOT_REGEX:
            if written.is_old:
                value = value.removeprefix("^(?:").removesuffix(")$")
            if _GLOB.fullmatch(value):
                message = (
                    f"in {matcher} the * repeats only the character before it; write {value[:-1]}.* for whatever "
                    f"begins with {value[:-1]}"
                )
                yield warning(written.field, "pattern-of-names", message)


def _check_old_keys(places: Places) -> Iterator[Finding]:
    found: dict[str, list[Field]] = {}
    for part in places.parts():
        for field in part.old_keys:
            found.setdefault(field.key.rpartition(".")[2], []).append(field)
    if not places.old_intervals.is_absent:
        found["mute_time_intervals"] = [places.old_intervals]
    for name, fields in found.items():
        first = min(fields, key=lambda field: field.key_line)
        instead = "time_intervals" if name == "mute_time_intervals" else re.sub("match(_re)?$", "matchers", name)
        numbers = {field.key_line for field in fields} - {first.key_line}
        others = f" (as in {lines(numbers)})" if numbers else ""
        message = f"`{name}`{others} is of the old form; write `{instead}`"
        yield Finding(first.key_line, 0, first.key, Severity.NOTE, "old-key", message)
