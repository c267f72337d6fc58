"""What the section `triage` of a `tocsin.yml` may say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from adapters.configuration_files import read_own
from domain.configuration.own import OwnConfiguration, read_own_configuration
from domain.configuration.own_triage import named_paths
from domain.errors import ConfigurationError, RejectedError
from domain.triage.rules import Limits, Prices, PrometheusSource, Runbooks, TriageRules

DEFAULT = TriageRules()


def read(text: str, **beside: Any) -> TriageRules:
    return read_own_configuration("triage:\n" + indent(text, "  "), name="own.yml", **beside).triage


WHOLE = """\
service_labels: [service, team]
calls:
  frontend: [cart, currency]
  cart: redis
  redis: []
prometheus:
  url: https://prometheus.example.com/prefix/
  bearer_token_file: token
runbooks:
  folder: runbooks
  addresses: [https://wiki.example.com/runbooks/, "http://wiki:8080/"]
log_workspace: 0A0B0C0D-1111-2222-3333-444455556666
least_severity: High
per_incident: {tokens: 1000, calls: 5, seconds: 30.5, money: 0.25}
per_hour: {tokens: 2000, money: 1}
per_day: {calls: unlimited, tokens: unlimited, money: 10}
prices: {input: 2.5, output: .5}
cool_down: 1h30m
"""


def test_everything_that_there_is() -> None:
    assert read(WHOLE) == TriageRules(
        service_labels=("service", "team"),
        calls={"frontend": frozenset({"cart", "currency"}), "cart": frozenset({"redis"}), "redis": frozenset()},
        prometheus=PrometheusSource("https://prometheus.example.com/prefix", "token"),
        runbooks=Runbooks("runbooks", ("https://wiki.example.com/runbooks/", "http://wiki:8080/")),
        log_workspace="0a0b0c0d-1111-2222-3333-444455556666",
        least_severity="high",
        per_incident=Limits(1000, 5, 30.5, 0.25),
        per_hour=Limits(2000, DEFAULT.per_hour.calls, None, 1.0),
        per_day=Limits(None, None, None, 10.0),
        prices=Prices(2.5, 0.5),
        cool_down=timedelta(minutes=90),
    )


def test_every_field_of_the_rules_has_its_key() -> None:
    named = {line.partition(":")[0] for line in WHOLE.splitlines() if not line.startswith(" ")}
    assert named == set(TriageRules.__dataclass_fields__)


@pytest.mark.parametrize(
    "text",
    ["", "triage:\n", "triage: {}\n", "compat: mended\n", "triage: {calls: , prices: {}, per_hour: , runbooks: {}}\n"],
)
def test_what_is_not_said_is_the_default(text: str) -> None:
    assert read_own_configuration(text).triage == DEFAULT


def test_it_stands_beside_the_rest() -> None:
    own = read_own_configuration("compat: strict\ntriage: {least_severity: info}\n")
    assert (own.compat, own.triage.least_severity) == ("strict", "info")
    assert OwnConfiguration().triage == DEFAULT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("severity: high", "own.yml:2: triage.severity: unknown key", id="an unknown key"),
        pytest.param("\nprices: {inputs: 1}", "own.yml:3: triage.prices.inputs: unknown key", id="one further in"),
        pytest.param("per_week: {}", "own.yml:2: triage.per_week: unknown key", id="an unknown budget"),
        pytest.param("per_hour: 7", "own.yml:2: triage.per_hour: expected a mapping", id="a budget that is none"),
        pytest.param(
            "least_severity: worst",
            'own.yml:2: triage.least_severity: "worst" is no severity: '
            "expected info, low, warning, high, critical or page",
            id="an unknown severity",
        ),
        pytest.param(
            "service_labels: ['']", 'own.yml:2: triage.service_labels[0]: invalid label name ""', id="no label"
        ),
        pytest.param(
            "service_labels: [a, a]", 'own.yml:2: triage.service_labels[1]: "a" is named above', id="a label twice"
        ),
        pytest.param("service_labels: app", "own.yml:2: triage.service_labels: expected a list", id="no list"),
        pytest.param(
            "service_labels: []",
            "own.yml:2: triage.service_labels: expected 1 to 50 labels, the first that an alert has counts",
            id="no labels at all",
        ),
        pytest.param(
            "calls:\n  cart: [cart]", 'own.yml:3: triage.calls.cart[0]: "cart" calls itself: leave it out', id="itself"
        ),
        pytest.param(
            "calls:\n  cart: ['']",
            "own.yml:3: triage.calls.cart[0]: expected the name of a service, up to 200 characters",
            id="a callee without a name",
        ),
        pytest.param(
            "calls: {'': [a]}",
            'own.yml:2: triage.calls."": expected the name of a service, up to 200 characters',
            id="a caller without a name",
        ),
        pytest.param(
            "calls: {a: {b: c}}",
            "own.yml:2: triage.calls.a: expected a list of services",
            id="a mapping where a list belongs",
        ),
        pytest.param(
            "prometheus: {url: 'ftp://x'}",
            "own.yml:2: triage.prometheus.url: unsupported scheme 'ftp' for a URL",
            id="another scheme",
        ),
        pytest.param(
            "prometheus: {url: 'https://u:p@x'}",
            "own.yml:2: triage.prometheus.url: a name or a password has no place here",
            id="a password in an address",
        ),
        pytest.param(
            "prometheus: {url: 'https://x/?a=b'}",
            "own.yml:2: triage.prometheus.url: neither a query nor a fragment has a place here",
            id="a query in an address",
        ),
        pytest.param(
            "prometheus: {bearer_token_file: token}",
            "own.yml:2: triage.prometheus: missing url: the address of a Prometheus, as https://prometheus.example.com",
            id="a token for nobody",
        ),
        pytest.param(
            "runbooks:\n  addresses:\n    - https://wiki.example.com/runbooks",
            "own.yml:4: triage.runbooks.addresses[0]: must end in /: it stands for all addresses that begin with it",
            id="an address that others begin with",
        ),
        pytest.param(
            "runbooks: {addresses: ['https://wiki.example.com']}",
            "own.yml:2: triage.runbooks.addresses[0]: must end in /: it stands for all addresses that begin with it",
            id="a bare host",
        ),
        pytest.param(
            "runbooks: {addresses: ['https://x/a/../']}",
            "own.yml:2: triage.runbooks.addresses[0]: '..' has no place here",
            id="a way up",
        ),
        pytest.param(
            "runbooks: {addresses: [wiki/]}",
            "own.yml:2: triage.runbooks.addresses[0]: a URL needs a scheme",
            id="no scheme",
        ),
        pytest.param(
            "runbooks: {addresses: ['']}",
            "own.yml:2: triage.runbooks.addresses[0]: expected an address, as https://wiki.example.com/runbooks/",
            id="no address",
        ),
        pytest.param(
            "log_workspace: shop",
            "own.yml:2: triage.log_workspace: expected the id of a Log Analytics workspace, "
            "as 00000000-0000-0000-0000-000000000000",
            id="a workspace by its name",
        ),
        pytest.param("cool_down: 15", 'own.yml:2: triage.cool_down: not a valid duration: "15"', id="no unit"),
        pytest.param("cool_down: 8d", "own.yml:2: triage.cool_down: at most 7 days", id="a long cool-down"),
        pytest.param(
            "per_day: {tokens: 1.5}",
            "own.yml:2: triage.per_day.tokens: expected a whole number that is not negative, or unlimited",
            id="half a token",
        ),
        pytest.param(
            "per_day: {calls: -1}",
            "own.yml:2: triage.per_day.calls: expected a whole number that is not negative, or unlimited",
            id="fewer calls than none",
        ),
        pytest.param(
            "per_incident: {seconds: 90s}",
            "own.yml:2: triage.per_incident.seconds: expected a number that is not negative, as 90 or 2.5",
            id="seconds with a unit",
        ),
        pytest.param(
            "per_day: {money: 10}",
            "own.yml:2: triage.per_day.money: without `prices` nothing counts what a model costs",
            id="money without prices",
        ),
        pytest.param(
            "prices: {input: unlimited, output: .inf}",
            "own.yml:2: triage.prices.input: expected a number that is not negative, as 90 or 2.5\n"
            "own.yml:2: triage.prices.output: expected a number that is not negative, as 90 or 2.5",
            id="prices that are none",
        ),
    ],
)
def test_what_it_refuses(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert str(caught.value) == expected


def test_too_many_calls() -> None:
    with pytest.raises(ConfigurationError, match=r"own.yml:3: triage.calls: 20100 calls are too many: at most 20000"):
        read("calls:\n" + "".join(f"  s{a}: [{', '.join(f't{b}' for b in range(201))}]\n" for a in range(100)))


# --- paths ----------------------------------------------------------------------------------------------------------


def test_paths_that_cannot_be_used_are_told_where_they_stand() -> None:
    text = "runbooks:\n  folder: books\nprometheus: {url: 'https://x', bearer_token_file: token}"
    with pytest.raises(ConfigurationError) as caught:
        read(text, paths={"books": RejectedError("there is no books"), "token": RejectedError("there is no token")})
    assert str(caught.value).splitlines() == [
        "own.yml:3: triage.runbooks.folder: there is no books",
        "own.yml:4: triage.prometheus.bearer_token_file: there is no token",
    ]


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "triage: 7", "triage: {runbooks: 7, prometheus: []}", "triage: {", "runbooks: {folder: x}"]
)
def test_a_text_that_names_no_paths(text: str) -> None:
    assert list(named_paths(text)) == []


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "token").write_text("t")
    file = tmp_path / "tocsin.yml"
    file.write_text(
        "triage:\n  runbooks: {folder: books}\n  prometheus: {url: 'http://localhost:9090', bearer_token_file: token}\n"
    )
    rules = read_own(file).triage
    assert rules.runbooks.folder == str(tmp_path / "books")
    assert rules.prometheus.bearer_token_file == str(tmp_path / "token")
    (tmp_path / "token").unlink()
    file.write_text(file.read_text().replace("folder: books", "folder: token"))
    with pytest.raises(ConfigurationError) as caught:
        read_own(file)
    assert str(caught.value).splitlines() == [
        f"{file}:2: triage.runbooks.folder: there is no {tmp_path / 'token'}",
        f"{file}:3: triage.prometheus.bearer_token_file: there is no {tmp_path / 'token'}",
    ]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "books").touch()
    file = tmp_path / "tocsin.yml"
    file.write_text("triage: {runbooks: {folder: books}}\n")
    with pytest.raises(ConfigurationError, match=r"triage.runbooks.folder: .*books is no folder"):
        read_own(file)
