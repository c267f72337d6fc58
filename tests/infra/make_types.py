"""Write `resource_types.json`: what Azure's resource types may have, as far as packages know it.

    uv run --no-project --with msmcp-azure==3.0.0 --with azure-mgmt-monitor==7.0.0 --with azure-mgmt-webpubsub==2.0.0 \
        python tests/infra/make_types.py

`msmcp-azure` (Microsoft's MCP server, 150 MB) carries Bicep's own types and prints one at a time.  It lacks those of
`Microsoft.Insights` about alerts and of Web PubSub; these come from the models of the management SDKs, which have the
same names on the wire, but no bounds, and not which strings are allowed.  Only what can be written is kept.
"""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("resource_types.json")

BICEP = (
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.CognitiveServices/accounts",
    "Microsoft.CognitiveServices/accounts/deployments",
    "Microsoft.DocumentDB/databaseAccounts",
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases",
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers",
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments",
    "Microsoft.Insights/components",
    "Microsoft.Insights/webtests",
    "Microsoft.KeyVault/vaults",
    "Microsoft.KeyVault/vaults/secrets",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Resources/resourceGroups",
    "Microsoft.ServiceBus/namespaces",
    "Microsoft.ServiceBus/namespaces/queues",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Web/serverfarms",
    "Microsoft.Web/sites",
    "Microsoft.Web/sites/config",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
)
SDK = {
    "Microsoft.Insights/actionGroups@2023-01-01": ("monitor", "ActionGroupResource"),
    "Microsoft.Insights/metricAlerts@2018-03-01": ("monitor", "MetricAlertResource"),
    "Microsoft.Insights/scheduledQueryRules@2023-12-01": ("monitor", "ScheduledQueryRuleResource"),
    "Microsoft.SignalRService/webPubSub@2024-03-01": ("webpubsub", "WebPubSubResource"),
}
PLAIN = {"str": "string", "int": "int", "bool": "bool", "duration": "string", "iso-8601": "string", "float": "any"}

type Type = dict[str, Any]
type Types = dict[str, Type]


def read_bicep(resource_type: str) -> tuple[str, Types]:
    """The type with its version, and every object that it may hold, by name; its own is under `""`."""
    command = [str(Path(sys.executable).with_name("azmcp")), "bicepschema", "get", "--resource-type", resource_type]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    found = json.loads(printed)["results"]["BicepSchemaResult"]
    (resource,) = [
        one for one in found if one["$type"] == "Resource" and one["name"].partition("@")[0] == resource_type
    ]
    objects = {one["name"]: _object(one) for one in found if one["$type"] in ("Object", "DiscriminatedObject")}
    body = _object(resource["bodyType"])
    # One name, many resources: only the app's settings are kept of `sites/config`.
    body = body.get("variants", {}).get("appsettings", body)
    return resource["name"], _reachable({"": body} | objects)


def _object(read: Type) -> Type:
    made: Type = {"properties": _properties(read.get("properties", []) + read.get("baseProperties", []))}
    if "additionalPropertiesType" in read:
        made["additional"] = read["additionalPropertiesType"]
    if "discriminator" in read:
        made["discriminator"] = read["discriminator"]
        variants = [_object(element) for element in read["elements"]]
        made["variants"] = {variant["properties"][read["discriminator"]]["type"]: variant for variant in variants}
    return made


def _properties(read: list[Type]) -> Types:
    made: Types = {}
    for one in read:
        flags, bounds = one.get("flags", ""), one.get("modifiers", "")
        if "ReadOnly" in flags:
            continue
        made[one["name"]] = {"type": one["type"]}
        if "Required" in flags:
            made[one["name"]]["required"] = True
        for name, number in re.findall(r"(minValue|maxValue|minLength|maxLength): (-?\d+)", bounds):
            made[one["name"]][name] = int(number)
        if pattern := re.search(r"pattern: (.+)$", bounds):
            made[one["name"]]["pattern"] = pattern[1]
    return made


def read_sdk(package: str, model: str) -> Types:
    """As `read_bicep`, of a model of an SDK."""
    models = importlib.import_module(f"azure.mgmt.{package}.models")
    types: Types = {}

    def read(name: str) -> None:
        if name not in types and hasattr(models, name) and hasattr(getattr(models, name), "_attribute_map"):
            types[name] = {}
            types[name] = _model(getattr(models, name), read)

    read(model)
    types[""] = types.pop(model)
    types[""]["properties"]["name"] = {"type": "string", "required": True}
    return types


def _model(model: Any, read: Any) -> Type:
    made: Type = {"properties": {}}
    for attribute, spelt in model._attribute_map.items():
        rules = model._validation.get(attribute, {})
        if rules.get("readonly"):
            continue
        if not spelt["key"]:
            made["additional"] = "any"
            continue
        *outer, name = re.split(r"(?<!\\)\.", spelt["key"])
        properties = made["properties"]
        for part in outer:
            entry = properties.setdefault(part, {"type": "object", "required": True, "object": {"properties": {}}})
            properties = entry["object"]["properties"]
        properties[name.replace("\\.", ".")] = {"type": _spelt(spelt["type"], read)}
        if rules.get("required"):
            properties[name.replace("\\.", ".")]["required"] = True
    # One of several, told apart by a name: any of their properties may stand there.
    for subtype in {name for mapped in model.__dict__.get("_subtype_map", {}).values() for name in mapped.values()}:
        inner = _model(getattr(sys.modules[model.__module__], subtype), read)
        for name, entry in inner["properties"].items():
            made["properties"].setdefault(name, {"type": entry["type"]})
    return made


def _spelt(spelling: str, read: Any) -> str:
    if spelling.startswith("[") and spelling.endswith("]"):
        return f"{_spelt(spelling[1:-1], read)}[]"
    if spelling.startswith("{"):
        return "any"
    if spelling in PLAIN:
        return PLAIN[spelling]
    read(spelling)
    return spelling


def _reachable(types: Types) -> Types:
    kept, waiting = {}, [""]
    while waiting:
        name = waiting.pop()
        if name in kept or name not in types:
            continue
        kept[name] = types[name]
        waiting += re.findall(r'"(?:type|additional)": "(\w+)(?:\[\])*"', json.dumps(types[name]))
        for union in re.findall(r'"type": "([^"]* \| [^"]*)"', json.dumps(types[name])):
            waiting += union.removesuffix("[]").split(" | ")
    return kept


def main() -> None:
    """Write the file anew."""
    resources = dict(read_bicep(one) for one in BICEP)
    resources |= {name: read_sdk(*where) for name, where in SDK.items()}
    lines = (f"{json.dumps(name)}: {json.dumps(types, sort_keys=True)}" for name, types in sorted(resources.items()))
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
