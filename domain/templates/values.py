"""Value: what a template can hold, and the members it may ask for; nothing is looked up by name but in these tables.

A value is a string, a whole number, a float, a truth value, None for Go's `nil`, or one of the classes here and in
`times`.  The same tables tell the checker which members a value will have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from domain.templates.nodes import Fault
from domain.templates.times import MONTHS, SECOND, WEEKDAYS, Duration, Month, Time, Weekday

ALERTNAME = "alertname"


class Html(str):
    """Text that is HTML already and is not escaped in HTML templates."""

    __slots__ = ()


class Url(str):
    """Text that is a trusted address: its scheme is not judged in HTML templates."""

    __slots__ = ()


class Query(str):
    """Text that `urlquery` has escaped: it may stand in an address as it is."""

    __slots__ = ()


class Escaped(str):
    """Text that `html` has escaped: it may stand in HTML as it is."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class List:
    """Values in order; what kind of values, the subclass tells."""

    items: tuple[Any, ...] = ()
    of: ClassVar[type | None] = None
    """The class of every element, or None when they may differ."""
    name: ClassVar[str] = "[]interface {}"

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)


@dataclass(frozen=True, slots=True)
class Strings(List):
    """A list of strings."""

    of: ClassVar[type | None] = str
    name: ClassVar[str] = "[]string"


@dataclass(frozen=True, slots=True)
class Map:
    """Values by names, without any order of their own."""

    pairs: Mapping[str, Any]
    of: ClassVar[type | None] = None
    name: ClassVar[str] = "map[string]interface {}"

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, slots=True)
class Pair:
    """A label or an annotation."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Pairs(List):
    """Labels or annotations in order."""

    of: ClassVar[type | None] = Pair
    name: ClassVar[str] = "template.Pairs"

    def names(self) -> Strings:
        """Their names."""
        return Strings(tuple(pair.name for pair in self))

    def values(self) -> Strings:
        """Their values."""
        return Strings(tuple(pair.value for pair in self))

    def __str__(self) -> str:
        return ", ".join(f"{pair.name}={pair.value}" for pair in self)


@dataclass(frozen=True, slots=True)
class KV(Map):
    """Labels or annotations; who asks for a name that is not there gets the empty text."""

    of: ClassVar[type | None] = str
    name: ClassVar[str] = "template.KV"

    def sorted_pairs(self) -> Pairs:
        """By name, `alertname` first."""
        names = sorted(self.pairs, key=lambda name: (name != ALERTNAME, name))
        return Pairs(tuple(Pair(name, self.pairs[name]) for name in names))

    def remove(self, names: List) -> KV:
        """Without those names."""
        gone = set(names)
        return KV({name: value for name, value in self.pairs.items() if name not in gone})

    def __str__(self) -> str:
        return str(self.sorted_pairs())


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, as templates see it."""

    status: str
    labels: KV
    annotations: KV
    starts_at: Time
    ends_at: Time
    generator_url: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SomeAlerts(List):
    """Alerts, without the methods to choose among them."""

    of: ClassVar[type | None] = Alert
    name: ClassVar[str] = "[]template.Alert"


@dataclass(frozen=True, slots=True)
class Alerts(List):
    """All alerts of a notification."""

    of: ClassVar[type | None] = Alert
    name: ClassVar[str] = "template.Alerts"

    def with_status(self, status: str) -> SomeAlerts:
        """Those that fire, or those that are resolved."""
        return SomeAlerts(tuple(alert for alert in self if alert.status == status))


@dataclass(frozen=True, slots=True)
class Data:
    """What the dot is at the beginning of a template: one notification."""

    receiver: str
    status: str
    alerts: Alerts
    notification_reason: str
    group_labels: KV
    common_labels: KV
    common_annotations: KV
    route_labels: KV
    external_url: str
    group_key: str = ""
    truncated_alerts: int = 0
    acknowledge_url: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A field or a method: how it is had, the class of what it returns, and how many arguments it takes."""

    get: Callable[..., Any]
    returns: type | None
    takes: tuple[type, ...] = ()
    is_method: bool = False
    json: str = ""
    """The field's name in JSON."""


def _field(get: Callable[[Any], Any], returns: type, json: str = "") -> Member:
    return Member(get, returns, json=json)


def _method(get: Callable[..., Any], returns: type, *takes: type) -> Member:
    return Member(get, returns, takes, is_method=True)


_KV_METHODS = {
    "SortedPairs": _method(KV.sorted_pairs, Pairs),
    "Remove": _method(KV.remove, KV, Strings),
    "Names": _method(lambda kv: kv.sorted_pairs().names(), Strings),
    "Values": _method(lambda kv: kv.sorted_pairs().values(), Strings),
    "String": _method(str, str),
}

_DURATION_METHODS = {
    "Hours": _method(lambda duration: duration.nanoseconds / (3600 * SECOND), float),
    "Minutes": _method(lambda duration: duration.nanoseconds / (60 * SECOND), float),
    "Seconds": _method(lambda duration: duration.seconds, float),
    "Milliseconds": _method(lambda duration: _quotient(duration.nanoseconds, 1_000_000), int),
    "Microseconds": _method(lambda duration: _quotient(duration.nanoseconds, 1_000), int),
    "Nanoseconds": _method(lambda duration: duration.nanoseconds, int),
    "Round": _method(Duration.round, Duration, Duration),
    "Truncate": _method(lambda duration, unit: duration.round(unit, up=False), Duration, Duration),
    "Abs": _method(lambda duration: Duration(abs(duration.nanoseconds)), Duration),
    "String": _method(str, str),
}

_TIME_METHODS = {
    "Format": _method(Time.format, str, str),
    "UTC": _method(lambda time: Time(time.nanoseconds), Time),
    "Local": _method(lambda time: Time(time.nanoseconds), Time),
    "Unix": _method(lambda time: time.unix, int),
    "UnixMilli": _method(lambda time: time.nanoseconds // 1_000_000, int),
    "UnixMicro": _method(lambda time: time.nanoseconds // 1_000, int),
    "UnixNano": _method(lambda time: time.nanoseconds, int),
    "Add": _method(Time.add, Time, Duration),
    "AddDate": _method(Time.add_date, Time, int, int, int),
    "Sub": _method(Time.sub, Duration, Time),
    "Before": _method(lambda time, other: time.nanoseconds < other.nanoseconds, bool, Time),
    "After": _method(lambda time, other: time.nanoseconds > other.nanoseconds, bool, Time),
    "Equal": _method(lambda time, other: time.nanoseconds == other.nanoseconds, bool, Time),
    "Compare": _method(
        lambda time, other: (time.nanoseconds > other.nanoseconds) - (time.nanoseconds < other.nanoseconds), int, Time
    ),
    "IsZero": _method(lambda time: time.is_zero, bool),
    "Year": _method(lambda time: time.civil().year, int),
    "Month": _method(lambda time: _month(time), Month),
    "Day": _method(lambda time: time.civil().day, int),
    "Hour": _method(lambda time: time.civil().hour, int),
    "Minute": _method(lambda time: time.civil().minute, int),
    "Second": _method(lambda time: time.civil().second, int),
    "Nanosecond": _method(lambda time: time.civil().nanosecond, int),
    "Weekday": _method(lambda time: _weekday(time), Weekday),
    "YearDay": _method(lambda time: time.civil().yearday, int),
    "Round": _method(Time.round, Time, Duration),
    "Truncate": _method(lambda time, unit: time.round(unit, up=False), Time, Duration),
    "String": _method(str, str),
}

MEMBERS: Mapping[type, Mapping[str, Member]] = {
    Data: {
        "Receiver": _field(lambda data: data.receiver, str, "receiver"),
        "Status": _field(lambda data: data.status, str, "status"),
        "Alerts": _field(lambda data: data.alerts, Alerts, "alerts"),
        "NotificationReason": _field(lambda data: data.notification_reason, str, "notification_reason"),
        "GroupLabels": _field(lambda data: data.group_labels, KV, "groupLabels"),
        "CommonLabels": _field(lambda data: data.common_labels, KV, "commonLabels"),
        "CommonAnnotations": _field(lambda data: data.common_annotations, KV, "commonAnnotations"),
        "RouteLabels": _field(lambda data: data.route_labels, KV, "routeLabels"),
        "ExternalURL": _field(lambda data: data.external_url, str, "externalURL"),
        # Tocsin's own; empty where nothing can be acknowledged.
        "AcknowledgeURL": _field(lambda data: data.acknowledge_url, str),
        # Alertmanager has these two in the payload of webhooks only; Tocsin in every template.
        "GroupKey": _field(lambda data: data.group_key, str),
        "TruncatedAlerts": _field(lambda data: data.truncated_alerts, int),
    },
    Alert: {
        "Status": _field(lambda alert: alert.status, str, "status"),
        "Labels": _field(lambda alert: alert.labels, KV, "labels"),
        "Annotations": _field(lambda alert: alert.annotations, KV, "annotations"),
        "StartsAt": _field(lambda alert: alert.starts_at, Time, "startsAt"),
        "EndsAt": _field(lambda alert: alert.ends_at, Time, "endsAt"),
        "GeneratorURL": _field(lambda alert: alert.generator_url, str, "generatorURL"),
        "Fingerprint": _field(lambda alert: alert.fingerprint, str, "fingerprint"),
    },
    Pair: {
        "Name": _field(lambda pair: pair.name, str, "Name"),
        "Value": _field(lambda pair: pair.value, str, "Value"),
    },
    Alerts: {
        "Firing": _method(lambda alerts: alerts.with_status("firing"), SomeAlerts),
        "Resolved": _method(lambda alerts: alerts.with_status("resolved"), SomeAlerts),
    },
    Pairs: {
        "Names": _method(Pairs.names, Strings),
        "Values": _method(Pairs.values, Strings),
        "String": _method(str, str),
    },
    KV: _KV_METHODS,
    Duration: _DURATION_METHODS,
    Time: _TIME_METHODS,
    Month: {"String": _method(str, str)},
    Weekday: {"String": _method(str, str)},
}
"""Every member that a value of the class has; a map has its keys beside them."""

_NAMES: Mapping[type, str] = {
    Alert: "template.Alert",
    Data: "*template.Data",
    Duration: "time.Duration",
    Html: "template.HTML",
    Month: "time.Month",
    Pair: "template.Pair",
    Time: "time.Time",
    Url: "template.URL",
    Weekday: "time.Weekday",
    bool: "bool",
    float: "float64",
    int: "int",
    str: "string",
}


def class_name(kind: type | None) -> str:
    """What Go calls the class."""
    if kind is None or kind is type(None):
        return "nil"
    if issubclass(kind, List | Map):
        return kind.name
    return _NAMES.get(kind, "string")


def type_name(value: object) -> str:
    """What Go calls the value's type."""
    return class_name(None if value is None else type(value))


def member(kind: type, name: str) -> Member | None:
    """The member of a class that has that name; a map's keys are not members."""
    return MEMBERS.get(kind, {}).get(name)


def is_true(value: object) -> bool:
    """What `if` and `with` go by: neither nil, nor zero, nor empty; a struct is always true, as in Go."""
    match value:
        case None:
            return False
        case Duration():
            return value.nanoseconds != 0
        case bool() | int() | float() | str():
            return bool(value)
        case List() | Map():
            return len(value) > 0
        case _:
            return True


def converted(value: object, kind: type) -> object:
    """The value as an argument of that class.

    Raises:
        Fault: It is of another.
    """
    if kind is Duration and type(value) is int:
        return Duration(value)
    if kind is int and type(value) is float and value.is_integer():
        return int(value)
    if kind is Strings and type(value) is List and all(isinstance(item, str) for item in value):
        return Strings(value.items)
    if kind is int and type(value) is bool:
        raise Fault("int wanted, not bool")
    if not isinstance(value, kind):
        raise Fault(f"{class_name(kind)} wanted, not {type_name(value)}")
    return value


def _month(time: Time) -> Month:
    number = time.civil().month
    return Month(number, MONTHS[number - 1])


def _weekday(time: Time) -> Weekday:
    number = time.civil().weekday
    return Weekday(number, WEEKDAYS[number])


def _quotient(number: int, unit: int) -> int:
    """Toward zero, as in Go."""
    return number // unit if number >= 0 else -(-number // unit)
