"""Which requests the dev host refuses because a page in somebody's browser may have caused them."""

import pytest

from devhost.http import refusal_of

HOSTS = frozenset({"127.0.0.1:7071", "localhost:7071"})
LISTED = frozenset({"https://console.example.com"})
HERE = {"host": "localhost:7071"}


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        pytest.param(HERE, "", id="a program"),
        pytest.param({"host": "evil.example.com"}, "the Host header", id="another name for this machine"),
        pytest.param({**HERE, "origin": "http://localhost:7071"}, "", id="a page of ours"),
        pytest.param({**HERE, "origin": "https://evil.example.com"}, "from the origin", id="a script of another site"),
        pytest.param({**HERE, "sec-fetch-site": "cross-site"}, "from other sites", id="a form of another site"),
        pytest.param({**HERE, "origin": "https://console.example.com"}, "", id="a script of a listed origin"),
        pytest.param(
            {**HERE, "origin": "https://console.example.com", "sec-fetch-site": "cross-site"},
            "",
            id="as told",
        ),
        pytest.param({"host": "x", "origin": "https://console.example.com"}, "the Host header", id="to another name"),
    ],
)
def test_what_a_page_may_have_caused_is_refused(headers: dict[str, str], refused: str) -> None:
    refusal = refusal_of(headers, HOSTS, LISTED)
    assert refused in (refusal or "")
    assert (refusal is None) == (not refused)
