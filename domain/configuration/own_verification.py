"""The reader of `verify` in a source of `tocsin.yml`: by what the source is known."""

from __future__ import annotations

import re
from collections.abc import Callable

from domain.configuration.http import HEADER_NAME, VARIABLE
from domain.configuration.integrations import Secret
from domain.quoting import quote
from domain.signatures import sns
from domain.signatures.standard_webhooks import read_key, read_public_key
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
from domain.yaml_document import Field, Section

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ANYTHING = re.compile(r".*", re.DOTALL)
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

SECRET_KEYS = ("secrets", "secret_files", "secret_variables")

type _Check = Callable[[str], object]
"""Raises ValueError, in words that do not repeat the text, where it is wrong."""


def read_verification(field: Field) -> Verification | None:
    """By what a source is known; None where nothing is said."""
    if field.is_absent:
        return None
    section = field.section()
    found = [(place, read) for name, read in _READERS.items() if not (place := section.take(name)).is_absent]
    section.close()
    if len(found) != 1:
        field.refuse(f"expected one, and only one, of {', '.join(_READERS)}")
        return None
    place, read = found[0]
    inner = place.section()
    verification = read(inner, place)
    inner.close()
    return verification


def read_secrets(section: Section, field: Field, check: _Check = str) -> tuple[Secret, ...]:
    """The secrets that stand here, in files, or in environment variables, in this order; with a complaint if none do.

    Args:
        section: The mapping that holds them.
        field: The same, to complain about.
        check: Says what is wrong with a secret that stands here.
    """
    inline, files, variables = (section.take(name) for name in SECRET_KEYS)
    secrets = [_read_secret(item, check) for item in inline.items()]
    secrets += [Secret(file=_read_text(item)) for item in files.items()]
    for item in variables.items():
        name = _read_text(item)
        if name and not _VARIABLE_NAME.fullmatch(name):
            item.refuse("expected the name of an environment variable")
        secrets.append(Secret(variable=name))
    if not secrets:
        field.refuse(f"expected {', '.join(SECRET_KEYS[:-1])} or {SECRET_KEYS[-1]}")
    return tuple(secrets)


def _read_secret(item: Field, check: _Check) -> Secret:
    value = _read_text(item)
    # As in alertmanager.yml.
    if found := VARIABLE.fullmatch(value):
        return Secret(variable=found[1])
    if value.startswith("${env:") and value.endswith("}"):
        item.refuse("what stands in ${env:NAME} must be the name of an environment variable")
    elif value:
        try:
            check(value)
        except ValueError as error:
            item.refuse(str(error))
    return Secret(value)


def _read_text(item: Field) -> str:
    text = item.text()
    if not text.strip():
        item.refuse("empty")
    return text


def _read_header_name(field: Field) -> str:
    name = field.text()
    if name and not HEADER_NAME.fullmatch(name):
        field.refuse("not a valid name for a header")
    return name.lower()


def _read_texts(
    section: Section, name: str, expected: str = "", pattern: re.Pattern[str] = _ANYTHING
) -> tuple[str, ...]:
    """A list of texts, or one alone, that are all what was expected."""
    texts = []
    for item in section.take(name).texts():
        text = _read_text(item)
        if text and not pattern.fullmatch(text):
            item.refuse(f"{quote(text[:300])} is not {expected}")
        texts.append(text)
    return tuple(texts)


def _read_standard(section: Section, field: Field) -> StandardWebhooks:
    public_keys = _read_texts(section, "public_keys")
    for key in public_keys:
        try:
            read_public_key(key)
        except ValueError as error:
            field.refuse(str(error))
    has_secrets = any(not section.peek(name).is_absent for name in SECRET_KEYS)
    secrets = () if public_keys and not has_secrets else read_secrets(section, field, read_key)
    return StandardWebhooks(secrets, public_keys)


def _read_grafana(section: Section, field: Field) -> GrafanaHmac:
    header, timestamp_header = section.take("header"), section.take("timestamp_header")
    return GrafanaHmac(read_secrets(section, field), _read_header_name(header), _read_header_name(timestamp_header))


def _read_header(section: Section, field: Field) -> SharedHeader:
    name = section.take("name")
    if name.is_empty:
        field.refuse("missing name: which header has the secret")
    return SharedHeader(_read_header_name(name), read_secrets(section, field))


def _read_basic(section: Section, field: Field) -> SharedBasic:
    username = section.take("username").text()
    return SharedBasic(read_secrets(section, field), username)


def _read_sns(section: Section, field: Field) -> SnsTopics:
    topics = _read_texts(section, "topics", "the ARN of a topic", sns.TOPIC)
    if not topics:
        field.refuse("missing topics: SNS signs the messages of everybody's topics, so say which are yours")
    return SnsTopics(topics)


def _read_entra(section: Section, field: Field) -> EntraToken:
    audiences = _read_texts(section, "audience")
    if not audiences:
        field.refuse("missing audience: the client id of your app, or its URI")
    app_ids = _read_texts(section, "app_ids", "the id of an app", _GUID)
    tenants = _read_texts(section, "tenants", "the id of a tenant", _GUID)
    return EntraToken(
        audiences, tuple(id.lower() for id in app_ids) or (ACTION_GROUPS,), tuple(id.lower() for id in tenants)
    )


_READERS: dict[str, Callable[[Section, Field], Verification]] = {
    "standard_webhooks": _read_standard,
    "grafana": _read_grafana,
    "github": lambda section, field: GithubHmac(read_secrets(section, field)),
    "sentry": lambda section, field: SentryHmac(read_secrets(section, field)),
    "pagerduty": lambda section, field: PagerdutyHmac(read_secrets(section, field)),
    "header": _read_header,
    "bearer": lambda section, field: SharedBearer(read_secrets(section, field)),
    "basic": _read_basic,
    "sns": _read_sns,
    "entra": _read_entra,
}
