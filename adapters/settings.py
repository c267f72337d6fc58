"""Settings: what the environment says, read once; the only place that knows the names of its variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.configuration_files import own_beside, read_own


class Settings(BaseModel):
    """Each field is read from the environment variable `TOCSIN_` plus its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Literal["sqlite", "memory"] = Field("sqlite", description="Where groups and queues live.")
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
    external_url: str = Field("http://localhost:7071", description="Under which people reach Tocsin; for links.")

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings of this environment; unset ones are as the `tocsin.yml` says, or have their defaults.

        Raises:
            ValidationError: A variable has a value that it cannot have.
            RejectedError: The `tocsin.yml` cannot be read, or is wrong.
        """
        given = {
            name: environment[variable]
            for name in cls.model_fields
            if (variable := f"TOCSIN_{name.upper()}") in environment
        }
        settings = cls.model_validate(given)
        file = settings.own_configuration or own_beside(settings.configuration)
        if file is None:
            return settings
        own = read_own(file)
        compat = settings.compat if "compat" in given else own.compat or settings.compat
        return settings.model_copy(update={"own_configuration": file, "compat": compat})
