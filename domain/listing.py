"""Listing: the alerts and groups that Alertmanager's API shows, and the questions that choose among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from domain.alerts import Alert
from domain.configuration import Configuration
from domain.errors import NotFoundError, RejectedError
from domain.groups import Head, Member
from domain.labels import Fingerprint, Labels, Matcher, MatchType, label_order, match_all
from domain.matchers import parse_matcher, parse_matchers
from domain.notifications import display_order
from domain.routing import GroupId
from domain.situations import Situation
from domain.times import print_milliseconds

# --- what is shown: the names are the wire's, for the endpoint writes these as they are -------------------------------


class ShownReceiver(TypedDict):
    """A receiver; among its labels its name (0.34)."""

    labels: Mapping[str, str]
    name: str


class ShownStatus(TypedDict):
    """Whether an alert is muted now, and by what."""

    inhibitedBy: Sequence[str]
    mutedBy: Sequence[str]
    silencedBy: Sequence[str]
    state: Literal["active", "suppressed", "unprocessed"]


class ShownAlert(TypedDict):
    """One alert, however many groups hold it."""

    annotations: Mapping[str, str]
    endsAt: str
    fingerprint: Fingerprint
    receivers: Sequence[ShownReceiver]
    startsAt: str
    status: ShownStatus
    updatedAt: str
    generatorURL: NotRequired[str]
    labels: Labels


class ShownGroup(TypedDict):
    """One group and those of its alerts that were asked for."""

    alerts: Sequence[ShownAlert]
    labels: Labels
    receiver: ShownReceiver
    routeLabels: Mapping[str, str]


ACTIVE: ShownStatus = {"inhibitedBy": (), "mutedBy": (), "silencedBy": (), "state": "active"}
"""The status of whatever nothing mutes.

Alertmanager knows `unprocessed` too, but reckons the status anew for each answer and so never shows it (R 0.25).
"""


# --- what is asked for ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selection:
    """What the parameters of one request ask for; by default everything."""

    matchers: tuple[Matcher, ...] = ()
    receiver: Matcher | None = None
    """Selects receivers by their names."""
    receiver_matchers: tuple[tuple[Matcher, ...], ...] = ()
    """Selects receivers by their labels: every matcher of any one of these."""
    active: bool = True
    silenced: bool = True
    inhibited: bool = True
    muted: bool = True

    def takes_labels(self, labels: Labels) -> bool:
        """Whether the `filter` parameters select an alert with these labels."""
        for matcher in self.matchers:  # noqa: SIM110 - a generator for `all` costs more than the matching
            if not matches_filter(matcher, labels):
                return False
        return True

    def takes_status(self, status: ShownStatus) -> bool:
        """Whether an alert in this status is wanted."""
        return (
            (self.active or status["state"] != "active")
            and (self.silenced or not status["silencedBy"])
            and (self.inhibited or not status["inhibitedBy"])
        )

    def takes_receiver(self, labels: Labels) -> bool:
        """Whether a receiver with these labels, its name among them, is one of those asked for."""
        if self.receiver is not None and not self.receiver.matches(labels):
            return False
        return not self.receiver_matchers or any(match_all(matchers, labels) for matchers in self.receiver_matchers)


# What Alertmanager's HTTP library takes for yes; whatever else stands there means no.
_YES = frozenset({"1", "checked", "enabled", "ok", "on", "selected", "t", "true", "y", "yes"})


def read_selection(parameters: Mapping[str, Sequence[str]]) -> Selection:
    """The selection that a query string spells; each parameter has all its values in their order.

    Raises:
        RejectedError: A matcher or the receiver's expression cannot be read.

    Source: `parseFilter` and `getAlertsHandler` in Alertmanager 0.34, api/v2/api.go; flags as measured on 0.25.
    """
    matchers = tuple([parse_matcher(text) for text in parameters.get("filter", ())])
    receiver = None
    if patterns := parameters.get("receiver"):
        try:
            receiver = Matcher("name", MatchType.REGEX, patterns[-1]) if patterns[-1] else None
        except RejectedError as error:
            raise RejectedError(f"failed to parse receiver param: {error}") from error

    def flag(name: str) -> bool:
        values = parameters.get(name)
        return not values or not values[-1] or values[-1].lower() in _YES

    return Selection(
        matchers=matchers,
        receiver=receiver,
        receiver_matchers=tuple([parse_matchers(text) for text in parameters.get("receiver_matchers", ())]),
        active=flag("active"),
        silenced=flag("silenced"),
        inhibited=flag("inhibited"),
        muted=flag("muted"),
    )


def matches_filter(matcher: Matcher, labels: Labels) -> bool:
    """Whether a `filter` parameter selects these labels: as a matcher does, but the empty value asks for presence.

    Source: `matchFilterLabels` in Alertmanager 0.34, api/v2/api.go (MA-6).
    """
    if not matcher.value:
        is_present = matcher.name in labels
        if matcher.type in (MatchType.NOT_EQUAL, MatchType.NOT_REGEX):
            return is_present or matcher.matches(labels)
        return not is_present or matcher.matches(labels)
    return matcher.matches(labels)


# --- the lists ------------------------------------------------------------------------------------------------------


def list_receivers(configuration: Configuration, selection: Selection) -> list[ShownReceiver]:
    """The receivers of the configuration, in its order."""
    shown = [_receiver(configuration, receiver.name) for receiver in configuration.receivers]
    return [receiver for receiver in shown if selection.takes_receiver(receiver["labels"])]


def list_alerts(
    copies: Iterable[tuple[GroupId, Member]],
    heads: Mapping[GroupId, Head],
    situation: Situation,
    selection: Selection,
    now: datetime,
) -> list[ShownAlert]:
    """One entry for each alert that has not ended, by fingerprint, with the receivers of all its groups.

    Args:
        copies: The present members of all groups; one alert has a copy in each of its groups.
        heads: The heads of these groups; a copy whose group is not among them is left out, for it has just died.
        situation: The rules in force.
        selection: What is asked for.
        now: An alert that counts as resolved at this instant is not listed (MG-3).
    """
    found: dict[Fingerprint, tuple[Member, tuple[GroupId, ...]]] = {}
    for group_id, member in copies:
        if group_id in heads:
            name = member.alert.fingerprint
            if name not in found:
                found[name] = (member, (group_id,))
            else:
                known, groups = found[name]
                # Copies differ only while a report is under way to some of the groups.
                if known.alert.received_at < member.alert.received_at:
                    known = member
                found[name] = (known, (*groups, group_id))
    receivers_of = _Receivers(situation.configuration, heads, selection)
    shown = []
    for name in sorted(found):
        member, groups = found[name]
        receivers = receivers_of[groups]
        if receivers and _is_shown(member, situation, selection, now):
            shown.append(_alert(member.alert, receivers))
    return shown


def list_groups(
    copies: Iterable[tuple[GroupId, Member]],
    heads: Mapping[GroupId, Head],
    situation: Situation,
    selection: Selection,
    now: datetime,
) -> list[ShownGroup]:
    """The groups that hold any alert asked for, by labels and then receiver, with these alerts as pages show them.

    An alert's receivers are those of all listed groups that hold it, by name.  The arguments are as for `list_alerts`.

    Source: `Dispatcher.Groups` in Alertmanager 0.34, dispatch/dispatch.go.
    """
    configuration = situation.configuration
    asked = {
        group_id: receiver
        for group_id, head in heads.items()
        if selection.takes_receiver((receiver := _receiver(configuration, head.receiver))["labels"])
    }
    held: dict[GroupId, list[Alert]] = {}
    receivers: dict[Fingerprint, dict[str, ShownReceiver]] = {}
    for group_id, member in copies:
        if group_id in asked and _is_shown(member, situation, selection, now):
            held.setdefault(group_id, []).append(member.alert)
            receiver = asked[group_id]
            receivers.setdefault(member.alert.fingerprint, {})[receiver["name"]] = receiver
    order = sorted(held, key=lambda group_id: (label_order(heads[group_id].labels), heads[group_id].receiver))
    return [
        {
            "alerts": [
                _alert(alert, [receiver for _, receiver in sorted(receivers[alert.fingerprint].items())])
                for alert in sorted(held[group_id], key=display_order)
            ],
            "labels": heads[group_id].labels,
            "receiver": asked[group_id],
            "routeLabels": _route_labels(configuration, heads[group_id]),
        }
        for group_id in order
    ]


class _Receivers(dict[tuple[GroupId, ...], Sequence[ShownReceiver]]):
    """The receivers to show for an alert that these groups hold, in the order of the routing tree.

    Empty when none of them is asked for.  Reckoned once for all alerts that share their groups.
    """

    def __init__(self, configuration: Configuration, heads: Mapping[GroupId, Head], selection: Selection) -> None:
        super().__init__()
        self._configuration = configuration
        self._heads = heads
        self._selection = selection

    def __missing__(self, groups: tuple[GroupId, ...]) -> Sequence[ShownReceiver]:
        heads = sorted([self._heads[group_id] for group_id in groups], key=lambda head: head.route_id)
        receivers = [_receiver(self._configuration, head.receiver) for head in heads]
        if not any(self._selection.takes_receiver(receiver["labels"]) for receiver in receivers):
            receivers = []
        self[groups] = receivers
        return receivers


def _receiver(configuration: Configuration, name: str) -> ShownReceiver:
    try:
        labels = dict(configuration.receiver(name).labels)
    except NotFoundError:  # of an older version, whose groups have not been placed anew yet
        labels = {}
    return {"labels": {**labels, "name": name}, "name": name}


def _route_labels(configuration: Configuration, head: Head) -> Mapping[str, str]:
    # A group that has not been placed under this version yet names a route of an older one.
    is_current = head.configuration_version == configuration.version
    return dict(configuration.routes[head.route_id].labels) if is_current else {}


def _is_shown(member: Member, situation: Situation, selection: Selection, now: datetime) -> bool:
    alert = member.alert
    # The lease never ends before the report says, so it need not be reckoned for most.
    if alert.ends_at <= now and situation.lease_end(alert, member.leased_at) <= now:
        return False
    return selection.takes_labels(alert.labels) and selection.takes_status(ACTIVE)


def _alert(alert: Alert, receivers: Sequence[ShownReceiver]) -> ShownAlert:
    shown: ShownAlert = {
        "annotations": alert.annotations,
        "endsAt": print_milliseconds(alert.ends_at),
        "fingerprint": alert.fingerprint,
        "receivers": receivers,
        "startsAt": print_milliseconds(alert.starts_at),
        "status": ACTIVE,
        "updatedAt": print_milliseconds(alert.received_at),
        "labels": alert.labels,
    }
    if alert.generator_url:
        shown["generatorURL"] = alert.generator_url
    return shown
