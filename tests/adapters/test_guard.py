"""The guard of what is sent to receivers: what is refused before a connection, and that only what was seen is asked."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from adapters.guard import Guard
from adapters.http_client import HttpClient
from adapters.settings import Settings
from adapters.wiring import wire
from domain.addresses import read_allowance
from domain.configuration import HttpConfig, TlsConfig
from domain.errors import RejectedError, UnavailableError
from tests.adapters.receiving import NOON, OK, Authority, Receiver, receiving, says, status_line

NAME = "hooks.example.com"


class Names(AbstractResolver):
    """Answers each question about a name with the next of its answers, and the last one from then on."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): rest for name, rest in answers.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError(None, "no such name")
        rest = self.answers[host]
        found = rest.pop(0) if len(rest) > 1 else rest[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing to let go of."""


@asynccontextmanager
async def guarded(allowed: str, names: Names | None = None) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    guard = Guard(read_allowance(allowed), lambda: names) if names else Guard(read_allowance(allowed))
    client = HttpClient("0.1.0", lambda: NOON, guard)

    async def post(url: str, http: HttpConfig | None = None) -> str:
        return (await client.post(url, b"{}", http or HttpConfig(), setting="the url")).words

    try:
        yield post
    finally:
        await client.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(says(OK)) as receiver:
        yield receiver


def port_of(receiver: Receiver) -> str:
    return receiver.url.rpartition(":")[2]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1", "a loopback address"),
        ("[::1]", "a loopback address"),
        ("[::ffff:127.0.0.1]", "a loopback address"),
        ("[::ffff:7f00:1]", "a loopback address"),
        ("localhost", "a loopback address"),
        ("169.254.169.254", "a link-local address"),
        ("10.0.0.1", "a private address"),
        ("0.0.0.0", "an address of no host"),
        ("[fe80::1]", "a link-local address"),
        ("0x7f.1", "a loopback address"),
        ("0x7f000001", "a loopback address"),
        ("LOCALHOST", "a loopback address"),
        ("127\N{IDEOGRAPHIC FULL STOP}0.0.1", "a loopback address"),
        ("\N{CIRCLED DIGIT ONE}27.0.0.1", "a loopback address"),
        ("[::1%25lo]", "a loopback address"),
        ("[0:0:0:0:0:0:0:1]", "a loopback address"),
        ("[::ffff:0:7f00:1]", "an address that is not public"),
    ],
)
async def test_an_address_in_the_url_is_refused(receiver: Receiver, host: str, words: str) -> None:
    async with guarded("") as post:
        with pytest.raises(UnavailableError) as caught:
            await post(f"http://{host}:{port_of(receiver)}/s3cret")
    assert str(caught.value) == f"was not asked: its host has {words}, and TOCSIN_PRIVATE_RECEIVERS does not allow it"
    assert not receiver.connections


@pytest.mark.parametrize("host", ["127.1", "2130706433", "017700000001", "127.0.0.01"])
async def test_an_address_that_is_written_unlike_one_is_none(receiver: Receiver, host: str) -> None:
    async with guarded("") as post:
        with pytest.raises((RejectedError, UnavailableError)):
            await post(f"http://{host}:{port_of(receiver)}/s3cret")
    assert not receiver.connections


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(["127.0.0.1"], id="loopback"),
        pytest.param(["::1"], id="loopback of IPv6"),
        pytest.param(["::ffff:10.0.0.1"], id="mapped"),
        pytest.param(["169.254.169.254"], id="metadata"),
        pytest.param(["168.63.129.16"], id="Azure's own"),
        pytest.param(["100.64.0.1"], id="shared"),
        pytest.param(["0.0.0.0"], id="no host"),
        pytest.param(["fe80::1%1"], id="link-local"),
        pytest.param(["8.8.8.8", "127.0.0.1"], id="mixed"),
        pytest.param(["127.0.0.1", "8.8.8.8"], id="mixed, the other way round"),
        pytest.param(["nonsense"], id="no address"),
    ],
)
async def test_a_name_is_refused_for_any_of_its_addresses(receiver: Receiver, answer: list[str]) -> None:
    async with guarded("", Names(hooks_example_com=[answer])) as post:
        with pytest.raises(UnavailableError, match=r"^was not asked: its host has .*TOCSIN_PRIVATE_RECEIVERS"):
            await post(f"http://{NAME}:{port_of(receiver)}/s3cret")
    assert not receiver.connections


@pytest.mark.parametrize("allowed", [NAME, "*.example.com", "127.0.0.1", "127.0.0.0/8", "*"])
async def test_what_is_allowed_is_asked_under_its_name(receiver: Receiver, allowed: str) -> None:
    names = Names(hooks_example_com=[["127.0.0.1"]])
    # `*` needs no guard, and so not its resolver: the address itself stands for the name.
    host = "127.0.0.1" if allowed == "*" else NAME
    async with guarded(allowed, names) as post:
        assert await post(f"http://{host}:{port_of(receiver)}/s3cret") == "200 OK"
    (request,) = receiver.requests
    assert request.all("Host") == [f"{host}:{port_of(receiver)}"]


async def test_tls_keeps_the_name(tmp_path: Path) -> None:
    authority = Authority(trustme.CA(), tmp_path)
    names = Names(hooks_example_com=[["127.0.0.1"]])
    async with (
        receiving(says(OK), authority.server(NAME)) as receiver,
        guarded("127.0.0.1", names) as post,
    ):
        http = HttpConfig(tls=TlsConfig(ca=authority.ca_text))
        assert await post(f"https://{NAME}:{port_of(receiver)}/s3cret", http) == "200 OK"


async def test_a_name_that_changes_its_address_is_looked_at_anew(receiver: Receiver) -> None:
    names = Names(hooks_example_com=[["127.0.0.1"], ["127.0.0.2"]])
    url = f"http://{NAME}:{port_of(receiver)}/s3cret"
    async with guarded("127.0.0.1", names) as post:
        await post(url)
    # Between the look and the connection nothing is resolved again.
    assert names.asked == [NAME]
    assert receiver.connections == 1
    async with guarded("127.0.0.1", names) as post:
        with pytest.raises(UnavailableError, match="a loopback address"):
            await post(url)
    assert names.asked == [NAME, NAME]
    assert receiver.connections == 1


async def test_a_name_that_is_not_there_is_no_refusal() -> None:
    async with guarded("", Names()) as post:
        with pytest.raises(UnavailableError, match="cannot be resolved"):
            await post(f"http://{NAME}/s3cret")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    async with (
        receiving(says(OK)) as inside,
        receiving(says(status_line(status, "", f"Location: {inside.url}"))) as receiver,
    ):
        async with guarded("127.0.0.1") as post:
            with pytest.raises(RejectedError, match=f"^answered {status}: redirects are not followed here"):
                await post(f"{receiver.url}/s3cret")
        assert not inside.connections
        async with guarded("*") as post:
            assert await post(f"{receiver.url}/s3cret") == "200 OK"
        assert len(inside.requests) == 1


async def test_a_proxy_is_a_host_like_any_other() -> None:
    async with receiving(says(OK)) as proxy:
        http = HttpConfig(proxy_url=proxy.url)
        async with guarded("") as post:
            with pytest.raises(UnavailableError, match="a loopback address"):
                await post(f"http://{NAME}/s3cret", http)
        named = HttpConfig(proxy_url=f"http://proxy.example.com:{port_of(proxy)}")
        async with guarded("", Names(proxy_example_com=[["127.0.0.1"]])) as post:
            with pytest.raises(UnavailableError, match="a loopback address"):
                await post(f"http://{NAME}/s3cret", named)
        assert not proxy.connections
        async with guarded("127.0.0.1") as post:
            assert await post(f"http://{NAME}/s3cret", http) == "200 OK"
            with pytest.raises(UnavailableError, match="a link-local address"):
                await post("http://169.254.169.254/s3cret", http)
        assert [request.line for request in proxy.requests] == [f"POST http://{NAME}/s3cret HTTP/1.1"]


# --- the setting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "is_allowed"),
    [
        pytest.param({}, True, id="one machine"),
        pytest.param({"TOCSIN_AUTH": "true"}, False, id="with keys"),
        pytest.param({"TOCSIN_AUTH": "false", "WEBSITE_SITE_NAME": "tocsin"}, False, id="on Azure, without keys"),
        pytest.param({"TOCSIN_AUTH": "true", "TOCSIN_PRIVATE_RECEIVERS": "*"}, True, id="all allowed"),
        pytest.param({"TOCSIN_PRIVATE_RECEIVERS": ""}, False, id="none, by setting"),
        pytest.param({"TOCSIN_PRIVATE_RECEIVERS": "10.0.0.0/8"}, False, id="others"),
    ],
)
def test_who_is_allowed_where_nothing_is_said(environment: dict[str, str], is_allowed: bool) -> None:
    allowance = Settings.read({"TOCSIN_HOME": "memory", **environment}).allowance
    assert allowance.allows_name("127.0.0.1") is is_allowed


def test_a_setting_that_cannot_be_read() -> None:
    with pytest.raises(RejectedError, match=r"^TOCSIN_PRIVATE_RECEIVERS: 'http://x' is no name"):
        Settings.read({"TOCSIN_PRIVATE_RECEIVERS": "http://x"})


@pytest.mark.parametrize(("auth", "lines"), [("false", 0), ("true", 1)])
async def test_an_address_in_a_configuration_is_warned_of(
    caplog: pytest.LogCaptureFixture, auth: str, lines: int
) -> None:
    home = wire(Settings.read({"TOCSIN_HOME": "memory", "TOCSIN_AUTH": auth}))
    text = """
route: {receiver: team}
receivers:
- {name: team, webhook_configs: [{url: "http://10.0.0.5/s3cret"}]}
"""
    await home.configurations.push(text, name="alertmanager.yml")
    found = [record.getMessage() for record in caplog.records if record.name == "tocsin.configuration"]
    assert (
        found
        == [
            "receiver 'team' webhook[0]: the host of its url has a private address:"
            " nothing is sent there unless TOCSIN_PRIVATE_RECEIVERS allows it"
        ][:lines]
    )
    await home.close()
