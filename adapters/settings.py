"""Settings: what the environment says, read once; the only place that knows the names of its variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from adapters.configuration_files import own_beside, read_own
from domain.errors import RejectedError

CONNECTIONS = {
    "cosmos_endpoint": "COSMOS__accountEndpoint",
    "cosmos": "COSMOS",
    "cosmos_database": "COSMOS_DATABASE",
    "service_bus_namespace": "SERVICE_BUS__fullyQualifiedNamespace",
    "service_bus": "SERVICE_BUS",
}
"""The settings that the Functions host reads too, with its names for them."""


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
    cosmos_endpoint: str = Field("", description="`https://NAME.documents.azure.com:443/`, asked with an identity.")
    cosmos: str = Field("", description="A connection string with a key, for an emulator on this machine only.")
    cosmos_database: str = Field("tocsin", description="The database that has the containers.")
    service_bus_namespace: str = Field("", description="`NAME.servicebus.windows.net`, asked with an identity.")
    service_bus: str = Field("", description="A connection string with a key, for an emulator on this machine only.")
    external_url: str = Field("http://localhost:7071", description="Under which people reach Tocsin; for links.")

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
        if settings.home == "azure":
            settings.check_connections()
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

    @property
    def cosmos_address(self) -> tuple[str, str]:
        """The account's endpoint and the emulator's key; no key where an identity is used."""
        if self.cosmos_endpoint:
            return self.cosmos_endpoint, ""
        parts = _parts(self.cosmos)
        return parts.get("AccountEndpoint", ""), parts.get("AccountKey", "")


def _parts(connection_string: str) -> dict[str, str]:
    """The settings in `Name=value;Name=value`; a key may end in `=`."""
    pairs = (part.partition("=") for part in connection_string.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _is_emulator(endpoint: str) -> bool:
    """Whether this is an address on this machine, or a name inside a compose network, which has no dots."""
    host = urlsplit(endpoint).hostname or ""
    return host in ("127.0.0.1", "::1") or (bool(host) and "." not in host)
