"""Where a request comes from, as far as that can be believed."""

from __future__ import annotations

from collections.abc import Iterator

import azure.functions as func
import pytest

from adapters.wiring import ports
from endpoints.auditing import address_of, network_of


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    ports.cache_clear()
    yield
    ports.cache_clear()


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        pytest.param(None, 0, "", id="nobody says"),
        pytest.param("192.0.2.1", 0, "192.0.2.1", id="as the dev host says"),
        pytest.param("192.0.2.1:40000", 0, "192.0.2.1", id="with a port, as Azure says"),
        pytest.param("[2001:db8::1]:40000", 0, "2001:db8::1", id="IPv6 with a port"),
        pytest.param("2001:db8::1", 0, "2001:db8::1", id="IPv6"),
        pytest.param("10.0.0.1, 192.0.2.1", 0, "192.0.2.1", id="what the caller says of itself is not believed"),
        pytest.param("10.0.0.1, 192.0.2.1, 198.51.100.7", 1, "192.0.2.1", id="behind a proxy of ours"),
        pytest.param("192.0.2.1", 2, "192.0.2.1", id="past one of two proxies"),
        pytest.param(" , ,", 0, "", id="nothing in it"),
        pytest.param("x" * 500, 0, "x" * 100, id="no address at all"),
    ],
)
def test_the_callers_address(
    monkeypatch: pytest.MonkeyPatch, forwarded: str | None, proxies: int, address: str
) -> None:
    monkeypatch.setenv("TOCSIN_PROXIES", str(proxies))
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert address_of(func.HttpRequest("GET", "/", headers=headers, body=b"")) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_what_counts_as_one_caller(address: str, network: str) -> None:
    assert network_of(address) == network
