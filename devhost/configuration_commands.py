"""What the commands do that look into a configuration: check it, and ask its tree of routes; no server is needed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.configuration_files import OWN_NAME, own_beside, read_own, read_templates_of, read_text
from devhost.client import Client, NoAnswerError, default_url
from devhost.printing import printable
from domain.configuration import Configuration
from domain.configuration.checking import (
    Finding,
    Kind,
    Outside,
    Severity,
    check_configuration,
    check_silences,
    count_parts,
    error,
    find_outside,
    find_unreachable,
)
from domain.configuration.checking.places import Places
from domain.configuration.drawing import draw_routes, print_timers
from domain.configuration.file import read_configuration
from domain.configuration.tree import read_tree
from domain.errors import ConfigurationError, RejectedError
from domain.labels import Labels, MatchType, is_valid_label_name
from domain.matchers import parse_matcher
from domain.quoting import quote
from domain.routing import Route, RouteId, group_address, group_key
from domain.silence_api import read_silence

REFUSED = 1
WRONG = 2

_INPUT = "standard input"

_UNREADABLE = "unreadable"


# --- check-config ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came of one file, or of some silences."""

    name: str
    findings: tuple[Finding, ...]
    counts: dict[str, int]
    """How many of what there are; empty where nothing could be read."""

    @property
    def is_taken(self) -> bool:
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def check(options: argparse.Namespace) -> int:
    """Check files as `tocsin serve` would read them, and silences; 2 where one is refused, 1 for warnings if strict."""
    now = datetime.now(UTC)
    if not (options.files or options.silences or options.url):
        print("tocsin: nothing to check: name a FILE, --silences or --url", file=sys.stderr)
        return WRONG
    checked = [_check_file(file, options, now) for file in options.files]
    if options.silences:
        checked.append(_check_silence_file(options.silences, now))
    if options.url:
        silences = Client(options.url, options.key).get("/api/v2/silences")
        checked.append(_check_silences(f"silences of {options.url}", silences, now))
    if options.quiet:
        checked = [_without_notes(each) for each in checked]
    total = Counter(finding.severity for each in checked for finding in each.findings)
    if options.json:
        print(json.dumps(_report(checked, total), indent=2))
    else:
        for each in checked:
            _print_checked(each)
        print(", ".join(_many(total[severity], severity) for severity in Severity))
    if total[Severity.ERROR]:
        return WRONG
    return REFUSED if options.strict and total[Severity.WARNING] else 0


def _check_file(file: Path, options: argparse.Namespace, now: datetime) -> _Checked:
    is_input = str(file) == "-"
    name = _INPUT if is_input else str(file)
    try:
        if file.name == OWN_NAME:
            read_own(file)
            return _Checked(name, (), {})
        text = _read(file)
        found = [] if is_input else _check_own(file)
        configuration = read_configuration(
            text,
            name=name,
            templates=read_templates_of(text, Path() if is_input else file.parent),
            ignore_unsupported_receivers=options.ignore_unsupported_receivers,
        )
    except RejectedError as refusal:
        return _Checked(name, _errors(refusal), {})
    found += [
        one.missing() for one in find_outside(configuration) if not _is_there(one, Path() if is_input else file.parent)
    ]
    return _Checked(name, (*found, *check_configuration(configuration, now)), count_parts(configuration))


def _is_there(named: Outside, folder: Path) -> bool:
    match named.kind:
        case Kind.TEMPLATE | Kind.FILE:
            return (folder / named.name).exists()
        case Kind.VARIABLE:
            return named.name in os.environ


def _check_own(file: Path) -> list[Finding]:
    """What is wrong with the `tocsin.yml` beside the file, if there is one."""
    own = own_beside(file)
    if own is None:
        return []
    try:
        read_own(own)
    except ConfigurationError as refusal:
        return [replace(finding, file=str(own)) for finding in _errors(refusal)]
    except RejectedError as refusal:
        return list(_errors(refusal))
    return []


def _errors(refusal: RejectedError) -> tuple[Finding, ...]:
    if isinstance(refusal, ConfigurationError):
        return tuple(map(error, refusal.problems))
    return (Finding(0, 0, "", Severity.ERROR, _UNREADABLE, str(refusal)),)


def _check_silence_file(file: Path, now: datetime) -> _Checked:
    try:
        silences = json.loads(_read(file))
    except RejectedError as refusal:
        return _Checked(str(file), _errors(refusal), {})
    except ValueError as fault:
        return _Checked(str(file), _errors(RejectedError(f"{file} is no JSON: {fault}")), {})
    return _check_silences(str(file), silences, now)


def _check_silences(name: str, silences: Any, now: datetime) -> _Checked:
    """Silences as the API lists them and `amtool silence query -o json` prints them."""
    if not isinstance(silences, list):
        return _Checked(
            name, _errors(RejectedError("no list of silences, as `amtool silence query -o json` has it")), {}
        )
    try:
        posted = [read_silence(json.dumps(silence).encode()) for silence in silences]
    except RejectedError as fault:
        return _Checked(name, _errors(RejectedError(f"{name}: {fault}")), {})
    return _Checked(name, tuple(check_silences(posted, now)), {"silences": len(posted)})


def _without_notes(checked: _Checked) -> _Checked:
    findings = tuple(finding for finding in checked.findings if finding.severity is not Severity.NOTE)
    return _Checked(checked.name, findings, checked.counts)


def _print_checked(checked: _Checked) -> None:
    print(printable(f"Checking '{checked.name}'  {'SUCCESS' if checked.is_taken else 'FAILED'}"))
    for finding in checked.findings:
        print(printable(_line(checked.name, finding)))
    if checked.counts:
        print("Found:")
        for what, count in checked.counts.items():
            print(f" - {what}" if what in ("global config", "route") else f" - {count} {what}")
    print()


def _line(name: str, finding: Finding) -> str:
    if finding.rule == _UNREADABLE:
        return finding.message  # which names the file
    place = finding.file or name
    if finding.line:
        # Other files are told with the column, as `tocsin serve` does.
        column = f":{finding.column}" if finding.file and finding.column else ""
        place = f"{place}:{finding.line}{column}"
    severity = "" if finding.severity is Severity.ERROR else finding.severity
    return ": ".join(part for part in (place, severity, finding.key, finding.message) if part)


def _report(checked: Sequence[_Checked], total: Counter[Severity]) -> dict[str, Any]:
    return {
        "files": [
            {
                "file": each.name,
                "is_taken": each.is_taken,
                "found": {what.replace(" ", "_"): count for what, count in each.counts.items()},
                "findings": [
                    {
                        "severity": finding.severity,
                        "rule": finding.rule,
                        "file": finding.file or each.name,
                        "line": finding.line,
                        "column": finding.column,
                        "key": finding.key,
                        "message": finding.message,
                    }
                    for finding in each.findings
                ],
            }
            for each in checked
        ],
        **{f"{severity}s": total[severity] for severity in Severity},
    }


def _many(count: int, severity: Severity) -> str:
    return f"{count} {severity}{'' if count == 1 else 's'}"


# --- routes ---------------------------------------------------------------------------------------------------------


def show_routes(options: argparse.Namespace) -> int:
    """Print the tree of routes; 2 where there is none to read."""
    configuration, _ = _read_tree(options)
    unreachable = find_unreachable(configuration.root)
    if options.json:
        print(json.dumps(_as_data(configuration.root, unreachable), indent=2))
        return 0
    print(printable("\n".join(draw_routes(configuration.root, unreachable))))
    return 0


def test_routes(options: argparse.Namespace) -> int:
    """Print who would be told of an alert; 1 where others are than was expected."""
    labels = _read_labels(options.labels)
    configuration, name = _read_tree(options)
    routes = configuration.root.find(labels)
    receivers = ",".join(route.receiver for route in routes)
    if options.json:
        answer = {"receivers": [route.receiver for route in routes], "routes": [_told(each, labels) for each in routes]}
        print(json.dumps(answer, indent=2))
    else:
        if options.tree:
            print(
                printable("\n".join(draw_routes(configuration.root, only=[route.id for route in routes]))), end="\n\n"
            )
        print(printable(receivers))
        if options.explain:
            places = Places(configuration)
            for route in routes:
                print()
                _explain(route, labels, f"{name}:{places.line(route)}" if name else "")
    if options.verify is not None and [part.strip() for part in options.verify.split(",")] != receivers.split(","):
        print(printable(f"tocsin: expected {options.verify}, but it would go to {receivers}"), file=sys.stderr)
        return REFUSED
    return 0


def _read_tree(options: argparse.Namespace) -> tuple[Configuration, str]:
    """The tree of a file, with the file's name, or that of a server, with none."""
    if options.config is not None:
        name = _INPUT if str(options.config) == "-" else str(options.config)
        return read_tree(_read(options.config), name=name), name
    client = Client(options.url or default_url(), options.key)
    try:
        original = client.get("/api/v2/status")["config"]["original"]
    except (KeyError, TypeError):
        raise NoAnswerError(f"what answers at {client.url} is not Tocsin: its status has no configuration") from None
    return read_tree(original, name=f"configuration of {client.url}"), ""


def _read_labels(texts: Sequence[str]) -> Labels:
    """The labels of an alert; one without a value is none (FP-3).

    Raises:
        RejectedError: One of them is no label, or comes twice.
    """
    labels: dict[str, str] = {}
    for text in texts:
        try:
            matcher = parse_matcher(text)
        except RejectedError:
            raise RejectedError(f'{quote(text)} is no label: write name=value or name="some value"') from None
        if matcher.type is not MatchType.EQUAL:
            raise RejectedError(f"{quote(text)} is no label: an alert has values, so write name=value")
        if not is_valid_label_name(matcher.name):
            raise RejectedError(f"{quote(matcher.name)} is no name of a label")
        if matcher.name in labels:
            raise RejectedError(f"label {quote(matcher.name)} is given twice")
        labels[matcher.name] = matcher.value
    return {name: value for name, value in labels.items() if value}


def _explain(route: Route, labels: Labels, place: str) -> None:
    group_labels = group_address(route, labels).labels
    rows = {
        "at": place,
        "route": route.key,
        "group labels": ", ".join(f"{name}={quote(group_labels[name])}" for name in sorted(group_labels)) or "none",
        "group key": group_key(route, group_labels),
        "timers": ", ".join(print_timers(route)),
        "muted in": ", ".join(route.mute_time_intervals),
        "active in": ", ".join(route.active_time_intervals),
    }
    print(printable(f"{route.receiver}:"))
    for heading, text in rows.items():
        if text:
            print(printable(f"  {heading:14}{text}"))


def _told(route: Route, labels: Labels) -> dict[str, Any]:
    group_labels = group_address(route, labels).labels
    return {**_fields(route), "group_labels": dict(group_labels), "group_key": group_key(route, group_labels)}


def _as_data(route: Route, unreachable: Collection[RouteId]) -> dict[str, Any]:
    return {
        **_fields(route),
        "is_unreachable": route.id in unreachable,
        "routes": [_as_data(child, unreachable) for child in route.children],
    }


def _fields(route: Route) -> dict[str, Any]:
    return {
        "key": route.key,
        "matchers": [str(matcher) for matcher in route.matchers],
        "receiver": route.receiver,
        "continue": route.goes_on,
        "group_by": ["..."] if route.group_by is None else sorted(route.group_by),
        "group_wait_seconds": route.group_wait.total_seconds(),
        "group_interval_seconds": route.group_interval.total_seconds(),
        "repeat_interval_seconds": route.repeat_interval.total_seconds(),
        "mute_time_intervals": list(route.mute_time_intervals),
        "active_time_intervals": list(route.active_time_intervals),
        "labels": dict(route.labels),
    }


# --- what they share ------------------------------------------------------------------------------------------------


def _read(file: Path) -> str:
    """The text of a file; of standard input for `-`.

    Raises:
        RejectedError: It cannot be read.
    """
    if str(file) != "-":
        return read_text(file)
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise RejectedError(f"{_INPUT} is not UTF-8: {fault.reason} at byte {fault.start}") from None
