"""The keys of a tenant of Entra ID: when they are fetched, and what of them is used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.entra import KEYS_KEPT_SECONDS, REFRESH_SECONDS, RETRY_SECONDS, Entra
from domain.errors import UnauthenticatedError, UnavailableError
from tests.endpoints.asking import AUDIENCE, TENANT, Issuer, issuing, new_private_key


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def entra(issuer: Issuer, seconds: Seconds) -> Entra:
    return Entra([TENANT], ["other", AUDIENCE], issuer.authority, seconds)


async def test_a_token_of_version_one_has_another_issuer() -> None:
    issuers = Entra([TENANT], [AUDIENCE])._issuers(TENANT)
    assert issuers == [f"https://login.microsoftonline.com/{TENANT}/v2.0", f"https://sts.windows.net/{TENANT}/"]


async def test_a_new_key_is_found_when_the_keys_are_five_minutes_old(
    entra: Entra, issuer: Issuer, seconds: Seconds
) -> None:
    await entra.prove(issuer.sign("Tocsin.Read"))
    issuer.keys["two"] = new_private_key()
    signed = issuer.sign("Tocsin.Read", kid="two", key=issuer.keys["two"])
    seconds.now += REFRESH_SECONDS - 1
    with pytest.raises(UnauthenticatedError, match="does not publish"):
        await entra.prove(signed)
    seconds.now += 1
    assert (await entra.prove(signed)).name == "ada@example.com"
    assert issuer.asked == 2


async def test_a_key_that_was_withdrawn_is_no_longer_taken_after_a_day(
    entra: Entra, issuer: Issuer, seconds: Seconds
) -> None:
    signed = issuer.sign("Tocsin.Read")
    await entra.prove(signed)
    issuer.keys["two"] = issuer.keys.pop("one")
    await entra.prove(signed)
    seconds.now += KEYS_KEPT_SECONDS
    with pytest.raises(UnauthenticatedError):
        await entra.prove(signed)


async def test_while_the_tenant_does_not_answer_the_known_keys_stay(
    entra: Entra, issuer: Issuer, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = issuer.sign("Tocsin.Read")
    await entra.prove(signed)
    monkeypatch.setattr(issuer, "publish", lambda: b"not now")
    seconds.now += KEYS_KEPT_SECONDS
    assert (await entra.prove(signed)).id == "user:ada-object-id"


async def test_a_tenant_that_does_not_answer_is_not_asked_for_each_request(
    entra: Entra, issuer: Issuer, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def fail() -> bytes:
        nonlocal asked
        asked += 1
        return b"not now"

    monkeypatch.setattr(issuer, "publish", fail)
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await entra.prove(issuer.sign("Tocsin.Read"))
    assert asked == 1
    monkeypatch.undo()
    seconds.now += RETRY_SECONDS
    assert (await entra.prove(issuer.sign("Tocsin.Read"))).name == "ada@example.com"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"use": "enc"}, id="for encryption"),
        pytest.param({"kty": "EC"}, id="of another type"),
        pytest.param({"kid": None}, id="without a name"),
        pytest.param({"n": "!"}, id="broken"),
    ],
)
async def test_what_is_no_key_for_signatures_is_left_out(
    entra: Entra, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    published = json.loads(issuer.publish())["keys"]
    document = json.dumps({"keys": [published[0] | change]}).encode()
    monkeypatch.setattr(issuer, "publish", lambda: document)
    with pytest.raises(UnavailableError):
        await entra.prove(issuer.sign("Tocsin.Read"))


async def test_a_short_key_is_left_out(entra: Entra, issuer: Issuer) -> None:
    issuer.keys["short"] = rsa.generate_private_key(65537, 1024)
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        signed = issuer.sign("Tocsin.Read", kid="short", key=issuer.keys["short"])
    with pytest.raises(UnauthenticatedError, match="does not publish"):
        await entra.prove(signed)


@pytest.mark.parametrize("token", ["", "eyJ", "eyJ.eyJ.x", "a.b.c.d", "eyJ" + "a" * 20_000, "[" * 9000])
async def test_what_is_no_token_is_nobody(entra: Entra, token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await entra.prove(token)
