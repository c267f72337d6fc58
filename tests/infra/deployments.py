"""What `infra/` deploys: as little as it can, and all that it can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.infra.deploying import Deployed, Resource, Value, deploy

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
TEMPLATES = sorted(INFRA.rglob("*.bicep"))

PARAMETERS: Mapping[str, Mapping[str, Value]] = {
    "least": {"environmentName": "test", "location": "westeurope"},
    "most": {
        "environmentName": "test",
        "location": "westeurope",
        "keyPepper": "a pepper of thirty-two characters",
        "slackSigningSecret": "a signing secret",
        "hasSlackSigningSecret": True,
        "entraAudience": "api://tocsin",
        "externalUrl": "https://tocsin.example.com",
        "watchmen": "ada@example.com,grace@example.com",
        "deployWebPubSub": True,
        "deployOpenAi": True,
        "cosmosMode": "autoscale",
        "tuning": {"TOCSIN_BODY_BYTES": "1048576"},
    },
}


@cache
def deployed(name: str) -> Deployed:
    """The deployment with these parameters."""
    return deploy(INFRA / "main.bicep", PARAMETERS[name])


def resources(name: str, resource_type: str = "") -> Iterator[Resource]:
    """All of a deployment, or those of one type."""
    return (one for one in deployed(name).resources if resource_type in ("", one.type))


def app_settings(name: str) -> dict[str, Value]:
    """What the function app is told."""
    (config,) = resources(name, "Microsoft.Web/sites/config")
    settings: dict[str, Value] = config.body["properties"]
    return settings
