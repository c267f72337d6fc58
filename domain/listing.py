"""Listing: the alerts and groups that Alertmanager's API shows, and the questions that choose among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from domain.alerts import Alert
from domain.configuration import Configuration
from domain.errors import NotFoundError, RejectedError
from domain.flags import read_flag
from domain.groups import Head, Member
from domain.inhibition import Source, SourceKey, Sources
from domain.labels import Fingerprint, Labels, Matcher, MatchType, label_order, match_all
from domain.matchers import parse_matcher, parse_matchers
from domain.muting import OPEN, Hours, hours, muting
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
class Standing:
    """Everything that is there to be listed, and what may mute it, as of one instant."""

    copies: Sequence[tuple[GroupId, Member]]
    """The present members of all groups; one alert has a copy in each of its groups."""
    heads: Mapping[GroupId, Head]
    """The heads of these groups; a copy whose group is not among them is left out, for it has just died."""
    situation: Situation
    sources: Mapping[SourceKey, Sources]
    """At least the documents of inhibition that `muting.source_keys` names for the copies."""
    now: datetime
    """An alert that counts as resolved at this instant is not listed (MG-3)."""
    _found: dict[tuple[SourceKey, bool], Source | None] = field(default_factory=dict, repr=False, compare=False)

    def hours(self, group_id: GroupId) -> Hours:
        """What the intervals of the group's route say."""
        head, configuration = self.heads[group_id], self.situation.configuration
        if head.configuration_version != configuration.version:
            return OPEN
        return hours(configuration.routes[head.route_id], self.situation, self.now)

    def status(self, labels: Labels, route_hours: Hours) -> ShownStatus:
        """Whether an alert with these labels is muted now, and by what."""
        muted = muting(labels, self.now, route_hours, self.situation, self.sources, self._found)
        if not muted:
            return ACTIVE
        return {
            "inhibitedBy": [muted.source.alert.fingerprint] if muted.source else (),
            "mutedBy": muted.hours.names,
            "silencedBy": [silence.id for silence in muted.silences],
            "state": "suppressed",
        }


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

    return Selection(
        matchers=matchers,
        receiver=receiver,
        receiver_matchers=tuple([parse_matchers(text) for text in parameters.get("receiver_matchers", ())]),
        active=read_flag(parameters, "active"),
        silenced=read_flag(parameters, "silenced"),
        inhibited=read_flag(parameters, "inhibited"),
        muted=read_flag(parameters, "muted"),
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


def may_hold(matchers: Sequence[Matcher], group_labels: Labels) -> bool:
    """Whether a group can hold an alert that these `filter` parameters select: its alerts share the group's labels."""
    return all(matches_filter(matcher, group_labels) for matcher in matchers if matcher.name in group_labels)


# --- the lists ------------------------------------------------------------------------------------------------------


def list_receivers(configuration: Configuration, selection: Selection) -> list[ShownReceiver]:
    """The receivers of the configuration, in its order."""
    shown = [_receiver(configuration, receiver.name) for receiver in configuration.receivers]
    return [receiver for receiver in shown if selection.takes_receiver(receiver["labels"])]


def list_alerts(standing: Standing, selection: Selection) -> list[ShownAlert]:
    """One entry for each alert that has not ended, by fingerprint, with the receivers of all its groups.

    An alert counts as muted by intervals where those of all its groups mute it, for then nobody is told.
    """
    found: dict[Fingerprint, tuple[Member, tuple[GroupId, ...]]] = {}
    for group_id, member in standing.copies:
        if group_id in standing.heads:
            name = member.alert.fingerprint
            if name not in found:
                found[name] = (member, (group_id,))
            else:
                known, groups = found[name]
                # Copies differ only while a report is under way to some of the groups.
                if known.alert.received_at < member.alert.received_at:
                    known = member
                found[name] = (known, (*groups, group_id))
    receivers_of = _Receivers(standing.situation.configuration, standing.heads, selection)
    hours_of = _Hours(standing)
    shown = []
    for name in sorted(found):
        member, groups = found[name]
        receivers = receivers_of[groups]
        if receivers and _is_listed(member, standing, selection):
            status = standing.status(member.alert.labels, hours_of[groups])
            if selection.takes_status(status):
                shown.append(_alert(member.alert, receivers, status))
    return shown


def list_groups(standing: Standing, selection: Selection) -> list[ShownGroup]:
    """The groups that hold any alert asked for, by labels and then receiver, with these alerts as pages show them.

    An alert's receivers are those of all listed groups that hold it, by name; one of two such groups is named twice.

    Source: `Dispatcher.Groups` in Alertmanager 0.34, dispatch/dispatch.go.
    """
    configuration, heads = standing.situation.configuration, standing.heads
    hours_of = _Hours(standing)
    asked = {
        group_id: receiver
        for group_id, head in heads.items()
        if selection.takes_receiver((receiver := _receiver(configuration, head.receiver))["labels"])
        and (selection.muted or not hours_of[group_id,].names)
    }
    held: dict[GroupId, list[tuple[Alert, ShownStatus]]] = {}
    receivers: dict[Fingerprint, list[ShownReceiver]] = {}
    for group_id, member in standing.copies:
        if group_id in asked and _is_listed(member, standing, selection):
            status = standing.status(member.alert.labels, hours_of[group_id,])
            if selection.takes_status(status):
                held.setdefault(group_id, []).append((member.alert, status))
                receivers.setdefault(member.alert.fingerprint, []).append(asked[group_id])
    order = sorted(held, key=lambda group_id: (label_order(heads[group_id].labels), heads[group_id].receiver))
    return [
        {
            "alerts": [
                _alert(alert, sorted(receivers[alert.fingerprint], key=lambda receiver: receiver["name"]), status)
                for alert, status in sorted(held[group_id], key=lambda pair: display_order(pair[0]))
            ],
            "labels": heads[group_id].labels,
            "receiver": asked[group_id],
            "routeLabels": _route_labels(configuration, heads[group_id]),
        }
        for group_id in order
    ]


class _Hours(dict[tuple[GroupId, ...], Hours]):
    """What the intervals say to an alert that these groups hold: they mute it where all of them do."""

    def __init__(self, standing: Standing) -> None:
        super().__init__()
        self._standing = standing

    def __missing__(self, groups: tuple[GroupId, ...]) -> Hours:
        each = [self._standing.hours(group_id) for group_id in groups]
        names = dict.fromkeys(name for one in each for name in one.names)
        self[groups] = found = Hours(tuple(names)) if all(one.names for one in each) else OPEN
        return found


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


def _is_listed(member: Member, standing: Standing, selection: Selection) -> bool:
    alert = member.alert
    # The lease never ends before the report says, so it need not be reckoned for most.
    if alert.ends_at <= standing.now and standing.situation.lease_end(alert, member.leased_at) <= standing.now:
        return False
    return selection.takes_labels(alert.labels)


def _alert(alert: Alert, receivers: Sequence[ShownReceiver], status: ShownStatus) -> ShownAlert:
    shown: ShownAlert = {
        "annotations": alert.annotations,
        "endsAt": print_milliseconds(alert.ends_at),
        "fingerprint": alert.fingerprint,
        "receivers": receivers,
        "startsAt": print_milliseconds(alert.starts_at),
        "status": status,
        "updatedAt": print_milliseconds(alert.received_at),
        "labels": alert.labels,
    }
    if alert.generator_url:
        shown["generatorURL"] = alert.generator_url
    return shown
