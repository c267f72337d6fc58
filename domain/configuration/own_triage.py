"""The reader of the section `triage` of a `tocsin.yml`: what the first look at an incident may use, and spend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from domain.configuration.fields import read_duration
from domain.configuration.http import url_problem
from domain.errors import RejectedError
from domain.labels import is_valid_label_name
from domain.lifecycle import severity_rank
from domain.quoting import quote
from domain.triage.rules import SERVICE_LABELS, Calls, Limits, Prices, PrometheusSource, Runbooks, TriageRules
from domain.yaml_document import Field, Problems, read_document

type Paths = Mapping[str, RejectedError]
"""Of the paths that the section names, those that cannot be used, and why."""

FOLDER = "folder"
FILE = "file"

UNLIMITED = "unlimited"
"""Stands for no limit; nothing at all stands for the default."""

MOST_CALLS = 20_000
"""So many pairs of a service and one that it calls."""
MOST_NAMES = 50
LONGEST_NAME = 200
LONGEST_COOL_DOWN = timedelta(days=7)

_DEFAULT = TriageRules()
_WHOLE = re.compile(r"0|[1-9][0-9]{0,14}")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,12})?|\.[0-9]{1,12}")
_WORKSPACE = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def named_paths(text: str) -> Iterator[tuple[str, str]]:
    """The paths that the section of this `tocsin.yml` names, each after `FOLDER` or `FILE`; of a wrong text, some."""
    document = read_document(text, Problems())
    if document is None or not document.is_mapping:
        return
    triage = document.section().take("triage").section()
    for section, name, kind in (("runbooks", "folder", FOLDER), ("prometheus", "bearer_token_file", FILE)):
        if path := triage.take(section).section().take(name).text():
            yield kind, path


def read_triage(field: Field, paths: Paths) -> TriageRules:
    """What the section says; the default of all that it does not.  Paths are as they stand there."""
    section = field.section()
    rules = TriageRules(
        service_labels=_read_service_labels(section.take("service_labels")),
        calls=_read_calls(section.take("calls")),
        prometheus=_read_prometheus(section.take("prometheus"), paths),
        runbooks=_read_runbooks(section.take("runbooks"), paths),
        log_workspace=_read_workspace(section.take("log_workspace")),
        least_severity=_read_severity(section.take("least_severity")),
        cool_down=_read_cool_down(section.take("cool_down")),
        prices=_read_prices(section.take("prices")),
    )
    is_priced = rules.prices != Prices()
    rules = replace(
        rules,
        per_incident=_read_limits(section.take("per_incident"), _DEFAULT.per_incident, is_priced=is_priced),
        per_hour=_read_limits(section.take("per_hour"), _DEFAULT.per_hour, is_priced=is_priced),
        per_day=_read_limits(section.take("per_day"), _DEFAULT.per_day, is_priced=is_priced),
    )
    section.close()
    return rules


# --- what it looks at -----------------------------------------------------------------------------------------------


def _read_service_labels(field: Field) -> tuple[str, ...]:
    if field.is_absent:
        return SERVICE_LABELS
    names: dict[str, None] = {}
    for item in field.items():
        if not is_valid_label_name(item.text()):
            item.refuse(f"invalid label name {quote(item.text())}")
        elif item.text() in names:
            item.refuse(f"{quote(item.text())} is named above")
        names[item.text()] = None
    if field.is_list and not 0 < len(names) <= MOST_NAMES:
        field.refuse(f"expected 1 to {MOST_NAMES} labels, the first that an alert has counts")
    return tuple(names)


def _read_calls(field: Field) -> Calls:
    calls: dict[str, frozenset[str]] = {}
    for caller, value in field.fields():
        if not _is_name(caller):
            value.refuse_key(f"expected the name of a service, up to {LONGEST_NAME} characters")
        # One name may stand for a list of it.
        callees = [] if value.is_absent or value.is_mapping else value.items() if value.is_list else [value]
        if value.is_mapping:
            value.refuse("expected a list of services")
        for callee in callees:
            if not _is_name(callee.text()):
                callee.refuse(f"expected the name of a service, up to {LONGEST_NAME} characters")
            elif callee.text() == caller:
                callee.refuse(f"{quote(caller)} calls itself: leave it out")
        calls[caller] = frozenset(callee.text() for callee in callees)
    if (count := sum(map(len, calls.values()))) > MOST_CALLS:
        field.refuse(f"{count} calls are too many: at most {MOST_CALLS}")
    return calls


def _is_name(text: str) -> bool:
    return bool(text.strip()) and len(text) <= LONGEST_NAME


def _read_prometheus(field: Field, paths: Paths) -> PrometheusSource:
    section = field.section()
    url, file = section.take("url"), section.take("bearer_token_file")
    section.close()
    _check_address(url)
    _check_path(file, paths)
    if url.is_empty and not field.is_absent:
        field.refuse("missing url: the address of a Prometheus, as https://prometheus.example.com")
    return PrometheusSource(url.text().rstrip("/"), file.text())


def _read_runbooks(field: Field, paths: Paths) -> Runbooks:
    section = field.section()
    folder, addresses = section.take("folder"), section.take("addresses")
    section.close()
    _check_path(folder, paths)
    items = addresses.items()
    if len(items) > MOST_NAMES:
        addresses.refuse(f"{len(items)} are too many: at most {MOST_NAMES}")
    for item in items:
        if item.is_empty:
            item.refuse("expected an address, as https://wiki.example.com/runbooks/")
        elif _check_address(item) and not urlsplit(item.text()).path.endswith("/"):
            # Else `https://wiki.example.com/run` would open `/running-costs`, and a bare host any that begins with it.
            item.refuse("must end in /: it stands for all addresses that begin with it")
    return Runbooks(folder.text(), tuple(item.text() for item in items))


def _check_address(field: Field) -> bool:
    """Whether it is an address of something on the web, and nothing else."""
    if field.is_empty:
        return False
    if problem := url_problem(field.text()):
        field.refuse(problem)
        return False
    parts = urlsplit(field.text())
    if parts.username is not None or parts.password is not None:
        field.refuse("a name or a password has no place here")
        return False
    if parts.query or parts.fragment or field.text().endswith(("?", "#")):
        field.refuse("neither a query nor a fragment has a place here")
        return False
    if ".." in parts.path.split("/"):
        field.refuse("'..' has no place here")
        return False
    return True


def _check_path(field: Field, paths: Paths) -> None:
    if (fault := paths.get(field.text())) is not None:
        field.refuse(str(fault))


def _read_workspace(field: Field) -> str:
    if not field.is_empty and not _WORKSPACE.fullmatch(field.text()):
        field.refuse("expected the id of a Log Analytics workspace, as 00000000-0000-0000-0000-000000000000")
    return field.text().lower()


# --- what it may spend ----------------------------------------------------------------------------------------------


def _read_severity(field: Field) -> str:
    text = field.scalar()
    if text is None:
        return _DEFAULT.least_severity
    if severity_rank(text) < 0:
        field.refuse(f"{quote(text)} is no severity: expected info, low, warning, high, critical or page")
    return text.strip().lower()


def _read_cool_down(field: Field) -> timedelta:
    span = read_duration(field, _DEFAULT.cool_down)
    if not timedelta(0) <= span <= LONGEST_COOL_DOWN:
        field.refuse(f"at most {LONGEST_COOL_DOWN.days} days")
    return span


def _read_prices(field: Field) -> Prices:
    section = field.section()
    prices = Prices(_read_number(section.take("input"), 0.0), _read_number(section.take("output"), 0.0))
    section.close()
    return prices


def _read_limits(field: Field, default: Limits, *, is_priced: bool) -> Limits:
    section = field.section()
    money = section.take("money")
    limits = Limits(
        tokens=_read_whole(section.take("tokens"), default.tokens),
        calls=_read_whole(section.take("calls"), default.calls),
        seconds=_read_limit(section.take("seconds"), default.seconds),
        money=_read_limit(money, default.money),
    )
    section.close()
    if limits.money is not None and not is_priced:
        money.refuse("without `prices` nothing counts what a model costs")
    return limits


def _read_whole(field: Field, default: int | None) -> int | None:
    text = field.scalar()
    if text is None:
        return default
    if text == UNLIMITED:
        return None
    if not _WHOLE.fullmatch(text):
        field.refuse(f"expected a whole number that is not negative, or {UNLIMITED}")
        return default
    return int(text)


def _read_limit(field: Field, default: float | None) -> float | None:
    return None if field.scalar() == UNLIMITED else _read_number(field, default)


def _read_number[T: float | None](field: Field, default: T) -> float | T:
    text = field.scalar()
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        field.refuse("expected a number that is not negative, as 90 or 2.5")
        return default
    return float(text)
