"""Amazon SNS: what becomes of CloudWatch's alarms and of what concerns the subscription."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from domain.alerts import combine
from domain.errors import RejectedError
from domain.sources.sns import Subscription, SubscriptionReading, read
from tests.domain.sources.cases import FIXTURES, alert_of, cases, is_firing, outcome, read_json
from tests.domain.sources.mangling import HOSTILE, check, mangled

KIND = "sns"


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / KIND / f"{name}.json").read_text())["body"]
    return found


def alarm(name: str = "alarm", **changed: Any) -> dict[str, Any]:
    """A fixture's envelope with another alarm in it."""
    envelope = body(name)
    return envelope | {"Message": json.dumps(json.loads(envelope["Message"]) | changed)}


def watching(instance: str) -> dict[str, Any]:
    trigger = json.loads(body("alarm")["Message"])["Trigger"]
    return {"Trigger": trigger | {"Dimensions": [{"name": "InstanceId", "value": instance}]}}


@pytest.mark.parametrize("case", cases(KIND))
def test_what_becomes_of_it(case: dict[str, Any]) -> None:
    assert outcome(read, case).items() <= case.items()


def test_ok_closes_its_own() -> None:
    opened, closed = alert_of(read, alarm()), alert_of(read, alarm("ok"))
    assert closed.fingerprint == opened.fingerprint
    assert is_firing(opened)
    assert not is_firing(combine(opened, closed))


def test_raw_delivery_is_the_same_alert() -> None:
    assert alert_of(read, body("raw_delivery")).fingerprint == alert_of(read, alarm()).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"StateChangeTime": "2026-11-22T11:59:00.000+0000", "NewStateReason": "x"}, id="later"),
        pytest.param({"NewStateValue": "INSUFFICIENT_DATA"}, id="no data"),
        pytest.param({"AlarmDescription": None, "AlarmActions": []}, id="other actions"),
        pytest.param({"AWSAccountId": None}, id="the account in the ARN only"),
    ],
)
def test_the_same_again_is_the_same_alert(changed: dict[str, Any]) -> None:
    assert alert_of(read, alarm(**changed)).fingerprint == alert_of(read, alarm()).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"AlarmName": "Other"},
        {"AWSAccountId": "210987654321"},
        {"AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:ServerCpuTooHigh"},
        watching("i-2"),
    ],
)
def test_another_is_another(changed: dict[str, Any]) -> None:
    assert alert_of(read, alarm(**changed)).fingerprint != alert_of(read, alarm()).fingerprint


def test_five_contributors_to_one_alarm_are_five_alerts_and_each_closes_its_own() -> None:
    def of(state: str) -> list[str]:
        return [
            alert_of(
                read,
                alarm(
                    "contributor",
                    NewStateValue=state,
                    AlarmContributorId=f"c{i}",
                    AlarmContributorAttributes={"endpoint": f"/api/{i}"},
                ),
            ).fingerprint
            for i in range(5)
        ]

    assert len(set(of("ALARM"))) == 5
    assert of("ALARM") == of("OK")


def test_dimensions_hide_none_of_ours_and_none_of_each_other() -> None:
    trigger = {"Dimensions": [{"name": name, "value": name} for name in ("a.b", "a-b", "source", "metric", "region")]}
    labels = alert_of(read, alarm(Trigger=trigger)).labels
    assert {"a.b", "a-b"} <= set(labels.values())
    assert (labels["source"], labels["exported_source"]) == ("sns", "source")
    assert (labels["region"], labels["exported_region"]) == ("us-east-1", "region")


def test_a_confirmation_is_handed_out_and_no_alert() -> None:
    sent = body("subscription_confirmation")
    reading = read_json(read, sent)
    assert isinstance(reading, SubscriptionReading)
    assert not reading.alerts
    assert reading.subscription == Subscription(True, sent["TopicArn"], sent["Token"], sent["SubscribeURL"])


def test_the_end_of_a_subscription_is_told() -> None:
    reading = read_json(read, body("unsubscribe_confirmation"))
    assert isinstance(reading, SubscriptionReading)
    assert not reading.subscription.is_offered
    assert "has ended" in reading.problems[0]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (body("alarm") | {"Message": {"AlarmName": "a"}}, "Message is missing, or no text"),
        (body("alarm") | {"Message": "[]"}, "no alarm of CloudWatch"),
        (body("alarm") | {"Message": "\u2028\x00"}, "no alarm of CloudWatch"),
        (alarm(AlarmName=None), "no AlarmName"),
        ({}, "Type is"),
    ],
)
def test_what_cannot_be_read_is_refused_with_words(sent: dict[str, Any], words: str) -> None:
    with pytest.raises(RejectedError, match=words):
        alert_of(read, sent)


def test_a_hundred_thousand_dimensions_are_refused() -> None:
    with pytest.raises(RejectedError, match="more than 500"):
        alert_of(read, alarm(Trigger={"Dimensions": [{"name": "a", "value": "b"}] * 100_000}))


@pytest.mark.parametrize("sent", HOSTILE)
def test_hostile_bodies_are_refused_or_read(sent: bytes) -> None:
    check("sns", read, sent, {})


@given(mangled("sns"))
@settings(max_examples=100, deadline=None)
def test_what_no_sender_sends(sent: tuple[bytes, dict[str, str]]) -> None:
    reading = check("sns", read, *sent)
    assert reading is None or reading.alerts or reading.problems or isinstance(reading, SubscriptionReading)
