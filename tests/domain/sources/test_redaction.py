"""What of a payload is not kept, and that all else is kept as it came."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RejectedError
from domain.sources.paths import parse_path
from domain.sources.redaction import MASK, redact, scrub, scrub_labels
from domain.sources.secret_names import is_secret

SECRET = "hunter2!"
NESTED = {"Message": json.dumps({"AlarmName": "x", "secret": SECRET})}


@pytest.mark.parametrize(
    "name",
    [
        *("password", "PASSWORD", "dbPassword", "db_password", "passwd", "pwd", "adminPwd", "client_secret", "secret"),
        *("token", "authToken", "X-Auth-Token", "access.token", "Authorization", "api_key", "apiKey", "apikey"),
        *("X-API-Key", "AccountKey", "SharedAccessKey", "private_key", "routing_key", "connectionString", "cookie"),
        *("Set-Cookie", "credentials", "aws_secret_access_key", "mysecret", "passwordForDb", "secret_id"),
    ],
)
def test_the_name_of_a_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "passenger", "tokens", "token_count", "tokenizer", "secret_name", "secretName", "password_age", "author"),
        *("key", "keys", "monkey", "authorized", "compass", "secretary", "bypass", "signal", "alertname", "dedup_key"),
    ],
)
def test_the_name_of_no_secret(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, id="nothing secret"),
        pytest.param({"password": SECRET, "b": 2}, {"password": MASK, "b": 2}, id="a text"),
        pytest.param({"pin": {"token": 1234}}, {"pin": {"token": MASK}}, id="a number, deeper"),
        pytest.param({"secret": {"a": [SECRET]}, "b": 1}, {"secret": {"a": [MASK]}, "b": 1}, id="an object"),
        pytest.param({"tokens": [{"token": [SECRET]}]}, {"tokens": [{"token": [MASK]}]}, id="a list"),
        pytest.param(
            {"token": None, "secret": "", "password": False},
            {"token": None, "secret": "", "password": False},
            id="what tells nothing",
        ),
        pytest.param({"authorization": {"scope": "x"}}, {"authorization": {"scope": "x"}}, id="Azure's roles"),
        pytest.param([["Authorization", SECRET], ["Host", "x"]], [["Authorization", MASK], ["Host", "x"]], id="a pair"),
        pytest.param(
            [{"name": "password", "value": SECRET}], [{"name": "password", "value": MASK}], id="a name and a value"
        ),
        pytest.param(
            [{"value": SECRET, "name": "password"}], [{"value": MASK, "name": "password"}], id="a value and a name"
        ),
        pytest.param([{"name": "host", "value": "x"}], [{"name": "host", "value": "x"}], id="another name and a value"),
        pytest.param(
            {"url": f"https://u:{SECRET}@x/?a=1"}, {"url": f"https://{MASK}@x/?a=1"}, id="a URL with a password"
        ),
        pytest.param(
            {"SubscribeURL": f"https://x/?Token={SECRET}&b=2"},
            {"SubscribeURL": f"https://x/?Token={MASK}&b=2"},
            id="SNS",
        ),
        pytest.param(
            {"text": "password: hunter2, host: db, url: token=abc"},
            {"text": f"password: {MASK}, host: db, url: token={MASK}"},
            id="what a text says of itself",
        ),
        pytest.param({"text": "Bearer abcdefghijk"}, {"text": f"Bearer {MASK}"}, id="a scheme"),
        pytest.param(
            {"text": f"AccountName=x;AccountKey={SECRET};"}, {"text": f"AccountName=x;AccountKey={MASK};"}, id="Azure"
        ),
    ],
)
def test_what_is_always_masked(body: Any, expected: Any) -> None:
    redacted = redact(json.dumps(body))
    assert json.loads(redacted.text) == expected
    assert bool(redacted.masked) == (body != expected)
    assert SECRET not in redacted.text


def test_a_text_that_holds_json_is_looked_into() -> None:
    redacted = redact(json.dumps(NESTED))
    assert json.loads(json.loads(redacted.text)["Message"]) == {"AlarmName": "x", "secret": MASK}
    assert redacted.masked == ("$.Message.secret",)
    deep = SECRET
    for _ in range(12):
        deep = json.dumps({"secret": deep, "a": "b"})
    assert SECRET not in redact(deep).text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("$.a", '{"a": "*", "b": [{"c": 3}, {"c": "x"}], "d e": {"c": true}}', id="a member"),
        pytest.param("$.b[0].c", '{"a": 1, "b": [{"c": "*"}, {"c": "x"}], "d e": {"c": true}}', id="a place"),
        pytest.param("$.b[*].c", '{"a": 1, "b": [{"c": "*"}, {"c": "*"}], "d e": {"c": true}}', id="any place"),
        pytest.param("$.b", '{"a": 1, "b": [{"c": "*"}, {"c": "*"}], "d e": {"c": true}}', id="all of a list"),
        pytest.param("$['d e']", '{"a": 1, "b": [{"c": 3}, {"c": "x"}], "d e": {"c": true}}', id="in quotes"),
        pytest.param("$..c", '{"a": 1, "b": [{"c": "*"}, {"c": "*"}], "d e": {"c": true}}', id="at any depth"),
        pytest.param("$.*", '{"a": "*", "b": [{"c": "*"}, {"c": "*"}], "d e": {"c": true}}', id="any member"),
        pytest.param("$.none.of.it", '{"a": 1, "b": [{"c": 3}, {"c": "x"}], "d e": {"c": true}}', id="nothing"),
    ],
)
def test_a_path(path: str, expected: str) -> None:
    text = '{"a": 1, "b": [{"c": 3}, {"c": "x"}], "d e": {"c": true}}'
    assert redact(text, [path]).text == expected.replace('"*"', f'"{MASK}"')


def test_a_path_leads_into_a_text_that_holds_json() -> None:
    redacted = redact(json.dumps(NESTED), ["$.Message.AlarmName"])
    assert json.loads(json.loads(redacted.text)["Message"]) == {"AlarmName": MASK, "secret": MASK}


@pytest.mark.parametrize("path", ["", "$", "a", "a.b", "$a", "$.", "$.a.", "$.a[", "$.a[x]", "$.a b", "$" + ".a" * 400])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(RejectedError):
        parse_path(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"password":"a","password":"b"}', '{"password":"*","password":"*"}', id="a name twice"),
        pytest.param('{"x": 1e400, "token" :  1.50 }', '{"x": 1e400, "token" :  "*" }', id="as it was written"),
        pytest.param('{"\\u0070assword": "a"}', '{"\\u0070assword": "*"}', id="a name in disguise"),
        pytest.param('{"a": 1, "password": "hunt', '{"a": 1, "password": "*"', id="cut in a secret"),
        pytest.param('{"secret": {"a": ["b", ', '{"secret": {"a": ["*", ', id="cut in a secret object"),
        pytest.param('{"a": 1} {"secret": "b"}', '{"a": 1} {"secret": "*"}', id="several values"),
        pytest.param("a=1&password=b%20c&d=2", "a=1&password=*&d=2", id="a form"),
        pytest.param("no JSON at all: secret", "no JSON at all: secret", id="a word alone"),
        pytest.param("\ufeff" + '{"secret": "b"}', "\ufeff" + '{"secret": "*"}', id="a byte order mark"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_whatever_it_is(text: str, expected: str) -> None:
    mask = MASK if "&" in text else f'"{MASK}"'
    assert redact(text).text == expected.replace('"*"' if "&" not in text else "*", mask)


def test_no_depth_is_too_deep() -> None:
    text = '{"a":[' * 50_000 + '{"secret": "b"}'
    assert redact(text).text == '{"a":[' * 50_000 + f'{{"secret": "{MASK}"}}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["name", "value", "key", "a"]), inner),
    max_leaves=20,
)


@given(JSON, st.sampled_from([SECRET, 8877665544, [SECRET], {"x": SECRET}]), st.data())
def test_a_secret_is_masked_wherever_it_stands(value: Any, secret: Any, data: st.DataObject) -> None:
    """And nothing else changes, but what looks like a secret itself."""
    place = data.draw(st.sampled_from(["password", "apiKey"]))
    whole = {"before": value, place: secret, "after": [value]}
    text = json.dumps(whole, ensure_ascii=data.draw(st.booleans()))
    redacted = redact(text)
    read = json.loads(redacted.text)
    assert json.dumps(read[place]) == json.dumps(secret).replace(SECRET, MASK).replace("8877665544", f'"{MASK}"')
    assert SECRET not in redacted.text
    if not any(masked.startswith(("$.before", "$.after")) for masked in redacted.masked):
        assert (read["before"], read["after"]) == (value, [value])
    by_path = json.loads(redact(text, ["$.after"]).text)
    assert set(leaves(by_path["after"])) <= {MASK, None, "", True, False}


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict | list):
        return [leaf for inner in (value.values() if isinstance(value, dict) else value) for leaf in leaves(inner)]
    return [value]


@given(
    st.text(alphabet='{}[]",:\\/@=&? \npasswordtoken1é', max_size=200), st.lists(st.sampled_from(["$..a", "$.a[0]"]))
)
def test_no_text_breaks_it(text: str, paths: list[str]) -> None:
    redacted = redact(text, paths)
    assert bool(redacted.masked) == (redacted.text != text)


def test_what_was_made_of_it_is_scrubbed() -> None:
    secrets = redact('{"secret": "hunter2", "token": "ab", "x": "hunter2"}').secrets
    assert secrets == {"hunter2", "ab"}
    assert scrub("the value 'hunter2' is none", secrets) == f"the value '{MASK}' is none"
    assert scrub("absent", secrets) == "absent", "a short one is no part of a word"
    assert scrub("ab", secrets) == MASK
    assert scrub("'0123456789abcdef…' is none", frozenset({"0123456789abcdefghi"})) == f"'{MASK}"
    labels = {"alertname": "DiskFull", "who": "hunter2", "password": "unknown"}
    assert scrub_labels(labels, secrets) == {"alertname": "DiskFull", "who": MASK, "password": MASK}
