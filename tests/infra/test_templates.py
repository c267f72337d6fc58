"""The templates in `infra/`: their syntax, their schemas, and what must hold of every resource."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.infra.bicep import read, unused
from tests.infra.deploying import Resource, Secret, Value
from tests.infra.deployments import INFRA, PARAMETERS, ROOT, TEMPLATES, app_settings, deployed, resources
from tests.infra.resource_types import find_faults

BOTH = pytest.mark.parametrize("name", PARAMETERS)


# --- the language -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_can_be_read_and_nothing_in_it_is_left_over(path: Path) -> None:
    assert unused(read(path)) == set()


@BOTH
def test_every_resource_is_as_the_schema_of_its_type(name: str) -> None:
    assert [fault for one in resources(name) for fault in find_faults(one)] == []


def test_all_that_can_be_deployed_is_looked_at() -> None:
    assert {one.file for one in resources("most")} == {path.name for path in TEMPLATES} - {"tocsin.bicep"}


@BOTH
def test_no_two_resources_are_the_same(name: str) -> None:
    again = [one for one, count in Counter(one.id for one in resources(name)).items() if count > 1]
    assert again == []


def test_one_version_of_the_api_for_each_type() -> None:
    versions = Counter(one.partition("@")[0] for one in {f"{one.type}@{one.version}" for one in resources("most")})
    assert set(versions.values()) == {1}


# --- keys -------------------------------------------------------------------------------------------------------------

KEYLESS: dict[str, dict[str, Value]] = {
    "Microsoft.CognitiveServices/accounts": {"disableLocalAuth": True},
    "Microsoft.DocumentDB/databaseAccounts": {"disableLocalAuth": True, "disableKeyBasedMetadataWriteAccess": True},
    "Microsoft.Insights/components": {"DisableLocalAuth": True},
    "Microsoft.KeyVault/vaults": {"enableRbacAuthorization": True},
    "Microsoft.OperationalInsights/workspaces": {"features.disableLocalAuth": True},
    "Microsoft.ServiceBus/namespaces": {"disableLocalAuth": True},
    "Microsoft.SignalRService/webPubSub": {"disableLocalAuth": True},
    "Microsoft.Storage/storageAccounts": {"allowSharedKeyAccess": False, "allowBlobPublicAccess": False},
    "Microsoft.Web/sites": {"httpsOnly": True, "siteConfig.ftpsState": "Disabled"},
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"allow": False},
}
HAVE_NO_KEYS = {
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.CognitiveServices/accounts/deployments",
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases",
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers",
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments",
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/metricAlerts",
    "Microsoft.Insights/scheduledQueryRules",
    "Microsoft.Insights/webtests",
    "Microsoft.KeyVault/vaults/secrets",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Resources/resourceGroups",
    "Microsoft.ServiceBus/namespaces/queues",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Web/serverfarms",
    "Microsoft.Web/sites/config",
}


def look_up(one: Resource, path: str) -> Value:
    found: Value = one.body["properties"]
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


@BOTH
def test_nothing_can_be_asked_with_a_key(name: str) -> None:
    wrong = [
        f"{one.type}: {path} is {look_up(one, path)!r}"
        for one in resources(name)
        for path, wanted in KEYLESS.get(one.type, {}).items()
        if look_up(one, path) is not wanted and look_up(one, path) != wanted
    ]
    assert wrong == []


def test_of_every_type_it_is_said_whether_it_has_keys() -> None:
    assert {one.type for one in resources("most")} == KEYLESS.keys() | HAVE_NO_KEYS
    assert not KEYLESS.keys() & HAVE_NO_KEYS


def test_both_ways_to_publish_by_a_password_are_shut() -> None:
    shut = [
        one.name.rpartition("/")[2]
        for one in resources("least", "Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    ]
    assert sorted(shut) == ["ftp", "scm"]


def test_no_template_asks_for_a_key() -> None:
    found = [
        f"{path.name}: {word}"
        for path in TEMPLATES
        for word in ("listKeys", "AccountKey", "SharedAccessKey", "list(")
        if word in path.read_text()
    ]
    assert found == []


# --- roles ------------------------------------------------------------------------------------------------------------

ROLES = {
    ("Microsoft.CognitiveServices/accounts", "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"): "triage asks the model",
    ("Microsoft.Insights/components", "3913510d-42f4-4e42-8a64-420c390055eb"): "host and app send telemetry",
    ("Microsoft.KeyVault/vaults", "4633458b-17de-408a-b874-0445c86b69e6"): "the platform follows references",
    (
        "Microsoft.ServiceBus/namespaces",
        "090c5cfd-751d-490a-894a-3ce6f1109419",
    ): "sends, receives, scales by what waits",
    ("Microsoft.SignalRService/webPubSub", "12cf5a90-567b-43ae-8102-96cf46c7d9b4"): "sends, makes tokens",
    (
        "Microsoft.Storage/storageAccounts",
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    ): "the package, keys, leases of timers",
    ("Microsoft.DocumentDB/databaseAccounts", "00000000-0000-0000-0000-000000000002"): "reads and writes items",
}
"""Each role that Tocsin's identity has, of what, and why it needs it; nothing is granted beside these."""


def granted(name: str) -> list[tuple[str, str]]:
    types = {one.id: one.type for one in resources(name)}
    kinds = ("Microsoft.Authorization/roleAssignments", "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments")
    roles = [one for kind in kinds for one in resources(name, kind)]
    return [
        (
            types[one.scope or one.body["properties"]["scope"]],
            one.body["properties"]["roleDefinitionId"].rpartition("/")[2],
        )
        for one in roles
    ]


def test_every_role_is_needed_and_none_is_missing() -> None:
    assert sorted(granted("most")) == sorted(ROLES)


def test_a_role_comes_with_what_it_is_for() -> None:
    there = {one.type for one in resources("least")}
    assert sorted(granted("least")) == sorted(role for role in ROLES if role[0] in there)


@BOTH
def test_all_roles_are_the_one_identity_s(name: str) -> None:
    (identity,) = resources(name, "Microsoft.ManagedIdentity/userAssignedIdentities")
    kinds = ("Microsoft.Authorization/roleAssignments", "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments")
    holders = {one.body["properties"]["principalId"] for kind in kinds for one in resources(name, kind)}
    assert holders == {f"<{identity.name}.properties.principalId>"}


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_no_output_tells_a_secret() -> None:
    # The reader refuses such an output, of a module too.
    assert all(value and not isinstance(value, Secret) for value in deployed("most").outputs.values())


def test_secrets_go_into_the_vault_and_nowhere_else() -> None:
    def holds_secret(value: Value) -> bool:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return (isinstance(value, Secret) and value != "") or any(map(holds_secret, inner))

    holding = [one for one in resources("most") if holds_secret(dict(one.body))]
    assert sorted(one.name.rpartition("/")[2] for one in holding) == ["key-pepper", "slack-signing-secret"]
    assert {one.type for one in holding} == {"Microsoft.KeyVault/vaults/secrets"}


def test_a_deployment_that_is_told_no_secret_leaves_those_in_the_vault() -> None:
    assert list(resources("least", "Microsoft.KeyVault/vaults/secrets")) == []
    assert app_settings("least")["TOCSIN_KEY_PEPPER"].startswith("@Microsoft.KeyVault(SecretUri=")


# --- the function app -------------------------------------------------------------------------------------------------


def test_the_plan_is_flex_consumption_and_sleeps() -> None:
    (plan,) = resources("least", "Microsoft.Web/serverfarms")
    assert plan.body["sku"] == {"tier": "FlexConsumption", "name": "FC1"}
    (app,) = resources("least", "Microsoft.Web/sites")
    config = app.body["properties"]["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": (ROOT / ".python-version").read_text().strip()}
    scale = config["scaleAndConcurrency"]
    assert scale["alwaysReady"] == []
    assert scale["triggers"]["http"]["perInstanceConcurrency"] > 1, "with 1, the default, each request has an instance"


def test_the_package_is_fetched_by_the_identity() -> None:
    (app,) = resources("least", "Microsoft.Web/sites")
    (identity,) = resources("least", "Microsoft.ManagedIdentity/userAssignedIdentities")
    authentication = app.body["properties"]["functionAppConfig"]["deployment"]["storage"]["authentication"]
    assert authentication == {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": identity.id}
    assert app.body["identity"]["userAssignedIdentities"].keys() == {identity.id}
    assert app.body["properties"]["keyVaultReferenceIdentity"] == identity.id


# --- azd --------------------------------------------------------------------------------------------------------------


def test_azd_gives_every_parameter_and_no_other() -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    assert given.keys() == {one.name for one in read(INFRA / "main.bicep").of_kind("param")}


def test_azd_asks_for_nothing_but_a_name_and_a_region() -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    unset = {name for name, one in given.items() if isinstance(one["value"], str) and "=" not in one["value"]}
    assert unset == {"environmentName", "location"}, "azd asks for a variable that is not set and has no default"


def test_azd_finds_the_app_and_deploys_what_was_built() -> None:
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text())
    ((service, described),) = azure["services"].items()
    (app,) = resources("least", "Microsoft.Web/sites")
    assert app.body["tags"]["azd-service-name"] == service
    assert described["host"] == "function"
    assert described["remoteBuild"] is False, "a remote build takes the development packages along"
    script = ROOT / described["hooks"]["prepackage"]["run"].split()[0]
    assert script.is_file()
    assert f'"${{1:-{described["dist"]}}}"' in script.read_text(), "it builds what azd deploys"
    assert azure["infra"] == {"provider": "bicep", "path": "infra", "module": "main"}


def test_azd_finds_the_resource_group() -> None:
    (group,) = resources("least", "Microsoft.Resources/resourceGroups")
    assert group.body["tags"]["azd-env-name"] == "test"


# --- alerts on Tocsin itself ------------------------------------------------------------------------------------------


def test_every_alert_tells_the_same_people_without_tocsin() -> None:
    (group,) = resources("most", "Microsoft.Insights/actionGroups")
    addresses = [one["emailAddress"] for one in group.body["properties"]["emailReceivers"]]
    assert addresses == ["ada@example.com", "grace@example.com"]
    assert not group.body["properties"].keys() & {"webhookReceivers", "azureFunctionReceivers"}
    metric = list(resources("most", "Microsoft.Insights/metricAlerts"))
    logs = list(resources("most", "Microsoft.Insights/scheduledQueryRules"))
    assert {one.body["properties"]["actions"][0]["actionGroupId"] for one in metric} == {group.id}
    assert {action for one in logs for action in one.body["properties"]["actions"]["actionGroups"]} == {group.id}


def test_an_alert_looks_at_something_that_is_deployed() -> None:
    there = {one.id for one in resources("most")}
    kinds = ("Microsoft.Insights/metricAlerts", "Microsoft.Insights/scheduledQueryRules")
    scopes = {scope for kind in kinds for one in resources("most", kind) for scope in one.body["properties"]["scopes"]}
    assert scopes <= there


def test_the_probe_asks_for_a_page_that_anybody_may_read() -> None:
    (probe,) = resources("least", "Microsoft.Insights/webtests")
    assert probe.body["properties"]["Request"]["RequestUrl"].endswith(".azurewebsites.net/-/ready")


# --- the page ---------------------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "deploying.md").read_text()


def test_every_variable_is_explained() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (INFRA / "main.parameters.json").read_text()))
    assert {name for name in asked if f"`{name}`" not in PAGE} == set()


def test_every_alert_is_explained() -> None:
    kinds = ("Microsoft.Insights/metricAlerts", "Microsoft.Insights/scheduledQueryRules")
    (plan,) = resources("least", "Microsoft.Web/serverfarms")
    rules = [one.name.removeprefix(f"{plan.name}-") for kind in kinds for one in resources("least", kind)]
    assert [rule for rule in rules if f"`{rule}`" not in PAGE] == []


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:infra|tests|scripts)/[\w./-]+)`", PAGE))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_page_counts_right() -> None:
    for kind, words in (
        ("Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers", "containers"),
        ("Microsoft.ServiceBus/namespaces/queues", "queues"),
    ):
        assert f"{len(list(resources('least', kind)))} {words}" in PAGE
