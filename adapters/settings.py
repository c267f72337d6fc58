"""Settings: what the environment says, read once; the only place that knows the names of its variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from adapters.configuration_files import own_beside, read_own
from domain.addresses import ALLOWING, Allowance, read_allowance
from domain.errors import RejectedError

AUTHORITY = "https://login.microsoftonline.com"
MANAGEMENT = "https://management.azure.com"
MANAGEMENTS = (MANAGEMENT, "https://management.usgovcloudapi.net", "https://management.chinacloudapi.cn")
LEAST_PEPPER_CHARACTERS = 32
UNRESOLVED = "@Microsoft.KeyVault("
"""How a setting begins whose secret the platform could not fetch: it hands on the reference, which is no secret."""
_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

CONNECTIONS = {
    "cosmos_endpoint": "COSMOS__accountEndpoint",
    "cosmos": "COSMOS",
    "cosmos_database": "COSMOS_DATABASE",
    "service_bus_namespace": "SERVICE_BUS__fullyQualifiedNamespace",
    "service_bus": "SERVICE_BUS",
    "web_pubsub_endpoint": "WEB_PUBSUB__endpoint",
    "web_pubsub": "WEB_PUBSUB",
    "applicationinsights": "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "website_site_name": "WEBSITE_SITE_NAME",
    "website_auth_enabled": "WEBSITE_AUTH_ENABLED",
}
"""The settings that the Functions host or an SDK reads too, with their names for them."""


def variable_of(field: str) -> str:
    """The environment variable that a setting is read from."""
    return CONNECTIONS.get(field, f"TOCSIN_{field.upper()}")


class Settings(BaseModel):
    """Each field is read from the environment variable `TOCSIN_` plus its name in capitals.

    Those of the stores are read from the variables that the triggers' connections are made of, so that the app and the
    platform cannot disagree.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Literal["sqlite", "memory", "azure"] = Field(
        "sqlite", description="Where groups and queues live; `azure` is Cosmos DB and Service Bus."
    )
    data: Path = Field(Path(".tocsin"), description="The folder of the SQLite file; made when missing.")
    durability: Literal["process", "power"] = Field(
        "process", description="What an acknowledged alert survives: the death of the process, or of the power supply."
    )
    compat: Literal["mended", "strict"] = Field(
        "mended",
        description="`strict` follows Alertmanager exactly, its known defects included.  It wins over the tocsin.yml.",
    )
    configuration: Path | None = Field(None, description="The alertmanager.yml that `POST /-/reload` reads again.")
    own_configuration: Path | None = Field(
        None,
        description="The tocsin.yml; without one named, that in the folder of the alertmanager.yml, if it is there.",
    )
    ignore_unsupported_receivers: bool = Field(
        False, description="Leave out integrations of kinds that Tocsin does not speak to, instead of refusing them."
    )
    shadow: bool = Field(
        False, description="Send nothing to anybody; record what would be sent, to compare it with Alertmanager."
    )
    triage: bool = Field(True, description="Look at each incident as it opens, and write down what is found.")
    triage_process: bool = Field(
        False, description="Look in a process of its own; `tocsin serve` does, for there a look would delay a fold."
    )
    cosmos_endpoint: str = Field("", description="`https://NAME.documents.azure.com:443/`, asked with an identity.")
    cosmos: str = Field("", description="A connection string with a key, for an emulator on this machine only.")
    cosmos_database: str = Field("tocsin", description="The database that has the containers.")
    service_bus_namespace: str = Field("", description="`NAME.servicebus.windows.net`, asked with an identity.")
    service_bus: str = Field("", description="A connection string with a key, for an emulator on this machine only.")
    body_bytes: int = Field(5 * 1024 * 1024, ge=1024, description="The largest body of a request that is taken.")
    cors_origins: str = Field(
        "", description="The origins, by commas, whose pages' scripts may ask: `https://console.example.com`."
    )
    web_pubsub_endpoint: str = Field(
        "", description="`https://NAME.webpubsub.azure.com`, asked with an identity; without it no WebSockets on Azure."
    )
    web_pubsub: str = Field("", description="A connection string with a key, for an emulator on this machine only.")
    web_pubsub_hub: str = Field("tocsin", pattern="^[A-Za-z][A-Za-z0-9_]{0,127}$", description="The hub there.")
    external_url: str = Field("http://localhost:7071", description="Under which people reach Tocsin; for links.")
    auth: bool = Field(
        False, description="Ask everybody for a key or a token.  On Azure the default is true, else false."
    )
    key_pepper: str = Field(
        "",
        repr=False,
        description="The secret that API keys are hashed with, 32 characters at least; one machine makes its own.",
    )
    slack_signing_secret: str = Field(
        "", repr=False, description="Of the Slack app whose buttons Tocsin answers; without it a button is a link."
    )
    private_receivers: str | None = Field(
        None,
        description="Receivers without a public address that may be told all the same: names, addresses and networks,"
        " by commas; `*` for all.  Not set: all where nobody is asked for a key and this is not Azure, else none.",
    )
    entra_tenants: str = Field("", description="The ids of the tenants, by commas, whose tokens are taken.")
    entra_audience: str = Field("", description="For whom these tokens must be: the app's client id or URI, by commas.")
    entra_authority: str = Field(AUTHORITY, description="Who issues them; another one only on this machine, for tests.")
    proxies: int = Field(
        0, ge=0, le=10, description="How many proxies of yours stand in front: an address is read from behind them."
    )
    ingest_per_second: float = Field(2000.0, gt=0, description="Requests with alerts that one key may send a second.")
    ingest_burst: float = Field(4000.0, ge=1, description="So many of them at once.")
    requests_per_second: float = Field(50.0, gt=0, description="Other requests that one key, or person, may send.")
    requests_burst: float = Field(200.0, ge=1, description="So many of them at once.")
    batch_alerts: int = Field(20_000, ge=1, description="The most alerts that one request may bring.")
    most_waiting: int = Field(
        500_000, ge=1, description="While so many messages with alerts wait in memory, alerts are refused (503)."
    )
    request_seconds: float = Field(60.0, gt=0, description="After so long a request is given up (503).")
    raw_retention_hours: float = Field(
        168.0,
        ge=0,
        le=90 * 24,
        description="For how many hours the payloads of sources are kept, to be read again; 0 keeps none.",
    )
    retention_entries_days: float = Field(
        90.0,
        ge=7,
        le=10_000,
        description="For how many days the SQLite file keeps log entries: timelines, explanations, replays.",
    )
    retention_incidents_days: float = Field(
        400.0, ge=7, le=10_000, description="For how many days after its end the SQLite file keeps an incident."
    )
    reconcile_subscriptions: str = Field(
        "", description="The ids of the Azure subscriptions, by commas, whose alerts must arrive here; asked each hour."
    )
    reconcile_action_groups: str = Field(
        "", description="The resource IDs, by commas, of the action groups that tell this Tocsin; without any, all do."
    )
    reconcile_endpoint: str = Field(
        MANAGEMENT, description="Azure Resource Manager, of another cloud; or an address of this machine, for tests."
    )
    model: str = Field(
        "", description="The model, or the deployment, that triage asks beside the first look; empty: none."
    )
    model_endpoint: str = Field(
        "", description="Where it is asked: `https://NAME.openai.azure.com`, or the base URL of what speaks as OpenAI."
    )
    model_key: str = Field(
        "", repr=False, description="The key there; without one an identity on Azure, and nothing elsewhere."
    )
    model_review: bool = Field(True, description="Whether a second agent checks what the first one claims.")
    model_reasoning: bool = Field(
        False, description="Whether the model is one that refuses to be told a temperature and a seed."
    )
    model_answer_tokens: int = Field(
        4_000, ge=100, le=100_000, description="The longest answer; fewer where a slow server writes for too long."
    )
    triage_record: Path | None = Field(
        None, description="A folder for one file of each run of a model, from which it can be run again; for debugging."
    )
    telemetry: Literal["auto", "console", "off"] = Field(
        "auto",
        description="Where spans and metrics go: to whichever of the next two is set, to standard error, or nowhere.",
    )
    applicationinsights: str = Field(
        "", repr=False, description="The connection string of Application Insights; it comes before OTLP."
    )
    otlp_endpoint: str = Field(
        "", description="Where an OpenTelemetry collector takes OTLP over HTTP: `http://localhost:4318`."
    )
    website_site_name: str = Field("", description="Set by Azure: the app's name.")
    website_auth_enabled: str = Field("", description="Set by Azure: `True` where Easy Auth stands in front.")

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings of this environment; unset ones are as the `tocsin.yml` says, or have their defaults.

        Raises:
            ValidationError: A variable has a value that it cannot have.
            RejectedError: The `tocsin.yml` cannot be read, or is wrong.
        """
        given = {
            name: environment[variable] for name in cls.model_fields if (variable := variable_of(name)) in environment
        }
        settings = cls.model_validate(given)
        if "auth" not in given and settings.website_site_name:
            # On the internet nobody is trusted because somebody forgot a setting.
            settings = settings.model_copy(update={"auth": True})
        if settings.home == "azure":
            settings.check_connections()
        settings.check_identities()
        settings.check_private_receivers()
        settings.check_web_pubsub()
        settings.check_reconciliation()
        settings.check_model()
        file = settings.own_configuration or own_beside(settings.configuration)
        if file is None:
            return settings
        own = read_own(file)
        compat = settings.compat if "compat" in given else own.compat or settings.compat
        return settings.model_copy(update={"own_configuration": file, "compat": compat})

    def check_connections(self) -> None:
        """Raises RejectedError when the home on Azure cannot be reached by what is set, naming the variables."""
        if not self.cosmos_endpoint and not self.cosmos:
            raise RejectedError("TOCSIN_HOME is azure, so COSMOS__accountEndpoint must name the Cosmos account")
        if not self.service_bus_namespace and not self.service_bus:
            raise RejectedError("TOCSIN_HOME is azure, so SERVICE_BUS__fullyQualifiedNamespace must name the namespace")
        if self.cosmos and not _is_emulator(_parts(self.cosmos).get("AccountEndpoint", "")):
            raise RejectedError(
                "COSMOS has a key, which is for emulators: set COSMOS__accountEndpoint and grant a role"
            )
        if self.service_bus and _parts(self.service_bus).get("UseDevelopmentEmulator") != "true":
            raise RejectedError(
                "SERVICE_BUS has a key, which is for emulators: set SERVICE_BUS__fullyQualifiedNamespace, grant a role"
            )

    def check_identities(self) -> None:
        """Raises RejectedError when what is set about keys and tokens cannot be meant; quotes no secret."""
        for name in ("key_pepper", "slack_signing_secret", "model_key"):
            if getattr(self, name).startswith(UNRESOLVED):
                raise RejectedError(
                    f"{variable_of(name)} is a reference to Key Vault that the platform could not follow:"
                    " is the secret there, and may the identity read it?"
                )
        if 0 < len(self.key_pepper) < LEAST_PEPPER_CHARACTERS:
            raise RejectedError(f"TOCSIN_KEY_PEPPER is too short: {LEAST_PEPPER_CHARACTERS} characters at least")
        if self.auth and self.home == "azure" and not self.key_pepper:
            raise RejectedError(
                "TOCSIN_KEY_PEPPER must be set, best as a reference to Key Vault: API keys are hashed with it"
            )
        if bool(self.tenants) != bool(self.audiences):
            raise RejectedError("TOCSIN_ENTRA_TENANTS and TOCSIN_ENTRA_AUDIENCE go together: one of them is not set")
        parts = urlsplit(self.entra_authority)
        if self.entra_authority != AUTHORITY and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise RejectedError(f"TOCSIN_ENTRA_AUTHORITY may only be {AUTHORITY}, or an address of this machine")

    def check_private_receivers(self) -> None:
        """Raises RejectedError when `private_receivers` cannot be read, naming the variable."""
        try:
            _ = self.allowance
        except ValueError as error:
            raise RejectedError(f"{ALLOWING}: {error}") from error

    @cached_property
    def allowance(self) -> Allowance:
        """Which receivers may be told although their addresses are not public."""
        if self.private_receivers is not None:
            return read_allowance(self.private_receivers)
        # On one machine, where whoever reaches it may do everything, receivers beside it are the rule.
        return Allowance(is_for_all=not (self.auth or self.website_site_name))

    @property
    def tenants(self) -> tuple[str, ...]:
        """Those of `entra_tenants`, in lower case."""
        return _listed(self.entra_tenants.lower())

    @property
    def audiences(self) -> tuple[str, ...]:
        """Those of `entra_audience`."""
        return _listed(self.entra_audience)

    @property
    def trusts_easy_auth(self) -> bool:
        """Whether the platform says that it stands in front; else anybody could send its header."""
        return bool(self.website_site_name) and self.website_auth_enabled.lower() == "true"

    @cached_property
    def origins(self) -> frozenset[str]:
        """Those of `cors_origins`; a browser sends none with a slash at its end."""
        return frozenset(origin.rstrip("/") for origin in _listed(self.cors_origins.lower())) - {""}

    def check_web_pubsub(self) -> None:
        """Raises RejectedError when what is set of Web PubSub cannot be meant, naming the variable."""
        endpoint, _ = self.web_pubsub_address
        parts = urlsplit(endpoint)
        if endpoint and not (parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")):
            raise RejectedError("WEB_PUBSUB__endpoint must be an address such as https://NAME.webpubsub.azure.com")
        if self.web_pubsub and not self.web_pubsub_endpoint and not _is_emulator(endpoint):
            raise RejectedError(
                "WEB_PUBSUB has a key, which is for emulators: set WEB_PUBSUB__endpoint and grant a role"
            )

    def check_reconciliation(self) -> None:
        """Raises RejectedError when what is set about Azure's alerts cannot be meant, naming the variable."""
        for subscription in self.reconciled_subscriptions:
            if not _SUBSCRIPTION.fullmatch(subscription):
                raise RejectedError(f"TOCSIN_RECONCILE_SUBSCRIPTIONS: {subscription[:100]!r} is no subscription's id")
        for group in self.reconciled_action_groups:
            if "/providers/microsoft.insights/actiongroups/" not in group:
                raise RejectedError(f"TOCSIN_RECONCILE_ACTION_GROUPS: {group[:200]!r} is no action group's resource ID")
        host = urlsplit(self.reconcile_endpoint).hostname
        if self.reconcile_endpoint not in MANAGEMENTS and host not in ("127.0.0.1", "::1", "localhost"):
            raise RejectedError(
                f"TOCSIN_RECONCILE_ENDPOINT may only be {', '.join(MANAGEMENTS)}, or an address of this machine"
            )

    def check_model(self) -> None:
        """Raises RejectedError when what is set about a model cannot be meant, naming the variable."""
        if not self.model:
            return
        parts = urlsplit(self.model_endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise RejectedError(
                "TOCSIN_MODEL is set, so TOCSIN_MODEL_ENDPOINT must say where it is asked: "
                "https://NAME.openai.azure.com, or a base URL such as http://localhost:8080/v1"
            )
        if parts.username is not None or parts.password is not None:
            raise RejectedError("TOCSIN_MODEL_ENDPOINT has a password in it: set TOCSIN_MODEL_KEY instead")
        if self.model_key and parts.scheme == "http" and not _is_emulator(self.model_endpoint):
            raise RejectedError("TOCSIN_MODEL_KEY would be sent unencrypted: TOCSIN_MODEL_ENDPOINT must begin https://")

    @property
    def reconciled_subscriptions(self) -> tuple[str, ...]:
        """Those of `reconcile_subscriptions`, in lower case."""
        return _listed(self.reconcile_subscriptions.lower())

    @property
    def reconciled_action_groups(self) -> frozenset[str]:
        """Those of `reconcile_action_groups`, in lower case."""
        return frozenset(_listed(self.reconcile_action_groups.lower()))

    @property
    def web_pubsub_address(self) -> tuple[str, str]:
        """The endpoint and the emulator's key; no key where an identity is used, no endpoint where there is none."""
        if self.web_pubsub_endpoint:
            return self.web_pubsub_endpoint, ""
        parts = _parts(self.web_pubsub)
        return parts.get("Endpoint", ""), parts.get("AccessKey", "")

    @property
    def cosmos_address(self) -> tuple[str, str]:
        """The account's endpoint and the emulator's key; no key where an identity is used."""
        if self.cosmos_endpoint:
            return self.cosmos_endpoint, ""
        parts = _parts(self.cosmos)
        return parts.get("AccountEndpoint", ""), parts.get("AccountKey", "")


def _listed(text: str) -> tuple[str, ...]:
    """What stands between the commas, and is not empty."""
    return tuple(found.strip() for found in text.split(",") if found.strip())


def _parts(connection_string: str) -> dict[str, str]:
    """The settings in `Name=value;Name=value`; a key may end in `=`."""
    pairs = (part.partition("=") for part in connection_string.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _is_emulator(endpoint: str) -> bool:
    """Whether this is an address on this machine, or a name inside a compose network, which has no dots."""
    host = urlsplit(endpoint).hostname or ""
    return host in ("127.0.0.1", "::1") or (bool(host) and "." not in host)
