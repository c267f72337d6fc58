"""Signatures of senders: the documentation's own examples, what rotation and the window allow, and nothing else."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import UnauthenticatedError
from domain.signatures.digests import check_github, check_grafana, check_pagerduty, check_sentry
from domain.signatures.shared import check_basic, check_bearer, check_header
from domain.signatures.sns import LONGEST_RETRY, is_certificate_url, is_confirmation_url, read_envelope
from domain.signatures.standard_webhooks import check_standard, read_key, read_message, read_public_key, sign

AT = 1614265330
NOW = datetime.fromtimestamp(AT, UTC)
BODY = b'{"alerts": []}'
TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"

# The example of the libraries of Standard Webhooks: libraries/python/tests/test_webhooks.py.
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(AT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def digest(secret: str, signed: bytes) -> str:
    return hmac.digest(secret.encode(), signed, "sha256").hex()


def basic(text: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def standard(headers: Mapping[str, str], now: datetime = NOW, secrets: tuple[str, ...] = (STANDARD_SECRET,)) -> None:
    check_standard(headers, STANDARD_BODY, [read_key(secret) for secret in secrets], now)


def grafana(headers: Mapping[str, str], now: datetime = NOW) -> None:
    check_grafana(headers, BODY, ["old", "new"], now, timestamp_header="x-time")


GRAFANA = {"x-time": str(AT), "x-grafana-alerting-signature": digest("new", f"{AT}:".encode() + BODY)}


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(lambda: standard(STANDARD), id="Standard Webhooks: the libraries' example"),
        pytest.param(
            lambda: standard({**STANDARD, "webhook-signature": f"v1,no v2,x {STANDARD['webhook-signature']}"}),
            id="Standard Webhooks: one of several signatures",
        ),
        pytest.param(
            lambda: standard(STANDARD, secrets=("whsec_AAAA", STANDARD_SECRET)),
            id="Standard Webhooks: one of several secrets",
        ),
        pytest.param(
            lambda: standard(STANDARD, secrets=(STANDARD_SECRET.removeprefix("whsec_"),)),
            id="Standard Webhooks: a secret without its prefix",
        ),
        pytest.param(lambda: standard(STANDARD, NOW + timedelta(minutes=5)), id="Standard Webhooks: just in time"),
        pytest.param(
            lambda: standard(STANDARD, NOW - timedelta(minutes=5)), id="Standard Webhooks: just not too early"
        ),
        pytest.param(
            # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
            lambda: check_github(
                {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
                b"Hello, World!",
                ["new", "It's a Secret to Everybody"],
            ),
            id="GitHub: the documentation's example",
        ),
        pytest.param(lambda: grafana(GRAFANA), id="Grafana: with a time"),
        pytest.param(
            lambda: check_grafana({"x-grafana-alerting-signature": digest("s", BODY)}, BODY, ["s"], NOW),
            id="Grafana: the documentation's header",
        ),
        pytest.param(
            lambda: check_grafana({"x-grafana-alert-signature": digest("s", BODY)}, BODY, ["s"], NOW),
            id="Grafana: the source's header",
        ),
        pytest.param(
            lambda: check_grafana({"x-mine": digest("s", BODY)}, BODY, ["s"], NOW, header="x-mine"),
            id="Grafana: a header of one's own",
        ),
        pytest.param(lambda: check_sentry({"sentry-hook-signature": digest("s", BODY)}, BODY, ["s"]), id="Sentry"),
        pytest.param(
            lambda: check_pagerduty(
                {"x-pagerduty-signature": f"v1={digest('old', BODY)}, v1={digest('new', BODY)}"}, BODY, ["new"]
            ),
            id="PagerDuty: while it changes its secret",
        ),
        pytest.param(lambda: check_header({"x-secret": " s3 "}, "x-secret", ["s2", "s3"]), id="a header"),
        pytest.param(lambda: check_bearer({"authorization": "bearer s3"}, ["s3"]), id="a bearer"),
        pytest.param(lambda: check_basic(basic("ada:s:3"), "ada", ["s:3"]), id="a password with a colon"),
        pytest.param(lambda: check_basic(basic(":s3"), "", ["s3"]), id="a password of anybody"),
    ],
)
def test_what_is_right_passes(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(
    ("check", "words"),
    [
        pytest.param(
            lambda: standard(STANDARD, NOW + timedelta(minutes=5, seconds=1)), "too old", id="Standard: too old"
        ),
        pytest.param(
            lambda: standard(STANDARD, NOW - timedelta(minutes=5, seconds=1)), "too old", id="Standard: too early"
        ),
        pytest.param(lambda: standard({**STANDARD, "webhook-id": "x"}), "signature", id="Standard: another id"),
        pytest.param(
            lambda: standard({**STANDARD, "webhook-timestamp": str(AT + 1)}), "signature", id="Standard: another time"
        ),
        pytest.param(
            lambda: standard({**STANDARD, "webhook-signature": STANDARD["webhook-signature"].replace("v1,", "v1a,")}),
            "signature",
            id="Standard: of another version",
        ),
        pytest.param(
            lambda: standard({**STANDARD, "webhook-signature": "v1,"}), "signature", id="Standard: an empty signature"
        ),
        pytest.param(lambda: standard({}), "lacks", id="Standard: nothing"),
        pytest.param(lambda: standard(STANDARD, secrets=()), "signature", id="Standard: no secret"),
        pytest.param(lambda: grafana({**GRAFANA, "x-time": str(AT + 1)}), "signature", id="Grafana: another time"),
        pytest.param(
            lambda: grafana({"x-grafana-alerting-signature": digest("new", BODY)}), "signature", id="Grafana: no time"
        ),
        pytest.param(lambda: grafana(GRAFANA, NOW + timedelta(seconds=301)), "too old", id="Grafana: too old"),
        pytest.param(
            lambda: check_grafana(
                {"x-time": "soon", "x-grafana-alerting-signature": digest("s", b"soon:" + BODY)},
                BODY,
                ["s"],
                NOW,
                timestamp_header="x-time",
            ),
            "no number",
            id="Grafana: no time at all",
        ),
        pytest.param(
            lambda: check_grafana(
                {"x-grafana-alerting-signature": digest("s", BODY)}, BODY, ["s"], NOW, header="x-mine"
            ),
            "no header",
            id="Grafana: in another header",
        ),
        pytest.param(
            lambda: check_github({"x-hub-signature-256": digest("s", BODY)}, BODY, ["s"]),
            "signature",
            id="GitHub: without its prefix",
        ),
        pytest.param(
            lambda: check_github({"x-hub-signature": f"sha1={digest('s', BODY)}"}, BODY, ["s"]),
            "no header",
            id="GitHub: the older header",
        ),
        pytest.param(
            lambda: check_sentry({"sentry-hook-signature": digest("s", BODY)}, BODY + b" ", ["s"]),
            "signature",
            id="Sentry: another body",
        ),
        pytest.param(lambda: check_pagerduty({}, BODY, ["s"]), "no header", id="PagerDuty: nothing"),
        pytest.param(lambda: check_header({}, "x-secret", ["s"]), "x-secret", id="no header"),
        pytest.param(lambda: check_header({"x-secret": ""}, "x-secret", [""]), "x-secret", id="nothing is no secret"),
        pytest.param(lambda: check_bearer({"authorization": "s"}, ["s"]), "Bearer", id="no scheme"),
        pytest.param(lambda: check_bearer({"authorization": "Bearer"}, [""]), "Bearer", id="an empty bearer"),
        pytest.param(lambda: check_basic(basic("eve:s"), "ada", ["s"]), "Basic", id="another name"),
        pytest.param(lambda: check_basic(basic("ada:x"), "ada", ["s"]), "Basic", id="another password"),
        pytest.param(lambda: check_basic({"authorization": "Basic ☎"}, "", ["s"]), "Basic", id="no base64"),
    ],
)
def test_anything_else_does_not(check: Callable[[], None], words: str) -> None:
    with pytest.raises(UnauthenticatedError, match=words):
        check()


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_%%%", "whsec_é"])
def test_a_secret_must_be_a_key(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        read_key(text)


def test_a_public_key_has_its_length() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        read_public_key("whpk_AAAA")


# --- with the library of others ---------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40, alphabet="abcXYZ019_-"), st.binary(min_size=24, max_size=64), st.text())
def test_what_the_library_signs_is_right(id: str, key: bytes, text: str) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    body = text.encode()
    signature = standardwebhooks.Webhook(key).sign(id, now, text)
    headers = {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    check_standard(headers, body, [read_key("whsec_" + base64.b64encode(key).decode())], now)


def test_what_we_sign_is_right_for_the_library_with_either_secret() -> None:
    now = datetime.now(UTC)
    old, new = b"o" * 24, b"n" * 24
    headers = sign("msg_1", BODY, [new, old], now)
    for key in (old, new):
        assert standardwebhooks.Webhook(key).verify(BODY, headers) == {"alerts": []}
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(b"x" * 24).verify(BODY, headers)


# --- SNS --------------------------------------------------------------------------------------------------------------

# The example of https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html
NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": TOPIC,
    "Subject": "My First Message",
    "Message": "Hello world!",
    "Timestamp": "2012-05-02T00:54:06.655Z",
    "SignatureVersion": "1",
    "Signature": "RVhBTVBMRQ==",
    "SigningCertURL": "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
    "UnsubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=x",
}
# The example of https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html
CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37",
    "TopicArn": TOPIC,
    "Message": "You have chosen to subscribe to the topic.",
    "SubscribeURL": f"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
    "Timestamp": "2012-04-26T20:45:04.751Z",
    "SignatureVersion": "2",
    "Signature": "RVhBTVBMRQ==",
    "SigningCertURL": NOTIFICATION["SigningCertURL"],
}
SENT_AT = datetime(2012, 5, 2, 0, 54, 6, 655000, UTC)


def envelope(message: Mapping[str, object], now: datetime = SENT_AT) -> bytes:
    return read_envelope(json.dumps(message).encode(), [TOPIC], now).signed


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in NOTIFICATION.items() if key != name}


def test_the_signed_text_of_a_notification() -> None:
    assert envelope(NOTIFICATION) == (
        b"Message\nHello world!\nMessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\nSubject\nMy First Message\n"
        b"Timestamp\n2012-05-02T00:54:06.655Z\nTopicArn\narn:aws:sns:us-west-2:123456789012:MyTopic\nType\nNotification\n"
    )


def test_without_a_subject_there_is_none_in_it() -> None:
    signed = envelope(without("Subject"))
    assert b"Subject" not in signed
    assert envelope({**NOTIFICATION, "Subject": None}) == signed


def test_the_signed_text_of_a_confirmation() -> None:
    signed = envelope(CONFIRMATION, datetime(2012, 4, 26, 20, 45, tzinfo=UTC)).decode().split("\n")
    assert signed[::2] == [
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type", ""
    ]  # fmt: skip


@pytest.mark.parametrize("late", [-timedelta(minutes=5), timedelta(0), LONGEST_RETRY + timedelta(minutes=5)])
def test_a_message_is_taken_as_long_as_sns_tries(late: timedelta) -> None:
    envelope(NOTIFICATION, SENT_AT + late)


@pytest.mark.parametrize("late", [-timedelta(minutes=5, seconds=1), LONGEST_RETRY + timedelta(minutes=5, seconds=1)])
def test_and_no_longer(late: timedelta) -> None:
    with pytest.raises(UnauthenticatedError, match="too old"):
        envelope(NOTIFICATION, SENT_AT + late)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param({**NOTIFICATION, "TopicArn": TOPIC + "2"}, "not listed", id="another's topic"),
        pytest.param({**NOTIFICATION, "SignatureVersion": "3"}, "neither", id="another version"),
        pytest.param({**NOTIFICATION, "SignatureVersion": 1}, "neither", id="a version that is no text"),
        pytest.param({**NOTIFICATION, "Signature": "☎"}, "base64", id="no base64"),
        pytest.param({**NOTIFICATION, "Timestamp": "yesterday"}, "Timestamp", id="no time"),
        pytest.param({**NOTIFICATION, "Timestamp": "2012-02-31T00:54:06.655Z"}, "Timestamp", id="no day"),
        pytest.param({**NOTIFICATION, "Subject": 7}, "no Subject", id="a subject that is no text"),
        pytest.param({**NOTIFICATION, "Type": "Other"}, "no signature", id="another type"),
        pytest.param(without("Message"), "no Message", id="nothing in it"),
        pytest.param(without("Signature"), "raw", id="raw"),
        pytest.param([], "expected an object", id="a list"),
        pytest.param({**NOTIFICATION, "Message": "x" * 1_100_000}, "too long", id="too long"),
    ],
)
def test_what_is_no_message_of_sns(message: Mapping[str, object], words: str) -> None:
    with pytest.raises(UnauthenticatedError, match=words):
        envelope(message)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-west-2.amazonaws.com/x.pem",
        "https://sns.us-west-2.amazonaws.com:444/x.pem",
        "https://sns.us-west-2.amazonaws.com/x.pem?a=b",
        "https://sns.us-west-2.amazonaws.com/?x.pem",
        "https://sns.us-west-2.amazonaws.com/x.pem#a",
        "https://sns.us-west-2.amazonaws.com/a/../x.pem",
        "https://sns.us-west-2.amazonaws.com/x.txt",
        "https://sns.us-west-2.amazonaws.com.evil.com/x.pem",
        "https://sns.us-west-2.amazonaws.com.cn.evil/x.pem",
        "https://evil.com/sns.us-west-2.amazonaws.com/x.pem",
        "https://sns.us-west-2.amazonaws.com@evil.com/x.pem",
        "https://a@sns.us-west-2.amazonaws.com/x.pem",
        "https://evil.sns.us-west-2.amazonaws.com/x.pem",
        "https://sns.evil.com/sns.amazonaws.com/x.pem",
        "https://sns.a.b.amazonaws.com/x.pem",
        "https://sns.amazonaws.com/x.pem",
        "https://s3.us-west-2.amazonaws.com/x.pem",
        "https://bucket.s3.amazonaws.com/x.pem",
        "https://sns.us-west-2.amazonaws.com\\@evil.com/x.pem",
        "https://sns.us-west-2.amazonaws.com/x.pem\n",
        "HTTPS://sns.us-west-2.amazonaws.com/x.pem",
        "https://sns.\N{FULLWIDTH LATIN SMALL LETTER U}s-west-2.amazonaws.com/x.pem",
        "https://169.254.169.254/x.pem",
        "",
    ],
)
def test_no_other_address_is_that_of_a_certificate(url: str) -> None:
    assert not is_certificate_url(url)
    with pytest.raises(UnauthenticatedError, match="SigningCertURL"):
        envelope({**NOTIFICATION, "SigningCertURL": url})


@pytest.mark.parametrize("region", ["us-west-2", "eu-central-1", "us-gov-west-1"])
def test_the_address_of_a_certificate(region: str) -> None:
    assert is_certificate_url(f"https://sns.{region}.amazonaws.com/SimpleNotificationService-f3.pem")
    assert is_certificate_url("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-f3.pem")


@pytest.mark.parametrize(
    ("url", "is_right"),
    [
        pytest.param(CONFIRMATION["SubscribeURL"], True, id="the documentation's"),
        pytest.param(
            CONFIRMATION["SubscribeURL"].replace(":", "%3A").replace("https%3A", "https:"), True, id="escaped"
        ),
        pytest.param(CONFIRMATION["SubscribeURL"].replace("MyTopic", "Other"), False, id="another topic"),
        pytest.param(CONFIRMATION["SubscribeURL"].replace("Confirm", "Delete"), False, id="another action"),
        pytest.param(CONFIRMATION["SubscribeURL"] + "&Action=DeleteTopic", False, id="two actions"),
        pytest.param(CONFIRMATION["SubscribeURL"] + "&AuthenticateOnUnsubscribe=true", False, id="more than that"),
        pytest.param(CONFIRMATION["SubscribeURL"].replace("https:", "http:"), False, id="without TLS"),
        pytest.param(CONFIRMATION["SubscribeURL"].replace("amazonaws.com", "evil.com"), False, id="elsewhere"),
        pytest.param("https://sns.us-west-2.amazonaws.com/?a&b", False, id="no query"),
        pytest.param("https://sns.us-west-2.amazonaws.com/?%ff=%ff", False, id="no UTF-8"),
    ],
)
def test_the_address_of_a_confirmation(url: str, is_right: bool) -> None:
    assert is_confirmation_url(url, TOPIC) is is_right


# --- whatever is sent -------------------------------------------------------------------------------------------------

NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature", "authorization", "x-time", "x-pagerduty-signature",
         "x-grafana-alerting-signature", "x-hub-signature-256", "sentry-hook-signature")  # fmt: skip
# A server may hand on bytes that are no UTF-8 as lone surrogates.
ANY_TEXT = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["v1,", "v1a,AAAA v1,x", "v1=,v1=", "Basic Og==", "Bearer \udcff", "١٢", "-1", "1e9", "9" * 400]
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), ANY_TEXT), st.binary(max_size=60))
def test_no_headers_pass_and_none_break_anything(headers: dict[str, str], body: bytes) -> None:
    for check in (
        lambda: check_standard(headers, body, [b"k" * 24], NOW),
        lambda: check_grafana(headers, body, ["s"], NOW, timestamp_header="x-time"),
        lambda: check_github(headers, body, ["s"]),
        lambda: check_sentry(headers, body, ["s"]),
        lambda: check_pagerduty(headers, body, ["s"]),
        lambda: check_header(headers, "x-time", ["\u2603 secret"]),
        lambda: check_bearer(headers, ["\u2603"]),
        lambda: check_basic(headers, "ada", ["\u2603"]),
        lambda: read_envelope(body, [TOPIC], NOW),
    ):
        with pytest.raises(UnauthenticatedError):
            check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(list(CONFIRMATION)), JSON))
def test_no_message_breaks_anything(changes: dict[str, object]) -> None:
    message = {**NOTIFICATION, **changes}
    with suppress(UnauthenticatedError):
        envelope(message)


def test_a_message_that_is_nested_deeply_is_none() -> None:
    with pytest.raises(UnauthenticatedError):
        read_envelope(b'{"Type":' + b"[" * 100_000, [TOPIC], NOW)


def test_a_header_with_many_signatures_costs_little() -> None:
    message = read_message({**STANDARD, "webhook-signature": "v1a,AAAA " * 10_000}, BODY)
    assert len(message.asymmetric) == 20
