"""Signatures: only what the secret's owner has just signed passes."""

import hmac
from datetime import UTC, datetime

import pytest

from domain.errors import UnauthenticatedError
from domain.signatures.digests import check_slack

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
AT = 1531420618
NOW = datetime.fromtimestamp(AT, UTC)
# The example of Slack's documentation.
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d1"
    b"0d2c447fce8b6703c"
)
SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


def signed(timestamp: str) -> str:
    return "v0=" + hmac.digest(SECRET.encode(), b"v0:" + timestamp.encode() + b":" + BODY, "sha256").hex()


def test_the_example_of_the_documentation_passes() -> None:
    check_slack(BODY, str(AT), SIGNATURE, SECRET, NOW)


@pytest.mark.parametrize(
    ("body", "timestamp", "signature"),
    [
        pytest.param(BODY + b"&x=1", str(AT), SIGNATURE, id="another body"),
        pytest.param(BODY, str(AT + 1), SIGNATURE, id="another time"),
        pytest.param(BODY, str(AT), "", id="no signature"),
        pytest.param(BODY, str(AT), "v0=☎", id="not ASCII"),
        pytest.param(BODY, str(AT), SIGNATURE[:-1], id="cut"),
        pytest.param(BODY, "", signed(""), id="signed without a time"),
        pytest.param(BODY, "١٢", signed("١٢"), id="other digits"),
        pytest.param(BODY, str(AT - 301), signed(str(AT - 301)), id="too old"),
        pytest.param(BODY, str(AT + 301), signed(str(AT + 301)), id="from the future"),
    ],
)
def test_anything_else_does_not(body: bytes, timestamp: str, signature: str) -> None:
    with pytest.raises(UnauthenticatedError):
        check_slack(body, timestamp, signature, SECRET, NOW)
