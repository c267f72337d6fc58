"""API keys: what proves one, how long it is valid, and what may be changed."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.errors import ConflictError, InputError, NotFoundError
from domain.keys import (
    MOST_KEYS,
    ApiKey,
    Refusal,
    add,
    add_first,
    is_use_due,
    judge,
    key_id_of,
    make_token,
    new_key,
    proves,
    revoke,
    rotate,
)
from domain.principals import Principal, Scope
from tests.builders import HOUR, MINUTE, NOON

PEPPER = b"p" * 32
DAY = 24 * HOUR


def token(number: int = 1) -> str:
    return make_token(f"{number:012x}", secrets.token_urlsafe(32))


def key(number: int = 1, *scopes: Scope, **changes: object) -> ApiKey:
    known = {"name": f"key {number}", "scopes": frozenset(scopes or {Scope.READ}), "created_by": "local"}
    made = new_key(token(number), PEPPER, now=NOON, **known)  # type: ignore[arg-type]
    return replace(made, **changes)  # type: ignore[arg-type]


# --- what proves it -----------------------------------------------------------------------------------------------


def test_a_token_proves_its_own_key_only() -> None:
    mine = token()
    one = new_key(mine, PEPPER, name="a", scopes=frozenset({Scope.READ}), created_by="local", now=NOON)
    assert proves(one, mine, PEPPER)
    assert not proves(one, token(), PEPPER), "another secret"
    assert not proves(one, mine, b"q" * 32), "another pepper"
    assert not proves(None, mine, PEPPER), "no such key"
    assert not proves(replace(one, hash=""), mine, PEPPER)


def test_what_is_kept_holds_nothing_of_the_secret() -> None:
    mine = token()
    one = new_key(mine, PEPPER, name="a", scopes=frozenset({Scope.READ}), created_by="local", now=NOON)
    secret = mine[17:]
    assert one.prefix == mine[:17] == "toc_000000000001_"
    assert secret[:3] not in repr(replace(one, hash=""))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("toc_000000000001_", id="no secret"),
        pytest.param("toc_000000000001_" + "a" * 42, id="too short"),
        pytest.param("toc_000000000001_" + "a" * 44, id="too long"),
        pytest.param("toc_000000000001_" + "a" * 43 + "\n", id="a line"),
        pytest.param("tok_000000000001_" + "a" * 43, id="another kind"),
        pytest.param("toc_00000000000G_" + "a" * 43, id="no hexadecimal"),
        pytest.param("toc_000000000001_" + "ä" * 43, id="not ASCII"),
    ],
)
def test_what_has_not_the_form_of_a_key(text: str) -> None:
    assert key_id_of(text) is None
    assert not proves(None, text, PEPPER)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, None, id="valid"),
        pytest.param({"expires_at": NOON + MINUTE}, None, id="before its end"),
        pytest.param({"expires_at": NOON}, Refusal.EXPIRED, id="at its end"),
        pytest.param({"revoked_at": NOON - HOUR}, Refusal.REVOKED, id="revoked"),
        pytest.param({"revoked_at": NOON, "expires_at": NOON}, Refusal.REVOKED, id="both"),
    ],
)
def test_judge(changes: dict[str, object], expected: Refusal | None) -> None:
    one = key(1, Scope.INGEST, **changes, source="alertmanager")
    principal = Principal("key:000000000001", "key 1", frozenset({Scope.INGEST}), "alertmanager")
    assert judge(one, NOON) == (expected or principal)


def test_its_use_is_noted_once_an_hour() -> None:
    assert is_use_due(key(), NOON)
    assert not is_use_due(key(last_used_at=NOON), NOON + HOUR - MINUTE)
    assert is_use_due(key(last_used_at=NOON), NOON + HOUR)


# --- making them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        pytest.param({"name": " "}, "name", id="without a name"),
        pytest.param({"name": "x" * 101}, "name", id="a long name"),
        pytest.param({"name": "a\x1b[31m"}, "name", id="a name that steers terminals"),
        pytest.param({"scopes": frozenset()}, "scopes", id="that may nothing"),
        pytest.param(
            {"source": "a", "scopes": frozenset({Scope.READ})}, "source", id="a source that cannot be held to"
        ),
        pytest.param(
            {"source": "a", "scopes": frozenset({Scope.INGEST, Scope.ADMIN})}, "source", id="a source and everything"
        ),
        pytest.param({"expires_at": NOON}, "expires_at", id="that is over"),
    ],
)
def test_a_key_that_makes_no_sense(wanted: dict[str, object], field: str) -> None:
    known = {"name": "a", "scopes": frozenset({Scope.INGEST}), "created_by": "local", "now": NOON}
    with pytest.raises(InputError) as raised:
        new_key(token(), PEPPER, **(known | wanted))  # type: ignore[arg-type]
    assert raised.value.errors[0][0] == field


def test_so_many_and_no_more() -> None:
    known = [key(number) for number in range(MOST_KEYS)]
    with pytest.raises(ConflictError, match="1000 valid keys"):
        add(known, key(MOST_KEYS), NOON)
    known[0] = replace(known[0], revoked_at=NOON)
    assert len(add(known, key(MOST_KEYS), NOON)) == 1
    with pytest.raises(ConflictError, match="there is a key"):
        add([key(1)], key(1), NOON)


def test_the_first_is_made_once() -> None:
    assert len(add_first([], key(1))) == 1
    assert not add_first([key(2, revoked_at=NOON)], key(1))


# --- rotation -----------------------------------------------------------------------------------------------------


def test_both_are_valid_until_the_overlap_ends() -> None:
    old = key(1, Scope.INGEST, source="alertmanager")
    successor, left = rotate([old], old.id, token=token(2), pepper=PEPPER, by="key:a", now=NOON, overlap=HOUR)
    assert (successor.name, successor.scopes, successor.source) == (old.name, old.scopes, old.source)
    assert (successor.created_by, successor.expires_at) == ("key:a", None)
    assert left == replace(old, expires_at=NOON + HOUR, successor=successor.id)
    assert isinstance(judge(left, NOON + HOUR - MINUTE), Principal)
    assert judge(left, NOON + HOUR) is Refusal.EXPIRED


def test_the_successor_lives_as_long_as_the_old_one_was_to() -> None:
    old = key(1, expires_at=NOON + 30 * DAY)
    later = NOON + 30 * DAY - HOUR
    successor, left = rotate([old], old.id, token=token(2), pepper=PEPPER, by="", now=later, overlap=DAY)
    assert successor.expires_at == later + 30 * DAY
    assert left.expires_at == NOON + 30 * DAY, "no longer than it was to live"


@pytest.mark.parametrize(
    ("changes", "overlap", "error"),
    [
        pytest.param({"revoked_at": NOON}, HOUR, ConflictError, id="revoked"),
        pytest.param({"expires_at": NOON}, HOUR, ConflictError, id="expired"),
        pytest.param({"successor": "0" * 12}, HOUR, ConflictError, id="rotated already"),
        pytest.param({}, -HOUR, InputError, id="an overlap before now"),
        pytest.param({}, 31 * DAY, InputError, id="an overlap without end"),
        pytest.param({"id": "f" * 12}, HOUR, NotFoundError, id="another key"),
    ],
)
def test_what_cannot_be_rotated(changes: dict[str, object], overlap: timedelta, error: type[Exception]) -> None:
    with pytest.raises(error):
        rotate([key(1, **changes)], f"{1:012x}", token=token(2), pepper=PEPPER, by="", now=NOON, overlap=overlap)


# --- revoking -----------------------------------------------------------------------------------------------------

ADMIN, OTHER, READER = key(1, Scope.ADMIN), key(2, Scope.ADMIN), key(3, Scope.READ)


@pytest.mark.parametrize(
    ("known", "key_id", "by"),
    [
        pytest.param([ADMIN, OTHER], ADMIN.id, "key:000000000001", id="itself, another being left"),
        pytest.param([ADMIN, READER], READER.id, "key:000000000001", id="one that may not administer"),
        pytest.param([ADMIN], ADMIN.id, "local", id="the last one, on the machine itself"),
        pytest.param([ADMIN], ADMIN.id, "user:1", id="the last one, by a person of Entra ID"),
        pytest.param([replace(ADMIN, expires_at=NOON), OTHER], ADMIN.id, "key:2", id="one that was over anyway"),
    ],
)
def test_it_is_revoked(known: list[ApiKey], key_id: str, by: str) -> None:
    (written,) = revoke(known, key_id, by=by, now=NOON)
    assert (written.id, written.revoked_at) == (key_id, NOON)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([], id="alone"),
        pytest.param([READER], id="beside a reader"),
        pytest.param([replace(OTHER, revoked_at=NOON)], id="beside a revoked one"),
        pytest.param([replace(OTHER, expires_at=NOON)], id="beside an expired one"),
    ],
)
def test_a_key_does_not_revoke_the_last_one_that_may_administer(others: list[ApiKey]) -> None:
    with pytest.raises(ConflictError, match="the last one"):
        revoke([ADMIN, *others], ADMIN.id, by="key:000000000001", now=NOON)


def test_revoking_twice_is_as_once() -> None:
    assert not revoke([replace(ADMIN, revoked_at=NOON)], ADMIN.id, by="key:1", now=NOON + HOUR)
    with pytest.raises(NotFoundError):
        revoke([ADMIN], "f" * 12, by="local", now=NOON)
