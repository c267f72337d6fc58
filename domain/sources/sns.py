"""Amazon SNS: alarms of CloudWatch, in the envelope of a topic or, with raw delivery, without it.

Source: https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html and
https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html for the envelope;
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Acting_Alarm_Changes.html for the alarm inside.

Nothing here checks the envelope's signature: that is done before.  And nothing here visits a URL: what asks for a
visit is handed out as a `SubscriptionReading`.

Identity: the alarm's account, region and name, which are its ARN, and what it watches: namespace, metric, dimensions.
Of an alarm over many time series each contributor fires and resolves for itself: its ID and its attributes count too.
CloudWatch knows no severity, so there is no such label.  ALARM fires, OK is over; INSUFFICIENT_DATA is told only to
whoever asked to hear of it (`InsufficientDataActions`), so it fires: the same alert as ALARM, which OK ends.

An alarm tells of each change of its state once, so an alert fires for `UNTIL_RESOLVED`, or for the source's time to
live: an alarm that has no `OKActions` never says that it is over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import batched
from typing import Any
from urllib.parse import quote as percent_encode

from domain.alerts import Alert
from domain.errors import RejectedError
from domain.labels import Labels
from domain.quoting import quote
from domain.sources.bodies import instant_of, plain
from domain.sources.pairs import elements, gather, labelled, mapping, parse_object
from domain.sources.reading import Payload, Reading, Reception, make_alert, remembered, remembered_text
from domain.values import value

KIND = "sns"

_STATES = {"ALARM": True, "INSUFFICIENT_DATA": True, "OK": False}
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]{0,20}):cloudwatch:(?P<region>[a-z0-9-]{1,40}):(?P<account>\d{1,20}):alarm:"
)
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-cn": "console.amazonaws.cn",
}


@dataclass(frozen=True, slots=True)
class Subscription:
    """What SNS says of the subscription itself; as it came, so nothing of it may be believed before its signature is.

    `url` confirms the subscription, or takes back its end, when somebody visits it: nobody must who has not checked
    that it is one of AWS.
    """

    is_offered: bool
    """Whether SNS waits for the confirmation; else the subscription has ended, and the URL would renew it."""
    topic: str
    """Its ARN."""
    token: str
    url: str


@value
class SubscriptionReading(Reading):
    """The reading of a payload without alerts that is about the subscription."""

    subscription: Subscription = field(kw_only=True)


def read(payload: Payload, reception: Reception) -> Reading:
    """Read one message of a topic.

    Returns:
        The alarm; a `SubscriptionReading` without alerts where the message is about the subscription.

    Raises:
        RejectedError: The message is no alarm of CloudWatch.
        UnreadableError: It is no JSON.
    """
    body = parse_object(payload.body, "a message of SNS")
    if "AlarmName" in body and "Message" not in body:  # raw delivery
        return Reading((_read_alarm(body, reception),))
    kind = plain(body.get("Type"))
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return _read_subscription(kind, body)
    if kind != "Notification":
        raise RejectedError(
            f"Type is {quote(kind[:100])}: expected Notification, SubscriptionConfirmation or UnsubscribeConfirmation"
        )
    message = body.get("Message")
    if not isinstance(message, str):
        raise RejectedError("Message is missing, or no text")
    try:
        alarm = parse_object(message.encode(), "an alarm of CloudWatch")
    except RejectedError as error:
        raise RejectedError(f"Message is no alarm of CloudWatch: it begins {quote(message[:100])}") from error
    return Reading((_read_alarm(alarm, reception),))


def _read_subscription(kind: str, body: dict[str, Any]) -> Reading:
    topic, token, url = (plain(body.get(name)) for name in ("TopicArn", "Token", "SubscribeURL"))
    if not (topic and token and url):
        raise RejectedError(f"{kind} without TopicArn, Token or SubscribeURL")
    said = Subscription(kind == "SubscriptionConfirmation", topic, token, url)
    ended = () if said.is_offered else (f"the subscription to {topic[:300]} has ended: its alarms arrive no more",)
    return SubscriptionReading((), ended, subscription=said)


def _read_alarm(alarm: dict[str, Any], reception: Reception) -> Alert:
    get = alarm.get
    name = plain(get("AlarmName"))
    if not name:
        raise RejectedError("the message has no AlarmName: only alarms of CloudWatch are read")
    state = plain(get("NewStateValue"))
    if state not in _STATES:
        raise RejectedError(f"NewStateValue is {quote(state[:100])}: expected ALARM, OK or INSUFFICIENT_DATA")
    is_firing = _STATES[state]
    arn = plain(get("AlarmArn"))
    partition, arn_region, arn_account = _parts(arn)
    region = plain(get("Region"))
    trigger = mapping(get("Trigger"))
    known = _known_by(
        name,
        plain(get("AWSAccountId")) or arn_account,
        arn_region or region,
        plain(trigger.get("Namespace")),
        plain(trigger.get("MetricName")),
        plain(get("AlarmContributorId")),
        *_dimensions(trigger.get("Dimensions")),
        *_attributes(get("AlarmContributorAttributes")),
    )
    changed = instant_of(get("StateChangeTime"))
    annotations = {
        "summary": name if state == "ALARM" else f"{name}: {state}",
        "description": plain(get("AlarmDescription")),
        "state": state,
        "old_state": plain(get("OldStateValue")),
        "reason": plain(get("NewStateReason")),
        "threshold": plain(trigger.get("Threshold")),
        "rule": plain(get("AlarmRule")),
        "alarm_arn": arn,
        "region_name": region,
    }
    return make_alert(
        reception,
        known,
        annotations,
        is_firing=is_firing,
        starts_at=changed,
        ends_at=None if is_firing else changed,
        url=_console_url(partition, arn_region, name),
    )


@remembered
def _known_by(
    name: str, account: str, region: str, namespace: str, metric: str, contributor: str, *described: str
) -> Labels:
    """By what it watches too: names and texts by turns."""
    own = {
        "alertname": name,
        "source": KIND,
        "account": account,
        "region": region,
        "namespace": namespace,
        "metric": metric,
        "contributor": contributor,
    }
    return labelled(own, gather(batched(described, 2, strict=True)))


def _dimensions(value: object) -> list[str]:
    """Of `[{"name": ..., "value": ...}]` names and texts by turns; some senders write the names with a capital."""
    found = []
    for dimension in map(mapping, elements(value)):
        found.append(plain(dimension.get("name")) or plain(dimension.get("Name")))
        found.append(plain(dimension.get("value")) or plain(dimension.get("Value")))
    return found


def _attributes(value: object) -> list[str]:
    return [text for key, found in mapping(value).items() for text in (key, plain(found))]


@remembered_text
def _parts(arn: str) -> tuple[str, str, str]:
    """The partition, the region and the account that an alarm's ARN names; nothing where it is none."""
    said = _ARN.match(arn)
    return (said["partition"], said["region"], said["account"]) if said else ("", "", "")


def _console_url(partition: str, region: str, name: str) -> str:
    console = _CONSOLES.get(partition)
    if console is None or len(name) > _LONGEST_NAME:
        return ""
    host = f"{region}.{console}" if partition == "aws" else console
    shown = name if _SAFE.fullmatch(name) else percent_encode(name, safe="")
    return f"https://{host}/cloudwatch/home?region={region}#alarmsV2:alarm/{shown}"


_SAFE = re.compile(r"[\w.~-]+", re.ASCII)
_LONGEST_NAME = 255
"""Of an alarm, by CloudWatch's own rule."""
