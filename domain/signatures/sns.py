"""SNS: what Amazon signs of a message, and which addresses of a message may be asked.

The message is JSON, and its signature stands in it: it is the one scheme where the envelope is read first, within the
bounds of every payload.  What was read is what is signed, for both come from the same reader.

Everybody who has an account with AWS can have a message signed, of a topic of his own.  So a signature proves nothing
without the list of the topics that are meant.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from domain.errors import RejectedError, UnauthenticatedError
from domain.signatures import WINDOW, octets

LONGEST_RETRY = timedelta(seconds=3600)
"""How long SNS goes on trying an HTTP endpoint, with the message's first time in every attempt.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
"""

TOPIC = re.compile(r"arn:aws[a-z-]{0,20}:sns:[a-z0-9-]{1,40}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")

# The whole address, not its parts: a port, a user, a query or a fragment has no place in it.  A query above all: what
# SNS answers to one holds texts that anybody may have chosen, a certificate among them.
_CERTIFICATE = re.compile(r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?/[A-Za-z0-9_-]{1,200}\.pem")
_CONFIRMATION = re.compile(r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?/\?[A-Za-z0-9%&=:._~+-]{1,4000}")

_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
_LARGEST_BODY_BYTES = 1024 * 1024
"""A message of SNS has 256 KiB at most; its envelope escapes what is in it."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message that says to be of a topic that is meant; believe nothing of it before its signature is checked."""

    topic: str
    certificate_url: str
    digest: str
    """Of the signature: `sha1` or `sha256`."""
    signature: bytes
    signed: bytes


def read_envelope(body: bytes, topics: Collection[str], now: datetime) -> Envelope:
    """What is to be checked of a message, once all is right that needs no certificate.

    Raises:
        UnauthenticatedError: It is no signed message of one of these topics, or too old, or its certificate would
            have to be fetched from somewhere else than SNS.
    """
    from domain.sources.pairs import parse_object

    try:
        if len(body) > _LARGEST_BODY_BYTES:
            raise UnauthenticatedError("this is too long for a message of SNS")
        message = parse_object(body, "a message of SNS")
    except RejectedError as error:
        raise UnauthenticatedError(f"the request has no signature of SNS: {error}") from None
    texts = {name: text for name, text in message.items() if isinstance(text, str)}
    kind = texts.get("Type", "")
    if kind not in _SIGNED or "Signature" not in texts:
        raise UnauthenticatedError("the request has no signature of SNS (raw message delivery never has one)")
    names = [name for name in _SIGNED[kind] if name in message or name != "Subject"]
    if missing := [name for name in names if name not in texts]:
        # A subject that is null was left out before it was signed.
        if missing != ["Subject"] or message["Subject"] is not None:
            raise UnauthenticatedError(f"the message of SNS has no {missing[0]}")
        names.remove("Subject")
    topic = texts["TopicArn"]
    if topic not in topics:
        raise UnauthenticatedError("the message is of a topic that is not listed for this source")
    digest = {"1": "sha1", "2": "sha256"}.get(texts.get("SignatureVersion", ""))
    if digest is None:
        raise UnauthenticatedError("the SignatureVersion is neither 1 nor 2")
    url = texts.get("SigningCertURL", "")
    if not is_certificate_url(url):
        raise UnauthenticatedError("the SigningCertURL is none of SNS")
    _check_time(texts["Timestamp"], now)
    return Envelope(topic, url, digest, _decode(texts["Signature"]), _canonical(names, texts))


def is_certificate_url(url: str) -> bool:
    """Whether this is where SNS keeps a certificate; the only address that a message may make us ask by itself."""
    return _CERTIFICATE.fullmatch(url) is not None


def is_confirmation_url(url: str, topic: str) -> bool:
    """Whether this is where SNS waits for the confirmation of a subscription to this very topic, and nothing else."""
    if not _CONFIRMATION.fullmatch(url):
        return False
    try:
        asked = parse_qs(urlsplit(url).query, strict_parsing=True, errors="strict")
    except ValueError:
        return False
    return (
        asked.keys() == {"Action", "TopicArn", "Token"}
        and asked["Action"] == ["ConfirmSubscription"]
        and asked["TopicArn"] == [topic]
        and len(asked["Token"]) == 1
    )


def _check_time(text: str, now: datetime) -> None:
    """Its time is that of the message, not of the attempt; so the window reaches back as long as SNS tries."""
    if not _TIME.fullmatch(text):
        raise UnauthenticatedError("the Timestamp of the message of SNS is none")
    try:
        sent_at = datetime.fromisoformat(text)
    except ValueError:
        raise UnauthenticatedError("the Timestamp of the message of SNS is none") from None
    if not -WINDOW <= now - sent_at <= LONGEST_RETRY + WINDOW:
        raise UnauthenticatedError("the message of SNS is too old, or a clock is wrong")


def _canonical(names: list[str], texts: dict[str, str]) -> bytes:
    return b"".join(octets(f"{name}\n{texts[name]}\n") for name in names)


def _decode(signature: str) -> bytes:
    try:
        return base64.b64decode(octets(signature), validate=True)
    except binascii.Error:
        raise UnauthenticatedError("the signature of SNS is not in base64") from None
