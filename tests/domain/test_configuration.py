from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from domain import yaml_document
from domain.configuration import Configuration, HttpConfig, Secret, TlsConfig, WebhookIntegration, version_of
from domain.configuration.file import read_configuration
from domain.durations import parse_duration, parse_go_duration
from domain.errors import ConfigurationError, NotFoundError, RejectedError
from domain.yaml_document import Problem
from tests.domain.configuring import SMALL, complaints, read, webhook, with_child, with_http, with_route, with_webhook

EXAMPLES = Path(__file__).parent / "examples"


# ---- The configuration as a value ------------------------------------------------------------------------------------


def test_the_version_is_the_texts_hash() -> None:
    assert read(SMALL).version == version_of(SMALL) == "d57514385c1970d1"
    assert read(SMALL + "# a comment\n").version != read(SMALL).version
    assert read(SMALL).original == SMALL


def test_routes_are_indexed_by_their_id() -> None:
    routes = read(with_route("routes: [{routes: [{match: {x: y}}]}, {match: {x: z}}]")).routes
    assert [route.id for route in routes] == [0, 1, 2, 3]
    assert [route.key for route in routes] == ["{}", "{}/{}", '{}/{}/{x="y"}', '{}/{x="z"}']


def test_receivers_are_found_by_name() -> None:
    configuration = read(with_route(""))
    assert configuration.receiver("b").name == "b"
    with pytest.raises(NotFoundError, match="no receiver 'c'"):
        configuration.receiver("c")


def test_group_addresses_come_in_the_order_of_the_routes() -> None:
    configuration = read(with_route("group_by: [x]\nroutes: [{continue: true}, {receiver: b, group_by: []}]"))
    first, second = configuration.group_addresses({"x": "1", "y": "2"})
    assert (first.route_id, first.labels) == (1, {"x": "1"})
    assert (second.route_id, second.labels) == (2, {})
    assert first.group_id != second.group_id


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        read(SMALL).version = "x"  # type: ignore[misc]


def test_no_secret_shows() -> None:
    text = with_http("bearer_token: hunter2\nproxy_url: http://u:hunter2@proxy\nhttp_headers: {X: {values: [hunter2]}}")
    assert "hunter2" not in repr(read(text))


# ---- Routes ----------------------------------------------------------------------------------------------------------


def test_defaults() -> None:
    configuration = read(SMALL)
    root = configuration.root
    assert (root.group_wait, root.group_interval) == (timedelta(seconds=30), timedelta(minutes=5))
    assert root.repeat_interval == timedelta(hours=4)
    assert root.group_by == frozenset()
    assert configuration.resolve_timeout == timedelta(minutes=5)


def test_what_a_route_inherits() -> None:
    text = """
        route:
          receiver: a
          group_by: [x]
          group_wait: 1s
          group_interval: 2s
          repeat_interval: 3s
          labels: {team: t, tier: "1"}
          routes:
            - matchers: [x=1]
              continue: true
              labels: {tier: "2"}
              routes: [{}]
        receivers: [{name: a}]
        """
    root, child, grandchild = read(text).routes
    for route in (root, child, grandchild):
        assert route.receiver == "a"
        assert route.group_by == frozenset({"x"})
        assert route.group_wait == timedelta(seconds=1)
        assert route.group_interval == timedelta(seconds=2)
        assert route.repeat_interval == timedelta(seconds=3)
    assert root.labels == (("team", "t"), ("tier", "1"))
    assert child.labels == grandchild.labels == (("team", "t"), ("tier", "2"))
    assert (child.goes_on, grandchild.goes_on) == (True, False)
    assert (len(child.matchers), len(grandchild.matchers)) == (1, 0)


@pytest.mark.parametrize(
    ("above", "own", "expected"),
    [
        pytest.param("[x]", None, {"x"}, id="absent inherits"),
        pytest.param("[x]", "", {"x"}, id="null inherits"),
        pytest.param("[x]", "[]", set(), id="[] resets to one group"),
        pytest.param("[x]", "[y, z]", {"y", "z"}, id="a list replaces"),
        pytest.param("[x]", "['...']", None, id="... means all labels"),
        pytest.param("['...']", None, None, id="... is inherited"),
        pytest.param("['...']", "[y]", {"y"}, id="... is replaced"),
        pytest.param("['...']", "[]", set(), id="... is reset"),
        pytest.param("[x]", "['...', '...']", None, id="... may stand beside itself"),
        pytest.param("[x]", "[a b, größe]", {"a b", "größe"}, id="any name in UTF-8"),
    ],
)
def test_group_by(above: str, own: str | None, expected: set[str] | None) -> None:
    child = "{}" if own is None else f"{{group_by: {own} }}"
    route = read(with_route(f"group_by: {above}\nroutes: [{child}]")).routes[1]
    assert route.group_by == (None if expected is None else frozenset(expected))


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        pytest.param("match: {owner: team-A}", '{}/{owner="team-A"}', id="match"),
        pytest.param("match_re: {owner: team-(B|C)}", '{}/{owner=~"^(?:team-(B|C))$"}', id="match_re shows anchored"),
        pytest.param("matchers: [owner=~team-(B|C)]", '{}/{owner=~"team-(B|C)"}', id="matchers show as written"),
        pytest.param("matchers: ['{b=1, a=2}', 'a!=1']", '{}/{a!="1",a="2",b="1"}', id="sorted, several in a line"),
        pytest.param(
            "matchers: [b=1]\nmatch: {a: x}\nmatch_re: {c: y}", '{}/{a="x",b="1",c=~"^(?:y)$"}', id="all three"
        ),
        pytest.param("match: {a: yes, b: 007, c: }", '{}/{a="yes",b="007",c=""}', id="values are texts as written"),
        pytest.param('matchers: ["\\"a b\\"=c"]', '{}/{"a b"="c"}', id="a name that needs quotes"),
        pytest.param("matchers: ['', null]", "{}/{}", id="empty lines hold none"),
    ],
)
def test_route_keys(lines: str, key: str) -> None:
    assert read(with_child(lines)).routes[1].key == key


def test_twins_share_a_key_and_are_counted() -> None:
    routes = read(
        with_route(
            """
            routes:
              - {matchers: [x=1], continue: true, routes: [{match: {y: 2}}, {matchers: [y=2]}]}
              - {matchers: [x=2]}
              - {match: {x: 1}, routes: [{matchers: [y=2]}]}
            """
        )
    ).routes
    assert [(route.key.removeprefix("{}/"), route.ancestor_twins, route.twin) for route in routes[1:]] == [
        ('{x="1"}', (0,), 0),
        ('{x="1"}/{y="2"}', (0, 0), 0),
        ('{x="1"}/{y="2"}', (0, 0), 1),
        ('{x="2"}', (0,), 0),
        ('{x="1"}', (0,), 1),
        ('{x="1"}/{y="2"}', (0, 1), 0),
    ]


def test_alerts_of_twins_fall_into_groups_of_their_own() -> None:
    configuration = read(
        with_route("routes: [{matchers: [x=1], continue: true, routes: [{}]}, {matchers: [x=1], routes: [{}]}]")
    )
    first, second = configuration.group_addresses({"x": "1"})
    assert first.group_id != second.group_id


def test_a_merge_adds_matchers_and_the_later_value_of_the_rest_counts() -> None:
    """As Alertmanager's YAML library has it: seen with amtool 0.25, `config routes show`."""
    text = """
        route:
          receiver: a
          routes:
            - &x
              matchers: [a=b]
              match: {m: n}
              match_re: {r: s}
              group_by: [g1]
              receiver: a
              routes: [{matchers: [child=x]}]
            - <<: *x
              matchers: [c=d]
              match: {o: p}
              group_by: [g2]
              receiver: b
              routes: [{matchers: [child=y]}]
            - matchers: [c=d]
              match: {q: z}
              receiver: b
              group_by: [g2]
              <<: *x
            - <<: [{receiver: b}, *x]
        receivers: [{name: a}, {name: b}]
        """
    shown = [(route.key.removeprefix("{}/"), route.receiver, route.group_by) for route in read(text).routes]
    g1, g2 = frozenset({"g1"}), frozenset({"g2"})
    assert shown[3:] == [
        ('{a="b",c="d",m="n",o="p",r=~"^(?:s)$"}', "b", g2),
        ('{a="b",c="d",m="n",o="p",r=~"^(?:s)$"}/{child="y"}', "b", g2),
        ('{a="b",c="d",m="n",q="z",r=~"^(?:s)$"}', "a", g1),
        ('{a="b",c="d",m="n",q="z",r=~"^(?:s)$"}/{child="x"}', "a", g1),
        ('{a="b",m="n",r=~"^(?:s)$"}', "b", g1),
        ('{a="b",m="n",r=~"^(?:s)$"}/{child="x"}', "b", g1),
    ]


# ---- Receivers -------------------------------------------------------------------------------------------------------


def test_a_plain_webhook() -> None:
    assert webhook(with_webhook("url: http://x/y")) == WebhookIntegration(Secret("http://x/y"))


def test_a_webhook_with_everything() -> None:
    text = """
        url_file: /secrets/url
        send_resolved: no
        max_alerts: 50
        timeout: 1.5s
        http_config:
          authorization: {type: " Token ", credentials_file: token}
          tls_config:
            ca: PEM
            cert_file: cert.pem
            key: KEY
            server_name: example.org
            insecure_skip_verify: true
            min_version: TLS12
            max_version: TLS13
          follow_redirects: false
          enable_http2: false
          proxy_url: http://proxy:3128
          http_headers:
            X-Scope: {values: [a, b]}
            X-None:
        """
    assert webhook(with_webhook(text)) == WebhookIntegration(
        url=Secret(file="/secrets/url"),
        send_resolved=False,
        max_alerts=50,
        timeout=timedelta(seconds=1.5),
        http=HttpConfig(
            bearer_type="Token",
            bearer=Secret(file="token"),
            tls=TlsConfig(
                ca="PEM",
                cert_file="cert.pem",
                key=Secret("KEY"),
                server_name="example.org",
                insecure_skip_verify=True,
                min_version="TLS12",
                max_version="TLS13",
            ),
            follow_redirects=False,
            proxy_url="http://proxy:3128",
            headers=(("X-Scope", "a"), ("X-Scope", "b")),
        ),
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param("bearer_token: t", HttpConfig(bearer=Secret("t")), id="a bearer token"),
        pytest.param("bearer_token_file: t", HttpConfig(bearer=Secret(file="t")), id="a bearer token in a file"),
        pytest.param("authorization: {}", HttpConfig(bearer=Secret("")), id="an authorization without credentials"),
        pytest.param("authorization:", HttpConfig(), id="a null says nothing"),
        pytest.param(
            "basic_auth: {username: u, password: p}", HttpConfig(username="u", password=Secret("p")), id="basic_auth"
        ),
        pytest.param(
            "basic_auth: {username_file: u, password_file: p}",
            HttpConfig(username_file="u", password=Secret(file="p")),
            id="basic_auth from files",
        ),
        pytest.param("basic_auth: {}", HttpConfig(username=""), id="an empty name is a name"),
        pytest.param("{proxy_from_environment: false, no_proxy: '', oauth2: }", HttpConfig(), id="what sets nothing"),
        pytest.param("proxy_url: ''", HttpConfig(), id="no proxy"),
    ],
)
def test_http_config(lines: str, expected: HttpConfig) -> None:
    assert webhook(with_http(lines)).http == expected


def test_the_global_http_config_holds_where_a_receiver_has_none() -> None:
    text = """
        global: {resolve_timeout: 1m, http_config: {bearer_token: t}, smtp_from: x, slack_api_url_file: y}
        route: {receiver: a}
        receivers:
          - name: a
            labels: {team: db, area: infra}
            webhook_configs: [{url: "http://x"}, {url: "http://y", http_config: {}}]
        """
    configuration = read(text)
    first, second = configuration.receiver("a").integrations
    assert first == WebhookIntegration(Secret("http://x"), http=HttpConfig(bearer=Secret("t")))
    assert second == WebhookIntegration(Secret("http://y"))
    assert configuration.resolve_timeout == timedelta(minutes=1)
    assert configuration.receiver("a").labels == (("area", "infra"), ("team", "db"))


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://user:pa%20ss@example.org:8443/a%20b?c=%zz#d", id="all of it"),
        pytest.param("HTTP://x", id="a scheme in capitals"),
        pytest.param("http://[::1]:80/", id="IPv6"),
        pytest.param("http://größe.de/a b", id="beyond ASCII, and a space in the path"),
        pytest.param("http://x:", id="an empty port"),
        pytest.param("<secret>", id="what Alertmanager shows instead of a secret"),
    ],
)
def test_urls(url: str) -> None:
    assert webhook(with_webhook(f"url: '{url}'")).url == Secret(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("ftp://x", "unsupported scheme 'ftp' for a URL", id="another scheme"),
        pytest.param("example.org", "a URL needs a scheme", id="no scheme"),
        pytest.param("http:///x", "a URL needs a host", id="no host"),
        pytest.param("http://x:y", "not a valid URL", id="a port that is no number"),
        pytest.param("http://a b/", "not a valid URL", id="a space in the host"),
        pytest.param("http://u p@h/", "not a valid URL", id="a space in the user"),
        pytest.param("http://h/%zz", "not a valid URL", id="half an escape"),
        pytest.param("http://[::1", "not a valid URL", id="half an address"),
        pytest.param("http://h/\t", "not a valid URL", id="a control character"),
        pytest.param(
            "http://h/{{ .x }}",
            "line 1, column 13 of the template: *template.Data has no field x",
            id="a template that fails",
        ),
    ],
)
def test_what_is_no_url_is_refused(url: str, message: str) -> None:
    assert complaints(with_webhook(f"url: '{url}'")) == [f"5: receivers[0].webhook_configs[0].url: {message}"]


# ---- Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(with_route("group_by: [x, x]"), '3: route.group_by[1]: duplicated label "x"', id="twice"),
        pytest.param(
            with_route("group_by: [x, '...']"),
            "3: route.group_by: `...` cannot stand beside other labels",
            id="... and others",
        ),
        pytest.param(with_route("group_by: ['']"), '3: route.group_by[0]: invalid label name ""', id="no name"),
        pytest.param(with_route("group_by: x"), "3: route.group_by: expected a list", id="no list"),
        pytest.param(with_route("group_interval: 0"), "3: route.group_interval: cannot be zero", id="no interval"),
        pytest.param(with_route("repeat_interval: 0s"), "3: route.repeat_interval: cannot be zero", id="no repeat"),
        pytest.param(with_route("group_wait: 5"), '3: route.group_wait: not a valid duration: "5"', id="no unit"),
        pytest.param(with_route("group_wait: [1s]"), "3: route.group_wait: expected a text", id="no text"),
        pytest.param(
            with_route("continue: true"), "3: route.continue: the root route cannot continue", id="root: continue"
        ),
        pytest.param(with_route("continue: 'true'"), "3: route.continue: expected true or false", id="no boolean"),
        pytest.param(
            with_route("matchers: [x=1]"), "2: route: the root route must not have any matchers", id="root: matchers"
        ),
        pytest.param(
            with_route("match: {x: y}"), "2: route: the root route must not have any matchers", id="root: match"
        ),
        pytest.param(
            "route: {group_wait: 1s}\nreceivers: [{name: a}]",
            "1: route: the root route must name a receiver",
            id="root: no receiver",
        ),
        pytest.param(with_child("receiver: c"), '4: route.routes[0].receiver: undefined receiver "c"', id="undefined"),
        pytest.param(
            with_child("match: {a b: x}"),
            '4: route.routes[0].match."a b": invalid label name "a b"',
            id="match: only classic names",
        ),
        pytest.param(
            with_child("match_re: {x: '['}"),
            '4: route.routes[0].match_re.x: invalid regular expression "^(?:[)$": missing ]: [)$)$',
            id="match_re: no regular expression",
        ),
        pytest.param(
            with_child("match_re: {x: }"),
            "4: route.routes[0].match_re.x: expected a regular expression",
            id="match_re: null",
        ),
        pytest.param(
            with_child("matchers:\n- x=1\n- x"),
            "6: route.routes[0].matchers[1]: bad matcher format: x",
            id="no matcher",
        ),
        pytest.param(with_child("matchers: x=1"), "4: route.routes[0].matchers: expected a list", id="no list of them"),
        pytest.param(
            with_child("{<<: {match: {x: 1}}, match: {x: 2}}"),
            "4: route.routes[0].match.x: duplicate key, through a merge",
            id="match: twice through a merge",
        ),
        pytest.param(with_child("null"), "4: route.routes[0]: expected a mapping", id="null for a route"),
        pytest.param(with_child("labels: {'': x}"), '4: route.routes[0].labels."": invalid label name ""', id="labels"),
        pytest.param(with_child("grop_by: [x]"), "4: route.routes[0].grop_by: unknown key", id="unknown key"),
        pytest.param(
            with_child("receiver: a\nreceiver: b"), "5: route.routes[0].receiver: duplicate key", id="key twice"
        ),
        pytest.param(SMALL + "x-team: y", "3: x-team: unknown key", id="unknown key at the top"),
        pytest.param(SMALL + "global: {smtp_form: x}", "3: global.smtp_form: unknown key", id="unknown key in global"),
        pytest.param(
            SMALL + "global: {resolve_timeout: x}", '3: global.resolve_timeout: not a valid duration: "x"', id="?"
        ),
        pytest.param(SMALL + "global: []", "3: global: expected a mapping", id="no mapping"),
        pytest.param("route: {receiver: a}", '1: route.receiver: undefined receiver "a"', id="no receivers"),
        pytest.param("receivers: [{name: a}]", "1: : no route provided", id="no route"),
        pytest.param("", "1: : no route provided", id="an empty file"),
        pytest.param(
            "route: {receiver: a}\nreceivers:\n- name: a\n- name: b\n- name: a",
            '5: receivers[2].name: the name "a" is not unique',
            id="two receivers of one name",
        ),
        pytest.param(
            "route: {receiver: a}\nreceivers:\n- name: a\n- webhook_configs: []",
            "4: receivers[1].name: missing name in receiver",
            id="a receiver without a name",
        ),
        pytest.param(
            with_webhook("send_resolved: true"),
            "5: receivers[0].webhook_configs[0]: one of url and url_file must be set",
            id="no url",
        ),
        pytest.param(
            with_webhook("url: http://x\nurl_file: y"),
            "6: receivers[0].webhook_configs[0].url_file: at most one of url and url_file may be set",
            id="url and url_file",
        ),
        pytest.param(
            with_webhook("url: http://x\nmax_alerts: -1"),
            "6: receivers[0].webhook_configs[0].max_alerts: expected a whole number that is not negative",
            id="max_alerts: negative",
        ),
        pytest.param(
            with_webhook("url: http://x\ntimeout: 1d"),
            '6: receivers[0].webhook_configs[0].timeout: not a valid duration: "1d"',
            id="timeout: a duration of Go",
        ),
    ],
)
def test_what_alertmanager_refuses_too(text: str, expected: str) -> None:
    assert complaints(text) == [expected]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            "authorization: {credentials: a}\nbasic_auth: {}",
            "8: basic_auth: cannot stand beside authorization or bearer_token",
            id="authorization and basic_auth",
        ),
        pytest.param(
            "bearer_token: a\nbasic_auth: {}",
            "8: basic_auth: cannot stand beside authorization or bearer_token",
            id="bearer_token and basic_auth",
        ),
        pytest.param(
            "bearer_token: a\nauthorization: {}",
            "8: authorization: cannot stand beside bearer_token or bearer_token_file",
            id="bearer_token and authorization",
        ),
        pytest.param(
            "authorization: {type: basic}",
            '7: authorization.type: cannot be "basic"; use basic_auth instead',
            id="authorization of type basic",
        ),
        pytest.param(
            "basic_auth: {username: a, username_file: b}",
            "7: basic_auth.username_file: at most one of username and username_file may be set",
            id="username and username_file",
        ),
        pytest.param(
            "tls_config: {cert: a}", "7: tls_config: a client certificate needs key or key_file", id="cert without key"
        ),
        pytest.param(
            "tls_config: {key_file: a}", "7: tls_config: a client key needs cert or cert_file", id="key without cert"
        ),
        pytest.param(
            "tls_config: {min_version: TLS1}",
            "7: tls_config.min_version: unknown TLS version; there are TLS10, TLS11, TLS12, TLS13",
            id="unknown TLS version",
        ),
        pytest.param(
            "tls_config: {min_version: TLS13, max_version: TLS12}",
            "7: tls_config.max_version: max_version is older than min_version",
            id="TLS versions the wrong way round",
        ),
        pytest.param(
            "proxy_url: socks5://x", "7: proxy_url: unsupported scheme 'socks5' for a URL", id="a SOCKS proxy"
        ),
        pytest.param(
            "http_headers: {a b: {}}", '7: http_headers."a b": not a valid name for a header', id="header name"
        ),
        pytest.param("http_headers: {Host: {}}", "7: http_headers.Host: this header cannot be set here", id="reserved"),
        pytest.param("http_headers: {X: {}, x: {}}", "7: http_headers.x: this header is set twice", id="header twice"),
        pytest.param(
            'http_headers: {X: {values: ["a\\nb"]}}',
            "7: http_headers.X.values[0]: control characters cannot stand in a header",
            id="header injection",
        ),
        pytest.param("follow_redirects: 1", "7: follow_redirects: expected true or false", id="no boolean"),
        pytest.param("folow_redirects: yes", "7: folow_redirects: unknown key", id="unknown key"),
    ],
)
def test_what_http_config_refuses(lines: str, expected: str) -> None:
    line, rest = expected.split(" ", 1)
    assert complaints(with_http(lines)) == [f"{line} receivers[0].webhook_configs[0].http_config.{rest}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(SMALL + "tracing: {endpoint: x}", "3: tracing: not supported yet", id="tracing"),
        pytest.param(
            with_http("oauth2:\n  client_id: x"),
            "7: receivers[0].webhook_configs[0].http_config.oauth2: not supported yet",
            id="oauth2",
        ),
        pytest.param(
            with_http("proxy_from_environment: true"),
            "7: receivers[0].webhook_configs[0].http_config.proxy_from_environment: not supported yet",
            id="proxy_from_environment",
        ),
        pytest.param(
            with_http("http_headers: {X: {secrets: [a]}}"),
            "7: receivers[0].webhook_configs[0].http_config.http_headers.X.secrets: not supported yet",
            id="secret headers",
        ),
    ],
)
def test_what_is_not_supported_yet_is_refused(text: str, expected: str) -> None:
    assert complaints(text) == [expected]


def test_what_sets_nothing_is_no_request() -> None:
    read(SMALL + "inhibit_rules: []\ntime_intervals:\nmute_time_intervals: []\ntemplates: []\ntracing: {}\nglobal:\n")
    read(with_child("mute_time_intervals: []\nactive_time_intervals: []"))


# ---- Documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("- a", ["1: : expected a mapping", "1: : no route provided"], id="a list"),
        pytest.param("just a text", ["1: : expected a mapping"], id="a text"),
        pytest.param(SMALL + "? [x]\n: y", ["3: : expected a text as a key"], id="a list as a key"),
        pytest.param("route:\n\treceiver: a", None, id="a tab"),
        pytest.param("route: *x", ["1: : found undefined alias"], id="an alias of nothing"),
        pytest.param(
            SMALL + "---\nx: y",
            ["3: : expected a single document in the stream but found another document"],
            id="two documents",
        ),
        pytest.param("route: {receiver: !x a}", ["1: : unknown tag !x"], id="a tag of its own"),
        pytest.param("route: !!python/object:os.system x", None, id="a tag of Python's"),
        pytest.param("route: &r {routes: [*r]}", ["1: : contains itself through an alias"], id="an alias of itself"),
        pytest.param("a\x00b", None, id="a control character"),
        pytest.param("a: \ud800", None, id="what UTF-8 cannot write"),
        pytest.param(
            "[" * 100_000, ["1: : more than 500000 values, or nested deeper than 200"], id="nested too deeply"
        ),
        pytest.param(
            with_child("<<: x"), ["4: route.routes[0].<<: expected a mapping to merge"], id="a merge of a text"
        ),
    ],
)
def test_what_is_no_usable_yaml_is_refused(text: str, expected: list[str] | None) -> None:
    found = complaints(text)
    assert found
    if expected is not None:
        assert [line.replace('."<<"', ".<<") for line in found][: len(expected)] == expected


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(10 * [f'*{before}'])}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_aliases_do_not_explode() -> None:
    assert complaints(BOMB) == [
        "1: : with its aliases written out, more than 500000 values, or deeper than 200",
    ]


def test_without_the_c_loader_the_answer_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (EXAMPLES / "deep.yml").read_text()
    expected = read(text)
    monkeypatch.setattr(yaml_document, "_LOADER", yaml.SafeLoader)
    assert read(text) == expected


def test_all_problems_are_told_at_once_by_line() -> None:
    text = """\
        route:
          receiver: nobody
          group_by: [x, x]
          routes:
            - matchers: [x]
              mute_time_intervals: [weekend]
        receivers:
          - name: a
            email_configs: [{to: me}]
        tracing: {endpoint: x}
        """
    with pytest.raises(RejectedError) as caught:
        read_configuration(dedent(text), name="my.yml")
    assert str(caught.value).splitlines() == [
        'my.yml:2: route.receiver: undefined receiver "nobody"',
        'my.yml:3: route.group_by[1]: duplicated label "x"',
        "my.yml:5: route.routes[0].matchers[0]: bad matcher format: x",
        'my.yml:6: route.routes[0].mute_time_intervals[0]: undefined time interval "weekend"',
        "my.yml:9: receivers[0].email_configs[0]: from must be set, or smtp_from under global",
        "my.yml:9: receivers[0].email_configs[0]: smarthost must be set, or smtp_smarthost under global",
        "my.yml:10: tracing: not supported yet",
    ]
    assert isinstance(caught.value, ConfigurationError)
    assert caught.value.problems[0] == Problem(2, 13, "route.receiver", 'undefined receiver "nobody"')


def test_a_complaint_repeats_no_secret() -> None:
    text = with_webhook("url: ftp://hunter2/{{x}}\nhttp_config: {proxy_url: 'ftp://hunter2', bearer_token: [hunter2]}")
    assert not any("hunter2" in line for line in complaints(text))


# ---- Durations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", timedelta(0), id="a bare zero"),
        pytest.param("0s", timedelta(0), id="zero with a unit"),
        pytest.param("5m", timedelta(minutes=5), id="minutes"),
        pytest.param("1h30m", timedelta(minutes=90), id="two units"),
        pytest.param("1500ms", timedelta(seconds=1.5), id="milliseconds"),
        pytest.param(
            "1y2w3d4h5m6s7ms", timedelta(days=382, hours=4, minutes=5, seconds=6, milliseconds=7), id="all units"
        ),
        pytest.param("90s", timedelta(seconds=90), id="more than the next unit"),
        pytest.param("292y", timedelta(days=292 * 365), id="the longest"),
    ],
)
def test_durations_of_prometheus(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("5", id="no unit"),
        pytest.param("m", id="no number"),
        pytest.param("1m1h", id="the wrong order"),
        pytest.param("-1m", id="negative"),
        pytest.param("1.5h", id="a fraction"),
        pytest.param(" 5m", id="a space"),
        pytest.param("5m\n", id="a line feed"),
        pytest.param("٣m", id="other digits"),
        pytest.param("293y", id="too long"),
        pytest.param("99999999999999999999y", id="far too long"),
    ],
)
def test_what_is_no_duration_of_prometheus(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", timedelta(0), id="a bare zero"),
        pytest.param("10s", timedelta(seconds=10), id="seconds"),
        pytest.param("1.5h", timedelta(minutes=90), id="a fraction"),
        pytest.param(".5s", timedelta(seconds=0.5), id="a fraction only"),
        pytest.param("+1m1h", timedelta(minutes=61), id="any order"),
        pytest.param("250ms7us900ns", timedelta(milliseconds=250, microseconds=7), id="less than a microsecond is cut"),
    ],
)
def test_durations_of_go(text: str, expected: timedelta) -> None:
    assert parse_go_duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1d", ".s", "1 s", "9999999h"])
def test_what_is_no_duration_of_go(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_go_duration(text)


# ---- Whole files -----------------------------------------------------------------------------------------------------


def example(name: str) -> Configuration:
    return read_configuration((EXAMPLES / name).read_text(), name=name)


@pytest.mark.parametrize(
    ("name", "routes", "receivers"),
    [
        pytest.param("small.yml", 1, 1, id="small"),
        pytest.param("medium.yml", 6, 5, id="medium"),
        pytest.param("deep.yml", 15, 11, id="deep"),
    ],
)
def test_examples_are_read(name: str, routes: int, receivers: int) -> None:
    configuration = example(name)
    assert (len(configuration.routes), len(configuration.receivers)) == (routes, receivers)


ROUTED = [
    ("small.yml", {}, ["oncall"]),
    ("medium.yml", {"alertname": "Watchdog", "team": "db"}, ["null"]),
    ("medium.yml", {"environment": "staging", "severity": "info", "service": "cart"}, ["null"]),
    ("medium.yml", {"environment": "staging", "severity": "critical", "service": "cart"}, ["shop-pager"]),
    ("medium.yml", {"service": "payment-eu", "severity": "page"}, ["shop-pager"]),
    ("medium.yml", {"service": "payment-eu", "severity": "page", "maintenance": "true"}, ["shop"]),
    ("medium.yml", {"team": "db", "kind": "backup"}, ["platform"]),
    ("medium.yml", {"team": "db"}, ["database"]),
    ("deep.yml", {}, ["archive"]),
    (
        "deep.yml",
        {"severity": "critical", "region": "us", "team": "storage", "tier": "1", "service": "ceph"},
        ["archive", "board-us", "board-us", "ceph", "storage-lead"],
    ),
    ("deep.yml", {"severity": "critical", "region": "eu"}, ["archive", "board", "bridge"]),
    ("deep.yml", {"team": "storage", "tier": "2", "service": "nfs"}, ["archive", "storage-pager", "storage-tickets"]),
    ("deep.yml", {"team": "storage", "tier": "1"}, ["archive", "storage-lead"]),
    ("deep.yml", {"team": "netops"}, ["archive", "network", "network"]),
]


@pytest.mark.parametrize(("name", "labels", "receivers"), ROUTED)
def test_examples_route(name: str, labels: dict[str, str], receivers: list[str]) -> None:
    configuration = example(name)
    addresses = configuration.group_addresses(labels)
    assert [configuration.routes[address.route_id].receiver for address in addresses] == receivers
    assert len({address.group_id for address in addresses}) == len(addresses)


@pytest.mark.needs("amtool")
@pytest.mark.parametrize(("name", "labels", "receivers"), ROUTED)
def test_amtool_routes_the_examples_likewise(
    name: str, labels: dict[str, str], receivers: list[str], program: Callable[[str], Path]
) -> None:
    pairs = [f"{key}={value}" for key, value in labels.items()]
    command = [str(program("amtool")), "config", "routes", "test", f"--config.file={EXAMPLES / name}", *pairs]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.strip().split(",") == receivers
