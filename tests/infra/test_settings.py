"""What the app reads, `infra/` sets, and the reverse."""

from __future__ import annotations

import re

import pytest

from adapters.settings import UNRESOLVED, Settings, variable_of
from devhost.host import NAMES
from domain.errors import RejectedError
from tests.infra.deployments import PARAMETERS, ROOT, app_settings

NOT_SET = {
    "TOCSIN_CONFIGURATION": "a configuration is pushed and stored",
    "TOCSIN_OWN_CONFIGURATION": "as above",
    "TOCSIN_DATA": "of the SQLite file",
    "TOCSIN_DURABILITY": "of the SQLite file",
    "TOCSIN_RETENTION_ENTRIES_DAYS": "of the SQLite file; items on Azure end by themselves",
    "TOCSIN_RETENTION_INCIDENTS_DAYS": "as above",
    "TOCSIN_TELEMETRY": "for a console; Application Insights is set",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "for another collector than Application Insights",
    "TOCSIN_MOST_WAITING": "of a queue in memory",
    "TOCSIN_ENTRA_AUTHORITY": "another one only on one machine, for tests",
    "TOCSIN_MODEL_KEY": "the identity asks; one elsewhere is a reference in `tuning`",
    "TOCSIN_TRIAGE_RECORD": "for debugging, on one machine",
    "COSMOS": "a key, for an emulator",
    "SERVICE_BUS": "a key, for an emulator",
    "WEB_PUBSUB": "a key, for an emulator",
    "WEBSITE_SITE_NAME": "by the platform",
    "WEBSITE_AUTH_ENABLED": "by the platform",
}
HOST = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_CLIENT_ID",
    "AzureWebJobsDisableHomepage",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "COSMOS__clientId",
    "COSMOS__credential",
    "PYTHON_ENABLE_OPENTELEMETRY",
    "SERVICE_BUS__clientId",
    "SERVICE_BUS__credential",
}
"""What the host and the SDKs read."""

NEVER_ON_FLEX = {
    "ENABLE_ORYX_BUILD",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_TIME_ZONE",
}
"""Flex Consumption refuses a deployment with these, or does not heed them."""

DIFFERENT = {
    "applicationinsights",
    "home",
    "auth",
    "key_pepper",
    "slack_signing_secret",
    "external_url",
    "cosmos_endpoint",
    "service_bus_namespace",
    "private_receivers",
    "website_site_name",
}
"""Where the least deployment says something else than the app's own default."""

BOTH = pytest.mark.parametrize("name", PARAMETERS)


def as_the_platform_hands_them_on(name: str) -> dict[str, str]:
    """With every reference to Key Vault followed."""
    settings = app_settings(name) | {"WEBSITE_SITE_NAME": "tocsin"}
    return {one: "s" * 32 if value.startswith(UNRESOLVED) else value for one, value in settings.items()}


@BOTH
def test_every_setting_that_the_app_reads_is_set_and_no_other(name: str) -> None:
    read = {variable_of(field) for field in Settings.model_fields} - NOT_SET.keys()
    read |= set(NAMES) | HOST
    assert app_settings(name).keys() == read


def test_what_is_not_set_is_still_read() -> None:
    assert NOT_SET.keys() <= {variable_of(field) for field in Settings.model_fields}


@BOTH
def test_nothing_is_set_that_flex_consumption_does_not_take(name: str) -> None:
    assert not app_settings(name).keys() & NEVER_ON_FLEX


@BOTH
def test_a_setting_is_text(name: str) -> None:
    assert {one for one, value in app_settings(name).items() if not isinstance(value, str)} == set()


@BOTH
def test_the_app_takes_what_is_set(name: str) -> None:
    settings = Settings.read(as_the_platform_hands_them_on(name))
    assert settings.home == "azure"
    assert settings.auth


def test_the_least_deployment_leaves_the_app_its_defaults() -> None:
    settings = Settings.read(as_the_platform_hands_them_on("least"))
    different = {name for name in Settings.model_fields if getattr(settings, name) != getattr(Settings.read({}), name)}
    assert different == DIFFERENT - {"slack_signing_secret"}


def test_a_setting_can_be_given_by_name() -> None:
    assert Settings.read(as_the_platform_hands_them_on("most")).body_bytes == 1_048_576


@BOTH
def test_the_queues_have_the_names_that_tocsin_sends_to(name: str) -> None:
    assert {one: app_settings(name)[one] for one in NAMES} == NAMES


@BOTH
def test_every_setting_is_explained(name: str) -> None:
    page = (ROOT / "docs" / "azure.md").read_text() + (ROOT / "docs" / "deploying.md").read_text()
    named = set(re.findall(r"`([\w]+)`", page))
    assert app_settings(name).keys() - named == set()


@pytest.mark.parametrize("name", ["TOCSIN_KEY_PEPPER", "TOCSIN_SLACK_SIGNING_SECRET", "TOCSIN_MODEL_KEY"])
def test_a_reference_that_was_not_followed_is_no_secret(name: str) -> None:
    reference = f"{UNRESOLVED}SecretUri=https://tocsin.vault.azure.net/secrets/key-pepper)"
    with pytest.raises(RejectedError, match=f"{name} is a reference to Key Vault"):
        Settings.read({name: reference})
