"""Which addresses are everybody's, and which others are allowed by name, address or network."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.addresses import Allowance, fault, read_address, read_allowance
from domain.configuration.file import read_configuration
from domain.configuration.outgoing import refused_receivers, unsigned_receivers
from domain.configuration.own_receivers import ReceiverExtras


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8.8.8.8", ""),
        ("1.1.1.1", ""),
        ("2606:4700:4700::1111", ""),
        ("::ffff:8.8.8.8", ""),
        ("64:ff9b::8.8.8.8", ""),
        ("127.0.0.1", "a loopback address"),
        ("127.255.1.2", "a loopback address"),
        ("::1", "a loopback address"),
        ("::ffff:127.0.0.1", "a loopback address"),
        ("64:ff9b::7f00:1", "a loopback address"),
        ("2002:7f00:1::", "a loopback address"),
        ("10.0.0.1", "a private address"),
        ("172.16.0.1", "a private address"),
        ("192.168.1.1", "a private address"),
        ("::ffff:10.0.0.1", "a private address"),
        ("fd12:3456::1", "a private address"),
        ("192.0.2.1", "a private address"),
        ("255.255.255.255", "a private address"),
        ("240.0.0.1", "a private address"),
        ("169.254.169.254", "a link-local address"),
        ("169.254.130.1", "a link-local address"),
        ("::ffff:169.254.169.254", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("fe80::1%eth0", "a link-local address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("0.0.0.0", "an address of no host"),
        ("::", "an address of no host"),
        ("0.1.2.3", "a private address"),
        ("100.64.0.1", "an address that is not public"),
        ("168.63.129.16", "an address that is not public"),
        ("fec0::1", "an address that is not public"),
        ("2001:db8::1", "a private address"),
        ("2001:0:53aa:64c:1:2:3:4", "a private address"),
        ("::8.8.8.8", "an address that is not public"),
        ("4000::1", "an address that is not public"),
    ],
)
def test_what_is_not_everybodys(text: str, words: str) -> None:
    assert fault(ip_address(text)) == words


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_an_address_in_the_clothes_of_ipv6_is_what_it_was(address: object) -> None:
    plain = ip_address(str(address))
    assert fault(ip_address(f"::ffff:{address}")) == fault(ip_address(f"64:ff9b::{address}")) == fault(plain)


@pytest.mark.parametrize(
    ("allowed", "host", "address", "is_allowed"),
    [
        pytest.param("", "hooks.corp", "10.0.0.5", False, id="nothing allowed"),
        pytest.param("", "hooks.corp", "8.8.8.8", True, id="public"),
        pytest.param("*", "hooks.corp", "10.0.0.5", True, id="all"),
        pytest.param("other, Hooks.Corp.", "hooks.corp", "10.0.0.5", True, id="by its name"),
        pytest.param("hooks.corp", "hooks.corp.", "10.0.0.5", True, id="with a full stop"),
        pytest.param("hooks.corp", "a.hooks.corp", "10.0.0.5", False, id="not what is below it"),
        pytest.param("*.corp", "hooks.corp", "10.0.0.5", True, id="by its domain"),
        pytest.param("*.corp", "corp", "10.0.0.5", False, id="not the domain itself"),
        pytest.param("*.corp", "hooks.evilcorp", "10.0.0.5", False, id="not what only ends alike"),
        pytest.param("10.0.0.5", "hooks.corp", "10.0.0.5", True, id="by its address"),
        pytest.param("10.0.0.0/8", "hooks.corp", "10.0.0.5", True, id="by its network"),
        pytest.param("10.0.0.0/8", "hooks.corp", "::ffff:10.0.0.5", True, id="by the network of what it stands for"),
        pytest.param("10.0.0.0/8", "hooks.corp", "11.0.0.1", True, id="public beside it"),
        pytest.param("10.0.0.0/8", "hooks.corp", "127.0.0.1", False, id="in no network"),
        pytest.param("fd00::/8, ::1", "hooks.corp", "fd00::5", True, id="by a network of IPv6"),
        pytest.param("[::1]", "::1", "::1", True, id="in brackets"),
        pytest.param("10.0.0.7/24", "hooks.corp", "10.0.0.5", True, id="a network by one of its addresses"),
    ],
)
def test_what_is_allowed(allowed: str, host: str, address: str, is_allowed: bool) -> None:
    allowance = read_allowance(allowed)
    assert (allowance.fault(host, ip_address(address)) == "") is is_allowed


@pytest.mark.parametrize("text", ["http://hooks.corp", "10.0.0.1:8080", "10.0.0.0/33", "a.*.corp", "two words", "**"])
def test_what_is_no_name_address_or_network(text: str) -> None:
    with pytest.raises(ValueError, match="is no name, address or network"):
        read_allowance(f"fine.example.com, {text}")


def test_a_name_is_no_address() -> None:
    assert read_address("hooks.corp") is None
    assert read_address("127.1") is None
    assert read_address("") is None


CONFIGURATION = """\
route: {receiver: team}
receivers:
- name: team
  webhook_configs:
  - {url: "http://127.0.0.1:9/s3cret"}
  - {url: "http://[fd00::1]/s3cret"}
  - {url: "http://localhost./s3cret"}
  - {url: "http://10.0.0.5/s3cret"}
  - {url: "http://hooks.example.com/s3cret", http_config: {proxy_url: "http://192.168.0.1:3128"}}
  - {url: "https://8.8.8.8/s3cret"}
  - {url: "http://{{ .GroupLabels.host }}/s3cret"}
  - {url_file: "/nowhere"}
- name: mail
  email_configs:
  - {to: a@example.com, from: b@example.com, smarthost: "127.0.0.1:25"}
"""


def test_a_configuration_is_warned_of_before_anything_is_sent() -> None:
    configuration = read_configuration(CONFIGURATION)
    lines = list(refused_receivers(configuration, read_allowance("10.0.0.0/8")))
    assert [line.partition(" has ")[::2] for line in lines] == [
        (f"receiver 'team' {place}: the host of its {setting}", f"{words}: {REST}")
        for place, setting, words in [
            ("webhook[0]", "url", "a loopback address"),
            ("webhook[1]", "url", "a private address"),
            ("webhook[2]", "url", "a loopback address"),
            ("webhook[4]", "proxy_url", "a private address"),
        ]
    ]
    assert not list(refused_receivers(configuration, Allowance(is_for_all=True)))


REST = "nothing is sent there unless TOCSIN_PRIVATE_RECEIVERS allows it"


def test_secrets_that_sign_nothing_are_told_of() -> None:
    configuration = read_configuration(CONFIGURATION)
    extras = ReceiverExtras({"team": (), "mail": (), "nobody": ()})
    assert list(unsigned_receivers(configuration, extras)) == [
        "the tocsin.yml has secrets to sign for receiver 'mail', which has no webhook to sign",
        "the tocsin.yml has secrets to sign for receiver 'nobody', which there is not",
    ]
