"""The reader of `alertmanager.yml`: text in, a checked configuration out, or every complaint at once.

It knows all of Alertmanager's keys.  What Tocsin does not do yet is refused by name, for a silent gap in a pager is
worse than a loud one.

Source: prometheus/alertmanager, config/config.go and config/notifiers.go.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

from domain.configuration import Configuration, HttpConfig, Receiver, Secret, WebhookIntegration, version_of
from domain.configuration_http import read_http_config, read_secret, url_problem
from domain.configuration_text import HIDDEN
from domain.durations import parse_duration, parse_go_duration
from domain.errors import RejectedError
from domain.labels import Matcher, MatchType, is_valid_label_name
from domain.matchers import parse_matchers
from domain.quoting import quote
from domain.routing import ROOT_KEY, Route, RouteId, route_key, sort_matchers
from domain.yaml_document import Field, Problem, Problems, Section, read_document

__all__ = ["ConfigurationError", "Problem", "read_configuration"]

DEFAULT_RESOLVE_TIMEOUT = timedelta(minutes=5)
DEFAULT_GROUP_WAIT = timedelta(seconds=30)
DEFAULT_GROUP_INTERVAL = timedelta(minutes=5)
DEFAULT_REPEAT_INTERVAL = timedelta(hours=4)

# They only configure receivers that are refused themselves.
_GLOBAL_DEFAULTS_OF_OTHERS = (
    "jira_api_url",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
    "opsgenie_api_key",
    "opsgenie_api_key_file",
    "opsgenie_api_url",
    "pagerduty_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "slack_api_url",
    "slack_api_url_file",
    "slack_app_token",
    "slack_app_token_file",
    "slack_app_url",
    "smtp_auth_identity",
    "smtp_auth_password",
    "smtp_auth_password_file",
    "smtp_auth_secret",
    "smtp_auth_secret_file",
    "smtp_auth_username",
    "smtp_force_implicit_tls",
    "smtp_from",
    "smtp_hello",
    "smtp_require_tls",
    "smtp_smarthost",
    "smtp_tls_config",
    "telegram_api_url",
    "telegram_bot_token",
    "telegram_bot_token_file",
    "victorops_api_key",
    "victorops_api_key_file",
    "victorops_api_url",
    "webex_api_url",
    "wechat_api_corp_id",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_url",
)

_OTHER_KINDS = (
    "discord_configs",
    "email_configs",
    "incidentio_configs",
    "jira_configs",
    "mattermost_configs",
    "msteams_configs",
    "msteamsv2_configs",
    "opsgenie_configs",
    "pagerduty_configs",
    "pushover_configs",
    "rocketchat_configs",
    "slack_configs",
    "sns_configs",
    "telegram_configs",
    "victorops_configs",
    "webex_configs",
    "wechat_configs",
)

_COUNT = re.compile(r"0|[1-9][0-9]{0,19}")
_LARGEST_COUNT = 2**64 - 1

_CLASSIC_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class ConfigurationError(RejectedError):
    """A configuration that cannot be used; it says one line for each problem: `alertmanager.yml:12: route: ...`."""

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(_line(name, problem) for problem in problems))
        self.name = name
        self.problems = problems
        """All that were found, by line and column; never none."""


def read_configuration(text: str, *, name: str = "alertmanager.yml") -> Configuration:
    """The configuration that the text of an `alertmanager.yml` spells.

    Paths of files stay as they are written, and no file is opened.

    Args:
        text: The whole file.
        name: What complaints call it.

    Raises:
        ConfigurationError: It is not YAML, breaks a rule of Alertmanager's, or asks for what is not supported yet.
    """
    problems = Problems()
    document = read_document(text, problems)
    configuration = _read_document(document, text) if document else None
    found = problems.in_order()
    if found or configuration is None:
        raise ConfigurationError(name, found)
    return configuration


def _line(name: str, problem: Problem) -> str:
    return ": ".join(part for part in (f"{name}:{problem.line}", problem.key, problem.message) if part)


def _read_document(document: Field, text: str) -> Configuration | None:
    section = document.section()
    resolve_timeout, http = _read_global(section.take("global"))
    section.not_yet("inhibit_rules", "time_intervals", "mute_time_intervals", "templates", "tracing")
    receivers = _read_receivers(section.take("receivers"), http)
    route = section.take("route")
    section.close()
    if route.is_absent:
        document.refuse("no route provided")
        return None
    root = _RouteReader(frozenset(receiver.name for receiver in receivers)).read_root(route)
    return Configuration(version_of(text), text, root, receivers, resolve_timeout)


def _read_global(field: Field) -> tuple[timedelta, HttpConfig]:
    section = field.section()
    resolve_timeout = _read_duration(section.take("resolve_timeout"), DEFAULT_RESOLVE_TIMEOUT)
    http = read_http_config(section.take("http_config"))
    section.skip(_GLOBAL_DEFAULTS_OF_OTHERS)
    section.close()
    return resolve_timeout, http


def _read_duration(field: Field, default: timedelta, parse: Callable[[str], timedelta] = parse_duration) -> timedelta:
    text = field.scalar()
    if text is None:
        return default
    try:
        return parse(text)
    except ValueError as error:
        field.refuse(str(error))
        return default


def _read_labels(field: Field) -> dict[str, str]:
    labels = {}
    for name, value in field.fields():
        if not is_valid_label_name(name):
            value.refuse_key(f"invalid label name {quote(name)}")
        labels[name] = value.text()
    return labels


# ---- Receivers -------------------------------------------------------------------------------------------------------


def _read_receivers(field: Field, http: HttpConfig) -> tuple[Receiver, ...]:
    receivers: dict[str, Receiver] = {}
    for item in field.items():
        section = item.section()
        name = section.take("name")
        receiver = _read_receiver(name.text(), section, http)
        if not receiver.name:
            name.refuse("missing name in receiver")
        elif receiver.name in receivers:
            name.refuse(f"the name {quote(receiver.name)} is not unique")
        receivers.setdefault(receiver.name, receiver)
    return tuple(receivers.values())


def _read_receiver(name: str, section: Section, http: HttpConfig) -> Receiver:
    labels = _read_labels(section.take("labels"))
    integrations = tuple([_read_webhook(item, http) for item in section.take("webhook_configs").items()])
    section.not_yet(*_OTHER_KINDS, note=f"receiver {quote(name)}: ")
    section.close()
    return Receiver(name, integrations, tuple(sorted(labels.items())))


def _read_webhook(field: Field, http: HttpConfig) -> WebhookIntegration:
    section = field.section()
    url = read_secret(section, "url", _webhook_url_problem)
    if url is None:
        field.refuse("one of url and url_file must be set")
    own_http = section.take("http_config")
    integration = WebhookIntegration(
        url=url or Secret(),
        send_resolved=section.take("send_resolved").flag(True),
        max_alerts=_read_count(section.take("max_alerts")),
        timeout=_read_duration(section.take("timeout"), timedelta(0), parse_go_duration) or None,
        http=http if own_http.is_absent else read_http_config(own_http),
    )
    section.close()
    return integration


def _webhook_url_problem(url: str) -> str | None:
    if url == HIDDEN:
        return None
    return "a templated URL is not supported yet" if "{{" in url else url_problem(url)


def _read_count(field: Field) -> int:
    text = field.scalar()
    if text is None:
        return 0
    if not _COUNT.fullmatch(text) or int(text) > _LARGEST_COUNT:
        field.refuse("expected a whole number that is not negative")
        return 0
    return int(text)


# ---- Routes ----------------------------------------------------------------------------------------------------------


class _RouteReader:
    """Reads a tree of routes, numbering them depth first."""

    def __init__(self, receivers: frozenset[str]) -> None:
        self._receivers = receivers
        self._count = 0

    def read_root(self, field: Field) -> Route:
        """The root: it has a receiver, takes every alert, and has no sibling to go on to (RT-1)."""
        above = Route(
            id=RouteId(-1),
            key="",
            twin=0,
            receiver="",
            group_by=frozenset(),
            group_wait=DEFAULT_GROUP_WAIT,
            group_interval=DEFAULT_GROUP_INTERVAL,
            repeat_interval=DEFAULT_REPEAT_INTERVAL,
        )
        section = field.section()
        if _read_route_matchers(section):
            field.refuse("the root route must not have any matchers")
        goes_on = section.take("continue")
        if goes_on.flag(False):
            goes_on.refuse("the root route cannot continue")
        receiver = self._read_receiver_name(section.take("receiver"))
        root = self._read(section, above, ROOT_KEY, (), receiver, 0, (), 0, goes_on=False)
        if not root.receiver:
            field.refuse("the root route must name a receiver")
        return root

    def _read_children(self, field: Field, parent: Route, path: tuple[int, ...]) -> tuple[Route, ...]:
        """The routes below `parent`, which `path` tells from its own siblings of the same key."""
        children: list[Route] = []
        same_key: Counter[str] = Counter()
        twins: Counter[tuple[str, str]] = Counter()
        for item in field.items():
            if item.is_absent:
                item.refuse("expected a mapping")
            section = item.section()
            matchers = _read_route_matchers(section)
            key = route_key(parent.key, matchers)
            goes_on = section.take("continue").flag(False)
            receiver = self._read_receiver_name(section.take("receiver")) or parent.receiver
            # The receiver tells siblings apart already: one that is added above does not rename the others' groups.
            twin = twins[key, receiver]
            children.append(
                self._read(section, parent, key, matchers, receiver, twin, path, same_key[key], goes_on=goes_on)
            )
            twins[key, receiver] += 1
            same_key[key] += 1
        return tuple(children)

    def _read(
        self,
        section: Section,
        parent: Route,
        key: str,
        matchers: tuple[Matcher, ...],
        receiver: str,
        twin: int,
        path: tuple[int, ...],
        place: int,
        *,
        goes_on: bool,
    ) -> Route:
        route = Route(
            id=RouteId(self._count),
            key=key,
            twin=twin,
            receiver=receiver,
            group_by=_read_group_by(section.take("group_by"), parent.group_by),
            group_wait=_read_duration(section.take("group_wait"), parent.group_wait),
            group_interval=_read_interval(section.take("group_interval"), parent.group_interval),
            repeat_interval=_read_interval(section.take("repeat_interval"), parent.repeat_interval),
            matchers=matchers,
            goes_on=goes_on,
            labels=tuple(sorted({**dict(parent.labels), **_read_labels(section.take("labels"))}.items())),
            ancestor_twins=path,
        )
        self._count += 1
        section.not_yet("mute_time_intervals", "active_time_intervals")
        children = self._read_children(section.take("routes"), route, (*path, place))
        section.close()
        return replace(route, children=children)

    def _read_receiver_name(self, field: Field) -> str:
        name = field.text()
        if name and name not in self._receivers:
            field.refuse(f"undefined receiver {quote(name)}")
        return name


def _read_group_by(field: Field, inherited: frozenset[str] | None) -> frozenset[str] | None:
    """What to group by; absent inherits, `[]` resets to one group, `['...']` means all labels (RT-4)."""
    if field.is_absent:
        return inherited
    names: set[str] = set()
    by_all = False
    for item in field.items():
        name = item.text()
        if name == "...":
            by_all = True
        elif not is_valid_label_name(name):
            item.refuse(f"invalid label name {quote(name)}")
        elif name in names:
            item.refuse(f"duplicated label {quote(name)}")
        names.add(name)
    if by_all and len(names) > 1:
        field.refuse("`...` cannot stand beside other labels")
    return None if by_all else frozenset(names)


def _read_interval(field: Field, inherited: timedelta) -> timedelta:
    interval = _read_duration(field, inherited)
    if not interval:
        field.refuse("cannot be zero")  # RT-5
    return interval


def _read_route_matchers(section: Section) -> tuple[Matcher, ...]:
    """All the matchers of a route; those that a merge (`<<`) brings add to its own, as in Alertmanager."""
    matchers: list[Matcher] = []
    for name, value in _classic_fields(section.take_all("match")):
        matchers.append(Matcher(name, MatchType.EQUAL, value.text()))
    for name, value in _classic_fields(section.take_all("match_re")):
        if value.is_absent:
            value.refuse("expected a regular expression")
        # Anchored in what the key shows too, unlike the same expression under `matchers` (GK-1).
        matchers += _attempt(value, partial(_parse_match_re, name))
    for lines in section.take_all("matchers"):
        for line in lines.items():
            matchers += _attempt(line, parse_matchers)
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


def _attempt(field: Field, parse: Callable[[str], tuple[Matcher, ...]]) -> tuple[Matcher, ...]:
    try:
        return parse(field.text())
    except RejectedError as error:
        field.refuse(str(error))
        return ()
