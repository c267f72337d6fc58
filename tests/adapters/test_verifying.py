"""Who sent a payload: every way that a `tocsin.yml` may ask for, with what is fetched for it from servers over TLS."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.secrets import look_beside
from adapters.sns_certificates import FETCHES_PER_MINUTE, KEPT_SECONDS, MOST_KEPT, SnsCertificates
from adapters.verifying import Verifier
from domain.configuration import Secret
from domain.errors import UnauthenticatedError, UnavailableError
from domain.signatures.sns import read_envelope
from domain.signatures.verification import (
    ACTION_GROUPS,
    EntraToken,
    GithubHmac,
    GrafanaHmac,
    PagerdutyHmac,
    SentryHmac,
    SharedBasic,
    SharedBearer,
    SharedHeader,
    SnsTopics,
    StandardWebhooks,
    Verification,
)
from domain.sources.definitions import Source
from domain.sources.reading import Payload
from domain.sources.sns import Subscription
from tests.adapters.receiving import Receiver, Request, receiving, says, status_line
from tests.endpoints.asking import AUDIENCE, TENANT, Issuer, issuing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOST = "sns.us-west-2.amazonaws.com"
CERTIFICATE_URL = f"https://{HOST}/SimpleNotificationService-1.pem"
TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"
BODY = b'{"alerts": []}'


def digest(secret: str, signed: bytes = BODY) -> str:
    return hmac.digest(secret.encode(), signed, "sha256").hex()


async def verify(wanted: Verification | None, headers: Mapping[str, str], body: bytes = BODY, **more: Any) -> None:
    verifier = more.pop("verifier", None) or Verifier((), "https://login.example.com")
    await verifier.verify(Source("generic", "mine", verification=wanted), Payload(body, headers), NOW)


# --- secrets ----------------------------------------------------------------------------------------------------------

KEPT = (Secret("old"), Secret("new"))
STANDARD_KEY = b"k" * 32
WHSEC = "whsec_" + base64.b64encode(STANDARD_KEY).decode()


def standard(key: bytes = STANDARD_KEY, version: str = "v1") -> dict[str, str]:
    at = str(int(NOW.timestamp()))
    signature = base64.b64encode(hmac.digest(key, b"msg_1." + at.encode() + b"." + BODY, "sha256")).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": f"{version},{signature}"}


AT = str(int(NOW.timestamp()))
WAYS = [
    pytest.param(StandardWebhooks((Secret(WHSEC),)), standard(), id="Standard Webhooks"),
    pytest.param(GrafanaHmac(KEPT), {"x-grafana-alerting-signature": digest("new")}, id="Grafana"),
    pytest.param(
        GrafanaHmac(KEPT, "x-mine", "x-time"),
        {"x-mine": digest("old", AT.encode() + b":" + BODY), "x-time": AT},
        id="Grafana with a time",
    ),
    pytest.param(GithubHmac(KEPT), {"x-hub-signature-256": f"sha256={digest('old')}"}, id="GitHub"),
    pytest.param(SentryHmac(KEPT), {"sentry-hook-signature": digest("new")}, id="Sentry"),
    pytest.param(PagerdutyHmac(KEPT), {"x-pagerduty-signature": f"v1={digest('new')}"}, id="PagerDuty"),
    pytest.param(SharedHeader("x-secret", KEPT), {"x-secret": "new"}, id="a header"),
    pytest.param(SharedBearer(KEPT), {"authorization": "Bearer new"}, id="a bearer"),
    pytest.param(SharedBasic(KEPT, "ada"), {"authorization": "Basic YWRhOm5ldw=="}, id="basic"),
]


@pytest.mark.parametrize(("wanted", "headers"), WAYS)
async def test_each_way(wanted: Verification, headers: dict[str, str]) -> None:
    await verify(wanted, headers)
    with pytest.raises(UnauthenticatedError) as caught:
        await verify(wanted, {name: value[:-1] + "!" for name, value in headers.items()})
    assert not any(secret in str(caught.value) for secret in ("old", "new", "!"))
    with pytest.raises(UnauthenticatedError):
        await verify(wanted, {})
    # What is signed is the body, and a shared secret is none of its.
    if not isinstance(wanted, SharedHeader | SharedBearer | SharedBasic):
        with pytest.raises(UnauthenticatedError):
            await verify(wanted, headers, BODY + b" ")


async def test_without_a_verification_the_key_has_said_it() -> None:
    await verify(None, {})


async def test_a_file_and_a_variable_are_read_at_each_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look_beside(tmp_path / "alertmanager.yml")
    wanted = SharedHeader("x-secret", (Secret(file="secret"), Secret(variable="THE_SECRET")))
    monkeypatch.setenv("THE_SECRET", "from the environment")
    file = tmp_path / "secret"
    file.write_text("first\n")
    await verify(wanted, {"x-secret": "first"})
    await verify(wanted, {"x-secret": "from the environment"})
    file.write_text("second\n")
    await verify(wanted, {"x-secret": "second"})
    with pytest.raises(UnauthenticatedError):
        await verify(wanted, {"x-secret": "first"})
    look_beside(None)


@pytest.mark.parametrize(
    "missing", [Secret(file="/nowhere"), Secret(variable="NOT_SET"), Secret(file="/dev/null"), Secret("")]
)
async def test_what_cannot_be_read_makes_no_right_sender_a_wrong_one(
    missing: Secret, caplog: pytest.LogCaptureFixture
) -> None:
    verifier = Verifier((), "")
    wanted = SharedBearer((missing, Secret("new")))
    await verify(wanted, {"authorization": "Bearer new"}, verifier=verifier)
    for header in ("Bearer other", "Bearer", "Bearer  "):
        # Perhaps the right one is the one that cannot be read: the sender shall try again.
        with pytest.raises(UnavailableError, match=r"^the secrets of source generic/mine cannot all be read now$"):
            await verify(wanted, {"authorization": header}, verifier=verifier)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("source generic/mine: secret 1 ")
    assert "new" not in line


async def test_a_file_that_holds_no_key_is_trouble_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret that is no base64")
    with pytest.raises(UnavailableError) as caught:
        await verify(StandardWebhooks((Secret(file=str(file)),)), standard())
    assert "s3cret" not in str(caught.value)


async def test_standard_webhooks_with_a_public_key() -> None:
    private = Ed25519PrivateKey.generate()
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    other = "whpk_" + base64.b64encode(b"x" * 32).decode()
    signature = base64.b64encode(private.sign(f"msg_1.{AT}.".encode() + BODY)).decode()
    headers = standard() | {"webhook-signature": f"v1,AAAA v1a,AAAA v1a,{signature}"}
    await verify(StandardWebhooks(public_keys=(other, public)), headers)
    await verify(StandardWebhooks((Secret(WHSEC),), (public,)), standard())
    for keys in ((other,), ()):
        with pytest.raises(UnauthenticatedError):
            await verify(StandardWebhooks((Secret(WHSEC),), keys), headers)
    with pytest.raises(UnauthenticatedError, match="signature"):
        await verify(StandardWebhooks(public_keys=(public,)), headers, BODY + b" ")
    late = int(NOW.timestamp()) - 301
    signature = base64.b64encode(private.sign(f"msg_1.{late}.".encode() + BODY)).decode()
    with pytest.raises(UnauthenticatedError, match="too old"):
        await verify(
            StandardWebhooks(public_keys=(public,)),
            standard() | {"webhook-timestamp": str(late), "webhook-signature": f"v1a,{signature}"},
        )


# --- Entra ID ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


async def test_the_token_of_an_action_group(issuer: Issuer) -> None:
    wanted = EntraToken((AUDIENCE,))
    verifier = Verifier((TENANT,), issuer.authority)

    async def ask(token: str, wanted: EntraToken = wanted) -> None:
        await verify(wanted, {"authorization": f"Bearer {token}"}, verifier=verifier)

    await ask(issuer.sign(azp=ACTION_GROUPS))
    await ask(issuer.sign(appid=ACTION_GROUPS.upper()))
    await ask(issuer.sign(azp=TENANT), EntraToken((AUDIENCE,), (TENANT,), (TENANT,)))
    for claims, words in (
        ({}, "of an app"),
        ({"azp": TENANT}, "of an app"),
        ({"azp": TENANT, "appid": ACTION_GROUPS}, "of an app"),
        ({"azp": [ACTION_GROUPS]}, "of an app"),
        ({"azp": ACTION_GROUPS, "aud": "api://other"}, "another audience"),
        ({"azp": ACTION_GROUPS, "tid": ACTION_GROUPS}, "not listed"),
        ({"azp": ACTION_GROUPS, "exp": 1}, "expired"),
    ):
        with pytest.raises(UnauthenticatedError, match=words):
            await ask(issuer.sign(**claims))
    with pytest.raises(UnauthenticatedError, match="not listed"):
        await ask(issuer.sign(azp=ACTION_GROUPS), EntraToken((AUDIENCE,), tenants=(ACTION_GROUPS,)))
    for headers in ({}, {"authorization": "Basic x"}, {"authorization": "Bearer"}, {"authorization": "Bearer x"}):
        with pytest.raises(UnauthenticatedError):
            await verify(wanted, headers, verifier=verifier)
    assert issuer.asked == 1, "sources of the same tenants and audiences share the keys"


JWT_TEXT = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["\udcff.x.y", "e30.e30.e30", "eyJhbGciOiJSUzI1NiJ9.e30.x", "a.b.c", "eyJhbGciOlsxXX0.e30.", "." * 100]
)


@settings(deadline=None)
@given(JWT_TEXT)
async def test_no_token_breaks_anything(token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await verify(
            EntraToken((AUDIENCE,), tenants=(TENANT,)),
            {"authorization": f"Bearer {token}"},
            verifier=Verifier((), "http://127.0.0.1:9"),
        )


async def test_without_a_tenant_nobody_can_be_told(issuer: Issuer) -> None:
    with pytest.raises(UnavailableError, match="no tenant is listed"):
        await verify(EntraToken((AUDIENCE,)), {"authorization": f"Bearer {issuer.sign(azp=ACTION_GROUPS)}"})


# --- SNS --------------------------------------------------------------------------------------------------------------


@cache
def signing_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None, until: datetime = NOW + timedelta(days=90)
) -> str:
    key = key or signing_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=90))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def message(version: str = "2", key: rsa.RSAPrivateKey | None = None, **changes: str) -> bytes:
    """A message that is signed as SNS signs, with what is given in the place of what it would say."""
    said = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "ALARM: ☎",
        "Message": '{"AlarmName": "☎ is\\nfull"}',
        "Timestamp": "2026-11-22T11:59:58.123Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
    } | changes
    if said["Type"] == "SubscriptionConfirmation":
        del said["Subject"]
    unsigned = json.dumps({**said, "Signature": ""}).encode()
    signed = read_envelope(unsigned, [TOPIC, said["TopicArn"]], NOW).signed
    digest = hashes.SHA256() if version == "2" else hashes.SHA1()
    signature = (key or signing_key()).sign(signed, PKCS1v15(), digest)
    return json.dumps({**said, "Signature": base64.b64encode(signature).decode()}).encode()


@dataclass
class Aws(AbstractResolver):
    """SNS on this machine: every name leads to it; which names were asked for, and what it answered."""

    receiver: Receiver
    tls: ssl.SSLContext
    asked: list[str] = field(default_factory=list)
    now: float = 1000.0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        own = int(self.receiver.url.rpartition(":")[2])
        return [ResolveResult(hostname=host, host="127.0.0.1", port=own, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to let go of."""

    def verifier(self) -> Verifier:
        certificates = SnsCertificates(resolver=lambda: self, tls=self.tls, seconds=lambda: self.now)
        return Verifier((), "", certificates=certificates)

    @property
    def lines(self) -> list[str]:
        return [request.line for request in self.receiver.requests]


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def aws(*answers: bytes, name: str = HOST) -> AsyncIterator[Aws]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(name).configure_cert(server)
    client = ssl.create_default_context()
    authority().configure_trust(client)
    async with receiving(says(*answers), server) as receiver:
        yield Aws(receiver, client)


TOPICS = SnsTopics((TOPIC,))


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_message_that_sns_has_signed(version: str) -> None:
    async with aws(status_line("200 OK", certificate())) as sns:
        verifier = sns.verifier()
        await verify(TOPICS, {}, message(version), verifier=verifier)
        # The second one of the same certificate asks nobody.
        await verify(TOPICS, {}, message(version, Message="another"), verifier=verifier)
        assert sns.asked == [HOST]
        assert sns.lines == ["GET /SimpleNotificationService-1.pem HTTP/1.1"]
        for changed in (
            message(version).replace(b"full", b"null"),
            message(version, rsa.generate_private_key(65537, 2048)),
            message(version).replace(
                b'"SignatureVersion": "%s"' % version.encode(), b'"SignatureVersion": "%d"' % (3 - int(version))
            ),
        ):
            with pytest.raises(UnauthenticatedError, match="does not have the signature of SNS"):
                await verify(TOPICS, {}, changed, verifier=verifier)
        assert sns.asked == [HOST]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"SigningCertURL": "https://evil.example.com/x.pem"}, id="another host"),
        pytest.param({"SigningCertURL": f"http://{HOST}/x.pem"}, id="no TLS"),
        pytest.param({"SigningCertURL": f"https://{HOST}/x.pem?Action=GetTopicAttributes"}, id="a query"),
        pytest.param({"SigningCertURL": f"https://{HOST}@evil.example.com/x.pem"}, id="a user"),
        pytest.param({"SigningCertURL": f"https://{HOST}:8443/x.pem"}, id="a port"),
        pytest.param({"SigningCertURL": "https://169.254.169.254/x.pem"}, id="the metadata service"),
        pytest.param({"TopicArn": TOPIC.replace("123456789012", "999999999999")}, id="a topic of somebody else"),
        pytest.param({"Timestamp": "2026-11-22T10:00:00.000Z"}, id="too old"),
    ],
)
async def test_nobody_is_asked_for_what_is_wrong_by_itself(changes: dict[str, str]) -> None:
    right = json.loads(message())
    async with aws(status_line("200 OK", certificate())) as sns:
        with pytest.raises(UnauthenticatedError):
            await verify(TOPICS, {}, json.dumps(right | changes).encode(), verifier=sns.verifier())
        assert not sns.asked
        assert not sns.receiver.connections


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(status_line("404 Not Found"), UnauthenticatedError, id="there is none"),
        pytest.param(status_line("403 Forbidden"), UnauthenticatedError, id="it says nothing of it"),
        pytest.param(status_line("500 Oops"), UnavailableError, id="out of order"),
        pytest.param(status_line("429 Slow down"), UnavailableError, id="too busy"),
        pytest.param(
            status_line("302 Found", "", "Location: https://evil.example.com/"), UnavailableError, id="elsewhere"
        ),
        pytest.param(status_line("200 OK", "nonsense"), UnauthenticatedError, id="no certificate"),
        pytest.param(status_line("200 OK", "<x>" + certificate()), UnauthenticatedError, id="one in something else"),
        pytest.param(
            status_line("200 OK", certificate(ec.generate_private_key(ec.SECP256R1()))),
            UnauthenticatedError,
            id="of another kind",
        ),
        pytest.param(
            status_line("200 OK", certificate(until=NOW - timedelta(seconds=1))), UnauthenticatedError, id="expired"
        ),
        pytest.param(status_line("200 OK", certificate() + "x" * 20_000), UnavailableError, id="too long"),
        pytest.param(b"nonsense\r\n\r\n", UnavailableError, id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n-----", UnavailableError, id="broken off"),
    ],
)
async def test_what_sns_may_answer_when_asked(answer: bytes, error: type[Exception]) -> None:
    async def broken(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with aws(answer) as sns:
        sns.receiver.answer = broken
        with pytest.raises(error):
            await verify(TOPICS, {}, message(), verifier=sns.verifier())
        assert sns.asked == [HOST]


async def test_a_server_that_cannot_prove_its_name_is_not_sns() -> None:
    async with aws(status_line("200 OK", certificate()), name="evil.example.com") as sns:
        with pytest.raises(UnavailableError, match="did not answer"):
            await verify(TOPICS, {}, message(), verifier=sns.verifier())
        assert not sns.receiver.requests


async def test_certificates_are_kept_for_a_day_and_not_too_many() -> None:
    async with aws(status_line("200 OK", certificate())) as sns:
        verifier = sns.verifier()

        async def ask(number: int) -> None:
            url = f"https://{HOST}/SimpleNotificationService-{number}.pem"
            await verify(TOPICS, {}, message(SigningCertURL=url), verifier=verifier)

        for number in range(MOST_KEPT + 1):
            sns.now += 60
            await ask(number)
        fetched = len(sns.lines)
        assert fetched == MOST_KEPT + 1
        await ask(MOST_KEPT)
        assert len(sns.lines) == fetched
        await ask(0)
        assert len(sns.lines) == fetched + 1
        sns.now += KEPT_SECONDS
        await ask(MOST_KEPT)
        assert len(sns.lines) == fetched + 2


async def test_whoever_forges_messages_cannot_make_us_ask_without_end() -> None:
    async with aws(status_line("404 Not Found")) as sns:
        verifier = sns.verifier()

        async def ask(number: int) -> None:
            url = f"https://{HOST}/SimpleNotificationService-{number}.pem"
            await verify(TOPICS, {}, message(SigningCertURL=url), verifier=verifier)

        for number in range(FETCHES_PER_MINUTE):
            with pytest.raises(UnauthenticatedError):
                await ask(number)
        with pytest.raises(UnavailableError, match="too many"):
            await ask(99)
        assert len(sns.lines) == FETCHES_PER_MINUTE
        sns.now += 60
        with pytest.raises(UnauthenticatedError):
            await ask(99)


async def test_many_at_once_ask_once() -> None:
    async with aws(status_line("200 OK", certificate())) as sns:
        verifier = sns.verifier()
        await asyncio.gather(*[verify(TOPICS, {}, message(), verifier=verifier) for _ in range(30)])
        assert len(sns.lines) == 1


# --- subscriptions ----------------------------------------------------------------------------------------------------

CONFIRM = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"


def offer(url: str = CONFIRM, topic: str = TOPIC, *, is_offered: bool = True) -> Subscription:
    return Subscription(is_offered, topic, "2336412f37", url)


def source(*topics: str) -> Source:
    return Source("sns", "mine", verification=SnsTopics(topics) if topics else None)


async def test_a_subscription_to_a_topic_that_is_listed_is_confirmed() -> None:
    async with aws(
        status_line("200 OK", certificate()), status_line("200 OK", "<ConfirmSubscriptionResponse/>")
    ) as sns:
        verifier = sns.verifier()
        body = message(Type="SubscriptionConfirmation", SubscribeURL=CONFIRM, Token="2336412f37")
        await verifier.verify(source(TOPIC), Payload(body, {}), NOW)
        assert await verifier.confirm(source(TOPIC), offer()) == ""
        assert sns.lines[1:] == [f"GET /?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37 HTTP/1.1"]
        assert sns.asked == [HOST, HOST]


async def test_any_other_one_is_left_to_a_person(caplog: pytest.LogCaptureFixture) -> None:
    other = TOPIC + "2"
    async with aws(status_line("200 OK")) as sns:
        for one in (source(), source(TOPIC)):
            caplog.clear()
            said = await sns.verifier().confirm(one, offer(topic=other, url=CONFIRM.replace(TOPIC, other)))
            assert said == f"the subscription to {other} is not confirmed: the source does not list the topic"
            (record,) = caplog.records
            assert record.levelno == logging.WARNING
            assert other in record.getMessage()
            assert "2336412f37" not in record.getMessage()
        assert await sns.verifier().confirm(source(TOPIC), offer(is_offered=False)) == ""
        assert not sns.asked


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/?Action=ConfirmSubscription&Token=x",
        CONFIRM.replace("https", "http"),
        CONFIRM.replace("ConfirmSubscription", "DeleteTopic"),
        CONFIRM.replace("MyTopic", "Other"),
        CONFIRM.replace(HOST, f"{HOST}:444"),
        CONFIRM.replace(HOST, "169.254.169.254"),
    ],
)
async def test_no_other_address_is_visited(url: str) -> None:
    async with aws(status_line("200 OK")) as sns:
        with pytest.raises(UnauthenticatedError, match="SubscribeURL"):
            await sns.verifier().confirm(source(TOPIC), offer(url))
        assert not sns.asked


async def test_what_sns_does_not_confirm_now_it_offers_again() -> None:
    async with aws(status_line("500 Oops")) as sns:
        with pytest.raises(UnavailableError, match="SNS answered 500 to the confirmation"):
            await sns.verifier().confirm(source(TOPIC), offer())
