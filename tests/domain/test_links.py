"""Links: only what was signed here and is not too old is taken."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import NotFoundError
from domain.links import ExpiredError, Invitation, read, sign

KEY = b"k" * 32
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
INVITATION = Invitation("0f" * 16 + "-3", "Pager, 'ops' ☎", NOON + timedelta(hours=1))
TOKEN = sign(INVITATION, KEY)


def test_a_link_says_what_was_signed_until_it_expires() -> None:
    assert read(TOKEN, KEY, NOON) == INVITATION
    assert read(TOKEN, KEY, NOON + timedelta(minutes=59, seconds=59)) == INVITATION
    with pytest.raises(ExpiredError):
        read(TOKEN, KEY, NOON + timedelta(hours=1))


def test_a_token_needs_no_quoting() -> None:
    assert set(TOKEN) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def forged() -> str:
    body = base64.urlsafe_b64encode(b'["other","ops",99999999999]').rstrip(b"=").decode()
    return f"{body}.{TOKEN.partition('.')[2]}"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param(".", id="a dot"),
        pytest.param("☎.☎", id="not ASCII"),
        pytest.param(TOKEN[:-1], id="cut at its end"),
        pytest.param(TOKEN.partition(".")[0], id="no signature"),
        pytest.param(TOKEN + "A", id="longer"),
        pytest.param(forged(), id="another body under the same signature"),
        pytest.param(sign(INVITATION, b"x" * 32), id="signed with another key"),
    ],
)
def test_what_was_not_signed_here_is_no_link(token: str) -> None:
    with pytest.raises(NotFoundError):
        read(token, KEY, NOON)


def test_each_changed_character_is_noticed() -> None:
    for place, character in enumerate(TOKEN):
        other = "A" if character != "A" else "B"
        with pytest.raises(NotFoundError):
            read(TOKEN[:place] + other + TOKEN[place + 1 :], KEY, NOON)
