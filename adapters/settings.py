"""Settings: what the environment says, read once; the only place that knows the names of its variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Each field is read from the environment variable `TOCSIN_` plus its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Literal["sqlite", "memory"] = Field("sqlite", description="Where groups and queues live.")
    data: Path = Field(Path(".tocsin"), description="The folder of the SQLite file; made when missing.")
    durability: Literal["process", "power"] = Field(
        "process", description="What an acknowledged alert survives: the death of the process, or of the power supply."
    )
    compat: Literal["mended", "strict"] = Field(
        "mended", description="`strict` follows Alertmanager exactly, its known defects included."
    )
    configuration: Path | None = Field(None, description="The alertmanager.yml that `POST /-/reload` reads again.")
    external_url: str = Field("http://localhost:7071", description="Under which people reach Tocsin; for links.")

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings of this environment; unset ones have their defaults."""
        given = {
            name: environment[variable]
            for name in cls.model_fields
            if (variable := f"TOCSIN_{name.upper()}") in environment
        }
        return cls.model_validate(given)
