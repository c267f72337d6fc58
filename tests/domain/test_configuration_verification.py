"""What `verify` and `sign` of a `tocsin.yml` may say, how they are refused, and that no secret shows."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest

from domain.configuration.integrations import Secret
from domain.configuration.own import read_own_configuration
from domain.errors import ConfigurationError
from domain.signatures.verification import (
    ACTION_GROUPS,
    EntraToken,
    GithubHmac,
    GrafanaHmac,
    PagerdutyHmac,
    SentryHmac,
    SharedBasic,
    SharedBearer,
    SharedHeader,
    SnsTopics,
    StandardWebhooks,
    Verification,
)

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLIC = "whpk_" + "A" * 43 + "="
TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"
TENANT = "11111111-2222-3333-4444-555555555555"


def read(text: str) -> Verification | None:
    own = read_own_configuration("sources:\n  - kind: generic\n    verify:\n" + indent(text, "      "), name="own.yml")
    return own.sources.find("generic", "any").verification


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", None, id="nothing"),
        pytest.param(f"standard_webhooks: {{secrets: [{KEY}]}}", StandardWebhooks((Secret(KEY),)), id="Standard"),
        pytest.param(
            f"standard_webhooks: {{public_keys: [{PUBLIC}]}}", StandardWebhooks(public_keys=(PUBLIC,)), id="public keys"
        ),
        pytest.param(
            "grafana: {secrets: [a], secret_files: [b, /c], secret_variables: [D]}",
            GrafanaHmac((Secret("a"), Secret(file="b"), Secret(file="/c"), Secret(variable="D"))),
            id="from everywhere",
        ),
        pytest.param(
            "grafana: {secrets: ['${env:A_1}'], header: X-Mine, timestamp_header: X-Time}",
            GrafanaHmac((Secret(variable="A_1"),), "x-mine", "x-time"),
            id="Grafana",
        ),
        pytest.param("github: {secrets: [a]}", GithubHmac((Secret("a"),)), id="GitHub"),
        pytest.param("sentry: {secrets: [a]}", SentryHmac((Secret("a"),)), id="Sentry"),
        pytest.param("pagerduty: {secrets: [a]}", PagerdutyHmac((Secret("a"),)), id="PagerDuty"),
        pytest.param("header: {name: X-Secret, secrets: [a]}", SharedHeader("x-secret", (Secret("a"),)), id="a header"),
        pytest.param("bearer: {secrets: [a]}", SharedBearer((Secret("a"),)), id="a bearer"),
        pytest.param("basic: {username: ada, secrets: [a]}", SharedBasic((Secret("a"),), "ada"), id="basic"),
        pytest.param(f"sns: {{topics: ['{TOPIC}']}}", SnsTopics((TOPIC,)), id="SNS"),
        pytest.param("entra: {audience: 'api://x'}", EntraToken(("api://x",), (ACTION_GROUPS,)), id="Entra"),
        pytest.param(
            f"entra: {{audience: [a, b], app_ids: [{TENANT.upper()}], tenants: [{TENANT}]}}",
            EntraToken(("a", "b"), (TENANT,), (TENANT,)),
            id="Entra, of others",
        ),
    ],
)
def test_what_it_says(text: str, expected: Verification | None) -> None:
    assert read(text) == expected


ALL = "standard_webhooks, grafana, github, sentry, pagerduty, header, bearer, basic, sns, entra"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{}", f"4: sources[0].verify: expected one, and only one, of {ALL}", id="empty"),
        pytest.param(
            "github: {secrets: [a]}\nsentry: {secrets: [a]}",
            f"4: sources[0].verify: expected one, and only one, of {ALL}",
            id="two",
        ),
        pytest.param(
            "sentry: {}",
            "4: sources[0].verify.sentry: expected secrets, secret_files or secret_variables",
            id="no secret",
        ),
        pytest.param("sentry: {secrets: s3cret}", "4: sources[0].verify.sentry.secrets: expected a list", id="no list"),
        pytest.param("sentry: {secrets: ['']}", "4: sources[0].verify.sentry.secrets[0]: empty", id="an empty one"),
        pytest.param(
            "sentry: {secrets: ['${env:a b}']}",
            "4: sources[0].verify.sentry.secrets[0]: "
            "what stands in ${env:NAME} must be the name of an environment variable",
            id="no variable",
        ),
        pytest.param(
            "sentry: {secret_variables: [s3cret!]}",
            "4: sources[0].verify.sentry.secret_variables[0]: expected the name of an environment variable",
            id="no name of a variable",
        ),
        pytest.param(
            "standard_webhooks: {secrets: [s3cret!]}",
            "4: sources[0].verify.standard_webhooks.secrets[0]: expected whsec_ and a key in base64",
            id="no key",
        ),
        pytest.param(
            "standard_webhooks: {public_keys: [whpk_AAAA]}",
            "4: sources[0].verify.standard_webhooks: an Ed25519 key has 32 bytes",
            id="no public key",
        ),
        pytest.param(
            "header: {secrets: [a]}",
            "4: sources[0].verify.header: missing name: which header has the secret",
            id="no header",
        ),
        pytest.param(
            "header: {name: a b, secrets: [a]}",
            "4: sources[0].verify.header.name: not a valid name for a header",
            id="no name of a header",
        ),
        pytest.param(
            "sns: {}",
            "4: sources[0].verify.sns: missing topics: "
            "SNS signs the messages of everybody's topics, so say which are yours",
            id="no topic",
        ),
        pytest.param(
            "sns: {topics: ['*']}",
            '4: sources[0].verify.sns.topics[0]: "*" is not the ARN of a topic',
            id="every topic",
        ),
        pytest.param(
            "entra: {}",
            "4: sources[0].verify.entra: missing audience: the client id of your app, or its URI",
            id="no audience",
        ),
        pytest.param(
            "sentry: {secrets: [a], sekret: b}", "4: sources[0].verify.sentry.sekret: unknown key", id="a slip"
        ),
        pytest.param("other: {}", "4: sources[0].verify.other: unknown key", id="another way"),
    ],
)
def test_what_it_refuses(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    lines = str(caught.value).splitlines()
    assert f"own.yml:{expected}" in lines
    assert "s3cret" not in str(caught.value)


def test_no_secret_shows() -> None:
    own = read_own_configuration(
        f"""
sources:
  - {{kind: grafana, verify: {{grafana: {{secrets: [s3cret]}}}}}}
  - {{kind: generic, verify: {{standard_webhooks: {{secrets: [{KEY}]}}}}}}
receivers:
  - {{name: team, sign: {{secrets: [{KEY}]}}}}
"""
    )
    assert "s3cret" not in repr(own)
    assert KEY[7:] not in repr(own)
    assert own.receivers.secrets_of("team") == (Secret(KEY),)
    assert own.receivers.secrets_of("other") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "- {sign: {secret_files: [a]}}",
            "2: receivers[0]: missing name: that of a receiver of the alertmanager.yml",
            id="no name",
        ),
        pytest.param(
            "- {name: a}", "2: receivers[0]: missing sign: the secrets to sign its webhooks with", id="nothing"
        ),
        pytest.param(
            "- {name: a, sign: {}}",
            "2: receivers[0].sign: expected secrets, secret_files or secret_variables",
            id="no secret",
        ),
        pytest.param(
            "- {name: a, sign: {secret_files: [b]}}\n- {name: a, sign: {secret_files: [c]}}",
            '3: receivers[1].name: "a" is named above',
            id="twice",
        ),
        pytest.param(
            "- {name: a, sign: {secrets: [whsec_AAAA]}}",
            "2: receivers[0].sign.secrets[0]: Standard Webhooks wants a key of 24 to 64 bytes",
            id="too short",
        ),
        pytest.param("- {name: a, url: b, sign: {secret_files: [b]}}", "2: receivers[0].url: unknown key", id="a slip"),
    ],
)
def test_what_receivers_may_not_say(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_own_configuration("receivers:\n" + text, name="own.yml")
    assert str(caught.value).splitlines() == [f"own.yml:{expected}"]


def test_the_examples_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()
    section = page.partition("\n## Signatures\n")[2].partition("\n## ")[0]
    sources, receivers = [read_own_configuration(text) for text in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]
    assert [type(source.verification) for source in sources.sources.definitions] == [
        GrafanaHmac,
        StandardWebhooks,
        SentryHmac,
        SnsTopics,
        EntraToken,
        SharedHeader,
    ]
    assert receivers.receivers.secrets_of("team") == (Secret(file="secrets/new"), Secret(file="secrets/old"))
    ways = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section.partition("|---")[2], re.MULTILINE)))
    assert sorted(ways) == sorted(ALL.split(", "))
